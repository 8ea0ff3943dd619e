/* SPDX-License-Identifier: Apache-2.0 */
/* The table as records: the oldest socket first, so that the new table has
 * them in the same order. */
#include "sentry/sock/sock_save.h"

#include <errno.h>
#include <string.h>

#include "netstack/dgram/dgram.fields.h"
#include "sentry/sock/sock_save_priv.h"

static void put_record(struct save_out *o, enum sock_record type, const void *m)
{
	save_record(o, (enum nst_save_record)type, m);
}

static void save_table(const struct sock_table *tb, struct save_out *o)
{
	Cordon__SockTable *m = save_object(o, &save_sock_table, tb);

	if (!m)
		return;
	m->version = SOCK_VERSION;
	put_record(o, SOCK_SAVE_TABLE, m);
}

static Cordon__SockKept *kept_of(struct save_out *o, const struct dgram_kept *k)
{
	Cordon__SockKept *m = save_message(o, &cordon__sock_kept__descriptor);

	if (!m)
		return NULL;
	m->in = save_object(o, &save_nst_dgram_in, &k->in);
	m->data.data = save_memory(o, k->in.bytes + 1);
	if (!m->data.data)
		return NULL;
	if (k->in.bytes)
		memcpy(m->data.data, k->bytes, k->in.bytes);
	m->data.len = k->in.bytes;
	return m;
}

static void save_dgram_half(const struct sock *s, struct save_out *o,
			    Cordon__SockDgram *m)
{
	const struct dgram_kept *k;
	size_t n = 0;

	for (k = s->dg.kept; k; k = k->next)
		n++;
	if (s->dg.unsent)
		m->unsent = kept_of(o, s->dg.unsent);
	m->mc_addr = s->dg.mc_addr.s_addr;
	if (!n)
		return;
	m->kept = save_memory(o, n * sizeof *m->kept);
	if (!m->kept)
		return;
	for (k = s->dg.kept; k; k = k->next)
		m->kept[m->n_kept++] = kept_of(o, k);
}

static void save_one(const struct sock *s, struct save_out *o)
{
	Cordon__Sock *m = save_object(o, &save_sock, s);

	if (!m || !m->listen || !m->dg)
		return;
	if (s->tcp || s->dgram)
		m->endpoint = nst_sock_id(sock_nst(s));
	if (s->listen.pushing)
		m->listen->pushing = s->listen.pushing->id;
	save_dgram_half(s, o, m->dg);
	put_record(o, SOCK_SAVE_SOCK, o->failed ? NULL : m);
}

/* all_pprev leads to the one before: its all_next, or the head. */
static struct sock *before(const struct sock_table *tb, const struct sock *s)
{
	if (s->all_pprev == &tb->all)
		return NULL;
	return (struct sock *)(void *)((char *)s->all_pprev -
				       offsetof(struct sock, all_next));
}

int sock_table_save(const struct sandbox *sb, const struct nst_save_sink *sink)
{
	const struct sock_table *tb = sb->socks;
	struct sock *s = tb->all;
	struct save_out o;
	bool failed;

	save_out_init(&o, &sb->env, sink);
	save_table(tb, &o);
	while (s && s->all_next)
		s = s->all_next;
	for (; s; s = before(tb, s))
		save_one(s, &o);
	put_record(&o, SOCK_SAVE_END,
		   save_message(&o, &cordon__sock_end__descriptor));
	failed = o.failed;
	save_out_fini(&o);
	return failed ? -ENOMEM : 0;
}

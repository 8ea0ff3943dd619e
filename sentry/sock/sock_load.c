/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table from its records. Sockets are made without endpoints; while the
 * guest's stack is loaded, its endpoints claim theirs.
 */
#include "sentry/sock/sock_save.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/dgram/dgram.fields.h"
#include "sentry/core/errmap.h"
#include "sentry/sock/sock_save_priv.h"

/* Which endpoint is whose, sorted by id. */
struct sock_claim {
	uint64_t endpoint;
	struct sock *s;
};

struct sock_claims {
	size_t n, room;
	bool sorted;
	struct sock_claim v[];
};

struct sock_load {
	struct sandbox *sb;
	struct save_in in;
};

/* ---- one socket ---- */

static bool note_claim(struct sock_load *l, struct sock *s, uint64_t endpoint)
{
	struct sock_table *tb = l->sb->socks;
	struct sock_claims *c = tb->claims;

	if (!endpoint)
		return save_bad(&l->in, "sock", "has no endpoint");
	if (!c || c->n == c->room) {
		size_t n = c ? c->n : 0, room = n ? 2 * n : 64;

		c = realloc(c, sizeof *c + room * sizeof c->v[0]);
		if (!c)
			return save_fail(&l->in, NST_E_NOMEM, "no memory");
		c->n = n;
		c->room = room;
		c->sorted = false;
		tb->claims = c;
	}
	c->v[c->n++] = (struct sock_claim){endpoint, s};
	return true;
}

static struct dgram_kept *load_kept(struct sock_load *l,
				    const Cordon__SockKept *m)
{
	struct nst_dgram_in in = {0};
	struct dgram_kept *k;

	if (!save_restore(&l->in, &save_nst_dgram_in, m->in, &in))
		return NULL;
	k = dgram_keep(&in, m->data.data, m->data.len);
	if (!k)
		save_fail(&l->in, NST_E_NOMEM, "no memory");
	return k;
}

static bool load_dgram_half(struct sock_load *l, struct sock *s,
			    const Cordon__SockDgram *m)
{
	struct dgram_kept **end = &s->dg.kept;

	s->dg.mc_addr.s_addr = m ? m->mc_addr : 0;
	for (size_t i = 0; m && i < m->n_kept; i++) {
		*end = load_kept(l, m->kept[i]);
		if (!*end)
			return false;
		end = &(*end)->next;
	}
	if (!m || !m->unsent)
		return true;
	s->dg.unsent = load_kept(l, m->unsent);
	return s->dg.unsent != NULL;
}

/* Its child was made later, and comes later. */
static bool note_pushing(struct sock_load *l, struct sock *s,
			 const Cordon__SockListen *m)
{
	if (!m || !m->pushing)
		return true;
	if (s->state != SOCK_LISTENING || s->listen.push_fd < 0)
		return save_bad(&l->in, "pushing", "is no listener's");
	s->listen.pushing_id = m->pushing;
	return true;
}

static bool kinds_known(const struct sock *s)
{
	return (s->domain == AF_INET || s->domain == AF_INET6) &&
	       s->type >= SOCK_STREAM && s->type <= SOCK_RAW &&
	       s->state <= SOCK_LISTENING;
}

static bool load_sock(struct sock_load *l)
{
	Cordon__Sock *m = save_parse(&l->in, &cordon__sock__descriptor);
	struct sock_table *tb = l->sb->socks;
	struct sock *s;
	uint64_t id, cookie;

	if (!m || !tb)
		return m ? save_bad(&l->in, "sock", "comes too early") : false;
	if (!m->id || sock_by_id(l->sb, m->id))
		return save_bad(&l->in, "id", "is zero, or there twice");
	s = sock_new(l->sb, m->domain, m->type, m->proto);
	if (!s)
		return save_fail(&l->in, NST_E_NOMEM, "no memory");
	if (!save_restore(&l->in, &save_sock, m, s))
		return false;
	id = s->id;
	cookie = s->cookie;
	s->cookie = 0;
	sock_set_id(s, id);
	sock_set_cookie(s, cookie);
	if (!kinds_known(s))
		return save_bad(&l->in, "sock", "is of no known kind");
	return note_claim(l, s, m->endpoint) && note_pushing(l, s, m->listen) &&
	       load_dgram_half(l, s, m->dg);
}

static bool load_table(struct sock_load *l)
{
	Cordon__SockTable *m =
	    save_parse(&l->in, &cordon__sock_table__descriptor);

	if (!m)
		return false;
	if (l->sb->socks || m->version != SOCK_VERSION)
		return save_bad(&l->in, "sockets", "are of another version");
	if (sock_table_new(l->sb))
		return save_fail(&l->in, NST_E_NOMEM, "no memory");
	return save_restore(&l->in, &save_sock_table, m, l->sb->socks);
}

/* Making them has counted. */
static bool finish(struct sock_load *l, uint64_t next_id)
{
	struct sock_table *tb = l->sb->socks;

	if (!tb)
		return save_bad(&l->in, "sockets", "have no table");
	tb->next_id = next_id;
	for (struct sock *s = tb->all; s; s = s->all_next) {
		if (s->id >= next_id)
			return save_bad(&l->in, "id", "is one of the future");
		if (!s->listen.pushing_id)
			continue;
		s->listen.pushing = sock_by_id(l->sb, s->listen.pushing_id);
		if (!s->listen.pushing)
			return save_bad(&l->in, "pushing", "does not exist");
	}
	return true;
}

static bool load_all(struct sock_load *l)
{
	uint64_t next_id = 0;

	for (;;) {
		if (!save_next(&l->in))
			return save_bad(&l->in, "sockets", "have no end");
		switch ((int)l->in.type) {
		case SOCK_SAVE_TABLE:
			if (!load_table(l))
				return false;
			next_id = l->sb->socks->next_id;
			break;
		case SOCK_SAVE_SOCK:
			if (!load_sock(l))
				return false;
			break;
		case SOCK_SAVE_END:
			return finish(l, next_id);
		default:
			return save_bad(&l->in, "record", "is no socket's");
		}
	}
}

int sock_table_load(struct sandbox *sb, const uint8_t **image,
		    const uint8_t *end, char *why)
{
	struct sock_load l = {.sb = sb};
	enum nst_err e;

	save_in_init(&l.in, &sb->env, *image, (size_t)(end - *image), why);
	(void)load_all(&l);
	e = l.in.err;
	*image = l.in.p;
	save_in_fini(&l.in);
	return -errno_of(e);
}

/* ---- endpoints ---- */

static int claim_cmp(const void *a, const void *b)
{
	uint64_t x = ((const struct sock_claim *)a)->endpoint;
	uint64_t y = ((const struct sock_claim *)b)->endpoint;

	return x < y ? -1 : x > y;
}

void *sock_table_claim(struct sandbox *sb, struct nst_sock *ns, uint64_t id)
{
	struct sock_claims *c = sb->socks->claims;
	struct sock_claim key = {.endpoint = id}, *found;

	if (!c)
		return NULL;
	if (!c->sorted)
		qsort(c->v, c->n, sizeof c->v[0], claim_cmp);
	c->sorted = true;
	found = bsearch(&key, c->v, c->n, sizeof c->v[0], claim_cmp);
	if (!found || found->s->tcp || found->s->dgram)
		return NULL;
	if (found->s->type == SOCK_STREAM)
		found->s->tcp = nst_sock_tcp(ns);
	else
		found->s->dgram = nst_sock_dgram(ns);
	return &found->s->owner;
}

int sock_table_check(struct sandbox *sb, char *why)
{
	free(sb->socks->claims);
	sb->socks->claims = NULL;
	for (struct sock *s = sock_next(sb, NULL); s; s = sock_next(sb, s)) {
		if (s->tcp || s->dgram)
			continue;
		snprintf(why, NST_SAVE_WHY, "sock: its endpoint is missing");
		return -EINVAL;
	}
	return 0;
}

/* ---- starting ---- */

/* Once more does nothing. */
static void start_one(struct sock *s)
{
	if (s->state == SOCK_LISTENING && s->type == SOCK_STREAM) {
		listener_link(s);
		if (!s->listen.push_op)
			listener_resume(s);
		return;
	}
	if (s->send_fd < 0 || s->poll_op)
		return;
	if (s->type != SOCK_STREAM) {
		if (datagram_start(s) == 0)
			datagram_pump(s);
	} else if (stream_start(s) < 0) {
		sock_close(s, true);
	} else {
		stream_pump(s);
	}
}

void sock_table_start(struct sandbox *sb)
{
	struct sock *next;

	for (struct sock *s = sock_next(sb, NULL); s; s = next) {
		bool lost = false;

		next = sock_next(sb, s);
		if (next)
			sock_get(next);
		sock_get(s);
		start_one(s);
		sock_put(s);
		if (next) {
			lost = next->dead;
			sock_put(next);
		}
		if (lost) /* Closing takes others along. */
			next = sock_next(sb, NULL);
	}
}

void sock_table_each_fd(struct sandbox *sb, void (*fn)(void *arg, int *fd),
			void *arg)
{
	struct sock_table *tb = sb->socks;

	fn(arg, &tb->listen_fd);
	fn(arg, &tb->listen_name);
	fn(arg, &tb->probe_dgram);
	fn(arg, &tb->probe_stream);
	fn(arg, &tb->diag_fd);
	for (struct sock *s = tb->all; s; s = s->all_next) {
		fn(arg, &s->send_fd);
		fn(arg, &s->name_fd);
		fn(arg, &s->spare_fd);
		fn(arg, &s->listen.push_fd);
		fn(arg, &s->dg.back_name_fd);
	}
}

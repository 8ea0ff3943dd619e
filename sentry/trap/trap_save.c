/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/trap/trap_save.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/sock/sock.h"
#include "sentry/trap/trap.fields.h"
#include "sentry/trap/trap_priv.h"

/* ---- saving ---- */

static void put_record(struct save_out *o, enum trap_record type, const void *m)
{
	save_record(o, (enum nst_save_record)type, m);
}

static void save_one(const struct trap *t, struct save_out *o)
{
	Cordon__Trap *m = save_object(o, &save_trap, t);

	if (!m)
		return;
	m->sock = t->sock->id;
	m->n.data = save_memory(o, sizeof t->n);
	if (!m->n.data)
		return;
	memcpy(m->n.data, &t->n, sizeof t->n);
	m->n.len = sizeof t->n;
	put_record(o, TRAP_SAVE_TRAP, m);
}

/* park_pprev leads to the one before: its park_next, or the head. */
static const struct trap *before(const struct trapper *tr, const struct trap *t)
{
	if (t->park_pprev == &tr->parked)
		return NULL;
	return (const struct trap *)(const void *)((const char *)t->park_pprev -
						   offsetof(struct trap,
							    park_next));
}

int trap_save_parked(const struct sandbox *sb, const struct nst_save_sink *sink)
{
	const struct trapper *tr = sb->trapper;
	const struct trap *t = tr->parked;
	struct save_out o;
	bool failed;

	save_out_init(&o, &sb->env, sink);
	while (t && t->park_next)
		t = t->park_next;
	for (; t; t = before(tr, t))
		save_one(t, &o);
	put_record(&o, TRAP_SAVE_END,
		   save_message(&o, &cordon__trap_end__descriptor));
	failed = o.failed;
	save_out_fini(&o);
	return failed ? -ENOMEM : 0;
}

/* ---- loading ---- */

static bool load_one(struct sandbox *sb, struct save_in *in)
{
	Cordon__Trap *m = save_parse(in, &cordon__trap__descriptor);
	struct sock *s = m ? sock_by_id(sb, m->sock) : NULL;
	struct trap t = {.sb = sb, .retry = true};

	if (!m)
		return false;
	if (!s || m->n.len != sizeof t.n)
		return save_bad(in, "trap", "belongs to no socket");
	if (!save_restore(in, &save_trap, m, &t))
		return false;
	memcpy(&t.n, m->n.data, sizeof t.n);
	if (!dispatch_name(t.n.data.nr) || t.fast > TRAP_FAST_SEND ||
	    t.timeout < 0 || t.timeout > INT64_MAX / 4 || t.since < 0 ||
	    t.since > INT64_MAX / 4)
		return save_bad(in, "trap", "is of no known call");
	t.sock = s;
	trap_rearm(&t);
	/* Not the socket's: it is run again at once. */
	t.kicks = s->kicks - 1;
	if (!park_new(&t))
		return save_fail(in, NST_E_NOMEM, "no memory");
	sock_get(s);
	return true;
}

static bool load_all(struct sandbox *sb, struct save_in *in)
{
	for (;;) {
		if (!save_next(in))
			return save_bad(in, "traps", "have no end");
		if ((int)in->type == TRAP_SAVE_END)
			return true;
		if ((int)in->type != TRAP_SAVE_TRAP)
			return save_bad(in, "record", "is no trap");
		if (!load_one(sb, in))
			return false;
	}
}

int trap_load_parked(struct sandbox *sb, const uint8_t **image,
		     const uint8_t *end, char *why)
{
	struct save_in in;
	enum nst_err e;

	save_in_init(&in, &sb->env, *image, (size_t)(end - *image), why);
	(void)load_all(sb, &in);
	e = in.err;
	*image = in.p;
	save_in_fini(&in);
	if (e == NST_OK)
		return 0;
	return e == NST_E_NOMEM ? -ENOMEM : -EINVAL;
}

void trap_each_fd(struct sandbox *sb, void (*fn)(void *arg, int *fd), void *arg)
{
	struct trapper *tr = sb->trapper;

	for (struct trap *t = tr->parked; t; t = t->park_next)
		fn(arg, &t->gfd);
	for (struct trap *t = tr->ready; t; t = t->next)
		fn(arg, &t->gfd);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A whole stack: the order of its records, and of the passes of loading. */
#include "netstack/base/base.fields.h"
#include "netstack/base/mem.h"
#include "netstack/ip/ip.h"
#include "netstack/save/load.h"

/* 36 years: what is computed from times stays far from their limits. */
#define NOW_MAX (INT64_MAX / 8)

static void save_stack(const struct nst_stack *st, struct save_out *o)
{
	Cordon__NstStack *m = save_object(o, &save_nst_stack, st);

	if (!m)
		return;
	m->version = NST_SAVE_VERSION;
	m->counters.data = save_memory(o, sizeof(st->count));
	if (!m->counters.data)
		return;
	memcpy(m->counters.data, &st->count, sizeof(st->count));
	m->counters.len = sizeof(st->count);
	save_record(o, NST_SAVE_STACK, m);
}

static void save_loop(const struct nst_stack *st, struct save_out *o)
{
	for (const struct nst_pkt *p = st->lo_head; p; p = p->next)
		save_record(o, NST_SAVE_LOOP_PKT, pkt_save(o, p));
}

enum nst_err nst_stack_save(const struct nst_stack *st,
			    const struct nst_save_sink *sink)
{
	struct save_out o;
	bool failed;

	if (st->depth || !tcp_may_save(st))
		return NST_E_INVAL;
	save_out_init(&o, st->env, sink);
	save_stack(st, &o);
	ip_save(st, &o);
	tcp_save(st, &o);
	dgram_save(st, &o);
	save_loop(st, &o);
	ports_save(st, &o);
	save_record(&o, NST_SAVE_END,
		    save_message(&o, &cordon__stack_end__descriptor));
	failed = o.failed;
	save_out_fini(&o);
	return failed ? NST_E_NOMEM : NST_OK;
}

/* ---- loading ---- */

struct load_id {
	uint64_t id; /* 0: free */
	struct nst_sock *obj;
};

static struct load_id *slot_of(const struct load *l, uint64_t id)
{
	size_t i = (size_t)(id * 0x9e3779b97f4a7c15ull >> 32) & (l->cap - 1);

	while (l->ids[i].id && l->ids[i].id != id)
		i = (i + 1) & (l->cap - 1);
	return &l->ids[i];
}

static bool grow_ids(struct load *l)
{
	struct load old = *l;

	l->cap = l->cap ? l->cap * 2 : 64;
	l->ids = nst_alloc(l->in.env, l->cap * sizeof(*l->ids));
	if (!l->ids) {
		l->ids = old.ids;
		l->cap = old.cap;
		return save_fail(&l->in, NST_E_NOMEM, "no memory");
	}
	for (size_t i = 0; i < old.cap; i++)
		if (old.ids[i].id)
			*slot_of(l, old.ids[i].id) = old.ids[i];
	nst_release(l->in.env, old.ids, old.cap * sizeof(*old.ids));
	return true;
}

bool load_id_add(struct load *l, uint64_t id, struct nst_sock *obj)
{
	struct load_id *slot;

	if (!id || id > l->last_id)
		return save_bad(&l->in, "id", "is none that was given");
	if (2 * (l->nids + 1) > l->cap && !grow_ids(l))
		return false;
	slot = slot_of(l, id);
	if (slot->id)
		return save_bad(&l->in, "id", "is there twice");
	*slot = (struct load_id){id, obj};
	l->nids++;
	return true;
}

struct nst_sock *load_id_find(const struct load *l, uint64_t id)
{
	return id && l->cap ? slot_of(l, id)->obj : NULL;
}

/* The first record: what the stack is. */
static bool load_stack(struct load *l)
{
	Cordon__NstStack *m;

	if (l->in.type != NST_SAVE_STACK)
		return save_fail(&l->in, NST_E_INVAL, "not a stack's record");
	m = save_parse(&l->in, &cordon__nst_stack__descriptor);
	if (!m)
		return false;
	if (m->version != NST_SAVE_VERSION)
		return save_fail(&l->in, NST_E_INVAL,
				 "the image is of another version of cordon");
	if (m->now < 0 || m->now > NOW_MAX)
		return save_bad(&l->in, "now", "is no time");
	if (m->counters.len && m->counters.len != sizeof(l->st->count))
		return save_bad(&l->in, "counters", "are of another version");
	if (nst_stack_new(l->how->env, m->now, &l->st))
		return save_fail(&l->in, NST_E_NOMEM, "no memory");
	if (!save_restore(&l->in, &save_nst_stack, m, l->st))
		return false;
	l->last_id = l->st->last_id;
	if (m->counters.len)
		memcpy(&l->st->count, m->counters.data, sizeof(l->st->count));
	if (l->how->clone)
		l->in.env->random(l->in.env->ctx, l->st->key,
				  sizeof(l->st->key));
	return true;
}

static bool load_loop_pkt(struct load *l)
{
	void *m = save_parse(&l->in, &cordon__nst_pkt__descriptor);
	struct nst_pkt *pkt;

	if (!m || !pkt_load(l, m, &pkt))
		return false;
	stack_loop_pkt(l->st, pkt);
	return true;
}

static bool load_record(struct load *l)
{
	switch (l->in.type) {
	case NST_SAVE_PORTS:
		return ports_load(l);
	case NST_SAVE_NIC:
	case NST_SAVE_IP:
	case NST_SAVE_NEIGH:
	case NST_SAVE_REASM:
	case NST_SAVE_GROUP:
		return ip_load(l);
	case NST_SAVE_TCP_LAYER:
	case NST_SAVE_TCP:
	case NST_SAVE_TCP_REQ:
	case NST_SAVE_TCP_TW:
	case NST_SAVE_TCP_FWD:
		return tcp_load(l);
	case NST_SAVE_DGRAM:
	case NST_SAVE_DGRAM_RX:
	case NST_SAVE_DGRAM_ERR:
		return dgram_load(l);
	case NST_SAVE_LOOP_PKT:
		return load_loop_pkt(l);
	default:
		return save_fail(&l->in, NST_E_INVAL, "unknown type");
	}
}

/* The record at hand. */
static bool load_next(struct load *l)
{
	if (!l->st)
		return load_stack(l);
	if (l->in.type == NST_SAVE_END) {
		l->ended = true;
		return true;
	}
	if (!load_record(l))
		return false;
	l->st->last_id = l->last_id;
	return true;
}

static bool load_rest(struct load *l)
{
	if (l->in.err)
		return false;
	if (!l->ended)
		return save_fail(&l->in, NST_E_INVAL,
				 l->st ? "the stack has no end"
				       : "there is no stack");
	if (!ip_link(l) || !tcp_link(l) || !dgram_link(l))
		return false;
	ip_arm(l);
	tcp_arm(l);
	if (l->how->trusted || nst_stack_check(l->st))
		return true;
	return save_fail(&l->in, NST_E_INVAL, "the stack contradicts itself");
}

/* NULL, if there is a reason why not. */
static struct nst_stack *load_finish(struct load *l)
{
	if (!load_rest(l)) {
		nst_stack_free(l->st);
		l->st = NULL;
	}
	nst_release(l->in.env, l->ids, l->cap * sizeof(*l->ids));
	save_in_fini(&l->in);
	return l->st;
}

enum nst_err nst_stack_load(const struct nst_load *how, const uint8_t **image,
			    const uint8_t *end, struct nst_stack **out,
			    char *why)
{
	struct load l = {.how = how};

	save_in_init(&l.in, how->env, *image, (size_t)(end - *image), why);
	while (!l.ended && save_next(&l.in) && load_next(&l))
		;
	*image = l.in.p;
	*out = load_finish(&l);
	return l.in.err;
}

/* ---- the same, as records come ---- */

struct nst_loading {
	struct load l;
	struct nst_load how;
};

enum nst_err nst_load_begin(const struct nst_load *how,
			    struct nst_loading **out, char *why)
{
	struct nst_loading *g = nst_alloc(how->env, sizeof(*g));

	*out = g;
	if (!g)
		return NST_E_NOMEM;
	g->how = *how;
	g->l.how = &g->how;
	save_in_init(&g->l.in, how->env, NULL, 0, why);
	return NST_OK;
}

bool nst_load_put(struct nst_loading *g, const void *records, size_t bytes)
{
	struct load *l = &g->l;

	l->in.p = records;
	l->in.end = l->in.p + bytes;
	while (save_next(&l->in)) {
		if (l->ended)
			return save_fail(&l->in, NST_E_INVAL,
					 "behind the stack's end");
		if (!load_next(l))
			return false;
	}
	return !l->in.err;
}

enum nst_err nst_load_end(struct nst_loading *g, struct nst_stack **out)
{
	const struct nst_env *env = g->how.env;
	enum nst_err e;

	*out = load_finish(&g->l);
	e = g->l.in.err;
	nst_release(env, g, sizeof(*g));
	return e;
}

nst_time nst_stack_now(const struct nst_stack *st)
{
	return st->now;
}

size_t nst_stack_socks(const struct nst_stack *st)
{
	return st->nsocks;
}

uint64_t nst_sock_id(const struct nst_sock *s)
{
	return s->id;
}

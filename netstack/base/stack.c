/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stack as a whole: its life, the bracket around every entry, timers.
 *
 * Loopback: packets for ourselves are queued (stack_loop_pkt) while an event
 * runs and delivered when its outermost entry ends, in order and without
 * recursion. What they cause is delivered by the same loop. Windows and buffers
 * bound the work; LIMIT_LOOP_BATCH does if they should not: what is left is
 * made independent of its senders' memory and is work for nst_run_timers.
 */
#include "netstack/nst_stack.h"

#include "netstack/base/mem.h"
#include "netstack/base/stack_priv.h"
#include "netstack/ip/ip.h"

static enum nst_err parts_new(struct nst_stack *st, nst_time now)
{
	if (sock_cursor_new(st))
		return NST_E_NOMEM;
	st->wheel = wheel_new(st->env, now);
	st->demux = demux_new(st->env);
	st->ports = ports_new(st->env);
	if (!st->wheel || !st->demux || !st->ports)
		return NST_E_NOMEM;
	st->ip = ip_layer_new(st);
	if (!st->ip)
		return NST_E_NOMEM;
	st->tcp = tcp_layer_new(st);
	if (!st->tcp)
		return NST_E_NOMEM;
	st->dgram = dgram_layer_new(st);
	return st->dgram ? NST_OK : NST_E_NOMEM;
}

enum nst_err nst_stack_new(const struct nst_env *env, nst_time now,
			   struct nst_stack **out)
{
	struct nst_stack *st = nst_alloc(env, sizeof(*st));
	enum nst_err e;

	*out = NULL;
	if (!st)
		return NST_E_NOMEM;
	st->env = env;
	st->now = now;
	st->lo_tail = &st->lo_head;
	env->random(env->ctx, st->key, sizeof(st->key));
	e = parts_new(st, now);
	if (e)
		nst_stack_free(st);
	else
		*out = st;
	return e;
}

static void drop_loopback(struct nst_stack *st)
{
	while (st->lo_head) {
		struct nst_pkt *pkt = st->lo_head;

		st->lo_head = pkt->next;
		nst_pkt_free(pkt);
	}
	st->lo_tail = &st->lo_head;
}

void nst_stack_free(struct nst_stack *st)
{
	if (!st)
		return;
	st->ending = true;
	if (st->dgram)
		dgram_layer_free(st);
	if (st->tcp)
		tcp_layer_free(st);
	if (st->ip)
		ip_layer_free(st);
	drop_loopback(st);
	ports_free(st->ports);
	demux_free(st->demux);
	wheel_free(st->wheel);
	sock_cursor_free(st);
	nst_release(st->env, st, sizeof(*st));
}

void stack_enter(struct nst_stack *st, nst_time now)
{
	if (st->depth++ == 0 && now > st->now)
		st->now = now;
}

void stack_loop_pkt(struct nst_stack *st, struct nst_pkt *pkt)
{
	pkt->next = NULL;
	*st->lo_tail = pkt;
	st->lo_tail = &pkt->next;
}

static struct nst_pkt *pop_loopback(struct nst_stack *st)
{
	struct nst_pkt *pkt = st->lo_head;

	if (!pkt)
		return NULL;
	st->lo_head = pkt->next;
	if (!st->lo_head)
		st->lo_tail = &st->lo_head;
	pkt->next = NULL;
	return pkt;
}

/* The batch was too long: the rest must outlive this event. */
static void keep_loopback(struct nst_stack *st)
{
	struct nst_pkt **at = &st->lo_head;

	while (*at) {
		struct nst_pkt *pkt = *at;

		if (nst_pkt_own(pkt)) {
			at = &pkt->next;
			continue;
		}
		*at = pkt->next;
		nst_pkt_free(pkt);
		st->count.PktNoMemory++;
	}
	st->lo_tail = at;
}

void stack_leave(struct nst_stack *st)
{
	struct nst_pkt *pkt;

	if (st->depth > 1) {
		st->depth--;
		return;
	}
	for (unsigned n = 0; n < LIMIT_LOOP_BATCH; n++) {
		pkt = pop_loopback(st);
		if (!pkt)
			break;
		ip_in_loop(st, pkt);
	}
	if (st->lo_head)
		keep_loopback(st);
	st->depth--;
}

nst_time nst_next_deadline(const struct nst_stack *st)
{
	return st->lo_head ? st->now : wheel_next(st->wheel);
}

void nst_run_timers(struct nst_stack *st, nst_time now)
{
	stack_enter(st, now);
	wheel_run(st->wheel, st->now);
	stack_leave(st);
}

const struct nst_counters *nst_counters(const struct nst_stack *st)
{
	return &st->count;
}

void nst_set_forwarder(struct nst_stack *st, const struct nst_forwarder *fwd)
{
	st->fwd = fwd ? *fwd : (struct nst_forwarder){0};
}

bool nst_stack_check(const struct nst_stack *st)
{
	size_t n = 0;

	return st->depth == 0 && wheel_check(st->wheel) &&
	       demux_check(st->demux) && ports_check(st->ports) &&
	       ip_layer_check(st) && tcp_layer_check(st, &n) &&
	       dgram_layer_check(st, &n) && n == st->nsocks;
}

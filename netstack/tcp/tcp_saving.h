/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files that save and load TCP share: tcp_save.c (the order of all,
 * the layer, endpoints), tcp_load.c (the same, back), tcp_save_queue.c and
 * tcp_load_queue.c (what is queued in an endpoint), tcp_save_small.c (small
 * objects, both ways), tcp_load_check.c (is an endpoint one that could be?).
 */
#ifndef NETSTACK_TCP_TCP_SAVING_H
#define NETSTACK_TCP_TCP_SAVING_H

#include "netstack/base/base.fields.h"
#include "netstack/base/mem.h"
#include "netstack/ip/ip.fields.h"
#include "netstack/save/load.h"
#include "netstack/tcp/tcp.fields.h"
#include "netstack/tcp/tcp_bbr.h"
#include "netstack/tcp/tcp_req.h"

/* What a length of time in an image may be at most, and the clock. */
#define TCP_SAVED_SPAN_MAX (INT64_MAX / 128) /* 2 years */
#define TCP_SAVED_NOW_MAX (INT64_MAX / 4)
/* A ring is no larger than this, or than what the settings ask for. */
#define TCP_SAVED_RING_MAX (64u << 20)

/* All of it will be read next, and nothing is in the cache. */
static inline void tcp_soon(const struct nst_tcp *tp)
{
	enum { LINE = 64 };

	for (size_t at = 0; at < sizeof(*tp); at += LINE)
		__builtin_prefetch((const uint8_t *)tp + at);
}

/* ---- tcp_save_queue.c ---- */
void tcp_save_queues(const struct nst_tcp *tp, struct save_out *o,
		     Cordon__NstTcp *m);

/* ---- tcp_load_queue.c: false: refused ---- */
NST_MUST_CHECK bool tcp_load_queues(struct load *l, const Cordon__NstTcp *m,
				    struct nst_tcp *tp);

/* ---- tcp_save_small.c ---- */
void tcp_save_reqs(const struct nst_tcp *l, struct save_out *o);
void tcp_save_nodes(const struct nst_stack *st, struct save_out *o);
NST_MUST_CHECK bool tcp_load_req(struct load *l);
NST_MUST_CHECK bool tcp_load_tw(struct load *l);
NST_MUST_CHECK bool tcp_load_fwd(struct load *l);
void tcp_arm_reqs(struct nst_tcp *l);     /* a listener's */
void tcp_arm_nodes(struct nst_stack *st); /* all others */

/* ---- tcp_load_check.c ---- */
/* Of a fresh endpoint whose record was read: false, and a reason, if no history
 * could have made it so. */
NST_MUST_CHECK bool tcp_load_check(struct load *l, const struct nst_tcp *tp);
/* The flow of a TCP connection? */
bool tcp_key_ok(const struct flow_key *k);

/* Was it at a time that has been? */
static inline bool tcp_saved_past(const struct nst_stack *st, nst_time t)
{
	return t >= 0 && t <= st->now;
}
/* The same for a rate-limited answer, which may never have been. */
static inline bool tcp_saved_oow(const struct nst_stack *st, nst_time t)
{
	return t == TCP_OOW_NEVER || tcp_saved_past(st, t);
}

#endif

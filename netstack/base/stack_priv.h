/* SPDX-License-Identifier: Apache-2.0 */
/* The body of struct nst_stack. Only netstack/ files include this. */
#ifndef NETSTACK_BASE_STACK_PRIV_H
#define NETSTACK_BASE_STACK_PRIV_H

#include "netstack/base/demux.h"
#include "netstack/base/limits.h"
#include "netstack/base/ports.h"
#include "netstack/base/sock_priv.h"
#include "netstack/base/wheel.h"
#include "netstack/nst_stack.h"

struct nic;         /* ip/nic.h */
struct ip_layer;    /* ip/ip_layer.h: NICs, addresses, routes, neighbours,
		       reassembly, PMTU cache, ICMP rate limits */
struct tcp_layer;   /* tcp/tcp_ep.h: secrets, request and TIME-WAIT pools */
struct dgram_layer; /* dgram/dgram_priv.h */

struct nst_stack {
	const struct nst_env *env; /* R */
	nst_time now;              /* S time of the event being run */
	struct wheel *wheel;       /* R */
	struct demux *demux;       /* R */
	struct ports *ports;       /* R from records of its own */
	/* Endpoints, the newest first. */
	struct nst_sock *tcps;      /* R */
	struct nst_sock *dgrams;    /* R all others */
	size_t nsocks;              /* R of both */
	uint64_t last_id;           /* S given to a socket or waiting SYN */
	struct sock_cursor *cursor; /* R sock.c: where nst_sock_at was */
	struct ip_layer *ip;        /* R from records of its own, as: */
	struct tcp_layer *tcp;      /* R */
	struct dgram_layer *dgram;  /* R */
	struct nst_forwarder fwd;   /* R by the embedder */
	struct nst_counters count;  /* R from `counters` of the message */
	uint8_t key[16];            /* S for hashes of flows and ports */
	/* Packets for ourselves, delivered when an entry ends. R from records
	 * of their own */
	struct nst_pkt *lo_head, **lo_tail; /* R */
	uint32_t depth; /* D entries under way: only the outermost settles */
	bool ending;    /* D it is being freed: nothing leaves any more */
};

/*
 * Every public entry that may emit packets is bracketed by these: enter sets
 * st->now; leave, when outermost, delivers loopback packets until none is
 * left. (stack.c)
 */
void stack_enter(struct nst_stack *st, nst_time now);
void stack_leave(struct nst_stack *st);
/* Queues a packet whose destination is ourselves; takes it. */
void stack_loop_pkt(struct nst_stack *st, struct nst_pkt *pkt);

static inline void *nst_alloc(const struct nst_env *env, size_t bytes)
{
	return env->alloc(env->ctx, bytes);
}
static inline void *nst_alloc_raw(const struct nst_env *env, size_t bytes)
{
	return env->alloc_raw ? env->alloc_raw(env->ctx, bytes)
			      : env->alloc(env->ctx, bytes);
}
static inline void nst_release(const struct nst_env *env, void *p, size_t bytes)
{
	if (p)
		env->free(env->ctx, p, bytes);
}
static inline uint32_t nst_random32(const struct nst_env *env)
{
	uint32_t v = 0;

	env->random(env->ctx, &v, sizeof(v));
	return v;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saving a stack and making it anew. An image has protocol facts: no pointer,
 * no host time, no timer; every deadline is computed again from facts. The
 * stack's clock stands still between save and load: `now` of the load is the
 * time at which it was saved.
 *
 * Locking as in nst_stack.h. Saving changes nothing in the stack.
 */
#ifndef NETSTACK_NST_SAVE_H
#define NETSTACK_NST_SAVE_H

#include "netstack/nst_stack.h"

/* Raised with every change of what a field of a stack's records means. */
#define NST_SAVE_VERSION 2u

#define NST_SAVE_WHY 192                 /* bytes of an explanation */
#define NST_SAVE_PKT_MAX 131072u         /* bytes of one packet */
#define NST_SAVE_RECORD_MAX (256u << 20) /* bytes of one record */

/* Types of records. Numbers are for good: a new meaning, a new number. */
enum nst_save_record {
	NST_SAVE_STACK = 1, /* keys, counters, versions: the first of a stack */
	NST_SAVE_NIC,
	NST_SAVE_IP, /* addresses, routes, caches, limits */
	NST_SAVE_NEIGH,
	NST_SAVE_REASM,
	NST_SAVE_GROUP,
	NST_SAVE_TCP_LAYER,
	NST_SAVE_TCP, /* an endpoint */
	NST_SAVE_TCP_REQ,
	NST_SAVE_TCP_TW,
	NST_SAVE_TCP_FWD, /* a SYN that waits for the embedder */
	NST_SAVE_DGRAM,
	NST_SAVE_DGRAM_RX,  /* what an endpoint has queued, after it */
	NST_SAVE_DGRAM_ERR, /* the same of its error queue */
	NST_SAVE_LOOP_PKT,  /* on its way to ourselves */
	NST_SAVE_PORTS, /* secrets of the choice of ports; flags of buckets */
	NST_SAVE_END = 31, /* the last record of a stack */
	/* What is apart from a stack: netem/netem_save.h */
	NST_SAVE_NETEM = 48,
	NST_SAVE_NETEM_FLIGHT, /* its packets, after it */
	NST_SAVE_NETEM_HELD,
	/* From 64 on they are the embedder's. */
	NST_SAVE_EMBEDDER = 64,
};

struct nst_save_sink {
	void *ctx;
	/* Takes the next bytes of the image (whole records). False: stop. */
	bool (*put)(void *ctx, const void *data, size_t bytes);
};

/* Writes the stack's records. NOMEM: memory, or the sink refused. INVAL:
 * called inside an entry, or within a GRO batch. */
NST_MUST_CHECK enum nst_err nst_stack_save(const struct nst_stack *st,
					   const struct nst_save_sink *sink);

struct nst_sock;
struct nst_load {
	const struct nst_env *env;
	void *ctx;
	/*
	 * What carries an interface from now on: sets cfg->ops and cfg->link
	 * (the rest is as it was saved; mtu, caps and mac may be changed).
	 * False: there is nothing of that name. Not called for lo.
	 */
	bool (*nic)(void *ctx, struct nst_nic_config *cfg);
	/* A socket was made; returns its `user` (NULL: nobody's). */
	void *(*sock)(void *ctx, struct nst_sock *s, uint64_t id);
	/* A SYN that waits for a decision (NULL member: it is dropped). */
	void (*fwd)(void *ctx, struct nst_fwd_req *req, uint64_t id);
	/* Time that passed outside while the stack's clock stood still, ns. No
	 * RTT sample spans it; windows are validated if it exceeds the RTO. */
	nst_time outage;
	/* Draw all secrets anew: another copy of this image may run as well. */
	bool clone;
	/* The records are just being saved, by this very program: the stack as
	 * a whole is not checked once more (each record is). */
	bool trusted;
};

/*
 * Makes a stack of the records at *image (which is moved behind its END).
 * Everything is loaded, then checked, then every timer armed; until then
 * nothing is sent and no event raised. On failure there is no stack, and `why`
 * (NST_SAVE_WHY bytes) has the reason: INVAL (the image is broken, of another
 * version, or contradicts itself), NODEV (an interface has no carrier), NOMEM.
 */
NST_MUST_CHECK enum nst_err nst_stack_load(const struct nst_load *how,
					   const uint8_t **image,
					   const uint8_t *end,
					   struct nst_stack **out, char *why);

/*
 * The same for records that come one after the other, such as from the sink of
 * a save that is under way: no image is ever whole, and what is read was just
 * written. *how is copied; `why` is borrowed until the end. NOMEM.
 */
struct nst_loading;
NST_MUST_CHECK enum nst_err nst_load_begin(const struct nst_load *how,
					   struct nst_loading **out, char *why);
/* Whole records. False: something is wrong, which nst_load_end() returns. */
NST_MUST_CHECK bool nst_load_put(struct nst_loading *g, const void *records,
				 size_t bytes);
/* The stack; as nst_stack_load(). *g is gone. It may end early: no stack. */
NST_MUST_CHECK enum nst_err nst_load_end(struct nst_loading *g,
					 struct nst_stack **out);

/* After a load with an outage: lets each peer know that we are back (a window
 * update), and validates congestion windows. Once, when links may send. */
void nst_stack_resumed(struct nst_stack *st, nst_time now);

/* How many sockets there are. */
size_t nst_stack_socks(const struct nst_stack *st);
/* Of a socket or a waiting SYN, unique in its stack and kept over load; 0 is
 * nobody's. */
uint64_t nst_sock_id(const struct nst_sock *s);
uint64_t nst_fwd_id(const struct nst_fwd_req *req);
/* The time at which an image was saved: `now` of the stack made of it. */
nst_time nst_stack_now(const struct nst_stack *st);

#endif

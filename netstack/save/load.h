/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a stack of an image: what the modules' NAME_save.c share. Four passes,
 * each over all modules in the order ip, tcp, dgram:
 *
 *   load   a record at a time: objects are made, with everything that is in
 *          their own record. Nothing is armed, sent or told.
 *   link   references between objects (by id), tables, reservations. Whatever
 *          contradicts itself is refused here: an image is hostile input.
 *   arm    every timer of every object, by the function that always computes
 *          its deadline. Cannot fail.
 *   check  nst_stack_check(): every object consistent (stack_save.c).
 */
#ifndef NETSTACK_SAVE_LOAD_H
#define NETSTACK_SAVE_LOAD_H

#include "netstack/base/stack_priv.h"
#include "netstack/save/save.h"

struct load_id;
struct load {
	struct save_in in;
	const struct nst_load *how;
	struct nst_stack *st;
	struct load_id *ids; /* an open hash table, of a power of two */
	size_t nids, cap;
	uint64_t last_id; /* of the stack: making objects gives no new ids */
	bool ended;
	struct nst_sock *oldest; /* of TCP */
};

/* Notes that `obj` is what others call `id`. False: no memory, or the id is 0
 * or taken (l->in.err). */
NST_MUST_CHECK bool load_id_add(struct load *l, uint64_t id,
				struct nst_sock *obj);
/* NULL: there is none. */
struct nst_sock *load_id_find(const struct load *l, uint64_t id);

/* ---- base_save.c ---- */
/* The message of a socket's common part, to be a field of its own message. */
void *sock_save(struct save_out *o, const struct nst_sock *s);
/*
 * The opposite: s is fresh from sock_init() with its kind; its id is noted, its
 * `user` asked for, and it takes its place in the demux. Ports are a record of
 * their own, the last. False: refused.
 */
NST_MUST_CHECK bool sock_load(struct load *l, const void *m,
			      struct nst_sock *s);
/* A queued packet as bytes with its metadata (base.proto, NstPkt). */
void *pkt_save(struct save_out *o, const struct nst_pkt *pkt);
NST_MUST_CHECK bool pkt_load(struct load *l, const void *m,
			     struct nst_pkt **out);
/* The same where there is no stack. */
NST_MUST_CHECK bool pkt_restore(struct save_in *in, const void *m,
				struct nst_pkt **out);
/* Of the table of ports: secrets and what buckets remember. */
void ports_save(const struct nst_stack *st, struct save_out *o);
NST_MUST_CHECK bool ports_load(struct load *l);

/* ---- the modules: save, load of one record of theirs, link, arm ---- */
void ip_save(const struct nst_stack *st, struct save_out *o);
NST_MUST_CHECK bool ip_load(struct load *l);
NST_MUST_CHECK bool ip_link(struct load *l);
void ip_arm(struct load *l);
/* False: within a GRO batch. */
bool tcp_may_save(const struct nst_stack *st);
void tcp_save(const struct nst_stack *st, struct save_out *o);
NST_MUST_CHECK bool tcp_load(struct load *l);
NST_MUST_CHECK bool tcp_link(struct load *l);
void tcp_arm(struct load *l);
void dgram_save(const struct nst_stack *st, struct save_out *o);
NST_MUST_CHECK bool dgram_load(struct load *l);
NST_MUST_CHECK bool dgram_link(struct load *l);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Port reservations per protocol (UDP, TCP, and ping ids), with Linux's
 * sharing rules, and the look-up of bound or listening sockets by score.
 */
#ifndef NETSTACK_BASE_PORTS_H
#define NETSTACK_BASE_PORTS_H

#include "netstack/base/sock_priv.h"

struct ports;
struct nst_stack;

struct ports *ports_new(const struct nst_env *env);
void ports_free(struct ports *p);

/* Reserves a->port for s on a->addr; 0: a random free one (RFC 6056 alg. 1).
 * Sets s->local. ADDRINUSE, NOMEM. */
NST_MUST_CHECK enum nst_err ports_bind(struct ports *p, struct nst_sock *s,
				       const struct nst_sockaddr *a);
/* Would what holds a flow give it up to a new connection (a TIME-WAIT)? */
typedef bool ports_yields_fn(const struct demux_node *n);
/*
 * A source port for an active open from s->local.addr to *to: a random
 * ephemeral port (RFC 6056 algorithm 4 with a keyed hash) whose 4-tuple is
 * free in the demux, or in the hands of something that yields (NULL: nothing
 * does), which the caller then removes; ports with only connected users may be
 * shared, as on Linux. ADDRNOTAVAIL: none left.
 */
NST_MUST_CHECK enum nst_err ports_bind_connect(struct ports *p,
					       struct nst_sock *s,
					       const struct nst_sockaddr *to,
					       ports_yields_fn *yields);
/* A child of a listener shares its parent's port. Cannot fail. The caller
 * sets child->local. */
void ports_inherit(struct ports *p, struct nst_sock *child,
		   const struct nst_sock *parent);
/* Gives the reservation back, if there is one; s->local is left alone. */
void ports_release(struct ports *p, struct nst_sock *s);

/*
 * A port held by something smaller than a socket: TIME-WAIT keeps the port of
 * the connection that it ends (LINUX: a bind without SO_REUSEADDR gives
 * EADDRINUSE until it is over). Embedded in its owner; zero before use.
 */
struct ports_hold {
	struct ports_hold *next, **pprev;  /* R */
	struct bind_bucket *bucket;        /* R NULL: holds nothing */
	struct nst_addr addr;              /* S */
	uint32_t bound_if;                 /* S */
	bool reuseaddr, reuseport, v6only; /* S */
};
/* Takes a share of the port of s, which may be released afterwards. */
void ports_hold_take(struct ports *p, struct ports_hold *h,
		     const struct nst_sock *s);
void ports_hold_drop(struct ports *p, struct ports_hold *h);
/* Takes a share of a TCP port with what h says already (loading). NOMEM. */
NST_MUST_CHECK enum nst_err
ports_hold_load(struct ports *p, struct ports_hold *h, uint16_t port);
/* The port that h holds; 0: none. */
uint16_t ports_hold_port(const struct ports_hold *h);

/* A TCP socket wants to listen: ADDRINUSE when another listens there and not
 * both have SO_REUSEPORT. */
NST_MUST_CHECK enum nst_err ports_listen_check(struct ports *p,
					       const struct nst_sock *s);

/*
 * The best unconnected socket of `kind` bound to dst: exact address before
 * wildcard, bound interface before none, IPv4 before dual-stack; among equal
 * SO_REUSEPORT sockets the keyed hash of the flow chooses. For TCP only
 * listeners count (accepts() says). NULL: none.
 */
struct nst_sock *ports_lookup(struct ports *p, uint8_t kind,
			      const struct nst_sockaddr *dst,
			      const struct nst_sockaddr *src, uint32_t ifindex,
			      bool (*accepts)(const struct nst_sock *));
/* Every socket of `kind` bound to that port, for multicast and broadcast. */
void ports_each(struct ports *p, uint8_t kind, uint16_t port,
		void (*fn)(struct nst_sock *s, void *arg), void *arg);

/* The user of the i-th socket that holds the port and has a user. */
void *ports_user_at(const struct ports *p, uint8_t kind, uint16_t port,
		    size_t i);
/* Consistency (tests). */
bool ports_check(const struct ports *p);

#endif

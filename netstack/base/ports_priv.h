/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The port table's body, shared by ports.c (reservation), ports_auto.c
 * (choice) and ports_lookup.c (who gets a packet). Only netstack/base/ includes
 * this.
 *
 * A port is a bucket: the sockets that hold it, in two lists. Only `bound` ones
 * can receive unconnected, so that a look-up does not walk over the thousands
 * of connections of a server's port.
 */
#ifndef NETSTACK_BASE_PORTS_PRIV_H
#define NETSTACK_BASE_PORTS_PRIV_H

#include "netstack/base/ports.h"
#include "netstack/base/stack_priv.h"

#define PORT_KINDS 3 /* SOCK_K_TCP, SOCK_K_UDP, SOCK_K_PING */
#define LEAF_PORTS 256
#define LEAVES (65536 / LEAF_PORTS)

#define PORTS_MOVED 256  /* offsets of ports_bind_connect, by peer's hash */
#define PORTS_LOOK 64    /* candidates of each parity before all of them */
#define PORTS_STEP_MAX 8 /* LINUX: the next search starts up to here beyond */

struct bind_bucket {
	uint16_t port;
	uint8_t kind;
	/* A bind() was here: connect() does not share it (LINUX: fastreuse) */
	bool by_bind;
	struct nst_sock *bound; /* newest first, as Linux prefers them */
	struct nst_sock *conns; /* by connect or inherited from a listener */
	struct ports_hold *holds;
};

struct leaf {
	uint32_t used;
	struct bind_bucket *bucket[LEAF_PORTS];
};

struct ports {
	const struct nst_env *env;             /* R */
	uint8_t key[16];                       /* S */
	uint32_t moved[PORTS_MOVED];           /* S RFC 6056 3.3.4 */
	struct leaf *leaf[PORT_KINDS][LEAVES]; /* R from the buckets */
};

/* What a bind asks for or holds, as the rules of sharing see it. */
struct claim {
	struct nst_addr addr;
	uint32_t bound_if;
	bool v6only, reuseaddr, reuseport, listening;
};

enum ports_rule {
	RULE_LINUX,  /* sharing allowed as the options say */
	RULE_STRICT, /* any overlap is a conflict: automatic choice */
};

struct bind_bucket *ports_bucket(const struct ports *p, uint8_t kind,
				 uint16_t port);
struct claim ports_claim(const struct nst_sock *s, const struct nst_addr *addr);
/* Does anyone in b (may be NULL) but `self` forbid the claim? */
bool ports_conflict(const struct bind_bucket *b, const struct claim *c,
		    const struct nst_sock *self, enum ports_rule rule);
/* Joins s to the bucket of a port. NOMEM. */
NST_MUST_CHECK enum nst_err ports_attach(struct ports *p, struct nst_sock *s,
					 uint16_t port, bool by_bind);

#endif

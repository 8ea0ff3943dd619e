/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --netem: a bad link in front of a link. What the guest sends goes through one
 * netem before the link has it, what arrives through another before the guest
 * has it. A direction without settings passes at once.
 *
 * Owner: the link that it stands in front of, which lends two functions and
 * their context. Under the stack lock. send may be called inside a stack's
 * entry, the others may not.
 */
#ifndef SENTRY_LINK_NETEM_LINK_H
#define SENTRY_LINK_NETEM_LINK_H

#include "sentry/core/sandbox.h"

enum { NETEM_OUT, NETEM_IN, NETEM_WAYS }; /* as the guest sees it */

struct netem_link;

/* Where packets go that come out; they take them. */
struct netem_sides {
	void (*out)(void *ctx, struct nst_pkt *pkt);
	void (*in)(void *ctx, struct nst_pkt *pkt, nst_time now);
	void *ctx;
};

/* *out is NULL when nothing is configured. l2_bytes: of the link header.
 * -ENOMEM. */
int netem_link_new(struct sandbox *sb, uint32_t l2_bytes,
		   const struct netem_sides *sides, struct netem_link **out);
/* Packets inside are freed; with -v, a line per direction says what happened
 * to all of them. NULL allowed. */
void netem_link_free(struct netem_link *nl);
/* The guest transmits; taken. */
void netem_link_send(struct netem_link *nl, struct nst_pkt *pkt);
/* Something for the guest arrived at now; taken. */
void netem_link_recv(struct netem_link *nl, struct nst_pkt *pkt, nst_time now);
/* When netem_link_run has something to do; NULL: never. */
nst_time netem_link_next(const struct netem_link *nl);
/* Lets out what is due. True: there was something. NULL allowed. */
bool netem_link_run(struct netem_link *nl, nst_time now);

#endif

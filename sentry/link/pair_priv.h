/* SPDX-License-Identifier: Apache-2.0 */
/* The body of the pair, for pair.c and who saves it. */
#ifndef SENTRY_LINK_PAIR_PRIV_H
#define SENTRY_LINK_PAIR_PRIV_H

#include "sentry/link/link.h"
#include "sentry/link/netem_link.h"
#include "sentry/link/queue.h"

struct pair;

struct pair_end {
	struct pair *pair;
	struct nst_stack *stack;
	uint32_t ifindex;
	struct pkt_queue out; /* sent by this end's stack */
};

struct pair {
	struct link link;         /* S first */
	struct sandbox *sb;       /* R */
	struct pair_end end[2];   /* R 0 is the guest's; quiet: empty */
	struct nst_env env;       /* R what sb->env was */
	struct netem_link *netem; /* S NULL: none */
	int cap_if;               /* S interface of sb->cap */
};

/* Without interfaces yet; decorates sb->env. NULL: no memory. */
struct pair *pair_new(struct sandbox *sb);
/* What netem lets out, as netem_link_new wants it. */
struct netem_sides pair_sides(struct pair *p);

#endif

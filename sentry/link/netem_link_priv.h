/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a netem in front of a link, for netem_link.c and who saves it. */
#ifndef SENTRY_LINK_NETEM_LINK_PRIV_H
#define SENTRY_LINK_NETEM_LINK_PRIV_H

#include "netstack/netem/netem.h"
#include "sentry/link/netem_link.h"

/* How much later than due packets came out. S */
struct lateness {
	nst_time sum, most;
	uint64_t n;
};

struct netem_link {
	struct sandbox *sb;               /* R */
	struct netem_sides sides;         /* R */
	uint32_t l2_bytes;                /* S */
	struct netem *way[NETEM_WAYS];    /* S NULL: no settings */
	struct lateness late[NETEM_WAYS]; /* S */
};

/* With no way that has settings. NULL: no memory. */
struct netem_link *netem_link_alloc(struct sandbox *sb,
				    const struct netem_sides *sides);
/* Takes the netem of a way. */
void netem_link_set(struct netem_link *nl, int way, struct netem *nm);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/link/netem_link_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "sentry/core/errmap.h"
#include "sentry/core/log.h"

/* ---- life ---- */

static void say(const struct netem_link *nl, int way)
{
	const struct netem_stats *s = netem_stats(nl->way[way]);
	const struct lateness *l = &nl->late[way];

	log_trace(
	    "netem %s: %" PRIu64 " packets in, %" PRIu64 " out; lost %" PRIu64
	    ", queue full %" PRIu64 ", link down %" PRIu64 ", too long %" PRIu64
	    ", duplicated %" PRIu64 ", reordered %" PRIu64
	    ", corrupted %" PRIu64 ", marked %" PRIu64 ", no memory %" PRIu64
	    "; late by %" PRId64 " us, at most %" PRId64 " us",
	    way == NETEM_OUT ? "out" : "in", s->in_pkts, s->out_pkts, s->lost,
	    s->drop_queue, s->drop_down, s->drop_mtu, s->duplicated,
	    s->reordered, s->corrupted, s->marked, s->drop_memory,
	    l->n ? l->sum / (nst_time)l->n / NST_US : 0, l->most / NST_US);
}

void netem_link_free(struct netem_link *nl)
{
	if (!nl)
		return;
	for (int i = 0; i < NETEM_WAYS; i++) {
		if (nl->way[i] && nl->sb->opt->verbose)
			say(nl, i);
		netem_free(nl->way[i]);
	}
	free(nl);
}

/* A packet that is too long for one way is answered on the other. */
static void too_long(struct netem_link *nl, int way, const struct nst_pkt *pkt,
		     uint32_t mtu)
{
	struct nst_pkt *icmp = netem_too_big(pkt, nl->l2_bytes, mtu);

	if (icmp)
		netem_in(nl->way[!way], icmp, sandbox_now(nl->sb));
}

static void too_long_out(void *ctx, const struct nst_pkt *pkt, uint32_t mtu)
{
	too_long(ctx, NETEM_OUT, pkt, mtu);
}

static void too_long_in(void *ctx, const struct nst_pkt *pkt, uint32_t mtu)
{
	too_long(ctx, NETEM_IN, pkt, mtu);
}

void netem_link_set(struct netem_link *nl, int way, struct netem *nm)
{
	nl->way[way] = nm;
	netem_on_mtu(nm, way == NETEM_OUT ? too_long_out : too_long_in, nl);
}

struct netem_link *netem_link_alloc(struct sandbox *sb,
				    const struct netem_sides *sides)
{
	struct netem_link *nl = calloc(1, sizeof(*nl));

	if (!nl)
		return NULL;
	nl->sb = sb;
	nl->sides = *sides;
	return nl;
}

/* With an mtu one way, the other needs a place for the answers to wait. */
static int ways_new(struct netem_link *nl)
{
	const struct options *o = nl->sb->opt;
	bool answers = (o->netem_on[NETEM_OUT] && o->netem[NETEM_OUT].mtu) ||
		       (o->netem_on[NETEM_IN] && o->netem[NETEM_IN].mtu);
	nst_time now = sandbox_now(nl->sb);

	for (int i = 0; i < NETEM_WAYS; i++) {
		enum nst_err e;

		if (!o->netem_on[i] && !answers)
			continue;
		e = netem_new(&nl->sb->env, &o->netem[i], nl->l2_bytes, now,
			      &nl->way[i]);
		if (e)
			return -errno_of(e);
		netem_link_set(nl, i, nl->way[i]);
	}
	return 0;
}

int netem_link_new(struct sandbox *sb, uint32_t l2_bytes,
		   const struct netem_sides *sides, struct netem_link **out)
{
	const struct options *o = sb->opt;
	struct netem_link *nl;
	int err;

	*out = NULL;
	if (!o->netem_on[NETEM_OUT] && !o->netem_on[NETEM_IN])
		return 0;
	nl = netem_link_alloc(sb, sides);
	if (!nl)
		return -ENOMEM;
	nl->l2_bytes = l2_bytes;
	err = ways_new(nl);
	if (err)
		netem_link_free(nl);
	else
		*out = nl;
	return err;
}

/* ---- packets ---- */

static bool drain(struct netem_link *nl, int way, nst_time now)
{
	struct lateness *l = &nl->late[way];
	struct nst_pkt *pkt;
	bool any = false;

	while (nl->way[way] && (pkt = netem_out(nl->way[way], now))) {
		nst_time late = now - pkt->when;

		l->n++;
		l->sum += late;
		l->most = late > l->most ? late : l->most;
		any = true;
		if (way == NETEM_OUT)
			nl->sides.out(nl->sides.ctx, pkt);
		else
			nl->sides.in(nl->sides.ctx, pkt, now);
	}
	return any;
}

void netem_link_send(struct netem_link *nl, struct nst_pkt *pkt)
{
	nst_time now;

	if (!nl->way[NETEM_OUT]) {
		nl->sides.out(nl->sides.ctx, pkt);
		return;
	}
	now = sandbox_now(nl->sb);
	netem_in(nl->way[NETEM_OUT], pkt, now);
	drain(nl, NETEM_OUT, now);
}

void netem_link_recv(struct netem_link *nl, struct nst_pkt *pkt, nst_time now)
{
	if (!nl->way[NETEM_IN]) {
		nl->sides.in(nl->sides.ctx, pkt, now);
		return;
	}
	netem_in(nl->way[NETEM_IN], pkt, now);
	drain(nl, NETEM_IN, now);
}

nst_time netem_link_next(const struct netem_link *nl)
{
	nst_time next = NST_NEVER;

	for (int i = 0; nl && i < NETEM_WAYS; i++) {
		nst_time t = nl->way[i] ? netem_next(nl->way[i]) : NST_NEVER;

		next = t < next ? t : next;
	}
	return next;
}

bool netem_link_run(struct netem_link *nl, nst_time now)
{
	bool any;

	if (!nl)
		return false;
	any = drain(nl, NETEM_OUT, now);
	return drain(nl, NETEM_IN, now) || any;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A packet's way through the link. All chances are drawn for every packet, met
 * or not, so that the n-th packet's fate does not hang on the others'. */
#include "netstack/netem/netem_priv.h"

/* ---- life ---- */

static bool chance_ok(const struct netem_chance *c)
{
	/* Repetition for ever would never decide. */
	return c->p <= NETEM_ONE && c->corr < NETEM_ONE;
}

static bool time_ok(nst_time t)
{
	return t >= 0 && t <= NETEM_TIME_MAX;
}

static bool times_ok(const struct netem_conf *c)
{
	return time_ok(c->delay) && time_ok(c->jitter) && time_ok(c->by_time) &&
	       time_ok(c->ecn_time) && time_ok(c->slot_min) &&
	       time_ok(c->slot_max) && time_ok(c->down_from) &&
	       time_ok(c->down_for) && time_ok(c->down_every) &&
	       c->slot_min <= c->slot_max && (!c->slot_max || c->slot_min);
}

static bool conf_ok(const struct netem_conf *c)
{
	return times_ok(c) && chance_ok(&c->loss) && chance_ok(&c->dup) &&
	       chance_ok(&c->corrupt) && chance_ok(&c->reorder) &&
	       chance_ok(&c->mark) && c->jitter_corr < NETEM_ONE &&
	       c->dist <= NETEM_NORMAL && (!c->mtu || c->mtu >= NETEM_MTU_MIN);
}

/* Does anything look at single packets of the wire? */
static bool wants_split(const struct netem_conf *c)
{
	return c->rate_bits || c->loss.p || c->ge || c->dup.p || c->corrupt.p ||
	       c->reorder.p || c->mark.p || c->jitter || c->slot_max || c->mtu;
}

enum nst_err netem_set(struct netem *nm, const struct netem_conf *conf)
{
	if (!conf_ok(conf))
		return NST_E_INVAL;
	if (conf->seed != nm->conf.seed)
		netem_rand_seed(nm, conf->seed);
	nm->conf = *conf;
	nm->split = wants_split(conf);
	return NST_OK;
}

enum nst_err netem_new(const struct nst_env *env, const struct netem_conf *conf,
		       uint32_t l2_bytes, nst_time now, struct netem **out)
{
	struct netem *nm;
	enum nst_err e;

	*out = NULL;
	nm = env->alloc(env->ctx, sizeof(*nm));
	if (!nm)
		return NST_E_NOMEM;
	nm->env = env;
	nm->l2_bytes = l2_bytes;
	nm->start = nm->now = now;
	netem_rand_seed(nm, conf->seed);
	e = netem_set(nm, conf);
	if (e)
		netem_free(nm);
	else
		*out = nm;
	return e;
}

void netem_free(struct netem *nm)
{
	if (!nm)
		return;
	netem_queue_free(nm);
	netem_line_free(nm);
	nm->env->free(nm->env->ctx, nm, sizeof(*nm));
}

void netem_on_mtu(struct netem *nm,
		  void (*fn)(void *ctx, const struct nst_pkt *pkt,
			     uint32_t mtu),
		  void *ctx)
{
	nm->on_mtu = fn;
	nm->mtu_ctx = ctx;
}

/* ---- one packet ---- */

static bool is_down(const struct netem *nm, nst_time t)
{
	const struct netem_conf *c = &nm->conf;
	nst_time in = t - nm->start - c->down_from;

	if (!c->down_for || in < 0)
		return false;
	return (c->down_every ? in % c->down_every : in) < c->down_for;
}

struct fate {
	bool lost, dup, corrupt, early, mark;
};

/* LINUX: with a gap, only every gap-th packet may be reordered. */
static bool draw_reorder(struct netem *nm)
{
	bool yes = netem_chance(nm, NETEM_R_REORDER, &nm->conf.reorder);

	if (!yes || nm->gap_n + 1 < nm->conf.gap) {
		nm->gap_n++;
		return false;
	}
	nm->gap_n = 0;
	return true;
}

static struct fate draw(struct netem *nm)
{
	const struct netem_conf *c = &nm->conf;
	struct fate f;

	f.lost = netem_lost(nm);
	f.dup = netem_chance(nm, NETEM_R_DUP, &c->dup);
	f.corrupt = netem_chance(nm, NETEM_R_CORRUPT, &c->corrupt);
	f.early = draw_reorder(nm);
	f.mark = netem_chance(nm, NETEM_R_MARK, &c->mark);
	return f;
}

static void drop(struct nst_pkt *pkt, uint64_t *counter)
{
	(*counter)++;
	nst_pkt_free(pkt);
}

static void corrupt(struct netem *nm, struct nst_pkt *pkt)
{
	uint32_t n = nm->conf.flips ? nm->conf.flips : 1;

	nm->stats.corrupted++;
	while (n--)
		netem_pkt_flip(pkt, nm->l2_bytes, netem_rand(nm, NETEM_R_BIT));
}

static nst_time arrival(struct netem *nm, nst_time leaves)
{
	nst_time at = leaves + nm->conf.delay + netem_jitter(nm);

	if (at < leaves)
		at = leaves;
	if (nm->conf.keep_order && at < nm->last_at)
		at = nm->last_at;
	if (at > nm->last_at)
		nm->last_at = at;
	return netem_slot(nm, at);
}

/* In its turn; those held back for it come nearer. */
static void arrive(struct netem *nm, struct nst_pkt *pkt, nst_time leaves)
{
	nst_time at = arrival(nm, leaves);

	if (netem_line_in(nm, pkt, at))
		netem_line_passed(nm, at);
}

static void arrive_out_of_order(struct netem *nm, struct nst_pkt *pkt,
				nst_time leaves)
{
	const struct netem_conf *c = &nm->conf;

	nm->stats.reordered++;
	if (c->by_pkts)
		(void)netem_line_hold(nm, pkt, leaves + c->delay);
	else if (c->by_time)
		(void)netem_line_in(nm, pkt, leaves + c->delay + c->by_time);
	else
		(void)netem_line_in(nm, pkt, leaves);
}

static void on_line(struct netem *nm, struct nst_pkt *pkt, struct fate f,
		    nst_time leaves)
{
	struct nst_pkt *copy = f.dup ? nst_pkt_clone(pkt) : NULL;

	if (f.early)
		arrive_out_of_order(nm, pkt, leaves);
	else
		arrive(nm, pkt, leaves);
	if (!copy)
		return;
	nm->stats.duplicated++;
	arrive(nm, copy, leaves);
}

/* Through the queue; *leaves as netem_queue_in. False: dropped. */
static bool enqueue(struct netem *nm, struct nst_pkt *pkt, bool mark,
		    nst_time now, nst_time *leaves)
{
	switch (netem_queue_in(nm, nst_pkt_bytes(pkt), now, leaves)) {
	case NETEM_FULL:
		drop(pkt, &nm->stats.drop_queue);
		return false;
	case NETEM_NOMEM:
		drop(pkt, &nm->stats.drop_memory);
		return false;
	case NETEM_MARK:
		mark = true;
		break;
	case NETEM_PASS:
		break;
	}
	if (mark && netem_pkt_mark(pkt, nm->l2_bytes))
		nm->stats.marked++;
	return true;
}

static void one(struct netem *nm, struct nst_pkt *pkt, nst_time now)
{
	uint32_t mtu = nm->conf.mtu;
	struct fate f = draw(nm);
	nst_time leaves;

	nm->stats.in_pkts++;
	pkt->next = NULL;
	if (!nst_pkt_own(pkt)) {
		drop(pkt, &nm->stats.drop_memory);
		return;
	}
	if (mtu && nst_pkt_bytes(pkt) > mtu + nm->l2_bytes) {
		if (nm->on_mtu)
			nm->on_mtu(nm->mtu_ctx, pkt, mtu);
		drop(pkt, &nm->stats.drop_mtu);
		return;
	}
	if (is_down(nm, now)) {
		drop(pkt, &nm->stats.drop_down);
		return;
	}
	if (!enqueue(nm, pkt, f.mark, now, &leaves))
		return;
	if (f.lost || is_down(nm, leaves)) {
		drop(pkt, f.lost ? &nm->stats.lost : &nm->stats.drop_down);
		return;
	}
	if (f.corrupt)
		corrupt(nm, pkt);
	on_line(nm, pkt, f, leaves);
}

/* ---- in and out ---- */

static nst_time advance(struct netem *nm, nst_time now)
{
	if (now > nm->now)
		nm->now = now;
	return nm->now;
}

void netem_in(struct netem *nm, struct nst_pkt *pkt, nst_time now)
{
	now = advance(nm, now);
	if (nm->split && pkt->gso != NST_GSO_NONE) {
		pkt = netem_pkt_split(pkt, nm->l2_bytes);
		if (!pkt)
			nm->stats.drop_memory++;
	} else {
		pkt->next = NULL;
	}
	while (pkt) {
		struct nst_pkt *next = pkt->next;

		one(nm, pkt, now);
		pkt = next;
	}
}

nst_time netem_next(const struct netem *nm)
{
	return netem_line_next(nm);
}

struct nst_pkt *netem_out(struct netem *nm, nst_time now)
{
	struct nst_pkt *pkt;

	now = advance(nm, now);
	netem_line_overdue(nm, now);
	pkt = netem_line_out(nm, now);
	if (!pkt)
		return NULL;
	nm->stats.out_pkts++;
	nm->stats.out_bytes += nst_pkt_bytes(pkt);
	return pkt;
}

const struct netem_stats *netem_stats(const struct netem *nm)
{
	return &nm->stats;
}

uint64_t netem_queued(struct netem *nm, nst_time now)
{
	netem_queue_run(&nm->queue, now);
	return nm->queue.bytes;
}

bool netem_check(const struct netem *nm)
{
	return netem_queue_check(&nm->queue) && netem_line_check(nm);
}

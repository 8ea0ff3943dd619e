/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BBR's bounds (tcp_bbr.h): what losses and CE marks say.
 *
 * Short-term, *_lo: while not probing, each round with losses or marks takes a
 * share away, but never below what the path has just delivered; forgotten at
 * the next probe. Long-term, inflight_hi: the amount in flight at which a
 * probe lost more than 2 % or had half of it marked.
 *
 * DEVIATION: version 3 takes any loss for congestion, and 2 % of it for too
 * much; on a path that loses packets by itself this halves the rate and more,
 * which LINUX's BBR does not do. So rounds in which packets were lost although
 * the RTT was the path's own, that is, without a queue, only tell the path's
 * own share of losses, the floor. The 2 % count from there, with three standard
 * deviations of what chance makes of the floor in so many packets; rounds
 * below that do not lower the bounds, and do not end STARTUP. With a queue,
 * the floor counts as nobody's fault, and every loss above it as congestion.
 *
 * Marks are used in proportion to their share (alpha) when feedback is precise
 * (RFC 9768) and the RTT at most 5 ms, where queues mark early. Otherwise a
 * round with marks counts like one with losses: RFC 3168 5.
 */
#include "netstack/tcp/tcp_bbr.h"

#define SHARE 65536u /* shares of packets are times this */
#define LOSS_THRESH (SHARE / BBR_UNIT * (BBR_UNIT * 2 / 100))
#define LOSS_FLOOR_MAX (SHARE / 10)
#define LOSS_FLOOR_PKTS 4096u /* that the floor is the mean of, or twice */
#define LOSS_STARTUP_MAX (SHARE / 8) /* more without a queue: a policer */
#define QUEUE_MIN (250 * NST_US)
#define STARTUP_LOSSES 6u /* events in a round: not a random loss */
#define STARTUP_LOSSES_MAX 15u
#define STARTUP_ECN_ROUNDS 2u
#define ECN_THRESH (BBR_UNIT / 2)
#define ECN_FACTOR (BBR_UNIT / 3)
#define ECN_ALPHA_GAIN (BBR_UNIT / 16)
#define ECN_MAX_RTT (5 * NST_MS)

void bbr_reset_lower(struct tcp_bbr_state *b)
{
	b->bw_lo = BBR_NONE;
	b->inflight_lo = BBR_NONE;
}

void bbr_reset_signals(struct tcp_bbr_state *b)
{
	b->loss_in_round = false;
	b->ecn_in_round = false;
	b->loss_in_cycle = false;
	b->ecn_in_cycle = false;
	b->bw_latest = 0;
	b->inflight_latest = 0;
}

uint32_t bbr_with_headroom(const struct tcp_bbr_state *b)
{
	uint32_t room;

	if (b->inflight_hi == BBR_NONE)
		return BBR_NONE;
	room = u32_max(bbr_scale(b->inflight_hi, BBR_HEADROOM), 1);
	if (b->inflight_hi < room + BBR_MIN_CWND)
		return BBR_MIN_CWND;
	return b->inflight_hi - room;
}

static void cut_by_marks(const struct nst_tcp *tp, struct tcp_bbr_state *b)
{
	uint32_t cut = (b->ecn_alpha * ECN_FACTOR) / BBR_UNIT;

	if (b->inflight_lo == BBR_NONE)
		b->inflight_lo = tp->cwnd;
	b->inflight_lo = bbr_scale(b->inflight_lo, BBR_UNIT - cut);
}

static void cut_by_loss(const struct nst_tcp *tp, struct tcp_bbr_state *b)
{
	if (b->bw_lo == BBR_NONE)
		b->bw_lo = bbr_max_bw(b);
	if (b->inflight_lo == BBR_NONE)
		b->inflight_lo = tp->cwnd;
	b->bw_lo =
	    u32_max(b->bw_latest, bbr_scale(b->bw_lo, BBR_UNIT - BBR_BETA));
	b->bw_lo = u32_max(b->bw_lo, 1);
	b->inflight_lo = u32_max(
	    b->inflight_latest, bbr_scale(b->inflight_lo, BBR_UNIT - BBR_BETA));
}

/* ---- which losses count ---- */

/* Even the luckiest packet of the round had to queue. */
static bool queue_seen(const struct tcp_bbr_state *b)
{
	return b->round_rtt != NST_NEVER && b->min_rtt != NST_NEVER &&
	       b->round_rtt > b->min_rtt + t_max(b->min_rtt / 8, QUEUE_MIN);
}

static uint32_t floor_share(const struct tcp_bbr_state *b)
{
	uint64_t lost = (uint64_t)b->floor_lost * SHARE;

	if (!b->floor_pkts)
		return 0;
	return u32_min((uint32_t)(lost / b->floor_pkts), LOSS_FLOOR_MAX);
}

static uint32_t square_root(uint64_t v)
{
	uint32_t root = 0;

	for (uint32_t bit = 1u << 31; bit; bit >>= 1)
		if ((uint64_t)(root | bit) * (root | bit) <= v)
			root |= bit;
	return root;
}

/* The share that chance may take of n packets: n floor +- sqrt(n floor). */
static uint32_t by_chance(const struct tcp_bbr_state *b, uint64_t n)
{
	uint32_t floor = floor_share(b);

	if (!floor || !n)
		return 0;
	return floor + 3 * square_root((uint64_t)floor * SHARE / n);
}

static uint32_t loss_thresh(const struct tcp_bbr_state *b, uint64_t n)
{
	return LOSS_THRESH + by_chance(b, n);
}

static void learn_floor(struct tcp_bbr_state *b, uint32_t n, uint32_t lost)
{
	b->floor_pkts += n;
	b->floor_lost += lost;
	while (b->floor_pkts >= 2 * LOSS_FLOOR_PKTS) {
		b->floor_pkts /= 2;
		b->floor_lost /= 2;
	}
}

/* true: the losses of the round that ends tell of congestion. */
static bool judge_round(const struct nst_tcp *tp, struct tcp_bbr_state *b)
{
	uint32_t n = tp->delivered - b->round_delivered;
	uint32_t lost = tp->rate.lost - b->round_lost;
	bool queue = queue_seen(b);
	uint64_t share;

	b->round_delivered = tp->delivered;
	b->round_lost = tp->rate.lost;
	b->round_rtt = NST_NEVER;
	n += lost;
	share = n ? (uint64_t)lost * SHARE / n : 0;
	b->round_queued = queue || share > LOSS_STARTUP_MAX;
	if (queue)
		b->floor_lost -= b->floor_lost / 64;
	else
		learn_floor(b, n, lost);
	return share > (queue ? by_chance(b, n) : loss_thresh(b, n));
}

/* ---- short-term, once each round ---- */

/* Both cuts start from the same level; the lower one counts */
static void adapt_lower(const struct nst_tcp *tp, struct tcp_bbr_state *b,
			bool congested)
{
	uint32_t before = b->inflight_lo, by_marks = BBR_NONE;

	if (bbr_probing(b))
		return;
	if (b->ecn_in_round && b->ecn_eligible) {
		cut_by_marks(tp, b);
		by_marks = b->inflight_lo;
		b->inflight_lo = before;
	}
	if ((b->loss_in_round && congested) ||
	    (b->ecn_in_round && !b->ecn_eligible))
		cut_by_loss(tp, b);
	b->inflight_lo = u32_min(b->inflight_lo, by_marks);
}

void bbr_signals(struct nst_tcp *tp, const struct tcp_rate_sample *rs,
		 uint32_t bw)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);

	if (!rs->interval || !rs->acked_sacked)
		return;
	if (!rs->app_limited || bw >= bbr_max_bw(b))
		b->max_bw[1] = u32_max(b->max_bw[1], bw);
	b->loss_in_round |= rs->losses > 0;
	if (rs->rtt >= 0)
		b->round_rtt = t_min(b->round_rtt, rs->rtt);
	if (!b->loss_round_start)
		return;
	adapt_lower(tp, b, judge_round(tp, b));
	b->loss_in_round = false;
	b->ecn_in_round = false;
}

/* ---- STARTUP ends by losses or marks ---- */

static void startup_too_high(struct nst_tcp *tp)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);
	uint32_t bdp = bbr_inflight(tp, bbr_max_bw(b), BBR_UNIT);

	b->full_bw_reached = true;
	b->inflight_hi = u32_max(bdp, b->inflight_latest);
}

void bbr_startup_losses(struct nst_tcp *tp, const struct tcp_rate_sample *rs)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);

	if (b->full_bw_reached)
		return;
	if (rs->losses && b->startup_losses < STARTUP_LOSSES_MAX)
		b->startup_losses++;
	if (!b->loss_round_start)
		return;
	if (tp->ca_state == TCP_CA_RECOVERY && b->round_queued &&
	    b->startup_losses >= STARTUP_LOSSES && bbr_too_high(b, rs))
		startup_too_high(tp);
	b->startup_losses = 0;
}

static void startup_marks(struct nst_tcp *tp, uint32_t ratio)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);

	if (b->full_bw_reached || !b->ecn_eligible)
		return;
	b->startup_ecn_rounds =
	    ratio >= ECN_THRESH ? (uint8_t)(b->startup_ecn_rounds + 1) : 0;
	if (b->startup_ecn_rounds >= STARTUP_ECN_ROUNDS)
		startup_too_high(tp);
}

/* Each round: alpha follows the share of marked packets, as DCTCP's does. */
void bbr_ecn_round(struct nst_tcp *tp)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);
	uint32_t n = tp->delivered - b->alpha_delivered;
	uint32_t ce = tp->delivered_ce - b->alpha_ce;
	uint32_t ratio, alpha;

	if (!b->ecn_eligible && tp->ecn.mode == TCP_ECN_ACCURATE &&
	    b->min_rtt <= ECN_MAX_RTT)
		b->ecn_eligible = true;
	if (!b->ecn_eligible || !n)
		return;
	ratio = (uint32_t)((uint64_t)u32_min(ce, n) * BBR_UNIT / n);
	alpha = (BBR_UNIT - ECN_ALPHA_GAIN) * b->ecn_alpha / BBR_UNIT;
	alpha += ECN_ALPHA_GAIN * ratio / BBR_UNIT;
	b->ecn_alpha = (uint16_t)u32_min(alpha, BBR_UNIT);
	b->alpha_delivered = tp->delivered;
	b->alpha_ce = tp->delivered_ce;
	startup_marks(tp, ratio);
}

/* ---- long-term ---- */

bool bbr_too_high(const struct tcp_bbr_state *b,
		  const struct tcp_rate_sample *rs)
{
	uint64_t n = rs->tx_in_flight;

	if (rs->lost > 0 && n &&
	    (uint64_t)rs->lost > n * loss_thresh(b, n) / SHARE)
		return true;
	return b->ecn_eligible && rs->delivered_ce > 0 && rs->delivered > 0 &&
	       rs->delivered_ce * 2 > rs->delivered;
}

/* Reacted to once each probe. */
void bbr_handle_too_high(struct nst_tcp *tp, const struct tcp_rate_sample *rs)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);

	b->probe_too_high = true;
	b->probe_samples = false;
	/* An owner that sends little has not tried how much would fit. */
	if (!rs->app_limited)
		b->inflight_hi =
		    u32_max(rs->tx_in_flight, bbr_scale(bbr_target_inflight(tp),
							BBR_UNIT - BBR_BETA));
	if (bbr_in_phase(b, BBR_UP))
		bbr_start_down(tp);
}

/*
 * At how much in flight did the loss of this record's flight go too far? With
 * l of n packets lost before the record, it is the prefix x of it for which
 * (l + x) / (n + x) is the threshold. The draft's BBRInflightAtLoss.
 */
static uint32_t inflight_at_loss(const struct tcp_bbr_state *b,
				 const struct tcp_rate_sample *rs,
				 uint32_t pcount)
{
	uint64_t n, l, budget, thresh = loss_thresh(b, rs->tx_in_flight);

	if (rs->tx_in_flight < pcount || rs->lost < pcount || thresh >= SHARE)
		return BBR_NONE;
	n = rs->tx_in_flight - pcount;
	l = (uint64_t)rs->lost - pcount;
	budget = (n * thresh + SHARE - 1) / SHARE;
	if (l < budget)
		n += (budget - l) * SHARE / (SHARE - thresh);
	return n < BBR_NONE ? (uint32_t)n : BBR_NONE - 1;
}

static void note_loss(struct nst_tcp *tp)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);

	/* A whole round from the first loss on, to see what still arrives. */
	if (!b->loss_in_round)
		b->loss_round_end = tp->delivered;
	b->loss_in_round = true;
	b->loss_in_cycle = true;
}

void bbr_marked_lost(struct nst_tcp *tp, const struct tcp_sent *r)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);
	struct tcp_rate_sample rs = {
	    .tx_in_flight = r->tx.in_flight,
	    .lost = (int32_t)(tp->rate.lost - r->tx.lost),
	    .app_limited = r->tx.app_limited,
	};

	note_loss(tp);
	if (!b->probe_samples || !bbr_too_high(b, &rs))
		return;
	rs.tx_in_flight = inflight_at_loss(b, &rs, r->pcount);
	if (rs.tx_in_flight != BBR_NONE)
		bbr_handle_too_high(tp, &rs);
}

void bbr_tlp_loss(struct nst_tcp *tp)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);
	struct tcp_rate_sample rs = {
	    .tx_in_flight = b->inflight_latest + 1,
	    .lost = 1,
	    .app_limited = tp->rate.app_limited != 0,
	};

	note_loss(tp);
	if (b->probe_samples && bbr_too_high(b, &rs))
		bbr_handle_too_high(tp, &rs);
}

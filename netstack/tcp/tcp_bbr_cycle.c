/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BBR's states (tcp_bbr.h).
 *
 * STARTUP doubles the rate each round until bandwidth no longer grows, or too
 * much is lost; DRAIN empties the queue this made. Then PROBE_BW repeats:
 *
 *   DOWN    below the estimate, until what is in flight leaves headroom
 *   CRUISE  at the estimate, for 2 to 3 s or as many rounds as Reno would
 *   REFILL  one round at the estimate without the short-term bounds
 *   UP      above it, until bandwidth or what fits no longer grows
 *
 * PROBE_RTT, when five seconds brought no smaller RTT, halves what is in
 * flight for 200 ms and a round, so that all flows see the path without queue.
 */
#include "netstack/tcp/tcp_bbr.h"

#define GAIN_STARTUP (BBR_UNIT * 277 / 100 + 1)
#define GAIN_STARTUP_CWND (BBR_UNIT * 2)
#define GAIN_DRAIN (BBR_UNIT * 1000 / 2885)
#define GAIN_CWND (BBR_UNIT * 2)
#define GAIN_CWND_UP (GAIN_CWND + BBR_UNIT / 4)
#define PROBE_ROUNDS 63u /* a Reno flow at 25 Mbit/s and 30 ms */
#define PROBE_RAND_ROUNDS 2u
#define PROBE_WAIT (2 * NST_SEC)
#define PROBE_WAIT_RAND_US 1000000u
#define UP_ROUNDS_MAX 30u
#define ECN_REPROBE (BBR_UNIT / 2)

void bbr_gains(struct tcp_bbr_state *b)
{
	static const uint16_t pacing[] = {
	    [BBR_UP] = BBR_UNIT * 5 / 4,
	    [BBR_DOWN] = BBR_UNIT * 91 / 100,
	    [BBR_CRUISE] = BBR_UNIT,
	    [BBR_REFILL] = BBR_UNIT,
	};

	b->pacing_gain = BBR_UNIT;
	b->cwnd_gain = BBR_UNIT;
	if (b->mode == BBR_STARTUP) {
		b->pacing_gain = GAIN_STARTUP;
		b->cwnd_gain = GAIN_STARTUP_CWND;
	} else if (b->mode == BBR_DRAIN) {
		b->pacing_gain = GAIN_DRAIN;
		b->cwnd_gain = GAIN_STARTUP_CWND;
	} else if (b->mode == BBR_PROBE_BW) {
		b->pacing_gain = pacing[b->phase];
		b->cwnd_gain = b->phase == BBR_UP ? GAIN_CWND_UP : GAIN_CWND;
	}
}

void bbr_enter_startup(struct tcp_bbr_state *b)
{
	b->mode = BBR_STARTUP;
}

/* ---- DRAIN ---- */

void bbr_check_drain(struct nst_tcp *tp)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);
	uint32_t bdp;

	if (b->mode != BBR_DRAIN &&
	    !(b->mode == BBR_STARTUP && b->full_bw_reached))
		return;
	bdp = bbr_inflight(tp, bbr_max_bw(b), BBR_UNIT);
	if (b->mode == BBR_STARTUP) {
		b->mode = BBR_DRAIN;
		tp->ssthresh = bdp; /* LINUX: for TCP_INFO only */
		bbr_reset_signals(b);
	}
	if (bbr_in_net_at_departure(tp, tcp_in_flight(tp)) > bdp)
		return;
	b->mode = BBR_PROBE_BW;
	bbr_start_down(tp);
}

/* ---- PROBE_BW: entering the phases ---- */

static uint32_t random_below(struct nst_tcp *tp, uint32_t n)
{
	const struct nst_env *env = tp->sk.st->env;
	uint32_t r;

	env->random(env->ctx, &r, sizeof(r));
	return (uint32_t)((uint64_t)r * n >> 32);
}

void bbr_start_down(struct nst_tcp *tp)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);

	bbr_reset_signals(b);
	b->up_cnt = UINT32_MAX;
	/* Flows that started together shall not probe together. */
	b->rounds_since_probe = (uint8_t)random_below(tp, PROBE_RAND_ROUNDS);
	b->probe_wait = PROBE_WAIT +
			(nst_time)random_below(tp, PROBE_WAIT_RAND_US) * NST_US;
	b->cycle_start = tp->sk.st->now;
	b->ack_phase = BBR_ACKS_PROBE_STOPPING;
	b->round_end = tp->delivered;
	b->phase = BBR_DOWN;
}

static void start_cruise(struct tcp_bbr_state *b)
{
	if (b->inflight_lo != BBR_NONE)
		b->inflight_lo = u32_min(b->inflight_lo, b->inflight_hi);
	b->phase = BBR_CRUISE;
}

static void start_refill(struct nst_tcp *tp, uint8_t up_rounds)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);

	bbr_reset_lower(b);
	b->up_rounds = up_rounds;
	b->up_acks = 0;
	b->stopped_at_bound = false;
	b->ack_phase = BBR_ACKS_REFILLING;
	b->round_end = tp->delivered;
	b->phase = BBR_REFILL;
}

/* inflight_hi grows by 1, 2, 4 ... packets a round. */
void bbr_raise_slope(struct nst_tcp *tp)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);
	uint32_t growth = 1u << b->up_rounds;

	if (b->up_rounds < UP_ROUNDS_MAX)
		b->up_rounds++;
	b->up_cnt = u32_max(tp->cwnd / growth, 1);
}

static void start_up(struct nst_tcp *tp, uint32_t bw)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);

	b->probe_samples = true; /* from what REFILL sent on */
	b->ack_phase = BBR_ACKS_PROBE_STARTING;
	b->round_end = tp->delivered;
	b->cycle_start = tp->sk.st->now;
	bbr_reset_full_bw(b, bw);
	b->phase = BBR_UP;
	bbr_raise_slope(tp);
}

/* ---- PROBE_BW: leaving them ---- */

/* Marks without losses have ceased: others left, try half of it again. */
static bool marks_ceased(const struct nst_tcp *tp)
{
	const struct tcp_bbr_state *b = tcp_bbr_ofc(tp);

	return b->ecn_eligible && b->ecn_in_cycle && !b->loss_in_cycle &&
	       tp->ca_state == TCP_CA_OPEN;
}

static uint8_t log2_of(uint32_t v)
{
	uint8_t n = 0;

	while (v >>= 1)
		n++;
	return n < UP_ROUNDS_MAX ? n : UP_ROUNDS_MAX;
}

static bool time_to_probe(struct nst_tcp *tp)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);
	uint32_t rounds;

	if (marks_ceased(tp)) {
		start_refill(tp,
			     log2_of(bbr_scale(b->inflight_hi, ECN_REPROBE)));
		return true;
	}
	rounds = u32_min(PROBE_ROUNDS, bbr_target_inflight(tp));
	if (tp->sk.st->now <= b->cycle_start + b->probe_wait &&
	    b->rounds_since_probe < rounds)
		return false;
	start_refill(tp, 0);
	return true;
}

static bool low_enough(const struct nst_tcp *tp, uint32_t in_flight)
{
	const struct tcp_bbr_state *b = tcp_bbr_ofc(tp);

	return in_flight <= bbr_with_headroom(b) &&
	       in_flight <= bbr_inflight(tp, bbr_max_bw(b), BBR_UNIT);
}

/* In UP: has the probe reached its end? */
static bool probed_enough(struct nst_tcp *tp, uint32_t in_flight, uint32_t bw)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);

	/* Where the last one went wrong: drain before it happens again. */
	if (b->probe_too_high && in_flight >= b->inflight_hi) {
		b->stopped_at_bound = true;
		return true;
	}
	if (tp->cwnd_limited && tp->cwnd >= b->inflight_hi) {
		bbr_reset_full_bw(b, bw); /* the bound is the limit */
		return false;
	}
	return b->full_bw_now;
}

static void cycle_phase(struct nst_tcp *tp, const struct tcp_rate_sample *rs,
			uint32_t bw)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);
	uint32_t in_flight = bbr_in_net_at_departure(tp, rs->prior_in_flight);

	switch ((enum tcp_bbr_phase)b->phase) {
	case BBR_CRUISE:
		time_to_probe(tp);
		break;
	case BBR_REFILL:
		if (b->round_start)
			start_up(tp, bw);
		break;
	case BBR_UP:
		if (!probed_enough(tp, in_flight, bw))
			break;
		b->probe_too_high = false;
		bbr_start_down(tp);
		break;
	case BBR_DOWN:
		if (!time_to_probe(tp) && low_enough(tp, in_flight))
			start_cruise(b);
		break;
	}
}

/* ---- inflight_hi ---- */

static void grow_upward(struct nst_tcp *tp, const struct tcp_rate_sample *rs)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);
	uint32_t n;

	if (!tp->cwnd_limited || tp->cwnd < b->inflight_hi)
		return; /* it is not what limits */
	b->up_acks += rs->acked_sacked;
	if (b->up_acks >= b->up_cnt) {
		n = b->up_acks / b->up_cnt;
		b->up_acks -= n * b->up_cnt;
		b->inflight_hi = u32_min(b->inflight_hi + n, BBR_NONE - 1);
	}
	if (b->round_start)
		bbr_raise_slope(tp);
}

/* The last ACKs of a probe have come. true: the phase was decided on. */
static bool probe_ends(struct nst_tcp *tp, const struct tcp_rate_sample *rs)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);

	b->probe_samples = false;
	b->ack_phase = BBR_ACKS_INIT;
	if (b->mode != BBR_PROBE_BW)
		return false;
	/* The best moment to forget the cycle before: this one is known. */
	if (!rs->app_limited)
		bbr_cycle_max_bw(b);
	if (!b->stopped_at_bound || b->probe_too_high)
		return false;
	/* The old bound did no harm: go on from it. */
	start_refill(tp, 0);
	return true;
}

static bool adapt_upper(struct nst_tcp *tp, const struct tcp_rate_sample *rs)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);

	if (b->round_start && b->ack_phase == BBR_ACKS_PROBE_STARTING)
		b->ack_phase = BBR_ACKS_PROBE_FEEDBACK;
	if (b->round_start && b->ack_phase == BBR_ACKS_PROBE_STOPPING &&
	    probe_ends(tp, rs))
		return true;
	if (bbr_too_high(b, rs)) {
		if (b->probe_samples)
			bbr_handle_too_high(tp, rs);
		return false;
	}
	if (b->inflight_hi == BBR_NONE)
		return false;
	/* Random losses must not keep it down: what went well, is safe. */
	b->inflight_hi = u32_max(b->inflight_hi, rs->tx_in_flight);
	if (bbr_in_phase(b, BBR_UP))
		grow_upward(tp, rs);
	return false;
}

void bbr_cycle(struct nst_tcp *tp, const struct tcp_rate_sample *rs,
	       uint32_t bw)
{
	const struct tcp_bbr_state *b = tcp_bbr_ofc(tp);

	if (!b->full_bw_reached || adapt_upper(tp, rs) ||
	    b->mode != BBR_PROBE_BW)
		return;
	cycle_phase(tp, rs, bw);
}

/* ---- PROBE_RTT ---- */

static void exit_probe_rtt(struct nst_tcp *tp)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);

	bbr_reset_lower(b);
	if (!b->full_bw_reached) {
		bbr_enter_startup(b);
		return;
	}
	b->mode = BBR_PROBE_BW;
	bbr_start_down(tp); /* a new wait; but the queue is empty already */
	start_cruise(b);
}

void bbr_check_probe_rtt_done(struct nst_tcp *tp)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);
	nst_time now = tp->sk.st->now;

	if (!b->probe_rtt_low || now <= b->probe_rtt_low + BBR_PROBE_RTT_TIME)
		return;
	b->probe_min_rtt_at = now;
	tp->cwnd = u32_max(tp->cwnd, b->prior_cwnd);
	exit_probe_rtt(tp);
}

static void enter_probe_rtt(struct nst_tcp *tp)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);

	bbr_save_cwnd(tp);
	b->mode = BBR_PROBE_RTT;
	b->probe_rtt_low = 0;
	b->ack_phase = BBR_ACKS_PROBE_STOPPING;
	b->round_end = tp->delivered;
}

static void hold_probe_rtt(struct nst_tcp *tp)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);
	uint32_t at = tp->delivered + tcp_in_flight(tp);

	tp->rate.app_limited = at ? at : 1; /* these rates say nothing */
	if (b->probe_rtt_low) {
		b->probe_rtt_round |= b->round_start;
		if (b->probe_rtt_round)
			bbr_check_probe_rtt_done(tp);
		return;
	}
	if (tcp_in_flight(tp) > bbr_probe_rtt_cwnd(tp))
		return;
	b->probe_rtt_low = t_max(tp->sk.st->now, 1);
	b->probe_rtt_round = false;
	b->round_end = tp->delivered;
}

void bbr_probe_rtt(struct nst_tcp *tp, const struct tcp_rate_sample *rs)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);
	bool probe = bbr_min_rtt(tp, rs);

	if (probe && !b->idle_restart && b->mode != BBR_PROBE_RTT)
		enter_probe_rtt(tp);
	if (b->mode == BBR_PROBE_RTT)
		hold_probe_rtt(tp);
	if (rs->delivered > 0)
		b->idle_restart = false;
}

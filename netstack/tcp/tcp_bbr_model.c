/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BBR's model of the path (tcp_bbr.h): rounds, the greatest bandwidth of the
 * last one or two probing cycles, the least RTT of ten seconds, how much ACKs
 * are aggregated, and whether bandwidth still grows.
 */
#include "netstack/tcp/tcp_bbr.h"

#define FULL_BW_THRESH (BBR_UNIT * 5 / 4) /* less growth is a plateau ... */
#define FULL_BW_ROUNDS 3u                 /* ... after so many rounds */
#define AGG_ROUNDS 5u
#define AGG_ROUNDS_MAX 31u
#define AGG_ACKED_MAX (1u << 20)

uint32_t bbr_sample_bw(const struct tcp_rate_sample *rs)
{
	uint64_t us, bw;

	if (!rs->interval || rs->delivered <= 0)
		return 0;
	us = (uint64_t)t_max(rs->interval / NST_US, 1);
	bw = (((uint64_t)rs->delivered << BBR_BW_SHIFT) + us - 1) / us;
	return bw < UINT32_MAX ? (uint32_t)bw : UINT32_MAX - 1;
}

static bool passed(uint32_t prior_delivered, uint32_t end)
{
	return (int32_t)(prior_delivered - end) >= 0;
}

void bbr_rounds(struct nst_tcp *tp, const struct tcp_rate_sample *rs)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);

	b->round_start = false;
	if (!rs->interval || !passed(rs->prior_delivered, b->round_end))
		return;
	b->round_end = tp->delivered;
	b->round_start = true;
	if (b->rounds_since_probe < UINT8_MAX)
		b->rounds_since_probe++;
}

/* The draft's latest delivery signals: what the path delivered in this round of
 * looking at loss. */
void bbr_latest(struct nst_tcp *tp, const struct tcp_rate_sample *rs,
		uint32_t bw)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);

	b->loss_round_start = false;
	if (!rs->interval || !rs->acked_sacked)
		return;
	b->bw_latest = u32_max(b->bw_latest, bw);
	b->inflight_latest =
	    u32_max(b->inflight_latest, (uint32_t)rs->delivered);
	if (passed(rs->prior_delivered, b->loss_round_end)) {
		b->loss_round_end = tp->delivered;
		b->loss_round_start = true;
	}
}

void bbr_latest_advance(struct nst_tcp *tp, const struct tcp_rate_sample *rs,
			uint32_t bw)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);

	/* What a loss probe repaired is remembered with what came before. */
	if (!b->loss_round_start || rs->tlp)
		return;
	b->bw_latest = bw;
	b->inflight_latest = rs->delivered > 0 ? (uint32_t)rs->delivered : 0;
}

void bbr_cycle_max_bw(struct tcp_bbr_state *b)
{
	if (!b->max_bw[1])
		return; /* nothing new is known: the old is kept */
	b->max_bw[0] = b->max_bw[1];
	b->max_bw[1] = 0;
}

/* ---- is the pipe full? BBRCheckFullBWReached ---- */

void bbr_reset_full_bw(struct tcp_bbr_state *b, uint32_t bw)
{
	b->full_bw = bw;
	b->full_bw_cnt = 0;
	b->full_bw_now = false;
}

void bbr_check_full_bw(struct nst_tcp *tp, const struct tcp_rate_sample *rs,
		       uint32_t bw)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);

	if (b->full_bw_now || rs->app_limited)
		return;
	if (bw >= bbr_scale(b->full_bw, FULL_BW_THRESH)) {
		bbr_reset_full_bw(b, bw);
		return;
	}
	if (!b->round_start)
		return;
	b->full_bw_cnt++;
	b->full_bw_now = b->full_bw_cnt >= FULL_BW_ROUNDS;
	b->full_bw_reached |= b->full_bw_now;
}

/* ---- aggregation, BBRUpdateACKAggregation ---- */

static void age_extra(struct tcp_bbr_state *b)
{
	uint32_t most = b->full_bw_reached ? AGG_ROUNDS : 1;

	if (b->agg_rounds < AGG_ROUNDS_MAX)
		b->agg_rounds++;
	if (b->agg_rounds < most)
		return;
	b->agg_rounds = 0;
	b->agg_idx = !b->agg_idx;
	b->extra_acked[b->agg_idx] = 0;
}

static uint32_t expected(const struct nst_tcp *tp)
{
	const struct tcp_bbr_state *b = tcp_bbr_ofc(tp);
	nst_time t = tp->rate.delivered_at - b->agg_start;
	uint64_t n;

	if (t <= 0)
		return 0;
	n = (uint64_t)(t_min(t, 60 * NST_SEC) / NST_US) * bbr_bw(b);
	n >>= BBR_BW_SHIFT;
	return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

void bbr_aggregation(struct nst_tcp *tp, const struct tcp_rate_sample *rs)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);
	uint32_t want, extra;

	if (!rs->acked_sacked || !rs->interval)
		return;
	if (b->round_start)
		age_extra(b);
	want = expected(tp);
	if (b->agg_acked <= want ||
	    b->agg_acked + rs->acked_sacked >= AGG_ACKED_MAX) {
		b->agg_acked = 0;
		b->agg_start = tp->rate.delivered_at;
		want = 0;
	}
	b->agg_acked =
	    u32_min(AGG_ACKED_MAX - 1, b->agg_acked + rs->acked_sacked);
	extra = u32_min(b->agg_acked - u32_min(want, b->agg_acked), tp->cwnd);
	if (extra > b->extra_acked[b->agg_idx])
		b->extra_acked[b->agg_idx] = extra;
}

/* ---- the RTT without a queue, BBRUpdateMinRTT ---- */

bool bbr_min_rtt(struct nst_tcp *tp, const struct tcp_rate_sample *rs)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);
	nst_time now = tp->sk.st->now;
	bool probe = now > b->probe_min_rtt_at + BBR_PROBE_RTT_EVERY;

	if (rs->rtt >= 0 &&
	    (rs->rtt < b->probe_min_rtt || (probe && !rs->ack_delayed))) {
		b->probe_min_rtt = rs->rtt;
		b->probe_min_rtt_at = now;
	}
	if (b->probe_min_rtt <= b->min_rtt ||
	    now > b->min_rtt_at + BBR_MIN_RTT_WINDOW) {
		b->min_rtt = b->probe_min_rtt;
		b->min_rtt_at = b->probe_min_rtt_at;
	}
	return probe;
}

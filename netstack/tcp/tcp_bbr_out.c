/* SPDX-License-Identifier: Apache-2.0 */
/* BBR: from the model to a pacing rate and a congestion window (tcp_bbr.h). */
#include "netstack/tcp/tcp_bbr.h"

#define STARTUP_GAIN (BBR_UNIT * 277 / 100 + 1) /* 4 ln 2: doubles per RTT */
#define MARGIN_PERCENT 1u /* paced so much below the estimate */
#define AGG_MAX_US 100000u
#define PROBE_RTT_GAIN (BBR_UNIT / 2)
#define SENDER_BUDGET 3u /* super-segments: queued, sending, being received */

/* ---- amounts ---- */

uint32_t bbr_bdp(const struct nst_tcp *tp, uint32_t bw, uint32_t gain)
{
	const struct tcp_bbr_state *b = tcp_bbr_ofc(tp);
	uint64_t rtt_us, pkts;

	if (b->min_rtt == NST_NEVER)
		return b->init_cwnd; /* all was retransmitted so far */
	rtt_us = (uint64_t)t_min(b->min_rtt, 60 * NST_SEC) / NST_US;
	/* 32 + 26 bits; then rounded up, so that it can never fall to 0. */
	pkts = (uint64_t)bw * rtt_us;
	pkts = pkts >> 54 ? (pkts >> 8) * gain : (pkts * gain) >> 8;
	pkts = (pkts + (1u << BBR_BW_SHIFT) - 1) >> BBR_BW_SHIFT;
	return pkts < TCP_CWND_MAX ? (uint32_t)pkts : TCP_CWND_MAX;
}

/* Room for what sender and receiver hold back: aggregates are not queues. */
static uint32_t quantize(const struct nst_tcp *tp, uint32_t cwnd)
{
	uint32_t budget = SENDER_BUDGET * tcp_tso_segs(tp, tp->mss);

	cwnd = u32_max(u32_max(cwnd, budget), BBR_MIN_CWND);
	/* Even a tiny BDP must be exceeded by a probe. */
	return bbr_in_phase(tcp_bbr_ofc(tp), BBR_UP) ? cwnd + 2 : cwnd;
}

uint32_t bbr_inflight(const struct nst_tcp *tp, uint32_t bw, uint32_t gain)
{
	return quantize(tp, bbr_bdp(tp, bw, gain));
}

uint32_t bbr_target_inflight(const struct nst_tcp *tp)
{
	uint32_t bdp = bbr_inflight(tp, bbr_bw(tcp_bbr_ofc(tp)), BBR_UNIT);

	return u32_min(bdp, tp->cwnd);
}

/* Packets that bw delivers in t. */
static uint32_t delivered_in(uint32_t bw, nst_time t)
{
	uint64_t us = (uint64_t)t_min(t, 60 * NST_SEC) / NST_US;

	uint64_t n = bw * us >> BBR_BW_SHIFT;

	return n < TCP_CWND_MAX ? (uint32_t)n : TCP_CWND_MAX;
}

uint32_t bbr_in_net_at_departure(const struct nst_tcp *tp, uint32_t in_flight)
{
	const struct tcp_bbr_state *b = tcp_bbr_ofc(tp);
	nst_time wait = tp->pace.next - tp->sk.st->now;
	uint32_t gone = wait > 0 ? delivered_in(bbr_bw(b), wait) : 0;

	if (b->pacing_gain > BBR_UNIT)
		in_flight += tcp_tso_segs(tp, tp->mss);
	return in_flight > gone ? in_flight - gone : 0;
}

uint32_t bbr_probe_rtt_cwnd(const struct nst_tcp *tp)
{
	uint32_t bw = bbr_bw(tcp_bbr_ofc(tp));

	return u32_max(BBR_MIN_CWND, bbr_bdp(tp, bw, PROBE_RTT_GAIN));
}

/* ---- the rate ---- */

uint64_t bbr_bytes_per_s(const struct nst_tcp *tp, uint32_t bw, uint32_t gain,
			 uint32_t percent)
{
	/* 32 + 16 + 10 bits, less 8. */
	uint64_t rate = (uint64_t)bw * tp->mss * gain / BBR_UNIT;

	if (rate >> 43)
		rate = (rate >> BBR_BW_SHIFT) * 10000 * percent;
	else
		rate = (rate * 10000 * percent) >> BBR_BW_SHIFT;
	return rate ? rate : 1;
}

/* Before there is a sample: the initial window each round trip. */
void bbr_first_rate(struct nst_tcp *tp)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);
	uint64_t rtt_us = 1000, bw;

	if (tp->srtt) {
		rtt_us = (uint64_t)t_max(tp->srtt / 8 / NST_US, 1);
		b->seen_rtt = true;
	}
	bw = ((uint64_t)tp->cwnd << BBR_BW_SHIFT) / rtt_us;
	if (bw > UINT32_MAX)
		bw = UINT32_MAX;
	tp->pace.rate = bbr_bytes_per_s(tp, (uint32_t)bw, STARTUP_GAIN,
					100 - MARGIN_PERCENT);
}

/* STARTUP only speeds up: its first samples are of few packets. */
void bbr_set_rate(struct nst_tcp *tp, uint32_t bw, uint32_t gain)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);
	uint64_t rate = bbr_bytes_per_s(tp, bw, gain, 100 - MARGIN_PERCENT);

	if (!b->seen_rtt && tp->srtt)
		bbr_first_rate(tp);
	if (b->full_bw_reached || rate > tp->pace.rate)
		tp->pace.rate = rate;
}

/* ---- the window ---- */

void bbr_save_cwnd(struct nst_tcp *tp)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);

	if (b->prev_ca < TCP_CA_RECOVERY && b->mode != BBR_PROBE_RTT)
		b->prior_cwnd = tp->cwnd;
	else /* it has been cut before */
		b->prior_cwnd = u32_max(b->prior_cwnd, tp->cwnd);
}

/* Data that arrives in bursts needs more in flight to bridge the silences. */
static uint32_t aggregation_room(const struct tcp_bbr_state *b)
{
	uint32_t most = delivered_in(bbr_bw(b), AGG_MAX_US * NST_US);

	return u32_min(u32_max(b->extra_acked[0], b->extra_acked[1]), most);
}

static uint32_t grow(const struct nst_tcp *tp, uint32_t cwnd, uint32_t acked)
{
	const struct tcp_bbr_state *b = tcp_bbr_ofc(tp);
	uint32_t to = bbr_bdp(tp, bbr_bw(b), b->cwnd_gain);

	to = quantize(tp, to + aggregation_room(b));
	if (b->full_bw_reached)
		cwnd = u32_min(cwnd + acked, to);
	else if (cwnd < to || cwnd < 2 * b->init_cwnd)
		cwnd += acked;
	return u32_max(cwnd, BBR_MIN_CWND);
}

/* The draft's BBRBoundCwndForModel. */
static uint32_t bound(const struct tcp_bbr_state *b)
{
	uint32_t cap = BBR_NONE;

	if (b->mode == BBR_PROBE_BW && b->phase != BBR_CRUISE)
		cap = b->inflight_hi;
	else if (b->mode == BBR_PROBE_RTT || b->mode == BBR_PROBE_BW)
		cap = bbr_with_headroom(b);
	return u32_max(u32_min(cap, b->inflight_lo), BBR_MIN_CWND);
}

void bbr_set_cwnd(struct nst_tcp *tp, uint32_t acked)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);
	uint32_t cwnd = tp->cwnd;

	if (acked)
		cwnd = grow(tp, cwnd, acked);
	cwnd = u32_min(cwnd, TCP_CWND_MAX);
	if (b->mode == BBR_PROBE_RTT)
		cwnd = u32_min(cwnd, bbr_probe_rtt_cwnd(tp));
	tp->cwnd = u32_min(cwnd, bound(b));
}

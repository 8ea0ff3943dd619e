/* SPDX-License-Identifier: Apache-2.0 */
/* BBR: the vtable, start, one ACK, undo, TCP_CC_INFO (tcp_bbr.h). */
#include "netstack/base/mem.h"
#include "netstack/tcp/tcp_bbr.h"

#define INIT_CWND_MAX 127u

static void bbr_init(struct nst_tcp *tp)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);
	nst_time now = tp->sk.st->now;

	memset(b, 0, sizeof(*b));
	b->ready = true;
	b->init_cwnd = u32_min(INIT_CWND_MAX, tp->cwnd);
	b->prior_cwnd = tp->prior_cwnd;
	b->round_end = tp->delivered;
	b->loss_round_end = tp->delivered + 1;
	b->min_rtt = tp->min_rtt ? tp->min_rtt : NST_NEVER;
	b->min_rtt_at = now;
	b->probe_min_rtt = b->min_rtt;
	b->probe_min_rtt_at = now;
	b->agg_start = now;
	b->round_rtt = NST_NEVER;
	b->round_delivered = tp->delivered;
	b->round_lost = tp->rate.lost;
	b->inflight_hi = BBR_NONE;
	b->up_cnt = UINT32_MAX;
	b->ecn_alpha = BBR_UNIT; /* the worst, until it is known */
	bbr_reset_lower(b);
	bbr_enter_startup(b);
	bbr_gains(b);
	tp->ssthresh = TCP_SSTHRESH_INFINITE;
	tp->pace.needed = true;
	bbr_first_rate(tp);
}

static void update_model(struct nst_tcp *tp, const struct tcp_rate_sample *rs,
			 uint32_t bw)
{
	bbr_signals(tp, rs, bw);
	bbr_aggregation(tp, rs);
	bbr_startup_losses(tp, rs);
	bbr_check_full_bw(tp, rs, bw);
	bbr_check_drain(tp);
	bbr_cycle(tp, rs, bw);
	bbr_probe_rtt(tp, rs);
}

static void bbr_control(struct nst_tcp *tp, const struct tcp_rate_sample *rs)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);
	uint32_t bw = bbr_sample_bw(rs);

	if (!b->ready)
		return; /* the ACK of our SYN */
	bbr_rounds(tp, rs);
	if (b->round_start)
		bbr_ecn_round(tp);
	b->ecn_in_round |= rs->ece || rs->delivered_ce > 0;
	bbr_latest(tp, rs, bw);
	update_model(tp, rs, bw);
	bbr_gains(b);
	bbr_set_rate(tp, bbr_bw(b), b->pacing_gain);
	bbr_set_cwnd(tp, rs->acked_sacked);
	bbr_latest_advance(tp, rs, bw);
	b->prev_ca = tp->ca_state;
	b->loss_in_cycle |= rs->lost > 0;
	b->ecn_in_cycle |= rs->delivered_ce > 0;
}

/* ---- what else happens ---- */

static void bbr_event(struct nst_tcp *tp, enum tcp_cc_event ev)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);

	if (!b->ready)
		return;
	if (ev == TCP_CE_TLP_RECOVERY)
		bbr_tlp_loss(tp);
	if (ev != TCP_CE_TX_START || !tp->rate.app_limited)
		return;
	b->idle_restart = true;
	b->agg_start = tp->sk.st->now;
	b->agg_acked = 0;
	/* From idle, at the estimate: more would only fill a queue. */
	if (b->mode == BBR_PROBE_BW)
		bbr_set_rate(tp, bbr_bw(b), BBR_UNIT);
	else if (b->mode == BBR_PROBE_RTT)
		bbr_check_probe_rtt_done(tp);
}

static void bbr_set_state(struct nst_tcp *tp, uint8_t ca_state)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);

	if (!b->ready)
		return;
	if (ca_state == TCP_CA_LOSS) {
		b->prev_ca = TCP_CA_LOSS;
		bbr_reset_full_bw(b, 0);
		/* The cut starts from what was in use before the time-out. */
		if (!bbr_probing(b) && b->inflight_lo == BBR_NONE)
			b->inflight_lo = u32_max(tp->cwnd, b->prior_cwnd);
	} else if (b->prev_ca == TCP_CA_LOSS) {
		tp->cwnd = u32_max(tp->cwnd, b->prior_cwnd);
	}
}

/* Before a loss episode; the window is not halved, the model decides. */
static uint32_t bbr_ssthresh(struct nst_tcp *tp)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);

	bbr_save_cwnd(tp);
	b->undo_bw_lo = b->bw_lo;
	b->undo_inflight_lo = b->inflight_lo;
	b->undo_inflight_hi = b->inflight_hi;
	return tp->ssthresh;
}

static uint32_t bbr_undo_cwnd(struct nst_tcp *tp)
{
	struct tcp_bbr_state *b = tcp_bbr_of(tp);

	bbr_reset_full_bw(b, 0);
	b->loss_in_round = false;
	b->bw_lo = u32_max(b->bw_lo, b->undo_bw_lo);
	b->inflight_lo = u32_max(b->inflight_lo, b->undo_inflight_lo);
	b->inflight_hi = u32_max(b->inflight_hi, b->undo_inflight_hi);
	return b->prior_cwnd;
}

/* It may send as in slow start even while it recovers. */
static uint32_t bbr_sndbuf_expand(const struct nst_tcp *tp)
{
	(void)tp;
	return 3;
}

/* LINUX: struct tcp_bbr_info of linux/inet_diag.h. */
struct bbr_info {
	uint32_t bw_lo, bw_hi; /* halves of one number, bytes/s */
	uint32_t min_rtt_us;
	uint32_t pacing_gain, cwnd_gain; /* times 256 */
};

static void fill_info(const struct nst_tcp *tp, struct bbr_info *i)
{
	const struct tcp_bbr_state *b = tcp_bbr_ofc(tp);
	uint64_t bw = bbr_bytes_per_s(tp, bbr_bw(b), BBR_UNIT, 100);

	i->bw_lo = (uint32_t)bw;
	i->bw_hi = (uint32_t)(bw >> 32);
	i->min_rtt_us = UINT32_MAX;
	if (b->min_rtt != NST_NEVER)
		i->min_rtt_us = (uint32_t)(b->min_rtt / NST_US);
	i->pacing_gain = b->pacing_gain;
	i->cwnd_gain = b->cwnd_gain;
}

static size_t bbr_info_get(const struct nst_tcp *tp, void *out, size_t cap)
{
	struct bbr_info i = {0};

	if (tcp_bbr_ofc(tp)->ready)
		fill_info(tp, &i);
	cap = cap < sizeof(i) ? cap : sizeof(i);
	memcpy(out, &i, cap);
	return cap;
}

const struct tcp_cc tcp_bbr = {
    .name = "bbr",
    .flags = TCP_CC_PACED,
    .init = bbr_init,
    .ssthresh = bbr_ssthresh,
    .control = bbr_control,
    .undo_cwnd = bbr_undo_cwnd,
    .set_state = bbr_set_state,
    .event = bbr_event,
    .marked_lost = bbr_marked_lost,
    .sndbuf_expand = bbr_sndbuf_expand,
    .info = bbr_info_get,
};

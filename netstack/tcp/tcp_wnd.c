/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The receive window: RFC 9293 3.8.6, RFC 7323 2. The right edge (rcv_adv)
 * never moves left; silly windows are avoided on the receiving side (RFC 9293
 * 3.8.6.2.2); the limit grows with what the application takes per round trip
 * (dynamic right-sizing), unless SO_RCVBUF fixed it.
 */
#include "netstack/tcp/tcp_priv.h"

static uint32_t clamped_limit(const struct nst_tcp *tp)
{
	uint32_t clamp = tp->conf.window_clamp;

	return clamp ? u32_min(clamp, tp->rcv_limit) : tp->rcv_limit;
}

/* LINUX: tcp_select_initial_window: whole segments where possible. */
uint32_t tcp_wnd_first(const struct nst_tcp *tp)
{
	uint32_t wnd = u32_min(clamped_limit(tp), 65535);

	if (tp->advmss && wnd > tp->advmss)
		wnd -= wnd % tp->advmss;
	return wnd;
}

uint8_t tcp_wnd_scale(const struct nst_tcp *tp)
{
	uint32_t max = tp->conf.rcvbuf_set ? tp->rcv_limit : TCP_RCV_LIMIT_MAX;
	uint8_t scale = 0;

	if (tp->conf.window_clamp)
		max = u32_min(max, tp->conf.window_clamp);
	while (scale < TCP_WSCALE_MAX && (65536u << scale) <= max)
		scale++;
	return scale;
}

void tcp_wnd_init(struct nst_tcp *tp)
{
	tp->rcv_wup = tp->rcv_nxt;
	tp->rcv_adv = seq_add(tp->rcv_nxt, tcp_wnd_first(tp));
	tp->drs_seq = tp->rcv_nxt;
	tp->drs_time = tp->sk.st->now;
	tp->rcv_rtt_seq = tp->rcv_nxt;
}

uint32_t tcp_rcv_wnd(const struct nst_tcp *tp)
{
	int32_t left = seq_diff(tp->rcv_adv, tp->rcv_nxt);

	return left > 0 ? (uint32_t)left : 0;
}

static uint32_t scale_up(const struct nst_tcp *tp, uint32_t wnd)
{
	uint32_t unit = 1u << tp->rcv_wscale;

	return (wnd + unit - 1) & ~(unit - 1);
}

uint32_t tcp_wnd_offer(const struct nst_tcp *tp)
{
	uint32_t limit = clamped_limit(tp), used = ring_used(&tp->rcv);
	uint32_t cur = tcp_rcv_wnd(tp);
	uint32_t max = 65535u << tp->rcv_wscale;
	uint32_t free = limit > used ? u32_min(limit - used, max) : 0;
	uint32_t step = u32_min(u32_max(tp->rcv_mss, TCP_MSS_MIN), limit / 2);
	uint32_t wnd = cur;

	if (free > cur && free - cur >= step)
		wnd = free & ~((1u << tp->rcv_wscale) - 1);
	return u32_min(u32_max(wnd, scale_up(tp, cur)), max);
}

uint16_t tcp_wnd_select(struct nst_tcp *tp, bool syn)
{
	uint32_t wnd;

	if (syn)
		return (uint16_t)tcp_wnd_first(tp);
	wnd = tcp_wnd_offer(tp);
	tp->rcv_adv = seq_max(tp->rcv_adv, seq_add(tp->rcv_nxt, wnd));
	return (uint16_t)(wnd >> tp->rcv_wscale);
}

/* ---- dynamic right-sizing ---- */

static void rcv_rtt_update(struct nst_tcp *tp, nst_time sample)
{
	sample = t_max(sample, 50 * NST_US);
	if (!tp->rcv_rtt || sample < tp->rcv_rtt)
		tp->rcv_rtt = sample;
	else
		tp->rcv_rtt += (sample - tp->rcv_rtt) / 8;
}

void tcp_rcv_rtt_sample(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	nst_time now = tp->sk.st->now;

	if (tp->ts_on && seg->tsecr && seg->len >= tp->rcv_mss) {
		uint32_t ms = tcp_ts_now(tp->sk.st, tp->ts_off) - seg->tsecr;

		if (ms < 100000)
			rcv_rtt_update(tp, ms * NST_MS);
		return;
	}
	/* Without timestamps: the time that one window takes. */
	if (seq_lt(tp->rcv_nxt, tp->rcv_rtt_seq))
		return;
	if (tp->rcv_rtt_time)
		rcv_rtt_update(tp, now - tp->rcv_rtt_time);
	tp->rcv_rtt_seq = seq_add(tp->rcv_nxt, tcp_rcv_wnd(tp));
	tp->rcv_rtt_time = now;
}

static struct seq copied_seq(const struct nst_tcp *tp)
{
	return seq_add(tp->rcv_nxt,
		       0u - ring_used(&tp->rcv) - (uint32_t)tp->fin_rcvd);
}

void tcp_drs_copied(struct nst_tcp *tp)
{
	nst_time now = tp->sk.st->now;
	uint64_t copied;

	if (!tp->rcv_rtt || now - tp->drs_time < tp->rcv_rtt)
		return;
	copied = (uint32_t)seq_diff(copied_seq(tp), tp->drs_seq);
	tp->drs_seq = copied_seq(tp);
	tp->drs_time = now;
	if (tp->conf.rcvbuf_set || copied * 2 < tp->rcv_limit)
		return;
	copied = 2 * copied + 16ull * tp->advmss;
	if (copied > TCP_RCV_LIMIT_MAX)
		copied = TCP_RCV_LIMIT_MAX;
	tp->rcv_limit = u32_max(tp->rcv_limit, (uint32_t)copied);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dynamic right-sizing: the receive buffer follows what the owner takes in a
 * round trip. RFC 7323 4.1 measures the round trip by the echoed timestamp;
 * without timestamps it is the time that one window takes. LINUX: formulas
 * of 6.18; the limit is net.ipv4.tcp_rmem[2], SO_RCVBUF turns it off.
 */
#include "netstack/tcp/tcp_priv.h"

/* ---- round-trip time of the receiver ---- */

static void rtt_update(struct nst_tcp *tp, nst_time sample, bool by_window)
{
	if (!tp->rcv_rtt || sample * 8 < tp->rcv_rtt) {
		tp->rcv_rtt = sample * 8;
		return;
	}
	/* A slow owner stretches windows and echoes: only shorter counts. */
	if (by_window || ring_used(&tp->rcv))
		return;
	tp->rcv_rtt += sample - tp->rcv_rtt / 8;
}

void tcp_rcv_rtt_wnd(struct nst_tcp *tp)
{
	nst_time now = tp->sk.st->now;

	if (tp->rcv_rtt_time && !tcp_before_outage(tp, tp->rcv_rtt_time)) {
		if (seq_lt(tp->rcv_nxt, tp->rcv_rtt_seq))
			return;
		rtt_update(tp, t_max(now - tp->rcv_rtt_time, NST_US), true);
	}
	tp->rcv_rtt_seq =
	    seq_add(tp->rcv_nxt, (uint32_t)seq_diff(tp->rcv_adv, tp->rcv_wup));
	tp->rcv_rtt_time = now;
}

void tcp_rcv_rtt_ts(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	uint32_t ms;

	if (!tp->ts_on || !seg->ts_ok || seg->tsecr == tp->rcv_rtt_tsecr)
		return;
	tp->rcv_rtt_tsecr = seg->tsecr;
	if ((uint32_t)seq_diff(seg->end, seg->seq) < tp->rcv_mss)
		return;
	ms = tcp_ts_now(tp->sk.st, tp->ts_off) - seg->tsecr;
	if (ms && ms < INT32_MAX / 1000 &&
	    !tcp_echo_before_outage(tp, seg->tsecr))
		rtt_update(tp, ms * NST_MS, false);
}

/* ---- the buffer ---- */

static uint32_t most(const struct nst_tcp *tp)
{
	uint32_t max = tp->sk.st->tcp->ctl.tcp_rmem[2];

	if (tp->rcv_rtt / 8 >= TCP_RCV_NEAR_RTT)
		return max;
	return u32_min(max, TCP_RCV_NEAR_MAX);
}

/* LINUX: tcp_rcvbuf_grow: twice, because news is a round trip old, and as
 * much again as the sender speeds up. */
static void grow(struct nst_tcp *tp, uint32_t copied)
{
	uint32_t old = u32_max(tp->rmem.space, 1), buf;
	uint64_t wnd = 2ull * copied;

	tp->rmem.space = copied;
	if (!TCP_CTL(tp, moderate_rcvbuf) || tp->conf.rcvbuf_set)
		return;
	if (copied > old)
		wnd += 2 * (wnd * (copied - old) / old);
	wnd += (uint32_t)seq_diff(tcp_ooo_end(tp), tp->rcv_nxt);
	if (wnd > INT32_MAX)
		wnd = INT32_MAX;
	buf = u32_min(tcp_space_from_win(tp, (uint32_t)wnd), most(tp));
	if (buf <= tp->sk.opt.rcvbuf)
		return;
	tp->sk.opt.rcvbuf = buf;
	tp->rmem.clamp = tcp_win_from_space(tp, buf);
}

void tcp_drs_ooo(struct nst_tcp *tp)
{
	/* LINUX: not for one who cannot read yet, or no more. */
	if (!tp->orphan && !tp->listener)
		grow(tp, tp->rmem.space);
}

void tcp_drs_copied(struct nst_tcp *tp)
{
	nst_time now = tp->sk.st->now;
	int64_t copied;

	if (!tp->rcv_rtt || now - tp->drs_time < tp->rcv_rtt / 8)
		return;
	copied = seq_diff(tcp_copied_seq(tp), tp->drs_seq);
	copied -= ring_used(&tp->rcv);
	if (copied > tp->rmem.space)
		grow(tp, (uint32_t)copied);
	tp->drs_seq = tcp_copied_seq(tp);
	tp->drs_time = now;
}

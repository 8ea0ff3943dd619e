/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 9293 3.10.7.4, fifth: the ACK field. One ACK is processed in Linux's
 * order, which decides what its parts see of each other: window, selective
 * then cumulative acknowledgement, RACK's window, ECN, loss probe, the state
 * machine of recovery, the timer, rate sample, congestion control, and only
 * then what may be sent again.
 */
#include "netstack/tcp/tcp_req.h"

/* LINUX: tcp_may_update_window. */
static bool update_window(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	uint32_t wnd = (uint32_t)seg->wnd << tp->snd_wscale;

	if (!seq_gt(seg->ack, tp->snd_una) && !seq_gt(seg->seq, tp->snd_wl1) &&
	    !(seq_eq(seg->seq, tp->snd_wl1) && (wnd > tp->snd_wnd || !wnd)))
		return false;
	tp->snd_wl1 = seg->seq;
	if (tp->snd_wnd != wnd && tcp_send_pending(tp))
		tcp_cc_idle_restart(
		    tp); /* LINUX: a new window may end idleness */
	tp->snd_wnd = wnd;
	if (wnd <= tp->max_wnd)
		return true;
	tp->max_wnd = wnd;
	tcp_mss_sync(tp);
	return true;
}

/* Takes acknowledged bytes out of the ring. */
static void release(struct nst_tcp *tp)
{
	int32_t newly = seq_diff(tp->snd_una, tp->snd_base);
	uint32_t bytes;

	if (newly <= 0)
		return;
	bytes = u32_min((uint32_t)newly, ring_used(&tp->snd));
	tp->snd.head += bytes;
	tp->snd_base = seq_add(tp->snd_base, bytes);
	if (seq_ge(tp->snd_una, tp->snd_up))
		tp->snd_urg = false;
}

/* LINUX: tcp_check_space: the buffer grows when a writer waits for it and it
 * was not the congestion window that held data up. */
static void tell_writer(struct nst_tcp *tp)
{
	if (!tp->snd_blocked)
		return;
	if (!tp->conf.sndbuf_set && tcp_in_flight(tp) < tp->cwnd) {
		tcp_snd_limit_update(tp);
		tp->cwnd_stamp = tp->sk.st->now;
	}
	if (!tcp_writable(tp))
		return;
	tp->snd_blocked = false;
	tp->ev |= NST_EV_OUT;
}

/* ---- one ACK ---- */

/* Before anything changes. */
static void begin(const struct nst_tcp *tp, const struct tcp_seg *seg,
		  struct tcp_acked *a, struct tcp_rate_sample *rs)
{
	tcp_rate_begin(tp, rs);
	*a = (struct tcp_acked){.rs = rs};
	a->prior_una = tp->snd_una;
	a->prior_fack = tcp_sack_high(tp);
	a->tsecr_ok = tp->ts_on && seg->ts_ok;
	a->tsecr = seg->tsecr;
	if (seg->len || (seg->flags & (TCP_SYN | TCP_FIN)))
		a->flags |= TCP_A_DATA;
}

static void take_window(struct nst_tcp *tp, const struct tcp_seg *seg,
			struct tcp_acked *a)
{
	if (update_window(tp, seg))
		a->flags |= TCP_A_WND;
	if (!seq_gt(seg->ack, tp->snd_una))
		return;
	a->flags |= TCP_A_UNA;
	tp->retransmits = 0;
	tp->bytes_acked += (uint32_t)seq_diff(seg->ack, tp->snd_una);
	tp->snd_una = seg->ack;
}

/* LINUX: tcp_ack_is_dubious. */
static bool dubious(const struct nst_tcp *tp, const struct tcp_acked *a)
{
	return !(a->flags & TCP_A_NOT_DUP) || (a->flags & TCP_A_ALERT) ||
	       tp->ca_state != TCP_CA_OPEN;
}

static uint32_t cc_flags(const struct nst_tcp *tp, const struct tcp_acked *a)
{
	uint32_t f = a->flags & TCP_A_ACKED ? TCP_CCA_DATA_ACKED : 0;

	if (a->flags & TCP_A_SACKED)
		f |= TCP_CCA_SACKED;
	if (a->flags & TCP_A_UNA)
		f |= TCP_CCA_UNA;
	if (a->flags & TCP_A_REXMIT_ACKED)
		f |= TCP_CCA_REXMIT_ACKED;
	/* LINUX: much reordering makes in-order delivery too rare. */
	if (tp->reord.degree > (uint32_t)TCP_CTL(tp, reordering) &&
	    (a->flags & TCP_A_SACKED))
		f |= TCP_CCA_DATA_ACKED;
	return f;
}

static void control(struct nst_tcp *tp, struct tcp_acked *a, uint32_t delivered)
{
	struct tcp_rate_sample *rs = a->rs;

	if (tcp_in_reduction(tp) && !tp->cc->control)
		tcp_prr_update(tp, delivered, rs->losses, a->flags & TCP_A_UNA);
	tcp_cc_control(tp, delivered, cc_flags(tp, a), rs);
}

/* What the state machine allowed to leave. */
static void transmit(struct nst_tcp *tp, const struct tcp_acked *a)
{
	if (a->rexmit == TCP_REXMIT_NONE)
		return;
	if (a->rexmit == TCP_REXMIT_NEW) {
		tcp_output_now(tp);
		if (seq_gt(tp->snd_nxt, tp->high_seq))
			return;
		tp->frto = false;
	}
	tcp_recovery_xmit(tp);
}

static void feedback(struct nst_tcp *tp, const struct tcp_seg *seg,
		     struct tcp_acked *a, uint32_t before)
{
	if (!tcp_ecn_ack(tp, seg, tp->delivered - before, a->bytes))
		return;
	a->flags |= TCP_A_ECE;
	a->rs->ece = true;
}

/* Nothing was in flight. */
static void idle_ack(struct nst_tcp *tp, const struct tcp_seg *seg,
		     struct tcp_acked *a, uint32_t before)
{
	feedback(tp, seg, a, before);
	if (a->flags & TCP_A_DSACK)
		tcp_recovery_ack(tp, a);
	tcp_persist_ack(tp);
	tcp_tlp_ack(tp, seg->ack, a->flags);
}

static void flight_ack(struct nst_tcp *tp, const struct tcp_seg *seg,
		       struct tcp_acked *a, uint32_t before)
{
	uint32_t lost = tp->rate.lost, delivered;
	bool reneged = tp->sack.reneged;

	tcp_cum_ack(tp, a);
	tcp_rack_adapt(tp, a->rs);
	feedback(tp, seg, a, before);
	tcp_tlp_ack(tp, seg->ack, a->flags);
	if (dubious(tp, a)) {
		a->dup =
		    !(a->flags & (TCP_A_UNA | TCP_A_NOT_DUP | TCP_A_DSACK));
		tcp_recovery_ack(tp, a);
	}
	if ((a->flags & TCP_A_TIMER) && !tcp_tlp_schedule(tp, true))
		tcp_rto_rearm(tp);
	delivered = tp->delivered - before;
	a->rs->ack_delayed = a->flags & TCP_A_MAYBE_DELAYED;
	tcp_rate_gen(tp, delivered, tp->rate.lost - lost, reneged, a->rs);
	control(tp, a, delivered);
	release(tp);
	transmit(tp, a);
}

static void acked(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	uint32_t packets = tp->packets_out, before = tp->delivered;
	struct tcp_rate_sample rs;
	struct tcp_acked a;

	begin(tp, seg, &a, &rs);
	take_window(tp, seg, &a);
	tcp_sack_in(tp, seg, &a);
	tp->delivered += a.sacked;
	if (packets)
		flight_ack(tp, seg, &a, before);
	else
		idle_ack(tp, seg, &a, before);
	if ((a.flags & TCP_A_FORWARD) || !(a.flags & TCP_A_NOT_DUP))
		ip_confirm(tp->sk.st, &tp->sk.remote.addr, tp->path.ifindex);
	if (!(a.flags & TCP_A_UNA))
		return;
	tell_writer(tp);
	if (seq_eq(tp->snd_una, tp->snd_nxt) && !tcp_send_pending(tp))
		tp->ev |= NST_EV_ACKED;
}

/* An ACK that was overtaken: only its SACKs count. */
static void old_ack(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	struct tcp_rate_sample rs;
	struct tcp_acked a;

	if (!tp->sack_on || !seg->nsack)
		return;
	begin(tp, seg, &a, &rs);
	a.flags = 0;
	tcp_sack_in(tp, seg, &a);
	tp->delivered += a.sacked;
	tcp_recovery_ack(tp, &a);
	transmit(tp, &a);
}

void tcp_in_ack_syn_data(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	uint32_t before = tp->delivered;
	struct tcp_rate_sample rs;
	struct tcp_acked a;

	begin(tp, seg, &a, &rs);
	a.flags |= TCP_A_UNA;
	tp->bytes_acked += (uint32_t)seq_diff(seg->ack, tp->snd_una);
	tp->snd_una = seg->ack;
	tcp_cum_ack(tp, &a);
	tcp_rto_rearm(tp);
	tcp_rate_gen(tp, tp->delivered - before, 0, false, &rs);
	release(tp);
}

/* ---- what it does to the state ---- */

static bool fin_acked(const struct nst_tcp *tp)
{
	return tcp_fin_sent(tp) && seq_eq(tp->snd_una, tp->snd_nxt);
}

/* What the acknowledgement of our FIN does to the state. */
static enum tcp_verdict closing(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	if (!fin_acked(tp))
		return TCP_V_NEXT;
	switch (tp->state) {
	case NST_TCP_FIN_WAIT1:
		tcp_set_state(tp, NST_TCP_FIN_WAIT2);
		/* LINUX: TCP_LINGER2 below zero: no FIN-WAIT-2. */
		if (!tp->orphan || tp->conf.linger2_s >= 0)
			return TCP_V_NEXT;
		TCP_COUNT(tp->sk.st, AbortOnData); /* LINUX: counted so */
		tcp_rst_reply(tp->sk.st, seg);
		tcp_done(tp);
		return TCP_V_DROP;
	case NST_TCP_CLOSING:
		tcp_time_wait(tp);
		return TCP_V_DROP;
	case NST_TCP_LAST_ACK:
		tcp_done(tp);
		return TCP_V_DROP;
	default:
		return TCP_V_NEXT;
	}
}

static enum tcp_verdict syn_rcvd(struct nst_tcp *tp, struct tcp_seg *seg)
{
	/* The SYN-ACK of a Fast Open child is before snd_una already. */
	bool old = tp->fo.pending ? seq_lt(seg->ack, tp->snd_una)
				  : !seq_gt(seg->ack, tp->snd_una);

	if (old || seq_gt(seg->ack, tp->snd_nxt)) {
		tcp_rst_reply(tp->sk.st, seg);
		return TCP_V_DROP;
	}
	tcp_handshake_complete(tp, seg);
	tcp_ecn_third_in(tp, seg);
	return TCP_V_NEXT;
}

/* RFC 5961 5.2: SND.UNA - MAX.SND.WND <= SEG.ACK <= SND.NXT. */
static bool in_range(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	uint32_t wnd = tp->max_wnd;

	if (seq_gt(seg->ack, tp->snd_nxt)) {
		TCP_COUNT(tp->sk.st, AckTooNew);
		tcp_challenge_ack(tp);
		return false;
	}
	/* LINUX: nor for what was never sent. */
	if (tp->bytes_acked < wnd)
		wnd = (uint32_t)tp->bytes_acked;
	if (seq_lt(seg->ack, seq_add(tp->snd_una, 0u - wnd))) {
		TCP_COUNT(tp->sk.st, AckTooOld);
		tcp_challenge_ack(tp);
		return false;
	}
	return true;
}

enum tcp_verdict tcp_in_ack(struct nst_tcp *tp, struct tcp_seg *seg)
{
	if ((tp->state == NST_TCP_SYN_RCVD || tp->fo.pending) &&
	    syn_rcvd(tp, seg) == TCP_V_DROP)
		return TCP_V_DROP;
	if (!in_range(tp, seg))
		return TCP_V_DROP;
	tcp_ts_recent_update(tp, seg);
	if (seq_lt(seg->ack, tp->snd_una)) {
		old_ack(tp, seg);
		return TCP_V_NEXT;
	}
	tp->more = false; /* LINUX: it lasts until the next ACK at most */
	tp->last_ack_recv = tp->sk.st->now;
	tp->keep_probes = 0;
	tp->probes_out = 0;
	tp->err_soft = NST_OK;
	acked(tp, seg);
	return closing(tp, seg);
}

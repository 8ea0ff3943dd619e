/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When to acknowledge: RFC 9293 3.8.6.3, RFC 5681 4.2, with Linux's adaptive
 * delay (ato), quick ACKs at the start of a flow, and interactive (pingpong)
 * mode in which ACKs wait for data to ride on.
 */
#include "netstack/tcp/tcp_priv.h"

void tcp_ack_quick(struct nst_tcp *tp, uint32_t max)
{
	uint32_t n = tp->rcv_mss ? tcp_rcv_wnd(tp) / (2 * tp->rcv_mss) : 2;

	n = u32_min(n ? n : 2, max);
	tp->quick = u32_max(tp->quick, n);
}

/* LINUX: tcp_event_data_recv: the delay follows the gaps between data. */
static void adapt(struct nst_tcp *tp)
{
	nst_time gap = tp->sk.st->now - tp->last_data_recv;

	if (!tp->ato) {
		tcp_ack_quick(tp, TCP_MAX_QUICKACKS);
		tp->ato = TCP_ATO_MIN;
	} else if (gap <= TCP_ATO_MIN / 2) {
		tp->ato = tp->ato / 2 + TCP_ATO_MIN / 2;
	} else if (gap < tp->ato) {
		tp->ato = t_min(tp->ato / 2 + gap, tp->rto);
	} else if (gap > tp->rto) {
		/* The sender restarted: help its slow start. */
		tcp_ack_quick(tp, TCP_MAX_QUICKACKS);
	}
}

static void measure(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	uint32_t len = seg->pkt->gso_size ? seg->pkt->gso_size : seg->len;

	if (len >= tp->rcv_mss)
		tp->rcv_mss = u32_min(len, tp->advmss);
	else
		tp->ack_pushed = true;
}

void tcp_ack_data_in(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	measure(tp, seg);
	tcp_rcv_rtt_sample(tp, seg);
	adapt(tp);
	tp->last_data_recv = tp->sk.st->now;
	tp->ack_pending = true;
}

void tcp_ack_sent(struct nst_tcp *tp)
{
	if (tp->quick && tp->ack_pending && --tp->quick == 0)
		tp->ato = TCP_ATO_MIN;
	tp->ack_pending = false;
	tp->ack_now = false;
	tp->ack_pushed = false;
	tp->ack_due = 0;
	tp->rcv_wup = tp->rcv_nxt;
	tp->last_ack_sent = tp->sk.st->now;
}

void tcp_ack_data_out(struct nst_tcp *tp)
{
	if (tp->last_data_recv && tp->sk.st->now - tp->last_data_recv < tp->ato)
		tp->pingpong = true;
}

/* LINUX: tcp_send_delayed_ack. */
static nst_time delay(const struct nst_tcp *tp)
{
	nst_time max =
	    tp->pingpong || tp->ack_pushed ? TCP_DELACK_MAX : 500 * NST_MS;

	if (tp->ato <= TCP_ATO_MIN)
		return TCP_ATO_MIN;
	if (tp->srtt)
		max = t_min(max, t_max(tp->srtt / 8, TCP_DELACK_MIN));
	return t_min(tp->ato, max);
}

static bool at_once(const struct nst_tcp *tp)
{
	uint32_t unacked = (uint32_t)seq_diff(tp->rcv_nxt, tp->rcv_wup);

	return tp->ack_now || unacked > tp->rcv_mss ||
	       (tp->quick && !tp->pingpong);
}

void tcp_ack_decide(struct nst_tcp *tp)
{
	nst_time due;

	if (!tp->ack_pending && !tp->ack_now)
		return;
	if (at_once(tp)) {
		tcp_send_ack(tp);
		/* Without memory for it: soon again, by the timer. */
		if (tp->ack_now)
			tp->ack_pending = true;
		tp->ack_now = false;
		if (!tp->ack_pending)
			return;
	}
	due = tp->sk.st->now + delay(tp);
	if (!tp->ack_due || due < tp->ack_due)
		tp->ack_due = due;
}

nst_time tcp_ack_deadline(const struct nst_tcp *tp)
{
	if (!tp->ack_pending || !tcp_in_states(tp, TCPF_SYNCED))
		return NST_NEVER;
	return tp->ack_due;
}

void tcp_ack_fire(struct nst_tcp *tp)
{
	if (!tp->pingpong) {
		tp->ato = t_min(tp->ato * 2, tp->rto);
	} else {
		tp->pingpong = false;
		tp->ato = TCP_ATO_MIN;
	}
	TCP_COUNT(tp->sk.st, DelayedACKs);
	tp->ack_due = 0;
	tp->ack_now = true;
}

/* RFC 9293 3.8.6.2.2 and LINUX: tcp_cleanup_rbuf. */
void tcp_ack_consumed(struct nst_tcp *tp, size_t bytes)
{
	uint32_t unacked = (uint32_t)seq_diff(tp->rcv_nxt, tp->rcv_wup);
	uint32_t cur = tcp_rcv_wnd(tp), next;

	if (!bytes || !tcp_in_states(tp, TCPF_RECEIVING))
		return;
	if (tp->ack_pending &&
	    (unacked > tp->rcv_mss ||
	     (tp->ack_pushed && !tp->pingpong && !ring_used(&tp->rcv)))) {
		tp->ack_now = true;
		return;
	}
	next = tcp_wnd_offer(tp);
	if (next && next >= 2 * cur)
		tp->ack_now = true;
}

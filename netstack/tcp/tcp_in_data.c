/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 9293 3.10.7.4, seventh and eighth: text and FIN. In-order bytes are
 * copied once, into the receive ring; out-of-order bytes go to their final
 * place in it and are noted as intervals.
 */
#include "netstack/tcp/tcp_req.h"

/* ---- nobody to read it ---- */

/* RFC 1122 4.2.2.13: data for an owner who is gone is answered with RST. LINUX:
 * and for one who has shut down both ways; the connection then ends for him as
 * if the peer had reset it. */
static bool nobody_reads(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	struct seq end = seq_add(seg->seq, seg->len);
	bool shut = tp->sk.shut_rd &&
		    tcp_in_states(tp, TCPF(FIN_WAIT1) | TCPF(FIN_WAIT2));

	if (!(tp->orphan || shut) || !seg->len || !seq_gt(end, tp->rcv_nxt))
		return false;
	TCP_COUNT(tp->sk.st, AbortOnData);
	tcp_rst_reply(tp->sk.st, seg);
	if (tp->orphan)
		tcp_done(tp);
	else
		tcp_fail(tp, NST_E_CONNRESET);
	return true;
}

/* ---- into the ring ---- */

/* Copies the payload to where byte seg->seq belongs. */
static void store(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	uint32_t ahead = (uint32_t)seq_diff(seg->seq, tp->rcv_nxt);
	uint32_t from = seg->data_off;
	struct nst_iov iov[2];
	size_t n = ring_span(&tp->rcv, tp->rcv.tail + ahead, seg->len, iov);

	for (size_t i = 0; i < n; i++) {
		tcp_seg_copy(seg, from, iov[i].p, (uint32_t)iov[i].len);
		from += (uint32_t)iov[i].len;
	}
}

static bool room(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	struct seq end = seq_max(seq_add(seg->seq, seg->len), tcp_ooo_end(tp));
	uint32_t need =
	    ring_used(&tp->rcv) + (uint32_t)seq_diff(end, tp->rcv_nxt);

	return tcp_rcv_room(tp, need);
}

/* The peer's FIN is known before all data in front of it arrived. */
static void note_fin(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	struct seq at = seq_add(seg->seq, seg->len);

	if (!(seg->flags & TCP_FIN) || tp->fin_ooo ||
	    seq_lt(at, tcp_ooo_end(tp)))
		return; /* data behind a FIN: the FIN is a lie */
	tp->fin_ooo = true;
	tp->fin_seq = at;
}

/* Keeps what is in front of a known FIN. */
static void trim_to_fin(const struct nst_tcp *tp, struct tcp_seg *seg)
{
	if (!tp->fin_ooo)
		return;
	tcp_seg_trim_back(seg, seq_add(tp->fin_seq, 1));
	if (seq_gt(seq_add(seg->seq, seg->len), tp->fin_seq))
		tcp_seg_trim_back(seg, tp->fin_seq);
}

/* ---- in order ---- */

static void advanced(struct nst_tcp *tp)
{
	tp->last_used = tp->sk.st->now;
	/* LINUX: bytes past the window may be taken (RFC 9293 3.10.7.4 wants
	 * the window's only); the edge cannot be left of them. */
	tp->rcv_adv = seq_max(tp->rcv_adv, tp->rcv_nxt);
	tcp_urgent_arrived(tp);
	if (tp->orphan) { /* acknowledged, unwanted */
		tp->rcv.head = tp->rcv.tail;
		tp->rmem.used = 0;
	}
	tp->ev |= NST_EV_IN;
}

/* LINUX: no memory: window zero, now. */
static bool no_memory(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	if (tcp_rmem_admit(tp, seg))
		return false;
	tp->ack_nomem = true;
	tp->ack_now = true;
	tp->ev |= NST_EV_IN;
	return true;
}

/* LINUX: with an empty queue the segment is taken nevertheless, or nothing
 * would ever move. */
static bool admit(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	bool ok = !no_memory(tp, seg);

	if ((ok || !ring_used(&tp->rcv)) && room(tp, seg))
		return true;
	TCP_COUNT(tp->sk.st, RcvQDrop);
	tp->ack_now = true;
	return false;
}

static bool take(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	if (!seg->len) {
		/* A FIN costs memory, too; but it is always taken. */
		no_memory(tp, seg);
		return true;
	}
	if (!admit(tp, seg))
		return false;
	store(tp, seg);
	tcp_rmem_charge(tp, seg, false);
	tp->rcv.tail += seg->len;
	tp->rcv_nxt = seq_add(tp->rcv_nxt, seg->len);
	tp->bytes_received += seg->len;
	tcp_ack_data_in(tp, seg);
	tcp_ecn_data_in(tp, seg);
	return true;
}

static enum tcp_verdict in_order(struct nst_tcp *tp, struct tcp_seg *seg)
{
	if (!take(tp, seg))
		return TCP_V_DROP;
	note_fin(tp, seg);
	if (tp->ooo.n) {
		tcp_ooo_dsack(tp, (struct tcp_range){seg->seq, tp->rcv_nxt});
		tcp_ooo_advance(tp);
		/* RFC 5681 4.2: the last gap was filled: at once. */
		if (!tp->ooo.n)
			tp->ack_now = true;
		tcp_sack_out_trim(tp);
	}
	if (seg->len)
		advanced(tp);
	if (tp->fin_ooo && seq_eq(tp->rcv_nxt, tp->fin_seq))
		tcp_in_fin(tp);
	return TCP_V_NEXT;
}

/* ---- out of order ---- */

static enum tcp_verdict keep(struct nst_tcp *tp, struct tcp_seg *seg)
{
	struct tcp_range r = {seg->seq, seq_add(seg->seq, seg->len)};

	if (!room(tp, seg) || !tcp_ooo_add(tp, r)) {
		TCP_COUNT(tp->sk.st, OfoDrop);
		return TCP_V_DROP;
	}
	store(tp, seg);
	tcp_rmem_charge(tp, seg, true);
	/* LINUX: without SACK a moving window would hide duplicate ACKs. */
	if (tp->sack_on)
		tcp_wnd_grow(tp, seg);
	tcp_drs_ooo(tp);
	return TCP_V_NEXT;
}

static enum tcp_verdict out_of_order(struct nst_tcp *tp, struct tcp_seg *seg)
{
	struct tcp_range r = {seg->seq, seq_add(seg->seq, seg->len)};
	struct tcp_range all = {seg->seq, seg->end};

	tcp_ecn_data_in(tp, seg);
	if (!tcp_rmem_admit(tp, seg)) {
		TCP_COUNT(tp->sk.st, OfoDrop);
		tp->ev |= NST_EV_IN;
		return TCP_V_DROP;
	}
	tcp_ack_measure(tp, seg);
	tp->ack_pending = true; /* RFC 5681 4.2: tcp_ack_decide sees the gap */
	TCP_COUNT(tp->sk.st, OfoQueue);
	tp->rcv_ooopack += tcp_seg_count(seg);
	note_fin(tp, seg);
	if (seg->len && tcp_ooo_covers(tp, r)) {
		TCP_COUNT(tp->sk.st, OfoMerge);
		tcp_dsack_set(tp, r.from, r.to);
	} else if (seg->len) {
		tcp_ooo_dsack(tp, r);
		if (keep(tp, seg) == TCP_V_DROP)
			return TCP_V_DROP;
	}
	if (tp->ooo.n)
		tcp_sack_out_add(tp, all);
	return TCP_V_NEXT;
}

/* ---- where it falls ---- */

/* The peer probes, or has not heard us: it shall hear soon. */
static enum tcp_verdict refused(struct nst_tcp *tp)
{
	tcp_ack_quick(tp, TCP_MAX_QUICKACKS);
	tp->ack_pending = true;
	return TCP_V_DROP;
}

/* Nothing new in it: an acknowledgement of ours was lost. */
static enum tcp_verdict old_data(struct nst_tcp *tp, struct tcp_seg *seg)
{
	TCP_COUNT(tp->sk.st, DelayedACKLost);
	tcp_ecn_dup_in(tp, seg);
	tcp_dsack_set(tp, seg->seq, seg->end);
	return refused(tp);
}

static enum tcp_verdict window_closed(struct nst_tcp *tp)
{
	TCP_COUNT(tp->sk.st, ZeroWindowDrop);
	return refused(tp);
}

/* LINUX: behind the peer's FIN there is nothing; what is in front of it is a
 * repetition. */
static enum tcp_verdict after_fin(struct nst_tcp *tp, struct tcp_seg *seg)
{
	if (seq_lt(seg->seq, tp->rcv_nxt) && seq_le(seg->end, tp->rcv_nxt))
		return old_data(tp, seg);
	return TCP_V_DROP;
}

static enum tcp_verdict place(struct nst_tcp *tp, struct tcp_seg *seg)
{
	uint32_t wnd = tcp_rcv_wnd(tp);
	bool bare_fin = !seg->len && (seg->flags & TCP_FIN);

	if (seq_eq(seg->seq, tp->rcv_nxt)) {
		if (!wnd && !bare_fin)
			return window_closed(tp);
		return in_order(tp, seg);
	}
	if (seq_le(seg->end, tp->rcv_nxt))
		return old_data(tp, seg);
	if (seq_ge(seg->seq, seq_add(tp->rcv_nxt, wnd)))
		return refused(tp);
	if (seq_gt(seg->seq, tp->rcv_nxt))
		return out_of_order(tp, seg);
	tcp_dsack_set(tp, seg->seq, tp->rcv_nxt);
	if (!wnd)
		return window_closed(tp);
	tcp_seg_trim_front(seg, (uint32_t)seq_diff(tp->rcv_nxt, seg->seq));
	return in_order(tp, seg);
}

enum tcp_verdict tcp_in_text(struct nst_tcp *tp, struct tcp_seg *seg)
{
	if (!seg->len && !(seg->flags & TCP_FIN))
		return TCP_V_NEXT;
	tp->dsack.to = tp->dsack.from;
	if (!tcp_in_states(tp, TCPF_RECEIVING) || tp->fin_rcvd)
		return after_fin(tp, seg);
	if (nobody_reads(tp, seg))
		return TCP_V_DROP;
	trim_to_fin(tp, seg);
	return place(tp, seg);
}

/* Eighth: the FIN, in order now. */
void tcp_in_fin(struct nst_tcp *tp)
{
	tp->rcv_nxt = seq_add(tp->rcv_nxt, 1);
	tp->fin_rcvd = true;
	tp->fin_ooo = false;
	tp->ack_pending = true;
	tcp_ooo_free(tp);
	/* LINUX: whoever has sent all needs no more of these. */
	tp->dsack.to = tp->dsack.from;
	tp->sacks.n = 0;
	tp->ev |= NST_EV_FIN | NST_EV_IN;
	switch (tp->state) {
	case NST_TCP_ESTABLISHED:
		tcp_set_state(tp, NST_TCP_CLOSE_WAIT);
		/* LINUX: an answer, or a FIN of ours, may carry the ACK. */
		tcp_pingpong_enter(tp);
		break;
	case NST_TCP_FIN_WAIT1: /* our FIN is not acknowledged yet */
		tcp_send_ack(tp);
		tcp_set_state(tp, NST_TCP_CLOSING);
		break;
	case NST_TCP_FIN_WAIT2:
		tcp_send_ack(tp);
		tcp_time_wait(tp);
		break;
	default:
		break;
	}
}

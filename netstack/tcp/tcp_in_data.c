/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 9293 3.10.7.4, seventh and eighth: text and FIN. In-order bytes are
 * copied once, into the receive ring; out-of-order bytes go to their final
 * place in it and are noted as intervals.
 */
#include "netstack/tcp/tcp_req.h"

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

/* Copies the payload to where byte seg->seq belongs. */
static void store(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	uint32_t ahead = (uint32_t)seq_diff(seg->seq, tp->rcv_nxt);
	uint32_t from = seg->data_off;
	struct nst_iov iov[2];
	size_t n = ring_span(&tp->rcv, tp->rcv.tail + ahead, seg->len, iov);

	for (size_t i = 0; i < n; i++) {
		nst_pkt_copy(seg->pkt, from, iov[i].p, (uint32_t)iov[i].len);
		from += (uint32_t)iov[i].len;
	}
}

static bool room(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	struct seq end = seq_max(seq_add(seg->seq, seg->len), tcp_ooo_end(tp));
	uint32_t need =
	    ring_used(&tp->rcv) + (uint32_t)seq_diff(end, tp->rcv_nxt);

	if (tcp_rcv_room(tp, need))
		return true;
	TCP_COUNT(tp->sk.st, RcvQDrop);
	tp->ack_now = true;
	return false;
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

static void advanced(struct nst_tcp *tp)
{
	tp->last_used = tp->sk.st->now;
	tcp_urgent_arrived(tp);
	if (tp->orphan)
		tp->rcv.head = tp->rcv.tail; /* acknowledged, unwanted */
	tp->ev |= NST_EV_IN;
}

static enum tcp_verdict in_order(struct nst_tcp *tp, struct tcp_seg *seg)
{
	if (seg->len) {
		if (!room(tp, seg))
			return TCP_V_DROP;
		store(tp, seg);
		tp->rcv.tail += seg->len;
		tp->rcv_nxt = seq_add(tp->rcv_nxt, seg->len);
		tp->bytes_received += seg->len;
		tcp_ack_data_in(tp, seg);
	}
	note_fin(tp, seg);
	if (tp->ooo.n) {
		tcp_ooo_advance(tp);
		tp->ack_now = true; /* RFC 5681 4.2: a gap was filled */
	}
	if (seg->len)
		advanced(tp);
	if (tp->fin_ooo && seq_eq(tp->rcv_nxt, tp->fin_seq))
		tcp_in_fin(tp);
	return TCP_V_NEXT;
}

static enum tcp_verdict out_of_order(struct nst_tcp *tp, struct tcp_seg *seg)
{
	struct tcp_range r = {seg->seq, seq_add(seg->seq, seg->len)};

	tp->ack_now = true; /* RFC 5681 4.2: at once */
	tcp_ack_quick(tp, TCP_MAX_QUICKACKS);
	note_fin(tp, seg);
	if (!seg->len)
		return TCP_V_NEXT;
	if (tcp_ooo_covers(tp, r)) {
		tcp_dsack_set(tp, r.from, r.to);
		return TCP_V_NEXT;
	}
	if (!room(tp, seg))
		return TCP_V_DROP;
	if (!tcp_ooo_add(tp, r)) {
		TCP_COUNT(tp->sk.st, OfoDrop);
		return TCP_V_DROP;
	}
	TCP_COUNT(tp->sk.st, OfoQueue);
	tp->rcv_ooopack++;
	store(tp, seg);
	return TCP_V_NEXT;
}

/* Nothing new in it: an acknowledgement of ours was lost. */
static enum tcp_verdict old_data(struct nst_tcp *tp, struct tcp_seg *seg)
{
	tcp_dsack_set(tp, seg->seq, seg->end);
	tcp_ack_quick(tp, TCP_MAX_QUICKACKS);
	tp->ack_now = true;
	return TCP_V_DROP;
}

/* Keeps what is inside the window and in front of a known FIN. */
static void trim(const struct nst_tcp *tp, struct tcp_seg *seg)
{
	struct seq edge = seq_max(tp->rcv_adv, tp->rcv_nxt);

	if (seq_gt(seq_add(seg->seq, seg->len), edge))
		tcp_seg_trim_back(seg, edge);
	if (!tp->fin_ooo)
		return;
	tcp_seg_trim_back(seg, seq_add(tp->fin_seq, 1));
	if (seq_gt(seq_add(seg->seq, seg->len), tp->fin_seq))
		tcp_seg_trim_back(seg, tp->fin_seq);
}

enum tcp_verdict tcp_in_text(struct nst_tcp *tp, struct tcp_seg *seg)
{
	bool had = seg->len || (seg->flags & TCP_FIN);

	if (!had)
		return TCP_V_NEXT;
	if (!tcp_in_states(tp, TCPF_RECEIVING) || tp->fin_rcvd) {
		/* Behind the peer's FIN there is nothing: a repetition. */
		tp->ack_now = true;
		return TCP_V_DROP;
	}
	if (nobody_reads(tp, seg))
		return TCP_V_DROP;
	if (seq_le(seg->end, tp->rcv_nxt))
		return old_data(tp, seg);
	trim(tp, seg);
	if (!seg->len && !(seg->flags & TCP_FIN)) {
		TCP_COUNT(tp->sk.st, RcvQDrop); /* beyond the window */
		tp->ack_now = true;
		return TCP_V_DROP;
	}
	if (seq_gt(seg->seq, tp->rcv_nxt))
		return out_of_order(tp, seg);
	if (seq_lt(seg->seq, tp->rcv_nxt)) {
		tcp_dsack_set(tp, seg->seq, tp->rcv_nxt);
		tp->ack_now = true;
		tcp_seg_trim_front(seg,
				   (uint32_t)seq_diff(tp->rcv_nxt, seg->seq));
	}
	return in_order(tp, seg);
}

/* Eighth: the FIN, in order now. */
void tcp_in_fin(struct nst_tcp *tp)
{
	tp->rcv_nxt = seq_add(tp->rcv_nxt, 1);
	tp->fin_rcvd = true;
	tp->fin_ooo = false;
	tp->ack_now = true;
	tcp_ooo_free(tp);
	tp->ev |= NST_EV_FIN | NST_EV_IN;
	switch (tp->state) {
	case NST_TCP_ESTABLISHED:
		tcp_set_state(tp, NST_TCP_CLOSE_WAIT);
		break;
	case NST_TCP_FIN_WAIT1: /* our FIN is not acknowledged yet */
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

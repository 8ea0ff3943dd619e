/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When to acknowledge: RFC 9293 3.8.6.3, RFC 5681 4.2. LINUX: an adaptive
 * delay (ato), quick ACKs at the start of a flow and after trouble, an
 * interactive (pingpong) mode in which ACKs wait for data to ride on, and
 * compression of the ACKs that only carry SACK blocks (tcp_comp_sack_*).
 */
#include "netstack/tcp/tcp_priv.h"

/* ---- quick and interactive ---- */

static void quicker(struct nst_tcp *tp, uint32_t max)
{
	uint32_t wnd = (uint32_t)seq_diff(tp->rcv_adv, tp->rcv_wup);
	uint32_t n = tp->rcv_mss ? wnd / (2 * tp->rcv_mss) : 2;

	n = u32_min(n ? n : 2, max);
	tp->quick = u32_max(tp->quick, n);
}

void tcp_ack_quick(struct nst_tcp *tp, uint32_t max)
{
	quicker(tp, max);
	tp->pingpong = 0;
	tp->ato = TCP_ATO_MIN;
}

/* The delay follows the gaps between data. */
static void adapt(struct nst_tcp *tp)
{
	nst_time gap = tp->sk.st->now - tp->last_data_recv;

	if (!tp->ato) {
		quicker(tp, TCP_MAX_QUICKACKS);
		tp->ato = TCP_ATO_MIN;
	} else if (gap <= TCP_ATO_MIN / 2) {
		tp->ato = tp->ato / 2 + TCP_ATO_MIN / 2;
	} else if (gap < tp->ato) {
		tp->ato = t_min(tp->ato / 2 + gap, tp->rto);
		tp->ato = t_min(tp->ato, TCP_DELACK_MAX);
	} else if (gap > tp->rto) {
		/* The sender restarted: help its slow start. */
		quicker(tp, TCP_MAX_QUICKACKS);
	}
}

/* ---- how large are the peer's segments? ---- */

static void pushed(struct nst_tcp *tp)
{
	if (tp->ack_pushed < 2)
		tp->ack_pushed++;
}

/* New packing: the same memory means another window. */
static void repack(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	uint32_t ratio = (tcp_seg_whole(seg) << 8) / tcp_seg_truesize(seg);
	uint8_t old = tp->rmem.ratio;

	tp->rmem.ratio = (uint8_t)u32_min(u32_max(ratio, 1), 255);
	if (tp->rmem.ratio == old)
		return;
	tcp_wnd_set_clamp(tp, tcp_full_space(tp));
	tp->rmem.space = u32_min(tp->rmem.space, tp->rmem.clamp);
}

/* A size below rcv_mss counts if it comes twice: SACK blocks and the ends of
 * writes make odd ones. True: it is the new rcv_mss. */
static bool twice(struct nst_tcp *tp, const struct tcp_seg *seg, uint32_t len,
		  uint32_t last)
{
	uint32_t all = len + seg->hdr_bytes;
	bool odd = seg->flags & (TCP_FIN | TCP_URG | TCP_SYN | TCP_PSH);

	if (all < TCP_MSS_DEFAULT + TCP_HDR_BYTES &&
	    (odd || all < TCP_MIN_MSS + TCP_HDR_BYTES))
		return false;
	tp->last_seg = all - tcp_hdr_fixed(tp);
	if (tp->last_seg != last)
		return false;
	tp->rcv_mss = tp->last_seg;
	return true;
}

void tcp_ack_measure(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	uint32_t len =
	    seg->pkt->gso_size ? seg->pkt->gso_size : tcp_seg_whole(seg);
	uint32_t last = tp->last_seg;

	if (!seg->len)
		return;
	tp->last_seg = 0;
	if (len < tp->rcv_mss) {
		if (!twice(tp, seg, len, last))
			pushed(tp);
		return;
	}
	if (len != tp->rcv_mss)
		repack(tp, seg);
	tp->rcv_mss = u32_min(len, tcp_adv_payload(tp));
	if (seg->flags & TCP_PSH)
		tp->ack_pushed = (uint8_t)u32_max(tp->ack_pushed, 1);
}

void tcp_ack_data_in(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	tp->ack_pending = true;
	tcp_ack_measure(tp, seg);
	tcp_rcv_rtt_wnd(tp);
	adapt(tp);
	tp->last_data_recv = tp->sk.st->now;
	if (tcp_seg_whole(seg) >= 128)
		tcp_wnd_grow(tp, seg);
}

/* ---- what left ---- */

static void forget_compressed(struct nst_tcp *tp)
{
	tp->sk.st->count.TcpAckCompressed += tp->comp_acks;
	tp->comp_acks = 0;
	tp->comp_wait.on = false;
}

void tcp_ack_sent(struct nst_tcp *tp)
{
	if (tp->comp_acks)
		forget_compressed(tp);
	if (tp->quick && tp->ack_pending && --tp->quick == 0)
		tp->ato = TCP_ATO_MIN; /* the delay starts small again */
	tp->ack_pending = false;
	tp->ack_now = false;
	tp->ack_nomem = false;
	tp->ack_pushed = 0;
	tp->ack_wait.on = false;
	tp->rcv_wup = tp->rcv_nxt;
	tp->last_ack_sent = tp->sk.st->now;
}

void tcp_ack_data_out(struct nst_tcp *tp)
{
	if (tp->sk.st->now - tp->last_data_recv < tp->ato &&
	    tp->pingpong < UINT8_MAX)
		tp->pingpong++; /* it may be the answer */
}

/* ---- the decision ---- */

nst_time tcp_delack_max(const struct nst_tcp *tp)
{
	nst_time max = TCP_DELACK_MAX, rto_min;

	if (tp->conf.delack_max_us)
		max = tp->conf.delack_max_us * NST_US;
	/* Earlier than the peer's retransmission, if it counts as we do. */
	rto_min = tcp_rto_min(tp);
	return t_min(max, t_max(rto_min, 2 * TCP_TICK) - TCP_TICK);
}

static nst_time delay(const struct nst_tcp *tp)
{
	nst_time ato = tp->ato;
	nst_time max =
	    tcp_pingpong(tp) || tp->ack_pushed ? TCP_DELACK_MAX : 500 * NST_MS;

	if (ato > TCP_DELACK_MIN) {
		if (tp->srtt)
			max = t_min(max, t_max(tp->srtt / 8, TCP_DELACK_MIN));
		ato = t_min(ato, max);
	}
	return t_min(ato, tcp_delack_max(tp));
}

static void ack_or_retry(struct nst_tcp *tp)
{
	tcp_send_ack(tp);
	/* Without memory for it: soon again, by the timer. */
	if (!tp->ack_now && !tp->ack_pending)
		return;
	tp->ack_now = false;
	tp->ack_pending = true;
	tp->ack_wait = tcp_wait_from(tp->sk.st->now, TCP_DELACK_MAX);
}

static void delayed(struct nst_tcp *tp)
{
	nst_time now = tp->sk.st->now, wait = delay(tp);

	/* An older one is about to fire anyway. */
	if (tp->ack_wait.on && tcp_wait_end(&tp->ack_wait) <= now + wait / 4)
		ack_or_retry(tp);
	else if (now + wait < tcp_wait_end(&tp->ack_wait))
		tp->ack_wait = tcp_wait_from(now, wait);
}

/* RFC 9293 3.8.6.3: every second full segment; but when the owner still has
 * to make room, his reading sends it together with the new window. */
static bool second_segment(struct nst_tcp *tp)
{
	uint32_t unacked = (uint32_t)seq_diff(tp->rcv_nxt, tp->rcv_wup);
	uint32_t wnd = (uint32_t)seq_diff(tp->rcv_adv, tp->rcv_wup);

	if (unacked <= tp->rcv_mss)
		return false;
	return ring_used(&tp->rcv) < tp->sk.opt.rcvlowat ||
	       tcp_wnd_offer_note(tp) >= wnd;
}

/* Three duplicate ACKs leave at once, for fast retransmit; more of them tell
 * the peer little, each alone. True: this one may wait. */
static bool compress(struct nst_tcp *tp)
{
	nst_time rtt = tp->rcv_rtt, wait;

	if (!tp->sack_on || tp->comp_acks >= TCP_CTL(tp, comp_sack_nr))
		return false;
	if (!seq_eq(tp->comp_nxt, tp->rcv_nxt)) {
		tp->comp_nxt = tp->rcv_nxt;
		tp->dup_acks = 0;
	}
	if (tp->dup_acks < TCP_DUPTHRESH) {
		tp->dup_acks++;
		return false;
	}
	tp->comp_acks++;
	if (tp->comp_wait.on)
		return true;
	if (tp->srtt && tp->srtt < rtt)
		rtt = tp->srtt;
	/* 5 % of the round trip. */
	wait = t_min(TCP_CTL(tp, comp_sack_delay_ns), rtt / 8 / 20);
	tp->comp_wait = tcp_wait_from(tp->sk.st->now, wait);
	return true;
}

/* Did this event bring a segment? Others only send what must leave now. */
static bool fresh(struct nst_tcp *tp)
{
	bool yes = tp->ack_segs != tp->segs_in;

	tp->ack_segs = tp->segs_in;
	return yes || (!tp->ack_wait.on && !tp->comp_wait.on);
}

void tcp_ack_decide(struct nst_tcp *tp)
{
	bool news = fresh(tp);

	if (!tp->ack_pending && !tp->ack_now)
		return;
	if (!tp->ack_now && !news)
		return;
	if (tp->ack_now || second_segment(tp) ||
	    (tp->quick && !tcp_pingpong(tp)))
		ack_or_retry(tp);
	else if (!tp->ooo.n)
		delayed(tp);
	else if (!compress(tp))
		ack_or_retry(tp);
}

void tcp_ack_compressed(struct nst_tcp *tp)
{
	if (!tp->comp_acks)
		return;
	tp->comp_acks--; /* one of them leaves after all */
	forget_compressed(tp);
	tp->ack_now = true;
}

/* ---- the timer ---- */

nst_time tcp_ack_deadline(const struct nst_tcp *tp)
{
	nst_time at = NST_NEVER;

	if (!tcp_in_states(tp, TCPF_SYNCED))
		return NST_NEVER;
	if (tp->ack_pending)
		at = tcp_wait_end(&tp->ack_wait);
	return t_min(at, tcp_wait_end(&tp->comp_wait));
}

void tcp_ack_fire(struct nst_tcp *tp)
{
	if (tp->comp_wait.on) {
		tcp_ack_compressed(tp);
		return;
	}
	tp->ack_wait.on = false;
	if (tcp_pingpong(tp)) { /* no answer came: not interactive */
		tp->pingpong = 0;
		tp->ato = TCP_ATO_MIN;
	} else {
		tp->ato = t_min(tp->ato * 2, tp->rto);
	}
	TCP_COUNT(tp->sk.st, DelayedACKs);
	tp->ack_now = true;
}

/* ---- the owner has read ---- */

/* RFC 9293 3.8.6.2.2: a window worth telling of. */
static bool opened(const struct nst_tcp *tp)
{
	uint32_t cur = tcp_rcv_wnd(tp), next;

	if (2 * (uint64_t)cur > tp->rmem.clamp)
		return false;
	next = tcp_wnd_offer(tp);
	return next && next >= 2 * (uint64_t)cur;
}

void tcp_ack_consumed(struct nst_tcp *tp, size_t bytes)
{
	uint32_t unacked = (uint32_t)seq_diff(tp->rcv_nxt, tp->rcv_wup);
	bool small =
	    tp->ack_pushed > 1 || (tp->ack_pushed && !tcp_pingpong(tp));

	if (tp->ack_pending &&
	    (unacked > tp->rcv_mss || (bytes && small && !tcp_rmem_all(tp)))) {
		tp->ack_now = true;
		return;
	}
	if (bytes && !tp->sk.shut_rd && tcp_in_states(tp, TCPF_RECEIVING) &&
	    opened(tp))
		tp->ack_now = true;
}

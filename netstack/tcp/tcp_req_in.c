/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments for half-open requests: RFC 9293 3.10.7.4 for SYN-RECEIVED and RFC
 * 5961, in the order of Linux's tcp_check_req. The final ACK makes the
 * endpoint, if the accept queue has room.
 */
#include "netstack/tcp/tcp_child.h"

static struct nst_stack *stack_of(const struct tcp_req *r)
{
	return r->listener->sk.st;
}

/* The endpoint takes the segment that made it. */
static void hand_over(struct nst_tcp *tp, struct tcp_seg *seg)
{
	TCP_COUNT(tp->sk.st, PassiveOpens);
	tcp_in_conn(tp, seg);
	if (tp->acc_queued)
		return;
	/* Its checks are ours: it must have been queued. Not lost if not. */
	tcp_done(tp);
	tcp_free(tp);
}

static bool no_room(struct nst_tcp *l)
{
	if (!tcp_acceptq_full(l))
		return false;
	TCP_COUNT(l->sk.st, ListenOverflows);
	TCP_COUNT(l->sk.st, ListenDrops);
	return true;
}

static void embryonic_reset(struct tcp_req *r, const struct tcp_seg *seg)
{
	tcp_rst_reply(stack_of(r), seg);
	TCP_COUNT(stack_of(r), EmbryonicRsts);
	tcp_req_free(r);
}

static void complete(struct tcp_req *r, struct tcp_seg *seg)
{
	struct nst_stack *st = stack_of(r);
	struct nst_tcp *l = r->listener, *tp;

	if (no_room(l)) {
		/* LINUX: the ACK is dropped; the repeated SYN-ACK asks. */
		r->acked = true;
		if (st->tcp->ctl.tcp_abort_on_overflow)
			embryonic_reset(r, seg);
		return;
	}
	tp = tcp_child_new(l, r);
	if (!tp) {
		TCP_COUNT(st, ListenDrops);
		if (!r->node.pprev)
			tcp_req_free(r);
		return;
	}
	if (seg->ts_ok && seq_le(seg->seq, tp->rcv_nxt))
		tp->ts_recent = seg->tsval;
	tcp_req_free(r);
	hand_over(tp, seg);
}

void tcp_req_complete_cookie(struct tcp_req *r, struct tcp_seg *seg)
{
	struct nst_stack *st = stack_of(r);
	struct nst_tcp *tp = NULL;

	if (no_room(r->listener))
		return;
	if (tcp_req_plan_cookie(r, seg) == NST_OK)
		tp = tcp_child_new(r->listener, r);
	if (tp)
		hand_over(tp, seg);
	else
		TCP_COUNT(st, ListenDrops);
}

static bool limited(struct tcp_req *r, uint64_t *skipped)
{
	if (!tcp_oow_limited(stack_of(r), &r->last_oow))
		return false;
	(*skipped)++;
	return true;
}

/* LINUX: how long ago ts_recent was taken is known only roughly. */
static bool paws_old(const struct tcp_req *r, const struct tcp_seg *seg)
{
	return r->ts_on && seg->ts_ok &&
	       tcp_ts_older(r->ts_recent, seg->tsval, 0, 0);
}

/* An echo must be of one of our SYN-ACKs. */
static bool tsecr_bad(const struct tcp_req *r, const struct tcp_seg *seg)
{
	return r->ts_on && seg->ts_ok && seg->tsecr &&
	       seg->tsecr - r->ts_first > r->ts_last - r->ts_first;
}

/* The peer's SYN again: our SYN-ACK was lost. */
static void syn_again(struct tcp_req *r, const struct tcp_seg *seg)
{
	struct nst_stack *st = stack_of(r);

	if (limited(r, &st->count.TcpACKSkippedSynRecv))
		return;
	tcp_ecn_req_syn_again(r, seg);
	tcp_req_send_synack(r);
	r->sent = st->now;
	wheel_stop(st->wheel, &r->timer);
	wheel_arm(st->wheel, &r->timer, tcp_req_deadline(r));
}

static bool in_window(const struct tcp_req *r, const struct tcp_seg *seg)
{
	struct seq nxt = seq_add(r->irs, 1);

	return tcp_seg_in_window(seg, nxt, seq_add(nxt, r->wnd));
}

/* First: sequence number, with PAWS and the echoed timestamp. */
static enum tcp_verdict check_seq(struct tcp_req *r, const struct tcp_seg *seg)
{
	struct nst_stack *st = stack_of(r);
	bool old = paws_old(r, seg), echo = tsecr_bad(r, seg);
	bool data = !seq_eq(seg->seq, seg->end) && !(seg->flags & TCP_SYN);

	if (!old && !echo && in_window(r, seg))
		return TCP_V_NEXT;
	if (old)
		TCP_COUNT(st, PAWSDrops);
	else if (echo)
		TCP_COUNT(st, TSEcrRejected);
	else
		TCP_COUNT(st, OutOfWindow);
	if (!(seg->flags & TCP_RST) &&
	    (data || !limited(r, &st->count.TcpACKSkippedSynRecv)))
		tcp_req_send_ack(r);
	return TCP_V_DROP;
}

/* Second and fourth: RST and SYN. */
static enum tcp_verdict check_flags(struct tcp_req *r,
				    const struct tcp_seg *seg)
{
	struct nst_stack *st = stack_of(r);
	bool own = seq_eq(seg->seq, r->irs); /* its SYN is outside */

	if ((seg->flags & TCP_RST) && !seq_eq(seg->seq, seq_add(r->irs, 1))) {
		/* RFC 5961 3.2, RFC 9293 3.10.7.4: not exactly the next. */
		TCP_COUNT(st, RstInWindowOnly);
		if (limited(r, &st->count.TcpChallengeACKLimited) ||
		    !tcp_challenge_allowed(st))
			return TCP_V_DROP;
		TCP_COUNT(st, ChallengeACK);
		tcp_req_send_ack(r);
		return TCP_V_DROP;
	}
	if (!(seg->flags & TCP_RST) && (own || !(seg->flags & TCP_SYN)))
		return TCP_V_NEXT;
	TCP_COUNT(st, AttemptFails);
	embryonic_reset(r, seg);
	return TCP_V_DROP;
}

void tcp_req_in(struct tcp_req *r, struct tcp_seg *seg)
{
	struct nst_stack *st = stack_of(r);
	uint8_t flags = seg->flags & (TCP_SYN | TCP_ACK | TCP_RST);

	if (seq_eq(seg->seq, r->irs) && flags == TCP_SYN && !paws_old(r, seg)) {
		syn_again(r, seg);
		return;
	}
	if ((flags & TCP_ACK) && !(flags & TCP_RST) &&
	    !seq_eq(seg->ack, seq_add(r->iss, 1))) {
		tcp_rst_reply(st, seg); /* LINUX: fifth comes first */
		return;
	}
	if (check_seq(r, seg) == TCP_V_DROP ||
	    check_flags(r, seg) == TCP_V_DROP || !(flags & TCP_ACK))
		return;
	tcp_ecn_req_ack(r, seg);
	if (r->timeouts < tcp_req_defer_timeouts(r->listener) &&
	    seq_eq(seg->end, seq_add(r->irs, 1))) {
		r->acked = true; /* TCP_DEFER_ACCEPT: wait for data */
		TCP_COUNT(st, DeferAcceptDrop);
		return;
	}
	complete(r, seg);
}

void tcp_req_icmp(struct tcp_req *r, struct seq seq)
{
	/* LINUX: tcp_req_err: only if it quotes our SYN-ACK. */
	if (!seq_eq(seq, r->iss))
		return;
	TCP_COUNT(stack_of(r), ListenDrops);
	tcp_req_free(r);
}

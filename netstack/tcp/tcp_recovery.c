/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state machine of loss recovery, as Linux runs it for each ACK:
 *
 *  Open      nothing unusual
 *  Disorder  duplicate or selective ACKs came; the window is as it was
 *  CWR       the window shrinks without a loss (ECN, a loss probe's repair)
 *  Recovery  a loss is known: fast retransmit (RFC 5681 3.2, RFC 6675 5)
 *  Loss      a time-out (tcp_loss.c)
 *
 * Losses are found by RACK (tcp_rack.c) or, without SACK, by RFC 6582's rule.
 * Here is decided which state holds; the window is PRR's or the congestion
 * control's (tcp_prr.c, tcp_cc.c), sending is tcp_rexmit.c's. Limited transmit
 * (RFC 3042) follows from the pipe: what was SACKed is not in flight.
 */
#include "netstack/tcp/tcp_priv.h"

void tcp_recovery_init(struct nst_tcp *tp)
{
	tp->reord.degree = (uint32_t)TCP_CTL(tp, reordering);
	tp->rack.steps = 1;
	tp->undo.rexmits = -1;
}

void tcp_recovery_set(struct nst_tcp *tp, enum tcp_ca_state to)
{
	if (tp->cc->set_state)
		tp->cc->set_state(tp, (uint8_t)to);
	tp->ca_state = (uint8_t)to;
}

bool tcp_any_rexmit(const struct nst_tcp *tp)
{
	if (tp->retrans_out)
		return true;
	return tp->sents.n && (tcp_sent_at(tp, 0)->flags & SENT_EVER);
}

static void forget_start(struct nst_tcp *tp)
{
	if (!tcp_any_rexmit(tp))
		tp->rexmit_start = 0;
}

void tcp_mark_lost(struct nst_tcp *tp, struct tcp_sent *r)
{
	bool again = r->flags & SENT_LOST;

	if ((r->flags & SENT_SACKED) || (again && !(r->flags & SENT_REXMIT)))
		return;
	if (!tp->rtx_hint_on) {
		tp->rtx_hint_on = tp->retrans_out >= tp->lost_out;
		tp->rtx_hint = r->seq;
	} else if (seq_lt(r->seq, tp->rtx_hint)) {
		tp->rtx_hint = r->seq;
	}
	if (again) {
		tcp_sent_flag(tp, r, 0, SENT_REXMIT);
		tp->sk.st->count.TcpLostRetransmit += r->pcount;
	} else {
		tcp_sent_flag(tp, r, SENT_LOST, 0);
	}
	tcp_cc_marked_lost(tp, r);
}

/* ---- entering and leaving ---- */

void tcp_recovery_enter(struct nst_tcp *tp, bool ece)
{
	/* The clock of this episode starts with its first retransmission. */
	forget_start(tp);
	if (tp->sack_on)
		TCP_COUNT(tp->sk.st, SackRecovery);
	else
		TCP_COUNT(tp->sk.st, RenoRecovery);
	tp->undo.prior_ssthresh = 0;
	tcp_undo_begin(tp);
	if (!tcp_in_reduction(tp)) {
		if (!ece)
			tp->undo.prior_ssthresh = tcp_current_ssthresh(tp);
		tcp_prr_begin(tp);
	}
	tcp_recovery_set(tp, TCP_CA_RECOVERY);
}

void tcp_recovery_enter_cwr(struct nst_tcp *tp)
{
	tp->undo.prior_ssthresh = 0; /* congestion is proven */
	if (tp->ca_state >= TCP_CA_CWR)
		return;
	tp->undo.on = false;
	tcp_prr_begin(tp);
	tcp_recovery_set(tp, TCP_CA_CWR);
}

void tcp_recovery_keep_open(struct nst_tcp *tp)
{
	bool clean = !tp->sacked_out && !tp->lost_out && !tcp_any_rexmit(tp);
	enum tcp_ca_state to = clean ? TCP_CA_OPEN : TCP_CA_DISORDER;

	if (tp->ca_state == to)
		return;
	tcp_recovery_set(tp, to);
	tp->high_seq = tp->snd_nxt;
}

static void try_to_open(struct nst_tcp *tp, const struct tcp_acked *a)
{
	forget_start(tp);
	if (a->flags & TCP_A_ECE)
		tcp_recovery_enter_cwr(tp);
	if (tp->ca_state != TCP_CA_CWR)
		tcp_recovery_keep_open(tp);
}

/* ---- finding losses ---- */

/* RFC 6582 3.2 steps 2 and 3: the first packet, one at a time. */
static void mark_reno(struct nst_tcp *tp, bool una)
{
	struct tcp_sent *r = tcp_sent_at(tp, 0);

	if (tp->ca_state == TCP_CA_RECOVERY
		? !una
		: tp->ca_state > TCP_CA_RECOVERY ||
		      tp->sacked_out < tp->reord.degree)
		return;
	if (r->flags & SENT_LOST)
		return;
	/* Without memory all of it counts as lost. */
	if (r->pcount > 1 && r->len > r->mss &&
	    tcp_sent_split(tp, 0, seq_add(r->seq, r->mss), r->mss))
		r = tcp_sent_at(tp, 0);
	tcp_mark_lost(tp, r);
}

static void find_losses(struct nst_tcp *tp, struct tcp_acked *a)
{
	uint32_t before = tp->retrans_out;

	if (!tp->sents.n)
		return;
	if (!tp->sack_on) {
		mark_reno(tp, a->flags & TCP_A_UNA);
		return;
	}
	if (tcp_rack_mark(tp))
		a->flags &= ~(uint32_t)TCP_A_TIMER;
	if (before > tp->retrans_out)
		a->flags |= TCP_A_LOST_REXMIT;
}

/* ---- one ACK ---- */

/* LINUX: the peer may only have been slow to say; it gets half a round trip
 * before the time-out forgets all SACKs (RFC 2018 8). */
static bool reneging(struct nst_tcp *tp, struct tcp_acked *a)
{
	if (!(a->flags & TCP_A_RENEGING) || !(a->flags & TCP_A_UNA))
		return false;
	tp->rtx.what = TCP_RTX_RTO;
	tp->rtx.since = tp->sk.st->now;
	tp->rtx.wait = t_max(tp->srtt / 16, TCP_RENEGE_MIN);
	a->flags &= ~(uint32_t)TCP_A_TIMER;
	return true;
}

/* The recovery point is acknowledged; true: nothing more to do. */
static bool leave(struct nst_tcp *tp, const struct tcp_acked *a)
{
	if (tp->ca_state == TCP_CA_CWR) {
		/* RFC 3168 6.1.2: the CWR bit must have arrived. */
		if (!seq_eq(tp->snd_una, tp->high_seq)) {
			tcp_prr_end(tp);
			tcp_recovery_set(tp, TCP_CA_OPEN);
		}
		return false;
	}
	if (tp->ca_state != TCP_CA_RECOVERY)
		return false;
	if (!tp->sack_on)
		tp->sacked_out = 0;
	if (tcp_loss_recovered(tp, a))
		return true;
	tcp_prr_end(tp);
	return false;
}

/* RFC 6582 3.2 step 3, or the hole was filled by a late packet; true: hold
 * everything, copies are still out. */
static bool partial_ack(struct nst_tcp *tp, const struct tcp_acked *a)
{
	if (!tp->undo.on || !tcp_undo_delayed(tp, a))
		return false;
	tcp_reorder_check(tp, a->prior_una, true);
	if (tp->retrans_out)
		return true;
	forget_start(tp);
	tcp_undo_cwnd(tp, true);
	TCP_COUNT(tp->sk.st, PartialUndo);
	tcp_recovery_keep_open(tp);
	return false;
}

static void in_recovery(struct nst_tcp *tp, struct tcp_acked *a)
{
	if (!(a->flags & TCP_A_UNA)) {
		if (!tp->sack_on)
			tcp_reno_dup(tp, a->dup);
	} else if (partial_ack(tp, a)) {
		return;
	}
	if (tcp_undo_dsack(tp))
		try_to_open(tp, a);
	find_losses(tp, a);
	if (tp->ca_state != TCP_CA_RECOVERY) {
		/* Undone; but a loss that is evident starts another one. */
		if (!tp->lost_out)
			return;
		tcp_recovery_enter(tp, a->flags & TCP_A_ECE);
	}
	a->rexmit = TCP_REXMIT_LOST;
}

static void in_other(struct nst_tcp *tp, struct tcp_acked *a)
{
	if (!tp->sack_on) {
		if (a->flags & TCP_A_UNA)
			tp->sacked_out = 0;
		tcp_reno_dup(tp, a->dup);
	}
	if (tp->ca_state <= TCP_CA_DISORDER)
		tcp_undo_dsack(tp);
	find_losses(tp, a);
	if (!tp->lost_out) {
		try_to_open(tp, a);
		return;
	}
	if (tcp_mtup_lost(tp))
		return;
	tcp_recovery_enter(tp, a->flags & TCP_A_ECE);
	a->rexmit = TCP_REXMIT_LOST;
}

static void in_loss(struct nst_tcp *tp, struct tcp_acked *a)
{
	tcp_loss_ack(tp, a);
	if (tp->ca_state != TCP_CA_LOSS)
		tcp_rto_recovered(tp);
	find_losses(tp, a);
	/* On when the time-out was undone, or what it sent was lost too. */
	if (tp->ca_state == TCP_CA_OPEN || (a->flags & TCP_A_LOST_REXMIT))
		in_other(tp, a);
}

void tcp_recovery_ack(struct nst_tcp *tp, struct tcp_acked *a)
{
	if (!tp->packets_out)
		tp->sacked_out = 0;
	if (a->flags & TCP_A_ECE)
		tp->undo.prior_ssthresh = 0;
	if (reneging(tp, a))
		return;
	if (tp->ca_state == TCP_CA_OPEN)
		tp->rexmit_start = 0;
	else if (seq_ge(tp->snd_una, tp->high_seq) && leave(tp, a))
		return;
	if (tp->ca_state == TCP_CA_RECOVERY)
		in_recovery(tp, a);
	else if (tp->ca_state == TCP_CA_LOSS)
		in_loss(tp, a);
	else
		in_other(tp, a);
}

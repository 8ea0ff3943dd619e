/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Loss state: what a retransmission time-out does to the flight, and the
 * ACKs after it. F-RTO (RFC 5682, with SACK or without) and timestamps find
 * out that the time-out was not due.
 */
#include "netstack/tcp/tcp_priv.h"

/* RFC 2018 8: a receiver that discarded what it had reported. */
static bool reneged(const struct nst_tcp *tp)
{
	return tp->sents.n && (tcp_sent_at(tp, 0)->flags & SENT_SACKED);
}

/* All is lost, but for what is SACKed or left less than a round trip ago. */
static void mark_all(struct nst_tcp *tp)
{
	bool forget = reneged(tp);

	if (forget) {
		TCP_COUNT(tp->sk.st, SACKReneging);
		tp->sack.reneged = true;
	} else if (!tp->sack_on) {
		tp->sacked_out = 0;
	}
	for (uint32_t i = 0; i < tp->sents.n; i++) {
		struct tcp_sent *r = tcp_sent_at(tp, i);

		if (forget)
			tcp_sent_flag(tp, r, 0, SENT_SACKED);
		else if (i && tcp_rack_wait(tp, r, 0) > 0)
			continue;
		tcp_mark_lost(tp, r);
	}
	tp->rtx_hint_on = false;
}

/* RFC 5681 3.1: once for a window of data, however often the timer fires. */
static bool first_reduction(const struct nst_tcp *tp)
{
	return tp->ca_state <= TCP_CA_DISORDER ||
	       seq_le(tp->high_seq, tp->snd_una) ||
	       (tp->ca_state == TCP_CA_LOSS && !tp->retransmits);
}

static void reduce(struct nst_tcp *tp)
{
	tp->undo.prior_ssthresh = tcp_current_ssthresh(tp);
	tp->prior_cwnd = tp->cwnd;
	tp->ssthresh = tp->cc->ssthresh(tp);
	if (tp->cc->event)
		tp->cc->event(tp, TCP_CE_LOSS);
	tcp_undo_begin(tp);
}

void tcp_loss_enter(struct nst_tcp *tp)
{
	bool fresh = tp->ca_state < TCP_CA_RECOVERY;
	uint32_t thresh = (uint32_t)TCP_CTL(tp, reordering);

	mark_all(tp);
	if (first_reduction(tp))
		reduce(tp);
	tp->cwnd = tcp_in_flight(tp) + 1;
	tp->cwnd_cnt = 0;
	tp->cwnd_stamp = tp->sk.st->now;
	/* So many duplicate ACKs and still a time-out: not reordering. */
	if (tp->ca_state <= TCP_CA_DISORDER && tp->sacked_out >= thresh)
		tp->reord.degree = u32_min(tp->reord.degree, thresh);
	tcp_recovery_set(tp, TCP_CA_LOSS);
	tp->high_seq = tp->snd_nxt;
	tp->tlp.on = false;
	tcp_ecn_queue_cwr(tp);
	/* RFC 5682 2.1 step 1: not inside of another recovery. */
	tp->frto = TCP_CTL(tp, frto) && (fresh || tp->retransmits) &&
		   !tp->mtup.probe_size;
}

bool tcp_loss_hold(struct nst_tcp *tp)
{
	if (tp->sack_on || !seq_eq(tp->snd_una, tp->high_seq))
		return false;
	if (!tcp_any_rexmit(tp))
		tp->rexmit_start = 0;
	return true;
}

static void open_again(struct nst_tcp *tp)
{
	tcp_recovery_set(tp, TCP_CA_OPEN);
	tp->sack.reneged = false;
}

/* high_seq is acknowledged; true: the state is held nevertheless. */
bool tcp_loss_recovered(struct nst_tcp *tp, const struct tcp_acked *a)
{
	if (tcp_undo_may(tp, a)) {
		tcp_undo_cwnd(tp, false);
		if (tp->ca_state == TCP_CA_LOSS)
			TCP_COUNT(tp->sk.st, LossUndo);
		else
			TCP_COUNT(tp->sk.st, FullUndo);
	} else if (tp->rack.persist) {
		tp->rack.persist--;
	}
	if (tcp_loss_hold(tp))
		return true;
	open_again(tp);
	return false;
}

/* The time-out was not due. */
static bool undo(struct nst_tcp *tp, const struct tcp_acked *a, bool frto)
{
	if (!frto && !tcp_undo_may(tp, a))
		return false;
	tcp_undo_cwnd(tp, true);
	TCP_COUNT(tp->sk.st, LossUndo);
	if (frto)
		TCP_COUNT(tp->sk.st, SpuriousRTOs);
	tp->retransmits = 0;
	if (!tcp_loss_hold(tp) && (frto || tp->sack_on))
		open_again(tp);
	return true;
}

/* May new data be sent, as far as the peer's window goes? */
static bool new_data(const struct nst_tcp *tp)
{
	return tcp_send_pending(tp) &&
	       seq_gt(seq_add(tp->snd_una, tp->snd_wnd), tp->snd_nxt);
}

/* RFC 5682 2.1 and 3.1; true: this ACK needs nothing else. */
static bool f_rto(struct nst_tcp *tp, struct tcp_acked *a, bool recovered)
{
	/* Step 3.b: what was never sent again arrived: it was spurious. */
	if ((a->flags & TCP_A_ORIG) && undo(tp, a, true))
		return true;
	if (seq_gt(tp->snd_nxt, tp->high_seq)) {
		/* Step 3.a: the new data came, the old did not: a loss. */
		if ((a->flags & TCP_A_SACKED) || a->dup)
			tp->frto = false;
	} else if ((a->flags & TCP_A_UNA) && !recovered) {
		/* Step 2.b: new data first. */
		tp->high_seq = tp->snd_nxt;
		if (new_data(tp)) {
			a->rexmit = TCP_REXMIT_NEW;
			return true;
		}
		tp->frto = false;
	}
	return false;
}

void tcp_loss_ack(struct nst_tcp *tp, struct tcp_acked *a)
{
	bool recovered = seq_ge(tp->snd_una, tp->high_seq);

	if (((a->flags & TCP_A_UNA) || tp->fo.pending) && undo(tp, a, false))
		return;
	if (tp->frto && f_rto(tp, a, recovered))
		return;
	if (recovered) {
		tcp_loss_recovered(tp, a);
		return;
	}
	if (!tp->sack_on) {
		/* F-RTO's new data arrived: room for retransmissions. */
		if (seq_gt(tp->snd_nxt, tp->high_seq) && a->dup)
			tcp_reno_dup(tp, 1);
		else if (a->flags & TCP_A_UNA)
			tp->sacked_out = 0;
	}
	a->rexmit = TCP_REXMIT_LOST;
}

/* Loss, so that the end of it is noticed; the window stays. */
void tcp_non_congestion_loss(struct nst_tcp *tp)
{
	if (!tp->sack_on)
		tcp_reno_limit(tp);
	if (tp->ca_state != TCP_CA_LOSS) {
		tp->high_seq = tp->snd_nxt;
		tp->ssthresh = tcp_current_ssthresh(tp);
		tp->undo.prior_ssthresh = 0;
		tp->undo.on = false;
		tcp_recovery_set(tp, TCP_CA_LOSS);
	}
	tcp_recovery_xmit(tp);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking back a reduction that was not due: the timestamp of the ACK is older
 * than the first retransmission (Eifel detection, RFC 3522), or D-SACKs have
 * reported every retransmission (RFC 3708).
 */
#include "netstack/tcp/tcp_priv.h"

#define RACK_PERSIST_MAX 16

void tcp_undo_begin(struct nst_tcp *tp)
{
	struct tcp_undo *u = &tp->undo;

	u->on = true;
	u->marker = tp->snd_una;
	/* What is out already may still be reported; a probe is not counted in
	 * retrans_out. */
	u->rexmits = (int32_t)tp->retrans_out;
	if (tp->tlp.on && tp->tlp.rexmit)
		u->rexmits++;
	if (!u->rexmits)
		u->rexmits = -1; /* 0 would mean: all were reported */
}

bool tcp_undo_ecr_before(const struct nst_tcp *tp, const struct tcp_acked *a,
			 nst_time when)
{
	uint32_t ts = (uint32_t)((uint64_t)when / (uint64_t)NST_MS);

	return a->tsecr_ok && a->tsecr &&
	       (int32_t)(a->tsecr - tp->ts_off - ts) < 0;
}

bool tcp_undo_delayed(const struct nst_tcp *tp, const struct tcp_acked *a)
{
	if (tp->rexmit_start)
		return tcp_undo_ecr_before(tp, a, tp->rexmit_start);
	/* Nothing was sent again: it was only late. Unless the mark is gone
	 * because the state is held without SACK (tcp_loss_hold). */
	return tp->sack_on || seq_lt(tp->snd_una, tp->high_seq);
}

bool tcp_undo_may(const struct nst_tcp *tp, const struct tcp_acked *a)
{
	return tp->undo.on && (!tp->undo.rexmits || tcp_undo_delayed(tp, a));
}

static void unmark_lost(struct nst_tcp *tp)
{
	for (uint32_t i = 0; i < tp->sents.n && tp->lost_out; i++)
		tcp_sent_flag(tp, tcp_sent_at(tp, i), 0, SENT_LOST);
	tp->rtx_hint_on = false;
}

void tcp_undo_cwnd(struct nst_tcp *tp, bool unmark)
{
	struct tcp_undo *u = &tp->undo;

	if (unmark)
		unmark_lost(tp);
	if (u->prior_ssthresh) {
		tp->cwnd = tp->cc->undo_cwnd
			       ? tp->cc->undo_cwnd(tp)
			       : u32_max(tp->cwnd, tp->prior_cwnd);
		if (u->prior_ssthresh > tp->ssthresh) {
			tp->ssthresh = u->prior_ssthresh;
			tcp_ecn_withdraw_cwr(tp);
		}
	}
	u->on = false;
	tp->cwnd_stamp = tp->sk.st->now;
	tp->rack.advanced = true; /* judge again */
}

bool tcp_undo_dsack(struct nst_tcp *tp)
{
	if (!tp->undo.on || tp->undo.rexmits)
		return false;
	if (tp->rack.persist < RACK_PERSIST_MAX)
		tp->rack.persist++;
	tcp_undo_cwnd(tp, false);
	TCP_COUNT(tp->sk.st, DSACKUndo);
	return true;
}

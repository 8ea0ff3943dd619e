/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loss recovery: RFC 5681 3.2, RFC 6675 (SACK), RFC 6582 (NewReno), RFC 3042
 * (limited transmit follows from the pipe: what was selectively or, without
 * SACK, duplicately acknowledged is no longer in flight).
 *
 * Records are marked lost here; tcp_recovery_xmit sends them again as the
 * congestion window allows, oldest first.
 */
#include "netstack/tcp/tcp_priv.h"

/* Without SACK each duplicate ACK stands for one segment that has left; at
 * least one hole must remain. */
static void reno_limit(struct nst_tcp *tp)
{
	uint32_t holes = u32_min(u32_max(tp->lost_out, 1), tp->packets_out);

	tp->sacked_out = u32_min(tp->dupacks, tp->packets_out - holes);
	tp->dupacks = tp->sacked_out;
}

static void reno_update(struct nst_tcp *tp, const struct tcp_acked *a, bool dup)
{
	if (a->pkts)
		tp->dupacks -= u32_min(tp->dupacks, a->pkts - 1);
	if (dup)
		tp->dupacks++;
	reno_limit(tp);
}

static void mark_head(struct nst_tcp *tp)
{
	struct tcp_sent *r;
	struct seq end;

	if (!tp->sents.n)
		return;
	r = tcp_sent_at(tp, 0);
	if (r->flags & (SENT_SACKED | SENT_LOST))
		return;
	end = seq_add(r->seq, tp->mss);
	if (r->len > tp->mss && !tcp_sent_split(tp, 0, end))
		return;
	tcp_sent_flag(tp, tcp_sent_at(tp, 0), SENT_LOST, SENT_REXMIT);
	if (!tp->sack_on)
		reno_limit(tp);
}

/* RFC 6675 IsLost(): DupThresh segments above it were selectively acked. */
static void mark_lost_sack(struct nst_tcp *tp)
{
	uint32_t above = 0;

	if (!tp->sacked_out)
		return;
	for (uint32_t i = tp->sents.n; i-- > 0;) {
		struct tcp_sent *r = tcp_sent_at(tp, i);

		if (r->flags & SENT_SACKED)
			above += r->pcount;
		else if (above >= TCP_DUPTHRESH &&
			 !(r->flags & (SENT_LOST | SENT_REXMIT)))
			tcp_sent_flag(tp, r, SENT_LOST, 0);
	}
}

static bool head_lost(const struct nst_tcp *tp)
{
	if (!tp->sents.n)
		return false;
	if (tp->sack_on)
		return tp->lost_out > 0;
	/* RFC 6582 3.2 step 2: not for losses of the last recovery. */
	return tp->dupacks >= TCP_DUPTHRESH &&
	       seq_gt(tp->snd_una, tp->high_seq);
}

static void enter_recovery(struct nst_tcp *tp)
{
	tp->prior_cwnd = tp->cwnd;
	tp->ssthresh = tp->cc->ssthresh(tp);
	tp->cwnd = tp->ssthresh;
	tp->cwnd_cnt = 0;
	tp->high_seq = tp->snd_nxt;
	tp->ca_state = TCP_CA_RECOVERY;
	tp->may_rexmit = true; /* the first one is not held by the window */
	TCP_COUNT(tp->sk.st, FastRetrans);
	if (tp->sack_on)
		TCP_COUNT(tp->sk.st, SackRecovery);
	else
		TCP_COUNT(tp->sk.st, RenoRecovery);
	mark_head(tp);
}

static void leave(struct nst_tcp *tp)
{
	tp->ca_state = TCP_CA_OPEN;
	tp->dupacks = 0;
	if (!tp->sack_on)
		tp->sacked_out = 0;
}

/* Everything up to the recovery point has arrived. */
static bool recovered(const struct nst_tcp *tp)
{
	if (seq_gt(tp->snd_una, tp->high_seq))
		return true;
	/* LINUX: without SACK, equality holds the state (RFC 6582 6). */
	return seq_eq(tp->snd_una, tp->high_seq) &&
	       (tp->sack_on || tp->ca_state == TCP_CA_LOSS || !tp->packets_out);
}

/* RFC 6582 3.2 step 3: it names the next hole, which leaves at once. */
static void partial_ack(struct nst_tcp *tp)
{
	mark_head(tp);
	tp->may_rexmit = true;
}

static void in_open(struct nst_tcp *tp)
{
	tp->ca_state = tp->sacked_out ? TCP_CA_DISORDER : TCP_CA_OPEN;
	if (head_lost(tp))
		enter_recovery(tp);
}

void tcp_recovery_ack(struct nst_tcp *tp, const struct tcp_acked *a, bool dup)
{
	bool lossy =
	    tp->ca_state == TCP_CA_RECOVERY || tp->ca_state == TCP_CA_LOSS;

	if (!tp->sack_on)
		reno_update(tp, a, dup);
	else
		mark_lost_sack(tp);
	if (lossy && recovered(tp)) {
		leave(tp);
		lossy = false;
	}
	if (!lossy)
		in_open(tp);
	else if (a->pkts && !tp->sack_on)
		partial_ack(tp);
	if (a->pkts && tp->ca_state != TCP_CA_RECOVERY)
		tp->cc->cong_avoid(tp, a->pkts);
}

/* RFC 2018 8: a receiver that discarded what it had reported. */
static bool reneged(const struct nst_tcp *tp)
{
	return tp->sack_on && tp->sents.n &&
	       (tcp_sent_at(tp, 0)->flags & SENT_SACKED);
}

void tcp_recovery_rto(struct nst_tcp *tp)
{
	bool forget = reneged(tp);

	if (tp->ca_state != TCP_CA_LOSS || seq_le(tp->high_seq, tp->snd_una)) {
		tp->prior_cwnd = tp->cwnd;
		tp->ssthresh = tp->cc->ssthresh(tp);
	}
	tp->dupacks = 0;
	if (!tp->sack_on)
		tp->sacked_out = 0;
	for (uint32_t i = 0; i < tp->sents.n; i++) {
		struct tcp_sent *r = tcp_sent_at(tp, i);

		if (forget || !(r->flags & SENT_SACKED))
			tcp_sent_flag(tp, r, SENT_LOST,
				      SENT_REXMIT | SENT_SACKED);
	}
	tp->cwnd = 1;
	tp->cwnd_cnt = 0;
	tp->ca_state = TCP_CA_LOSS;
	tp->high_seq = tp->snd_nxt;
	tp->may_rexmit = true;
}

/* ---- sending again ---- */

/* What of record i may leave: cut to `pkts` segments and the window. */
static bool fit(struct nst_tcp *tp, uint32_t i, uint32_t pkts)
{
	struct tcp_sent *r = tcp_sent_at(tp, i);
	struct seq wnd_end = seq_add(tp->snd_una, tp->snd_wnd);
	uint32_t mss = tcp_cur_mss(tp);
	uint32_t max = u32_min(pkts, 65000 / mss ? 65000 / mss : 1) * mss;

	/* A peer that took its window back gets the first segment only. */
	if (seq_ge(r->seq, wnd_end) && !seq_eq(r->seq, tp->snd_una))
		return false;
	if (seq_gt(seq_add(r->seq, max), wnd_end))
		max = mss;
	if (r->len <= max)
		return true;
	return tcp_sent_split(tp, i, seq_add(r->seq, max)) || r->len <= 65000;
}

static bool resend(struct nst_tcp *tp, struct tcp_sent *r)
{
	struct seq end = seq_add(r->seq, r->len);
	bool fin = seq_gt(end, tcp_write_seq(tp));
	uint32_t len = r->len - fin;
	uint8_t flags = fin ? TCP_ACK | TCP_FIN : TCP_ACK;

	if (seq_ge(end, tp->push_seq) && seq_lt(r->seq, tp->push_seq))
		flags |= TCP_PSH;
	if (!tcp_xmit_data(tp, r->seq, len, flags))
		return false;
	tcp_sent_flag(tp, r, SENT_REXMIT | SENT_EVER, 0);
	r->when = tp->sk.st->now;
	tp->total_retrans += r->pcount;
	tp->bytes_retrans += len;
	tp->sk.st->count.TcpRetransSegs += r->pcount;
	return true;
}

void tcp_recovery_xmit(struct nst_tcp *tp)
{
	for (uint32_t i = 0; i < tp->sents.n && tp->lost_out; i++) {
		struct tcp_sent *r = tcp_sent_at(tp, i);
		uint32_t flight = tcp_in_flight(tp);
		uint32_t quota = tp->cwnd > flight ? tp->cwnd - flight : 0;

		if (!(r->flags & SENT_LOST) || (r->flags & SENT_REXMIT))
			continue;
		if (!quota && !tp->may_rexmit)
			break;
		if (!fit(tp, i, u32_max(quota, 1)) ||
		    !resend(tp, tcp_sent_at(tp, i)))
			break;
		tp->may_rexmit = false;
	}
	tp->may_rexmit = false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proportional rate reduction, RFC 9937: while the window shrinks to ssthresh
 * (CWR and Recovery), how many packets each ACK lets go.
 */
#include "netstack/tcp/tcp_priv.h"

uint32_t tcp_current_ssthresh(const struct nst_tcp *tp)
{
	if (tcp_in_reduction(tp))
		return tp->ssthresh;
	return u32_max(tp->ssthresh, tp->cwnd / 2 + tp->cwnd / 4);
}

void tcp_prr_begin(struct nst_tcp *tp)
{
	tp->high_seq = tp->snd_nxt;
	tp->tlp.on = false;
	tp->cwnd_cnt = 0;
	tp->prior_cwnd = tp->cwnd;
	tp->prr = (struct tcp_prr){0};
	tp->ssthresh = tp->cc->ssthresh(tp);
	tcp_ecn_queue_cwr(tp);
}

/* RFC 9937 6.2: in proportion while too much is in flight; then as much as
 * was delivered, and one more when nothing else seems lost. */
static int64_t may_send(const struct nst_tcp *tp, uint32_t acked_sacked,
			bool safe)
{
	int64_t room = (int64_t)tp->ssthresh - tcp_in_flight(tp);
	int64_t out = tp->prr.out, n;

	if (room < 0)
		return (int64_t)(((uint64_t)tp->ssthresh * tp->prr.delivered +
				  tp->prior_cwnd - 1) /
				 tp->prior_cwnd) -
		       out;
	n = (int64_t)tp->prr.delivered - out;
	if (n < acked_sacked)
		n = acked_sacked;
	if (safe)
		n++;
	return n < room ? n : room;
}

void tcp_prr_update(struct nst_tcp *tp, uint32_t acked_sacked, uint32_t losses,
		    bool una)
{
	int64_t n, least = tp->prr.out ? 0 : 1;

	if (!acked_sacked || !tp->prior_cwnd)
		return;
	tp->prr.delivered += acked_sacked;
	n = may_send(tp, acked_sacked, una && !losses);
	/* The first retransmission is not held by the window. */
	if (n < least)
		n = least;
	tp->cwnd = u32_max(tcp_in_flight(tp) + (uint32_t)n, 1);
}

void tcp_prr_end(struct nst_tcp *tp)
{
	if (tp->cc->control)
		return;
	if (tp->ssthresh < TCP_SSTHRESH_INFINITE &&
	    (tp->ca_state == TCP_CA_CWR || tp->undo.on)) {
		tp->cwnd = tp->ssthresh;
		tp->cwnd_stamp = tp->sk.st->now;
	}
	if (tp->cc->event)
		tp->cc->event(tp, TCP_CE_COMPLETE_CWR);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tail loss probes, RFC 8985 7: when the end of a flight brings no ACK for two
 * round trips, one segment - new data, or the last one again - makes the peer
 * answer, so that RACK sees the loss long before the retransmission time-out.
 */
#include "netstack/tcp/tcp_priv.h"

/* tcp_early_retrans: 3 and 4 turn probes on. */
static bool enabled(const struct nst_tcp *tp)
{
	return tp->sack_on && TCP_CTL(tp, early_retrans) >= 3 &&
	       (tp->ca_state == TCP_CA_OPEN || tp->ca_state == TCP_CA_CWR);
}

/* RFC 8985 7.2, with Linux's allowance for a delayed ACK. */
static nst_time timeout(const struct nst_tcp *tp)
{
	if (!tp->srtt)
		return TCP_TIMEOUT_INIT;
	if (tp->packets_out == 1)
		return tp->srtt / 4 + tcp_rto_min(tp);
	return tp->srtt / 4 + TCP_TIMEOUT_MIN;
}

bool tcp_tlp_schedule(struct nst_tcp *tp, bool advancing)
{
	nst_time wait, rto;

	if (!tp->packets_out || !enabled(tp) || tp->fo.pending)
		return false;
	wait = timeout(tp);
	rto = advancing ? tp->rto : tcp_rto_left(tp);
	if (rto > 0)
		wait = t_min(wait, rto);
	tcp_rtx_set(tp, TCP_RTX_TLP, wait);
	return true;
}

/* The next new segment, as it was written; false: the peer's window does not
 * take it whole. */
static bool next_new(struct nst_tcp *tp, uint32_t *len)
{
	int32_t wnd = seq_diff(seq_add(tp->snd_una, tp->snd_wnd), tp->snd_nxt);
	uint32_t mss = tcp_cur_mss(tp);
	bool last;

	*len = u32_min(tcp_write_front(tp, mss, &last), mss);
	/* Without data it is the FIN. */
	return wnd > 0 && u32_max(*len, 1) <= (uint32_t)wnd;
}

/* The last segment again. */
static bool probe_old(struct nst_tcp *tp)
{
	uint32_t last = tp->sents.n - 1, mss = tcp_cur_mss(tp), lead;
	struct tcp_sent *r = tcp_sent_at(tp, last);

	lead = (r->pcount - 1u) * mss;
	if (r->pcount > 1 && r->len > lead) {
		if (!tcp_sent_split(tp, last, seq_add(r->seq, lead), mss))
			return false;
		last++;
	}
	return tcp_rexmit_probe(tp, last, 1);
}

static bool probe(struct nst_tcp *tp)
{
	uint32_t len;

	/* New data leaves whatever the congestion window says. */
	if (tcp_send_pending(tp) && next_new(tp, &len))
		return tcp_send_new(tp, len);
	if (!probe_old(tp))
		return false;
	tp->tlp.rexmit = true;
	return true;
}

void tcp_tlp_fire(struct nst_tcp *tp)
{
	if (!tp->tlp.on) {
		tp->tlp.rexmit = false;
		if (probe(tp)) {
			tp->tlp.on = true;
			tp->tlp.high = tp->snd_nxt;
			TCP_COUNT(tp->sk.st, LossProbes);
			tcp_rtx_clear(tp); /* the RTO starts now */
		}
	}
	tcp_rto_rearm(tp);
}

/* The probe hid a loss: RFC 8985 7.4.2 wants the window reduced for it. */
static void repaired(struct nst_tcp *tp)
{
	tcp_prr_begin(tp);
	tcp_recovery_set(tp, TCP_CA_CWR);
	tcp_prr_end(tp);
	tcp_recovery_keep_open(tp);
	TCP_COUNT(tp->sk.st, LossProbeRecovery);
	if (tp->cc->event)
		tp->cc->event(tp, TCP_CE_TLP_RECOVERY);
}

/* RFC 8985 7.4: the end of an episode. */
void tcp_tlp_ack(struct nst_tcp *tp, struct seq ack, uint32_t flags)
{
	if (!tp->tlp.on || seq_lt(ack, tp->tlp.high))
		return;
	if (!tp->tlp.rexmit || (flags & TCP_A_DSACK_TLP))
		tp->tlp.on = false;
	else if (seq_gt(ack, tp->tlp.high))
		repaired(tp);
	else if (!(flags & (TCP_A_UNA | TCP_A_NOT_DUP | TCP_A_SACKED)))
		tp->tlp.on = false; /* both copies arrived */
}

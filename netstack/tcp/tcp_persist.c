/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Zero-window probes, RFC 9293 3.8.6.1. Also the safety net for data that
 * waits although nothing is in flight (no memory for a packet, say): whatever
 * the reason, the timer tries again.
 */
#include "netstack/tcp/tcp_priv.h"

bool tcp_persist_wanted(const struct nst_tcp *tp)
{
	return tcp_in_states(tp, TCPF_SENDING) && !tp->packets_out &&
	       tcp_send_pending(tp) && tcp_cork_deadline(tp) == NST_NEVER;
}

/* Facts for the deadline: when the wait began. */
void tcp_persist_update(struct nst_tcp *tp)
{
	bool want = tcp_persist_wanted(tp);

	if (want == tp->probing)
		return;
	tp->probing = want;
	tp->probes_out = 0;
	tp->probe_start = 0;
	if (!want)
		return;
	tp->backoff = 0;
	tp->probe_base = tp->sk.st->now;
}

nst_time tcp_persist_deadline(const struct nst_tcp *tp)
{
	if (!tp->probing || !tcp_in_states(tp, TCPF_SENDING))
		return NST_NEVER;
	return tp->probe_base +
	       t_max(tcp_rto_backed(tp, tp->backoff), TCP_RTO_MIN);
}

static bool exhausted(const struct nst_tcp *tp)
{
	/* LINUX: orphans are not kept for a peer that never opens. */
	if (tp->orphan && tcp_rto_backed(tp, tp->backoff) >= TCP_RTO_MAX)
		return true;
	if (!tp->probes_out)
		return false;
	if (tp->conf.user_timeout_ms)
		return tcp_timed_out(tp, tp->probe_start, 0);
	return tp->probes_out >= tcp_retry_limit(tp);
}

void tcp_persist_fire(struct nst_tcp *tp)
{
	nst_time now = tp->sk.st->now;

	if (exhausted(tp)) {
		tcp_give_up(tp);
		return;
	}
	if (tcp_out_force(tp))
		return;
	/* RFC 9293 3.8.6.1: an old sequence number makes the peer answer. */
	tcp_xmit_bare(tp, seq_add(tp->snd_una, UINT32_MAX), TCP_ACK);
	TCP_COUNT(tp->sk.st, ZeroWindowProbe);
	if (!tp->probes_out)
		tp->probe_start = now;
	tp->probes_out++;
	if (tp->backoff < TCP_RETRIES2)
		tp->backoff++;
	tp->probe_base = now;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keepalive (RFC 9293 3.8.4) and FIN-WAIT-2. Both timers exist from the birth
 * of an endpoint; whether and when they run follows from facts, so starting
 * and stopping them any number of times is the same as once.
 */
#include "netstack/tcp/tcp_priv.h"

static nst_time last_heard(const struct nst_tcp *tp)
{
	return t_max(tp->last_data_recv, tp->last_ack_recv);
}

nst_time tcp_keep_deadline(const struct nst_tcp *tp)
{
	if (!tp->sk.opt.keepalive || !tcp_in_states(tp, TCPF_SYNCED))
		return NST_NEVER;
	/* Unacknowledged data has the retransmission timer behind it. */
	if (tp->packets_out || tcp_send_pending(tp))
		return NST_NEVER;
	if (!tp->keep_probes)
		return last_heard(tp) + (nst_time)tp->conf.keepidle_s * NST_SEC;
	return tp->keep_sent + (nst_time)tp->conf.keepintvl_s * NST_SEC;
}

static bool dead(const struct nst_tcp *tp)
{
	nst_time user = (nst_time)tp->conf.user_timeout_ms * NST_MS;

	/* RFC 5482: the user timeout replaces the count. */
	if (user)
		return tp->keep_probes &&
		       tp->sk.st->now - last_heard(tp) >= user;
	return tp->keep_probes >= tp->conf.keepcnt;
}

void tcp_keep_fire(struct nst_tcp *tp)
{
	if (dead(tp)) {
		tcp_send_rst(tp);
		tcp_give_up(tp);
		return;
	}
	tcp_xmit_bare(tp, seq_add(tp->snd_una, UINT32_MAX), TCP_ACK);
	TCP_COUNT(tp->sk.st, KeepAlive);
	tp->keep_probes++;
	tp->keep_sent = tp->sk.st->now;
}

/* Only for orphans: a half-closed connection of a living owner is legal. */
nst_time tcp_fw2_deadline(const struct nst_tcp *tp)
{
	int32_t s = tp->conf.linger2_s ? tp->conf.linger2_s : TCP_FIN_TIMEOUT_S;

	if (tp->state != NST_TCP_FIN_WAIT2 || !tp->orphan)
		return NST_NEVER;
	return tp->fw2_since + (nst_time)s * NST_SEC;
}

void tcp_fw2_fire(struct nst_tcp *tp)
{
	TCP_COUNT(tp->sk.st, AbortOnTimeout);
	tcp_done(tp);
}

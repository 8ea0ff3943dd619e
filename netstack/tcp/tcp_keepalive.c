/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keepalive (RFC 9293 3.8.4) and FIN-WAIT-2. Both timers exist from the birth
 * of an endpoint; whether and when they run follows from facts, so starting
 * and stopping them any number of times is the same as once.
 */
#include "netstack/tcp/tcp_req.h"

uint32_t tcp_keepidle_s(const struct nst_tcp *tp)
{
	return tp->conf.keepidle_s ? tp->conf.keepidle_s
				   : (uint32_t)TCP_CTL(tp, keepalive_time);
}

uint32_t tcp_keepintvl_s(const struct nst_tcp *tp)
{
	return tp->conf.keepintvl_s ? tp->conf.keepintvl_s
				    : (uint32_t)TCP_CTL(tp, keepalive_intvl);
}

uint32_t tcp_keepcnt(const struct nst_tcp *tp)
{
	return tp->conf.keepcnt ? tp->conf.keepcnt
				: (uint32_t)TCP_CTL(tp, keepalive_probes);
}

void tcp_keep_set(struct nst_tcp *tp, bool on)
{
	if (!on)
		tp->conf.keep_on_at = 0;
	else if (!tp->conf.keep_on_at)
		tp->conf.keep_on_at = t_max(tp->sk.st->now, 1);
}

void tcp_keep_set_idle(struct nst_tcp *tp, uint32_t s)
{
	tp->conf.keepidle_s = s;
	if (tp->conf.keep_on_at)
		tp->conf.keep_on_at = 1;
}

static nst_time last_heard(const struct nst_tcp *tp)
{
	return t_max(tp->last_data_recv, tp->last_ack_recv);
}

nst_time tcp_keep_deadline(const struct nst_tcp *tp)
{
	nst_time idle = (nst_time)tcp_keepidle_s(tp) * NST_SEC, from;

	if (!tp->sk.opt.keepalive || !tcp_in_states(tp, TCPF_SYNCED))
		return NST_NEVER;
	/* Unacknowledged data has the retransmission timer behind it. */
	if (tp->packets_out || tcp_send_pending(tp))
		return NST_NEVER;
	/* LINUX: SO_KEEPALIVE starts a full wait, TCP_KEEPIDLE does not. */
	from = t_max(last_heard(tp), tp->conf.keep_on_at);
	if (!tp->keep_probes)
		return from + idle;
	return tp->keep_sent + (nst_time)tcp_keepintvl_s(tp) * NST_SEC;
}

static bool dead(const struct nst_tcp *tp)
{
	nst_time user = tcp_user_timeout(tp);

	/* RFC 5482: the user timeout replaces the count. */
	if (user)
		return tp->keep_probes &&
		       tp->sk.st->now - last_heard(tp) >= user;
	return tp->keep_probes >= tcp_keepcnt(tp);
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

/* ---- FIN-WAIT-2 ---- */

/* LINUX: tcp_fin_time: not shorter than a retransmission needs. */
static nst_time fin_time(const struct nst_tcp *tp)
{
	int32_t s =
	    tp->conf.linger2_s ? tp->conf.linger2_s : TCP_CTL(tp, fin_timeout);

	return t_max(s * NST_SEC, tp->rto * 4 - tp->rto / 2);
}

/* Only for orphans: a half-closed connection of a living owner is legal. LINUX:
 * what exceeds a TIME-WAIT is spent as an endpoint. */
nst_time tcp_fw2_deadline(const struct nst_tcp *tp)
{
	nst_time wait = fin_time(tp);

	if (tp->state != NST_TCP_FIN_WAIT2 || !tp->orphan ||
	    wait <= TCP_TIMEWAIT_LEN)
		return NST_NEVER;
	return tp->fw2_since + wait - TCP_TIMEWAIT_LEN;
}

void tcp_fw2_fire(struct nst_tcp *tp)
{
	tcp_fin_wait2(tp, t_max(fin_time(tp) - TCP_TIMEWAIT_LEN, 0));
}

void tcp_fw2_shrink(struct nst_tcp *tp)
{
	if (tp->state == NST_TCP_FIN_WAIT2 && tp->orphan &&
	    fin_time(tp) <= TCP_TIMEWAIT_LEN)
		tcp_fin_wait2(tp, fin_time(tp));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Zero-window probes, RFC 9293 3.8.6.1. Also the safety net for data that
 * waits although nothing is in flight (no memory for a packet, say): whatever
 * the reason, the timer tries again.
 */
#include "netstack/tcp/tcp_priv.h"

#define BACKOFF_MAX 10 /* LINUX: ilog2(TCP_RTO_MAX / TCP_RTO_MIN) + 1 */

bool tcp_persist_wanted(const struct nst_tcp *tp)
{
	return tcp_may_send(tp) && !tp->packets_out && tcp_send_pending(tp) &&
	       !tp->pace.blocked && tcp_cork_deadline(tp) == NST_NEVER;
}

/* Doubling, from at least 200 ms. */
static nst_time wait_for(const struct nst_tcp *tp, uint32_t backoff)
{
	nst_time t = t_max(tp->rto, TCP_RTO_MIN);

	return t_min(t << u32_min(backoff, BACKOFF_MAX), tcp_rto_max(tp));
}

/* LINUX: not beyond the user's time-out. */
static void arm(struct nst_tcp *tp, uint32_t backoff)
{
	nst_time wait = wait_for(tp, backoff), left;

	if (tcp_user_timeout(tp) && tp->probe_start) {
		left = tp->probe_start + tcp_user_timeout(tp) - tp->sk.st->now;
		wait = t_min(wait, t_max(left, TCP_TIMEOUT_MIN));
	}
	tcp_rtx_set(tp, TCP_RTX_PERSIST, wait);
}

static void forget(struct nst_tcp *tp)
{
	tp->probes_out = 0;
	tp->probe_start = 0;
}

void tcp_persist_update(struct nst_tcp *tp)
{
	bool want = tcp_persist_wanted(tp);

	if (want && tp->rtx.what == TCP_RTX_NONE) {
		arm(tp, 0);
	} else if (!want && tp->rtx.what == TCP_RTX_PERSIST) {
		tcp_rtx_clear(tp);
		forget(tp);
	}
}

/* LINUX: tcp_ack_probe: each ACK of a window that is still too small starts
 * the wait anew, with the back-off as it is. */
void tcp_persist_ack(struct nst_tcp *tp)
{
	int32_t wnd = seq_diff(seq_add(tp->snd_una, tp->snd_wnd), tp->snd_nxt);
	uint32_t need = u32_max(u32_min(tcp_unsent(tp), tcp_cur_mss(tp)), 1);

	if (!tcp_persist_wanted(tp))
		return;
	if (wnd > 0 && need <= (uint32_t)wnd) {
		tp->backoff = 0;
		tp->probe_start = 0;
		tcp_rtx_clear(tp);
	} else {
		arm(tp, tp->backoff);
	}
}

/* LINUX: orphans are not kept for a peer that never opens. */
static bool exhausted(const struct nst_tcp *tp)
{
	uint32_t max = (uint32_t)TCP_CTL(tp, retries2);
	bool alive;

	if (tcp_user_timeout(tp) && tp->probe_start &&
	    tp->sk.st->now - tp->probe_start >= tcp_user_timeout(tp))
		return true;
	if (tp->orphan) {
		alive = wait_for(tp, tp->backoff) < tcp_rto_max(tp);
		max = tcp_orphan_limit(tp, alive);
		if (!alive && tp->backoff >= max)
			return true;
	}
	return tp->probes_out >= max;
}

/* RFC 9293 3.8.6.1: an old sequence number makes the peer answer; with urgent
 * data waiting, the pointer goes out, too. */
static void probe(struct nst_tcp *tp)
{
	int32_t urg = seq_diff(tp->snd_up, tp->snd_una);

	if (tp->snd_urg && urg > 0 && urg <= 0xffff) {
		tcp_xmit_bare(tp, tp->snd_una, TCP_ACK);
		TCP_COUNT(tp->sk.st, ZeroWindowProbe);
	}
	tcp_xmit_bare(tp, seq_add(tp->snd_una, UINT32_MAX), TCP_ACK);
	TCP_COUNT(tp->sk.st, ZeroWindowProbe);
}

void tcp_persist_fire(struct nst_tcp *tp)
{
	tp->rtx.what = TCP_RTX_NONE;
	if (!tcp_persist_wanted(tp)) {
		forget(tp);
		return;
	}
	if (exhausted(tp)) {
		tcp_give_up(tp);
		return;
	}
	if (!tp->probe_start)
		tp->probe_start = tp->sk.st->now;
	if (tcp_out_force(tp)) {
		/* LINUX: what left so has the time-out, not a loss probe. */
		tcp_rtx_set(tp, TCP_RTX_RTO, tp->rto);
		forget(tp);
		tp->backoff = 0;
		return;
	}
	probe(tp);
	tp->probes_out++;
	if (tp->backoff < (uint32_t)TCP_CTL(tp, retries2))
		tp->backoff++;
	arm(tp, tp->backoff);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a sender was busy, and of that how long the peer's window or the
 * owner's buffer held it up: tcpi_busy_time and its siblings. At the end of
 * each event the state says what the connection waits for from now on.
 */
#include "netstack/tcp/tcp_priv.h"

/* LINUX: the congestion window is looked at first. */
static bool window_holds(const struct nst_tcp *tp)
{
	struct seq edge = seq_add(tp->snd_una, tp->snd_wnd);
	int32_t usable = seq_diff(edge, tp->snd_nxt);
	uint32_t next = u32_min(tcp_unsent(tp), tp->mss);

	return next && tcp_in_flight(tp) < tp->cwnd &&
	       (usable < 0 || (uint32_t)usable < next);
}

/* Everything left, the congestion window would have taken more, and the owner
 * waits for space. */
static bool buffer_holds(const struct nst_tcp *tp)
{
	return tp->snd_blocked && !tcp_unsent(tp) && !tp->cwnd_limited &&
	       tcp_in_states(tp, TCPF(ESTABLISHED) | TCPF(CLOSE_WAIT));
}

static enum tcp_chrono_kind kind_now(const struct nst_tcp *tp)
{
	if (!tcp_in_states(tp, TCPF_SYNCED) ||
	    (!tp->packets_out && !tcp_send_pending(tp)))
		return TCP_CHRONO_IDLE;
	if (buffer_holds(tp))
		return TCP_CHRONO_SNDBUF;
	return window_holds(tp) ? TCP_CHRONO_RWND : TCP_CHRONO_BUSY;
}

void tcp_chrono_update(struct nst_tcp *tp)
{
	enum tcp_chrono_kind kind = kind_now(tp);
	struct tcp_chrono *c = &tp->chrono;

	if (c->kind == kind)
		return;
	c->spent[c->kind] += tp->sk.st->now - c->since;
	c->kind = (uint8_t)kind;
	c->since = tp->sk.st->now;
}

nst_time tcp_chrono_spent(const struct nst_tcp *tp, enum tcp_chrono_kind k,
			  nst_time now)
{
	nst_time t = tp->chrono.spent[k];

	if (tp->chrono.kind == k)
		t += now - tp->chrono.since;
	return t;
}

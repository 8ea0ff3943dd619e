/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The timers of an endpoint: one table. A deadline is never stored: each row's
 * function computes it from saved facts, so that arming after a restore is the
 * same as arming in normal life.
 *
 * A timer that is armed earlier than needed is left alone: when it fires it
 * finds its deadline in the future and is armed again, and nothing else. So an
 * ACK costs no re-arming.
 */
#include "netstack/base/mem.h"
#include "netstack/tcp/tcp_priv.h"

struct timer_row {
	const char *name;
	nst_time (*deadline)(const struct nst_tcp *tp);
	void (*fire)(struct nst_tcp *tp);
	const char *rfc;
};

/* ---- the retransmission timer: one clock, one purpose at a time ---- */

nst_time tcp_pace_delay(const struct nst_tcp *tp)
{
	nst_time d = tp->pace.next - tp->sk.st->now;

	return d > 0 ? d : 0;
}

void tcp_rtx_set(struct nst_tcp *tp, enum tcp_rtx_what what, nst_time wait)
{
	tp->rtx.what = (uint8_t)what;
	tp->rtx.since = tp->sk.st->now;
	tp->rtx.wait = t_min(wait + tcp_pace_delay(tp), tcp_rto_max(tp));
}

void tcp_rtx_clear(struct nst_tcp *tp)
{
	tp->rtx.what = TCP_RTX_NONE;
}

static nst_time rtx_deadline(const struct nst_tcp *tp)
{
	return tp->rtx.since + tp->rtx.wait;
}

static nst_time rtx_idle(const struct nst_tcp *tp)
{
	(void)tp;
	return NST_NEVER;
}

static const struct timer_row rtx_rows[TCP_RTX_COUNT] = {
    [TCP_RTX_NONE] = {"none", rtx_idle, tcp_rtx_clear, "-"},
    [TCP_RTX_RTO] = {"rto", rtx_deadline, tcp_rto_fire, "6298"},
    [TCP_RTX_REORDER] = {"reorder", rtx_deadline, tcp_rack_fire, "8985"},
    [TCP_RTX_TLP] = {"loss-probe", rtx_deadline, tcp_tlp_fire, "8985"},
    [TCP_RTX_PERSIST] = {"persist", rtx_deadline, tcp_persist_fire, "9293"},
};

static nst_time retrans_deadline(const struct nst_tcp *tp)
{
	if (tcp_in_handshake(tp))
		return tcp_handshake_deadline(tp);
	if (!tcp_in_states(tp, TCPF_SYNCED))
		return NST_NEVER;
	return rtx_rows[tp->rtx.what].deadline(tp);
}

static void retrans_fire(struct nst_tcp *tp)
{
	if (tcp_in_handshake(tp))
		tcp_handshake_fire(tp);
	else
		rtx_rows[tp->rtx.what].fire(tp);
}

/* ---- all timers ---- */

static const struct timer_row rows[TCP_T_COUNT] = {
    [TCP_T_RETRANS] = {"retransmit", retrans_deadline, retrans_fire, "6298"},
    [TCP_T_DELACK] = {"delack", tcp_ack_deadline, tcp_ack_fire, "1122"},
    [TCP_T_KEEP] = {"keepalive", tcp_keep_deadline, tcp_keep_fire, "1122"},
    [TCP_T_FIN_WAIT2] = {"fin-wait-2", tcp_fw2_deadline, tcp_fw2_fire, "-"},
    [TCP_T_CORK] = {"cork", tcp_cork_deadline, tcp_cork_fire, "-"},
    [TCP_T_PACE] = {"pacing", tcp_pace_deadline, tcp_pace_fire, "-"},
    [TCP_T_IDLE] = {"idle", tcp_idle_deadline, tcp_buf_release_empty, "-"},
};

static struct nst_tcp *owner(struct tcp_timer *t)
{
	struct tcp_timer *first = t - t->kind;

	return container_of(first, struct nst_tcp, timer[0]);
}

static void timer_fn(struct wheel_timer *w, nst_time now)
{
	struct tcp_timer *t = container_of(w, struct tcp_timer, w);
	struct nst_tcp *tp = owner(t);
	struct nst_stack *st = tp->sk.st;
	nst_time at = rows[t->kind].deadline(tp);

	if (at > now) { /* not an event: the same with and without it */
		if (at != NST_NEVER)
			wheel_arm(st->wheel, w, at);
		return;
	}
	stack_enter(st, now);
	rows[t->kind].fire(tp);
	tcp_finish(tp);
	stack_leave(st);
}

void tcp_timers_init(struct nst_tcp *tp)
{
	for (int i = 0; i < TCP_T_COUNT; i++) {
		tp->timer[i].kind = (uint8_t)i;
		tp->timer[i].w.fn = timer_fn;
		tp->timer[i].w.turn =
		    (uint32_t)tp->sk.id * TCP_T_COUNT + (uint32_t)i;
	}
}

void tcp_timers_update(struct nst_tcp *tp)
{
	struct wheel *w = tp->sk.st->wheel;

	for (int i = 0; i < TCP_T_COUNT; i++) {
		struct wheel_timer *t = &tp->timer[i].w;
		nst_time at = rows[i].deadline(tp);

		if (at == NST_NEVER) {
			if (wheel_armed(t))
				wheel_stop(w, t);
		} else if (!wheel_armed(t) || t->deadline > at) {
			wheel_arm(w, t, at);
		}
	}
}

void tcp_timers_stop(struct nst_tcp *tp)
{
	for (int i = 0; i < TCP_T_COUNT; i++) {
		if (wheel_armed(&tp->timer[i].w))
			wheel_stop(tp->sk.st->wheel, &tp->timer[i].w);
	}
}

void nst_tcp_timer(const struct nst_tcp *tp, int *kind, nst_time *deadline)
{
	nst_time keep = tcp_keep_deadline(tp);
	nst_time fw2 = tcp_fw2_deadline(tp);

	*kind = 0;
	*deadline = retrans_deadline(tp);
	if (*deadline != NST_NEVER) {
		*kind = !tcp_in_handshake(tp) && tp->rtx.what == TCP_RTX_PERSIST
			    ? 4
			    : 1;
		return;
	}
	*deadline = t_min(keep, fw2);
	if (*deadline != NST_NEVER)
		*kind = 2;
}

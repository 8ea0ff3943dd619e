/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one place where the state of an endpoint changes, the end of a
 * connection, and the epilogue of every event.
 */
#include "netstack/tcp/tcp_priv.h"

/*
 * Which states may follow which, RFC 9293 figure 5, with CLOSE reachable from
 * everywhere (RST, abort, time-out) and TIME-WAIT standing for the small
 * object that takes over (tcp_time_wait.c).
 */
static const uint32_t next_states[NST_TCP_CLOSING + 1] = {
    [NST_TCP_CLOSE] = TCPF(LISTEN) | TCPF(SYN_SENT) | TCPF(SYN_RCVD),
    [NST_TCP_LISTEN] = 0,
    [NST_TCP_SYN_SENT] = TCPF(SYN_RCVD) | TCPF(ESTABLISHED),
    [NST_TCP_SYN_RCVD] = TCPF(ESTABLISHED) | TCPF(FIN_WAIT1),
    [NST_TCP_ESTABLISHED] = TCPF(FIN_WAIT1) | TCPF(CLOSE_WAIT),
    [NST_TCP_FIN_WAIT1] = TCPF(FIN_WAIT2) | TCPF(CLOSING),
    [NST_TCP_FIN_WAIT2] = TCPF(TIME_WAIT),
    [NST_TCP_CLOSING] = TCPF(TIME_WAIT),
    [NST_TCP_CLOSE_WAIT] = TCPF(LAST_ACK),
    [NST_TCP_LAST_ACK] = 0,
    [NST_TCP_TIME_WAIT] = 0,
};

void tcp_set_state(struct nst_tcp *tp, enum nst_tcp_state to)
{
	if (to != NST_TCP_CLOSE && !((next_states[tp->state] >> to) & 1)) {
		tp->sk.st->tcp->bad_transitions++;
		return;
	}
	if (to == NST_TCP_FIN_WAIT2)
		tp->fw2_since = tp->sk.st->now;
	tp->state = (uint8_t)to;
}

void tcp_done(struct nst_tcp *tp)
{
	if (tp->state == NST_TCP_CLOSE)
		return;
	if (tcp_in_states(tp, TCPF(SYN_SENT) | TCPF(SYN_RCVD)))
		TCP_COUNT(tp->sk.st, AttemptFails);
	tcp_fo_child_done(tp, false);
	tcp_fo_ofo_check(tp);
	tcp_set_state(tp, NST_TCP_CLOSE);
	tcp_timers_stop(tp);
	if (tp->sk.conn.pprev)
		demux_remove(tp->sk.st->demux, &tp->sk.conn);
	tcp_sent_free(tp);
	tcp_ooo_free(tp);
	tcp_buf_drop_snd(tp);
	tp->ack_pending = false;
	tp->ack_now = false;
	tcp_unbind(tp);
	tp->ev |= NST_EV_CLOSED;
}

void tcp_fail(struct nst_tcp *tp, enum nst_err why)
{
	if (tp->state == NST_TCP_CLOSE)
		return;
	tp->sk.error = why;
	tcp_done(tp);
	/* Everybody who waits for anything must see it. */
	tp->ev |= NST_EV_ERR | NST_EV_IN | NST_EV_OUT;
}

static void raise_events(struct nst_tcp *tp)
{
	uint32_t ev = tp->ev;

	tp->ev = 0;
	if (ev && !tp->orphan)
		sock_event(&tp->sk, ev);
}

static bool active(const struct nst_tcp *tp)
{
	return !tcp_in_states(tp, TCPF(CLOSE) | TCPF(LISTEN));
}

void tcp_finish(struct nst_tcp *tp)
{
	if (active(tp)) {
		tcp_output(tp);
		tcp_ack_decide(tp);
		tcp_persist_update(tp);
		tcp_chrono_update(tp);
	}
	tcp_fw2_shrink(tp);
	tcp_timers_update(tp);
	raise_events(tp);
	if (tp->orphan && tp->state == NST_TCP_CLOSE)
		tcp_free(tp);
}

/* ---- consistency ---- */

static bool check_sents(const struct nst_tcp *tp)
{
	struct seq at = tp->snd_una;
	uint32_t pkts = 0, sacked = 0, lost = 0, rexmit = 0;

	for (uint32_t i = 0; i < tp->sents.n; i++) {
		const struct tcp_sent *r = tcp_sent_at(tp, i);

		if (!seq_eq(r->seq, at) || !r->len || !r->pcount)
			return false;
		if ((r->flags & SENT_SACKED) && (r->flags & SENT_LOST))
			return false;
		at = seq_add(at, r->len);
		pkts += r->pcount;
		sacked += r->flags & SENT_SACKED ? r->pcount : 0;
		lost += r->flags & SENT_LOST ? r->pcount : 0;
		rexmit += r->flags & SENT_REXMIT ? r->pcount : 0;
	}
	if (tp->sents.n && !seq_eq(at, tp->snd_nxt))
		return false;
	return pkts == tp->packets_out && lost == tp->lost_out &&
	       rexmit == tp->retrans_out &&
	       (!tp->sack_on || sacked == tp->sacked_out) &&
	       tp->sacked_out + tp->lost_out <= tp->packets_out;
}

static bool check_ooo(const struct nst_tcp *tp)
{
	struct seq at = tp->rcv_nxt;

	for (uint32_t i = 0; i < tp->ooo.n; i++) {
		const struct tcp_range *r = &tp->ooo.v[i].r;

		if (!seq_lt(at, r->from) || !seq_lt(r->from, r->to))
			return false;
		at = r->to;
	}
	if (tp->ooo.n > LIMIT_TCP_OOO || (tp->ooo.n && !tp->ooo.v))
		return false;
	return !tp->ooo.n ||
	       ring_used(&tp->rcv) + (uint32_t)seq_diff(at, tp->rcv_nxt) <=
		   tp->rcv.size;
}

static bool check_seqs(const struct nst_tcp *tp)
{
	struct seq end = tcp_write_seq(tp);

	if (tp->fin_queued)
		end = seq_add(end, 1);
	return seq_le(tp->snd_una, tp->snd_nxt) && seq_le(tp->snd_nxt, end) &&
	       seq_le(tp->rcv_wup, tp->rcv_nxt) &&
	       seq_le(tp->rcv_nxt, seq_add(tp->rcv_adv, 1)) &&
	       ring_used(&tp->snd) <= tp->snd.size &&
	       ring_used(&tp->rcv) <= tp->rcv.size;
}

/* Unacknowledged data without a clock behind it would never move again. */
static bool check_clock(const struct nst_tcp *tp)
{
	if (!tcp_in_states(tp, TCPF_SYNCED))
		return true;
	if (tp->packets_out || tcp_persist_wanted(tp))
		return wheel_armed(&tp->timer[TCP_T_RETRANS].w);
	return true;
}

bool tcp_check(const struct nst_tcp *tp)
{
	bool in_demux = tp->sk.conn.pprev != NULL;

	if (in_demux != active(tp))
		return false;
	if (tp->orphan && tp->state == NST_TCP_CLOSE)
		return false;
	/* Data of the SYN; also when the other side opened, too. */
	if (tp->fo.data && !tp->fo.pending &&
	    tcp_in_states(tp, TCPF(SYN_SENT) | TCPF(SYN_RCVD)))
		return tp->ooo.n == 0;
	if (!tcp_in_states(tp, TCPF_SYNCED) && !tp->fo.pending)
		return tp->sents.n == 0 && tp->ooo.n == 0;
	return check_seqs(tp) && check_sents(tp) && tcp_sent_check(tp) &&
	       check_ooo(tp) && check_clock(tp);
}

bool tcp_layer_check(const struct nst_stack *st, size_t *n)
{
	struct nst_sock *const *at = &st->tcps;

	for (; *at; at = &(*at)->next, ++*n)
		if ((*at)->kind != SOCK_K_TCP || !sock_in_list(*at, st, at) ||
		    !tcp_check(tcp_ofc(*at)))
			return false;
	return st->tcp->bad_transitions == 0;
}

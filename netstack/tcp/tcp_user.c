/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of the owner: data, half-close and close. RFC 9293 3.10.2–3.10.5. */
#include "netstack/tcp/tcp_priv.h"

enum nst_err nst_tcp_new(struct nst_stack *st, uint8_t family, void *user,
			 nst_time now, struct nst_tcp **out)
{
	struct nst_tcp *tp;

	(void)now;
	if (family != 4 && family != 6)
		return NST_E_AFNOSUPPORT;
	tp = tcp_alloc(st, family, user);
	if (!tp)
		return NST_E_NOMEM;
	*out = tp;
	return NST_OK;
}

struct nst_sock *nst_tcp_sock(struct nst_tcp *tp)
{
	return &tp->sk;
}

struct nst_tcp *nst_sock_tcp(struct nst_sock *s)
{
	return s->kind == SOCK_K_TCP ? tcp_of(s) : NULL;
}

enum nst_tcp_state nst_tcp_state(const struct nst_tcp *tp)
{
	return (enum nst_tcp_state)tp->state;
}

/* ---- sending ---- */

static bool may_queue(const struct nst_tcp *tp)
{
	bool open = tcp_in_states(tp, TCPF(ESTABLISHED) | TCPF(CLOSE_WAIT));

	/* RFC 7413: before the handshake is over, or the SYN left. */
	open = open || tp->fo.deferred ||
	       (tp->state == NST_TCP_SYN_RCVD && tp->fo.pending);
	return open && !tp->fin_queued && !tp->sk.shut_wr;
}

size_t nst_tcp_snd_space(struct nst_tcp *tp, struct nst_iov iov[2],
			 size_t *niov)
{
	uint32_t n;

	*niov = 0;
	if (!may_queue(tp))
		return 0;
	n = tcp_write_room(tp);
	if (n) {
		tcp_snd_grow(tp);
		n = u32_min(n, ring_free(&tp->snd));
	}
	if (!n) {
		tp->snd_blocked = true;
		return 0;
	}
	*niov = ring_span(&tp->snd, tp->snd.tail, n, iov);
	return n;
}

bool nst_tcp_writable(struct nst_tcp *tp)
{
	/* LINUX: sk_stream_is_writeable. */
	if (may_queue(tp) && tcp_writable(tp))
		return true;
	tp->snd_blocked = true;
	return false;
}

void nst_tcp_snd_commit(struct nst_tcp *tp, size_t bytes, uint32_t flags,
			nst_time now)
{
	struct nst_stack *st = tp->sk.st;

	if (!may_queue(tp) || bytes > ring_free(&tp->snd))
		return; /* the connection ended in between: nowhere to go */
	stack_enter(st, now);
	tcp_reap(st);
	tcp_rate_check_app_limited(tp);
	tcp_cc_idle_restart(tp);
	tp->nagle_push = false;
	tcp_write(tp, (uint32_t)bytes, flags);
	tp->last_used = now;
	if (tp->fo.deferred)
		tcp_fo_send_syn(tp);
	tp->writing.hold = flags & NST_SND_PARTIAL;
	tcp_finish(tp);
	tp->writing.hold = false;
	stack_leave(st);
}

void nst_tcp_snd_wait(struct nst_tcp *tp)
{
	tp->hs_writer = tp->state == NST_TCP_SYN_SENT;
}

size_t nst_tcp_outq(const struct nst_tcp *tp)
{
	/* LINUX: SIOCOUTQ counts an unacknowledged FIN. */
	return ring_used(&tp->snd) +
	       tcp_fin_sent(tp) * (size_t)seq_lt(tp->snd_una, tp->snd_nxt);
}

size_t nst_tcp_outq_nsd(const struct nst_tcp *tp)
{
	return tcp_unsent(tp);
}

/* ---- closing ---- */

void tcp_unbind(struct nst_tcp *tp)
{
	if (!tp->sk.bound_port)
		ports_release(tp->sk.st->ports, &tp->sk);
	/* A child that was not accepted yet is still asked for its peer. */
	if (!tp->listener)
		tp->sk.remote = (struct nst_sockaddr){0};
}

void tcp_close_send(struct nst_tcp *tp)
{
	if (tp->fin_queued)
		return;
	tp->fin_queued = true;
	if (tp->state == NST_TCP_ESTABLISHED || tp->fo.pending)
		tcp_set_state(tp, NST_TCP_FIN_WAIT1);
	else if (tp->state == NST_TCP_CLOSE_WAIT)
		tcp_set_state(tp, NST_TCP_LAST_ACK);
	/* SYN-RECEIVED: queued until established, RFC 9293 3.10.4. */
}

enum nst_err nst_tcp_shutdown(struct nst_tcp *tp, bool rd, bool wr,
			      nst_time now)
{
	struct nst_stack *st = tp->sk.st;

	if (tp->state == NST_TCP_CLOSE)
		return NST_E_NOTCONN;
	stack_enter(st, now);
	tcp_reap(st);
	if (tp->state == NST_TCP_LISTEN) {
		/* LINUX: SHUT_RD ends listening, SHUT_WR means nothing. */
		if (rd) {
			tcp_listen_stop(tp);
			tcp_done(tp);
		}
	} else if (tp->state == NST_TCP_SYN_SENT) {
		tcp_fail(tp, NST_E_CONNRESET); /* LINUX: tcp_disconnect */
	} else {
		tp->sk.shut_rd = tp->sk.shut_rd || rd;
		tp->sk.shut_wr = tp->sk.shut_wr || wr;
		if (rd)
			tp->ev |= NST_EV_IN;
		if (wr)
			tcp_close_send(tp);
	}
	tcp_finish(tp);
	stack_leave(st);
	return NST_OK;
}

/* May a close still say goodbye, one way or the other? */
static bool open_conn(const struct nst_tcp *tp)
{
	return tcp_in_states(tp, TCPF_SYNCED | TCPF(SYN_RCVD));
}

/* RFC 9293 3.10.5. LINUX: when both have closed, only with data unsent. */
bool tcp_need_reset(const struct nst_tcp *tp)
{
	if (tcp_in_states(tp, TCPF(CLOSING) | TCPF(LAST_ACK)))
		return tcp_send_pending(tp);
	return open_conn(tp);
}

/* Ends at once, whatever the state. */
static void kill_conn(struct nst_tcp *tp)
{
	if (tp->state == NST_TCP_LISTEN)
		tcp_listen_stop(tp);
	else if (tcp_need_reset(tp))
		tcp_send_rst(tp);
	tcp_done(tp);
}

static void disown(struct nst_tcp *tp)
{
	tp->orphan = true;
	tp->sk.user = NULL;
	tp->sk.st->tcp->norphans++;
}

/* Why a close must be a reset, if it must: RFC 2525 2.17, SO_LINGER. */
static bool close_resets(struct nst_tcp *tp)
{
	struct nst_stack *st = tp->sk.st;

	if (!open_conn(tp))
		return false;
	if (!nst_tcp_rcv_eof(tp) && ring_used(&tp->rcv)) {
		TCP_COUNT(st, AbortOnClose);
		return true;
	}
	if (tp->sk.opt.linger_s == 0) {
		TCP_COUNT(st, AbortOnData); /* LINUX: counted so */
		return true;
	}
	if (tp->state == NST_TCP_FIN_WAIT2 && tp->conf.linger2_s < 0) {
		TCP_COUNT(st, AbortOnLinger);
		return true;
	}
	if (st->tcp->norphans >= (size_t)st->tcp->ctl.tcp_max_orphans) {
		TCP_COUNT(st, AbortOnMemory);
		return true;
	}
	return false;
}

void nst_tcp_close(struct nst_tcp *tp, nst_time now)
{
	struct nst_stack *st = tp->sk.st;

	stack_enter(st, now);
	tcp_reap(st);
	if (!open_conn(tp) || close_resets(tp))
		kill_conn(tp);
	else
		tcp_close_send(tp);
	disown(tp);
	tp->fw2_since = now; /* LINUX: the time-out counts from the close */
	tcp_finish(tp);
	stack_leave(st);
}

void nst_tcp_abort(struct nst_tcp *tp, nst_time now)
{
	struct nst_stack *st = tp->sk.st;

	stack_enter(st, now);
	tcp_reap(st);
	kill_conn(tp);
	disown(tp);
	tcp_finish(tp);
	stack_leave(st);
}

void nst_tcp_disconnect(struct nst_tcp *tp, nst_time now)
{
	struct nst_stack *st = tp->sk.st;

	stack_enter(st, now);
	tcp_reap(st);
	kill_conn(tp);
	tcp_buf_free(tp);
	tcp_reset_facts(tp);
	tp->ev = 0;
	tp->sk.error = NST_OK;
	tp->sk.shut_rd = false;
	tp->sk.shut_wr = false;
	if (!tp->sk.bound_addr)
		tp->sk.local.addr = (struct nst_addr){0};
	/* LINUX: an automatic port is given up, but shown until the next. */
	tcp_timers_update(tp);
	stack_leave(st);
}

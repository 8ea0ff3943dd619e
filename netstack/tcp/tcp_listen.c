/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listeners: the accept queue. A child in it belongs to the listener until it
 * is accepted; closing the listener resets the children and forgets the
 * requests.
 */
#include "netstack/tcp/tcp_req.h"

bool tcp_is_listener(const struct nst_sock *s)
{
	return s->kind == SOCK_K_TCP && tcp_ofc(s)->state == NST_TCP_LISTEN;
}

/* LINUX: sk_acceptq_is_full: backlog + 1 fit. */
bool tcp_acceptq_full(const struct nst_tcp *l)
{
	return l->acc_hold || (int64_t)l->acc_n > l->backlog;
}

void tcp_acceptq_put(struct nst_tcp *l, struct nst_tcp *child)
{
	child->acc_next = NULL;
	child->acc_queued = true;
	*l->acc_tail = child;
	l->acc_tail = &child->acc_next;
	l->acc_n++;
	if (!l->orphan)
		sock_event(&l->sk, NST_EV_ACCEPT);
}

void tcp_acceptq_remove(struct nst_tcp *l, struct nst_tcp *child)
{
	struct nst_tcp **at = &l->acc_head;

	while (*at && *at != child)
		at = &(*at)->acc_next;
	if (!*at)
		return;
	*at = child->acc_next;
	if (!*at)
		l->acc_tail = at;
	l->acc_n--;
	child->acc_next = NULL;
	child->acc_queued = false;
	child->listener = NULL;
}

void tcp_listen_stop(struct nst_tcp *l)
{
	while (l->reqs)
		tcp_req_free(l->reqs);
	tcp_fo_listener_gone(l);
	while (l->acc_head) {
		struct nst_tcp *child = l->acc_head;

		tcp_acceptq_remove(l, child);
		if (tcp_need_reset(child))
			tcp_send_rst(child);
		tcp_done(child);
		tcp_free(child);
	}
}

enum nst_err nst_tcp_listen(struct nst_tcp *tp, int backlog, nst_time now)
{
	struct nst_stack *st = tp->sk.st;
	struct nst_sockaddr any = {.addr.family = tp->sk.family};
	int max = st->tcp->ctl.somaxconn;
	enum nst_err e = NST_OK;

	if (!tcp_in_states(tp, TCPF(CLOSE) | TCPF(LISTEN)))
		return NST_E_INVAL;
	/* LINUX: a negative backlog is a huge one; somaxconn cuts it. */
	if (backlog < 0 || backlog > max)
		backlog = max;
	tp->backlog = backlog;
	if (tp->state == NST_TCP_LISTEN)
		return NST_OK;
	stack_enter(st, now);
	tcp_reap(st);
	tp->sk.error = NST_OK;
	if (tp->sk.bound_addr) /* kept over a disconnect */
		any.addr = tp->sk.local.addr;
	if (!tp->sk.bucket)
		e = ports_bind(st->ports, &tp->sk, &any);
	if (e == NST_OK)
		e = ports_listen_check(st->ports, &tp->sk);
	if (e == NST_OK) {
		tcp_buf_free(tp);
		tcp_reset_facts(tp);
		tp->backlog = backlog;
		tcp_set_state(tp, NST_TCP_LISTEN);
		tcp_fo_listen(tp);
	}
	stack_leave(st);
	return e;
}

enum nst_err nst_tcp_accept(struct nst_tcp *listener, struct nst_tcp **child)
{
	struct nst_tcp *tp = listener->acc_head;

	if (listener->state != NST_TCP_LISTEN)
		return NST_E_INVAL;
	if (!tp)
		return NST_E_AGAIN;
	tcp_acceptq_remove(listener, tp);
	*child = tp;
	return NST_OK;
}

void nst_tcp_unaccept(struct nst_tcp *listener, struct nst_tcp *child)
{
	child->listener = listener;
	child->acc_queued = true;
	child->sk.user = NULL;
	child->acc_next = listener->acc_head;
	if (!listener->acc_head)
		listener->acc_tail = &child->acc_next;
	listener->acc_head = child;
	listener->acc_n++;
}

void nst_tcp_accept_hold(struct nst_tcp *listener, bool full)
{
	listener->acc_hold = full;
}

size_t nst_tcp_accept_queued(const struct nst_tcp *listener)
{
	return listener->acc_n;
}

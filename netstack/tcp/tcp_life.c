/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of endpoints and of the layer. Send rings are not freed while packets
 * on the loopback queue may still reference them: they are buried, and reaped
 * when an event starts with that queue empty.
 */
#include "netstack/base/mem.h"
#include "netstack/tcp/tcp_req.h"

void tcp_reset_facts(struct nst_tcp *tp)
{
	size_t from = offsetof(struct nst_tcp, path);
	size_t to = offsetof(struct nst_tcp, timer);
	const struct tcp_cc *cc = tp->cc ? tp->cc : tp->sk.st->tcp->ctl.cc;

	nst_tcp_saved_syn_drop(tp);
	memset((uint8_t *)tp + from, 0, to - from);
	tp->err_soft = NST_OK;
	tp->ca_state = TCP_CA_OPEN;
	tp->fwd = false;
	tp->acc_tail = &tp->acc_head;
	tp->rto = TCP_TIMEOUT_INIT;
	tp->ssthresh = TCP_SSTHRESH_INFINITE;
	tp->cwnd = TCP_INIT_CWND;
	tp->cc = cc;
	/* So that the first answer is never withheld. */
	tp->last_oow = TCP_OOW_NEVER;
	tcp_sent_init(&tp->sents);
	tcp_write_init(&tp->writing);
	tcp_recovery_init(tp);
	tcp_buf_init(tp);
}

struct nst_tcp *tcp_alloc(struct nst_stack *st, uint8_t family, void *user)
{
	struct nst_tcp *tp = nst_alloc(st->env, sizeof(*tp));

	if (!tp)
		return NULL;
	sock_init(&tp->sk, st, SOCK_K_TCP, family, IP_PROTO_TCP, user);
	tp->state = NST_TCP_CLOSE;
	tcp_reset_facts(tp);
	tcp_timers_init(tp);
	return tp;
}

void tcp_inherit(struct nst_tcp *child, const struct nst_tcp *from)
{
	child->sk.opt = from->sk.opt;
	child->conf = from->conf;
	child->conf.fo = (struct tcp_fo_conf){0};
	child->cc = from->cc;
	tcp_buf_init(child);
}

void tcp_free(struct nst_tcp *tp)
{
	struct nst_stack *st = tp->sk.st;

	tcp_timers_stop(tp);
	tcp_fo_child_done(tp, false);
	tcp_fo_listener_gone(tp);
	tcp_sent_free(tp);
	nst_tcp_saved_syn_drop(tp);
	tcp_ooo_free(tp);
	tcp_buf_free(tp);
	if (tp->orphan)
		st->tcp->norphans--;
	if (tp->sk.conn.pprev)
		demux_remove(st->demux, &tp->sk.conn);
	sock_fini(&tp->sk);
	nst_release(st->env, tp, sizeof(*tp));
}

/* ---- deferred release ---- */

static void reap_all(struct tcp_layer *l)
{
	while (l->graves) {
		struct tcp_grave g = *l->graves;

		l->graves = g.next;
		nst_release(l->st->env, g.p, g.bytes);
	}
	l->grave_bytes = 0;
	wheel_stop(l->st->wheel, &l->reap);
}

void tcp_reap(struct nst_stack *st)
{
	if (st->tcp->graves && !st->lo_head)
		reap_all(st->tcp);
}

static void reap_fire(struct wheel_timer *t, nst_time now)
{
	struct tcp_layer *l = container_of(t, struct tcp_layer, reap);

	if (l->st->lo_head)
		wheel_arm(l->st->wheel, t, now);
	else
		reap_all(l);
}

void tcp_bury(struct nst_stack *st, void *p, size_t bytes)
{
	struct tcp_layer *l = st->tcp;
	struct tcp_grave *g;

	g = (struct tcp_grave *)(void *)((uint8_t *)p + bytes - sizeof(*g));
	g->p = p;
	g->bytes = bytes;
	g->next = l->graves;
	l->graves = g;
	l->grave_bytes += bytes;
	/* A timer only as the last resort: the next event reaps anyway. */
	if (!wheel_armed(&l->reap))
		wheel_arm(st->wheel, &l->reap, st->now + 100 * NST_MS);
}

/* ---- the layer ---- */

struct tcp_layer *tcp_layer_new(struct nst_stack *st)
{
	struct tcp_layer *l = nst_alloc(st->env, sizeof(*l));

	if (!l)
		return NULL;
	l->st = st;
	tcp_sysctl_init(&l->ctl);
	l->reap.fn = reap_fire;
	l->resumed_at = -1;
	st->env->random(st->env->ctx, l->isn_key, sizeof(l->isn_key));
	st->env->random(st->env->ctx, l->ts_key, sizeof(l->ts_key));
	st->env->random(st->env->ctx, l->cookie_key, sizeof(l->cookie_key));
	return l;
}

static void free_node(struct demux_node *n, void *arg)
{
	(void)arg;
	if (n->kind == DEMUX_TCP_REQ)
		tcp_req_free(container_of(n, struct tcp_req, node));
	else if (n->kind == DEMUX_TIME_WAIT)
		tcp_tw_free(container_of(n, struct tcp_tw, node));
	else if (n->kind == DEMUX_FWD_REQ)
		nst_fwd_drop(container_of(n, struct nst_fwd_req, node));
}

void tcp_layer_free(struct nst_stack *st)
{
	struct nst_sock *s, *next;

	if (!st->tcp)
		return;
	demux_each(st->demux, free_node, NULL);
	for (s = st->tcps; s; s = next) {
		next = s->next;
		tcp_free(tcp_of(s));
	}
	reap_all(st->tcp);
	tcp_gro_drop(st->tcp);
	tcp_fo_layer_free(st->tcp);
	nst_release(st->env, st->tcp, sizeof(*st->tcp));
	st->tcp = NULL;
}

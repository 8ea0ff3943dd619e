/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Half-open requests: SYN-RECEIVED of a passive open without an endpoint. The
 * SYN-ACK leaves in the SYN's event; the request's own timer repeats it, up to
 * a limit. When the queue is full, cookies (tcp_cookie.c) take over. What ends
 * a request is in tcp_req_in.c.
 */
#include "netstack/base/addr.h"
#include "netstack/base/mem.h"
#include "netstack/tcp/tcp_child.h"

_Static_assert(sizeof(struct tcp_req) <= TCP_SMALL_BYTES, "small object");

static struct nst_stack *stack_of(const struct tcp_req *r)
{
	return r->listener->sk.st;
}

static void link_req(struct tcp_req *r, struct nst_tcp *l)
{
	r->next = l->reqs;
	r->pprev = &l->reqs;
	if (r->next)
		r->next->pprev = &r->next;
	l->reqs = r;
	l->nreqs++;
	l->young += !r->timeouts;
	l->sk.st->tcp->nreqs++;
}

void tcp_req_free(struct tcp_req *r)
{
	struct nst_stack *st = stack_of(r);

	if (r->node.pprev)
		demux_remove(st->demux, &r->node);
	if (wheel_armed(&r->timer))
		wheel_stop(st->wheel, &r->timer);
	*r->pprev = r->next;
	if (r->next)
		r->next->pprev = r->pprev;
	r->listener->nreqs--;
	r->listener->young -= !r->timeouts;
	st->tcp->nreqs--;
	tcp_saved_syn_free(st, r->saved_syn);
	nst_release(st->env, r, sizeof(*r));
}

nst_time tcp_req_deadline(const struct tcp_req *r)
{
	nst_time max = stack_of(r)->tcp->ctl.tcp_rto_max_ms * NST_MS;
	uint32_t n = u32_min(r->timeouts, 16);

	return r->sent + t_min(TCP_TIMEOUT_INIT << n, max);
}

/* ---- SYN-ACK ---- */

static uint8_t synack_tos(const struct tcp_req *r)
{
	const struct nst_tcp *l = r->listener;
	bool v6 = r->node.key.remote.family == 6;

	if (l->sk.st->tcp->ctl.tcp_reflect_tos)
		return r->syn_tos & 0xfc;
	return v6 ? l->sk.opt.tclass : l->sk.opt.tos;
}

static void send_synack(struct tcp_req *r, const struct tcp_fo_cookie *fo)
{
	struct nst_stack *st = stack_of(r);
	struct tcp_out_hdr h = {.flags = TCP_SYN | TCP_ACK};
	uint8_t ect;

	h.sport = r->node.key.lport;
	h.dport = r->node.key.rport;
	h.seq = r->iss;
	h.ack = seq_add(r->irs, 1);
	h.wnd = r->wnd;
	h.mss = r->advmss;
	h.ts = r->ts_on;
	h.tsval = r->cookie ? tcp_cookie_tsval(r) : tcp_ts_now(st, r->ts_off);
	h.tsecr = r->ts_recent;
	h.sack_perm = r->sack_on;
	h.wscale_ok = r->wscale_on;
	h.wscale = r->rcv_wscale;
	if (fo)
		h.fo = *fo;
	r->ts_last = h.tsval;
	ect = tcp_ecn_req_synack(r, &h);
	tcp_xmit_stateless(st, &r->node.key, &h, r->ifindex,
			   (uint8_t)((synack_tos(r) & 0xfc) | ect));
}

void tcp_req_send_synack(struct tcp_req *r)
{
	struct nst_stack *st = stack_of(r);

	TCP_COUNT(st, RetransSegs);
	TCP_COUNT(st, SynRetrans);
	if (r->retrans < UINT8_MAX)
		r->retrans++;
	send_synack(r, NULL);
}

void tcp_req_send_ack(struct tcp_req *r)
{
	struct nst_stack *st = stack_of(r);
	struct tcp_out_hdr h = {.flags = TCP_ACK};

	h.sport = r->node.key.lport;
	h.dport = r->node.key.rport;
	h.seq = seq_add(r->iss, 1);
	h.ack = seq_add(r->irs, 1);
	h.wnd = (uint16_t)(r->wnd >> r->rcv_wscale);
	h.ts = r->ts_on;
	h.tsval = tcp_ts_now(st, r->ts_off);
	h.tsecr = r->ts_recent;
	tcp_xmit_stateless(st, &r->node.key, &h, r->ifindex, synack_tos(r));
}

/* ---- the timer ---- */

/* LINUX: TCP_DEFER_ACCEPT is kept as SYN-ACK time-outs: 1, 3, 7 … seconds. */
uint32_t tcp_req_defer_timeouts(const struct nst_tcp *l)
{
	uint32_t period = 1, step = 1, n = 1;
	uint32_t max = (uint32_t)l->sk.st->tcp->ctl.tcp_rto_max_ms / 1000;

	if (!l->conf.defer_s)
		return 0;
	for (; period < l->conf.defer_s && n < 255; n++) {
		step = u32_min(step * 2, max);
		period += step;
	}
	return n;
}

/* LINUX: when the queue is more than half full, old requests make room for
 * young ones: the fewer of these there are, the fewer repetitions. */
static uint32_t max_timeouts(const struct nst_tcp *l)
{
	uint32_t max = l->conf.syncnt
			   ? l->conf.syncnt
			   : (uint32_t)l->sk.st->tcp->ctl.tcp_synack_retries;
	uint32_t young = l->young * 2;

	if (l->nreqs * 2 <= u32_max(8, (uint32_t)l->backlog))
		return max;
	while (max > 2 && l->nreqs >= young) {
		max--;
		young *= 2;
	}
	return max;
}

static bool expired(const struct tcp_req *r, uint32_t defer)
{
	if (r->timeouts < max_timeouts(r->listener))
		return false;
	return !defer || !r->acked || r->timeouts >= defer;
}

/* Not while it waits for data; again as the time ends: a last chance. */
static bool repeats(const struct tcp_req *r, uint32_t defer)
{
	return !defer || !r->acked || r->timeouts + 1u >= defer;
}

static void req_fire(struct wheel_timer *t, nst_time now)
{
	struct tcp_req *r = container_of(t, struct tcp_req, timer);
	struct nst_stack *st = stack_of(r);
	uint32_t defer = tcp_req_defer_timeouts(r->listener);

	stack_enter(st, now);
	TCP_COUNT(st, Timeouts);
	if (expired(r, defer)) {
		TCP_COUNT(st, ReqTimeouts);
		tcp_req_free(r);
	} else {
		if (repeats(r, defer))
			tcp_req_send_synack(r);
		r->listener->young -= !r->timeouts;
		r->timeouts++;
		r->sent = now;
		wheel_arm(st->wheel, &r->timer, tcp_req_deadline(r));
	}
	stack_leave(st);
}

/* ---- making one ---- */

static bool queue_full(const struct nst_tcp *l)
{
	return (int64_t)l->nreqs > l->backlog ||
	       l->sk.st->tcp->nreqs >= LIMIT_SYN_REQS_TOTAL;
}

/* LINUX: tcp_syncookies 1: when full; 2: always; 0: refuse. */
static bool admit(struct nst_tcp *l, bool *cookie)
{
	struct nst_stack *st = l->sk.st;
	int32_t how = st->tcp->ctl.tcp_syncookies;

	*cookie = false;
	if (how != 2 && !queue_full(l))
		return true;
	if (!how) {
		TCP_COUNT(st, ReqQFullDrop);
		return false;
	}
	TCP_COUNT(st, ReqQFullDoCookies);
	*cookie = true;
	return true;
}

/* LINUX: without cookies the last quarter of tcp_max_syn_backlog is for peers
 * that were proven alive; nothing is remembered of peers here. */
static bool reserved(const struct nst_tcp *l)
{
	const struct tcp_sysctl *ctl = &l->sk.st->tcp->ctl;
	int64_t max = ctl->tcp_max_syn_backlog;

	return !ctl->tcp_syncookies && max - (int64_t)l->nreqs < max >> 2;
}

static void take_opts(struct tcp_req *r, const struct tcp_seg *seg)
{
	const struct tcp_sysctl *ctl = &stack_of(r)->tcp->ctl;

	r->peer_mss = seg->mss;
	/* A cookie keeps the others in the timestamp, or not at all. */
	if (r->cookie && !(seg->ts_ok && ctl->tcp_timestamps))
		return;
	r->ts_on = seg->ts_ok && ctl->tcp_timestamps;
	r->ts_recent = r->ts_on ? seg->tsval : 0;
	r->sack_on = seg->sack_perm && ctl->tcp_sack;
	r->wscale_on = seg->wscale_ok && ctl->tcp_window_scaling;
	r->snd_wscale = r->wscale_on ? seg->wscale : 0;
}

/* LINUX: tcp_select_initial_window: whole segments, with the options that will
 * be in them, then what the field can hold. */
static uint32_t first_window(struct tcp_req *r, uint32_t mss)
{
	struct tcp_first_wnd f =
	    tcp_wnd_first(r->listener, mss - (r->ts_on ? 12 : 0), r->wscale_on);

	r->rcv_wscale = f.wscale;
	return u32_min(f.wnd, 65535);
}

/* Advertised MSS and first window, by the listener's options and the path. */
static enum nst_err plan(struct tcp_req *r)
{
	const struct nst_tcp *l = r->listener;
	struct ip_path path;
	uint32_t hdrs = r->node.key.remote.family == 6 ? 60 : 40;
	uint32_t mss;
	enum nst_err e =
	    ip_path_find(l->sk.st, &r->node.key.remote, &r->node.key.local,
			 r->ifindex, true, &path);

	if (e != NST_OK)
		return e;
	mss = u32_min(path.mtu, 65535) - hdrs;
	if (l->conf.user_mss)
		mss = u32_min(mss, l->conf.user_mss);
	r->advmss = (uint16_t)mss;
	r->wnd = (uint16_t)first_window(r, mss);
	return NST_OK;
}

static uint32_t ifindex_for(const struct tcp_req *r)
{
	uint32_t bound = r->listener->sk.opt.bound_if;

	return bound ? bound : r->node.key.remote.scope;
}

static void facts(struct tcp_req *r, struct nst_tcp *l,
		  const struct tcp_seg *seg)
{
	struct nst_stack *st = l->sk.st;

	r->listener = l;
	r->node.key = tcp_seg_key(seg);
	r->node.kind = DEMUX_TCP_REQ;
	r->timer.fn = req_fire;
	r->sent = st->now;
	r->last_oow = TCP_OOW_NEVER;
	r->irs = seg->seq;
	r->syn_tos = seg->in->tos;
	r->ifindex = ifindex_for(r);
	take_opts(r, seg);
	tcp_ecn_req_syn(r, seg);
	r->ts_off = r->ts_on ? tcp_ts_offset(st, &r->node.key) : 0;
	r->ts_first = r->ts_last = tcp_ts_now(st, r->ts_off);
}

static bool send_cookie(struct nst_tcp *l, const struct tcp_seg *seg)
{
	struct tcp_req r = {.cookie = true};
	uint16_t mss = seg->mss ? seg->mss : TCP_MSS_DEFAULT;

	facts(&r, l, seg);
	if (l->conf.user_mss && mss > l->conf.user_mss)
		mss = l->conf.user_mss;
	if (plan(&r) != NST_OK)
		return false;
	r.iss = tcp_cookie_isn(l, &r.node.key, seg->seq, &mss);
	TCP_COUNT(l->sk.st, SyncookiesSent);
	send_synack(&r, NULL);
	return true;
}

/* RFC 7413 4.2: the SYN itself makes the endpoint. */
static bool fast_open(struct tcp_req *r, struct tcp_seg *seg,
		      struct tcp_fo_cookie *reply)
{
	struct nst_tcp *l = r->listener, *tp;
	struct nst_stack *st = l->sk.st;

	if (!tcp_fo_wanted(l, seg, reply))
		return false;
	tp = tcp_child_new(l, r);
	if (!tp) {
		TCP_COUNT(st, FastOpenPassiveFail);
		return false;
	}
	TCP_COUNT(st, FastOpenPassive);
	TCP_COUNT(st, PassiveOpens);
	tp->fo.cookie = *reply;
	tcp_fo_child_start(l, tp, seg);
	return true;
}

enum nst_err tcp_req_put(struct nst_tcp *l, const struct tcp_req *from,
			 struct tcp_req **out)
{
	struct nst_stack *st = l->sk.st;
	struct tcp_req *r = nst_alloc(st->env, sizeof(*r));
	enum nst_err e;

	if (!r)
		return NST_E_NOMEM;
	*r = *from;
	r->listener = l;
	r->node.kind = DEMUX_TCP_REQ;
	r->timer.fn = req_fire;
	e = demux_insert(st->demux, &r->node);
	if (e != NST_OK) {
		nst_release(st->env, r, sizeof(*r));
		return e;
	}
	r->timer.turn = r->iss.v;
	link_req(r, l);
	*out = r;
	return NST_OK;
}

static enum nst_err start(struct nst_tcp *l, struct tcp_seg *seg,
			  const struct seq *isn)
{
	struct nst_stack *st = l->sk.st;
	struct tcp_fo_cookie reply = {0};
	struct tcp_req tmp = {0}, *r;
	enum nst_err e;

	facts(&tmp, l, seg);
	tmp.iss = isn ? *isn : tcp_isn(st, &tmp.node.key);
	e = plan(&tmp);
	if (e != NST_OK)
		return e;
	tmp.saved_syn = tcp_saved_syn_new(l, seg);
	if (fast_open(&tmp, seg, &reply))
		return e;
	e = tcp_req_put(l, &tmp, &r);
	if (e != NST_OK) {
		tcp_saved_syn_free(st, tmp.saved_syn);
		return e;
	}
	wheel_arm(st->wheel, &r->timer, tcp_req_deadline(r));
	send_synack(r, &reply);
	return NST_OK;
}

void tcp_req_new(struct nst_tcp *l, struct tcp_seg *seg, const struct seq *isn)
{
	struct nst_stack *st = l->sk.st;
	bool cookie = false, done;

	done = isn || admit(l, &cookie);
	if (done && tcp_acceptq_full(l)) {
		TCP_COUNT(st, ListenOverflows);
		done = false;
	}
	if (done && cookie)
		done = send_cookie(l, seg);
	else if (done)
		done = (isn || !reserved(l)) && start(l, seg, isn) == NST_OK;
	if (!done)
		TCP_COUNT(st, ListenDrops);
}

enum nst_err tcp_req_plan_cookie(struct tcp_req *r, const struct tcp_seg *seg)
{
	r->node.kind = DEMUX_TCP_REQ;
	r->syn_tos = seg->in->tos;
	r->ifindex = ifindex_for(r);
	return plan(r);
}

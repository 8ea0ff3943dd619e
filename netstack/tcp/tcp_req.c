/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Half-open requests: SYN-RECEIVED of a passive open without an endpoint. The
 * SYN-ACK leaves in the SYN's event; the request's own timer repeats it, up to
 * a limit; the final ACK makes the endpoint, if the accept queue has room.
 */
#include "netstack/base/addr.h"
#include "netstack/tcp/tcp_req.h"

_Static_assert(sizeof(struct tcp_req) <= TCP_SMALL_BYTES, "small object");

static struct nst_stack *stack_of(const struct tcp_req *r)
{
	return r->listener->sk.st;
}

static void link_req(struct tcp_req *r, struct nst_tcp *l)
{
	r->listener = l;
	r->next = l->reqs;
	r->pprev = &l->reqs;
	if (r->next)
		r->next->pprev = &r->next;
	l->reqs = r;
	l->nreqs++;
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
	st->tcp->nreqs--;
	nst_release(st->env, r, sizeof(*r));
}

nst_time tcp_req_deadline(const struct tcp_req *r)
{
	return r->sent + tcp_handshake_gap(r->retries, 0);
}

static void send_synack(struct tcp_req *r)
{
	struct nst_stack *st = stack_of(r);
	const struct sock_opts *o = &r->listener->sk.opt;
	bool v6 = r->node.key.remote.family == 6;
	struct tcp_out_hdr h = {.flags = TCP_SYN | TCP_ACK};

	h.sport = r->node.key.lport;
	h.dport = r->node.key.rport;
	h.seq = r->iss;
	h.ack = seq_add(r->irs, 1);
	h.wnd = r->wnd;
	h.mss = r->advmss;
	h.ts = r->ts_on;
	h.tsval = tcp_ts_now(st, r->ts_off);
	h.tsecr = r->ts_recent;
	h.sack_perm = r->sack_on;
	h.wscale_ok = r->wscale_on;
	h.wscale = r->rcv_wscale;
	tcp_xmit_stateless(st, &r->node.key, &h, r->ifindex,
			   v6 ? o->tclass : o->tos);
}

static void send_ack(struct tcp_req *r)
{
	struct nst_stack *st = stack_of(r);
	struct tcp_out_hdr h = {.flags = TCP_ACK};

	if (st->now - r->last_oow < TCP_INVALID_RATELIMIT) {
		TCP_COUNT(st, ChallengeACKLimited);
		return;
	}
	r->last_oow = st->now;
	TCP_COUNT(st, ChallengeACK);
	h.sport = r->node.key.lport;
	h.dport = r->node.key.rport;
	h.seq = seq_add(r->iss, 1);
	h.ack = seq_add(r->irs, 1);
	h.wnd = (uint16_t)(r->wnd >> r->rcv_wscale);
	h.ts = r->ts_on;
	h.tsval = tcp_ts_now(st, r->ts_off);
	h.tsecr = r->ts_recent;
	tcp_xmit_stateless(st, &r->node.key, &h, r->ifindex, 0);
}

/* ---- the timer ---- */

static bool deferred(const struct tcp_req *r)
{
	const struct nst_tcp *l = r->listener;

	/* SYN-ACK repetitions that the asked-for seconds make: 1 + 2 + 4 … */
	return l->conf.defer_s &&
	       (1u << (r->retries + 1)) - 1 <= l->conf.defer_s;
}

static void req_fire(struct wheel_timer *t, nst_time now)
{
	struct tcp_req *r = container_of(t, struct tcp_req, timer);
	struct nst_stack *st = stack_of(r);

	stack_enter(st, now);
	/* LINUX: a deferred request waits on past the limit for its data. */
	if (r->retries >= TCP_SYNACK_RETRIES &&
	    !(r->acked && deferred(r) && r->retries < 30)) {
		TCP_COUNT(st, ReqTimeouts);
		TCP_COUNT(st, AttemptFails);
		tcp_req_free(r);
	} else {
		bool silent = r->acked && deferred(r);

		r->retries++;
		r->sent = now;
		if (!silent) {
			TCP_COUNT(st, RetransSegs);
			send_synack(r);
		}
		wheel_arm(st->wheel, &r->timer, tcp_req_deadline(r));
	}
	stack_leave(st);
}

/* ---- making one ---- */

static bool queue_full(const struct nst_tcp *l)
{
	uint32_t max = LIMIT_TCP_SYN_BACKLOG;

	if (l->backlog > 0)
		max = u32_max(max, (uint32_t)l->backlog);
	return l->nreqs >= max || l->sk.st->tcp->nreqs >= LIMIT_SYN_REQS_TOTAL;
}

static void take_opts(struct tcp_req *r, const struct tcp_seg *seg)
{
	r->peer_mss = seg->mss;
	r->ts_on = seg->ts_ok;
	r->ts_recent = seg->tsval;
	r->sack_on = seg->sack_perm;
	r->wscale_on = seg->wscale_ok;
	r->snd_wscale = seg->wscale;
}

/* Advertised MSS and first window, by the listener's options and the path. */
static enum nst_err plan(struct tcp_req *r)
{
	const struct nst_tcp *l = r->listener;
	struct ip_path path;
	uint32_t hdrs = r->node.key.remote.family == 6 ? 60 : 40;
	uint32_t mss, wnd;
	enum nst_err e =
	    ip_path_find(l->sk.st, &r->node.key.remote, &r->node.key.local,
			 r->ifindex, true, &path);

	if (e != NST_OK)
		return e;
	mss = u32_min(path.mtu, 65535) - hdrs;
	if (l->conf.user_mss)
		mss = u32_min(mss, l->conf.user_mss);
	r->advmss = (uint16_t)mss;
	wnd = u32_min(l->rcv_limit, 65535);
	if (l->conf.window_clamp)
		wnd = u32_min(wnd, l->conf.window_clamp);
	if (wnd > mss)
		wnd -= wnd % mss;
	r->wnd = (uint16_t)wnd;
	r->rcv_wscale = r->wscale_on ? tcp_wnd_scale(l) : 0;
	return NST_OK;
}

void tcp_req_new(struct nst_tcp *l, const struct tcp_seg *seg,
		 const struct seq *isn)
{
	struct nst_stack *st = l->sk.st;
	struct tcp_req *r;

	if (queue_full(l)) {
		TCP_COUNT(st, ReqLimit);
		TCP_COUNT(st, ListenDrops);
		return;
	}
	r = nst_alloc(st->env, sizeof(*r));
	if (!r) {
		TCP_COUNT(st, ListenDrops);
		return;
	}
	link_req(r, l);
	r->node.key = tcp_seg_key(seg);
	r->node.kind = DEMUX_TCP_REQ;
	r->timer.fn = req_fire;
	r->sent = st->now;
	r->last_oow = st->now - TCP_INVALID_RATELIMIT;
	r->irs = seg->seq;
	r->iss = isn ? *isn : tcp_isn(st, &r->node.key);
	r->ts_off = tcp_ts_offset(st, &r->node.key);
	r->ifindex =
	    l->sk.opt.bound_if ? l->sk.opt.bound_if : r->node.key.remote.scope;
	take_opts(r, seg);
	if (plan(r) != NST_OK || demux_insert(st->demux, &r->node) != NST_OK) {
		TCP_COUNT(st, ListenDrops);
		tcp_req_free(r);
		return;
	}
	wheel_arm(st->wheel, &r->timer, tcp_req_deadline(r));
	send_synack(r);
}

/* ---- segments for one ---- */

static void child_facts(struct nst_tcp *tp, const struct tcp_req *r)
{
	tp->iss = r->iss;
	tp->irs = r->irs;
	tp->rcv_nxt = seq_add(r->irs, 1);
	tp->advmss = r->advmss;
	tp->peer_mss = r->peer_mss;
	tp->ts_on = r->ts_on;
	tp->sack_on = r->sack_on;
	tp->wscale_on = r->wscale_on;
	tp->snd_wscale = r->wscale_on ? r->snd_wscale : 0;
	tp->rcv_wscale = r->rcv_wscale;
	tp->ts_off = r->ts_off;
	tp->ts_recent = r->ts_recent;
	tp->ts_recent_at = tp->sk.st->now;
	tp->hs_sent = r->sent;
	tp->hs_n = r->retries;
	tp->snd_una = r->iss;
	tp->snd_nxt = seq_add(r->iss, 1);
	tp->snd_base = tp->snd_nxt;
	tp->snd_sml = tp->snd_up = tp->push_seq = tp->snd_nxt;
	tp->high_seq = tp->cwnd_usage_seq = tp->rtt_seq = tp->iss;
	tcp_wnd_init(tp);
}

/* The endpoint that replaces the request; NULL: no memory, no way back. */
static struct nst_tcp *make_child(struct tcp_req *r)
{
	struct nst_tcp *l = r->listener;
	struct nst_stack *st = l->sk.st;
	struct nst_tcp *tp = tcp_alloc(st, l->sk.family, NULL);

	if (!tp)
		return NULL;
	tcp_inherit(tp, l);
	tp->sk.local =
	    (struct nst_sockaddr){r->node.key.local, r->node.key.lport};
	tp->sk.remote =
	    (struct nst_sockaddr){r->node.key.remote, r->node.key.rport};
	if (tcp_path_refresh(tp) != NST_OK) {
		tcp_free(tp);
		return NULL;
	}
	child_facts(tp, r);
	tp->sk.conn.key = r->node.key;
	tp->sk.conn.kind = DEMUX_SOCK;
	demux_remove(st->demux, &r->node);
	if (demux_insert(st->demux, &tp->sk.conn) != NST_OK) {
		tcp_free(tp);
		return NULL;
	}
	ports_inherit(st->ports, &tp->sk, &l->sk);
	tp->sk.bound_addr = l->sk.bound_addr; /* LINUX: the port's is not */
	tp->listener = l;
	tcp_set_state(tp, NST_TCP_SYN_RCVD);
	return tp;
}

static void complete(struct tcp_req *r, struct tcp_seg *seg)
{
	struct nst_stack *st = stack_of(r);
	struct nst_tcp *l = r->listener, *tp;

	if (tcp_acceptq_full(l)) {
		/* LINUX: the ACK is dropped; the repeated SYN-ACK asks. */
		TCP_COUNT(st, ListenOverflows);
		TCP_COUNT(st, ListenDrops);
		r->acked = true;
		return;
	}
	tp = make_child(r);
	if (!tp) {
		TCP_COUNT(st, ListenDrops);
		if (!r->node.pprev)
			tcp_req_free(r);
		return;
	}
	tcp_req_free(r);
	TCP_COUNT(st, PassiveOpens);
	tcp_in_conn(tp, seg);
	if (tp->acc_queued)
		return;
	/* Its checks are ours: it must have been queued. Not lost if not. */
	tcp_done(tp);
	tcp_free(tp);
}

static bool paws_old(const struct tcp_req *r, const struct tcp_seg *seg)
{
	return r->ts_on && seg->ts_ok &&
	       (int32_t)(r->ts_recent - seg->tsval) > 0;
}

/* The peer's SYN again: our SYN-ACK was lost. */
static bool syn_again(struct tcp_req *r, const struct tcp_seg *seg)
{
	struct nst_stack *st = stack_of(r);

	if ((seg->flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN ||
	    !seq_eq(seg->seq, r->irs))
		return false;
	if (st->now - r->last_oow < TCP_SYN_REXMIT_GAP) {
		TCP_COUNT(st, ChallengeACKLimited);
		return true;
	}
	r->last_oow = st->now;
	TCP_COUNT(st, RetransSegs);
	send_synack(r);
	return true;
}

static bool in_window(const struct tcp_req *r, const struct tcp_seg *seg)
{
	struct seq nxt = seq_add(r->irs, 1);

	return seq_ge(seg->end, nxt) && seq_le(seg->seq, seq_add(nxt, r->wnd));
}

/* RFC 9293 3.10.7.4 for SYN-RECEIVED, RFC 5961. */
void tcp_req_in(struct tcp_req *r, struct tcp_seg *seg)
{
	struct nst_stack *st = stack_of(r);
	bool old = !(seg->flags & TCP_RST) && paws_old(r, seg);

	if (syn_again(r, seg))
		return;
	if (old || !in_window(r, seg)) { /* first */
		if (old)
			TCP_COUNT(st, PAWSDrops);
		else
			TCP_COUNT(st, OutOfWindow);
		if (!(seg->flags & TCP_RST))
			send_ack(r);
		return;
	}
	if (seg->flags & TCP_RST) { /* second */
		if (!seq_eq(seg->seq, seq_add(r->irs, 1))) {
			TCP_COUNT(st, RstInWindowOnly);
			send_ack(r);
			return;
		}
		TCP_COUNT(st, AttemptFails);
		tcp_req_free(r);
		return;
	}
	if (seg->flags & TCP_SYN) { /* fourth */
		TCP_COUNT(st, SYNChallenge);
		send_ack(r);
		return;
	}
	if (!(seg->flags & TCP_ACK)) /* fifth */
		return;
	if (!seq_eq(seg->ack, seq_add(r->iss, 1))) {
		tcp_rst_reply(st, seg);
		return;
	}
	if (deferred(r) && !seg->len && !(seg->flags & TCP_FIN)) {
		r->acked = true; /* TCP_DEFER_ACCEPT: wait for data */
		return;
	}
	complete(r, seg);
}

void tcp_req_icmp(struct tcp_req *r, struct seq seq)
{
	/* LINUX: tcp_req_err: only if it quotes our SYN-ACK. */
	if (!seq_eq(seq, r->iss))
		return;
	TCP_COUNT(stack_of(r), AttemptFails);
	tcp_req_free(r);
}

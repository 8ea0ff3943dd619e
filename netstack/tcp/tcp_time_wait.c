/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TIME-WAIT, and a FIN-WAIT-2 without an owner, as a small object: RFC 9293
 * 3.10.7.4, RFC 6191 (early reuse by timestamps or sequence numbers), RFC 1337
 * (RST does not end it, setting tcp_rfc1337). The order of checks is LINUX's
 * tcp_timewait_state_process.
 */
#include "netstack/ip/addr_kind.h"
#include "netstack/tcp/tcp_req.h"

_Static_assert(sizeof(struct tcp_tw) <= TCP_SMALL_BYTES, "small object");

nst_time tcp_tw_deadline(const struct tcp_tw *tw)
{
	return tw->since + tw->wait_ms * NST_MS;
}

void tcp_tw_free(struct tcp_tw *tw)
{
	struct nst_stack *st = tw->st;

	if (tw->node.pprev)
		demux_remove(st->demux, &tw->node);
	if (wheel_armed(&tw->timer))
		wheel_stop(st->wheel, &tw->timer);
	ports_hold_drop(st->ports, &tw->hold);
	st->tcp->ntw--;
	nst_release(st->env, tw, sizeof(*tw));
}

/* A later deadline moves `since`; the timer notices when it fires. */
static void tw_fire(struct wheel_timer *t, nst_time now)
{
	struct tcp_tw *tw = container_of(t, struct tcp_tw, timer);

	if (tcp_tw_deadline(tw) > now)
		wheel_arm(tw->st->wheel, t, tcp_tw_deadline(tw));
	else
		tcp_tw_free(tw);
}

static uint32_t clock_ms(const struct nst_stack *st)
{
	return (uint32_t)(st->now / NST_MS);
}

static struct tcp_tw *alloc(struct nst_stack *st)
{
	struct tcp_tw *tw = nst_alloc(st->env, sizeof(*tw));

	if (!tw)
		return NULL;
	st->tcp->ntw++;
	tw->st = st;
	tw->node.kind = DEMUX_TIME_WAIT;
	tw->timer.fn = tw_fire;
	return tw;
}

enum nst_err tcp_tw_put(struct nst_stack *st, const struct tcp_tw *from,
			uint16_t hold_port)
{
	struct tcp_tw *tw = alloc(st);
	struct tcp_tw made;
	enum nst_err e = NST_OK;

	if (!tw)
		return NST_E_NOMEM;
	made = *tw;
	*tw = *from;
	tw->st = st;
	tw->timer = made.timer;
	tw->node.kind = made.node.kind;
	if (hold_port)
		e = ports_hold_load(st->ports, &tw->hold, hold_port);
	if (e == NST_OK)
		e = demux_insert(st->demux, &tw->node);
	tw->timer.turn = tw->snd_nxt.v;
	if (e != NST_OK)
		tcp_tw_free(tw);
	return e;
}

static struct tcp_tw *start(struct nst_stack *st)
{
	struct tcp_tw *tw;

	if (st->tcp->ntw >= (size_t)st->tcp->ctl.tcp_max_tw_buckets)
		return NULL;
	tw = alloc(st);
	if (!tw)
		return NULL;
	tw->since = st->now;
	tw->entered_ms = clock_ms(st);
	tw->last_oow = TCP_OOW_NEVER;
	return tw;
}

static struct tcp_tw *make(struct nst_tcp *tp, uint8_t sub, nst_time wait)
{
	struct tcp_tw *tw = start(tp->sk.st);

	if (!tw)
		return NULL;
	tw->sub = sub;
	tw->wait_ms = (uint32_t)(wait / NST_MS);
	tw->node.key = tp->sk.conn.key;
	tw->snd_nxt = tp->snd_nxt;
	tw->rcv_nxt = tp->rcv_nxt;
	tw->rcv_wnd = tcp_rcv_wnd(tp);
	tw->rcv_wscale = tp->rcv_wscale;
	tw->ts_on = tp->ts_on;
	tw->ts_recent = tp->ts_recent;
	tw->ts_recent_at = tp->ts_recent_at;
	tw->ts_off = tp->ts_off;
	tw->ifindex = tp->sk.opt.bound_if;
	tw->tos =
	    tp->sk.remote.addr.family == 6 ? tp->sk.opt.tclass : tp->sk.opt.tos;
	tw->tos = (uint8_t)((tw->tos & 0xfc) | tp->ecn.tx);
	ports_hold_take(tp->sk.st->ports, &tw->hold, &tp->sk);
	return tw;
}

static void become(struct nst_tcp *tp, uint8_t sub, nst_time wait)
{
	struct nst_stack *st = tp->sk.st;
	struct tcp_tw *tw = make(tp, sub, wait);

	tcp_done(tp);
	if (!tw) {
		TCP_COUNT(st, TimeWaitOverflow);
		return;
	}
	if (demux_insert(st->demux, &tw->node) != NST_OK) {
		tcp_tw_free(tw);
		return;
	}
	tw->timer.turn = tw->snd_nxt.v;
	wheel_arm(st->wheel, &tw->timer, tcp_tw_deadline(tw));
	TCP_COUNT(st, TW);
}

void tcp_time_wait(struct nst_tcp *tp)
{
	tcp_set_state(tp, NST_TCP_TIME_WAIT);
	become(tp, TCP_TW_TIME_WAIT, TCP_TIMEWAIT_LEN);
}

void tcp_fin_wait2(struct nst_tcp *tp, nst_time wait)
{
	become(tp, TCP_TW_FIN_WAIT2, wait);
}

/* ---- segments ---- */

static void send_ack(struct tcp_tw *tw, uint8_t tos)
{
	struct tcp_out_hdr h = {.flags = TCP_ACK};

	h.sport = tw->node.key.lport;
	h.dport = tw->node.key.rport;
	h.seq = tw->snd_nxt;
	h.ack = tw->rcv_nxt;
	h.wnd = (uint16_t)(tw->rcv_wnd >> tw->rcv_wscale);
	h.ts = tw->ts_on;
	h.tsval = tcp_ts_now(tw->st, tw->ts_off);
	h.tsecr = tw->ts_recent;
	tcp_xmit_stateless(tw->st, &tw->node.key, &h, tw->ifindex, tos);
}

/* Data is not part of a loop of ACKs: it is always answered. */
static void oow_ack(struct tcp_tw *tw, const struct tcp_seg *seg,
		    uint64_t *skipped)
{
	bool data = !seq_eq(seg->seq, seg->end) && !(seg->flags & TCP_SYN);

	if (!data && tcp_oow_limited(tw->st, &tw->last_oow))
		(*skipped)++;
	else /* LINUX: ECT goes with answers to what was expected only */
		send_ack(tw, tw->tos & 0xfc);
}

/* LINUX: a RST's old timestamp is forgiven after a minute. */
static bool paws_old(const struct tcp_tw *tw, const struct tcp_seg *seg)
{
	nst_time age = tw->st->now - tw->ts_recent_at;

	if (!tw->ts_on || !seg->ts_ok ||
	    !tcp_ts_older(tw->ts_recent, seg->tsval, age, 0))
		return false;
	return !(seg->flags & TCP_RST) || age < TCP_PAWS_MSL;
}

static void take_ts(struct tcp_tw *tw, const struct tcp_seg *seg)
{
	if (!tw->ts_on || !seg->ts_ok)
		return;
	tw->ts_recent = seg->tsval;
	tw->ts_recent_at = tw->st->now;
}

static void restart(struct tcp_tw *tw)
{
	tw->since = tw->st->now;
	tw->wait_ms = (uint32_t)(TCP_TIMEWAIT_LEN / NST_MS);
	/* FIN-WAIT-2 may have been set to last longer than this. */
	wheel_stop(tw->st->wheel, &tw->timer);
	wheel_arm(tw->st->wheel, &tw->timer, tcp_tw_deadline(tw));
}

static void fin_wait2_in(struct tcp_tw *tw, struct tcp_seg *seg, bool old)
{
	struct nst_stack *st = tw->st;
	struct seq edge = seq_add(tw->rcv_nxt, tw->rcv_wnd);
	bool fin = seg->flags & TCP_FIN;

	if (old || !tcp_seg_in_window(seg, tw->rcv_nxt, edge)) {
		oow_ack(tw, seg, &st->count.TcpACKSkippedFinWait2);
		return;
	}
	if (seg->flags & TCP_RST) {
		tcp_tw_free(tw);
		return;
	}
	if (!(seg->flags & TCP_SYN) || seq_lt(seg->seq, tw->rcv_nxt)) {
		if (!(seg->flags & TCP_ACK) || !seq_gt(seg->end, tw->rcv_nxt) ||
		    seq_eq(seg->end, seg->seq))
			return; /* nothing new */
		if (fin && seq_eq(seg->end, seq_add(tw->rcv_nxt, 1))) {
			tw->sub = TCP_TW_TIME_WAIT;
			tw->rcv_nxt = seg->end;
			take_ts(tw, seg);
			restart(tw);
			send_ack(tw, tw->tos);
			return;
		}
	}
	/* RFC 1122 4.2.2.13: nobody is here to read; nor for a new SYN. */
	tcp_rst_reply(st, seg);
	tcp_tw_free(tw);
}

/* RFC 9293 3.6.1 and RFC 6191 2: a SYN that is provably new. */
static bool new_syn(const struct tcp_tw *tw, const struct tcp_seg *seg,
		    bool old)
{
	if ((seg->flags & (TCP_SYN | TCP_RST | TCP_ACK)) != TCP_SYN || old)
		return false;
	if (seq_gt(seg->seq, tw->rcv_nxt))
		return true;
	return tw->ts_on && seg->ts_ok &&
	       (int32_t)(tw->ts_recent - seg->tsval) < 0;
}

/* LINUX: past everything that the old connection could have sent. */
static struct seq next_isn(const struct tcp_tw *tw)
{
	return seq_add(tw->snd_nxt, 65535 + 2);
}

/* The last ACK of all again, or a reset. */
static void exact_in(struct tcp_tw *tw, const struct tcp_seg *seg)
{
	if (!(seg->flags & TCP_RST)) {
		restart(tw);
	} else if (!tw->st->tcp->ctl.tcp_rfc1337) {
		tcp_tw_free(tw); /* assassinated, RFC 1337 */
		return;
	}
	take_ts(tw, seg);
}

static void time_wait_in(struct tcp_tw *tw, struct tcp_seg *seg, bool old)
{
	struct nst_stack *st = tw->st;
	bool rst = seg->flags & TCP_RST;

	if (!old && seq_eq(seg->seq, tw->rcv_nxt) &&
	    (seq_eq(seg->end, seg->seq) || rst)) {
		exact_in(tw, seg);
		return;
	}
	if (new_syn(tw, seg, old) && tcp_in_wanted(st, seg)) {
		struct seq isn = next_isn(tw);

		TCP_COUNT(st, TWRecycled);
		tcp_tw_free(tw);
		tcp_in_unmatched(st, seg, &isn);
		return;
	}
	if (old)
		TCP_COUNT(st, PAWSDrops);
	if (rst) {
		TCP_COUNT(st, RstInWindowOnly);
		return;
	}
	/* A SYN may be an old duplicate or good: it does not extend. */
	if (old || (seg->flags & TCP_ACK))
		restart(tw);
	oow_ack(tw, seg, &st->count.TcpACKSkippedTimeWait);
}

void tcp_tw_in(struct tcp_tw *tw, struct tcp_seg *seg)
{
	bool old = paws_old(tw, seg);

	if (tw->sub == TCP_TW_FIN_WAIT2)
		fin_wait2_in(tw, seg, old);
	else
		time_wait_in(tw, seg, old);
}

/* ---- reuse by an active open ---- */

static bool on_loopback(const struct flow_key *k)
{
	return addr_is_loopback(&k->local) || addr_is_loopback(&k->remote);
}

/* LINUX: timestamps are enough where the port was asked for. The peer's last
 * one is kept: it bounds what the new connection accepts. */
bool tcp_tw_reuse(const struct tcp_tw *tw, struct nst_tcp *tp)
{
	if (!tw->ts_on)
		return false;
	tp->iss = next_isn(tw);
	tp->ts_recent = tw->ts_recent;
	tp->ts_recent_at = tw->ts_recent_at;
	return true;
}

/* LINUX: tcp_tw_reuse (2: on loopback) and tcp_tw_reuse_delay. */
bool tcp_tw_yields(const struct demux_node *n)
{
	const struct tcp_sysctl *ctl;
	const struct tcp_tw *tw;

	if (n->kind != DEMUX_TIME_WAIT)
		return false;
	tw = container_of(n, const struct tcp_tw, node);
	ctl = &tw->st->tcp->ctl;
	if (!ctl->tcp_tw_reuse || tw->sub == TCP_TW_FIN_WAIT2 ||
	    (ctl->tcp_tw_reuse == 2 && !on_loopback(&n->key)))
		return false;
	return tw->ts_on && clock_ms(tw->st) - tw->entered_ms >
				(uint32_t)ctl->tcp_tw_reuse_delay;
}

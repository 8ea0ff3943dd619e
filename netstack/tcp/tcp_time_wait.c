/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TIME-WAIT as a small object: RFC 9293 3.10.7.4, RFC 6191 (early reuse by
 * timestamps or sequence numbers), RFC 1337 (RST does not end it).
 */
#include "netstack/ip/addr_kind.h"
#include "netstack/tcp/tcp_req.h"

_Static_assert(sizeof(struct tcp_tw) <= TCP_SMALL_BYTES, "small object");

nst_time tcp_tw_deadline(const struct tcp_tw *tw)
{
	return tw->since + TCP_TIMEWAIT_LEN;
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

/* A repeated FIN moves `since`; the timer notices when it fires. */
static void tw_fire(struct wheel_timer *t, nst_time now)
{
	struct tcp_tw *tw = container_of(t, struct tcp_tw, timer);

	if (tcp_tw_deadline(tw) > now)
		wheel_arm(tw->st->wheel, t, tcp_tw_deadline(tw));
	else
		tcp_tw_free(tw);
}

static struct tcp_tw *make(struct nst_tcp *tp)
{
	struct nst_stack *st = tp->sk.st;
	struct tcp_tw *tw;

	if (st->tcp->ntw >= LIMIT_TIME_WAIT)
		return NULL;
	tw = nst_alloc(st->env, sizeof(*tw));
	if (!tw)
		return NULL;
	st->tcp->ntw++;
	tw->st = st;
	tw->node.key = tp->sk.conn.key;
	tw->node.kind = DEMUX_TIME_WAIT;
	tw->timer.fn = tw_fire;
	tw->since = st->now;
	tw->last_oow = st->now - TCP_INVALID_RATELIMIT;
	tw->snd_nxt = tp->snd_nxt;
	tw->rcv_nxt = tp->rcv_nxt;
	tw->rcv_wnd = tcp_rcv_wnd(tp) >> tp->rcv_wscale;
	tw->ts_on = tp->ts_on;
	tw->ts_recent = tp->ts_recent;
	tw->ts_recent_at = tp->ts_recent_at;
	tw->ts_off = tp->ts_off;
	tw->ifindex = tp->sk.opt.bound_if;
	tw->tos =
	    tp->sk.remote.addr.family == 6 ? tp->sk.opt.tclass : tp->sk.opt.tos;
	ports_hold_take(st->ports, &tw->hold, &tp->sk);
	return tw;
}

void tcp_time_wait(struct nst_tcp *tp)
{
	struct nst_stack *st = tp->sk.st;
	struct tcp_tw *tw = make(tp);

	tcp_set_state(tp, NST_TCP_TIME_WAIT);
	tcp_done(tp);
	if (!tw) {
		TCP_COUNT(st, TimeWaitOverflow);
		return;
	}
	if (demux_insert(st->demux, &tw->node) != NST_OK) {
		tcp_tw_free(tw);
		return;
	}
	wheel_arm(st->wheel, &tw->timer, tcp_tw_deadline(tw));
	TCP_COUNT(st, TW);
}

static void send_ack(struct tcp_tw *tw)
{
	struct tcp_out_hdr h = {.flags = TCP_ACK};

	if (tw->st->now - tw->last_oow < TCP_INVALID_RATELIMIT) {
		TCP_COUNT(tw->st, ChallengeACKLimited);
		return;
	}
	tw->last_oow = tw->st->now;
	h.sport = tw->node.key.lport;
	h.dport = tw->node.key.rport;
	h.seq = tw->snd_nxt;
	h.ack = tw->rcv_nxt;
	h.wnd = (uint16_t)tw->rcv_wnd;
	h.ts = tw->ts_on;
	h.tsval = tcp_ts_now(tw->st, tw->ts_off);
	h.tsecr = tw->ts_recent;
	tcp_xmit_stateless(tw->st, &tw->node.key, &h, tw->ifindex, tw->tos);
}

static bool paws_old(const struct tcp_tw *tw, const struct tcp_seg *seg)
{
	return tw->ts_on && seg->ts_ok &&
	       tw->st->now - tw->ts_recent_at < TCP_PAWS_24DAYS &&
	       (int32_t)(tw->ts_recent - seg->tsval) > 0;
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

/* LINUX: timestamps are enough where the port was asked for. */
bool tcp_tw_reusable(const struct tcp_tw *tw, struct seq *isn)
{
	*isn = next_isn(tw);
	return tw->ts_on;
}

static bool on_loopback(const struct flow_key *k)
{
	return addr_is_loopback(&k->local) || addr_is_loopback(&k->remote);
}

/* LINUX: tcp_tw_reuse 2 and tcp_tw_reuse_delay. */
bool tcp_tw_yields(const struct demux_node *n)
{
	const struct tcp_tw *tw;

	if (n->kind != DEMUX_TIME_WAIT || !on_loopback(&n->key))
		return false;
	tw = container_of(n, const struct tcp_tw, node);
	return tw->ts_on && tw->st->now - tw->since > TCP_TW_REUSE_DELAY;
}

void tcp_tw_in(struct tcp_tw *tw, struct tcp_seg *seg)
{
	struct nst_stack *st = tw->st;
	bool old = paws_old(tw, seg);

	if (seg->flags & TCP_RST) {
		TCP_COUNT(st, RstInWindowOnly); /* RFC 1337 */
		return;
	}
	if (new_syn(tw, seg, old)) {
		struct seq isn = next_isn(tw);

		TCP_COUNT(st, TWRecycled);
		tcp_tw_free(tw);
		tcp_in_unmatched(st, seg, &isn);
		return;
	}
	if (!old && seq_eq(seg->seq, tw->rcv_nxt) &&
	    seq_eq(seg->end, seg->seq)) {
		if (tw->ts_on && seg->ts_ok) {
			tw->ts_recent = seg->tsval;
			tw->ts_recent_at = st->now;
		}
		return; /* the last ACK of all, again */
	}
	if (old)
		TCP_COUNT(st, PAWSDrops);
	/* A repeated FIN restarts the 2 MSL, RFC 9293 3.10.7.4 eighth. */
	if (seg->flags & TCP_FIN)
		tw->since = st->now;
	if (seg->flags & TCP_ACK || old)
		send_ack(tw);
}

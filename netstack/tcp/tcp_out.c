/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which segment leaves next: congestion window, departure time, send window
 * with silly window avoidance (RFC 9293 3.8.6.2.1 as Linux does it), Nagle
 * with Minshall's change, cork and MSG_MORE. As many whole segments as are
 * allowed leave as one super-segment; a small one may wait for more.
 *
 * LINUX: autocorking (tcp_autocorking) holds small writes while packets of the
 * flow wait in a device queue. Nothing of ours waits anywhere between two
 * events, so that there is never a reason to.
 */
#include "netstack/tcp/tcp_priv.h"

uint32_t tcp_cur_mss(const struct nst_tcp *tp)
{
	uint32_t blocks = tp->sack_on ? tp->ooo.n : 0;
	uint32_t opts, mss;

	if (!seq_eq(tp->dsack.from, tp->dsack.to))
		blocks++;
	blocks = u32_min(blocks, tp->ts_on ? 3 : 4);
	opts = blocks ? 4 + 8 * blocks : 0;
	opts += (uint32_t)tcp_accecn_opt_bytes(tp, blocks);
	/* TCP_MSS_MIN leaves room for any options; a divisor must be sure. */
	mss = tp->mss - u32_min(opts, tp->mss);
	return mss ? mss : 1;
}

/* Usable window: what may still be sent into the peer's window. */
static uint32_t usable(const struct nst_tcp *tp)
{
	int32_t n = seq_diff(seq_add(tp->snd_una, tp->snd_wnd), tp->snd_nxt);

	return n > 0 ? (uint32_t)n : 0;
}

/* What one call of tcp_output found out. */
struct outp {
	uint32_t mss;
	uint32_t max_segs; /* of one packet; 0: not computed yet */
	bool cwnd_limited; /* the congestion window stopped us */
	bool nagle_held;   /* a small segment waits for more data */
	bool one;          /* LINUX: tcp_push_one: never wait */
};

static bool corked(const struct nst_tcp *tp)
{
	return tp->conf.cork || tp->more;
}

/* Must a segment that is not full wait? RFC 9293 3.7.4, Minshall. */
static bool hold_partial(const struct nst_tcp *tp)
{
	if (tp->fin_queued || tp->nagle_push)
		return false;
	if (corked(tp))
		return true;
	if (tp->conf.nodelay || !tp->packets_out)
		return false;
	return seq_gt(tp->snd_sml, tp->snd_una);
}

static bool urgent(const struct nst_tcp *tp)
{
	return tp->snd_urg && seq_gt(tp->snd_up, tp->snd_una);
}

/* Bytes of that many segments; saturates. */
static uint32_t bytes_of(const struct nst_tcp *tp, uint32_t segs)
{
	uint64_t n = (uint64_t)segs * tp->mss;

	return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

/* ---- the size of packets ---- */

/* LINUX: 64 KiB less the largest headers. */
#define GSO_BYTES 65215u

/* LINUX: what is written gathers in pieces of this size; a piece is not sent
 * and filled at the same time. Not more than half of the peer's window. */
uint32_t tcp_write_goal(const struct nst_tcp *tp)
{
	uint32_t mss = tcp_cur_mss(tp);
	uint32_t half =
	    tp->max_wnd > TCP_MSS_DEFAULT ? tp->max_wnd / 2 : tp->max_wnd;
	uint32_t bytes = GSO_BYTES;

	if (half && half < bytes)
		bytes = u32_max(half, 68 - TCP_HDR_BYTES);
	return bytes > mss ? bytes - bytes % mss : mss;
}

/*
 * Segments of one packet: what a millisecond of the rate makes, more on short
 * paths (where ACKs come soon anyhow), so that slow flows do not burst.
 */
uint32_t tcp_tso_segs(const struct nst_tcp *tp, uint32_t mss)
{
	uint64_t bytes = tcp_pace_rate(tp) >> 10;
	uint64_t rtt_us = (uint64_t)tp->min_rtt / NST_US;
	uint64_t halvings =
	    rtt_us >> u32_min(63, (uint32_t)TCP_CTL(tp, tso_rtt_log));
	uint32_t least = (uint32_t)TCP_CTL(tp, min_tso_segs);

	if (tp->cc->min_tso_segs)
		least = tp->cc->min_tso_segs(tp);
	if (tp->min_rtt && halvings < 32 && bytes < GSO_BYTES)
		bytes += GSO_BYTES >> halvings;
	if (bytes > GSO_BYTES)
		bytes = GSO_BYTES;
	least = u32_max(u32_max((uint32_t)bytes / mss, least), 1);
	/* A packet has 64 KiB, however few of the largest segments that is. */
	return u32_min(least, u32_max(GSO_BYTES / mss, 1));
}

/*
 * LINUX: tcp_tso_should_defer: more than one segment could leave, but not as
 * many as one packet may have. Wait for the next ACK if it comes soon and
 * little of the window is open.
 */
static bool defer(const struct nst_tcp *tp, struct outp *o, uint32_t len,
		  bool tail)
{
	nst_time now = tp->sk.st->now;
	uint32_t cong = bytes_of(tp, tp->cwnd - tcp_in_flight(tp));
	uint32_t wnd = usable(tp), limit = u32_min(cong, wnd);
	uint32_t div = (uint32_t)TCP_CTL(tp, tso_win_divisor);
	nst_time ack_in;

	if (tp->ca_state >= TCP_CA_RECOVERY || !tp->sents.n ||
	    now - tp->pace.next > NST_MS)
		return false;
	if (limit / tp->mss >= o->max_segs || (!tail && limit >= len))
		return false;
	if (div ? limit >= u32_min(tp->snd_wnd, bytes_of(tp, tp->cwnd)) / div
		: limit > 3 * tp->mss)
		return false;
	ack_in = tcp_sent_at(tp, 0)->when + tp->srtt / 8 - now;
	if (ack_in > t_min(tp->srtt / 16, NST_MS))
		return false;
	if (cong < wnd && cong <= len) {
		o->cwnd_limited = true;
		return true;
	}
	return (cong >= wnd && wnd <= len) || !tp->fin_queued;
}

/* ---- how much may leave now ---- */

/* Of len bytes, more than one segment: those that fill the quota, or end
 * where the window does or the data, if a partial segment may leave. */
static uint32_t split_point(const struct nst_tcp *tp, const struct outp *o,
			    uint32_t len, uint32_t quota)
{
	uint32_t part;

	if (!o->mss || urgent(tp)) /* a divisor must be sure */
		return o->mss;
	len = u32_min(len, usable(tp));
	if (len / o->mss >= quota)
		return quota * o->mss;
	part = len % o->mss;
	return part && hold_partial(tp) ? len - part : len;
}

/* Payload bytes that may leave now; 0: none. */
static uint32_t choose(struct nst_tcp *tp, struct outp *o, uint32_t quota)
{
	uint32_t len;
	bool last;

	if (tcp_unsent(tp) > o->mss) {
		if (!o->max_segs)
			o->max_segs = tcp_tso_segs(tp, o->mss);
		quota = u32_min(quota, o->max_segs);
	}
	len = tcp_write_front(tp, quota * o->mss, &last);
	if (!len || u32_min(len, o->mss) > usable(tp))
		return 0;
	if (len <= o->mss) {
		if (len == o->mss || !last || urgent(tp) || !hold_partial(tp))
			return len;
		o->nagle_held = true;
		return 0;
	}
	if (!o->one && defer(tp, o, len, last))
		return 0;
	if (!last && !urgent(tp) && quota * o->mss <= usable(tp))
		return u32_min(len, quota * o->mss);
	return split_point(tp, o, len, quota);
}

/* FIN goes with the last byte if the window takes it. */
static bool fin_fits(const struct nst_tcp *tp, uint32_t len)
{
	return tp->fin_queued && !tcp_fin_sent(tp) && len == tcp_unsent(tp) &&
	       usable(tp) > len;
}

static void count_new(struct nst_tcp *tp)
{
	const struct tcp_sent *r = tcp_sent_at(tp, tp->sents.n - 1);

	tp->sk.st->count.TcpOrigDataSent += r->pcount;
}

bool tcp_send_new(struct nst_tcp *tp, uint32_t len)
{
	bool fin = fin_fits(tp, len);
	struct seq end = seq_add(tp->snd_nxt, len);
	uint8_t flags = fin ? TCP_ACK | TCP_FIN : TCP_ACK;
	uint8_t piece = tcp_write_flags(tp, end);

	if (piece & TCP_PIECE_PSH)
		flags |= TCP_PSH;
	if (!tcp_xmit_data(tp, tp->snd_nxt, len, flags))
		return false;
	/* What a super-segment adds (tcp_xmit_data) is not its record's. */
	tcp_sent_push(tp, tp->snd_nxt, len + fin, piece);
	count_new(tp);
	tp->snd_nxt = seq_add(end, fin);
	if (len % tcp_cur_mss(tp))
		tp->snd_sml = tp->snd_nxt;
	return true;
}

/* LINUX: never more than half a window in one packet, so that ACKs of one
 * half arrive while the other is on its way. */
static uint32_t cwnd_quota(const struct nst_tcp *tp)
{
	uint32_t flight = tcp_in_flight(tp);

	if (flight >= tp->cwnd)
		return 0;
	return u32_min(u32_max(tp->cwnd / 2, 1), tp->cwnd - flight);
}

static bool send_more(struct nst_tcp *tp, struct outp *o)
{
	uint32_t quota = cwnd_quota(tp), len;

	if (!quota || tcp_pace_wait(tp))
		return false;
	len = choose(tp, o, quota);
	if (!len && !fin_fits(tp, 0))
		return false;
	return tcp_send_new(tp, len);
}

void tcp_output(struct nst_tcp *tp)
{
	struct outp o = {0};
	enum tcp_mtup_verdict probe;
	bool sent = false;

	tcp_pace_late(tp);
	/* Retransmissions may be what waits. */
	tp->pace.blocked = tp->pace.blocked && tp->lost_out > tp->retrans_out;
	if (!tcp_may_send(tp) || !tp->path_ok || tp->writing.hold)
		return;
	/* LINUX: a full window is noticed only when it holds something. */
	if (!tcp_send_pending(tp)) {
		tp->cork_since = 0;
		return;
	}
	tcp_path_check(tp);
	o.mss = tcp_cur_mss(tp);
	probe = tcp_mtup_probe(tp);
	sent = probe == TCP_MTUP_SENT;
	while (probe != TCP_MTUP_WAIT && tcp_send_pending(tp) &&
	       send_more(tp, &o))
		sent = true;
	if (tcp_in_flight(tp) >= tp->cwnd)
		o.cwnd_limited = true;
	if (sent || o.cwnd_limited)
		tcp_cc_validate(tp, o.cwnd_limited);
	if (!o.nagle_held || tp->packets_out)
		tp->cork_since = 0;
	else if (!tp->cork_since)
		tp->cork_since = tp->sk.st->now;
}

void tcp_output_now(struct nst_tcp *tp)
{
	bool push = tp->nagle_push;

	tp->nagle_push = true;
	tcp_output(tp);
	tp->nagle_push = push;
}

void tcp_output_one(struct nst_tcp *tp)
{
	struct outp o = {.mss = tcp_cur_mss(tp), .one = true};
	bool push = tp->nagle_push;

	tp->nagle_push = true;
	if (tcp_may_send(tp) && tp->path_ok && send_more(tp, &o))
		tcp_cc_validate(tp, tcp_in_flight(tp) >= tp->cwnd);
	tp->nagle_push = push;
}

bool tcp_out_force(struct nst_tcp *tp)
{
	uint32_t len =
	    u32_min(tcp_unsent(tp), u32_min(usable(tp), tcp_cur_mss(tp)));

	if (!tcp_may_send(tp) || (!len && !fin_fits(tp, 0)))
		return false;
	if (len) /* LINUX: pushed, whatever comes behind it */
		tcp_write_push_front(tp, len);
	return tcp_send_new(tp, len);
}

/* LINUX: what is corked leaves when nothing was in flight for the time of a
 * window probe: 200 ms, or the RTO when that is longer. */
nst_time tcp_cork_deadline(const struct nst_tcp *tp)
{
	if (!tp->cork_since || !tcp_in_states(tp, TCPF_SENDING) ||
	    !tcp_unsent(tp))
		return NST_NEVER;
	return tp->cork_since + t_max(tp->rto, TCP_CORK_TIME);
}

void tcp_cork_fire(struct nst_tcp *tp)
{
	tp->cork_since = 0;
	tcp_out_force(tp);
}

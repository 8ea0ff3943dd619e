/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which segment leaves next: congestion window, send window with silly window
 * avoidance (RFC 9293 3.8.6.2.1, as Linux does it: only whole segments fill a
 * window), Nagle with Minshall's change, cork and MSG_MORE. As many whole
 * segments as are allowed leave as one super-segment.
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

static bool corked(const struct nst_tcp *tp)
{
	return (tp->conf.cork || tp->more) && !tp->fin_queued;
}

/* Must a segment that is not full wait? RFC 9293 3.7.4, Minshall. */
static bool hold_partial(const struct nst_tcp *tp)
{
	if (tp->fin_queued || (tp->snd_urg && seq_gt(tp->snd_up, tp->snd_nxt)))
		return false;
	if (corked(tp))
		return true;
	if (tp->conf.nodelay || !tp->packets_out)
		return false;
	return seq_gt(tp->snd_sml, tp->snd_una);
}

/* Largest payload of one packet: whole segments below 64 KiB. */
static uint32_t gso_max(const struct nst_tcp *tp, uint32_t mss)
{
	uint32_t max = 65535 - tcp_ip_hdr_bytes(tp) - 60;

	return max > mss ? max - max % mss : mss;
}

/* Payload bytes that may leave now; 0: none. */
static uint32_t choose(struct nst_tcp *tp, uint32_t quota)
{
	uint32_t unsent = tcp_unsent(tp), mss = tcp_cur_mss(tp);
	uint32_t wnd = usable(tp), len, part;

	if (!unsent || !wnd || u32_min(unsent, mss) > wnd)
		return 0;
	len = u32_min(unsent, u32_min(wnd, gso_max(tp, mss)));
	if (len / mss >= quota)
		len = quota * mss;
	part = len % mss;
	if (!part)
		return len;
	if (len < unsent || hold_partial(tp)) {
		if (len == unsent && corked(tp) && !tp->cork_since)
			tp->cork_since = tp->sk.st->now;
		len -= part;
	}
	return len;
}

static bool covers_push(const struct nst_tcp *tp, struct seq end)
{
	return seq_lt(tp->snd_nxt, tp->push_seq) && seq_ge(end, tp->push_seq);
}

/* FIN goes with the last byte if the window takes it. */
static bool fin_fits(const struct nst_tcp *tp, uint32_t len)
{
	return tp->fin_queued && !tcp_fin_sent(tp) && len == tcp_unsent(tp) &&
	       usable(tp) > len;
}

static bool send_new(struct nst_tcp *tp, uint32_t len)
{
	bool fin = fin_fits(tp, len);
	struct seq end = seq_add(tp->snd_nxt, len);
	uint8_t flags = fin ? TCP_ACK | TCP_FIN : TCP_ACK;

	if (covers_push(tp, end))
		flags |= TCP_PSH;
	if (!tcp_xmit_data(tp, tp->snd_nxt, len, flags))
		return false;
	if (!tp->packets_out)
		tp->rto_base = tp->sk.st->now;
	tcp_sent_push(tp, tp->snd_nxt, len + fin);
	tp->snd_nxt = seq_add(end, fin);
	if (len % tcp_cur_mss(tp))
		tp->snd_sml = tp->snd_nxt;
	if (len)
		tp->last_data_sent = tp->sk.st->now;
	if (!tcp_unsent(tp))
		tp->cork_since = 0;
	return true;
}

static bool send_more(struct nst_tcp *tp, bool *limited)
{
	uint32_t flight = tcp_in_flight(tp), len;

	if (flight >= tp->cwnd) {
		*limited = true;
		return false;
	}
	len = choose(tp, tp->cwnd - flight);
	if (!len && !fin_fits(tp, 0))
		return false;
	return send_new(tp, len);
}

void tcp_output(struct nst_tcp *tp)
{
	bool limited = false, sent = false;

	if (!tcp_in_states(tp, TCPF_SENDING) || !tp->path_ok)
		return;
	if (tp->lost_out)
		tcp_recovery_xmit(tp);
	while (tcp_send_pending(tp) && send_more(tp, &limited))
		sent = true;
	limited = limited || tcp_in_flight(tp) >= tp->cwnd;
	if (sent || limited)
		tcp_cc_validate(tp, limited);
}

bool tcp_out_force(struct nst_tcp *tp)
{
	uint32_t len =
	    u32_min(tcp_unsent(tp), u32_min(usable(tp), tcp_cur_mss(tp)));

	if (!tcp_in_states(tp, TCPF_SENDING) || (!len && !fin_fits(tp, 0)))
		return false;
	return send_new(tp, len);
}

/* LINUX: a held partial segment leaves after 200 ms, tcp(7) TCP_CORK. */
nst_time tcp_cork_deadline(const struct nst_tcp *tp)
{
	if (!tp->cork_since || !tcp_in_states(tp, TCPF_SENDING) ||
	    !tcp_unsent(tp))
		return NST_NEVER;
	return tp->cork_since + TCP_CORK_TIME;
}

void tcp_cork_fire(struct nst_tcp *tp)
{
	tp->cork_since = 0;
	tp->more = false;
	if (tcp_in_flight(tp) < tp->cwnd)
		tcp_out_force(tp);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 9293 3.10.7.3: SYN-SENT. */
#include "netstack/tcp/tcp_priv.h"

/* First: the ACK, if there is one, must be for our SYN. LINUX: a wrong one may
 * have made the peer forget an old connection: the SYN is repeated soon. */
static bool ack_ok(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	if (!(seg->flags & TCP_ACK))
		return true;
	if (seq_gt(seg->ack, tp->snd_una) && seq_le(seg->ack, tp->snd_nxt))
		return true;
	if (!tp->hs_timeouts)
		tp->hs_stray = t_max(tp->sk.st->now, 1);
	tcp_rst_reply(tp->sk.st, seg);
	return false;
}

/* RFC 7323 3.2: an echo must be of a timestamp that was sent. */
static bool echo_ok(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	const struct nst_stack *st = tp->sk.st;
	uint32_t now = tcp_ts_now(st, tp->ts_off);
	uint32_t age = (uint32_t)(st->now / NST_MS) -
		       (uint32_t)(tp->rexmit_start / NST_MS);

	if (!(seg->flags & TCP_ACK) || !seg->ts_ok || !seg->tsecr ||
	    now - seg->tsecr <= age)
		return true;
	TCP_COUNT(tp->sk.st, PAWSActive);
	tcp_rst_reply(tp->sk.st, seg);
	return false;
}

static void take_syn(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	tp->irs = seg->seq;
	tp->rcv_nxt = seq_add(seg->seq, 1);
	tcp_handshake_opts(tp, seg);
	tcp_wnd_init(tp);
}

/* LINUX: with data to send soon the ACK rides on it: a writer waits, or the
 * owner said that it would (TCP_DEFER_ACCEPT, TCP_QUICKACK off). */
static bool ack_waits(const struct nst_tcp *tp)
{
	return tp->hs_writer || tp->conf.defer_s || tcp_pingpong(tp);
}

/* Fourth, with ACK: established. */
static void established(struct nst_tcp *tp, struct tcp_seg *seg)
{
	bool fo = tp->fo.asked || tp->fo.data;

	tcp_ecn_synack_in(tp, seg);
	tcp_handshake_complete(tp, seg);
	tp->bytes_acked++; /* LINUX: the SYN is counted */
	if (fo)
		fo = tcp_fo_synack(tp, seg);
	if (ack_waits(tp)) {
		tp->ack_pending = true;
		tcp_ack_quick(tp, TCP_MAX_QUICKACKS);
		tp->ack_wait = tcp_wait_from(tp->sk.st->now, TCP_DELACK_MAX);
		tp->ack_segs = tp->segs_in; /* decided on */
		return;
	}
	tp->ack_now = true;
	/* LINUX: data in a SYN-ACK counts only as the answer to Fast Open. */
	tcp_seg_trim_front(seg, 1);
	if (fo)
		tcp_in_rest(tp, seg);
}

/* Fourth, without: both opened at once. The timer of the SYN runs on. */
static void simultaneous(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	tcp_set_state(tp, NST_TCP_SYN_RCVD);
	tp->snd_wnd = seg->wnd;
	tp->max_wnd = seg->wnd;
	tp->snd_wl1 = seg->seq;
	tcp_ecn_cross_in(tp, seg);
	tcp_send_syn(tp);
}

/* LINUX: after a TIME-WAIT was reused, its last timestamp binds the peer. */
static bool paws_old(const struct nst_tcp *tp, const struct tcp_seg *seg)
{
	return tp->ts_recent && seg->ts_ok &&
	       tp->sk.st->now - tp->ts_recent_at < TCP_PAWS_24DAYS &&
	       (int32_t)(tp->ts_recent - seg->tsval) > 0;
}

void tcp_in_syn_sent(struct nst_tcp *tp, struct tcp_seg *seg)
{
	if (tp->fo.deferred) { /* no SYN has left yet */
		tcp_rst_reply(tp->sk.st, seg);
		return;
	}
	if (!ack_ok(tp, seg) || !echo_ok(tp, seg))
		return;
	if (seg->flags & TCP_RST) { /* second */
		/* Without an ACK anybody could have guessed it. */
		if (seg->flags & TCP_ACK)
			tcp_fail(tp, NST_E_CONNREFUSED);
		return;
	}
	if (!(seg->flags & TCP_SYN)) /* fifth */
		return;
	if (!(seg->flags & TCP_ACK) && paws_old(tp, seg))
		return;
	take_syn(tp, seg);
	if (seg->flags & TCP_ACK)
		established(tp, seg);
	else
		simultaneous(tp, seg);
}

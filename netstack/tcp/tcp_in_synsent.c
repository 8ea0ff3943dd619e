/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 9293 3.10.7.3: SYN-SENT. */
#include "netstack/tcp/tcp_priv.h"

/* First: the ACK, if there is one, must be for our SYN. */
static bool ack_ok(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	if (!(seg->flags & TCP_ACK))
		return true;
	if (seq_gt(seg->ack, tp->snd_una) && seq_le(seg->ack, tp->snd_nxt))
		return true;
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

/* Fourth, with ACK: established. */
static void established(struct nst_tcp *tp, struct tcp_seg *seg)
{
	tcp_handshake_complete(tp, seg);
	/* LINUX: only without TCP_QUICKACK off and data to wait for. */
	tp->ack_now = true;
	tcp_seg_trim_front(seg, 1);
	tcp_in_rest(tp, seg);
}

/* Fourth, without: both opened at once. */
static void simultaneous(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	tcp_set_state(tp, NST_TCP_SYN_RCVD);
	tp->snd_wnd = seg->wnd;
	tp->max_wnd = seg->wnd;
	tp->snd_wl1 = seg->seq;
	tp->hs_n = 0;
	tp->hs_sent = tp->sk.st->now;
	tcp_send_syn(tp);
}

void tcp_in_syn_sent(struct nst_tcp *tp, struct tcp_seg *seg)
{
	if (!ack_ok(tp, seg))
		return;
	if (seg->flags & TCP_RST) { /* second */
		/* Without an ACK anybody could have guessed it. */
		if (seg->flags & TCP_ACK)
			tcp_fail(tp, NST_E_CONNREFUSED);
		return;
	}
	if (!(seg->flags & TCP_SYN)) /* fifth */
		return;
	take_syn(tp, seg);
	if (seg->flags & TCP_ACK)
		established(tp, seg);
	else
		simultaneous(tp, seg);
}

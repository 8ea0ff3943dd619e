/* SPDX-License-Identifier: Apache-2.0 */
/* Resets and challenge ACKs: RFC 9293 3.5.2, 3.10.7.1, RFC 5961. */
#include "netstack/tcp/tcp_priv.h"

void tcp_rst_reply(struct nst_stack *st, const struct tcp_seg *seg)
{
	struct flow_key key = tcp_seg_key(seg);
	struct tcp_out_hdr h = {
	    .sport = seg->dport, .dport = seg->sport, .flags = TCP_RST};

	if (seg->flags & TCP_RST)
		return;
	if (seg->flags & TCP_ACK) {
		h.seq = seg->ack;
	} else {
		h.flags |= TCP_ACK;
		h.ack = seg->end;
	}
	tcp_xmit_stateless(st, &key, &h, key.remote.scope, 0);
}

static bool limited(struct nst_tcp *tp)
{
	nst_time now = tp->sk.st->now;

	if (now - tp->last_oow < TCP_INVALID_RATELIMIT)
		return true;
	tp->last_oow = now;
	return false;
}

void tcp_challenge_ack(struct nst_tcp *tp)
{
	if (limited(tp)) {
		TCP_COUNT(tp->sk.st, ChallengeACKLimited);
		return;
	}
	TCP_COUNT(tp->sk.st, ChallengeACK);
	tcp_xmit_bare(tp, tp->snd_nxt, TCP_ACK);
}

/* LINUX: tcp_oow_rate_limited lets segments with data through. */
void tcp_oow_ack(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	bool data = seg->len && !(seg->flags & TCP_SYN);

	if (seg->flags & TCP_RST)
		return;
	if (!data && limited(tp)) {
		TCP_COUNT(tp->sk.st, ChallengeACKLimited);
		return;
	}
	if (data) {
		tcp_dsack_set(tp, seg->seq, seg->end);
		tcp_ack_quick(tp, TCP_MAX_QUICKACKS);
	}
	tcp_xmit_bare(tp, tp->snd_nxt, TCP_ACK);
}

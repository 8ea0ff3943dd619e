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

bool tcp_oow_limited(const struct nst_stack *st, nst_time *last)
{
	nst_time gap = st->tcp->ctl.tcp_invalid_ratelimit * NST_MS;

	if (st->now - *last < gap)
		return true;
	*last = st->now;
	return false;
}

/* LINUX: tcp_challenge_ack_limit: so many a second and stack, the number of
 * each second random, so that nobody can count them (CVE-2016-5696). */
bool tcp_challenge_allowed(struct nst_stack *st)
{
	struct tcp_layer *l = st->tcp;
	uint32_t limit = (uint32_t)l->ctl.tcp_challenge_ack_limit;
	nst_time second = st->now / NST_SEC;
	uint32_t half = (limit + 1) / 2, r;

	if (limit == INT_MAX)
		return true;
	if (second != l->challenge_at) {
		l->challenge_at = second;
		st->env->random(st->env->ctx, &r, sizeof(r));
		l->challenge_left = limit ? half + r % limit : 0;
	}
	if (!l->challenge_left)
		return false;
	l->challenge_left--;
	return true;
}

void tcp_challenge_ack(struct nst_tcp *tp)
{
	struct nst_stack *st = tp->sk.st;

	if (tcp_oow_limited(st, &tp->last_oow)) {
		TCP_COUNT(st, ChallengeACKLimited);
		return;
	}
	if (!tcp_challenge_allowed(st))
		return;
	TCP_COUNT(st, ChallengeACK);
	tcp_xmit_bare(tp, tp->snd_nxt, TCP_ACK);
}

/* LINUX: tcp_oow_rate_limited lets segments with data through. */
void tcp_oow_ack(struct nst_tcp *tp, const struct tcp_seg *seg,
		 uint64_t *skipped)
{
	bool empty = seq_eq(seg->seq, seg->end) || (seg->flags & TCP_SYN);

	if (seg->flags & TCP_RST)
		return;
	if (empty && tcp_oow_limited(tp->sk.st, &tp->last_oow)) {
		(*skipped)++;
		return;
	}
	if (!seq_eq(seg->seq, seg->end) && seq_lt(seg->seq, tp->rcv_nxt)) {
		struct seq end =
		    seq_lt(seg->end, tp->rcv_nxt) ? seg->end : tp->rcv_nxt;

		tcp_ack_quick(tp, TCP_MAX_QUICKACKS);
		tcp_ecn_dup_in(tp, seg);
		tcp_dsack_set(tp, seg->seq, end);
	}
	tcp_xmit_bare(tp, tp->snd_nxt, TCP_ACK);
}

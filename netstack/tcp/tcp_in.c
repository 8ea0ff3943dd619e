/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments in. First who gets it, then RFC 9293 3.10.7.4 as numbered steps,
 * one function each. A step returns a verdict: go on, or drop the segment;
 * whatever it decided to send is recorded in the endpoint and leaves in the
 * epilogue, tcp_finish().
 */
#include "netstack/tcp/tcp_req.h"

/* ---- first check: sequence number and PAWS ---- */

bool tcp_paws_old(const struct nst_tcp *tp, const struct tcp_seg *seg)
{
	if (!tp->ts_on || !seg->ts_ok)
		return false;
	/* RFC 7323 5.5: after 24 days ts_recent says nothing. */
	if (tp->sk.st->now - tp->ts_recent_at >= TCP_PAWS_24DAYS)
		return false;
	return (int32_t)(tp->ts_recent - seg->tsval) > 0;
}

/* RFC 7323 4.3: the segment that covers the last ACK sent. */
void tcp_ts_recent_update(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	if (!tp->ts_on || !seg->ts_ok || seq_gt(seg->seq, tp->rcv_wup) ||
	    tcp_paws_old(tp, seg))
		return;
	tp->ts_recent = seg->tsval;
	tp->ts_recent_at = tp->sk.st->now;
}

/*
 * In SYN-RECEIVED the peer's SYN may come again: repeated (our SYN-ACK was
 * lost), or as the SYN-ACK of a simultaneous open. LINUX: that one completes.
 */
static bool syn_again(struct nst_tcp *tp, struct tcp_seg *seg)
{
	nst_time now = tp->sk.st->now;

	if (tp->state != NST_TCP_SYN_RCVD || !(seg->flags & TCP_SYN) ||
	    (seg->flags & TCP_RST) || !seq_eq(seg->seq, tp->irs))
		return false;
	if (seg->flags & TCP_ACK) {
		tcp_seg_trim_front(seg, 1);
		/* RFC 7323 2.2: the window of a SYN is not scaled. */
		seg->wnd = (uint16_t)(seg->wnd >> tp->snd_wscale);
		return false;
	}
	if (now - tp->last_oow >= TCP_SYN_REXMIT_GAP) {
		tp->last_oow = now;
		tcp_send_syn(tp);
	}
	return true;
}

static enum tcp_verdict step1_seq(struct nst_tcp *tp, struct tcp_seg *seg)
{
	struct seq edge = seq_add(tp->rcv_nxt, tcp_rcv_wnd(tp));

	if (syn_again(tp, seg))
		return TCP_V_DROP;
	if (!(seg->flags & TCP_RST) && tcp_paws_old(tp, seg)) {
		TCP_COUNT(tp->sk.st, PAWSDrops);
		tcp_oow_ack(tp, seg);
		return TCP_V_DROP;
	}
	if (seq_ge(seg->end, tp->rcv_wup) && seq_le(seg->seq, edge))
		return TCP_V_NEXT;
	TCP_COUNT(tp->sk.st, OutOfWindow);
	if (seg->flags & TCP_SYN)
		tcp_challenge_ack(tp);
	else
		tcp_oow_ack(tp, seg);
	return TCP_V_DROP;
}

/* ---- second: RST ---- */

static enum nst_err rst_error(const struct nst_tcp *tp)
{
	if (tp->state == NST_TCP_CLOSE_WAIT)
		return NST_E_PIPE; /* LINUX: tcp_reset */
	if (tp->state == NST_TCP_SYN_RCVD && !tp->listener && !tp->fwd)
		return NST_E_CONNREFUSED; /* simultaneous open, RFC 9293 */
	return NST_E_CONNRESET;
}

static enum tcp_verdict step2_rst(struct nst_tcp *tp, struct tcp_seg *seg)
{
	if (!(seg->flags & TCP_RST))
		return TCP_V_NEXT;
	/* RFC 5961 3.2: exactly the next byte, or it is a guess. LINUX: or
	 * the end of what was selectively acknowledged. */
	if (!seq_eq(seg->seq, tp->rcv_nxt) &&
	    !(tp->sack_on && tp->ooo.n && seq_eq(seg->seq, tcp_ooo_end(tp)))) {
		TCP_COUNT(tp->sk.st, RstInWindowOnly);
		tcp_challenge_ack(tp);
		return TCP_V_DROP;
	}
	if (tcp_in_states(tp, TCPF(ESTABLISHED) | TCPF(CLOSE_WAIT)))
		TCP_COUNT(tp->sk.st, EstabResets);
	tcp_fail(tp, rst_error(tp));
	return TCP_V_DROP;
}

/* Third, security: obsolete. Fourth: SYN. RFC 5961 4.2. */
static enum tcp_verdict step4_syn(struct nst_tcp *tp, struct tcp_seg *seg)
{
	if (!(seg->flags & TCP_SYN))
		return TCP_V_NEXT;
	TCP_COUNT(tp->sk.st, SYNChallenge);
	tcp_challenge_ack(tp);
	return TCP_V_DROP;
}

/* Fifth: ACK. */
static enum tcp_verdict step5_ack(struct nst_tcp *tp, struct tcp_seg *seg)
{
	if (!(seg->flags & TCP_ACK))
		return TCP_V_DROP;
	return tcp_in_ack(tp, seg);
}

/* Sixth: URG. */
static enum tcp_verdict step6_urg(struct nst_tcp *tp, struct tcp_seg *seg)
{
	if (seg->flags & TCP_URG)
		tcp_urgent_in(tp, seg);
	return TCP_V_NEXT;
}

/* Seventh and eighth, text and FIN, are in tcp_in_data.c. */
static enum tcp_verdict (*const steps[])(struct nst_tcp *tp,
					 struct tcp_seg *seg) = {
    step1_seq, step2_rst, step4_syn, step5_ack, step6_urg, tcp_in_text,
};
#define STEP_ACK 3
#define STEP_URG 4
#define NSTEPS (sizeof(steps) / sizeof(steps[0]))

static void run_steps(struct nst_tcp *tp, struct tcp_seg *seg, size_t from)
{
	for (size_t i = from; i < NSTEPS; i++) {
		if (steps[i](tp, seg) == TCP_V_DROP)
			return;
	}
}

void tcp_in_rest(struct nst_tcp *tp, struct tcp_seg *seg)
{
	run_steps(tp, seg, STEP_URG);
}

/* Header prediction: the next bytes, or a pure ACK, on a healthy connection:
 * steps 1 to 4 have nothing to say. */
static bool predicted(const struct nst_tcp *tp, const struct tcp_seg *seg)
{
	return tp->state == NST_TCP_ESTABLISHED &&
	       (seg->flags & (TCP_SYN | TCP_FIN | TCP_RST | TCP_ACK)) ==
		   TCP_ACK &&
	       seq_eq(seg->seq, tp->rcv_nxt) && seg->len <= tcp_rcv_wnd(tp) &&
	       !tcp_paws_old(tp, seg);
}

void tcp_in_conn(struct nst_tcp *tp, struct tcp_seg *seg)
{
	tp->segs_in++;
	if (seg->len)
		tp->data_segs_in++;
	if (tp->state == NST_TCP_SYN_SENT)
		tcp_in_syn_sent(tp, seg);
	else
		run_steps(tp, seg, predicted(tp, seg) ? STEP_ACK : 0);
	tcp_finish(tp);
}

/* ---- who gets it ---- */

void tcp_in_unmatched(struct nst_stack *st, struct tcp_seg *seg,
		      const struct seq *isn)
{
	struct flow_key k = tcp_seg_key(seg);
	struct nst_sockaddr dst = {k.local, k.lport};
	struct nst_sockaddr src = {k.remote, k.rport};
	struct nst_sock *s = NULL;

	if (seg->in->local)
		s = ports_lookup(st->ports, SOCK_K_TCP, &dst, &src,
				 seg->in->ifindex, tcp_is_listener);
	if (s) {
		tcp_in_listen(tcp_of(s), seg, isn);
		return;
	}
	if (tcp_fwd_in(st, seg))
		return;
	TCP_COUNT(st, NoListener);
	tcp_rst_reply(st, seg);
}

static void dispatch(struct nst_stack *st, struct tcp_seg *seg)
{
	struct flow_key k = tcp_seg_key(seg);
	struct demux_node *n = demux_find(st->demux, &k);

	if (!n) {
		tcp_in_unmatched(st, seg, NULL);
		return;
	}
	switch ((enum demux_kind)n->kind) {
	case DEMUX_SOCK:
		tcp_in_conn(tcp_of(container_of(n, struct nst_sock, conn)),
			    seg);
		break;
	case DEMUX_TCP_REQ:
		tcp_req_in(container_of(n, struct tcp_req, node), seg);
		break;
	case DEMUX_TIME_WAIT:
		tcp_tw_in(container_of(n, struct tcp_tw, node), seg);
		break;
	case DEMUX_FWD_REQ:
		tcp_fwd_again(container_of(n, struct nst_fwd_req, node), seg);
		break;
	}
}

void tcp_in(struct nst_stack *st, struct nst_pkt *pkt, const struct ip_in *in)
{
	struct tcp_seg seg;
	bool bad_opts = false;

	TCP_COUNT(st, InSegs);
	if (in->bcast || in->mcast || pkt->l2_bcast) {
		TCP_COUNT(st, InErrs); /* RFC 1122 4.2.3.10 */
	} else if (!ip_l4_csum_ok(pkt, in)) {
		TCP_COUNT(st, InCsumErrors);
		TCP_COUNT(st, InErrs);
	} else if (!tcp_parse(pkt, in, &seg, &bad_opts)) {
		TCP_COUNT(st, InErrs);
	} else {
		if (bad_opts)
			TCP_COUNT(st, MalformedOpts);
		dispatch(st, &seg);
	}
	nst_pkt_free(pkt);
}

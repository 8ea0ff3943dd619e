/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments in. First who gets it, then RFC 9293 3.10.7.4 as numbered steps,
 * one function each. A step returns a verdict: go on, or drop the segment;
 * whatever it decided to send is recorded in the endpoint and leaves in the
 * epilogue, tcp_finish().
 */
#include "netstack/tcp/tcp_req.h"

/* ---- first check: sequence number and PAWS ---- */

/* LINUX: one tick less than the newest is no sin (TCP_PAWS_WINDOW). */
#define PAWS_SLACK 1

bool tcp_paws_old(const struct nst_tcp *tp, const struct tcp_seg *seg)
{
	return tp->ts_on && seg->ts_ok &&
	       tcp_ts_older(tp->ts_recent, seg->tsval,
			    tp->sk.st->now - tp->ts_recent_at, PAWS_SLACK);
}

/* RFC 7323 4.3: the segment that covers the last ACK sent. LINUX: a pure ACK
 * may be older by the slack, but does not turn the clock back. */
void tcp_ts_recent_update(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	if (!tp->ts_on || !seg->ts_ok || seq_gt(seg->seq, tp->rcv_wup) ||
	    tcp_ts_older(tp->ts_recent, seg->tsval,
			 tp->sk.st->now - tp->ts_recent_at, 0))
		return;
	tp->ts_recent = seg->tsval;
	tp->ts_recent_at = tp->sk.st->now;
}

/*
 * In SYN-RECEIVED of a simultaneous open the peer's SYN-ACK completes it,
 * although its SYN was here before. LINUX: only if it acknowledges all.
 */
static bool syn_ack_again(const struct nst_tcp *tp, const struct tcp_seg *seg)
{
	return tp->state == NST_TCP_SYN_RCVD && !tp->fo.pending &&
	       (seg->flags & (TCP_SYN | TCP_ACK | TCP_RST)) ==
		   (TCP_SYN | TCP_ACK) &&
	       seq_eq(seg->seq, tp->irs) && seq_eq(seg->ack, tp->snd_nxt);
}

static enum tcp_verdict challenge_syn(struct nst_tcp *tp,
				      const struct tcp_seg *seg)
{
	TCP_COUNT(tp->sk.st, SYNChallenge); /* RFC 5961 4.2 */
	tcp_ecn_challenge_syn(tp, seg);
	tcp_challenge_ack(tp);
	return TCP_V_DROP;
}

/* LINUX: what the network may reorder: an ACK that says nothing new, with a
 * timestamp older by no more than a few round trips. */
static bool disordered(const struct nst_tcp *tp, const struct tcp_seg *seg)
{
	uint32_t wnd = (uint32_t)seg->wnd << tp->snd_wscale;
	int64_t replay_ms = tp->rto * 12 / 10 / NST_MS;

	return (seg->flags & TCP_ACK) && seq_eq(seg->seq, seg->end) &&
	       seq_eq(seg->seq, tp->rcv_nxt) && seq_eq(seg->ack, tp->snd_una) &&
	       !seq_gt(seg->seq, tp->snd_wl1) && wnd <= tp->snd_wnd && wnd &&
	       (int32_t)(tp->ts_recent - seg->tsval) <= replay_ms;
}

/* An old pure ACK is common and needs no answer. */
static bool old_ack(const struct nst_tcp *tp, const struct tcp_seg *seg)
{
	return (seg->flags & TCP_ACK) && seq_eq(seg->seq, seg->end) &&
	       seq_lt(seg->seq, tp->rcv_nxt);
}

static enum tcp_verdict step1_paws(struct nst_tcp *tp,
				   const struct tcp_seg *seg)
{
	struct nst_stack *st = tp->sk.st;

	if ((seg->flags & TCP_RST) || !tcp_paws_old(tp, seg) ||
	    disordered(tp, seg))
		return TCP_V_NEXT;
	if (seg->flags & TCP_SYN)
		return challenge_syn(tp, seg);
	if (old_ack(tp, seg)) {
		TCP_COUNT(st, PAWSOldAck);
		return TCP_V_DROP;
	}
	TCP_COUNT(st, PAWSDrops);
	tcp_oow_ack(tp, seg, &st->count.TcpACKSkippedPAWS);
	return TCP_V_DROP;
}

/* LINUX: data past the window is taken only while nothing waits to be read. */
static bool acceptable(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	struct seq edge = seq_add(tp->rcv_nxt, tcp_rcv_wnd(tp));
	bool fin = seg->flags & TCP_FIN;

	if (seq_lt(seg->end, tp->rcv_wup) || seq_gt(seg->seq, edge)) {
		TCP_COUNT(tp->sk.st, OutOfWindow);
		return false;
	}
	if (!seq_gt(seq_add(seg->end, 0u - fin), edge) || !ring_used(&tp->rcv))
		return true;
	TCP_COUNT(tp->sk.st, BeyondWindow);
	return false;
}

/* LINUX: a peer that resets after its FIN may count without it. */
static bool rst_before_fin(const struct nst_tcp *tp, const struct tcp_seg *seg)
{
	return tcp_in_states(tp, TCPF(CLOSE_WAIT) | TCPF(LAST_ACK) |
				     TCPF(CLOSING)) &&
	       seq_eq(seq_add(seg->seq, 1), tp->rcv_nxt);
}

/* LINUX: tcp_reset. */
static enum tcp_verdict reset(struct nst_tcp *tp)
{
	if (tcp_in_states(tp, TCPF(ESTABLISHED) | TCPF(CLOSE_WAIT)))
		TCP_COUNT(tp->sk.st, EstabResets);
	tcp_fail(tp, tp->state == NST_TCP_CLOSE_WAIT ? NST_E_PIPE
						     : NST_E_CONNRESET);
	return TCP_V_DROP;
}

static enum tcp_verdict step1_seq(struct nst_tcp *tp, struct tcp_seg *seg)
{
	uint64_t *skipped = &tp->sk.st->count.TcpACKSkippedSeq;

	if (syn_ack_again(tp, seg)) {
		/* LINUX: it is a repetition, and reported as one. */
		tcp_dsack_set(tp, seg->seq, seq_add(seg->seq, 1));
		tcp_ack_quick(tp, TCP_MAX_QUICKACKS);
		tp->ack_now = true;
		tcp_seg_trim_front(seg, 1);
		/* RFC 7323 2.2: the window of a SYN is not scaled. */
		seg->wnd = (uint16_t)(seg->wnd >> tp->snd_wscale);
		return TCP_V_NEXT;
	}
	if (step1_paws(tp, seg) == TCP_V_DROP)
		return TCP_V_DROP;
	if (acceptable(tp, seg))
		return TCP_V_NEXT;
	if (seg->flags & TCP_RST)
		return rst_before_fin(tp, seg) ? reset(tp) : TCP_V_DROP;
	if (seg->flags & TCP_SYN)
		return challenge_syn(tp, seg);
	tcp_oow_ack(tp, seg, skipped);
	return TCP_V_DROP;
}

/* ---- second: RST ---- */

/* RFC 5961 3.2: exactly the next byte, or it is a guess. LINUX: or the end of
 * what was selectively acknowledged. */
static bool rst_exact(const struct nst_tcp *tp, const struct tcp_seg *seg)
{
	if (seq_eq(seg->seq, tp->rcv_nxt) || rst_before_fin(tp, seg))
		return true;
	return tp->sack_on && tp->ooo.n && seq_eq(seg->seq, tcp_ooo_end(tp));
}

static enum tcp_verdict step2_rst(struct nst_tcp *tp, struct tcp_seg *seg)
{
	if (!(seg->flags & TCP_RST))
		return TCP_V_NEXT;
	if (rst_exact(tp, seg))
		return reset(tp);
	TCP_COUNT(tp->sk.st, RstInWindowOnly);
	if (tp->fo.asked && !tp->data_segs_in &&
	    tp->state == NST_TCP_ESTABLISHED)
		tcp_fo_blackhole(tp);
	tcp_challenge_ack(tp);
	return TCP_V_DROP;
}

/* Third, security: obsolete. Fourth: SYN. */
static enum tcp_verdict step4_syn(struct nst_tcp *tp, struct tcp_seg *seg)
{
	return seg->flags & TCP_SYN ? challenge_syn(tp, seg) : TCP_V_NEXT;
}

/* Fifth: ACK. */
static enum tcp_verdict step5_ack(struct nst_tcp *tp, struct tcp_seg *seg)
{
	if (!(seg->flags & TCP_ACK))
		return TCP_V_DROP;
	tcp_ecn_in(tp, seg);
	return tcp_in_ack(tp, seg);
}

/* Sixth: URG. */
static enum tcp_verdict step6_urg(struct nst_tcp *tp, struct tcp_seg *seg)
{
	tcp_rcv_rtt_ts(tp, seg);
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

/* LINUX: a segment that is neither ACK nor RST nor SYN is no segment. */
static bool some_flag(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	if (seg->flags & (TCP_ACK | TCP_RST | TCP_SYN))
		return true;
	if (tp->state == NST_TCP_ESTABLISHED)
		TCP_COUNT(tp->sk.st, InErrs);
	return false;
}

void tcp_in_conn(struct nst_tcp *tp, struct tcp_seg *seg)
{
	tp->segs_in += tcp_seg_count(seg);
	if (seg->len)
		tp->data_segs_in += tcp_seg_count(seg);
	if (tp->state == NST_TCP_SYN_SENT)
		tcp_in_syn_sent(tp, seg);
	else if (!tcp_fo_child_in(tp, seg) || !some_flag(tp, seg))
		; /* dealt with */
	else
		run_steps(tp, seg, predicted(tp, seg) ? STEP_ACK : 0);
	tcp_finish(tp);
}

/* ---- who gets it ---- */

static struct nst_sock *listener_for(struct nst_stack *st,
				     const struct tcp_seg *seg)
{
	struct flow_key k = tcp_seg_key(seg);
	struct nst_sockaddr dst = {k.local, k.lport};
	struct nst_sockaddr src = {k.remote, k.rport};

	if (!seg->in->local)
		return NULL;
	return ports_lookup(st->ports, SOCK_K_TCP, &dst, &src, seg->in->ifindex,
			    tcp_is_listener);
}

bool tcp_in_wanted(struct nst_stack *st, const struct tcp_seg *seg)
{
	return listener_for(st, seg) || st->fwd.tcp;
}

void tcp_in_unmatched(struct nst_stack *st, struct tcp_seg *seg,
		      const struct seq *isn)
{
	struct nst_sock *s = listener_for(st, seg);

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

void tcp_in_checked(struct nst_stack *st, struct nst_pkt *pkt,
		    const struct ip_in *in)
{
	uint32_t more = tcp_gro_more(pkt);
	struct tcp_seg seg;
	bool bad_opts = false;

	if (!tcp_parse(pkt, in, &seg, &bad_opts)) {
		TCP_COUNT(st, InErrs);
	} else {
		seg.len += more;
		seg.end = seq_add(seg.end, more);
		if (bad_opts)
			TCP_COUNT(st, MalformedOpts);
		dispatch(st, &seg);
	}
	tcp_gro_free(pkt);
}

void tcp_in(struct nst_stack *st, struct nst_pkt *pkt, const struct ip_in *in)
{
	TCP_COUNT(st, InSegs);
	if (in->bcast || in->mcast || pkt->l2_bcast) {
		TCP_COUNT(st, InErrs); /* RFC 1122 4.2.3.10 */
	} else if (!ip_l4_csum_ok(pkt, in)) {
		TCP_COUNT(st, InCsumErrors);
		TCP_COUNT(st, InErrs);
	} else {
		if (!tcp_gro_in(st, pkt, in))
			tcp_in_checked(st, pkt, in);
		return;
	}
	nst_pkt_free(pkt);
}

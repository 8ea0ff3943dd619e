/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ECN does with each segment in and out, and classic feedback: RFC 3168
 * section 6.1. A mode of its own decides each time; TCP_ECN_OFF costs a test.
 */
#include "netstack/tcp/tcp_priv.h"

#define TCP_ECN_QUICKACKS 2

static bool classic(const struct nst_tcp *tp)
{
	return tp->ecn.mode == TCP_ECN_CLASSIC;
}

uint8_t tcp_ecn_ect(const struct nst_tcp *tp)
{
	return tp->cc && (tp->cc->flags & TCP_CC_ECT1) ? ECN_ECT1 : ECN_ECT0;
}

static bool cc_wants(const struct nst_tcp *tp)
{
	return tp->cc && (tp->cc->flags & TCP_CC_ECN);
}

static void cc_event(struct nst_tcp *tp, enum tcp_cc_event ev)
{
	if (cc_wants(tp) && tp->cc->event)
		tp->cc->event(tp, ev);
}

/* ---- in ---- */

/* LINUX: FLAG_TS_PROGRESS: ts_recent is about to move forward. */
static bool ts_newer(const struct nst_tcp *tp, const struct tcp_seg *seg)
{
	return tp->ts_on && seg->ts_ok && !seq_gt(seg->seq, tp->rcv_wup) &&
	       (int32_t)(seg->tsval - tp->ts_recent) > 0;
}

void tcp_ecn_in(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	struct tcp_ecn *e = &tp->ecn;

	e->opening = false;
	if (e->mode == TCP_ECN_OFF)
		return;
	e->ts_newer = ts_newer(tp, seg);
	e->acked_before = tp->bytes_acked;
	if (e->mode == TCP_ECN_ACCURATE) {
		tcp_accecn_in(tp, seg);
		return;
	}
	/* RFC 3168 6.1.3: CWR ends the echo. LINUX: its sender may have one
	 * segment left to send: acknowledge that at once. */
	if (!(seg->flags & TCP_CWR))
		return;
	e->echo = false;
	if (seg->len || (seg->flags & TCP_FIN))
		tp->ack_now = true;
}

/* RFC 3168 6.1.3. LINUX: quick ACKs when the echo starts; and for data
 * without ECT after data with it, which is probably a retransmission. */
void tcp_ecn_data_in(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	struct tcp_ecn *e = &tp->ecn;
	uint8_t cp = seg->in->tos & 3;

	if (!classic(tp))
		return;
	if (cp == ECN_NOT_ECT) {
		if (e->seen)
			tcp_ack_quick(tp, TCP_ECN_QUICKACKS);
		return;
	}
	cc_event(tp, cp == ECN_CE ? TCP_CE_ECN_IS_CE : TCP_CE_ECN_NO_CE);
	if (cp == ECN_CE && !e->echo) {
		tcp_ack_quick(tp, TCP_ECN_QUICKACKS);
		tp->pingpong = false;
		e->echo = true;
	}
	e->seen = true;
}

/* RFC 9768 3.2.3.2.2: the same segment for the third time, after an ACK with
 * option and D-SACK: such ACKs do not get through. */
void tcp_ecn_dup_in(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	struct tcp_ecn *e = &tp->ecn;

	if (e->mode == TCP_ECN_ACCURATE && e->opt_dsack &&
	    seq_eq(seg->seq, e->dsack_seq))
		e->fail |= TCP_ECN_OPT_SEND;
}

bool tcp_ecn_ack(struct nst_tcp *tp, const struct tcp_seg *seg, uint32_t pkts,
		 uint32_t bytes)
{
	uint32_t ce = 0;

	switch ((enum tcp_ecn_mode)tp->ecn.mode) {
	case TCP_ECN_CLASSIC:
		if (!(seg->flags & TCP_ECE) || (seg->flags & TCP_SYN))
			return false;
		ce = pkts;
		break;
	case TCP_ECN_ACCURATE:
		ce = tcp_accecn_ack(tp, seg, pkts, bytes);
		if (!ce)
			return false;
		break;
	default:
		return false;
	}
	tp->delivered_ce += ce;
	tp->sk.st->count.TcpDeliveredCE += ce;
	return true;
}

/* ---- out ---- */

void tcp_ecn_queue_cwr(struct nst_tcp *tp)
{
	if (classic(tp))
		tp->ecn.cwr = true;
}

void tcp_ecn_withdraw_cwr(struct nst_tcp *tp)
{
	tp->ecn.cwr = false;
}

/* RFC 3168 6.1.4, 6.1.5, 6.1.6: ECT on new data only; no pure ACK, no
 * retransmission, no window probe. CWR goes with the first new data. */
static void classic_out(struct nst_tcp *tp, struct tcp_out_hdr *h, uint32_t len)
{
	struct tcp_ecn *e = &tp->ecn;

	if (len && !seq_lt(h->seq, tp->snd_nxt)) {
		e->tx = tcp_ecn_ect(tp);
		if (e->cwr)
			h->flags |= TCP_CWR;
		e->cwr = false;
	} else if (cc_wants(tp)) {
		e->tx = tcp_ecn_ect(tp);
	}
	if (e->echo)
		h->flags |= TCP_ECE;
}

void tcp_ecn_out(struct nst_tcp *tp, struct tcp_out_hdr *h, uint32_t len)
{
	struct tcp_ecn *e = &tp->ecn;

	e->tx = ECN_NOT_ECT;
	if (e->mode == TCP_ECN_CLASSIC) {
		classic_out(tp, h, len);
		return;
	}
	if (e->mode != TCP_ECN_ACCURATE)
		return;
	/* RFC 9768 3.1.5: no ECT when a handshake ACE of zero was seen. */
	if (!(e->fail & (TCP_ECN_ACE_SEND | TCP_ECN_ACE_RECV)))
		e->tx = tcp_ecn_ect(tp);
	tcp_accecn_out(tp, h);
}

void tcp_ecn_info(const struct nst_tcp *tp, struct nst_tcp_info *out)
{
	const struct tcp_ecn *e = &tp->ecn;

	out->ecn = e->mode != TCP_ECN_OFF;
	out->ecn_seen = e->seen;
	out->delivered_ce = tp->delivered_ce;
	out->received_ce = e->ce_in;
	out->delivered_e1_bytes = e->bytes_out[ECN_ECT1 - 1];
	out->delivered_e0_bytes = e->bytes_out[ECN_ECT0 - 1];
	out->delivered_ce_bytes = e->bytes_out[ECN_CE - 1];
	out->received_e1_bytes = e->bytes_in[ECN_ECT1 - 1];
	out->received_e0_bytes = e->bytes_in[ECN_ECT0 - 1];
	out->received_ce_bytes = e->bytes_in[ECN_CE - 1];
	out->accecn_fail_mode = e->fail;
	out->accecn_opt_seen = e->opt_seen;
}

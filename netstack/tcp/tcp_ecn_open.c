/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ECN in the handshake: which variant, RFC 3168 6.1.1 and RFC 9768 3.1. Roles:
 * the endpoint that connects, the half-open request, and the endpoint that
 * sends a SYN-ACK itself (both sides opened at once, or forwarded).
 */
#include "netstack/base/mem.h"
#include "netstack/tcp/tcp_req.h"

#define ACE_CLASSIC_SYN 3  /* CWR, ECE */
#define ACE_ACCURATE_SYN 7 /* AE, CWR, ECE */
#define ACE_CLASSIC_SYNACK 1

/* ---- connecting ---- */

/* LINUX: tcp_ecn: 1 and 4 ask for classic ECN, 3 for AccECN. */
static uint8_t wanted(const struct nst_tcp *tp)
{
	switch (TCP_CTL(tp, ecn)) {
	case 3:
		return TCP_ECN_PENDING;
	case 1:
	case 4:
		return TCP_ECN_CLASSIC;
	default:
		break;
	}
	if (tp->cc && (tp->cc->flags & TCP_CC_ECN))
		return TCP_ECN_CLASSIC;
	return TCP_ECN_OFF;
}

static uint8_t handshake_ect(const struct nst_tcp *tp)
{
	if (tp->cc && (tp->cc->flags & TCP_CC_ECN))
		return tcp_ecn_ect(tp);
	return ECN_NOT_ECT;
}

/* RFC 3168 6.1.1.1, RFC 9768 3.1.4.1: SYNs that offer ECN may be what is
 * dropped: do without it from the first, or second, repetition on. */
static bool fell_back(const struct nst_tcp *tp)
{
	uint32_t tries = tp->ecn.mode == TCP_ECN_PENDING ? 2 : 1;

	return TCP_CTL(tp, ecn_fallback) && tp->hs_n >= tries;
}

static void syn_out(struct nst_tcp *tp, struct tcp_out_hdr *h)
{
	struct tcp_ecn *e = &tp->ecn;

	if (!tp->hs_n) {
		e->mode = wanted(tp);
		e->syn_out = handshake_ect(tp);
	}
	if (e->mode == TCP_ECN_OFF)
		return;
	/* LINUX: the time-out of a SYN is one of congestion, too. */
	if (tp->hs_n)
		tcp_ecn_queue_cwr(tp);
	e->tx = e->syn_out;
	if (fell_back(tp))
		return;
	tcp_ace_put(h, e->mode == TCP_ECN_PENDING ? ACE_ACCURATE_SYN
						  : ACE_CLASSIC_SYN);
}

/* The SYN-ACK's ACE and option; `nth`: 0 is the first, RFC 9768 3.1.4.2: the
 * first repetition leaves the option out, the second the ACE too. */
static void synack_out(uint8_t mode, uint8_t syn_in, uint32_t nth, bool option,
		       struct tcp_out_hdr *h)
{
	if (mode == TCP_ECN_CLASSIC)
		tcp_ace_put(h, ACE_CLASSIC_SYNACK);
	if (mode != TCP_ECN_ACCURATE || nth > 1)
		return;
	tcp_ace_put(h, tcp_ace_reflect(syn_in));
	if (option && !nth)
		tcp_accecn_synack_opt(h);
}

void tcp_ecn_syn_out(struct nst_tcp *tp, struct tcp_out_hdr *h)
{
	struct tcp_ecn *e = &tp->ecn;

	e->tx = ECN_NOT_ECT;
	if (tp->state != NST_TCP_SYN_RCVD) {
		syn_out(tp, h);
		return;
	}
	if (e->mode == TCP_ECN_OFF)
		return;
	e->syn_out = e->tx = handshake_ect(tp);
	synack_out(e->mode, e->syn_in, tp->hs_n, TCP_CTL(tp, ecn_option), h);
	if (e->mode == TCP_ECN_ACCURATE && tp->hs_n > 1)
		e->fail |= TCP_ECN_ACE_SEND;
}

static void see_option(uint8_t *seen, uint8_t *fail, const struct tcp_seg *seg)
{
	if (!seg->accecn.present || *seen >= TCP_ECN_OPT_COUNTERS)
		return;
	*seen = tcp_accecn_opt_state(seg);
	if (*seen == TCP_ECN_OPT_ZEROED)
		*fail |= TCP_ECN_OPT_RECV;
}

/* RFC 9768 3.2.2.3: may a codepoint have become that one on its way? */
static bool possible(uint8_t sent, uint8_t came)
{
	if (sent == came)
		return true;
	return sent != ECN_NOT_ECT && came != ECN_NOT_ECT && sent != ECN_CE;
}

static bool feedback_ok(struct nst_tcp *tp, uint8_t ace)
{
	if (!TCP_CTL(tp, ecn_fallback) ||
	    possible(tp->ecn.syn_out, tcp_ace_reflected(ace)))
		return true;
	tp->ecn.fail |= TCP_ECN_ACE_RECV;
	return false;
}

static void accurate_synack(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	struct tcp_ecn *e = &tp->ecn;

	e->mode = TCP_ECN_ACCURATE;
	e->syn_in = seg->in->tos & 3;
	e->reflect = true;
	if (seg->accecn.present && e->opt_seen < TCP_ECN_OPT_COUNTERS) {
		see_option(&e->opt_seen, &e->fail, seg);
		e->opt_demand = 2;
	}
	if (e->syn_in == ECN_CE && feedback_ok(tp, tcp_ace_of(seg))) {
		e->ce_in++;
		e->ce_unsent++;
	}
}

/* RFC 9768 table 2, RFC 3168 6.1.1. What answers a classic SYN with an ACE of
 * AccECN, or reflects ours, speaks no ECN. */
void tcp_ecn_synack_in(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	struct tcp_ecn *e = &tp->ecn;
	uint8_t ace = tcp_ace_of(seg);
	bool offered = e->mode == TCP_ECN_PENDING;

	if (e->mode == TCP_ECN_OFF)
		return;
	if (!ace || ace == 7)
		e->mode = TCP_ECN_OFF;
	else if (ace == ACE_CLASSIC_SYNACK || (ace == 5 && !offered))
		e->mode = TCP_ECN_CLASSIC;
	else if (offered)
		accurate_synack(tp, seg);
	else
		e->mode = TCP_ECN_OFF;
}

/* ---- accepting ---- */

/* RFC 9768 3.1.2: anything but 000 and the classic 011 asks for AccECN. LINUX:
 * and a classic SYN with ECT is not believed, unless other bits show that it
 * means more by that. */
static uint8_t answer(const struct nst_tcp *tp, const struct tcp_seg *seg)
{
	uint8_t ace = tcp_ace_of(seg), how = (uint8_t)TCP_CTL(tp, ecn);
	bool ect = seg->in->tos & 3;

	if (ace && ace != ACE_CLASSIC_SYN && how >= 3)
		return TCP_ECN_ACCURATE;
	if ((ace & 3) != ACE_CLASSIC_SYN)
		return TCP_ECN_OFF;
	if (tp->cc && (tp->cc->flags & TCP_CC_ECN))
		return TCP_ECN_CLASSIC;
	if (how && (!ect || seg->ae || seg->res))
		return TCP_ECN_CLASSIC;
	return TCP_ECN_OFF;
}

void tcp_ecn_passive(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	tp->ecn.mode = answer(tp, seg);
	tp->ecn.syn_in = tp->ecn.prev = seg->in->tos & 3;
}

/* Both opened at once: what we offered, and the peer, is in force. */
void tcp_ecn_cross_in(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	struct tcp_ecn *e = &tp->ecn;
	uint8_t ace = tcp_ace_of(seg);

	if (e->mode == TCP_ECN_PENDING) {
		e->mode = TCP_ECN_CLASSIC;
		if (ace && ace != ACE_CLASSIC_SYN)
			e->mode = TCP_ECN_ACCURATE;
		e->syn_in = e->prev = seg->in->tos & 3;
	}
	if (e->mode == TCP_ECN_CLASSIC && (ace & 3) != ACE_CLASSIC_SYN)
		e->mode = TCP_ECN_OFF;
}

/* RFC 9768 table 4: the ACE of the final ACK tells how our SYN-ACK came. */
void tcp_ecn_third_in(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	struct tcp_ecn *e = &tp->ecn;
	uint8_t ace = tcp_ace_of(seg);

	e->opening = true;
	if (e->mode != TCP_ECN_ACCURATE)
		return;
	see_option(&e->opt_seen, &e->fail, seg);
	if (!ace) {
		e->fail |= TCP_ECN_ACE_RECV;
		return;
	}
	/* Data has a count there, unless the ACK before it was lost. */
	if (ace == 1 || ace == 5 || ace == 7 || seg->len ||
	    (seg->flags & TCP_FIN))
		return;
	if (feedback_ok(tp, ace) && tcp_ace_reflected(ace) == ECN_CE &&
	    !tp->delivered_ce)
		tp->delivered_ce++;
}

void tcp_ecn_challenge_syn(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	struct tcp_ecn *e = &tp->ecn;

	if (e->mode == TCP_ECN_ACCURATE) {
		/* RFC 9768 3.1.5: of the latest one. */
		e->syn_in = seg->in->tos & 3;
		e->reflect = true;
		see_option(&e->opt_seen, &e->fail, seg);
		if (!e->opt_demand)
			e->opt_demand = 1;
	}
	tcp_challenge_ack(tp);
	e->reflect = false;
}

/* ---- requests ---- */

void tcp_ecn_req_syn(struct tcp_req *r, const struct tcp_seg *seg)
{
	r->ecn = (struct tcp_req_ecn){
	    .mode = answer(r->listener, seg),
	    .syn_in = seg->in->tos & 3,
	};
}

void tcp_ecn_req_syn_again(struct tcp_req *r, const struct tcp_seg *seg)
{
	if (r->ecn.mode != TCP_ECN_ACCURATE)
		return;
	r->ecn.syn_in = seg->in->tos & 3;
	if (!tcp_ace_of(seg))
		r->ecn.fail |= TCP_ECN_ACE_RECV;
}

uint8_t tcp_ecn_req_synack(struct tcp_req *r, struct tcp_out_hdr *h)
{
	const struct nst_tcp *l = r->listener;
	struct tcp_req_ecn *e = &r->ecn;

	if (r->cookie && !r->ts_on)
		e->mode = TCP_ECN_OFF; /* nothing would remember it */
	if (e->mode == TCP_ECN_OFF)
		return ECN_NOT_ECT;
	synack_out(e->mode, e->syn_in, r->retrans, TCP_CTL(l, ecn_option), h);
	if (e->mode == TCP_ECN_ACCURATE && r->retrans > 1)
		e->fail |= TCP_ECN_ACE_SEND;
	e->syn_out = handshake_ect(l);
	return e->syn_out;
}

void tcp_ecn_req_ack(struct tcp_req *r, const struct tcp_seg *seg)
{
	if (r->ecn.mode == TCP_ECN_ACCURATE)
		see_option(&r->ecn.opt_seen, &r->ecn.fail, seg);
}

/* RFC 9768 3.1.3 ("SYN cookies"): an ACE of 2 or more is AccECN's. */
void tcp_ecn_req_cookie(struct tcp_req *r, bool ecn, const struct tcp_seg *ack)
{
	memset(&r->ecn, 0, sizeof(r->ecn));
	if (!ecn || !TCP_CTL(r->listener, ecn))
		return;
	r->ecn.mode = tcp_ace_of(ack) > 1 ? TCP_ECN_ACCURATE : TCP_ECN_CLASSIC;
}

void tcp_ecn_child(struct nst_tcp *tp, const struct tcp_req *r)
{
	struct tcp_ecn *e = &tp->ecn;

	e->mode = r->ecn.mode;
	if (e->mode != TCP_ECN_ACCURATE)
		return;
	e->fail = r->ecn.fail;
	e->opt_seen = r->ecn.opt_seen;
	e->syn_in = e->prev = r->ecn.syn_in;
	e->syn_out = r->ecn.syn_out;
	e->opt_demand = 1;
}

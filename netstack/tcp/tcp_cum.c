/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cumulative acknowledgement: records that are done, and the round trip
 * they show. Karn's rule: nothing that was sent twice is a sample, except by
 * timestamps (RFC 6298 3, RFC 7323 4.1).
 */
#include "netstack/tcp/tcp_priv.h"

#define TS_RTT_MAX (INT32_MAX / 1000) /* LINUX: more is a clock that lies */

/* Send times of what this ACK acknowledges for the first time. */
struct cum {
	nst_time first, last; /* 0: none */
	struct seq reord;     /* the lowest never sent again nor SACKed */
	uint32_t pkts;
	bool whole; /* no record was acknowledged in part */
};

static void note_original(const struct nst_tcp *tp, const struct tcp_sent *r,
			  struct seq start, struct cum *c, struct tcp_acked *a)
{
	c->last = r->when;
	if (!c->first)
		c->first = r->when;
	if (seq_lt(start, c->reord))
		c->reord = start;
	if (seq_le(tcp_sent_end(r), tp->high_seq))
		a->flags |= TCP_A_ORIG;
}

/* `pkts` packets from the front of r, `bytes` of it, are acknowledged. */
static void note(struct nst_tcp *tp, const struct tcp_sent *r, struct seq start,
		 uint32_t pkts, struct cum *c, struct tcp_acked *a)
{
	bool twice = r->flags & (SENT_REXMIT | SENT_EVER);

	if (twice)
		a->flags |= TCP_A_REXMIT_ACKED;
	else if (!(r->flags & SENT_SACKED))
		note_original(tp, r, start, c, a);
	c->pkts += pkts;
	a->flags |= TCP_A_ACKED;
	if (r->flags & SENT_SACKED)
		return;
	tcp_rate_delivered(tp, r, a->rs);
	if (!tp->sack_on)
		return;
	tp->delivered += pkts;
	/* The timestamp says an earlier copy came: no round trip of this. */
	if (!twice || !tcp_undo_ecr_before(tp, a, r->when))
		tcp_rack_advance(tp, r);
}

/* Where r began. LINUX: one segment that is acknowledged bit by bit looks as
 * if it had come late. */
static struct seq origin(const struct tcp_sent *r)
{
	return seq_add(r->seq, r->flags & SENT_CUT ? UINT32_MAX : 0);
}

/* The first record's front; what is left of it stays. */
static void part(struct nst_tcp *tp, struct cum *c, struct tcp_acked *a)
{
	struct tcp_sent *r = tcp_sent_at(tp, 0);
	struct seq start = r->seq;
	uint32_t pkts = tcp_sent_trim(tp, tp->snd_una);

	if (!(r->flags & SENT_SACKED))
		a->bytes += (uint32_t)seq_diff(r->seq, start);
	if (!pkts) {
		r->flags |= SENT_CUT;
		return;
	}
	c->whole = false;
	note(tp, r, start, pkts, c, a);
}

static void clean(struct nst_tcp *tp, struct cum *c, struct tcp_acked *a)
{
	while (tp->sents.n) {
		struct tcp_sent *r = tcp_sent_at(tp, 0);

		if (seq_ge(r->seq, tp->snd_una))
			break;
		if (seq_gt(tcp_sent_end(r), tp->snd_una)) {
			part(tp, c, a);
			break;
		}
		if (!(r->flags & SENT_SACKED))
			a->bytes += r->len;
		note(tp, r, origin(r), r->pcount, c, a);
		tcp_sent_pop(tp);
	}
	if (tp->sents.n && (tcp_sent_at(tp, 0)->flags & SENT_SACKED))
		a->flags |= TCP_A_RENEGING;
	if (tp->rtx_hint_on && seq_lt(tp->rtx_hint, tp->snd_una))
		tp->rtx_hint_on = false;
}

/* ---- round trips ---- */

/* A lone small packet whose ACK may have been delayed. */
static bool maybe_delayed(const struct nst_tcp *tp, const struct cum *c,
			  bool sacked, const struct tcp_acked *a)
{
	return c->pkts == 1 && c->whole && !sacked &&
	       (uint32_t)seq_diff(tp->snd_una, a->prior_una) < tp->mss &&
	       a->rs->prior_delivered + 1 == tp->delivered &&
	       !(a->flags & TCP_A_ALERT);
}

/* RFC 7323 4.1; < 0: no timestamp, or not one to believe. */
static nst_time ts_rtt(const struct nst_tcp *tp, const struct tcp_acked *a)
{
	uint32_t ms;

	if (!a->tsecr_ok || !a->tsecr)
		return -1;
	ms = tcp_ts_now(tp->sk.st, tp->ts_off) - a->tsecr;
	if (ms >= TS_RTT_MAX || tcp_echo_before_outage(tp, a->tsecr))
		return -1;
	return (ms ? ms : 1) * NST_MS;
}

/* True: the estimate was fed. */
static bool sample(struct nst_tcp *tp, nst_time seq_rtt, nst_time sack_rtt,
		   nst_time cc_rtt, struct tcp_acked *a)
{
	nst_time rtt = seq_rtt >= 0 ? seq_rtt : sack_rtt;

	if (rtt < 0 && (a->flags & TCP_A_ACKED))
		rtt = cc_rtt = ts_rtt(tp, a);
	a->rs->rtt = cc_rtt;
	if (rtt < 0)
		return false;
	/* A receiver that delays each ACK would raise the minimum. */
	if (!(a->flags & TCP_A_MAYBE_DELAYED) || cc_rtt <= tp->min_rtt)
		tcp_rtt_min_sample(tp, cc_rtt);
	tcp_rtt_estimate(tp, rtt);
	return true;
}

/* ---- the end of it ---- */

static void progress(struct nst_tcp *tp, const struct cum *c,
		     struct tcp_acked *a)
{
	a->flags |= TCP_A_TIMER;
	tcp_mtup_acked(tp);
	if (tp->sack_on) {
		if (seq_lt(c->reord, a->prior_fack))
			tcp_reorder_check(tp, c->reord, false);
		return;
	}
	tcp_reno_acked(tp, c->pkts);
	/* Without SACK it cannot be said which copy it was. */
	if (a->flags & TCP_A_REXMIT_ACKED)
		a->flags &= ~(uint32_t)TCP_A_ORIG;
}

/* LINUX: SACKs of data that left after the head did not move the timer: it
 * would never fire while SACKs come. */
static bool head_is_older(const struct nst_tcp *tp, nst_time sack_rtt)
{
	return tp->sents.n && sack_rtt >= 0 &&
	       sack_rtt > tp->sk.st->now - tcp_sent_at(tp, 0)->when;
}

void tcp_cum_ack(struct nst_tcp *tp, struct tcp_acked *a)
{
	nst_time now = tp->sk.st->now, seq_rtt = -1, sack_rtt = -1, cc_rtt = -1;
	struct cum c = {.reord = tp->snd_nxt, .whole = true};
	bool sacked = tp->sacked_out;

	clean(tp, &c, a);
	if (c.first && !(a->flags & TCP_A_REXMIT_ACKED) &&
	    !tcp_before_outage(tp, c.first)) {
		seq_rtt = t_max(now - c.first, 0);
		cc_rtt = t_max(now - c.last, 0);
		if (maybe_delayed(tp, &c, sacked, a))
			a->flags |= TCP_A_MAYBE_DELAYED;
	}
	if (a->first_sack && !tcp_before_outage(tp, a->first_sack)) {
		sack_rtt = t_max(now - a->first_sack, 0);
		cc_rtt = t_max(now - a->last_sack, 0);
	}
	if (!sample(tp, seq_rtt, sack_rtt, cc_rtt, a))
		sack_rtt = -1;
	if (a->flags & TCP_A_ACKED)
		progress(tp, &c, a);
	else if (head_is_older(tp, sack_rtt))
		a->flags |= TCP_A_TIMER;
	if (tp->cc->pkts_acked)
		tp->cc->pkts_acked(tp, c.pkts, a->rs->rtt,
				   tp->delivered - a->rs->prior_delivered);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivery rate samples: draft-cheng-iccrg-delivery-rate-estimation.
 *
 * Each record remembers, when it leaves, how much had been delivered and since
 * when the flow had been sending (struct tcp_tx_mark). The acknowledgement of
 * the newest record of an event then gives both: packets delivered since, and
 * the longer of the time to send and the time to acknowledge them. The longer
 * one, because neither a burst of ACKs nor one of packets is a fast network.
 */
#include "netstack/tcp/tcp_priv.h"

void tcp_rate_begin(const struct nst_tcp *tp, struct tcp_rate_sample *rs)
{
	*rs = (struct tcp_rate_sample){.rtt = -1};
	rs->prior_in_flight = tcp_in_flight(tp);
}

void tcp_rate_sent(struct nst_tcp *tp, struct tcp_sent *r)
{
	struct tcp_rate *f = &tp->rate;

	/* From nothing in flight: what is delivered from now on counts. Not
	 * the pipe's estimate, which a false alarm may empty. */
	if (tp->packets_out == r->pcount && !(r->flags & SENT_EVER)) {
		f->first_tx = r->when;
		f->delivered_at = r->when;
	}
	r->tx.first_tx = f->first_tx;
	r->tx.delivered_at = f->delivered_at;
	r->tx.delivered = tp->delivered;
	r->tx.delivered_ce = tp->delivered_ce;
	r->tx.lost = f->lost;
	r->tx.in_flight = tcp_in_flight(tp);
	r->tx.app_limited = f->app_limited != 0;
}

static bool newer(const struct nst_tcp *tp, const struct tcp_sent *r,
		  struct seq end, const struct tcp_rate_sample *rs)
{
	if (!rs->prior_delivered_at || r->when > tp->rate.first_tx)
		return true;
	return r->when == tp->rate.first_tx && seq_gt(end, rs->last_end);
}

void tcp_rate_delivered(struct nst_tcp *tp, const struct tcp_sent *r,
			struct tcp_rate_sample *rs)
{
	struct seq end = seq_add(r->seq, r->len);

	if (!newer(tp, r, end, rs) || tcp_before_outage(tp, r->tx.delivered_at))
		return;
	rs->prior_delivered_at = r->tx.delivered_at;
	rs->prior_delivered = r->tx.delivered;
	rs->prior_delivered_ce = r->tx.delivered_ce;
	rs->prior_lost = r->tx.lost;
	rs->tx_in_flight = r->tx.in_flight;
	rs->app_limited = r->tx.app_limited;
	rs->retrans = r->flags & SENT_EVER;
	rs->last_end = end;
	rs->snd_interval = r->when - r->tx.first_tx;
	tp->rate.first_tx = r->when; /* the next sample's send interval */
}

/* Keeps the newest sample, or the best one while the owner is the limit. */
static void keep(struct tcp_rate *f, const struct tcp_rate_sample *rs)
{
	uint64_t n = (uint64_t)rs->delivered;

	/* In microseconds, so that the products fit. */
	if (rs->app_limited &&
	    n * (uint64_t)(f->interval / NST_US) <
		(uint64_t)f->delivered * (uint64_t)(rs->interval / NST_US))
		return;
	f->delivered = (uint32_t)n;
	f->interval = rs->interval;
	f->sample_app_limited = rs->app_limited;
}

void tcp_rate_gen(struct nst_tcp *tp, uint32_t delivered, uint32_t lost,
		  bool reneged, struct tcp_rate_sample *rs)
{
	struct tcp_rate *f = &tp->rate;

	/* The bubble has left the network. */
	if (f->app_limited && (int32_t)(tp->delivered - f->app_limited) > 0)
		f->app_limited = 0;
	if (delivered)
		f->delivered_at = tp->sk.st->now;
	rs->acked_sacked = delivered;
	rs->losses = lost;
	rs->delivered = -1;
	rs->interval = 0;
	/* A receiver that forgets would have its packets counted twice. */
	if (!rs->prior_delivered_at || reneged)
		return;
	rs->delivered = tp->delivered - rs->prior_delivered;
	rs->delivered_ce = tp->delivered_ce - rs->prior_delivered_ce;
	rs->lost = f->lost - rs->prior_lost;
	rs->rcv_interval = tp->sk.st->now - rs->prior_delivered_at;
	rs->interval = t_max(rs->snd_interval, rs->rcv_interval);
	/* Shorter than any round trip: a retransmission that was not needed,
	 * acknowledged by the ACK of the original. */
	if (!tp->min_rtt || rs->interval < tp->min_rtt)
		rs->interval = 0;
	else
		keep(f, rs);
}

void tcp_rate_check_app_limited(struct nst_tcp *tp)
{
	uint32_t flight = tcp_in_flight(tp), at;

	if (tcp_unsent(tp) >= tp->mss || flight >= tp->cwnd ||
	    tp->lost_out > tp->retrans_out)
		return;
	at = tp->delivered + flight;
	tp->rate.app_limited = at ? at : 1;
}

uint64_t tcp_rate_bytes_per_s(const struct nst_tcp *tp)
{
	const struct tcp_rate *f = &tp->rate;

	if (!f->interval)
		return 0;
	return (uint64_t)f->delivered * tp->mss * 1000000u /
	       (uint64_t)t_max(f->interval / NST_US, 1);
}

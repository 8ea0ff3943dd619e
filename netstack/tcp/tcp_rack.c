/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RACK loss detection, RFC 8985 6: a packet is lost when one that left later
 * was delivered and a reordering window has passed since. The window is none
 * until reordering is seen, then a quarter of the least RTT, and grows with
 * each round of D-SACKs. Without SACK, RFC 6582's rule marks (tcp_recovery.c).
 *
 * Records are visited by time of transmission, so that a scan ends at the
 * first that left after the newest delivered one.
 */
#include "netstack/tcp/tcp_priv.h"

/* tcp_recovery's bits. */
#define RACK_STATIC_WND 0x2
#define RACK_NO_DUPTHRESH 0x4
#define RACK_STEPS_MAX 255
#define RACK_PERSIST 16 /* RFC 8985 6.2: recoveries that keep a window */

static bool sent_after(nst_time t1, struct seq end1, nst_time t2,
		       struct seq end2)
{
	return t1 > t2 || (t1 == t2 && seq_gt(end1, end2));
}

/* RFC 8985 6.2 steps 1 to 3. */
void tcp_rack_advance(struct nst_tcp *tp, const struct tcp_sent *r)
{
	struct tcp_rack *k = &tp->rack;
	nst_time rtt = t_max(tp->sk.st->now - r->when, 0);

	if (tcp_before_outage(tp, r->when))
		return;
	/* Sooner than a round trip: the ACK is for an earlier copy. */
	if ((r->flags & (SENT_REXMIT | SENT_EVER)) && rtt < tp->min_rtt)
		return;
	k->advanced = true;
	k->rtt = rtt;
	if (!sent_after(r->when, tcp_sent_end(r), k->when, k->end))
		return;
	k->when = r->when;
	k->end = tcp_sent_end(r);
}

/* RFC 8985 6.2 step 4. */
static nst_time reo_wnd(const struct nst_tcp *tp)
{
	if (!tp->reord.seen) {
		if (tp->ca_state >= TCP_CA_RECOVERY)
			return 0;
		if (tp->sacked_out >= tp->reord.degree &&
		    !(TCP_CTL(tp, recovery) & RACK_NO_DUPTHRESH))
			return 0;
	}
	return t_min(tp->min_rtt / 4 * tp->rack.steps, tp->srtt / 8);
}

nst_time tcp_rack_wait(const struct nst_tcp *tp, const struct tcp_sent *r,
		       nst_time wnd)
{
	return tp->rack.rtt + wnd - t_max(tp->sk.st->now - r->when, 0);
}

/* RFC 8985 6.2 step 5; returns how long to wait for the others, 0: none. */
static nst_time detect(struct nst_tcp *tp)
{
	nst_time wnd = reo_wnd(tp), longest = 0;
	struct tcp_sent *r = tcp_sent_oldest(tp), *next;

	for (; r; r = next) {
		nst_time left;

		next = tcp_sent_after(tp, r);
		if ((r->flags & SENT_LOST) && !(r->flags & SENT_REXMIT))
			continue;
		if (!sent_after(tp->rack.when, tp->rack.end, r->when,
				tcp_sent_end(r)))
			break;
		left = tcp_rack_wait(tp, r, wnd);
		if (left > 0) {
			longest = t_max(longest, left);
			continue;
		}
		tcp_mark_lost(tp, r);
		tcp_sent_untimed(tp, r);
	}
	return longest;
}

bool tcp_rack_mark(struct nst_tcp *tp)
{
	nst_time wait;

	if (!tp->rack.advanced)
		return false;
	tp->rack.advanced = false;
	wait = detect(tp);
	if (!wait)
		return false;
	tp->rtx.what = TCP_RTX_REORDER;
	tp->rtx.since = tp->sk.st->now;
	tp->rtx.wait = t_min(wait + TCP_TIMEOUT_MIN, tp->rto);
	return true;
}

/* The reordering window has passed. */
void tcp_rack_fire(struct nst_tcp *tp)
{
	uint32_t flight = tcp_in_flight(tp), lost = tp->rate.lost;

	detect(tp);
	if (flight != tcp_in_flight(tp)) {
		if (tp->ca_state != TCP_CA_RECOVERY) {
			tcp_recovery_enter(tp, false);
			if (!tp->cc->control)
				tcp_prr_update(tp, 1, tp->rate.lost - lost,
					       false);
		}
		tcp_recovery_xmit(tp);
	}
	if (tp->rtx.what != TCP_RTX_RTO)
		tcp_rto_rearm(tp);
}

/* RFC 8985 6.2 step 4: once a round, more after D-SACKs, the least again
 * after some recoveries without. */
void tcp_rack_adapt(struct nst_tcp *tp, const struct tcp_rate_sample *rs)
{
	struct tcp_rack *k = &tp->rack;

	if ((TCP_CTL(tp, recovery) & RACK_STATIC_WND) || !rs->prior_delivered)
		return;
	if ((int32_t)(rs->prior_delivered - k->step_delivered) < 0)
		k->dsack_seen = false;
	if (k->dsack_seen) {
		k->dsack_seen = false;
		if (k->steps < RACK_STEPS_MAX)
			k->steps++;
		k->step_delivered = tp->delivered;
		k->persist = RACK_PERSIST;
	} else if (!k->persist) {
		k->steps = 1;
	}
}

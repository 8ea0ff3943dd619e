/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pacing: each packet has an earliest departure time, computed from the rate
 * and the one before it. Output stops at a time that has not come, and the
 * pacing timer goes on from there: never early, late by what the loop's timer
 * is late.
 *
 * DEVIATION: LINUX makes lateness good up to half of each packet's time, which
 * is enough for timers of an interrupt. Ours runs when a scheduler lets a
 * process run; on a busy machine that is milliseconds, and the rate would fall
 * with them. So packets whose timer was late leave at once until the schedule
 * is kept again; 4 ms and an eighth of the least RTT of it at most, for that
 * much becomes a burst.
 */
#include "netstack/tcp/tcp_priv.h"

#define LATE_MIN (NST_MS / 2)
#define LATE_MAX (4 * NST_MS)
#define FIRST_SEGMENTS 10u /* LINUX: an initial window leaves at once */

uint64_t tcp_pace_rate(const struct nst_tcp *tp)
{
	uint64_t rate = tp->pace.rate ? tp->pace.rate : UINT64_MAX;
	uint64_t max = tp->sk.opt.max_pacing_rate;

	return rate < max ? rate : max;
}

bool tcp_pace_needed(const struct nst_tcp *tp)
{
	return tp->pace.needed || tp->sk.opt.max_pacing_rate != UINT64_MAX;
}

/*
 * LINUX: a window each round trip, times 2 while slow start will go on (the
 * next window is twice this one), 1.2 after it.
 */
void tcp_pace_update(struct nst_tcp *tp)
{
	uint64_t ratio = (uint64_t)(tp->cwnd < tp->ssthresh / 2
					? TCP_CTL(tp, pacing_ss_ratio)
					: TCP_CTL(tp, pacing_ca_ratio));
	/* mss < 2^16, cwnd < 2^24, with the unit's 80000 below 2^57. */
	uint64_t rate =
	    (uint64_t)tp->mss * 80000u * u32_max(tp->cwnd, tp->packets_out);
	uint64_t srtt8_us = (uint64_t)t_max(tp->srtt / NST_US, 1);

	if (rate < UINT64_MAX / 1024) /* ratio is 1000 at most */
		rate = rate * ratio / srtt8_us;
	else
		rate = rate / srtt8_us * ratio;
	tp->pace.rate = rate ? rate : 1;
}

bool tcp_pace_wait(struct nst_tcp *tp)
{
	if (tp->pace.next <= tp->sk.st->now || !tcp_pace_needed(tp))
		return false;
	tp->pace.blocked = true;
	return true;
}

void tcp_pace_late(struct nst_tcp *tp)
{
	nst_time most = t_max(t_min(tp->min_rtt / 8, LATE_MAX), LATE_MIN);
	struct tcp_pace *p = &tp->pace;
	nst_time now = tp->sk.st->now;

	if (!p->blocked || p->next >= now)
		return;
	p->next = t_max(p->next, now - most);
	p->late_at = now;
}

void tcp_pace_sent(struct nst_tcp *tp, uint32_t bytes)
{
	struct tcp_pace *p = &tp->pace;
	nst_time now = tp->sk.st->now, late = t_max(now - p->next, 0), gap = 0;
	uint64_t rate = tcp_pace_rate(tp);

	if (bytes && tp->data_segs_out >= FIRST_SEGMENTS &&
	    tcp_pace_needed(tp) && rate != UINT64_MAX)
		gap = (nst_time)((uint64_t)bytes * NST_SEC / (rate ? rate : 1));
	if (p->late_at != now) /* LINUX: up to a half is made good */
		p->next += late - t_min(gap / 2, late);
	p->next += gap;
}

nst_time tcp_pace_deadline(const struct nst_tcp *tp)
{
	return tp->pace.blocked ? tp->pace.next : NST_NEVER;
}

void tcp_pace_fire(struct nst_tcp *tp)
{
	tcp_pace_late(tp);
	tp->pace.blocked = false; /* tcp_finish goes on sending */
	if (tp->lost_out > tp->retrans_out && tp->cwnd > tcp_in_flight(tp))
		tcp_recovery_xmit(tp);
}

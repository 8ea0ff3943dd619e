/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much the network reorders, as far as it shows: RFC 8985 6.2 step 4 for
 * RACK's window, and Linux's degree in packets, which is the duplicate
 * threshold (tcpi_reordering, tcpi_reord_seen). Without SACK, the estimate of
 * what the peer holds: one packet for each duplicate ACK.
 */
#include "netstack/tcp/tcp_priv.h"

static void set_degree(struct nst_tcp *tp, uint32_t pkts)
{
	tp->reord.degree = u32_min(pkts, (uint32_t)TCP_CTL(tp, max_reordering));
}

void tcp_reorder_check(struct nst_tcp *tp, struct seq low, bool ts)
{
	struct seq high = tcp_sack_high(tp);
	uint32_t dist;

	if (!seq_lt(low, high))
		return;
	dist = (uint32_t)seq_diff(high, low);
	if (tp->mss && dist > tp->reord.degree * tp->mss)
		set_degree(tp, (dist + tp->mss - 1) / tp->mss);
	tp->reord.seen++;
	if (ts)
		TCP_COUNT(tp->sk.st, TSReorder);
	else
		TCP_COUNT(tp->sk.st, SACKReorder);
}

/* One hole at least remains; true: more were counted than can be. */
bool tcp_reno_limit(struct nst_tcp *tp)
{
	uint32_t holes = u32_min(u32_max(tp->lost_out, 1), tp->packets_out);

	if (tp->sacked_out + holes <= tp->packets_out)
		return false;
	tp->sacked_out = tp->packets_out - holes;
	return true;
}

/* More duplicate ACKs than packets: those came from reordering. */
static void reno_check(struct nst_tcp *tp, uint32_t acked)
{
	if (!tcp_reno_limit(tp))
		return;
	set_degree(tp, tp->packets_out + acked);
	tp->reord.seen++;
	TCP_COUNT(tp->sk.st, RenoReorder);
}

void tcp_reno_dup(struct nst_tcp *tp, uint32_t n)
{
	uint32_t before = tp->sacked_out;

	if (!n)
		return;
	tp->sacked_out += n;
	reno_check(tp, 0);
	if (tp->sacked_out > before)
		tp->delivered += tp->sacked_out - before;
}

/* One of the packets filled the hole; the others were duplicate ACKs. */
void tcp_reno_acked(struct nst_tcp *tp, uint32_t pkts)
{
	if (pkts) {
		tp->delivered +=
		    pkts > tp->sacked_out ? pkts - tp->sacked_out : 1;
		tp->sacked_out -= u32_min(tp->sacked_out, pkts - 1);
	}
	reno_check(tp, pkts);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slow start and congestion avoidance of RFC 5681, counted in segments as
 * Linux's "reno". Its recovery (RFC 6582) is tcp_recovery.c's.
 */
#include "netstack/tcp/tcp_cc_priv.h"

static void reno_init(struct nst_tcp *tp)
{
	tp->cwnd_cnt = 0;
}

static void reno_cong_avoid(struct nst_tcp *tp, uint32_t pkts)
{
	if (tcp_cc_slow_start(tp, &pkts))
		tcp_cc_grow(tp, tp->cwnd, pkts);
}

/* RFC 5681 (4), with LINUX's window instead of FlightSize: the window is
 * validated (tcp_cc_validate), so that the two do not drift apart. */
static uint32_t reno_ssthresh(struct nst_tcp *tp)
{
	return u32_max(tp->cwnd / 2, 2);
}

const struct tcp_cc tcp_newreno = {
    .name = "reno",
    .init = reno_init,
    .cong_avoid = reno_cong_avoid,
    .ssthresh = reno_ssthresh,
};

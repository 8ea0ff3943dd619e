/* SPDX-License-Identifier: Apache-2.0 */
/* Slow start and congestion avoidance of RFC 5681, counted in segments as
 * Linux's "reno". */
#include "netstack/tcp/tcp_priv.h"

static void reno_init(struct nst_tcp *tp)
{
	tp->cwnd_cnt = 0;
}

static uint32_t slow_start(struct nst_tcp *tp, uint32_t pkts)
{
	uint32_t cwnd = u32_min(tp->cwnd + pkts, tp->ssthresh);

	pkts -= cwnd - tp->cwnd;
	tp->cwnd = u32_min(cwnd, TCP_CWND_MAX);
	return pkts;
}

static void reno_cong_avoid(struct nst_tcp *tp, uint32_t pkts)
{
	if (!tcp_cc_is_limited(tp))
		return;
	if (tp->cwnd < tp->ssthresh)
		pkts = slow_start(tp, pkts);
	tp->cwnd_cnt += pkts;
	while (tp->cwnd_cnt >= tp->cwnd && tp->cwnd < TCP_CWND_MAX) {
		tp->cwnd_cnt -= tp->cwnd;
		tp->cwnd++;
	}
}

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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the congestion controls share among themselves. Included by tcp_cc.c,
 * the algorithms (tcp_newreno, tcp_cubic with tcp_hystart, tcp_bbr*) and their
 * tests. Private state lies in nst_tcp.cc_priv: S, plain numbers only.
 */
#ifndef NETSTACK_TCP_TCP_CC_PRIV_H
#define NETSTACK_TCP_TCP_CC_PRIV_H

#include "netstack/tcp/tcp_priv.h"

extern const struct tcp_cc tcp_newreno, tcp_cubic, tcp_bbr;

/* ---- growth, in segments (tcp_cc.c) ---- */

static inline bool tcp_cc_in_slow_start(const struct nst_tcp *tp)
{
	return tp->cwnd < tp->ssthresh;
}
/* RFC 5681 3.1 with what a stretched ACK covers counted in full (RFC 3465
 * without its limit). True: congestion avoidance goes on with what is left in
 * *pkts; false: nothing is left, or the window was not used up. */
bool tcp_cc_slow_start(struct nst_tcp *tp, uint32_t *pkts);
/* One more segment for every `per` acknowledged ones. */
void tcp_cc_grow(struct nst_tcp *tp, uint32_t per, uint32_t pkts);

/* ---- leaving slow start before the loss (tcp_hystart.c) ---- */

/* S */
struct tcp_hystart {
	nst_time round_start, last_ack;
	nst_time curr_rtt; /* least of this round; 0: none */
	nst_time base_rtt; /* least of the round that ended slow start */
	struct seq round_end;
	uint32_t samples;
	uint32_t css_rounds; /* left in which the end may be taken back */
	uint32_t exit_cwnd;
	bool found; /* this slow start has been ended */
};

void tcp_hystart_reset(struct nst_tcp *tp, struct tcp_hystart *h);
/* After each ACK with an RTT; min_rtt: the least one of the flow. */
void tcp_hystart_ack(struct nst_tcp *tp, struct tcp_hystart *h, nst_time rtt,
		     nst_time min_rtt);

/* ---- CUBIC's private state (tcp_cubic.c) ---- */

/* S */
struct tcp_cubic_state {
	struct tcp_hystart hy;
	nst_time epoch;     /* of the curve; 0: starts with the next ACK */
	nst_time last_time; /* of the last computation */
	nst_time min_rtt;
	uint32_t k_ms;   /* time to the plateau, in 1/1024 s */
	uint32_t origin; /* the plateau */
	uint32_t w_max;  /* window before the last reduction */
	uint32_t last_cwnd;
	uint32_t per; /* acknowledged segments per growth by one */
	uint32_t reno_cwnd, reno_acked; /* the Reno-friendly window */
};
_Static_assert(sizeof(struct tcp_cubic_state) <= 8 * TCP_CC_PRIV_WORDS,
	       "private state of a congestion control");

static inline struct tcp_cubic_state *tcp_cubic_of(struct nst_tcp *tp)
{
	return (struct tcp_cubic_state *)(void *)tp->cc_priv;
}
/* floor of the cube root. */
uint32_t tcp_cubic_root(uint64_t v);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CUBIC, RFC 9438, in the integers that Linux's window shows: C = 0.4, beta =
 * 717/1024, fast convergence, Reno-friendly region, time shifted over idle
 * periods. Slow start ends early by tcp_hystart.c.
 *
 * Units. Time on the curve is in 1/1024 s ("ticks"), windows in segments. The
 * curve W(t) = origin + C (t - K)^3 with t in ticks is C t^3 >> 30 in seconds;
 * C is 410/1024, so that the shift is by 40.
 *
 * LINUX: times are taken in milliseconds (its HZ of 1000), W_est and the
 * target are turned into "segments acknowledged per segment of growth" once
 * each 31 ms or with each change of the window.
 */
#include "netstack/base/mem.h"
#include "netstack/tcp/tcp_cc_priv.h"

#define BETA 717u      /* of 1024, RFC 9438 4.6 */
#define C_SCALED 410u  /* 0.4 of 1024 */
#define CURVE_SHIFT 40 /* 1024 for C, 1024^3 for ticks */
#define RENO_SCALE 15u /* 8 (1 + beta) / (3 (1 - beta)), RFC 9438 4.3 */
#define RECOMPUTE (31 * NST_MS)
#define PER_NEVER 100u /* windows acknowledged per segment: no growth */
#define PER_FIRST 20u  /* without a W_max: at least 5 % each round trip */

static nst_time to_ms(nst_time t)
{
	return t / NST_MS;
}

/* Newton from above: floor(v^(1/3)); at most a dozen steps. */
uint32_t tcp_cubic_root(uint64_t v)
{
	uint64_t x, y;
	uint32_t bits = 0;

	if (v < 8)
		return v > 0;
	for (uint64_t u = v; u; u >>= 1)
		bits++;
	x = 1ull << ((bits + 2) / 3);
	for (;;) {
		y = (2 * x + v / (x * x)) / 3;
		if (y >= x)
			return (uint32_t)x;
		x = y;
	}
}

static void reset(struct nst_tcp *tp)
{
	struct tcp_cubic_state *c = tcp_cubic_of(tp);

	memset(c, 0, sizeof(*c));
	tcp_hystart_reset(tp, &c->hy);
}

static void cubic_init(struct nst_tcp *tp)
{
	tp->cwnd_cnt = 0;
	reset(tp);
}

/* RFC 9438 4.2: where the curve starts. */
static void start_epoch(struct tcp_cubic_state *c, uint32_t cwnd, uint32_t pkts,
			nst_time now)
{
	c->epoch = t_max(now, 1); /* 0: none */
	c->reno_acked = pkts;
	c->reno_cwnd = cwnd;
	if (c->w_max <= cwnd) {
		c->k_ms = 0;
		c->origin = cwnd;
		return;
	}
	c->k_ms = tcp_cubic_root(((uint64_t)(c->w_max - cwnd) << CURVE_SHIFT) /
				 C_SCALED);
	c->origin = c->w_max;
}

/* W(t) one round trip ahead. */
static uint32_t target(const struct tcp_cubic_state *c, nst_time now)
{
	uint64_t ms = (uint64_t)(to_ms(now) - to_ms(c->epoch));
	uint64_t rtt_ms = ((uint64_t)c->min_rtt + NST_MS - 1) / NST_MS;
	uint64_t t = ((ms + rtt_ms) << 10) / 1000;
	uint64_t d = t < c->k_ms ? c->k_ms - t : t - c->k_ms;
	uint64_t dw;

	/* Beyond it the window is at its maximum anyway; the cube fits. */
	if (d > (1u << 18))
		d = 1u << 18;
	dw = (C_SCALED * d * d * d) >> CURVE_SHIFT;
	if (t >= c->k_ms)
		return u32_min(c->origin + (uint32_t)dw, TCP_CWND_MAX);
	return c->origin > dw ? c->origin - (uint32_t)dw : 0;
}

static void follow_curve(struct tcp_cubic_state *c, uint32_t cwnd, nst_time now)
{
	uint32_t to = target(c, now);

	c->per = to > cwnd ? cwnd / (to - cwnd) : PER_NEVER * cwnd;
	if (!c->w_max && c->per > PER_FIRST)
		c->per = PER_FIRST;
}

/* RFC 9438 4.3: never slower than Reno with the same beta would be. */
static void follow_reno(struct tcp_cubic_state *c, uint32_t cwnd)
{
	uint32_t step = (cwnd * RENO_SCALE) >> 3;

	if (step && c->reno_acked > step) {
		uint32_t n = (c->reno_acked - 1) / step;

		c->reno_acked -= n * step;
		c->reno_cwnd = u32_min(c->reno_cwnd + n, TCP_CWND_MAX);
	}
	if (c->reno_cwnd > cwnd)
		c->per = u32_min(c->per, cwnd / (c->reno_cwnd - cwnd));
}

static void update(struct nst_tcp *tp, uint32_t pkts)
{
	struct tcp_cubic_state *c = tcp_cubic_of(tp);
	nst_time now = tp->sk.st->now;
	bool same_ms;

	c->reno_acked += pkts;
	if (c->last_cwnd == tp->cwnd &&
	    to_ms(now) - to_ms(c->last_time) <= to_ms(RECOMPUTE))
		return;
	same_ms = c->epoch && to_ms(now) == to_ms(c->last_time);
	if (!same_ms) {
		c->last_cwnd = tp->cwnd;
		c->last_time = now;
		if (!c->epoch)
			start_epoch(c, tp->cwnd, pkts, now);
		follow_curve(c, tp->cwnd, now);
	}
	follow_reno(c, tp->cwnd);
	/* At most one segment for two, as RFC 9438 4.4 bounds the target. */
	c->per = u32_max(c->per, 2);
}

static void cubic_cong_avoid(struct nst_tcp *tp, uint32_t pkts)
{
	if (!tcp_cc_slow_start(tp, &pkts))
		return;
	update(tp, pkts);
	tcp_cc_grow(tp, tcp_cubic_of(tp)->per, pkts);
}

/* RFC 9438 4.6, 4.7. */
static uint32_t cubic_ssthresh(struct nst_tcp *tp)
{
	struct tcp_cubic_state *c = tcp_cubic_of(tp);
	uint32_t cwnd = tp->cwnd;

	c->epoch = 0;
	/* Fast convergence: a flow that lost ground again makes room. */
	if (cwnd < c->w_max)
		c->w_max = (uint32_t)((uint64_t)cwnd * (1024 + BETA) / 2048);
	else
		c->w_max = cwnd;
	return u32_max((uint32_t)((uint64_t)cwnd * BETA / 1024), 2);
}

static void cubic_set_state(struct nst_tcp *tp, uint8_t ca_state)
{
	if (ca_state == TCP_CA_LOSS)
		reset(tp);
}

/* RFC 9438 5.8: the curve stands still while the owner is silent. */
static void cubic_event(struct nst_tcp *tp, enum tcp_cc_event ev)
{
	struct tcp_cubic_state *c = tcp_cubic_of(tp);
	nst_time now = tp->sk.st->now, idle = now - tp->last_data_sent;

	if (ev != TCP_CE_TX_START || !c->epoch || idle <= 0)
		return;
	c->epoch = t_min(c->epoch + idle, now);
}

static void cubic_pkts_acked(struct nst_tcp *tp, uint32_t pkts, nst_time rtt,
			     uint32_t in_flight)
{
	struct tcp_cubic_state *c = tcp_cubic_of(tp);
	bool css = c->hy.css_rounds;

	(void)pkts;
	(void)in_flight;
	if (rtt < 0)
		return;
	rtt = t_max(rtt, NST_US);
	if (css) {
		tcp_hystart_ack(tp, &c->hy, rtt, c->min_rtt);
		if (tcp_cc_in_slow_start(tp))
			c->epoch = 0; /* on with slow start, no curve yet */
	}
	/* LINUX: the first second after a recovery says little. */
	if (c->epoch && tp->sk.st->now - c->epoch < NST_SEC)
		return;
	if (!c->min_rtt || rtt < c->min_rtt)
		c->min_rtt = rtt;
	if (!css)
		tcp_hystart_ack(tp, &c->hy, rtt, c->min_rtt);
}

const struct tcp_cc tcp_cubic = {
    .name = "cubic",
    .init = cubic_init,
    .cong_avoid = cubic_cong_avoid,
    .ssthresh = cubic_ssthresh,
    .set_state = cubic_set_state,
    .event = cubic_event,
    .pkts_acked = cubic_pkts_acked,
};

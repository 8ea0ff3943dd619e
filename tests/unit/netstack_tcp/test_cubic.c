/* SPDX-License-Identifier: Apache-2.0 */
/* CUBIC and HyStart against their formulas: RFC 9438, RFC 9406. */
#include "tests/unit/netstack_tcp/harness.h"

#include <math.h>

#include "netstack/tcp/tcp_cc_priv.h"

static struct wire w;
static struct nst_tcp *tp;

static void setup(void)
{
	w_init(&w);
	w_connect(&w, O_ALL);
	tp = w.tp;
	tp->cwnd_limited = true;
	cr_assert_str_eq(nst_tcp_cc(tp), "cubic");
}

static void teardown(void)
{
	w_fini(&w);
}

TestSuite(cubic, .init = setup, .fini = teardown);

/* A congestion event at this window, and what follows at once. */
static void lose(uint32_t cwnd)
{
	tp->cwnd = cwnd;
	tp->ssthresh = tp->cc->ssthresh(tp);
	tp->cwnd = tp->ssthresh;
	tp->cwnd_cnt = 0;
}

/* Acknowledges a window each rtt, two segments an ACK, for so long. */
static void run(nst_time rtt, nst_time time)
{
	nst_time end = w.st->now + time, next = w.st->now;

	while (next < end) {
		next += rtt * 2 / tp->cwnd;
		w.st->now = next;
		tp->cc->pkts_acked(tp, 2, rtt, tp->cwnd);
		tp->cc->cong_avoid(tp, 2);
	}
}

static double w_cubic(double t, double w_max, double k)
{
	return 410.0 / 1024 * pow(t - k, 3) + w_max;
}

Test(cubic, root_is_exact)
{
	for (uint64_t x = 0; x < 2642245; x += 1 + x / 3) {
		uint64_t cube = x * x * x;

		cr_assert_eq(tcp_cubic_root(cube), x);
		cr_assert_eq(tcp_cubic_root(cube + x), x);
		if (x)
			cr_assert_eq(tcp_cubic_root(cube - 1), x - 1);
	}
	cr_assert_eq(tcp_cubic_root(UINT64_MAX), 2642245);
}

/* RFC 9438 4.6. */
Test(cubic, beta)
{
	for (uint32_t cwnd = 1; cwnd < 100000; cwnd += 1 + cwnd / 3) {
		uint32_t to = cwnd * 717 / 1024;

		lose(cwnd);
		cr_assert_eq(tp->ssthresh, to < 2 ? 2 : to);
	}
}

/* RFC 9438 4.2: W(t) = C (t - K)^3 + W_max, through plateau and beyond. */
Test(cubic, growth_curve)
{
	double k, w_max = 400;

	lose(400);
	k = cbrt((w_max - tp->cwnd) / (410.0 / 1024));
	for (int s = 1; s <= 14; s++) {
		double want;

		run(100 * NST_MS, NST_SEC);
		want = w_cubic(s, w_max, k);
		cr_assert_float_eq(tp->cwnd, want, 0.02 * want + 1,
				   "after %d s: %u, not %.1f", s, tp->cwnd,
				   want);
	}
}

/* RFC 9438 4.3: W_est grows by 3 (1 - beta) / (1 + beta) each round trip. */
Test(cubic, reno_friendly_region)
{
	double want;

	lose(20);
	run(5 * NST_MS, NST_SEC);
	want = 14 + 200 * 3 * (1 - 0.7) / (1 + 0.7);
	cr_assert_float_eq(tp->cwnd, want, 0.1 * want, "%u, not %.1f", tp->cwnd,
			   want);
}

/* RFC 9438 4.7. */
Test(cubic, fast_convergence)
{
	lose(100);
	cr_assert_eq(tcp_cubic_of(tp)->w_max, 100);
	lose(90);
	cr_assert_eq(tcp_cubic_of(tp)->w_max, 90 * (1024 + 717) / 2048);
	lose(200);
	cr_assert_eq(tcp_cubic_of(tp)->w_max, 200);
}

/* RFC 9438 4.4: the target is at most half as much again as the window. */
Test(cubic, at_most_half_a_window_each_round)
{
	uint32_t before;

	lose(50);
	run(100 * NST_MS, NST_SEC);
	before = tp->cwnd;
	tcp_cubic_of(tp)->epoch -= 100 * NST_SEC; /* far beyond K */
	run(100 * NST_MS, 100 * NST_MS);
	/* ACKs come faster as it grows: e^(1/2). */
	cr_assert_leq(tp->cwnd, before * 5 / 3 + 2);
	cr_assert_geq(tp->cwnd, before + before / 3);
}

/* RFC 9438 5.8. */
Test(cubic, idle_time_does_not_count)
{
	uint32_t before;

	lose(100);
	run(100 * NST_MS, 2 * NST_SEC);
	before = tp->cwnd;
	tp->last_data_sent = w.st->now;
	w.st->now += 3600 * NST_SEC;
	tp->cc->event(tp, TCP_CE_TX_START);
	run(100 * NST_MS, 200 * NST_MS);
	cr_assert_leq(tp->cwnd, before + 3);
}

/* No overflow after any time with any window. */
Test(cubic, large_windows_and_long_times)
{
	for (uint32_t cwnd = 2; cwnd < TCP_CWND_MAX; cwnd *= 7) {
		lose(cwnd);
		tp->cc->cong_avoid(tp, 1);
		w.st->now += 400ll * 24 * 3600 * NST_SEC;
		tp->cc->cong_avoid(tp, UINT16_MAX);
		cr_assert_leq(tp->cwnd, TCP_CWND_MAX);
		cr_assert_geq(tp->cwnd, 2);
	}
}

Test(cubic, a_time_out_forgets)
{
	lose(100);
	tp->cc->set_state(tp, TCP_CA_LOSS);
	cr_assert_eq(tcp_cubic_of(tp)->w_max, 0);
	cr_assert_eq(tcp_cubic_of(tp)->epoch, 0);
}

/* ---- HyStart ---- */

static struct tcp_hystart *hy(void)
{
	return &tcp_cubic_of(tp)->hy;
}

/* A round of n ACKs with these RTTs, far apart. */
static void hy_round(uint32_t n, nst_time rtt, nst_time min_rtt)
{
	tp->snd_una = tp->snd_nxt = seq_add(tp->snd_nxt, 1000);
	hy()->round_end = seq_add(tp->snd_una, UINT32_MAX);
	for (uint32_t i = 0; i < n; i++) {
		w.st->now += 10 * NST_MS;
		tcp_hystart_ack(tp, hy(), rtt, min_rtt);
	}
}

static void slow_start(uint32_t cwnd)
{
	tp->cwnd = cwnd;
	tp->ssthresh = TCP_SSTHRESH_INFINITE;
	tcp_hystart_reset(tp, hy());
}

static void restore(void)
{
	tp->snd_una = tp->snd_nxt = tcp_write_seq(tp);
}

Test(cubic, hystart_needs_nine_samples)
{
	slow_start(100);
	hy_round(8, 130 * NST_MS, 100 * NST_MS);
	cr_assert_eq(tp->ssthresh, TCP_SSTHRESH_INFINITE);
	slow_start(100);
	hy_round(9, 130 * NST_MS, 100 * NST_MS);
	cr_assert_eq(tp->ssthresh, 100);
	cr_assert_eq(COUNT(&w, HystartDelayDetect), 1);
	cr_assert_eq(COUNT(&w, HystartDelayCwnd), 100);
	restore();
}

/* RFC 9406 4.2: MIN_RTT_THRESH 4 ms, MAX_RTT_THRESH 16 ms, an eighth. */
Test(cubic, hystart_threshold)
{
	static const struct {
		int min_ms, thresh_ms;
	} t[] = {{1, 4}, {32, 4}, {80, 10}, {128, 16}, {1000, 16}};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		nst_time min = t[i].min_ms * NST_MS;
		nst_time at = min + t[i].thresh_ms * NST_MS;

		slow_start(100);
		hy_round(20, at, min);
		cr_assert_eq(tp->ssthresh, TCP_SSTHRESH_INFINITE);
		slow_start(100);
		hy_round(20, at + NST_US, min);
		cr_assert_eq(tp->ssthresh, 100, "%d", t[i].min_ms);
	}
	restore();
}

Test(cubic, hystart_leaves_small_windows_alone)
{
	slow_start(15);
	hy_round(20, 200 * NST_MS, 100 * NST_MS);
	cr_assert_eq(tp->ssthresh, TCP_SSTHRESH_INFINITE);
	restore();
}

/* RFC 9406 4.2: jitter is taken back within five rounds ... */
Test(cubic, hystart_second_thoughts)
{
	slow_start(100);
	hy_round(9, 130 * NST_MS, 100 * NST_MS);
	cr_assert_eq(tp->ssthresh, 100);
	hy_round(8, 101 * NST_MS, 100 * NST_MS);
	cr_assert_eq(tp->ssthresh, 100); /* too few samples */
	hy_round(9, 101 * NST_MS, 100 * NST_MS);
	cr_assert_eq(tp->ssthresh, TCP_SSTHRESH_INFINITE);
	restore();
}

/* ... a queue is not, and not after them. */
Test(cubic, hystart_queues_stay)
{
	slow_start(100);
	hy_round(9, 130 * NST_MS, 100 * NST_MS);
	for (int i = 0; i < 5; i++)
		hy_round(20, 130 * NST_MS, 100 * NST_MS);
	hy_round(20, 101 * NST_MS, 100 * NST_MS);
	cr_assert_eq(tp->ssthresh, 100);
	restore();
}

/* A loss in between is no jitter. */
Test(cubic, hystart_loss_ends_second_thoughts)
{
	slow_start(100);
	hy_round(9, 130 * NST_MS, 100 * NST_MS);
	lose(100);
	hy_round(20, 101 * NST_MS, 100 * NST_MS);
	cr_assert_eq(tp->ssthresh, 70);
	restore();
}

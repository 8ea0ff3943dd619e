/* SPDX-License-Identifier: Apache-2.0 */
/* Loaded later than it was saved: the stack's clock stood still. */
#include "tests/unit/netstack_tcp/harness.h"

static struct wire w;

static void up(void)
{
	w_init(&w);
	w.reborn_at = -1;
}

static void down(void)
{
	w_fini(&w);
}

TestSuite(save_outage, .init = up, .fini = down, .timeout = 300);

static void after_outage(nst_time outage, bool timestamps)
{
	struct reborn r = {.outage = outage};

	w_connect(&w, timestamps ? O_ALL : O_SACK);
	w.tp->min_rtt = w.tp->srtt = 0; /* the handshake took no time */
	for (uint32_t i = 1; i < 5; i++) {
		w_write(&w, 5000);
		w_after(&w, 40 * NST_MS);
		w_drain(&w);
		w_in(&w, A, 1, 1 + i * 5000, 0, 65535);
	}
	w.tp->cwnd = 40;
	w_write(&w, 5000);
	w_drain(&w);
	w_reborn_with(&w, &r);
	NONE(&w);
	nst_stack_resumed(w.st, w.now);
}

Test(save_outage, no_sample_spans_an_outage)
{
	for (int ts = 0; ts < 2; ts++) {
		nst_time srtt, min_rtt;
		uint32_t delivered;

		after_outage(10 * NST_SEC, ts);
		EXPECT(&w, A, 25001, 1, 0); /* we are back */
		NONE(&w);
		srtt = w.tp->srtt;
		min_rtt = w.tp->min_rtt;
		delivered = w.tp->rate.delivered;
		cr_assert_eq(min_rtt, 40 * NST_MS);
		w_after(&w, NST_MS); /* the answer to what left long ago */
		w_in(&w, A, 1, 25001, 0, 65535);
		cr_assert_eq(w.tp->srtt, srtt);
		cr_assert_eq(w.tp->min_rtt, min_rtt);
		cr_assert_eq(w.tp->rack.rtt, 40 * NST_MS);
		cr_assert_eq(w.tp->rate.delivered, delivered);
		/* What leaves now is a sample again. */
		w_write(&w, 5000);
		w_drain(&w);
		w_after(&w, 20 * NST_MS);
		w_in(&w, A, 1, 30001, 0, 65535);
		cr_assert_eq(w.tp->min_rtt, 20 * NST_MS);
		nst_tcp_abort(w.tp, w.now);
		w.tp = NULL;
		w_drain(&w);
	}
}

Test(save_outage, windows_are_validated_after_a_long_outage)
{
	uint32_t cwnd;

	after_outage(NST_MS, true);
	cwnd = w.tp->cwnd;
	cr_assert_eq(cwnd, 40);
	nst_tcp_abort(w.tp, w.now);
	w.tp = NULL;
	w_drain(&w);
	after_outage(100 * NST_SEC, true);
	cr_assert_eq(w.tp->cwnd, TCP_INIT_CWND);
	cr_assert_geq(w.tp->ssthresh, cwnd * 3 / 4);
	w_drain(&w);
}

/* The clock stood still: timers do not know of it. */
Test(save_outage, timers_are_where_they_were)
{
	nst_time at;
	int kind;
	nst_time t;
	struct reborn r = {.outage = 1000 * NST_SEC};

	w_connect(&w, O_ALL);
	w_write(&w, 100);
	nst_tcp_timer(w.tp, &kind, &at);
	w_reborn_with(&w, &r);
	nst_tcp_timer(w.tp, &kind, &t);
	cr_assert_eq(t, at);
	w_drain(&w);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "netstack/netem/netem_priv.h"
#include "tests/unit/testenv.h"

static struct testenv te;
static struct netem *nm;

static void conf(const char *text)
{
	struct netem_conf c;
	struct netem_error err = {0};

	cr_assert_eq(netem_parse(text, &c, &err), NST_OK, "%s", err.what);
	cr_assert_eq(netem_new(&te.env, &c, 0, 0, &nm), NST_OK);
}

static void start(void)
{
	testenv_init(&te, 3);
}

static void stop(void)
{
	netem_free(nm);
	nm = NULL;
	cr_assert_eq(testenv_leaks(&te), 0);
}

TestSuite(netem, .init = start, .fini = stop);

/* n-th packet of `bytes`; its number is its mark. */
static void in(uint32_t n, uint32_t bytes, nst_time now)
{
	struct nst_pkt *p = nst_pkt_new(&te.env, 0, bytes);

	nst_pkt_put(p, bytes)[0] = 0x45;
	p->flow = n;
	netem_in(nm, p, now);
	if (n % 64 == 0)
		cr_assert(netem_check(nm));
}

/* The next to come out, whenever: its number, -1 for none. */
static int64_t out(nst_time *at)
{
	nst_time t = netem_next(nm);
	struct nst_pkt *p = t == NST_NEVER ? NULL : netem_out(nm, t);
	int64_t n = p ? (int64_t)p->flow : -1;

	cr_assert(!!p == (t != NST_NEVER));
	if (p)
		cr_assert_eq(p->when, t);
	nst_pkt_free(p);
	if (at)
		*at = t;
	return n;
}

static double share_out(uint32_t n)
{
	uint32_t got = 0;

	for (uint32_t i = 0; i < n; i++) {
		in(i, 100, (nst_time)i * NST_MS);
		while (netem_next(nm) <= (nst_time)i * NST_MS) {
			out(NULL);
			got++;
		}
	}
	while (out(NULL) >= 0)
		got++;
	return (double)got / n;
}

Test(netem, nothing_set)
{
	nst_time at;

	conf("delay=0");
	in(5, 100, 77);
	cr_assert_eq(netem_next(nm), 77);
	cr_assert_eq(out(&at), 5);
	cr_assert_eq(at, 77);
	cr_assert_eq(out(&at), -1);
}

Test(netem, not_before_it_is_due)
{
	conf("delay=10ms");
	in(0, 100, 0);
	cr_assert_null(netem_out(nm, 10 * NST_MS - 1));
	nst_pkt_free(netem_out(nm, 10 * NST_MS));
}

/* 1250 bytes at 100 Mbit/s: 100 us each, and the delay behind. */
Test(netem, rate_and_delay)
{
	nst_time at;

	conf("rate=100mbit,delay=50ms");
	for (uint32_t i = 0; i < 10; i++)
		in(i, 1250, 0);
	for (uint32_t i = 0; i < 10; i++) {
		cr_assert_eq(out(&at), i);
		cr_assert_eq(at, 50 * NST_MS + (i + 1) * 100 * NST_US);
	}
	in(0, 1250, NST_SEC); /* no credit for the pause */
	out(&at);
	cr_assert_eq(at, NST_SEC + 50 * NST_MS + 100 * NST_US);
}

Test(netem, overhead)
{
	nst_time at;

	conf("rate=100mbit,overhead=1250b");
	in(0, 1250, 0);
	out(&at);
	cr_assert_eq(at, 200 * NST_US);
}

/* tbf: what fits the bucket passes at once, then at the rate. */
Test(netem, bucket)
{
	nst_time at[8];

	conf("rate=100mbit,bucket=5000b");
	for (uint32_t i = 0; i < 8; i++)
		in(i, 1250, NST_SEC);
	for (uint32_t i = 0; i < 8; i++)
		out(&at[i]);
	cr_assert_eq(at[3], NST_SEC);
	cr_assert_eq(at[4], NST_SEC + 100 * NST_US);
	cr_assert_eq(at[7], NST_SEC + 400 * NST_US);
}

Test(netem, queue_in_bytes)
{
	conf("rate=100mbit,limit=5000b,delay=1s");
	for (uint32_t i = 0; i < 10; i++)
		in(i, 1250, 0);
	cr_assert_eq(netem_stats(nm)->drop_queue, 6);
	cr_assert_eq(netem_queued(nm, 0), 5000);
	/* One has left the queue, though it is still on the line. */
	cr_assert_eq(netem_queued(nm, 100 * NST_US), 3750);
	in(10, 1250, 100 * NST_US);
	in(11, 1250, 100 * NST_US);
	cr_assert_eq(netem_stats(nm)->drop_queue, 7);
	cr_assert_eq(netem_stats(nm)->peak_queue_bytes, 5000);
}

Test(netem, a_packet_longer_than_the_queue_passes_alone)
{
	conf("rate=100mbit,limit=100b");
	in(0, 1000, 0);
	in(1, 1000, 0);
	cr_assert_eq(netem_stats(nm)->drop_queue, 1);
	cr_assert_eq(out(NULL), 0);
}

Test(netem, queue_in_packets)
{
	conf("rate=1mbit,limit=3p");
	for (uint32_t i = 0; i < 5; i++)
		in(i, 40 + i, 0);
	cr_assert_eq(netem_stats(nm)->drop_queue, 2);
}

Test(netem, loss_share)
{
	conf("loss=3%");
	cr_assert_float_eq(share_out(100000), 0.97, 0.0017);
}

Test(netem, loss_all_and_none)
{
	conf("loss=100%");
	cr_assert_eq(share_out(1000), 0);
}

/* Correlation keeps the share: its variance grows by (1 + c) / (1 - c). */
Test(netem, loss_with_correlation)
{
	uint32_t lost = 0, pairs = 0, last = 0, n = 100000;

	conf("loss=10%,loss-corr=50%");
	for (uint32_t i = 0; i < n; i++) {
		bool now;

		in(i, 100, i);
		now = out(NULL) < 0;
		lost += now;
		pairs += now && last;
		last = now;
	}
	cr_assert_float_eq((double)lost / n, 0.1, 0.005);
	/* P(loss after loss) = c + (1 - c) p */
	cr_assert_float_eq((double)pairs / lost, 0.55, 0.02);
}

Test(netem, bursts_have_their_length)
{
	uint32_t lost = 0, bursts = 0, n = 400000;
	bool last = false;

	conf("loss=2%,burst=5");
	for (uint32_t i = 0; i < n; i++) {
		bool now;

		in(i, 100, i);
		now = out(NULL) < 0;
		lost += now;
		bursts += now && !last;
		last = now;
	}
	cr_assert_float_eq((double)lost / n, 0.02, 0.002);
	cr_assert_float_eq((double)lost / bursts, 5, 0.5);
}

Test(netem, duplicates)
{
	conf("dup=10%");
	cr_assert_float_eq(share_out(100000), 1.1, 0.003);
}

Test(netem, jitter_reorders_unless_told)
{
	int64_t last = -1, n, back = 0;

	conf("delay=10ms,jitter=5ms");
	for (uint32_t i = 0; i < 1000; i++)
		in(i, 100, i * NST_US);
	for (; (n = out(NULL)) >= 0; last = n)
		back += n < last;
	cr_assert_gt(back, 300);
	stop();
	conf("delay=10ms,jitter=5ms,order=keep");
	for (uint32_t i = 0; i < 1000; i++)
		in(i, 100, i * NST_US);
	for (int64_t i = 0; i < 1000; i++)
		cr_assert_eq(out(NULL), i);
}

static void jitter_moments(double *mean, double *dev, nst_time *max)
{
	double sum = 0, sq = 0;
	const uint32_t n = 100000;

	*max = 0;
	for (uint32_t i = 0; i < n; i++) {
		nst_time t = (nst_time)i * NST_SEC, at;
		double d;

		in(i, 100, t);
		out(&at);
		d = (double)(at - t - 50 * NST_MS) / 1e6;
		*max = at - t > *max ? at - t : *max;
		sum += d;
		sq += d * d;
	}
	*mean = sum / n;
	*dev = sq / n - *mean * *mean;
}

Test(netem, jitter_uniform)
{
	double mean, var;
	nst_time max;

	conf("delay=50ms,jitter=9ms");
	jitter_moments(&mean, &var, &max);
	cr_assert_float_eq(mean, 0, 0.06);
	cr_assert_float_eq(var, 27, 0.5); /* 9^2 / 3 */
	cr_assert_leq(max, 59 * NST_MS);
}

Test(netem, jitter_normal)
{
	double mean, var;
	nst_time max;

	conf("delay=50ms,jitter=9ms,dist=normal,jitter-corr=20%");
	jitter_moments(&mean, &var, &max);
	cr_assert_float_eq(mean, 0, 0.15);
	cr_assert_float_eq(var, 81, 3);
	cr_assert_gt(max, 77 * NST_MS); /* beyond three deviations */
}

/* LINUX: netem: a reordered packet does not wait. */
Test(netem, reordering_skips_the_delay)
{
	nst_time at;

	conf("delay=50ms,reorder=100%,gap=4");
	for (uint32_t i = 0; i < 8; i++)
		in(i, 100, i);
	cr_assert_eq(out(&at), 3);
	cr_assert_eq(at, 3);
	cr_assert_eq(out(&at), 7);
	cr_assert_eq(out(&at), 0);
	cr_assert_eq(at, 50 * NST_MS);
	cr_assert_eq(netem_stats(nm)->reordered, 2);
}

Test(netem, reordering_by_packets)
{
	static const int64_t want[] = {1, 2, 0, 3};
	uint32_t i;

	conf("delay=5ms,reorder=100%,by=2p");
	in(0, 100, 0);
	nm->conf.reorder.p = 0;
	for (i = 1; i < 4; i++)
		in(i, 100, i);
	for (i = 0; i < 4; i++)
		cr_assert_eq(out(NULL), want[i]);
}

/* Nobody came after it: it is not kept for ever. */
Test(netem, held_packet_comes_anyway)
{
	nst_time at;

	conf("delay=5ms,reorder=100%,by=3p");
	in(0, 100, 0);
	cr_assert_eq(out(&at), 0);
	cr_assert_eq(at, 5 * NST_MS + NETEM_HELD_MAX);
	for (uint32_t i = 0; i < NETEM_HELD_PKTS + 5; i++)
		in(i, 100, NST_SEC);
	cr_assert_eq(nm->nheld, NETEM_HELD_PKTS);
	cr_assert(netem_check(nm));
}

Test(netem, reordering_by_time)
{
	nst_time at;

	conf("delay=5ms,reorder=100%,by=3ms");
	in(0, 100, 0);
	out(&at);
	cr_assert_eq(at, 8 * NST_MS);
}

Test(netem, slots)
{
	nst_time at[3];

	conf("slot=10ms");
	in(0, 100, 1 * NST_SEC + 1);
	in(1, 100, 1 * NST_SEC + 9 * NST_MS);
	in(2, 100, 1 * NST_SEC + 11 * NST_MS);
	for (int i = 0; i < 3; i++)
		out(&at[i]);
	cr_assert_eq(at[0], NST_SEC + 10 * NST_MS);
	cr_assert_eq(at[1], at[0]);
	cr_assert_eq(at[2], NST_SEC + 20 * NST_MS);
}

Test(netem, outages)
{
	uint32_t got = 0;

	conf("down=1s+500ms/2s,delay=1ms");
	for (uint32_t i = 0; i < 10000; i++)
		in(i, 100, i * NST_MS);
	while (out(NULL) >= 0)
		got++;
	cr_assert_eq(got, 10000 - 5 * 500);
	cr_assert_eq(netem_stats(nm)->drop_down, 5 * 500);
}

/* What was in the queue when the link went down is gone too. */
Test(netem, outage_takes_the_queue)
{
	conf("rate=1mbit,down=10ms+1s");
	for (uint32_t i = 0; i < 20; i++)
		in(i, 125, 0); /* one each ms */
	cr_assert_eq(netem_stats(nm)->drop_down, 11);
}

static uint32_t told;
static void on_mtu(void *ctx, const struct nst_pkt *pkt, uint32_t mtu)
{
	cr_assert_eq(nst_pkt_bytes(pkt), 1001);
	cr_assert_eq(mtu, 1000);
	(*(uint32_t *)ctx)++;
}

Test(netem, mtu)
{
	conf("mtu=1000");
	netem_on_mtu(nm, on_mtu, &told);
	in(0, 1000, 0);
	in(1, 1001, 0);
	cr_assert_eq(netem_stats(nm)->drop_mtu, 1);
	cr_assert_eq(told, 1);
	cr_assert_eq(out(NULL), 0);
}

static void in_ect(nst_time now)
{
	struct nst_pkt *p = nst_pkt_new(&te.env, 0, 1250);
	uint8_t *h = nst_pkt_put(p, 1250);

	h[0] = 0x45;
	h[1] = 2;
	netem_in(nm, p, now);
}

Test(netem, ecn_thresholds)
{
	static const char *by[] = {"rate=100mbit,ecn=5p",
				   "rate=100mbit,ecn=6250b",
				   "rate=100mbit,ecn=500us"};

	for (int k = 0; k < 3; k++) {
		conf(by[k]);
		for (int i = 0; i < 10; i++)
			in_ect(0);
		cr_assert_eq(netem_stats(nm)->marked, 5, "%s", by[k]);
		if (k < 2)
			stop();
	}
}

Test(netem, random_marks)
{
	conf("mark=20%");
	for (int i = 0; i < 100000; i++) {
		in_ect(i);
		out(NULL);
	}
	cr_assert_float_eq((double)netem_stats(nm)->marked / 100000, 0.2,
			   0.004);
}

Test(netem, corruption)
{
	conf("corrupt=5%,flips=3");
	cr_assert_eq(share_out(100000), 1);
	cr_assert_float_eq((double)netem_stats(nm)->corrupted / 100000, 0.05,
			   0.0021);
}

static uint64_t digest(const char *text)
{
	uint64_t h = 0;
	nst_time at;
	int64_t n;

	conf(text);
	for (uint32_t i = 0; i < 5000; i++)
		in(i, 100 + i % 1000, i * 50 * NST_US);
	while ((n = out(&at)) >= 0)
		h = h * 1000003 + (uint64_t)n * 31 + (uint64_t)at;
	stop();
	return h;
}

#define ALL "rate=100mbit,delay=20ms,jitter=2ms,loss=2%,dup=1%,reorder=1%"

Test(netem, the_seed_decides)
{
	cr_assert_eq(digest(ALL ",seed=5"), digest(ALL ",seed=5"));
	cr_assert_neq(digest(ALL ",seed=5"), digest(ALL ",seed=6"));
}

/* Each decision has its own stream. */
Test(netem, other_settings_do_not_change_who_is_lost)
{
	static const char *text[2] = {
	    "loss=5%,seed=3", "loss=5%,seed=3,dup=7%,corrupt=5%,delay=1ms"};
	bool lost[2][1000];

	for (int k = 0; k < 2; k++) {
		conf(text[k]);
		for (uint32_t i = 0; i < 1000; i++) {
			in(i, 100, i * NST_SEC);
			lost[k][i] = out(NULL) < 0;
			while (out(NULL) >= 0)
				;
		}
		if (!k)
			stop();
	}
	cr_assert_arr_eq(lost[0], lost[1], 1000);
}

Test(netem, limits_hold)
{
	conf("delay=1000s");
	for (uint32_t i = 0; i < 2200; i++)
		in(i, 65000, 0);
	cr_assert_gt(netem_stats(nm)->drop_memory, 0);
	cr_assert_leq(te.peak_bytes, NETEM_LINE_BYTES + (8u << 20));
}

Test(netem, without_memory)
{
	for (uint64_t nth = 0; nth < 40; nth++) {
		struct netem_conf c = {.rate_bits = 1000000,
				       .delay = NST_MS,
				       .dup = {.p = NETEM_ONE}};

		testenv_fail_nth(&te, nth);
		if (netem_new(&te.env, &c, 0, 0, &nm)) {
			cr_assert_eq(nth, 0);
			continue;
		}
		for (uint32_t i = 0; i < 100; i++) {
			struct nst_pkt *p = nst_pkt_new(&te.env, 0, 100);

			if (!p)
				continue;
			nst_pkt_put(p, 100);
			netem_in(nm, p, 0);
			cr_assert(netem_check(nm));
		}
		testenv_fail_never(&te);
		stop();
	}
}

Test(netem, nonsense_is_refused)
{
	struct netem_conf c = {.delay = -1};

	cr_assert_eq(netem_new(&te.env, &c, 0, 0, &nm), NST_E_INVAL);
	c = (struct netem_conf){.loss = {.p = NETEM_ONE + 1}};
	cr_assert_eq(netem_new(&te.env, &c, 0, 0, &nm), NST_E_INVAL);
	c = (struct netem_conf){.slot_max = 1};
	cr_assert_eq(netem_new(&te.env, &c, 0, 0, &nm), NST_E_INVAL);
	c = (struct netem_conf){.mtu = 20};
	cr_assert_eq(netem_new(&te.env, &c, 0, 0, &nm), NST_E_INVAL);
	conf("delay=1ms");
	cr_assert_eq(netem_set(nm, &c), NST_E_INVAL);
}

/* Other settings do not touch what is on its way. */
Test(netem, settings_change)
{
	struct netem_conf c = {.delay = NST_MS};
	nst_time at;

	conf("delay=50ms");
	in(0, 100, 0);
	cr_assert_eq(netem_set(nm, &c), NST_OK);
	in(1, 100, 0);
	cr_assert_eq(out(&at), 1);
	cr_assert_eq(at, NST_MS);
	cr_assert_eq(out(&at), 0);
	cr_assert_eq(at, 50 * NST_MS);
}

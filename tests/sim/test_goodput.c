/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goodput over bad links of 100 Mbit/s, 50 ms and one BDP of queue, not below
 * what Linux 6.18 gets over the same (docs/COMPARE.md). Medians over seeds:
 * one run's luck is wide.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

#define SEEDS 3
#define SEEDS_MAX 11
#define SECONDS 10
#define PERMILLE (NETEM_ONE / 1000)

static struct sim_flow_conf flow;
static struct sim_conf conf;

static void start(void)
{
	flow = (struct sim_flow_conf){.bytes = {SIM_ENDLESS, 0}};
	conf = (struct sim_conf){
	    .family = 4,
	    .mtu = 1500,
	    .caps = NST_CAP_TSO | NST_CAP_TX_CSUM,
	    .nclients = 1,
	    .host = {{.ecn = -1}, {.ecn = -1}},
	    .icmp = true,
	    .nflows = 1,
	    .flows = &flow,
	    .duration = SECONDS * NST_SEC,
	    .limit = 4000 * NST_SEC,
	};
	conf.forward.delay = conf.backward.delay = 25 * NST_MS;
	conf.forward.rate_bits = conf.backward.rate_bits = 100000000;
	conf.forward.limit_bytes = conf.backward.limit_bytes = 625000;
}

TestSuite(goodput, .init = start);

static void both_ways(uint32_t loss, uint32_t reorder)
{
	conf.forward.loss.p = conf.backward.loss.p = loss;
	conf.forward.reorder.p = conf.backward.reorder.p = reorder;
}

/* Mbit/s from the first byte on: a lost SYN costs a second. */
static double run(uint64_t seed)
{
	struct sim_flow_result r;
	struct sim *s;
	double rate;

	conf.seed = seed;
	s = sim_new(&conf);
	cr_assert_not_null(s);
	cr_assert(sim_run(s), "seed %llu: %s", (unsigned long long)seed,
		  sim_failed(s));
	sim_result(s, 0, &r);
	rate = (double)r.got[SIM_SERVER] * 8e3 /
	       (double)(SIM_START + conf.duration - r.first[SIM_SERVER]);
	cr_assert(sim_close(s), "%s", sim_failed(s));
	sim_free(s);
	return rate;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* At least so much in the median, and the worst. */
static void reaches(const char *cc, uint32_t seeds, double median, double worst)
{
	double v[SEEDS_MAX];

	strcpy(flow.cc[SIM_CLIENT], cc);
	for (uint64_t i = 0; i < seeds; i++)
		v[i] = run(i + 1);
	qsort(v, seeds, sizeof(*v), by_value);
	cr_assert_geq(v[seeds / 2], median, "%s: %.1f Mbit/s, not %.1f", cc,
		      v[seeds / 2], median);
	cr_assert_geq(v[0], worst, "%s: once %.1f Mbit/s, not %.1f", cc, v[0],
		      worst);
}

Test(goodput, cubic_without_losses)
{
	reaches("cubic", 1, 93, 92);
}

Test(goodput, cubic_at_a_thousandth)
{
	both_ways(PERMILLE, 0);
	reaches("cubic", SEEDS, 10, 7);
}

Test(goodput, cubic_at_one_percent)
{
	both_ways(10 * PERMILLE, 0);
	reaches("cubic", SEEDS, 2.5, 2);
}

Test(goodput, bbr_without_losses)
{
	reaches("bbr", 1, 90, 90);
}

Test(goodput, bbr_at_a_thousandth)
{
	both_ways(PERMILLE, 0);
	reaches("bbr", SEEDS, 90, 88);
}

Test(goodput, bbr_at_one_percent)
{
	both_ways(10 * PERMILLE, 0);
	reaches("bbr", SEEDS, 88.5, 85);
}

/* Chance makes some rounds look like congestion. */
Test(goodput, bbr_at_three_percent)
{
	both_ways(30 * PERMILLE, 0);
	reaches("bbr", 5, 87, 78);
}

/* HyStart mistakes those that did not overtake for a queue, and the window that
 * slow start ends with decides: Linux gets 7 to 94 Mbit/s. */
Test(goodput, cubic_among_packets_that_skip_the_delay)
{
	both_ways(0, 50 * PERMILLE);
	reaches("cubic", SEEDS_MAX, 65, 8);
}

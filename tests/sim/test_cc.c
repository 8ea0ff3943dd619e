/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Congestion controls over a bottleneck of 100 Mbit/s, 50 ms and one BDP of
 * queue: they fill it, they share it, and random losses cost what they must.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

#define RATE 100000000ull /* bit/s */
#define BDP 625000u       /* bytes of 50 ms */
#define PAYLOAD (1448.0 / 1500)
#define PERCENT (NETEM_ONE / 100)

static struct sim_flow_conf flows[2];
static struct sim_conf conf;

static void start(void)
{
	memset(flows, 0, sizeof(flows));
	flows[0].bytes[SIM_CLIENT] = flows[1].bytes[SIM_CLIENT] = SIM_ENDLESS;
	conf = (struct sim_conf){
	    .seed = 1,
	    .family = 4,
	    .mtu = 1500,
	    .nclients = 1,
	    .host = {{.ecn = -1}, {.ecn = -1}},
	    .icmp = true,
	    .nflows = 1,
	    .flows = flows,
	    .limit = 4000 * NST_SEC,
	};
	conf.forward.delay = conf.backward.delay = 25 * NST_MS;
	conf.forward.rate_bits = conf.backward.rate_bits = RATE;
	conf.forward.limit_bytes = conf.backward.limit_bytes = BDP;
	/* Against phase effects: Floyd, Jacobson 1992. */
	conf.backward.jitter = 60 * NST_US;
	conf.backward.keep_order = true;
}

TestSuite(cc, .init = start);

/* Bytes that each flow had delivered when the warm-up was over. */
struct marks {
	nst_time at;
	uint64_t acked[2];
	bool taken;
};

static void mark(void *ctx, struct sim *s)
{
	struct marks *m = ctx;
	struct nst_tcp_info info;

	if (m->taken || sim_now(s) < SIM_START + m->at)
		return;
	m->taken = true;
	for (uint32_t i = 0; i < conf.nflows; i++) {
		if (sim_info(s, i, SIM_CLIENT, &info))
			m->acked[i] = info.bytes_acked;
	}
}

/* Mbit/s of each flow between the warm-up and the end. */
static void measure(const char *cc, nst_time warm, nst_time end, double *rate)
{
	struct marks m = {.at = warm};
	struct sim_flow_result r;
	struct sim *s;

	conf.duration = end;
	for (uint32_t i = 0; i < conf.nflows; i++)
		strcpy(flows[i].cc[SIM_CLIENT], cc);
	s = sim_new(&conf);
	cr_assert_not_null(s);
	sim_on_sample(s, 100 * NST_MS, mark, &m);
	cr_assert(sim_run(s), "%s: %s", cc, sim_failed(s));
	for (uint32_t i = 0; i < conf.nflows; i++) {
		sim_result(s, i, &r);
		rate[i] = (double)(r.got[SIM_SERVER] - m.acked[i]) * 8e3 /
			  (double)(end - warm);
	}
	cr_assert(sim_close(s), "%s: %s", cc, sim_failed(s));
	sim_free(s);
}

static void fills(const char *cc, double share)
{
	double want = share * (double)RATE / 1e6 * PAYLOAD, rate;

	measure(cc, 5 * NST_SEC, 25 * NST_SEC, &rate);
	cr_assert_geq(rate, want, "%s: %.1f Mbit/s, not %.1f", cc, rate, want);
}

Test(cc, reno_fills_the_link)
{
	fills("reno", 0.97);
}

Test(cc, cubic_fills_the_link)
{
	fills("cubic", 0.97);
}

/* One percent is pacing's margin, two are PROBE_RTT's. */
Test(cc, bbr_fills_the_link)
{
	fills("bbr", 0.95);
}

/* Jain's index of what two flows get after the warm-up. */
static double share_index(const char *cc, nst_time warm, uint64_t seed)
{
	double r[2];

	conf.seed = seed;
	conf.nflows = 2;
	measure(cc, warm, 2 * warm, r);
	cr_assert_geq(r[0] + r[1], 0.94 * (double)RATE / 1e6 * PAYLOAD);
	return (r[0] + r[1]) * (r[0] + r[1]) /
	       (2 * (r[0] * r[0] + r[1] * r[1]));
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/*
 * A flow yields only when it loses, and here one of the two loses every ten
 * seconds or so: a single run says little, and even the median of eight runs of
 * CUBIC was between 0.92 and 0.99 while only random numbers changed. Over a
 * tap, where packets come in bursts and both lose, it is 0.98
 * (docs/COMPARE.md).
 */
#define SEEDS_MAX 8
static void shares(const char *cc, nst_time warm, uint64_t seeds)
{
	double jain[SEEDS_MAX], sum = 0;

	for (uint64_t i = 0; i < seeds; i++)
		sum += jain[i] = share_index(cc, warm, i + 1);
	qsort(jain, seeds, sizeof(jain[0]), by_value);
	cr_assert_geq(jain[seeds / 2], 0.9, "%s: median %.3f", cc,
		      jain[seeds / 2]);
	cr_assert_geq(sum / (double)seeds, 0.85, "%s: mean %.3f", cc,
		      sum / (double)seeds);
}

/* Its window needs half a minute from one loss to the next. */
Test(cc, two_flows_of_reno_share)
{
	shares("reno", 60 * NST_SEC, 1);
}

Test(cc, two_flows_of_cubic_share)
{
	shares("cubic", 30 * NST_SEC, SEEDS_MAX);
}

Test(cc, two_flows_of_bbr_share)
{
	shares("bbr", 30 * NST_SEC, 3);
}

/* RFC 9438 (1)'s square root of 1/p, for short rounds: Reno's. */
Test(cc, random_loss_costs_reno_and_cubic_their_due)
{
	double reno, cubic;

	conf.forward.loss.p = PERCENT;
	measure("reno", 5 * NST_SEC, 65 * NST_SEC, &reno);
	measure("cubic", 5 * NST_SEC, 65 * NST_SEC, &cubic);
	/* 1.22 MSS / (RTT sqrt(p)) is 2.8 Mbit/s, without time-outs. */
	cr_assert_float_eq(reno, 2.8, 0.6, "%.2f", reno);
	cr_assert_float_eq(cubic, 2.8, 0.6, "%.2f", cubic);
}

Test(cc, random_loss_does_not_stop_bbr)
{
	conf.forward.loss.p = PERCENT;
	fills("bbr", 0.88);
	conf.forward.loss.p = 3 * PERCENT;
	fills("bbr", 0.80);
}

struct mean {
	nst_time sum;
	uint32_t n;
};

static void add_srtt(void *ctx, struct sim *s)
{
	struct mean *m = ctx;
	struct nst_tcp_info info;

	if (sim_now(s) < SIM_START + 2 * NST_SEC ||
	    !sim_info(s, 0, SIM_CLIENT, &info))
		return;
	m->sum += info.srtt;
	m->n++;
}

static nst_time mean_srtt(const char *cc)
{
	struct mean m = {0};
	struct sim *s;

	conf.duration = 12 * NST_SEC;
	strcpy(flows[0].cc[SIM_CLIENT], cc);
	s = sim_new(&conf);
	cr_assert_not_null(s);
	sim_on_sample(s, 10 * NST_MS, add_srtt, &m);
	cr_assert(sim_run(s), "%s", sim_failed(s));
	cr_assert(sim_close(s), "%s", sim_failed(s));
	sim_free(s);
	return m.sum / m.n;
}

/* CUBIC fills the queue of 50 ms; BBR only when it probes. */
Test(cc, bbr_keeps_the_queue_short)
{
	nst_time bbr = mean_srtt("bbr"), cubic = mean_srtt("cubic");

	cr_assert_lt(bbr, 62 * NST_MS, "%ld us", bbr / NST_US);
	cr_assert_gt(cubic, 70 * NST_MS, "%ld us", cubic / NST_US);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Scenarios by hand, scenarios by seed, and the simulator's own promises. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/tape.h"

/* SIM_SEEDS=n runs so many; sanitizers take five times as long. */
#ifdef __SANITIZE_ADDRESS__
#define SEEDS 60
#define LONG_TIME (10 * NST_SEC)
#else
#define SEEDS 300
#define LONG_TIME (60 * NST_SEC)
#endif

#define PERCENT (NETEM_ONE / 100)

static struct sim_flow_conf flow;
static struct sim_conf conf;

/* A good link, one flow both ways. */
static void start(void)
{
	flow = (struct sim_flow_conf){.bytes = {300000, 70000}};
	conf = (struct sim_conf){
	    .family = 4,
	    .mtu = 1500,
	    .nclients = 1,
	    .host = {{.ecn = -1}, {.ecn = -1}},
	    .forward.delay = 5 * NST_MS,
	    .backward.delay = 5 * NST_MS,
	    .icmp = true,
	    .nflows = 1,
	    .flows = &flow,
	    .limit = 4000 * NST_SEC,
	    .check_every = 1,
	};
}

TestSuite(sim, .init = start);

/* What happened over all seeds of a test. */
struct sums {
	uint64_t rexmits, sack, reno, csum, dsack, ofo, urgent;
	nst_time longest;
};

static void add(struct sums *t, const struct sim *s)
{
	for (uint32_t i = 0; i < 2; i++) {
		const struct nst_counters *c = sim_counters(s, i);

		t->rexmits += c->TcpRetransSegs;
		t->sack += c->TcpSackRecovery;
		t->reno += c->TcpRenoRecovery;
		t->csum += c->TcpInCsumErrors;
		t->dsack += c->TcpDSACKRecv;
		t->ofo += c->TcpOfoQueue;
	}
	for (uint32_t i = 0; i < sim_conf(s)->nflows; i++) {
		struct sim_flow_result r;

		sim_result(s, i, &r);
		t->longest = r.took > t->longest ? r.took : t->longest;
		cr_assert(r.broken ||
			  (r.got[SIM_SERVER] == flow.bytes[SIM_CLIENT] &&
			   r.got[SIM_CLIENT] == flow.bytes[SIM_SERVER]));
	}
}

static struct sums run(uint64_t from, int n)
{
	struct sums t = {0};

	for (int i = 0; i < n; i++) {
		struct sim *s;
		bool ok;

		conf.seed = from + (uint64_t)i;
		s = sim_new(&conf);
		cr_assert_not_null(s);
		ok = sim_run(s);
		if (ok)
			add(&t, s);
		ok = sim_close(s) && ok;
		cr_assert(ok, "seed %llu: %s", (unsigned long long)conf.seed,
			  sim_failed(s));
		sim_free(s);
	}
	return t;
}

static void both(uint64_t loss, uint64_t dup, uint64_t reorder,
		 uint64_t corrupt)
{
	conf.forward.loss.p = conf.backward.loss.p = loss;
	conf.forward.dup.p = conf.backward.dup.p = dup;
	conf.forward.reorder.p = conf.backward.reorder.p = reorder;
	conf.forward.by_time = conf.backward.by_time = 10 * NST_MS;
	conf.forward.corrupt.p = conf.backward.corrupt.p = corrupt;
}

Test(sim, good_link)
{
	struct sums t = run(1, 5);

	cr_assert_eq(t.rexmits, 0);
	cr_assert_lt(t.longest, 3 * NST_SEC);
}

Test(sim, loss_reordering_copies)
{
	struct sums t;

	both(2 * PERCENT, PERCENT, 10 * PERCENT, 0);
	t = run(100, 100);
	cr_assert_gt(t.sack, 50);
	cr_assert_gt(t.dsack, 50);
	cr_assert_gt(t.ofo, 1000);
	cr_assert_lt(t.longest, 60 * NST_SEC);
}

Test(sim, heavy_loss)
{
	both(15 * PERCENT, 0, 0, 0);
	flow.bytes[0] = 60000;
	flow.bytes[1] = 20000;
	run(1000, 60);
}

/* RFC 6582: what is done without SACK. */
Test(sim, newreno)
{
	struct sums t;

	both(3 * PERCENT, 0, 0, 0);
	conf.host[0].no_sack = true;
	t = run(2000, 60);
	cr_assert_gt(t.reno, 50, "%llu", (unsigned long long)t.reno);
	cr_assert_eq(t.sack, 0);
	cr_assert_lt(t.longest, 120 * NST_SEC);
}

Test(sim, corruption)
{
	both(0, 0, 0, 3 * PERCENT);
	cr_assert_gt(run(3000, 40).csum, 50);
}

Test(sim, ipv6_small_buffer)
{
	both(PERCENT, 0, 0, 0);
	conf.family = 6;
	flow.rcvbuf[SIM_SERVER] = flow.rcvbuf[SIM_CLIENT] = 5000;
	run(4000, 40);
}

Test(sim, super_segments)
{
	both(PERCENT, PERCENT, 0, 0);
	conf.caps = NST_CAP_TX_CSUM | NST_CAP_TSO;
	flow.bytes[0] = 3000000;
	run(5000, 40);
}

/* The path shrinks while data flows, and says so (RFC 1191, 8201). */
Test(sim, mtu_shrinks)
{
	for (uint8_t family = 4; family <= 6; family += 2) {
		conf.family = family;
		conf.nchanges = 1;
		conf.change[0].at = 40 * NST_MS;
		conf.change[0].conf = conf.forward;
		conf.change[0].conf.mtu = 1300;
		cr_assert_lt(run(6000, 10).longest, 5 * NST_SEC);
	}
}

/* RFC 6093: the stream is whole, urgent bytes in line. */
Test(sim, urgent_bytes)
{
	both(2 * PERCENT, 0, 5 * PERCENT, 0);
	flow.urgent_every[0] = 3000;
	flow.urgent_every[1] = 777;
	run(6500, 20);
}

/* RFC 9293 3.8.6.1: a reader that stops, and goes on. */
Test(sim, slow_readers)
{
	both(2 * PERCENT, 0, 0, 0);
	flow.rcvbuf[SIM_SERVER] = 8000;
	flow.read_pause[SIM_SERVER] = 3 * NST_SEC;
	flow.bytes[0] = 100000;
	run(7000, 20);
}

Test(sim, endings)
{
	both(3 * PERCENT, 0, 0, 0);
	for (flow.ending = 0; flow.ending <= SIM_END_LEAVE; flow.ending++) {
		for (flow.breaker = 0; flow.breaker < 2; flow.breaker++) {
			flow.abort_at = 50000;
			run(8000, 10);
		}
	}
}

/* ---- by seed ---- */

/* Of all counters, over all seeds of a test. */
static struct nst_counters counted;
static uint64_t datagrams, errors;

static void count(const struct sim *s)
{
	uint64_t *sum = (uint64_t *)&counted;

	for (uint32_t i = 0; i <= sim_conf(s)->nclients; i++) {
		const uint64_t *v = (const uint64_t *)sim_counters(s, i);

		for (size_t k = 0; k < sizeof(counted) / sizeof(*v); k++)
			sum[k] += v[k];
	}
	for (uint32_t i = 0; i < sim_conf(s)->ntalks; i++) {
		struct sim_talk_result r;

		sim_talk_result(s, i, &r);
		datagrams += r.got[0] + r.got[1];
		errors += r.errors[0] + r.errors[1];
	}
}

static void seed(uint64_t n, uint64_t *digest)
{
	struct sim_conf c;
	struct sim *s;
	bool ok;

	cr_assert(sim_random(n, &c));
	s = sim_new(&c);
	cr_assert_not_null(s);
	ok = sim_run(s);
	*digest = (uint64_t)sim_now(s) + sim_counters(s, 0)->TcpInSegs;
	count(s);
	ok = sim_close(s) && ok;
	cr_assert(ok,
		  "%s\n again: build/tests/sim/sim seed %llu --trace "
		  "/tmp/sim.pcapng",
		  sim_failed(s), (unsigned long long)n);
	sim_free(s);
	free(c.flows);
}

/* What the seeds are about: without it they would promise too much. */
static const char *const must_be[] = {
    "IcmpInDestUnreachs", "IcmpInEchos",        "IcmpInEchoReps",
    "PmtuUpdates",        "UdpInDatagrams",     "UdpNoPorts",
    "UdpRcvbufErrors",    "PingInMsgs",         "RawInMsgs",
    "RawRcvbufErrors",    "TcpFwdReqs",         "TcpGroSegs",
    "TcpSyncookiesSent",  "TcpSyncookiesRecv",  "TcpDeferAcceptDrop",
    "TcpFastOpenActive",  "TcpFastOpenPassive", "TcpFastOpenCookieReqd",
    "TcpKeepAlive",       "TcpZeroWindowProbe", "TcpTW",
    "TcpDeliveredCE",     "TcpAckCompressed",   "TcpLossProbes",
    "TcpSackRecovery",    "TcpRenoRecovery",    "TcpSpuriousRTOs",
};

static uint64_t counter(const char *name)
{
	for (size_t i = 0; nst_counter_name(i); i++)
		if (!strcmp(nst_counter_name(i), name))
			return ((const uint64_t *)&counted)[i];
	cr_assert_fail("no counter %s", name);
	return 0;
}

Test(sim, seeds)
{
	const char *env = getenv("SIM_SEEDS");
	uint64_t n = env ? strtoull(env, NULL, 10) : SEEDS, digest;

	for (uint64_t i = 1; i <= n; i++)
		seed(i, &digest);
	if (n < 300)
		return;
	cr_assert_gt(datagrams, 3000);
	cr_assert_gt(errors, 300);
	for (size_t i = 0; i < sizeof(must_be) / sizeof(must_be[0]); i++)
		cr_expect_gt(counter(must_be[i]), 5, "%s %lu", must_be[i],
			     (unsigned long)counter(must_be[i]));
}

/* ---- saved and loaded after random events, or after each ---- */

static void same(uint64_t n, uint32_t save)
{
	const char *when = save == SIM_SAVE_RANDOM ? "random" : "every";
	struct sim_conf c;
	char *why;

	cr_assert(sim_random(n, &c));
	c.save = save;
	why = sim_same(&c, NULL);
	cr_assert_null(why,
		       "%s\n again: build/tests/sim/sim seed %llu --save %s",
		       why, (unsigned long long)n, when);
	free(c.flows);
}

static void saved_seeds(uint64_t from, uint64_t n)
{
	for (uint64_t i = from; i < from + n; i++)
		same(i, SIM_SAVE_RANDOM);
}

Test(sim, saves_show_nowhere)
{
	saved_seeds(1, SEEDS / 2);
}

Test(sim, saves_show_nowhere_2)
{
	saved_seeds(SEEDS / 2 + 1, SEEDS / 2);
}

Test(sim, a_save_after_each_event)
{
	/* Some that are short. */
	for (uint64_t i = 1; i <= SEEDS / 30; i++)
		same(i * 7, 1);
}

/* A run is another one with another seed: tapes tell. */
Test(sim, tapes_tell)
{
	struct tape a = {0}, b = {0};
	char *why;

	for (int i = 0; i < 2; i++) {
		struct sim *s;

		conf.seed = (uint64_t)i;
		conf.tape = i ? &b : &a;
		s = sim_new(&conf);
		cr_assert(sim_run(s));
		tape_results(conf.tape, s);
		sim_free(s);
	}
	why = tape_diff(&a, &b);
	cr_assert(why && strstr(why, "differs"));
	free(why);
	cr_assert_null(tape_diff(&a, &a));
	tape_free(&a);
	tape_free(&b);
}

Test(sim, a_seed_says_it_all)
{
	for (uint64_t i = 1; i <= 20; i++) {
		uint64_t a, b;

		seed(i, &a);
		seed(i, &b);
		cr_assert_eq(a, b, "seed %llu", (unsigned long long)i);
	}
}

Test(sim, everything_at_once)
{
	struct sim_conf c;
	struct sim *s;

	cr_assert(sim_everything(1, 100, LONG_TIME, &c));
	s = sim_new(&c);
	cr_assert_not_null(s);
	cr_assert(sim_run(s), "%s", sim_failed(s));
	cr_assert(sim_close(s), "%s", sim_failed(s));
	sim_free(s);
	free(c.flows);
}

/* ---- the oracles themselves ---- */

static const char *failure(void)
{
	static char why[256];
	struct sim *s = sim_new(&conf);

	cr_assert_not_null(s);
	cr_assert_not(sim_run(s));
	cr_assert_not(sim_close(s));
	snprintf(why, sizeof(why), "%s", sim_failed(s));
	sim_free(s);
	return why;
}

Test(sim, no_progress_is_noticed)
{
	conf.limit = 20 * NST_MS;
	cr_assert(strstr(failure(), "not over"));
}

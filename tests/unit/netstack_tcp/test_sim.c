/* SPDX-License-Identifier: Apache-2.0 */
/* Seeded simulation of two stacks over bad links; see sim.h for the oracle. */
#include "tests/unit/netstack_tcp/sim.h"

static const struct sim_cfg good = {
    .mtu = 1500, .delay = 5 * NST_MS, .family = 4, .bytes = {300000, 70000}};

/* What happened over all seeds of a test. */
struct sums {
	uint64_t rexmits, timeouts, sack, reno, csum, dsack, ofo;
	nst_time longest;
};

static void add(struct sums *t, const struct sim *s)
{
	for (int i = 0; i < 2; i++) {
		const struct nst_counters *c = nst_counters(s->end[i].st);

		t->rexmits += c->TcpRetransSegs;
		t->timeouts += c->TcpTimeouts;
		t->sack += c->TcpSackRecovery;
		t->reno += c->TcpRenoRecovery;
		t->csum += c->TcpInCsumErrors;
		t->dsack += c->TcpDSACKRecv;
		t->ofo += c->TcpOfoQueue;
	}
	t->longest = t_max(t->longest, s->done - 500 * NST_SEC);
}

static struct sums run(struct sim_cfg cfg, uint64_t base, int n)
{
	struct sums t = {0};

	for (int i = 0; i < n; i++) {
		uint64_t seed = testenv_seed(base + (uint64_t)i);
		struct sim s;

		sim_init(&s, &cfg, seed);
		cr_assert(sim_run(&s, 4000 * NST_SEC),
			  "seed %llu: %u of %u and %u of %u, %s",
			  (unsigned long long)seed, s.end[0].got,
			  s.end[0].expect, s.end[1].got, s.end[1].expect,
			  s.end[0].failed || s.end[1].failed ? "failed"
							     : "stuck");
		add(&t, &s);
		sim_fini(&s);
	}
	return t;
}

Test(sim, good_link)
{
	struct sums t = run(good, 1, 5);

	cr_assert_eq(t.rexmits, 0);
	cr_assert_lt(t.longest, 3 * NST_SEC);
}

Test(sim, loss_reorder_dup)
{
	struct sim_cfg c = good;

	struct sums t;

	c.loss = 20;
	c.dup = 10;
	c.reorder = 100;
	c.jitter = 20 * NST_MS;
	t = run(c, 100, 100);
	cr_assert_gt(t.sack, 50);
	cr_assert_gt(t.dsack, 50);
	cr_assert_gt(t.ofo, 1000);
	cr_assert_lt(t.longest, 60 * NST_SEC);
}

Test(sim, heavy_loss)
{
	struct sim_cfg c = good;

	c.loss = 150;
	c.bytes[0] = 60000;
	c.bytes[1] = 20000;
	run(c, 1000, 60);
}

Test(sim, newreno)
{
	struct sim_cfg c = good;

	struct sums t;

	c.loss = 30;
	c.no_sack = true;
	t = run(c, 2000, 60);
	cr_assert_gt(t.reno, 50);
	cr_assert_eq(t.sack, 0);
	cr_assert_lt(t.longest, 120 * NST_SEC);
}

Test(sim, corruption)
{
	struct sim_cfg c = good;

	struct sums t;

	c.corrupt = 30;
	t = run(c, 3000, 40);
	cr_assert_gt(t.csum, 50);
}

Test(sim, ipv6_small_buffer)
{
	struct sim_cfg c = good;

	c.family = 6;
	c.loss = 10;
	c.rcvbuf = 5000;
	run(c, 4000, 40);
}

Test(sim, super_segments)
{
	struct sim_cfg c = good;

	c.caps = NST_CAP_TX_CSUM | NST_CAP_TSO;
	c.loss = 10;
	c.dup = 10;
	c.bytes[0] = 3000000;
	run(c, 5000, 40);
}

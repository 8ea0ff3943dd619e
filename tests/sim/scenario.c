/* SPDX-License-Identifier: Apache-2.0 */
/* Scenarios out of a seed: a link with one or several kinds of trouble, hosts
 * that lack this or that, and programs with habits. */
#include <stdlib.h>
#include <string.h>

#include "netstack/tcp/tcp_priv.h"
#include "tests/sim/sim.h"
#include "tests/unit/testenv.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define PERMILLE (NETEM_ONE / 1000)

static uint32_t below(struct testenv *r, uint32_t n)
{
	return testenv_below(r, n);
}

/* One in n. */
static bool one_in(struct testenv *r, uint32_t n)
{
	return below(r, n) == 0;
}

/* Small numbers are as likely as large ones. */
static uint32_t log_scale(struct testenv *r, uint32_t lo, uint32_t hi)
{
	uint32_t octaves = 0, n;

	while (octaves < 31 && lo << (octaves + 1) <= hi && lo << octaves > 0)
		octaves++;
	n = lo << below(r, octaves + 1);
	n += below(r, n);
	return n < hi ? n : hi;
}

/* ---- links ---- */

static void trouble(struct testenv *r, struct netem_conf *c)
{
	if (one_in(r, 2))
		c->loss.p = (1 + below(r, one_in(r, 4) ? 120 : 20)) * PERMILLE;
	if (one_in(r, 5))
		c->loss.corr = below(r, 600) * PERMILLE;
	if (one_in(r, 6)) {
		c->ge = true;
		c->ge_p = (1 + below(r, 10)) * PERMILLE;
		c->ge_r = (50 + below(r, 500)) * PERMILLE;
		c->ge_bad = (300 + below(r, 700)) * PERMILLE;
	}
	if (one_in(r, 4))
		c->dup.p = below(r, 50) * PERMILLE;
	if (one_in(r, 5))
		c->corrupt.p = below(r, 20) * PERMILLE;
	if (one_in(r, 4)) {
		c->reorder.p = below(r, 100) * PERMILLE;
		c->by_pkts = one_in(r, 2) ? 1 + below(r, 20) : 0;
		if (!c->by_pkts && one_in(r, 2))
			c->by_time = (nst_time)below(r, 30) * NST_MS;
	}
	if (one_in(r, 8))
		c->mark.p = below(r, 50) * PERMILLE;
}

static void line(struct testenv *r, struct netem_conf *c)
{
	c->delay = (nst_time)log_scale(r, 50, 300000) * NST_US;
	if (one_in(r, 3)) {
		c->jitter = c->delay / (2 + below(r, 10));
		c->dist = one_in(r, 2) ? NETEM_NORMAL : NETEM_UNIFORM;
		c->keep_order = one_in(r, 2);
		c->jitter_corr = one_in(r, 3) ? below(r, 900) * PERMILLE : 0;
	}
	if (one_in(r, 12)) {
		c->slot_min = (nst_time)(1 + below(r, 20)) * NST_MS;
		c->slot_max = c->slot_min * 2;
	}
}

static void bottleneck(struct testenv *r, struct netem_conf *c)
{
	uint64_t bdp;

	if (one_in(r, 5))
		return; /* a line without one */
	c->rate_bits = (uint64_t)log_scale(r, 200, 200000) * 1000;
	bdp = c->rate_bits / 8 * (uint64_t)(c->delay / 1000) / 1000000;
	c->limit_bytes = 6000 + bdp * (1 + below(r, 16)) / 4;
	if (one_in(r, 4))
		c->limit_pkts = 4 + below(r, 500);
	if (one_in(r, 4))
		c->ecn_bytes = 3000 + c->limit_bytes / (2 + below(r, 4));
	if (one_in(r, 8))
		c->bucket = 1500 + below(r, 60000);
}

static void outage(struct testenv *r, struct netem_conf *c)
{
	if (!one_in(r, 6))
		return;
	c->down_from = (nst_time)below(r, 5000) * NST_MS;
	c->down_for = (nst_time)log_scale(r, 10, 20000) * NST_MS;
	if (one_in(r, 2))
		c->down_every = c->down_for * (4 + below(r, 20));
}

static void links(struct testenv *r, struct sim_conf *s)
{
	line(r, &s->forward);
	line(r, &s->backward);
	bottleneck(r, &s->forward);
	bottleneck(r, &s->backward);
	if (!one_in(r, 4))
		trouble(r, &s->forward);
	if (one_in(r, 2))
		trouble(r, &s->backward);
	outage(r, &s->forward);
	if (one_in(r, 2)) /* both ways at once */
		s->backward.down_from = s->forward.down_from,
		s->backward.down_for = s->forward.down_for,
		s->backward.down_every = s->forward.down_every;
	for (uint32_t i = 0; i < s->nclients; i++)
		s->access[i] =
		    one_in(r, 2) ? (nst_time)below(r, 40) * NST_MS : 0;
}

static uint32_t min_mtu(const struct sim_conf *s)
{
	return s->family == 6 ? 1280 : 576;
}

/* The path gets narrower and wider again; faster, slower. */
static void changes(struct testenv *r, struct sim_conf *s)
{
	nst_time at = 0;

	if (!one_in(r, 3))
		return;
	s->nchanges = 1 + below(r, 4);
	for (uint32_t i = 0; i < s->nchanges; i++) {
		struct sim_change *c = &s->change[i];
		uint32_t lo = min_mtu(s);

		c->at = at += (nst_time)log_scale(r, 10, 5000) * NST_MS;
		c->backward = one_in(r, 3);
		c->conf = c->backward ? s->backward : s->forward;
		if (one_in(r, 2) && s->mtu > lo)
			c->conf.mtu = lo + below(r, s->mtu - lo);
		if (one_in(r, 3))
			c->conf.delay = (nst_time)below(r, 200) * NST_MS;
		if (one_in(r, 3) && c->conf.rate_bits)
			c->conf.rate_bits =
			    (uint64_t)log_scale(r, 200, 100000) * 1000;
	}
}

/* ---- hosts and programs ---- */

static void host(struct testenv *r, struct sim_host_conf *h)
{
	h->no_sack = one_in(r, 6);
	h->no_ts = one_in(r, 5);
	h->no_wscale = one_in(r, 8);
	h->ecn = (int8_t)(one_in(r, 3) ? 1 : one_in(r, 6) ? 0 : -1);
}

/* Of those that there are. */
static void pick_cc(struct testenv *r, char cc[16])
{
	static const char *const names[] = {"", "reno", "cubic", "bbr"};
	const char *name = names[below(r, COUNT_OF(names))];

	if (name[0] && tcp_cc_find(name))
		strcpy(cc, name);
}

static void program(struct testenv *r, struct sim_flow_conf *f, int k)
{
	pick_cc(r, f->cc[k]);
	f->sndbuf[k] = one_in(r, 4) ? log_scale(r, 4608, 1000000) : 0;
	f->rcvbuf[k] = one_in(r, 4) ? log_scale(r, 2304, 1000000) : 0;
	f->read_rate[k] = one_in(r, 8) ? log_scale(r, 20000, 10000000) : 0;
	f->read_pause[k] =
	    one_in(r, 6) ? (nst_time)log_scale(r, 1, 1000) * NST_MS : 0;
	f->write_pause[k] =
	    one_in(r, 8) ? (nst_time)log_scale(r, 1, 500) * NST_MS : 0;
	f->write_max[k] = one_in(r, 3) ? log_scale(r, 2000, 64000) : 0;
	f->urgent_every[k] = one_in(r, 12) ? log_scale(r, 1000, 50000) : 0;
	f->nodelay[k] = one_in(r, 3);
}

/* What these habits can move in some minutes. */
static void limit_bytes(struct testenv *r, struct sim_flow_conf *f, int k)
{
	uint32_t max = one_in(r, 5) ? 6000000 : 1000000;

	if (f->read_pause[1 - k] || f->write_pause[k])
		max = 100000;
	f->bytes[k] = log_scale(r, one_in(r, 4) ? 1 : max / 64, max);
	if (one_in(r, 10))
		f->bytes[k] = 0;
}

static void flow(struct testenv *r, struct sim_conf *s, struct sim_flow_conf *f)
{
	f->client = (uint8_t)below(r, s->nclients);
	f->start = one_in(r, 2) ? (nst_time)below(r, 3000) * NST_MS : 0;
	for (int k = 0; k < 2; k++)
		program(r, f, k);
	for (int k = 0; k < 2; k++)
		limit_bytes(r, f, k);
	if (one_in(r, 3))
		f->ending = (uint8_t)(1 + below(r, 3));
	f->hasty = one_in(r, 4);
	f->breaker = (uint8_t)below(r, 2);
	f->abort_at = below(r, 100000);
}

static void shape(struct testenv *r, struct sim_conf *s)
{
	static const uint32_t mtus[] = {1500, 1500, 1400, 1280, 9000, 65535};

	s->family = one_in(r, 3) ? 6 : 4;
	s->mtu = mtus[below(r, 6)];
	if (s->family == 4 && one_in(r, 8))
		s->mtu = 576;
	s->caps = one_in(r, 2) ? NST_CAP_TSO | NST_CAP_TX_CSUM : 0;
	s->nclients = one_in(r, 3) ? 1 + below(r, 3) : 1;
	s->nflows = one_in(r, 4) ? 1 + below(r, 5) : 1;
	s->icmp = true;
	s->check_every = 1;
	s->limit = 4000 * NST_SEC;
}

/*
 * It may take so long. Back-off goes to two minutes, and ends with a sample of
 * the round trip only: without timestamps retransmissions give none (Karn), and
 * without SACK a lost retransmission costs a time-out, so a tiny queue lets
 * some packets pass each two minutes. Outages may come back at the wrong times.
 */
static nst_time bound(const struct sim_conf *s)
{
	bool bare = s->host[0].no_sack || s->host[1].no_sack ||
		    s->host[0].no_ts || s->host[1].no_ts;
	nst_time t = 4000 * NST_SEC, most = 0;

	for (uint32_t i = 0; i < s->nflows; i++)
		for (int k = 0; k < 2; k++)
			most = t_max(most, (nst_time)s->flows[i].bytes[k]);
	t += most / 536 * (bare ? 30 : 3) * NST_SEC;
	return s->forward.down_every ? 5 * t : t;
}

bool sim_random(uint64_t seed, struct sim_conf *s)
{
	struct testenv r;

	memset(s, 0, sizeof(*s));
	/* Not the generator's own step: neighbours would share numbers. */
	testenv_init(&r, (seed + 1) * 0xd1342543de82ef95u);
	s->seed = seed;
	shape(&r, s);
	links(&r, s);
	changes(&r, s);
	host(&r, &s->host[SIM_CLIENT]);
	host(&r, &s->host[SIM_SERVER]);
	s->flows = calloc(s->nflows, sizeof(*s->flows));
	if (!s->flows)
		return false;
	for (uint32_t i = 0; i < s->nflows; i++)
		flow(&r, s, &s->flows[i]);
	sim_extras(seed, s);
	s->limit = bound(s);
	return true;
}

static void everything_link(struct netem_conf *c, uint64_t rate)
{
	*c = (struct netem_conf){
	    .delay = 20 * NST_MS,
	    .jitter = 5 * NST_MS,
	    .dist = NETEM_NORMAL,
	    .jitter_corr = 500 * PERMILLE,
	    .loss = {.p = 5 * PERMILLE},
	    .ge = true,
	    .ge_p = PERMILLE,
	    .ge_r = 200 * PERMILLE,
	    .ge_bad = 800 * PERMILLE,
	    .dup = {.p = 2 * PERMILLE},
	    .corrupt = {.p = PERMILLE},
	    .reorder = {.p = 10 * PERMILLE},
	    .by_pkts = 4,
	    .rate_bits = rate,
	    .limit_bytes = 150000,
	    .ecn_bytes = 90000,
	    .down_from = 30 * NST_SEC,
	    .down_for = 3 * NST_SEC,
	    .down_every = 300 * NST_SEC,
	};
}

bool sim_everything(uint64_t seed, uint32_t nflows, nst_time duration,
		    struct sim_conf *s)
{
	struct testenv r;

	if (!sim_random(seed, s))
		return false;
	free(s->flows);
	testenv_init(&r, seed + 77);
	s->nclients = 4;
	s->nflows = nflows;
	s->mtu = 1500;
	s->family = 4;
	s->nchanges = 0;
	s->ntalks = 0;
	memset(s->host, 0, sizeof(s->host));
	s->host[0].ecn = s->host[1].ecn = 1;
	everything_link(&s->forward, 10000000);
	everything_link(&s->backward, 5000000);
	for (uint32_t i = 0; i < s->nclients; i++)
		s->access[i] = (nst_time)(1 + 15 * i) * NST_MS;
	s->duration = duration;
	s->limit = duration + 4000 * NST_SEC;
	s->check_every = 1009;
	s->flows = calloc(nflows, sizeof(*s->flows));
	if (!s->flows)
		return false;
	for (uint32_t i = 0; i < nflows; i++) {
		flow(&r, s, &s->flows[i]);
		s->flows[i].client = (uint8_t)(i % s->nclients);
		s->flows[i].bytes[SIM_CLIENT] = SIM_ENDLESS;
		if (i % 3 == 0)
			s->flows[i].bytes[SIM_SERVER] = SIM_ENDLESS;
		s->flows[i].ending = SIM_END_FIN;
	}
	return true;
}

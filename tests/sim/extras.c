/* SPDX-License-Identifier: Apache-2.0 */
/* What scenarios have besides links and streams; see sim.h. */
#include <string.h>

#include "tests/sim/sim.h"
#include "tests/unit/testenv.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define PERMILLE (NETEM_ONE / 1000)
#define SALT 0xe874a5

static uint32_t below(struct testenv *r, uint32_t n)
{
	return testenv_below(r, n);
}

static bool one_in(struct testenv *r, uint32_t n)
{
	return below(r, n) == 0;
}

/* ---- hosts ---- */

static void ctl(struct sim_host_conf *h, const char *name, int value)
{
	if (h->nctl == SIM_CTLS_MAX)
		return;
	h->ctl[h->nctl].name = name;
	h->ctl[h->nctl++].value = value;
}

/* RFC 9768, between two that know it or with one that does not. */
static void accecn(struct testenv *r, struct sim_conf *s)
{
	for (int i = 0; i < 2; i++) {
		if (one_in(r, 5))
			continue;
		s->host[i].ecn = (int8_t)(3 + below(r, 3));
		if (one_in(r, 3))
			ctl(&s->host[i], "tcp_ecn_option", (int)below(r, 4));
	}
	s->forward.mark.p = below(r, 80) * PERMILLE;
	s->backward.mark.p = below(r, 80) * PERMILLE;
}

/* A link that carries super-segments whole, as a tap does. */
static void plain_line(struct netem_conf *c)
{
	struct netem_conf plain = {.delay = c->delay,
				   .down_from = c->down_from,
				   .down_for = c->down_for,
				   .down_every = c->down_every};

	*c = plain;
}

static void batches(struct testenv *r, struct sim_conf *s)
{
	for (int i = 0; i < 2; i++)
		if (!one_in(r, 4))
			s->host[i].batch =
			    (nst_time)(20 << below(r, 8)) * NST_US;
	if (!one_in(r, 3))
		return;
	s->caps = NST_CAP_TSO | NST_CAP_TX_CSUM;
	s->nchanges = 0;
	plain_line(&s->forward);
	plain_line(&s->backward);
}

static void settings(struct testenv *r, struct sim_host_conf *h)
{
	static const struct {
		const char *name;
		int lo, hi;
	} v[] = {
	    {"tcp_comp_sack_nr", 0, 60},   {"tcp_mtu_probing", 0, 2},
	    {"tcp_early_retrans", 0, 4},   {"tcp_frto", 0, 2},
	    {"tcp_recovery", 0, 7},        {"tcp_slow_start_after_idle", 0, 1},
	    {"tcp_shrink_window", 0, 1},   {"tcp_moderate_rcvbuf", 0, 1},
	    {"tcp_dsack", 0, 1},           {"tcp_reordering", 1, 20},
	    {"tcp_autocorking", 0, 1},     {"tcp_fin_timeout", 1, 60},
	    {"tcp_pingpong_thresh", 1, 5}, {"tcp_thin_linear_timeouts", 0, 1},
	};
	uint32_t n = below(r, 4);

	while (n--) {
		uint32_t i = below(r, COUNT_OF(v));

		ctl(h, v[i].name,
		    v[i].lo + (int)below(r, (uint32_t)(v[i].hi - v[i].lo + 1)));
	}
}

/* ---- flows ---- */

static void option(struct testenv *r, struct sim_flow_conf *f, int k)
{
	static const struct {
		enum nst_opt opt;
		uint32_t lo, hi;
	} v[] = {
	    {NST_TCP_MAXSEG, 300, 1400},
	    {NST_TCP_NOTSENT_LOWAT, 1000, 60000},
	    {NST_TCP_QUICKACK, 0, 1},
	    {NST_TCP_THIN_LINEAR_TIMEOUTS, 0, 1},
	    {NST_SO_MAX_PACING_RATE, 100000, 10000000},
	    {NST_TCP_DELACK_MAX_US, 5000, 200000},
	    {NST_TCP_RTO_MIN_US, 20000, 200000},
	    {NST_TCP_RTO_MAX_MS, 5000, 120000},
	    {NST_TCP_SAVE_SYN, 1, 2},
	    {NST_TCP_WINDOW_CLAMP, 3000, 100000},
	};
	uint32_t i = below(r, COUNT_OF(v));

	f->has_opt[k] = true;
	f->opt[k] = v[i].opt;
	f->opt_value[k] = v[i].lo + below(r, v[i].hi - v[i].lo + 1);
}

/* Asked for while others sleep: keepalives, idle buffers, validation. */
static void sleepy(struct testenv *r, struct sim_flow_conf *f)
{
	for (int k = 0; k < 2; k++) {
		f->write_pause[k] = (nst_time)(1 + below(r, 60)) * NST_SEC;
		f->write_max[k] = 600 + below(r, 2000);
		f->bytes[k] = f->bytes[k] % 8000;
	}
}

static void orphan(struct testenv *r, struct sim_flow_conf *f)
{
	f->ending = SIM_END_ORPHAN;
	f->bytes[1 - f->breaker] = 0;
	f->linger = (nst_time)(1 + below(r, 120)) * NST_SEC;
	if (one_in(r, 2))
		return;
	f->has_opt[f->breaker] = true;
	f->opt[f->breaker] = NST_TCP_LINGER2;
	f->opt_value[f->breaker] = 1 + below(r, 60);
}

static void opening(struct testenv *r, struct sim_flow_conf *f)
{
	if (one_in(r, 4))
		f->accept_pause = (nst_time)(1 + below(r, 8000)) * NST_MS;
	if (one_in(r, 5))
		f->defer_s = (uint8_t)(1 + below(r, 20));
	if (one_in(r, 4))
		f->backlog = (uint8_t)(1 + below(r, 2));
	if (one_in(r, 4)) {
		f->fwd = true;
		f->fwd_answer = (uint8_t)below(r, 6);
		f->fwd_pause = (nst_time)below(r, 6000) * NST_MS;
	} else if (one_in(r, 3)) {
		f->fastopen = true;
		f->syn_pause = (nst_time)below(r, 300) * NST_MS;
	}
}

static void habits(struct testenv *r, struct sim_flow_conf *f)
{
	opening(r, f);
	for (int k = 0; k < 2; k++) {
		f->cork[k] = one_in(r, 5);
		if (one_in(r, 4))
			option(r, f, k);
	}
	if (one_in(r, 8)) {
		f->oob = true;
		f->urgent_every[below(r, 2)] = 500 + below(r, 20000);
	}
	if (one_in(r, 10))
		sleepy(r, f);
	if (one_in(r, 6))
		orphan(r, f);
}

/* Cookies are learned by one connection for the next. */
static void fast_open(struct testenv *r, struct sim_conf *s)
{
	int how = one_in(r, 3) ? 0x607 : 3;
	bool any = false;

	for (uint32_t i = 0; i < s->nflows; i++)
		any |= s->flows[i].fastopen;
	if (!any)
		return;
	ctl(&s->host[SIM_CLIENT], "tcp_fastopen", how);
	ctl(&s->host[SIM_SERVER], "tcp_fastopen", how);
	if (one_in(r, 4))
		ctl(&s->host[SIM_CLIENT], "tcp_fastopen_blackhole_timeout_sec",
		    (int)(1 + below(r, 20)));
}

/* ---- datagrams ---- */

static void datagrams(struct testenv *r, struct sim_talk_conf *t)
{
	static const uint32_t sizes[] = {100, 1200, 3000, 9000, 65507};

	t->kind = (uint8_t)(one_in(r, 3) ? below(r, 4) : SIM_TALK_UDP);
	t->connected = one_in(r, 2);
	t->deaf = one_in(r, 5);
	t->errors = one_in(r, 2);
	t->disc = (uint8_t)(t->kind == SIM_TALK_PING ? 1 : below(r, 4));
	t->most = sizes[below(r, 5)];
	t->count = 1 + below(r, 60);
	t->start = (nst_time)below(r, 5000) * NST_MS;
	t->pause = (nst_time)(1 + below(r, one_in(r, 3) ? 1000 : 80)) * NST_MS;
	t->rcvbuf = one_in(r, 3) ? 2304 + below(r, 60000) : 0;
}

static void talk(struct testenv *r, struct sim_conf *s, struct sim_talk_conf *t)
{
	bool udp;

	t->client = (uint8_t)below(r, s->nclients);
	datagrams(r, t);
	udp = t->kind == SIM_TALK_UDP;
	t->group = udp && one_in(r, 5);
	t->fwd = !t->group && (udp || t->kind == SIM_TALK_PING) && one_in(r, 5);
	t->self = !t->group && !t->fwd && one_in(r, 8);
	t->cork = udp && one_in(r, 5);
	t->gro = udp && one_in(r, 4);
	t->gso = udp && one_in(r, 4) ? (uint16_t)(200 + below(r, 300)) : 0;
	/* A socket that is connected to a group hears no answer. */
	t->connected = t->connected && !t->group;
	t->deaf = t->deaf && !t->group;
}

static void ether(uint64_t seed, struct sim_conf *s)
{
	static const uint32_t answer_us[] = {2, 200, 5000, 300000, 1500000};
	struct testenv r;

	testenv_init(&r, (seed + SALT) * 0xaef17502108ef2d9u);
	s->ether = one_in(&r, 4);
	s->ether_answer = (nst_time)answer_us[below(&r, 5)] * NST_US;
	if (s->ether && one_in(&r, 2))
		s->ether_query = (nst_time)(1 + below(&r, 60)) * NST_SEC;
}

void sim_extras(uint64_t seed, struct sim_conf *s)
{
	struct testenv r;

	ether(seed, s);
	testenv_init(&r, (seed + SALT) * 0x9fb21c651e98df25u);
	if (one_in(&r, 4))
		return;
	if (one_in(&r, 4))
		accecn(&r, s);
	if (one_in(&r, 3))
		batches(&r, s);
	for (uint32_t i = 0; i < s->nflows; i++)
		habits(&r, &s->flows[i]);
	fast_open(&r, s);
	if (one_in(&r, 5))
		ctl(&s->host[SIM_SERVER], "tcp_syncookies", 2);
	if (one_in(&r, 3))
		settings(&r, &s->host[SIM_CLIENT]);
	if (one_in(&r, 3))
		settings(&r, &s->host[SIM_SERVER]);
	if (one_in(&r, 2))
		s->ntalks = 1 + below(&r, 4);
	for (uint32_t i = 0; i < s->ntalks; i++)
		talk(&r, s, &s->talk[i]);
}

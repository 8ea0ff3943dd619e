/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual time, and what the simulator tells. */
#include "tests/sim/sim.h"

#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim_priv.h"

#define PROGRESS_EVERY (500 * NST_MS)
#define SPINS_MAX 100000 /* events without time passing */
/* TIME-WAIT, orphans and their retransmissions are over by then. */
#define AFTERMATH (2000 * NST_SEC)

struct sim *sim_new(const struct sim_conf *conf)
{
	struct sim *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->conf = *conf;
	s->now = SIM_START;
	s->sample_at = NST_NEVER;
	s->progress_at = s->now + PROGRESS_EVERY;
	s->tape = conf->tape;
	testenv_init(&s->rnd, conf->seed ^ 0x5eed);
	save_init(s);
	if (trace_open(s) && net_init(s) && app_init(s) && talk_init(s))
		return s;
	fprintf(stderr, "sim: cannot be set up%s%s\n", s->why[0] ? ": " : "",
		s->why);
	sim_free(s);
	return NULL;
}

bool sim_close(struct sim *s)
{
	if (s->closed)
		return !s->why[0];
	s->closed = true;
	net_fini(s);
	for (uint32_t i = 0; i < s->nhosts; i++)
		if (testenv_leaks(&s->host[i].te))
			sim_fail(s, "host %u: %zu blocks leaked", i,
				 testenv_leaks(&s->host[i].te));
	if (testenv_leaks(&s->net))
		sim_fail(s, "netem: %zu blocks leaked", testenv_leaks(&s->net));
	return !s->why[0];
}

void sim_free(struct sim *s)
{
	if (!s)
		return;
	sim_close(s);
	app_fini(s);
	if (s->trace)
		fclose(s->trace);
	free(s);
}

/* ---- time ---- */

static nst_time next_time(const struct sim *s)
{
	nst_time t = t_min(net_next(s), sim_wake_next(s));

	t = t_min(t, talk_next(s));
	return t_min(t, t_min(s->sample_at, s->progress_at));
}

static void periodic(struct sim *s)
{
	if (s->now >= s->sample_at) {
		s->sample(s->sample_ctx, s);
		s->sample_at += s->sample_every;
	}
	if (s->now >= s->progress_at) {
		oracle_progress(s);
		oracle_memory(s);
		s->progress_at += PROGRESS_EVERY;
	}
}

static void step(struct sim *s)
{
	net_apply_changes(s);
	net_run(s);
	app_run(s);
	talk_run(s);
	periodic(s);
}

static void overdue(struct sim *s)
{
	for (uint32_t i = 0; i < s->conf.nflows; i++) {
		const struct sim_end *e = s->flows[i].end;

		if (e[0].gone && e[1].gone)
			continue;
		sim_fail(s,
			 "not over after %lld s: flow %u, %llu and %llu bytes "
			 "read, states %d and %d",
			 (long long)(s->conf.limit / NST_SEC), i,
			 (unsigned long long)e[0].got,
			 (unsigned long long)e[1].got,
			 e[0].tp ? (int)nst_tcp_state(e[0].tp) : -1,
			 e[1].tp ? (int)nst_tcp_state(e[1].tp) : -1);
	}
}

static bool run_until(struct sim *s, nst_time end, bool (*over)(struct sim *s))
{
	unsigned spins = 0;

	while (!s->why[0] && !over(s)) {
		nst_time t = next_time(s);

		if (t > end)
			return false;
		spins = t > s->now ? 0 : spins + 1;
		if (spins > SPINS_MAX)
			sim_fail(s, "time stands still");
		s->now = t_max(t, s->now);
		step(s);
	}
	return true;
}

static bool flows_over(struct sim *s)
{
	return !s->alive;
}

static bool all_quiet(struct sim *s)
{
	for (uint32_t i = 0; i < s->nhosts; i++) {
		const struct tcp_layer *l = s->host[i].st->tcp;

		if (l->norphans || l->ntw || l->nreqs)
			return false;
	}
	return true;
}

bool sim_run(struct sim *s)
{
	if (!run_until(s, SIM_START + s->conf.limit, flows_over))
		overdue(s);
	s->sample_at = NST_NEVER;
	if (!run_until(s, s->now + AFTERMATH, all_quiet))
		sim_fail(s, "orphans or TIME-WAIT stay for ever");
	return !s->why[0];
}

void sim_on_sample(struct sim *s, nst_time every,
		   void (*fn)(void *ctx, struct sim *s), void *ctx)
{
	s->sample = fn;
	s->sample_ctx = ctx;
	s->sample_every = every;
	s->sample_at = s->now;
}

/* ---- what it tells ---- */

const char *sim_failed(const struct sim *s)
{
	return s->why[0] ? s->why : NULL;
}

nst_time sim_now(const struct sim *s)
{
	return s->now;
}

const struct sim_conf *sim_conf(const struct sim *s)
{
	return &s->conf;
}

bool sim_info(const struct sim *s, uint32_t flow, int side,
	      struct nst_tcp_info *out)
{
	const struct sim_end *e = &s->flows[flow].end[side];

	if (!e->tp)
		return false;
	nst_tcp_info(e->tp, s->now, out);
	return true;
}

void sim_result(const struct sim *s, uint32_t flow, struct sim_flow_result *out)
{
	const struct sim_flow *f = &s->flows[flow];

	memset(out, 0, sizeof(*out));
	out->broken = f->broken;
	for (int i = 0; i < 2; i++) {
		out->got[i] = f->end[i].got;
		out->first[i] = f->end[i].first;
		out->last[i] = f->end[i].last;
		out->digest[i] = f->end[i].digest;
		out->info[i] = f->end[i].info;
		out->took = t_max(out->took,
				  f->end[i].last - SIM_START - f->conf->start);
	}
}

const struct netem_stats *sim_link_stats(const struct sim *s, bool backward)
{
	return netem_stats(backward ? s->backward.nm : s->forward.nm);
}

uint64_t sim_link_queue(struct sim *s, bool backward)
{
	return netem_queued(backward ? s->backward.nm : s->forward.nm, s->now);
}

const struct nst_counters *sim_counters(const struct sim *s, uint32_t host)
{
	return nst_counters(s->host[host].st);
}

uint64_t sim_events(const struct sim *s, uint32_t host)
{
	return s->host[host].told;
}

void sim_talk_result(const struct sim *s, uint32_t talk,
		     struct sim_talk_result *out)
{
	for (int i = 0; i < 2; i++) {
		const struct sim_talker *k = &s->talk[talk].side[i];

		out->got[i] = k->got;
		out->errors[i] = k->errors;
		out->digest[i] = k->digest;
	}
}

uint64_t sim_saves(const struct sim *s)
{
	return s->saves;
}

const char *sim_last_save(const struct sim *s)
{
	return s->last_save;
}

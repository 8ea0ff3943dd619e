/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host's stack is saved, freed and made of its image again, between two of
 * its events. Links stay, and so do programs: their sockets are found by id.
 * Time stands still for the stack, so nothing of it may show on the wire.
 */
#include <stdlib.h>
#include <string.h>

#include "netstack/netem/netem_save.h"
#include "netstack/tcp/tcp_req.h"
#include "tests/lib/reborn.h"
#include "tests/sim/sim_priv.h"

#define SEED_SALT 0x5a4e
#define LINKS_TOO 32 /* one save in so many */

void save_init(struct sim *s)
{
	static const uint32_t one_in[] = {0, 1, 7, 50, 400, 3000};

	testenv_init(&s->saver, s->conf.seed * 0x9e3779b97f4a7c15u + SEED_SALT);
	for (int i = 0; i < SIM_EVENTS; i++)
		s->save_one_in[i] = one_in[testenv_below(&s->saver, 6)];
}

/* One whose peer gave up is not in the image. */
static uint64_t forget_req(struct sim_end *e)
{
	uint64_t id = e->req ? nst_fwd_id(e->req) : 0;

	if (e->req && e->req->dead) {
		nst_fwd_drop(e->req);
		id = 0;
	}
	e->req = NULL;
	return id;
}

static void forget(struct sim_end *e)
{
	e->req_id = forget_req(e);
	e->tp_id = e->tp ? nst_sock_id(nst_tcp_sock(e->tp)) : 0;
	e->lis_id = e->lis ? nst_sock_id(nst_tcp_sock(e->lis)) : 0;
	e->tp = e->lis = NULL;
}

static void find(struct nst_sock *s)
{
	struct sim_user *u = nst_sock_user(s);
	struct sim_end *e = u ? u->end : NULL;

	if (!e)
		return;
	if (nst_sock_id(s) == e->tp_id)
		e->tp = nst_sock_tcp(s);
	else if (nst_sock_id(s) == e->lis_id)
		e->lis = nst_sock_tcp(s);
}

static void each_end(struct sim_host *h, void (*fn)(struct sim_end *e))
{
	struct sim *s = h->sim;

	for (uint32_t i = 0; s->flows && i < s->conf.nflows; i++)
		for (int k = 0; k < 2; k++)
			if (s->flows[i].end[k].host == h)
				fn(&s->flows[i].end[k]);
}

static void expect_found(struct sim_end *e)
{
	if ((e->tp_id && !e->tp) || (e->lis_id && !e->lis))
		sim_fail(e->flow->sim, "flow %u side %d: its socket is gone",
			 e->flow->i, e->side);
	if (e->req_id && !e->req)
		sim_fail(e->flow->sim, "flow %u: its SYN is gone", e->flow->i);
}

/* A SYN that waited waits again. */
static void again(void *ctx, struct nst_fwd_req *req, uint64_t id)
{
	struct sim_host *h = ctx;
	struct sim *s = h->sim;

	for (uint32_t i = 0; i < s->conf.nflows; i++) {
		struct sim_end *e = &s->flows[i].end[SIM_SERVER];

		if (e->req_id != id)
			continue;
		e->req = req;
		return;
	}
	sim_fail(s, "host %u: a SYN waits that nobody had", h->i);
}

static uint32_t le32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	       (uint32_t)p[3] << 24;
}

/* Of the records, in whatever order: that of hash tables is no fact. */
static uint64_t sum_of(const struct reborn_image *image)
{
	const uint8_t *p = image->p, *end = p + image->bytes;
	uint64_t sum = 0;

	while (end - p >= 8) {
		size_t n = 8 + le32(p + 4);
		uint64_t h = 14695981039346656037u;

		for (size_t i = 0; i < n; i++)
			h = (h ^ p[i]) * 0x100000001b3u;
		sum += h;
		p += n;
	}
	return sum;
}

/* The image as it was, or why it is not. */
static void check_again(struct sim_host *h, const struct reborn_image *was)
{
	struct reborn_image now = {0};

	reborn_save(h->st, &now);
	if (now.bytes != was->bytes || sum_of(&now) != sum_of(was))
		sim_fail(h->sim,
			 "host %u saves another image than it was made of "
			 "(%zu and %zu bytes)",
			 h->i, was->bytes, now.bytes);
	reborn_image_free(&now);
}

static bool replace(struct sim_host *h, const struct reborn_image *image)
{
	struct reborn_nic nic = {"eth0", &net_ops, h};
	struct nst_forwarder fwd = open_forwarder;
	struct reborn how = {
	    .env = &h->te.env,
	    .nics = &nic,
	    .nnics = 1,
	    .forwarder = h->st->fwd.tcp ? &fwd : NULL,
	    .fwd = again,
	    .ctx = h,
	};
	uint64_t rng = h->te.rng;
	char why[NST_SAVE_WHY];
	struct nst_stack *st;

	fwd.ctx = h;
	if (reborn_load(h->st, &how, image->p, image->bytes, &st, why)) {
		sim_fail(h->sim, "host %u is not loaded: %s", h->i, why);
		return false;
	}
	/* A stack that is made draws secrets, which the image replaces. */
	h->te.rng = rng;
	nst_stack_free(h->st); /* poisons it: nothing may point there */
	h->st = st;
	return true;
}

/* For tests: as if a member had not been saved. */
static void lose(struct sim_host *h)
{
	const struct sim_conf *c = &h->sim->conf;
	struct nst_sock *s;

	if (!c->lost_bytes)
		return;
	for (size_t i = 0; (s = nst_sock_at(h->st, i)); i++) {
		struct nst_tcp *tp = nst_sock_tcp(s);

		if (!tp)
			continue;
		memset((uint8_t *)tp + c->lost_at, 0, c->lost_bytes);
		tcp_timers_stop(tp);
		tcp_timers_update(tp);
	}
}

static void reborn(struct sim_host *h)
{
	struct reborn_image image = {0};
	struct nst_sock *s;
	bool ok;

	reborn_save(h->st, &image);
	each_end(h, forget);
	talk_forget(h);
	ok = replace(h, &image);
	for (size_t i = 0; (s = nst_sock_at(h->st, i)); i++)
		find(s);
	each_end(h, expect_found);
	lose(h);
	if (!talk_find(h))
		sim_fail(h->sim, "host %u: a datagram socket is gone", h->i);
	/* It costs as much again. */
	if (ok && !h->sim->conf.lost_bytes && h->sim->saves % 16 == 1)
		check_again(h, &image);
	reborn_image_free(&image);
}

/* ---- links ---- */

static bool put(void *ctx, const void *data, size_t bytes)
{
	return fwrite(data, 1, bytes, ctx) == bytes;
}

/* A netem is saved, freed and made of its image in the middle of its work. */
static void netem_reborn(struct sim *s, struct netem **nm)
{
	const uint8_t *p;
	char *image = NULL, why[NST_SAVE_WHY];
	struct netem *made;
	size_t bytes;
	FILE *f = open_memstream(&image, &bytes);
	struct nst_save_sink sink = {.ctx = f, .put = put};

	if (!f || netem_save(*nm, &sink) || fclose(f))
		abort();
	p = (const uint8_t *)image;
	if (netem_load(&s->net.env, &p, p + bytes, &made, why)) {
		sim_fail(s, "a link is not loaded: %s", why);
	} else {
		netem_free(*nm);
		*nm = made;
	}
	free(image);
}

static void hop_reborn(struct sim_hop *hop)
{
	if (!hop->nm)
		return;
	netem_reborn(hop->sim, &hop->nm);
	net_hop_told(hop);
}

static void links_reborn(struct sim *s)
{
	hop_reborn(&s->forward);
	hop_reborn(&s->backward);
	for (uint32_t i = 0; i < s->conf.nclients; i++) {
		hop_reborn(&s->up[i]);
		hop_reborn(&s->down[i]);
	}
	for (uint32_t i = 0; i < s->nhosts; i++)
		netem_reborn(s, &s->host[i].noticed);
	for (uint32_t i = 0; s->conf.ether && i < s->nhosts; i++)
		netem_reborn(s, &s->host[i].answers);
}

/* ---- when ---- */

static bool is_time(struct sim_host *h, enum sim_event what)
{
	struct sim *s = h->sim;
	uint32_t n = s->conf.save;

	if (s->conf.save_most && s->saves >= s->conf.save_most)
		return false;
	if (n != SIM_SAVE_RANDOM)
		return h->events % n == 0;
	n = s->save_one_in[what];
	return n && testenv_below(&s->saver, n) == 0;
}

void save_maybe(struct sim_host *h, enum sim_event what)
{
	static const char *const names[] = {"packet", "timer", "call"};
	struct sim *s = h->sim;

	if (s->conf.save == SIM_SAVE_NEVER || s->why[0] || !is_time(h, what))
		return;
	s->saves++;
	snprintf(s->last_save, sizeof(s->last_save),
		 "host %u after event %llu, a %s, at %.9f s", h->i,
		 (unsigned long long)h->events, names[what],
		 (double)(s->now - SIM_START) / 1e9);
	reborn(h);
	if (testenv_below(&s->saver, LINKS_TOO) == 0)
		links_reborn(s);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/netstack_tcp/sim.h"

#include <stdlib.h>
#include <string.h>

#define SIM_IF 2
#define SIM_PORT 80

static bool chance(struct sim *s, uint32_t permille)
{
	return testenv_below(&s->rnd, 1000) < permille;
}

static void enqueue(struct sim *s, int to, struct nst_pkt *pkt)
{
	struct sim_pkt *q = malloc(sizeof(*q)), **at = &s->queue;

	q->pkt = pkt;
	q->to = to;
	q->order = s->order++;
	q->at = s->now + s->cfg.delay;
	if (s->cfg.jitter && chance(s, s->cfg.reorder))
		q->at += testenv_below(&s->rnd, (uint32_t)s->cfg.jitter);
	while (*at && (*at)->at <= q->at)
		at = &(*at)->next;
	q->next = *at;
	*at = q;
}

/* Overwrites the SACK-permitted option with NOPs; checksum left to VALID. */
static void strip_sack(struct nst_pkt *pkt, uint32_t ip_bytes)
{
	uint8_t *p = nst_pkt_data(pkt) + ip_bytes;
	uint32_t hdr = (uint32_t)(p[12] >> 4) * 4;

	for (uint32_t i = 20; (p[13] & TCP_SYN) && i < hdr;) {
		uint8_t kind = p[i];

		if (kind == 4)
			p[i] = p[i + 1] = 1;
		i += kind <= 1 || kind == 4 ? 1 : p[i + 1];
		if (kind == 4)
			i++;
	}
}

static void corrupt(struct sim *s, struct nst_pkt *pkt)
{
	uint8_t *p = nst_pkt_data(pkt);
	uint32_t bit = testenv_below(&s->rnd, nst_pkt_bytes(pkt) * 8);

	p[bit / 8] ^= (uint8_t)(1 << bit % 8);
	pkt->csum = NST_CSUM_NONE;
}

static void transmit(void *link, struct nst_pkt *pkt)
{
	struct sim_end *e = link;
	struct sim *s = e->sim;
	struct nst_pkt *copy;

	if (!nst_pkt_own(pkt) || chance(s, s->cfg.loss)) {
		nst_pkt_free(pkt);
		return;
	}
	if (s->cfg.no_sack) {
		strip_sack(pkt, s->cfg.family == 6 ? 40 : 20);
		pkt->csum = NST_CSUM_VALID;
	}
	if (chance(s, s->cfg.dup)) {
		copy = nst_pkt_clone(pkt);
		if (copy)
			enqueue(s, 1 - e->i, copy);
	}
	if (chance(s, s->cfg.corrupt) && !pkt->gso_size &&
	    pkt->csum == NST_CSUM_NONE)
		corrupt(s, pkt);
	enqueue(s, 1 - e->i, pkt);
}

static const struct nst_link_ops ops = {transmit};

static void check(struct sim_end *e)
{
	cr_assert(tcp_layer_check(e->st), "invariants of TCP, seed %llu",
		  (unsigned long long)e->sim->rnd.seed);
	cr_assert(nst_stack_check(e->st));
}

static void end_init(struct sim *s, int i, uint64_t seed)
{
	const char *addr[2][2] = {{"10.0.0.1", "10.0.0.2"},
				  {"fd00::1", "fd00::2"}};
	struct sim_end *e = &s->end[i];
	struct nst_nic_config cfg = {.name = "eth0",
				     .kind = NST_LINK_IP,
				     .mtu = s->cfg.mtu,
				     .caps = s->cfg.caps,
				     .ops = &ops,
				     .link = e};
	struct nst_ifaddr a = {test_addr(addr[s->cfg.family == 6][i]), 24,
			       SIM_IF};
	uint32_t ifindex;

	e->sim = s;
	e->i = i;
	e->want = s->cfg.bytes[i];
	e->expect = s->cfg.bytes[1 - i];
	testenv_init(&e->te, seed * 2 + (uint64_t)i);
	cr_assert_eq(nst_stack_new(&e->te.env, s->now, &e->st), NST_OK);
	cr_assert_eq(nst_nic_add(e->st, &cfg, &ifindex), NST_OK);
	cr_assert_eq(nst_addr_add(e->st, &a, s->now), NST_OK);
}

static void open_both(struct sim *s)
{
	struct sim_end *c = &s->end[0], *l = &s->end[1];
	struct nst_sockaddr any = {.addr = {.family = s->cfg.family},
				   .port = SIM_PORT};
	struct nst_sockaddr to =
	    test_sa(s->cfg.family == 6 ? "fd00::2" : "10.0.0.2", SIM_PORT);

	cr_assert_eq(nst_tcp_new(l->st, s->cfg.family, NULL, s->now, &l->lis),
		     NST_OK);
	if (s->cfg.rcvbuf)
		cr_assert_eq(nst_sock_set(nst_tcp_sock(l->lis), NST_SO_RCVBUF,
					  s->cfg.rcvbuf, s->now),
			     NST_OK);
	cr_assert_eq(nst_sock_bind(nst_tcp_sock(l->lis), &any), NST_OK);
	cr_assert_eq(nst_tcp_listen(l->lis, 5, s->now), NST_OK);
	cr_assert_eq(
	    nst_tcp_new(c->st, s->cfg.family, &c->user, s->now, &c->tp),
	    NST_OK);
	cr_assert_eq(nst_tcp_connect(c->tp, &to, s->now), NST_E_INPROGRESS);
}

void sim_init(struct sim *s, const struct sim_cfg *cfg, uint64_t seed)
{
	memset(s, 0, sizeof(*s));
	s->cfg = *cfg;
	s->now = 500 * NST_SEC;
	testenv_init(&s->rnd, seed);
	end_init(s, 0, seed);
	end_init(s, 1, seed);
	open_both(s);
}

void sim_fini(struct sim *s)
{
	while (s->queue) {
		struct sim_pkt *q = s->queue;

		s->queue = q->next;
		nst_pkt_free(q->pkt);
		free(q);
	}
	for (int i = 0; i < 2; i++) {
		nst_stack_free(s->end[i].st);
		cr_assert_eq(testenv_leaks(&s->end[i].te), 0, "leak, seed %llu",
			     (unsigned long long)s->rnd.seed);
	}
}

/* ---- the applications ---- */

static uint8_t byte_at(int from, uint32_t pos)
{
	return (uint8_t)(pos * 17 + (pos >> 7) * 3 + (uint32_t)from * 101);
}

static void app_write(struct sim_end *e)
{
	struct nst_iov iov[2];
	size_t niov, room;

	while (e->sent < e->want &&
	       (room = nst_tcp_snd_space(e->tp, iov, &niov))) {
		uint32_t max = 1 + testenv_below(&e->sim->rnd, 40000), n = 0;

		for (size_t k = 0; k < niov; k++) {
			uint8_t *p = iov[k].p;

			for (size_t i = 0;
			     i < iov[k].len && n < max && e->sent + n < e->want;
			     i++, n++)
				p[i] = byte_at(e->i, e->sent + n);
		}
		e->sent += n;
		nst_tcp_snd_commit(e->tp, n, false, e->sim->now);
		if (nst_tcp_state(e->tp) == NST_TCP_CLOSE)
			return;
	}
	if (e->sent == e->want && !e->shut &&
	    nst_tcp_state(e->tp) != NST_TCP_SYN_SENT) {
		e->shut = true;
		(void)!nst_tcp_shutdown(e->tp, false, true, e->sim->now);
	}
}

static void app_read(struct sim_end *e)
{
	struct nst_iov iov[2];
	size_t niov, have;

	while ((have = nst_tcp_rcv_data(e->tp, iov, &niov))) {
		for (size_t k = 0; k < niov; k++) {
			const uint8_t *p = iov[k].p;

			for (size_t i = 0; i < iov[k].len; i++, e->got++)
				if (p[i] != byte_at(1 - e->i, e->got))
					cr_assert_fail("byte %u, seed %llu",
						       e->got,
						       (unsigned long long)
							   e->sim->rnd.seed);
		}
		nst_tcp_rcv_consume(e->tp, have, e->sim->now);
	}
	e->eof = e->eof || nst_tcp_rcv_eof(e->tp);
}

static void app(struct sim_end *e)
{
	if (!e->tp && e->lis && nst_tcp_accept(e->lis, &e->tp) == NST_OK)
		nst_sock_set_user(nst_tcp_sock(e->tp), &e->user);
	if (!e->tp)
		return;
	/* A reader who is not always there. */
	if (testenv_below(&e->sim->rnd, 4))
		app_read(e);
	if (nst_tcp_state(e->tp) != NST_TCP_CLOSE)
		app_write(e);
	if (nst_sock_error(nst_tcp_sock(e->tp), false))
		e->failed = true;
	check(e);
}

static bool finished(const struct sim *s)
{
	for (int i = 0; i < 2; i++) {
		const struct sim_end *e = &s->end[i];

		if (!e->eof || e->got != e->expect || e->sent != e->want)
			return false;
	}
	return true;
}

/* ---- time ---- */

static nst_time next_time(const struct sim *s)
{
	nst_time t = s->queue ? s->queue->at : NST_NEVER;

	for (int i = 0; i < 2; i++)
		t = t_min(t, nst_next_deadline(s->end[i].st));
	return t;
}

static void deliver(struct sim *s)
{
	while (s->queue && s->queue->at <= s->now) {
		struct sim_pkt *q = s->queue;

		s->queue = q->next;
		q->pkt->next = NULL;
		nst_nic_in(s->end[q->to].st, SIM_IF, q->pkt, s->now);
		check(&s->end[q->to]);
		s->delivered++;
		free(q);
	}
}

static void step(struct sim *s)
{
	nst_time t = next_time(s);

	/* An application that did not read looks again. */
	t = t_min(t, s->now + 50 * NST_MS);
	if (t > s->now)
		s->now = t;
	deliver(s);
	for (int i = 0; i < 2; i++) {
		nst_run_timers(s->end[i].st, s->now);
		check(&s->end[i]);
		app(&s->end[i]);
	}
}

bool sim_run(struct sim *s, nst_time limit)
{
	nst_time end = s->now + limit;

	while (!finished(s)) {
		if (s->now > end || s->end[0].failed || s->end[1].failed)
			return false;
		step(s);
	}
	s->done = s->now;
	for (int i = 0; i < 2; i++)
		nst_tcp_close(s->end[i].tp, s->now);
	end = s->now + 2000 * NST_SEC;
	for (int i = 0; i < 2; i++)
		s->end[i].tp = NULL;
	while (s->now < end &&
	       (s->queue || s->end[0].st->tcp->norphans ||
		s->end[1].st->tcp->norphans || s->end[0].st->tcp->ntw))
		step(s);
	return !s->end[0].st->tcp->norphans && !s->end[1].st->tcp->norphans;
}

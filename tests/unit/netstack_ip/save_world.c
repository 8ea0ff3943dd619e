/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/netstack_ip/save_world.h"

#include <stdio.h>
#include <stdlib.h>

#define ETH_HDR 14

bool sw_put(void *ctx, const void *p, size_t n)
{
	struct sw_image *i = ctx;

	if (i->bytes + n > i->cap) {
		i->cap = (i->bytes + n) * 2;
		i->p = realloc(i->p, i->cap);
	}
	memcpy(i->p + i->bytes, p, n);
	i->bytes += n;
	return true;
}

void sw_image_free(struct sw_image *i)
{
	free(i->p);
	*i = (struct sw_image){0};
}

/* ---- what is written down ---- */

static void note(struct sw *w, const char *what, const void *p, size_t n)
{
	sw_put(&w->log, what, strlen(what));
	sw_put(&w->log, &w->now, sizeof(w->now));
	sw_put(&w->log, &n, sizeof(n));
	sw_put(&w->log, p, n);
}

static void transmit(void *link, struct nst_pkt *pkt)
{
	struct sw *w = link;
	uint32_t n = nst_pkt_bytes(pkt), l2 = 0;
	uint8_t *p = malloc(n);

	nst_pkt_copy(pkt, 0, p, n);
	note(w, "sent", &pkt->ifindex, sizeof(pkt->ifindex));
	note(w, "packet", p, n);
	if (pkt->ifindex == ETH)
		l2 = ETH_HDR;
	w->last_bytes = n - l2 < sizeof(w->last) ? n - l2 : sizeof(w->last);
	memcpy(w->last, p + l2, w->last_bytes);
	w->nsent++;
	free(p);
	nst_pkt_free(pkt);
}

static const struct nst_link_ops ops = {transmit};

static void on_event(struct testenv *te, void *user, uint32_t events)
{
	struct sw *w = te->priv;
	struct {
		uint32_t i, events;
	} e = {(uint32_t)((struct test_user *)user - w->user), events};

	note(w, "event", &e, sizeof(e));
}

/* ---- images ---- */

void sw_save(struct sw *w, struct sw_image *out)
{
	struct nst_save_sink sink = {out, sw_put};

	*out = (struct sw_image){0};
	cr_assert_eq(nst_stack_save(w->st, &sink), NST_OK);
}

static bool give_nic(void *ctx, struct nst_nic_config *cfg)
{
	cfg->ops = &ops;
	cfg->link = ctx;
	return true;
}

static void *give_sock(void *ctx, struct nst_sock *s, uint64_t id)
{
	struct sw *w = ctx;

	for (size_t i = 0; i < SW_SOCKS; i++) {
		if (w->id[i] != id)
			continue;
		w->d[i] = nst_sock_dgram(s);
		return &w->user[i];
	}
	return NULL;
}

enum nst_err sw_load(struct sw *w, const struct sw_image *image, bool clone,
		     char *why)
{
	struct nst_load how = {.env = &w->te.env,
			       .ctx = w,
			       .nic = give_nic,
			       .sock = give_sock,
			       .clone = clone};
	const uint8_t *p = image->p;
	uint64_t rng = w->te.rng;
	enum nst_err e;

	nst_stack_free(w->st);
	w->st = NULL;
	memset(w->d, 0, sizeof(w->d));
	e = nst_stack_load(&how, &p, image->p + image->bytes, &w->st, why);
	/* A new stack draws secrets that the image then replaces. */
	w->te.rng = rng;
	cr_assert((e == NST_OK) == (w->st != NULL));
	cr_assert(e == NST_OK || why[0]);
	return e;
}

static void reborn(struct sw *w)
{
	struct sw_image before, after;
	char why[NST_SAVE_WHY];

	sw_save(w, &before);
	cr_assert_eq(sw_load(w, &before, false, why), NST_OK, "%s", why);
	cr_assert_eq(nst_stack_now(w->st), w->now);
	sw_save(w, &after);
	cr_assert_eq(before.bytes, after.bytes);
	cr_assert_eq(memcmp(before.p, after.p, before.bytes), 0);
	sw_image_free(&before);
	sw_image_free(&after);
}

static void event(struct sw *w)
{
	cr_assert(nst_stack_check(w->st));
	if (w->reborn_at == -2 || w->reborn_at == w->events)
		reborn(w);
	w->events++;
}

/* ---- the world ---- */

static void add_nic(struct sw *w, const char *name, enum nst_link_kind kind)
{
	struct nst_nic_config cfg = {
	    .kind = kind, .mtu = 1500, .ops = &ops, .link = w};
	uint32_t ifindex;

	snprintf(cfg.name, sizeof(cfg.name), "%s", name);
	memcpy(cfg.mac, MAC_US, 6);
	cr_assert_eq(nst_nic_add(w->st, &cfg, &ifindex), NST_OK);
}

static void add_addr(struct sw *w, const char *a, uint8_t plen, uint32_t nic)
{
	struct nst_ifaddr e = {test_addr(a), plen, nic};

	cr_assert_eq(nst_addr_add(w->st, &e, w->now), NST_OK);
}

static void add_default(struct sw *w, const char *gw)
{
	struct nst_route r = {.gw = test_addr(gw), .ifindex = TUN};

	r.dst.family = r.gw.family;
	cr_assert_eq(nst_route_add(w->st, &r), NST_OK);
}

struct sw *sw_new(void)
{
	struct sw *w = calloc(1, sizeof(*w));

	testenv_init(&w->te, testenv_seed(11));
	w->te.priv = w;
	w->te.on_event = on_event;
	w->reborn_at = -1;
	w->now = 1000 * NST_SEC + 12345;
	cr_assert_eq(nst_stack_new(&w->te.env, w->now, &w->st), NST_OK);
	add_nic(w, "eth0", NST_LINK_ETHER);
	add_nic(w, "tun0", NST_LINK_IP);
	add_addr(w, "10.0.0.1", 24, ETH);
	add_addr(w, "fd00::1", 64, ETH);
	add_addr(w, "10.1.0.1", 24, TUN);
	add_addr(w, "fd01::1", 64, TUN);
	add_default(w, "10.1.0.254");
	add_default(w, "fd01::fe");
	sw_advance(w, 20 * NST_SEC);
	w->nsent = 0;
	w->events = 0;
	return w;
}

void sw_free(struct sw *w)
{
	nst_stack_free(w->st);
	cr_assert_eq(testenv_leaks(&w->te), 0);
	sw_image_free(&w->log);
	free(w);
}

static void run_once(sw_scenario s, int64_t reborn_at, struct sw_image *log,
		     int64_t *events)
{
	struct sw *w = sw_new();

	w->reborn_at = reborn_at;
	s(w);
	sw_drain(w);
	if (events)
		*events = w->events;
	*log = w->log;
	w->log = (struct sw_image){0};
	sw_free(w);
}

static void expect_same(const struct sw_image *a, const struct sw_image *b,
			int64_t at)
{
	size_t i = 0;

	while (i < a->bytes && i < b->bytes && a->p[i] == b->p[i])
		i++;
	cr_assert(a->bytes == b->bytes && i == a->bytes,
		  "reborn after event %ld: byte %zu of %zu and %zu differs",
		  (long)at, i, a->bytes, b->bytes);
}

void sw_run(sw_scenario s)
{
	struct sw_image want, got;
	int64_t events;

	run_once(s, -1, &want, &events);
	for (int64_t i = -2; i < events; i++) {
		if (i == -1)
			continue;
		run_once(s, i, &got, NULL);
		expect_same(&want, &got, i);
		sw_image_free(&got);
	}
	sw_image_free(&want);
}

/* ---- events ---- */

void sw_advance(struct sw *w, nst_time by)
{
	nst_time end = w->now + by;

	for (;;) {
		nst_time at = nst_next_deadline(w->st);

		if (at > end)
			break;
		if (at > w->now)
			w->now = at;
		nst_run_timers(w->st, w->now);
		event(w);
	}
	w->now = end;
	nst_run_timers(w->st, w->now);
	event(w);
}

void sw_in(struct sw *w, uint32_t ifindex, const void *p, size_t n)
{
	struct nst_pkt *pkt =
	    nst_pkt_new(&w->te.env, NST_PKT_HEADROOM, (uint32_t)n);

	memcpy(nst_pkt_put(pkt, (uint32_t)n), p, n);
	nst_nic_in(w->st, ifindex, pkt, w->now);
	event(w);
}

void sw_in_eth(struct sw *w, uint16_t type, const void *p, size_t n)
{
	uint8_t b[2048];
	struct eth_repr eth = {.type = type};

	memcpy(eth.dst, MAC_US, 6);
	memcpy(eth.src, MAC_PEER, 6);
	eth_emit(&eth, b);
	memcpy(b + ETH_HDR, p, n);
	sw_in(w, ETH, b, ETH_HDR + n);
}

void sw_sock(struct sw *w, size_t i, enum nst_dgram_kind kind, uint8_t family,
	     uint8_t proto)
{
	cr_assert_eq(
	    nst_dgram_new(w->st, kind, family, proto, &w->user[i], &w->d[i]),
	    NST_OK);
	w->id[i] = nst_sock_id(nst_dgram_sock(w->d[i]));
	event(w);
}

void sw_bind(struct sw *w, size_t i, const char *addr, uint16_t port)
{
	struct nst_sockaddr a = test_sa(addr, port);

	cr_assert_eq(nst_sock_bind(nst_dgram_sock(w->d[i]), &a), NST_OK);
	event(w);
}

void sw_connect(struct sw *w, size_t i, const char *addr, uint16_t port)
{
	struct nst_sockaddr a = test_sa(addr, port);

	cr_assert_eq(nst_dgram_connect(w->d[i], &a, w->now), NST_OK);
	event(w);
}

void sw_set(struct sw *w, size_t i, enum nst_opt opt, int64_t v)
{
	cr_assert_eq(nst_sock_set(nst_dgram_sock(w->d[i]), opt, v, w->now),
		     NST_OK);
	event(w);
}

void sw_join(struct sw *w, size_t i, const char *group, uint32_t ifindex)
{
	struct nst_addr g = test_addr(group);

	cr_assert_eq(nst_dgram_join(w->d[i], &g, ifindex, w->now), NST_OK);
	event(w);
}

void sw_source(struct sw *w, size_t i, const char *group, const char *source,
	       uint32_t ifindex, bool include, bool add)
{
	struct nst_mc_source q = {.group = test_addr(group),
				  .source = test_addr(source),
				  .ifindex = ifindex,
				  .include = include,
				  .add = add};

	cr_assert_eq(nst_dgram_source(w->d[i], &q, w->now), NST_OK);
	event(w);
}

void sw_leave(struct sw *w, size_t i, const char *group, uint32_t ifindex)
{
	struct nst_addr g = test_addr(group);

	cr_assert_eq(nst_dgram_leave(w->d[i], &g, ifindex, w->now), NST_OK);
	event(w);
}

enum nst_err sw_send(struct sw *w, size_t i, const char *addr, uint16_t port,
		     size_t n)
{
	static uint8_t data[65536];
	struct nst_iov iov = {data, n};
	struct nst_sockaddr to;
	enum nst_err e;

	for (size_t k = 0; k < n; k++)
		data[k] = (uint8_t)(k * 7 + n);
	if (addr)
		to = test_sa(addr, port);
	e = nst_dgram_send(w->d[i], addr ? &to : NULL, &iov, 1, NULL, w->now);
	note(w, "send", &e, sizeof(e));
	event(w);
	return e;
}

/* ---- what can be asked: no padding, no pointers ---- */

static void note_addr(struct sw *w, const struct nst_sockaddr *a)
{
	note(w, "family", &a->addr.family, 1);
	note(w, "addr", a->addr.b, sizeof(a->addr.b));
	note(w, "scope", &a->addr.scope, sizeof(a->addr.scope));
	note(w, "port", &a->port, sizeof(a->port));
}

static void note_in(struct sw *w, const struct nst_dgram_in *in)
{
	struct nst_sockaddr spec = {in->spec_dst, in->gro_size};
	uint8_t small[2] = {in->ttl, in->tos};

	note(w, "data", in->data, in->bytes);
	note_addr(w, &in->src);
	note_addr(w, &in->dst);
	note_addr(w, &spec);
	note(w, "ifindex", &in->ifindex, sizeof(in->ifindex));
	note(w, "ttl, tos", small, sizeof(small));
	note(w, "when", &in->when, sizeof(in->when));
}

static void note_err(struct sw *w, const struct nst_dgram_err *e)
{
	struct nst_sockaddr offender = {e->offender, 0};
	uint32_t v[] = {e->err, e->origin, e->type, e->code, e->info};

	note(w, "quoted", e->data, e->bytes);
	note(w, "err", v, sizeof(v));
	note_addr(w, &e->dst);
	note_addr(w, &offender);
}

/* Each taking is an event: afterwards the socket may be another. */
static void drain_sock(struct sw *w, size_t i)
{
	struct nst_sockaddr a[2] = {0};
	struct nst_dgram_err err;
	struct nst_dgram_in in;
	enum nst_err e;

	nst_sock_local(nst_dgram_sock(w->d[i]), &a[0]);
	(void)!nst_sock_remote(nst_dgram_sock(w->d[i]), &a[1]);
	note_addr(w, &a[0]);
	note_addr(w, &a[1]);
	while (nst_dgram_peek(w->d[i], &in) == NST_OK) {
		note_in(w, &in);
		nst_dgram_pop(w->d[i]);
		event(w);
	}
	while (nst_dgram_err_peek(w->d[i], &err) == NST_OK) {
		note_err(w, &err);
		nst_dgram_err_pop(w->d[i]);
		event(w);
	}
	e = nst_sock_error(nst_dgram_sock(w->d[i]), true);
	note(w, "so_error", &e, sizeof(e));
	for (enum nst_opt o = 0; o < NST_OPT_COUNT; o++) {
		int64_t v = 0;

		(void)!nst_sock_get(nst_dgram_sock(w->d[i]), o, &v);
		note(w, "opt", &v, sizeof(v));
	}
}

void sw_drain(struct sw *w)
{
	struct nst_neigh_info n = {0};
	struct nst_nic_info nic;

	for (size_t i = 0; i < SW_SOCKS; i++)
		if (w->d[i])
			drain_sock(w, i);
	for (size_t i = 0; nst_neigh_at(w->st, i, &n); i++) {
		note(w, "neigh", n.addr.b, sizeof(n.addr.b));
		note(w, "mac", n.mac, sizeof(n.mac));
		note(w, "state", &n.state, sizeof(n.state));
	}
	for (uint32_t i = 0; (i = nst_nic_next(w->st, i));) {
		memset(&nic, 0, sizeof(nic));
		cr_assert_eq(nst_nic_get(w->st, i, &nic), NST_OK);
		note(w, "nic", &nic, sizeof(nic));
	}
	note(w, "counters", nst_counters(w->st), sizeof(struct nst_counters));
}

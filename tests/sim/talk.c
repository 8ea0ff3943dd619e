/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Talks: a client sends datagrams of many sizes, some of which come back, to a
 * socket of the server, to a port that nobody has, to a group, to an address
 * behind the server, to itself. Both programs look at their sockets at times of
 * their own, so queues, error queues and fragments wait. Nothing is promised of
 * what arrives: what does goes into digests, for two runs to be compared.
 */
#include <string.h>

#include "netstack/nst_dgram.h"
#include "tests/lib/reborn.h"
#include "tests/sim/sim_priv.h"

#define RAW_PROTO 253 /* RFC 3692: experiments */
#define ICMP_ECHO 8
#define ICMP6_ECHO 128
/* Fragments are forgotten by then, the last answer is here. */
#define AFTERWARDS (45 * NST_SEC)
#define READ_MOST 6   /* datagrams of one look */
#define ECHO_MOST 900 /* bytes of an answer */
#define BYTES_MOST 65507

/* ---- sockets ---- */

static bool v4(const struct sim_talk *t)
{
	return t->sim->conf.family == 4;
}

static struct nst_addr group_of(const struct sim_talk *t)
{
	return test_addr(v4(t) ? "239.1.2.3" : "ff15::1:203");
}

/* Of a talk's server; a port nobody has when it is deaf. */
static struct nst_sockaddr server_of(const struct sim_talk *t)
{
	struct nst_sockaddr a = {net_addr(t->sim, 0, t->conf->fwd),
				 (uint16_t)(SIM_TALK_PORT + t->i)};

	if (t->conf->group)
		a.addr = group_of(t);
	if (t->conf->kind == SIM_TALK_RAW || t->conf->kind == SIM_TALK_PING)
		a.port = 0;
	return a;
}

static bool set(struct sim_talker *k, struct nst_dgram *d, enum nst_opt opt,
		int64_t v)
{
	return !nst_sock_set(nst_dgram_sock(d), opt, v, k->user.host->sim->now);
}

static struct nst_dgram *socket_of(const struct sim_talk *t,
				   struct sim_talker *k,
				   enum nst_dgram_kind kind, uint8_t proto)
{
	const struct sim_talk_conf *c = t->conf;
	struct nst_dgram *d;
	bool four = v4(t);

	if (nst_dgram_new(k->user.host->st, kind, t->sim->conf.family, proto,
			  &k->user, &d))
		return NULL;
	if ((!c->rcvbuf || set(k, d, NST_SO_RCVBUF, c->rcvbuf)) &&
	    set(k, d, four ? NST_IP_RECVERR : NST_IPV6_RECVERR, c->errors) &&
	    set(k, d, four ? NST_IP_MTU_DISCOVER : NST_IPV6_MTU_DISCOVER,
		c->disc) &&
	    set(k, d, four ? NST_IP_MULTICAST_IF : NST_IPV6_MULTICAST_IF,
		SIM_IF))
		return d;
	nst_dgram_close(d, t->sim->now);
	return NULL;
}

static enum nst_dgram_kind kind_of(const struct sim_talk *t)
{
	if (t->conf->kind == SIM_TALK_PING)
		return NST_DGRAM_PING;
	return t->conf->kind == SIM_TALK_RAW ? NST_DGRAM_RAW : NST_DGRAM_UDP;
}

static uint8_t proto_of(const struct sim_talk *t)
{
	return t->conf->kind == SIM_TALK_RAW ? RAW_PROTO : 0;
}

static bool start_server(struct sim_talk *t)
{
	struct sim_talker *k = &t->side[SIM_SERVER];
	struct nst_sockaddr any = server_of(t);

	if (t->conf->kind == SIM_TALK_SNIFF) {
		k->raw = socket_of(t, k, NST_DGRAM_RAW, 17);
		if (!k->raw)
			return false;
	}
	if (t->conf->deaf || t->conf->fwd || t->conf->kind == SIM_TALK_PING)
		return true;
	k->d = socket_of(t, k, kind_of(t), proto_of(t));
	any.addr = (struct nst_addr){.family = t->sim->conf.family};
	return k->d &&
	       (any.port == 0 || !nst_sock_bind(nst_dgram_sock(k->d), &any)) &&
	       (!t->conf->gro || any.port == 0 || set(k, k->d, NST_UDP_GRO, 1));
}

static void start_client(struct sim_talk *t)
{
	struct sim_talker *k = &t->side[SIM_CLIENT];
	struct nst_sockaddr to = server_of(t);

	k->d = socket_of(t, k, kind_of(t), proto_of(t));
	if (!k->d || (t->conf->connected &&
		      nst_dgram_connect(k->d, &to, t->sim->now) != NST_OK))
		sim_fail(t->sim, "talk %u has no socket", t->i);
	net_check(k->user.host, SIM_CALL);
}

/* ---- reading ---- */

static void note(struct sim_talker *k, const void *p, size_t n)
{
	k->digest = tape_mix(k->digest, p, n);
}

static void note_addr(struct sim_talker *k, const struct nst_sockaddr *a)
{
	note(k, a->addr.b, a->addr.family == 4 ? 4 : 16);
	note(k, &a->port, sizeof(a->port));
}

static void note_in(struct sim_talker *k, const struct nst_dgram_in *in)
{
	uint64_t small =
	    (uint64_t)in->ttl << 32 | (uint64_t)in->tos << 16 | in->gro_size;

	note_addr(k, &in->src);
	note_addr(k, &in->dst);
	note(k, &small, sizeof(small));
	note(k, &in->when, sizeof(in->when));
	note(k, &k->user.host->sim->now, sizeof(nst_time));
	note(k, in->data, in->bytes);
	k->got++;
}

static uint32_t some(struct sim *s, uint32_t n)
{
	return testenv_below(&s->rnd, n);
}

/* Some of what a datagram said, to where it came from. */
static void answer(struct sim_talk *t, struct sim_talker *k,
		   const struct nst_dgram_in *in)
{
	struct nst_iov iov = {NULL,
			      in->bytes < ECHO_MOST ? in->bytes : ECHO_MOST};
	struct nst_dgram_opts o = {.has_tos = true, .tos = in->tos};
	struct nst_sockaddr to = in->src;
	uint8_t copy[ECHO_MOST];
	enum nst_err err;

	if (some(t->sim, 3) == 0)
		return;
	memcpy(copy, in->data, iov.len);
	iov.p = copy;
	err = nst_dgram_send(k->d, &to, &iov, 1, &o, t->sim->now);
	note(k, &err, sizeof(err));
}

static void read_some(struct sim_talk *t, struct sim_talker *k,
		      struct nst_dgram *d, bool answers)
{
	uint32_t n = 1 + some(t->sim, READ_MOST);
	struct nst_dgram_in in;

	while (n-- && nst_dgram_peek(d, &in) == NST_OK) {
		note_in(k, &in);
		if (answers && some(t->sim, 2))
			answer(t, k, &in);
		nst_dgram_pop(d);
	}
}

static void read_errors(struct sim_talk *t, struct sim_talker *k)
{
	uint32_t n = some(t->sim, 3);
	struct nst_dgram_err e;
	enum nst_err err;

	while (n-- && nst_dgram_err_peek(k->d, &e) == NST_OK) {
		uint8_t small[] = {(uint8_t)e.err, e.origin, e.type, e.code};

		note(k, small, sizeof(small));
		note(k, &e.info, sizeof(e.info));
		note_addr(k, &e.dst);
		note(k, e.data, e.bytes);
		nst_dgram_err_pop(k->d);
		k->errors++;
	}
	if (some(t->sim, 3))
		return;
	err = nst_sock_error(nst_dgram_sock(k->d), true);
	note(k, &err, sizeof(err));
	k->errors += err != NST_OK;
}

/* ---- sending ---- */

static uint32_t size_of(struct sim_talk *t)
{
	uint32_t n = 1 + some(t->sim, t->conf->most);

	if (some(t->sim, 3))
		n = 1 + n % 1200;
	return n < BYTES_MOST ? n : BYTES_MOST;
}

static void fill(struct sim_talk *t, uint8_t *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 7 + t->sent * 13 + t->i);
	if (t->conf->kind != SIM_TALK_PING || n < 8)
		return;
	memset(p, 0, 8);
	p[0] = v4(t) ? ICMP_ECHO : ICMP6_ECHO;
	p[7] = (uint8_t)t->sent;
}

static void play_with_cork(struct sim_talk *t, struct sim_talker *k)
{
	if (!t->conf->cork || some(t->sim, 3) == 0)
		return;
	t->corked = !t->corked;
	if (!set(k, k->d, NST_UDP_CORK, t->corked))
		sim_fail(t->sim, "talk %u: UDP_CORK is refused", t->i);
}

static void send_one(struct sim_talk *t, struct sim_talker *k)
{
	static _Thread_local uint8_t data[BYTES_MOST];
	struct nst_sockaddr to = server_of(t);
	struct nst_dgram_opts o = {.gso_size = t->conf->gso};
	struct nst_iov iov = {data, size_of(t)};
	enum nst_err err;

	play_with_cork(t, k);
	if (t->conf->kind == SIM_TALK_PING && iov.len < 8)
		iov.len = 8;
	if (t->corked)
		iov.len = 1 + iov.len % 2000;
	if (o.gso_size && (iov.len / o.gso_size > 40 || t->corked))
		o.gso_size = 0;
	o.has_tos = some(t->sim, 4) == 0;
	o.tos = (uint8_t)(some(t->sim, 64) << 2);
	fill(t, data, (uint32_t)iov.len);
	err = nst_dgram_send(k->d, t->conf->connected ? NULL : &to, &iov, 1, &o,
			     t->sim->now);
	note(k, &err, sizeof(err));
	t->sent++;
}

/* ---- turns ---- */

static void member(struct sim_talk *t, struct sim_talker *k)
{
	struct nst_addr g = group_of(t);
	enum nst_err err;

	if (!t->conf->group || some(t->sim, 4))
		return;
	err = k->member ? nst_dgram_leave(k->d, &g, SIM_IF, t->sim->now)
			: nst_dgram_join(k->d, &g, SIM_IF, t->sim->now);
	if (err)
		sim_fail(t->sim, "talk %u: group: %d", t->i, err);
	k->member = !k->member;
}

static void close_side(struct sim_talk *t, struct sim_talker *k)
{
	if (k->d)
		nst_dgram_close(k->d, t->sim->now);
	if (k->raw)
		nst_dgram_close(k->raw, t->sim->now);
	k->d = k->raw = NULL;
	k->wake = NST_NEVER;
	net_check(k->user.host, SIM_CALL);
}

static void stop(struct sim_talk *t)
{
	close_side(t, &t->side[SIM_CLIENT]);
	close_side(t, &t->side[SIM_SERVER]);
	t->over = true;
	t->sim->alive--;
}

static void client_turn(struct sim_talk *t, struct sim_talker *k)
{
	if (!k->d)
		start_client(t);
	if (!k->d || t->sim->why[0])
		return;
	if (t->sent >= t->conf->count) {
		stop(t);
		return;
	}
	read_errors(t, k);
	read_some(t, k, k->d, false);
	send_one(t, k);
	net_check(k->user.host, SIM_CALL);
	k->wake = t->sim->now + 1 + some(t->sim, (uint32_t)t->conf->pause);
	if (t->sent == t->conf->count)
		k->wake = t->sim->now + AFTERWARDS;
}

static void server_turn(struct sim_talk *t, struct sim_talker *k)
{
	if (k->raw)
		read_some(t, k, k->raw, false);
	if (k->d) {
		member(t, k);
		read_some(t, k, k->d, !t->conf->gro);
		read_errors(t, k);
	}
	net_check(k->user.host, SIM_CALL);
	k->wake = t->sim->now + 1 + some(t->sim, (uint32_t)t->conf->pause * 2);
	if (t->sent >= t->conf->count)
		k->wake += NST_SEC;
}

void talk_run(struct sim *s)
{
	for (uint32_t i = 0; i < s->conf.ntalks && !s->why[0]; i++) {
		struct sim_talk *t = &s->talk[i];

		if (!t->over && t->side[SIM_CLIENT].wake <= s->now)
			client_turn(t, &t->side[SIM_CLIENT]);
		if (!t->over && t->side[SIM_SERVER].wake <= s->now)
			server_turn(t, &t->side[SIM_SERVER]);
	}
}

nst_time talk_next(const struct sim *s)
{
	nst_time t = NST_NEVER;

	for (uint32_t i = 0; i < s->conf.ntalks; i++)
		for (int k = 0; k < 2; k++)
			t = t_min(t, s->talk[i].side[k].wake);
	return t;
}

bool talk_init(struct sim *s)
{
	for (uint32_t i = 0; i < s->conf.ntalks; i++) {
		struct sim_talk *t = &s->talk[i];

		t->sim = s;
		t->i = i;
		t->conf = &s->conf.talk[i];
		for (uint32_t k = 0; k < 2; k++) {
			t->side[k].user.name = 0x10000 + i * 2 + k;
			t->side[k].wake = s->now + t->conf->start;
		}
		t->side[SIM_SERVER].user.host = &s->host[0];
		t->side[SIM_CLIENT].user.host =
		    &s->host[t->conf->self ? 0 : 1 + t->conf->client];
		if (!start_server(t))
			return false;
		s->alive++;
	}
	return true;
}

/* ---- the host's stack is made anew ---- */

static uint64_t id_of(struct nst_dgram **d)
{
	uint64_t id = *d ? nst_sock_id(nst_dgram_sock(*d)) : 0;

	*d = NULL;
	return id;
}

/* Is it there, or was there none? */
static bool found(struct sim_host *h, uint64_t id, struct nst_dgram **d)
{
	struct nst_sock *s = id ? reborn_sock(h->st, id) : NULL;

	*d = s ? nst_sock_dgram(s) : NULL;
	return !id || *d;
}

void talk_forget(struct sim_host *h)
{
	for (uint32_t i = 0; i < h->sim->conf.ntalks; i++) {
		for (int k = 0; k < 2; k++) {
			struct sim_talker *t = &h->sim->talk[i].side[k];

			if (t->user.host != h)
				continue;
			t->d_id = id_of(&t->d);
			t->raw_id = id_of(&t->raw);
		}
	}
}

bool talk_find(struct sim_host *h)
{
	bool ok = true;

	for (uint32_t i = 0; i < h->sim->conf.ntalks; i++) {
		for (int k = 0; k < 2; k++) {
			struct sim_talker *t = &h->sim->talk[i].side[k];

			if (t->user.host == h)
				ok = found(h, t->d_id, &t->d) &&
				     found(h, t->raw_id, &t->raw) && ok;
		}
	}
	return ok;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The programs at both ends of each flow: they write a pattern, check the
 * other's, take breaks, and end in their own ways. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim_priv.h"

#define READ_CHUNK 4096 /* of a slow reader */
/* A peer that is gone is noticed: seconds. */
#define KEEP_IDLE 20
#define KEEP_INTERVAL 5
#define KEEP_COUNT 127
#define GIVE_UP_MIN (60 * NST_SEC)
/* LINUX: tcp_retries2: 15 from an RTO of 200 ms, RFC 1122 4.2.3.5; counted
 * from the first retransmission of a loss episode that never ended. */
#define RETRIES_MIN (900 * NST_SEC)
#define NOBODY_COMES (300 * NST_SEC)

/* ---- who has something to do ---- */

static void mark(struct sim_end *e)
{
	struct sim *s = e->flow->sim;

	if (e->dirty)
		return;
	e->dirty = true;
	e->next_dirty = s->dirty;
	s->dirty = e;
}

void app_event(struct testenv *te, void *user, uint32_t events)
{
	(void)te;
	(void)events;
	if (user)
		mark(user);
}

/* ---- reading and writing ---- */

static uint8_t byte_at(const struct sim_end *e, int from, uint64_t pos)
{
	uint32_t p = (uint32_t)pos;

	return (uint8_t)(p * 17 + (p >> 7) * 3 + (uint32_t)from * 101 +
			 e->flow->i * 41);
}

static nst_time pause_up_to(struct sim_end *e, nst_time max)
{
	struct sim *s = e->flow->sim;

	return s->now + (nst_time)(testenv_rand(&s->rnd) % (uint64_t)max);
}

/* How much a slow reader may take now; 0: sim_wake_at was called. */
static size_t allowance(struct sim_end *e, size_t have)
{
	const struct sim_flow_conf *c = e->flow->conf;
	struct sim *s = e->flow->sim;
	uint32_t rate = c->read_rate[e->side];

	if (s->now < e->reads_at) {
		sim_wake_at(e, e->reads_at);
		return 0;
	}
	if (!rate || !have)
		return have;
	e->reads_at =
	    s->now + (nst_time)((uint64_t)READ_CHUNK * NST_SEC / rate);
	return have < READ_CHUNK ? have : READ_CHUNK;
}

static void verify(struct sim_end *e, const struct nst_iov *iov, size_t niov,
		   size_t n)
{
	for (size_t k = 0; k < niov && n; k++) {
		const uint8_t *p = iov[k].p;
		size_t m = iov[k].len < n ? iov[k].len : n;

		for (size_t i = 0; i < m; i++)
			if (p[i] != byte_at(e, 1 - e->side, e->got + i))
				sim_fail(e->flow->sim,
					 "flow %u side %d: byte %llu is wrong",
					 e->flow->i, e->side,
					 (unsigned long long)(e->got + i));
		e->got += m;
		n -= m;
	}
}

static void note_read(struct sim_end *e, nst_time now)
{
	if (!e->first)
		e->first = now;
	e->last = now;
}

static bool app_read(struct sim_end *e)
{
	const struct sim_flow_conf *c = e->flow->conf;
	struct sim *s = e->flow->sim;
	struct nst_iov iov[2];
	size_t niov, n;

	n = allowance(e, nst_tcp_rcv_data(e->tp, iov, &niov));
	if (n) {
		verify(e, iov, niov, n);
		note_read(e, s->now);
		nst_tcp_rcv_consume(e->tp, n, s->now);
		net_check(e->host, SIM_CALL);
		if (c->read_pause[e->side])
			e->reads_at = pause_up_to(e, c->read_pause[e->side]);
	}
	if (!e->eof && nst_tcp_rcv_eof(e->tp)) {
		e->eof = true;
		note_read(e, s->now);
	}
	return n > 0;
}

static bool may_write(struct sim_end *e)
{
	const struct sim_flow_conf *c = e->flow->conf;
	struct sim *s = e->flow->sim;

	if (c->ending == SIM_END_HALF && e->side == SIM_SERVER && !e->eof)
		return false;
	if (s->now < e->writes_at) {
		sim_wake_at(e, e->writes_at);
		return false;
	}
	return e->sent < e->want;
}

static void urgent(struct sim_end *e)
{
	uint32_t every = e->flow->conf->urgent_every[e->side];

	if (!every || e->sent < e->next_urgent || e->sent >= e->want)
		return;
	if (nst_tcp_snd_urgent(e->tp, byte_at(e, e->side, e->sent),
			       e->flow->sim->now) == NST_OK) {
		e->sent++;
		e->next_urgent = e->sent + every;
	}
}

static size_t fill(struct sim_end *e, const struct nst_iov *iov, size_t niov,
		   uint64_t max)
{
	size_t n = 0;

	for (size_t k = 0; k < niov; k++) {
		uint8_t *p = iov[k].p;

		for (size_t i = 0; i < iov[k].len && n < max; i++, n++)
			p[i] = byte_at(e, e->side, e->sent + n);
	}
	return n;
}

static bool app_write(struct sim_end *e)
{
	const struct sim_flow_conf *c = e->flow->conf;
	struct sim *s = e->flow->sim;
	uint64_t max = e->want - e->sent;
	struct nst_iov iov[2];
	size_t niov, n;

	if (!may_write(e) || !nst_tcp_snd_space(e->tp, iov, &niov))
		return false;
	if (c->write_max[e->side]) {
		uint32_t w = 1 + testenv_below(&s->rnd, c->write_max[e->side]);

		max = max < w ? max : w;
	}
	n = fill(e, iov, niov, max);
	e->sent += n;
	nst_tcp_snd_commit(e->tp, n, false, s->now);
	urgent(e);
	net_check(e->host, SIM_CALL);
	if (c->write_pause[e->side])
		e->writes_at = pause_up_to(e, c->write_pause[e->side]);
	return n > 0;
}

/* ---- beginnings ---- */

static struct nst_sockaddr server_addr(const struct sim_flow *f)
{
	bool v4 = f->sim->conf.family == 4;

	return test_sa(v4 ? "10.0.0.1" : "fd00::1",
		       (uint16_t)(SIM_PORT + f->i));
}

static bool set(struct sim_end *e, struct nst_tcp *tp, enum nst_opt opt,
		int64_t v)
{
	return !nst_sock_set(nst_tcp_sock(tp), opt, v, e->flow->sim->now);
}

static bool options(struct sim_end *e, struct nst_tcp *tp)
{
	const struct sim_flow_conf *c = e->flow->conf;
	int i = e->side;

	if (c->cc[i][0] && nst_tcp_set_cc(tp, c->cc[i], e->flow->sim->now)) {
		sim_fail(e->flow->sim, "no congestion control %s", c->cc[i]);
		return false;
	}
	return (!c->sndbuf[i] || set(e, tp, NST_SO_SNDBUF, c->sndbuf[i])) &&
	       (!c->rcvbuf[i] || set(e, tp, NST_SO_RCVBUF, c->rcvbuf[i])) &&
	       set(e, tp, NST_TCP_NODELAY, c->nodelay[i]) &&
	       set(e, tp, NST_SO_OOBINLINE, 1) &&
	       set(e, tp, NST_SO_KEEPALIVE, 1) &&
	       set(e, tp, NST_TCP_KEEPIDLE, KEEP_IDLE) &&
	       set(e, tp, NST_TCP_KEEPINTVL, KEEP_INTERVAL) &&
	       set(e, tp, NST_TCP_KEEPCNT, KEEP_COUNT);
}

static struct nst_tcp *endpoint(struct sim_end *e)
{
	struct sim *s = e->flow->sim;
	struct nst_tcp *tp;

	if (nst_tcp_new(e->host->st, s->conf.family, e, s->now, &tp))
		return NULL;
	if (options(e, tp))
		return tp;
	nst_tcp_abort(tp, s->now);
	return NULL;
}

static bool start_server(struct sim_flow *f)
{
	struct sim_end *e = &f->end[SIM_SERVER];
	struct nst_sockaddr any = server_addr(f);

	any.addr = (struct nst_addr){.family = f->sim->conf.family};
	e->lis = endpoint(e);
	return e->lis && !nst_sock_bind(nst_tcp_sock(e->lis), &any) &&
	       !nst_tcp_listen(e->lis, 5, f->sim->now);
}

static void start_client(struct sim_flow *f)
{
	struct sim_end *e = &f->end[SIM_CLIENT];
	struct nst_sockaddr to = server_addr(f);

	f->started = true;
	e->tp = endpoint(e);
	if (!e->tp ||
	    nst_tcp_connect(e->tp, &to, f->sim->now) != NST_E_INPROGRESS)
		sim_fail(f->sim, "flow %u cannot connect", f->i);
	net_check(e->host, SIM_CALL);
}

static void accept_one(struct sim_end *e)
{
	struct sim *s = e->flow->sim;

	if (!e->lis || nst_tcp_accept(e->lis, &e->tp))
		return;
	e->accepted = true;
	nst_sock_set_user(nst_tcp_sock(e->tp), e);
	nst_tcp_close(e->lis, s->now);
	e->lis = NULL;
}

/* ---- endings ---- */

static void gone(struct sim_end *e)
{
	struct sim_flow *f = e->flow;

	e->tp = NULL;
	e->gone = true;
	e->left_at = f->sim->now;
	net_check(e->host, SIM_CALL);
	if (f->end[SIM_SERVER].lis)
		mark(&f->end[SIM_SERVER]);
	if (f->end[0].gone && f->end[1].gone)
		f->sim->alive--;
}

static void remember(struct sim_end *e)
{
	nst_tcp_info(e->tp, e->flow->sim->now, &e->info);
}

static void leave(struct sim_end *e)
{
	remember(e);
	nst_tcp_close(e->tp, e->flow->sim->now);
	gone(e);
}

/* The way a flow is broken off on purpose. True: it was, just now. */
static bool break_off(struct sim_end *e)
{
	const struct sim_flow_conf *c = e->flow->conf;
	bool abort = c->ending == SIM_END_ABORT;

	if (c->ending < SIM_END_ABORT || c->breaker != e->side)
		return false;
	if ((abort ? e->sent : e->got) < c->abort_at)
		return false;
	e->flow->broken = true;
	remember(e);
	if (abort)
		nst_tcp_abort(e->tp, e->flow->sim->now);
	else
		nst_tcp_close(e->tp, e->flow->sim->now);
	gone(e);
	return true;
}

/*
 * A link can be so bad that giving up is right: nothing was heard for as long
 * as keepalives take, or acknowledged for as long as retransmissions do (an
 * outage may come at the right moments); the server's half-open request or the
 * orphan of a program that has left was given up (tcp_synack_retries,
 * tcp_orphan_retries).
 */
static bool may_fail(const struct sim_end *e, enum nst_err err)
{
	const struct sim_end *peer = &e->flow->end[1 - e->side];
	nst_time now = e->flow->sim->now;

	if (e->flow->broken)
		return true;
	if (err == NST_E_TIMEDOUT)
		return now - e->heard_at >= GIVE_UP_MIN ||
		       (now - e->acked_at >= GIVE_UP_MIN &&
			now - SIM_START - e->flow->conf->start >= RETRIES_MIN);
	if (err != NST_E_CONNRESET)
		return false;
	/* An orphan has fewer retries, and they may be used up already;
	 * TIME-WAIT ends although our last acknowledgement is missing. */
	if (peer->gone)
		return e->flow->conf->hasty ||
		       now - peer->left_at >= GIVE_UP_MIN;
	return e->side == SIM_CLIENT && !peer->accepted &&
	       now - SIM_START - e->flow->conf->start >= GIVE_UP_MIN;
}

/* The connection failed. */
static void failed(struct sim_end *e, enum nst_err err)
{
	struct sim_flow *f = e->flow;

	e->error = err;
	if (!may_fail(e, err))
		sim_fail(f->sim, "flow %u side %d: error %d in state %d", f->i,
			 e->side, err, nst_tcp_state(e->tp));
	f->broken = true;
	leave(e);
}

static void finish(struct sim_end *e)
{
	struct sim *s = e->flow->sim;
	struct sim_end *peer = &e->flow->end[1 - e->side];

	if (e->sent == e->want && !e->shut &&
	    nst_tcp_state(e->tp) != NST_TCP_SYN_SENT &&
	    (e->flow->conf->ending != SIM_END_HALF || e->side == SIM_CLIENT ||
	     e->eof)) {
		e->shut = true;
		(void)!nst_tcp_shutdown(e->tp, false, true, s->now);
		net_check(e->host, SIM_CALL);
	}
	if (!e->eof || !e->shut)
		return;
	if (!e->flow->conf->hasty && nst_tcp_outq(e->tp))
		return;
	if (e->got != peer->sent && !e->flow->broken)
		sim_fail(s, "flow %u side %d: got %llu of %llu bytes",
			 e->flow->i, e->side, (unsigned long long)e->got,
			 (unsigned long long)peer->sent);
	leave(e);
}

/* ---- turns ---- */

static bool is_over(struct sim_end *e)
{
	enum nst_err err = nst_sock_error(nst_tcp_sock(e->tp), false);

	if (!err && !(e->flow->broken && nst_tcp_state(e->tp) == NST_TCP_CLOSE))
		return false;
	while (app_read(e))
		;
	failed(e, err);
	return true;
}

static void stop_endless(struct sim_end *e)
{
	struct sim *s = e->flow->sim;
	nst_time end = SIM_START + s->conf.duration;

	if (e->want != SIM_ENDLESS)
		return;
	if (s->now >= end)
		e->want = e->sent;
	else
		sim_wake_at(e, end);
}

/* The client broke off before its handshake was over: nobody will come. */
static void stop_waiting(struct sim_end *e)
{
	struct sim_flow *f = e->flow;

	if (!e->lis || !f->end[SIM_CLIENT].gone)
		return;
	if (f->sim->now < f->end[SIM_CLIENT].left_at + NOBODY_COMES) {
		sim_wake_at(e, f->end[SIM_CLIENT].left_at + NOBODY_COMES);
		return;
	}
	nst_tcp_close(e->lis, f->sim->now);
	e->lis = NULL;
	gone(e);
}

static void turn(struct sim_end *e)
{
	struct sim *s = e->flow->sim;
	bool busy = true;

	if (e->gone)
		return;
	if (e->side == SIM_CLIENT && !e->flow->started)
		start_client(e->flow);
	if (!e->tp)
		accept_one(e);
	if (!e->tp)
		stop_waiting(e);
	if (!e->tp || s->why[0])
		return;
	stop_endless(e);
	while (busy) {
		if (is_over(e) || break_off(e))
			return;
		busy = app_read(e);
		if (nst_tcp_state(e->tp) != NST_TCP_CLOSE)
			busy |= app_write(e);
	}
	finish(e);
}

void app_run(struct sim *s)
{
	while (s->nheap && s->heap[1]->wake <= s->now)
		mark(sim_wake_pop(s));
	while (s->dirty && !s->why[0]) {
		struct sim_end *e = s->dirty;

		s->dirty = e->next_dirty;
		e->dirty = false;
		turn(e);
	}
}

/* ---- life ---- */

static bool flow_init(struct sim *s, uint32_t i)
{
	struct sim_flow *f = &s->flows[i];

	f->sim = s;
	f->i = i;
	f->conf = &s->conf.flows[i];
	for (int k = 0; k < 2; k++) {
		f->end[k].flow = f;
		f->end[k].side = k;
		f->end[k].host =
		    &s->host[k == SIM_SERVER ? 0 : 1 + f->conf->client];
		f->end[k].wake = NST_NEVER;
		f->end[k].want = f->conf->bytes[k];
		if (f->end[k].want == SIM_ENDLESS)
			sim_wake_at(&f->end[k], s->now + s->conf.duration);
	}
	sim_wake_at(&f->end[SIM_CLIENT], s->now + f->conf->start);
	return start_server(f);
}

bool app_init(struct sim *s)
{
	s->flows = calloc(s->conf.nflows, sizeof(*s->flows));
	s->heap = calloc(s->conf.nflows * 2 + 1, sizeof(*s->heap));
	if (!s->flows || !s->heap)
		return false;
	s->alive = s->conf.nflows;
	for (uint32_t i = 0; i < s->conf.nflows; i++)
		if (!flow_init(s, i))
			return false;
	return true;
}

void app_fini(struct sim *s)
{
	free(s->flows);
	free(s->heap);
}

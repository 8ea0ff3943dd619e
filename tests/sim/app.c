/* SPDX-License-Identifier: Apache-2.0 */
/* The programs at both ends of each flow: they write a pattern, check the
 * other's, take breaks, and end in their own ways. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim_priv.h"

#define READ_CHUNK 4096 /* of a slow reader */
#define GIVE_UP_MIN (60 * NST_SEC)
/* LINUX: tcp_retries2: 15 from an RTO of 200 ms, RFC 1122 4.2.3.5; counted
 * from the first retransmission of a loss episode that never ended. */
#define RETRIES_MIN (900 * NST_SEC)

/* ---- who has something to do ---- */

void app_mark(struct sim_end *e)
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
	struct sim_user *u = user;
	uint64_t what;

	(void)te;
	if (!u)
		return;
	what = (uint64_t)u->name << 32 | events;
	u->host->told = tape_mix(u->host->told, &what, sizeof(what));
	u->host->told =
	    tape_mix(u->host->told, &u->host->sim->now, sizeof(nst_time));
	if (u->end)
		app_mark(u->end);
}

/* ---- reading and writing ---- */

static uint8_t byte_at(const struct sim_end *e, int from, uint64_t pos)
{
	uint32_t p = (uint32_t)pos;

	return (uint8_t)(p * 17 + (p >> 7) * 3 + (uint32_t)from * 101 +
			 e->flow->i * 41);
}

nst_time app_pause(struct sim_end *e, nst_time max)
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
			if (!e->flow->conf->oob &&
			    p[i] != byte_at(e, 1 - e->side, e->got + i))
				sim_fail(e->flow->sim,
					 "flow %u side %d: byte %llu is wrong",
					 e->flow->i, e->side,
					 (unsigned long long)(e->got + i));
		e->got += m;
		n -= m;
	}
}

static void note_byte(struct sim_end *e, uint8_t byte)
{
	e->digest = tape_mix(e->digest, &byte, 1);
}

/* The urgent byte, when it is not in line. */
static void read_urgent(struct sim_end *e)
{
	uint8_t c;

	if (!e->flow->conf->oob)
		return;
	note_byte(e, nst_tcp_at_mark(e->tp));
	if (nst_tcp_rcv_urgent(e->tp, false, &c) == NST_OK)
		note_byte(e, c);
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

	read_urgent(e);
	n = allowance(e, nst_tcp_rcv_data(e->tp, iov, &niov));
	if (n) {
		verify(e, iov, niov, n);
		note_read(e, s->now);
		e->digest = tape_mix(e->digest, &s->now, sizeof(s->now));
		e->digest = tape_mix(e->digest, &e->got, sizeof(e->got));
		nst_tcp_rcv_consume(e->tp, n, s->now);
		net_check(e->host, SIM_CALL);
		if (c->read_pause[e->side])
			e->reads_at = app_pause(e, c->read_pause[e->side]);
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

size_t app_fill(struct sim_end *e, const struct nst_iov *iov, size_t niov,
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

/* Of a program that plays with them. */
static uint32_t send_flags(struct sim_end *e)
{
	static const uint32_t flags[] = {0, 0, NST_SND_MORE, NST_SND_EOR,
					 NST_SND_CUT};

	if (!e->flow->conf->cork[e->side])
		return 0;
	return flags[testenv_below(&e->flow->sim->rnd, 5)];
}

static void cork(struct sim_end *e)
{
	struct sim *s = e->flow->sim;

	if (!e->flow->conf->cork[e->side] || testenv_below(&s->rnd, 3))
		return;
	e->corked = !e->corked;
	if (nst_sock_set(nst_tcp_sock(e->tp), NST_TCP_CORK, e->corked, s->now))
		sim_fail(s, "TCP_CORK is refused");
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
	n = app_fill(e, iov, niov, max);
	e->sent += n;
	nst_tcp_snd_commit(e->tp, n, send_flags(e), s->now);
	urgent(e);
	cork(e);
	net_check(e->host, SIM_CALL);
	if (c->write_pause[e->side])
		e->writes_at = app_pause(e, c->write_pause[e->side]);
	return n > 0;
}

/* ---- endings ---- */

void app_gone(struct sim_end *e)
{
	struct sim_flow *f = e->flow;

	e->tp = NULL;
	e->gone = true;
	e->left_at = f->sim->now;
	net_check(e->host, SIM_CALL);
	if (f->end[SIM_SERVER].lis || f->conf->fwd)
		app_mark(&f->end[SIM_SERVER]);
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
	app_gone(e);
}

/* The way a flow is broken off on purpose. True: it was, just now. */
static bool break_off(struct sim_end *e)
{
	const struct sim_flow_conf *c = e->flow->conf;
	bool abort = c->ending == SIM_END_ABORT;

	if (c->ending < SIM_END_ABORT || c->breaker != e->side ||
	    c->ending == SIM_END_ORPHAN)
		return false;
	if ((abort ? e->sent : e->got) < c->abort_at)
		return false;
	e->flow->broken = true;
	remember(e);
	if (abort)
		nst_tcp_abort(e->tp, e->flow->sim->now);
	else
		nst_tcp_close(e->tp, e->flow->sim->now);
	app_gone(e);
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
	/* RFC 4987 3.6: a cookie comes back in the first ACK only; what
	 * overtakes that is answered with RST. */
	if (e->side == SIM_CLIENT &&
	    peer->host->st->tcp->ctl.tcp_syncookies == 2)
		return true;
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

/* A flow of which one side leaves the connection to its stack. True: it does
 * not end as others do. */
static bool orphan(struct sim_end *e)
{
	const struct sim_flow_conf *c = e->flow->conf;
	struct sim *s = e->flow->sim;

	if (c->ending != SIM_END_ORPHAN || nst_tcp_deferred(e->tp) ||
	    nst_tcp_state(e->tp) == NST_TCP_SYN_SENT)
		return false;
	if (c->breaker == e->side) {
		if (e->sent < e->want)
			return true;
		e->flow->broken = true;
		leave(e);
	} else if (e->eof) {
		if (!e->leaves_at)
			e->leaves_at = app_pause(e, c->linger);
		if (s->now >= e->leaves_at)
			leave(e);
		else
			sim_wake_at(e, e->leaves_at);
	}
	return true;
}

static void finish(struct sim_end *e)
{
	struct sim *s = e->flow->sim;
	struct sim_end *peer = &e->flow->end[1 - e->side];

	if (orphan(e))
		return;
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
	if (e->got != peer->sent && !e->flow->broken && !e->flow->conf->oob)
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

static void turn(struct sim_end *e)
{
	struct sim *s = e->flow->sim;
	bool busy = true;

	if (e->gone)
		return;
	if (e->side == SIM_CLIENT && !e->flow->started)
		open_client(e->flow);
	if (!e->tp)
		open_wait(e);
	if (!e->tp || s->why[0])
		return;
	if (nst_tcp_deferred(e->tp) && !open_syn(e))
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
		app_mark(sim_wake_pop(s));
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
		f->end[k].user.name = i * 2 + (uint32_t)k;
		f->end[k].user.end = &f->end[k];
		f->end[k].host =
		    &s->host[k == SIM_SERVER ? 0 : 1 + f->conf->client];
		f->end[k].user.host = f->end[k].host;
		f->end[k].wake = NST_NEVER;
		f->end[k].want = f->conf->bytes[k];
		if (f->end[k].want == SIM_ENDLESS)
			sim_wake_at(&f->end[k], s->now + s->conf.duration);
	}
	sim_wake_at(&f->end[SIM_CLIENT], s->now + f->conf->start);
	return open_server(f);
}

bool app_init(struct sim *s)
{
	s->flows = calloc(s->conf.nflows, sizeof(*s->flows));
	s->heap = calloc(s->conf.nflows * 2 + 1, sizeof(*s->heap));
	if (!s->flows || !s->heap)
		return false;
	s->alive += s->conf.nflows;
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

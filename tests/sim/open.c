/* SPDX-License-Identifier: Apache-2.0 */
/* How connections begin: sockets and their options, connect with and without
 * data in the SYN, accept, SYNs that wait for the server's program. */
#include "netstack/tcp/tcp_priv.h"
#include "netstack/tcp/tcp_req.h"
#include "tests/sim/sim_priv.h"

/* A peer that is gone is noticed: seconds. */
#define KEEP_IDLE 20
#define KEEP_INTERVAL 5
#define KEEP_COUNT 127
#define NOBODY_COMES (300 * NST_SEC)
#define BACKLOG 5

/* ---- sockets ---- */

static struct nst_sockaddr server_addr(const struct sim_flow *f)
{
	return (struct nst_sockaddr){net_addr(f->sim, 0, f->conf->fwd),
				     (uint16_t)(SIM_PORT + f->i)};
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
	       set(e, tp, NST_SO_OOBINLINE, !c->oob) &&
	       set(e, tp, NST_SO_KEEPALIVE, 1) &&
	       set(e, tp, NST_TCP_KEEPIDLE, KEEP_IDLE) &&
	       set(e, tp, NST_TCP_KEEPINTVL, KEEP_INTERVAL) &&
	       set(e, tp, NST_TCP_KEEPCNT, KEEP_COUNT) &&
	       (!c->has_opt[i] || set(e, tp, c->opt[i], c->opt_value[i]));
}

static struct nst_tcp *endpoint(struct sim_end *e)
{
	struct sim *s = e->flow->sim;
	struct nst_tcp *tp;

	if (nst_tcp_new(e->host->st, s->conf.family, &e->user, s->now, &tp))
		return NULL;
	if (options(e, tp))
		return tp;
	nst_tcp_abort(tp, s->now);
	return NULL;
}

/* ---- the client ---- */

static enum nst_err connect_to(struct sim_end *e, const struct nst_sockaddr *to)
{
	struct sim *s = e->flow->sim;

	if (e->flow->conf->fastopen)
		return nst_tcp_connect_fast(e->tp, to, s->now);
	return nst_tcp_connect(e->tp, to, s->now);
}

void open_client(struct sim_flow *f)
{
	struct sim_end *e = &f->end[SIM_CLIENT];
	struct nst_sockaddr to = server_addr(f);
	enum nst_err err = NST_E_NOMEM;

	f->started = true;
	e->tp = endpoint(e);
	if (e->tp)
		err = connect_to(e, &to);
	if (err != NST_E_INPROGRESS && err != NST_OK) {
		sim_fail(f->sim, "flow %u cannot connect", f->i);
	} else if (nst_tcp_deferred(e->tp) && f->conf->syn_pause) {
		e->writes_at = app_pause(e, f->conf->syn_pause);
		sim_wake_at(e, e->writes_at);
	}
	net_check(e->host, SIM_CALL);
}

bool open_syn(struct sim_end *e)
{
	struct sim *s = e->flow->sim;
	struct nst_iov iov[2];
	size_t niov, n = 0;

	if (s->now < e->writes_at) {
		sim_wake_at(e, e->writes_at);
		return false;
	}
	if (nst_tcp_snd_space(e->tp, iov, &niov))
		n = app_fill(e, iov, niov, e->want);
	e->sent = n;
	nst_tcp_snd_commit(e->tp, n, 0, s->now);
	net_check(e->host, SIM_CALL);
	return true;
}

/* ---- the server listens ---- */

bool open_server(struct sim_flow *f)
{
	const struct sim_flow_conf *c = f->conf;
	struct sim_end *e = &f->end[SIM_SERVER];
	struct nst_sockaddr any = server_addr(f);

	if (c->fwd)
		return true;
	any.addr = (struct nst_addr){.family = f->sim->conf.family};
	e->lis = endpoint(e);
	return e->lis &&
	       (!c->fastopen || set(e, e->lis, NST_TCP_FASTOPEN, 5)) &&
	       (!c->defer_s ||
		set(e, e->lis, NST_TCP_DEFER_ACCEPT, c->defer_s)) &&
	       !nst_sock_bind(nst_tcp_sock(e->lis), &any) &&
	       !nst_tcp_listen(e->lis, c->backlog ? c->backlog : BACKLOG,
			       f->sim->now);
}

static bool accepts_later(struct sim_end *e)
{
	if (!e->flow->conf->accept_pause || !nst_tcp_accept_queued(e->lis))
		return false;
	if (!e->accepts_at)
		e->accepts_at = app_pause(e, e->flow->conf->accept_pause);
	if (e->flow->sim->now >= e->accepts_at)
		return false;
	sim_wake_at(e, e->accepts_at);
	return true;
}

static void accept_one(struct sim_end *e)
{
	struct sim *s = e->flow->sim;

	if (!e->lis || accepts_later(e) || nst_tcp_accept(e->lis, &e->tp))
		return;
	e->accepted = true;
	nst_sock_set_user(nst_tcp_sock(e->tp), &e->user);
	nst_tcp_close(e->lis, s->now);
	e->lis = NULL;
	net_check(e->host, SIM_CALL);
}

/* ---- the server is asked ---- */

/* The flow of a port that waits to be asked; NULL: none does. */
static struct sim_end *end_of(struct sim *s, uint16_t port)
{
	struct sim_end *e;

	if (port < SIM_PORT || port >= SIM_PORT + s->conf.nflows)
		return NULL;
	e = &s->flows[port - SIM_PORT].end[SIM_SERVER];
	if (!e->flow->conf->fwd || e->tp || e->req || e->gone)
		return NULL;
	return e;
}

static void asked_tcp(void *ctx, struct nst_fwd_req *req,
		      const struct nst_sockaddr *src,
		      const struct nst_sockaddr *dst)
{
	struct sim_host *h = ctx;
	struct sim_end *e = end_of(h->sim, dst->port);

	(void)src;
	if (!e) {
		nst_fwd_refuse(req, h->sim->now);
		return;
	}
	e->req = req;
	e->accepts_at = e->flow->conf->fwd_pause
			    ? app_pause(e, e->flow->conf->fwd_pause)
			    : h->sim->now;
	sim_wake_at(e, e->accepts_at);
}

static void asked_udp(void *ctx, const struct nst_sockaddr *src,
		      const struct nst_sockaddr *dst, const struct nst_iov *iov,
		      size_t niov)
{
	struct sim_host *h = ctx;
	size_t n = niov ? iov[0].len : 0;

	if (n % 5 == 4)
		nst_fwd_udp_unreach(h->st, src, dst, NST_E_HOSTUNREACH,
				    h->sim->now);
	else
		(void)!nst_fwd_udp_send(h->st, dst, src, n ? iov[0].p : NULL, n,
					h->sim->now);
}

static void asked_echo(void *ctx, const struct nst_addr *src,
		       const struct nst_addr *dst, uint16_t id, uint16_t seq,
		       const void *data, size_t bytes)
{
	struct sim_host *h = ctx;

	(void)!nst_fwd_echo_reply(h->st, dst, src, id, seq, data, bytes,
				  h->sim->now);
}

const struct nst_forwarder open_forwarder = {
    .tcp = asked_tcp,
    .udp = asked_udp,
    .echo = asked_echo,
};

static void take(struct sim_end *e)
{
	struct sim *s = e->flow->sim;
	enum nst_err err = nst_fwd_complete(e->req, &e->user, &e->tp, s->now);

	e->req = NULL;
	if (err) {
		e->tp = NULL;
		if (err != NST_E_CONNABORTED)
			sim_fail(s, "flow %u: its SYN is refused: %d",
				 e->flow->i, err);
		return;
	}
	e->accepted = true;
	if (!options(e, e->tp))
		sim_fail(s, "flow %u: options are refused", e->flow->i);
}

static void turn_away(struct sim_end *e)
{
	struct nst_fwd_req *req = e->req;
	struct sim *s = e->flow->sim;

	e->req = NULL;
	e->flow->broken = true;
	if (e->flow->conf->fwd_answer == SIM_FWD_REFUSE)
		nst_fwd_refuse(req, s->now);
	else
		nst_fwd_unreach(req, NST_E_HOSTUNREACH, s->now);
	app_gone(e);
}

static void answer(struct sim_end *e)
{
	uint8_t how = e->flow->conf->fwd_answer;

	if (e->flow->sim->now < e->accepts_at) {
		sim_wake_at(e, e->accepts_at);
		return;
	}
	if (how == SIM_FWD_DROP && !e->dropped) {
		e->dropped = true;
		nst_fwd_drop(e->req);
		e->req = NULL;
	} else if (how == SIM_FWD_REFUSE || how == SIM_FWD_UNREACH) {
		turn_away(e);
		return;
	} else {
		take(e);
	}
	net_check(e->host, SIM_CALL);
}

/* The client broke off before its handshake was over: nobody will come. */
static void stop_waiting(struct sim_end *e)
{
	struct sim_flow *f = e->flow;

	if ((!e->lis && !f->conf->fwd) || !f->end[SIM_CLIENT].gone)
		return;
	if (f->sim->now < f->end[SIM_CLIENT].left_at + NOBODY_COMES) {
		sim_wake_at(e, f->end[SIM_CLIENT].left_at + NOBODY_COMES);
		return;
	}
	if (e->lis)
		nst_tcp_close(e->lis, f->sim->now);
	if (e->req)
		nst_fwd_drop(e->req);
	e->lis = NULL;
	e->req = NULL;
	app_gone(e);
}

void open_wait(struct sim_end *e)
{
	if (e->side == SIM_CLIENT)
		return;
	if (e->req)
		answer(e);
	else
		accept_one(e);
	if (!e->tp && !e->gone)
		stop_waiting(e);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Life and names of datagram endpoints: new, connect, shutdown, close. */
#include "netstack/nst_dgram.h"

#include "netstack/dgram/dgram_priv.h"

struct dgram_layer *dgram_layer_new(struct nst_stack *st)
{
	return nst_alloc(st->env, sizeof(struct dgram_layer));
}

static uint8_t kind_of(enum nst_dgram_kind kind)
{
	if (kind == NST_DGRAM_UDP)
		return SOCK_K_UDP;
	return kind == NST_DGRAM_PING ? SOCK_K_PING : SOCK_K_RAW;
}

static uint8_t proto_of(enum nst_dgram_kind kind, uint8_t family, uint8_t proto)
{
	if (kind == NST_DGRAM_UDP)
		return IP_PROTO_UDP;
	if (kind == NST_DGRAM_RAW)
		return proto;
	return family == 4 ? IP_PROTO_ICMP : IP_PROTO_ICMP6;
}

static void raw_init(struct nst_dgram *d)
{
	struct dgram_layer *l = d->s.st->dgram;

	d->s.opt.hdrincl = d->s.proto == 255; /* IPPROTO_RAW */
	if (d->s.family == 6 && d->s.proto == IP_PROTO_ICMP6)
		d->s.opt.raw_csum_off = 2; /* RFC 3542 3.1 */
	d->raw_next = l->raw;
	d->raw_pprev = &l->raw;
	if (d->raw_next)
		d->raw_next->raw_pprev = &d->raw_next;
	l->raw = d;
}

enum nst_err nst_dgram_new(struct nst_stack *st, enum nst_dgram_kind kind,
			   uint8_t family, uint8_t proto, void *user,
			   struct nst_dgram **out)
{
	struct nst_dgram *d;

	*out = NULL;
	if (family != 4 && family != 6)
		return NST_E_AFNOSUPPORT;
	d = nst_alloc(st->env, sizeof(*d));
	if (!d)
		return NST_E_NOMEM;
	sock_init(&d->s, st, kind_of(kind), family,
		  proto_of(kind, family, proto), user);
	d->rx_tail = &d->rx_head;
	d->ee_tail = &d->ee_head;
	if (kind == NST_DGRAM_RAW)
		raw_init(d);
	*out = d;
	return NST_OK;
}

struct nst_sock *nst_dgram_sock(struct nst_dgram *d)
{
	return &d->s;
}

struct nst_dgram *nst_sock_dgram(struct nst_sock *s)
{
	return s->kind == SOCK_K_TCP ? NULL : dgram_of(s);
}

enum nst_err dgram_autobind(struct nst_dgram *d)
{
	struct nst_sockaddr any = {d->s.local.addr, 0};
	enum nst_err e;

	if (d->s.bucket || d->s.kind == SOCK_K_RAW)
		return NST_OK;
	if (!any.addr.family)
		any.addr = addr_any(d->s.family);
	e = ports_bind(d->s.st->ports, &d->s, &any);
	/* LINUX: inet_autobind() says EAGAIN when no port is left */
	return e == NST_E_ADDRINUSE ? NST_E_AGAIN : e;
}

static void peer_clear(struct nst_sock *s)
{
	demux_remove(s->st->demux, &s->conn);
	s->remote = (struct nst_sockaddr){0};
}

/*
 * Into the demux, where packets of the flow find it at once. LINUX: a second
 * socket may have the same peer; it is found through its port if need be.
 */
static void peer_set(struct nst_sock *s, const struct nst_sockaddr *to)
{
	enum nst_err e;

	peer_clear(s);
	s->remote = *to;
	if (s->kind != SOCK_K_UDP)
		return;
	s->conn.key = (struct flow_key){.local = s->local.addr,
					.remote = to->addr,
					.lport = s->local.port,
					.rport = to->port,
					.proto = s->proto};
	e = demux_insert(s->st->demux, &s->conn);
	(void)e;
}

/* LINUX: __udp_disconnect(): what was not asked for by bind() goes. */
static void disconnect(struct nst_dgram *d)
{
	struct nst_sock *s = &d->s;

	peer_clear(s);
	if (!s->bound_addr && s->local.addr.family)
		s->local.addr = addr_any(s->family);
	if (s->bound_port)
		return;
	ports_release(s->st->ports, s);
	s->local.port = 0;
	if (!s->bound_addr)
		s->local.addr = (struct nst_addr){0};
}

enum nst_err nst_dgram_connect(struct nst_dgram *d,
			       const struct nst_sockaddr *to, nst_time now)
{
	static const struct nst_dgram_opts none;
	struct dgram_tx tx = {.d = d, .o = &none};
	enum nst_err e;

	if (!to) {
		disconnect(d);
		return NST_OK;
	}
	stack_enter(d->s.st, now);
	tx.to = *to;
	/* LINUX: the port is given before the route is looked for */
	e = dgram_autobind(d);
	if (!e)
		e = dgram_route(&tx);
	if (!e) {
		if (addr_is_any(&d->s.local.addr))
			d->s.local.addr = tx.path.src;
		peer_set(&d->s, &tx.to);
	}
	stack_leave(d->s.st);
	return e;
}

enum nst_err dgram_prepare(struct dgram_tx *tx)
{
	struct nst_dgram *d = tx->d;
	enum nst_err e = dgram_autobind(d);

	if (!e)
		e = dgram_route(tx);
	if (!e)
		e = dgram_pending(d);
	if (!e && d->s.shut_wr)
		e = NST_E_PIPE;
	return e;
}

static enum nst_err send_one(struct dgram_tx *tx, const struct nst_sockaddr *to)
{
	struct nst_dgram *d = tx->d;
	enum nst_err e;

	if (!to && !d->s.remote.addr.family)
		return NST_E_DESTADDRREQ;
	tx->to = to ? *to : d->s.remote;
	if (to && !to->port && d->s.kind == SOCK_K_UDP)
		return NST_E_INVAL;
	if (d->s.kind == SOCK_K_UDP && (d->udp_cork || d->cork))
		return udp_cork_add(tx);
	e = dgram_prepare(tx);
	if (e)
		return e;
	if (tx->o->confirm)
		ip_confirm(d->s.st, &tx->path.next_hop, tx->path.ifindex);
	if (d->s.kind == SOCK_K_UDP)
		return udp_send(tx);
	return d->s.kind == SOCK_K_PING ? ping_send(tx) : raw_send(tx);
}

enum nst_err nst_dgram_send(struct nst_dgram *d, const struct nst_sockaddr *to,
			    const struct nst_iov *iov, size_t niov,
			    const struct nst_dgram_opts *o, nst_time now)
{
	static const struct nst_dgram_opts none;
	struct dgram_tx tx = {
	    .d = d, .o = o ? o : &none, .iov = iov, .niov = niov};
	enum nst_err e;

	tx.bytes = dgram_iov_bytes(iov, niov);
	if (tx.bytes > DGRAM_MAX_BYTES)
		return NST_E_MSGSIZE;
	stack_enter(d->s.st, now);
	e = send_one(&tx, to);
	stack_leave(d->s.st);
	return e;
}

/* LINUX: without a peer it says ENOTCONN, and shuts down all the same. */
enum nst_err nst_dgram_shutdown(struct nst_dgram *d, bool rd, bool wr)
{
	d->s.shut_rd |= rd;
	d->s.shut_wr |= wr;
	return d->s.remote.addr.family ? NST_OK : NST_E_NOTCONN;
}

void nst_dgram_icmp_filter(struct nst_dgram *d, const uint32_t blocked[8])
{
	memcpy(d->icmp_blocked, blocked, sizeof(d->icmp_blocked));
}

static void dgram_free(struct nst_dgram *d)
{
	const struct nst_env *env = d->s.st->env;

	dgram_members_free(d);
	dgram_purge_rx(d);
	dgram_purge_errors(d);
	nst_release(env, d->cork, sizeof(*d->cork));
	if (d->raw_pprev) {
		*d->raw_pprev = d->raw_next;
		if (d->raw_next)
			d->raw_next->raw_pprev = d->raw_pprev;
	}
	sock_fini(&d->s);
	nst_release(env, d, sizeof(*d));
}

void nst_dgram_close(struct nst_dgram *d, nst_time now)
{
	struct nst_stack *st = d->s.st;

	stack_enter(st, now);
	dgram_leave_all(d);
	dgram_free(d);
	stack_leave(st);
}

/* Leaves no groups: a stack that was saved lives on elsewhere, and the network
 * must not hear of this one's end. */
void dgram_layer_free(struct nst_stack *st)
{
	struct nst_sock *s = st->dgrams, *next;

	for (; s; s = next) {
		next = s->next;
		dgram_free(dgram_of(s));
	}
	nst_release(st->env, st->dgram, sizeof(*st->dgram));
	st->dgram = NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Choice of ports, RFC 6056: at random for bind(0), by a keyed hash of the
 * peer for connect (algorithm 3), so that ports of one peer differ in sequence
 * and cannot be guessed by another.
 *
 * LINUX: TCP gives the odd ports to bind and the even ones to connect first, so
 * that the two seldom meet.
 */
#include "netstack/base/addr.h"
#include "netstack/base/ports_priv.h"

/* Both even numbers of ports: parity is kept when the range wraps. */
#define EPHEMERAL_N (LIMIT_EPHEMERAL_HIGH - LIMIT_EPHEMERAL_LOW + 1)
_Static_assert(EPHEMERAL_N % 2 == 0 && LIMIT_EPHEMERAL_LOW % 2 == 0,
	       "ephemeral range");

struct range {
	uint32_t low, n;
};

static struct range range_of(uint8_t kind)
{
	if (kind == SOCK_K_PING)
		return (struct range){1, 65535};
	return (struct range){LIMIT_EPHEMERAL_LOW, EPHEMERAL_N};
}

/* i-th of n candidates, those of parity `first` before the others. */
static uint16_t candidate(const struct range *r, uint32_t start, uint32_t i,
			  uint32_t first)
{
	uint32_t half = r->n / 2, parity = i < half ? first : 1 - first;
	uint32_t k = (start / 2 + i % half) % half;

	return (uint16_t)(r->low + 2 * k + parity);
}

static bool pick(struct ports *p, struct nst_sock *s, const struct claim *c,
		 enum ports_rule rule, uint16_t *port)
{
	struct range r = range_of(s->kind);
	uint32_t start = nst_random32(p->env) % r.n;
	uint32_t n = r.n & ~1u;

	for (uint32_t i = 0; i < n; i++) {
		*port = candidate(&r, start, i,
				  s->kind == SOCK_K_TCP ? 1 : start & 1);
		if (!ports_conflict(ports_bucket(p, s->kind, *port), c, s,
				    rule))
			return true;
	}
	return false;
}

/* DEVIATION: Linux hands an automatic UDP port to a second SO_REUSEADDR socket
 * at any time; here only when no other is left. */
static enum nst_err bind_auto(struct ports *p, struct nst_sock *s,
			      const struct claim *c, uint16_t *port)
{
	if (pick(p, s, c, RULE_STRICT, port))
		return NST_OK;
	if (s->kind == SOCK_K_UDP && pick(p, s, c, RULE_LINUX, port))
		return NST_OK;
	return NST_E_ADDRINUSE;
}

enum nst_err ports_bind(struct ports *p, struct nst_sock *s,
			const struct nst_sockaddr *a)
{
	struct claim c = ports_claim(s, &a->addr);
	uint16_t port = a->port;
	enum nst_err e = NST_OK;

	if (s->bucket || s->kind >= PORT_KINDS)
		return NST_E_INVAL;
	if (!port)
		e = bind_auto(p, s, &c, &port);
	else if (ports_conflict(ports_bucket(p, s->kind, port), &c, s,
				RULE_LINUX))
		e = NST_E_ADDRINUSE;
	if (!e)
		e = ports_attach(p, s, port, true);
	if (!e)
		s->local.addr = a->addr;
	return e;
}

/* RFC 6056 3.3.3: F(local address, remote address, remote port, secret) */
static uint32_t flow_offset(const struct ports *p, const struct nst_sock *s,
			    const struct nst_sockaddr *to)
{
	uint8_t buf[34];

	memcpy(buf, s->local.addr.b, 16);
	memcpy(buf + 16, to->addr.b, 16);
	memcpy(buf + 32, &to->port, 2);
	return (uint32_t)p->env->hash(p->env->ctx, p->key, buf, sizeof(buf));
}

static bool connect_may_use(const struct ports *p, const struct nst_sock *s,
			    const struct nst_sockaddr *to, uint16_t port)
{
	const struct bind_bucket *b = ports_bucket(p, s->kind, port);
	struct flow_key key = {.local = s->local.addr,
			       .remote = to->addr,
			       .lport = port,
			       .rport = to->port,
			       .proto = s->proto};

	if (b && b->by_bind)
		return false;
	return !demux_find(s->st->demux, &key);
}

enum nst_err ports_bind_connect(struct ports *p, struct nst_sock *s,
				const struct nst_sockaddr *to)
{
	struct range r = range_of(s->kind);
	uint32_t start;

	if (s->bucket || s->kind >= PORT_KINDS)
		return NST_E_INVAL;
	start = (flow_offset(p, s, to) % r.n + p->next_ephemeral % r.n) % r.n;
	for (uint32_t i = 0; i < r.n; i++) {
		uint16_t port = candidate(&r, start, i, 0);

		if (!connect_may_use(p, s, to, port))
			continue;
		p->next_ephemeral += 2 * (i % (r.n / 2)) + 2;
		return ports_attach(p, s, port, false);
	}
	return NST_E_ADDRNOTAVAIL;
}

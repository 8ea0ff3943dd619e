/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Choice of ports, RFC 6056: at random for bind(0), by a keyed hash of the
 * peer for connect (algorithm 3), so that ports of one peer differ in sequence
 * and cannot be guessed by another. Each of a table of hashed offsets moves on
 * by itself (algorithm 4): a port that a connection to some peer has used comes
 * again only after all others, when its TIME-WAIT is most likely over.
 *
 * LINUX: TCP gives the odd ports to bind and the even ones to connect first, so
 * that the two seldom meet.
 */
#include "netstack/base/addr.h"
#include "netstack/base/ports_priv.h"

/* Candidates of one parity that are tried before a search goes through all. */
#define PICK_TRIES 64

struct range {
	uint32_t low, n;
};

/* LINUX: IP_LOCAL_PORT_RANGE narrows the range; a bound outside of it is
 * none. */
static struct range range_of(const struct nst_sock *s)
{
	uint32_t low = LIMIT_EPHEMERAL_LOW, high = LIMIT_EPHEMERAL_HIGH;
	uint32_t from = s->opt.port_range & 0xffff;
	uint32_t to = s->opt.port_range >> 16;

	if (s->kind == SOCK_K_PING)
		return (struct range){1, 65535};
	if (from < low || from > high)
		from = low;
	if (to < low || to > high)
		to = high;
	return (struct range){from, to - from + 1};
}

/* How many ports of the range are an even (parity 0) or odd number above the
 * lowest. */
static uint32_t of_parity(const struct range *r, uint32_t parity)
{
	return (r->n + 1 - parity) / 2;
}

/* i-th of these from `start` on, round and round. */
static uint16_t candidate(const struct range *r, uint32_t start, uint32_t i,
			  uint32_t parity)
{
	uint32_t k = (start + i) % of_parity(r, parity);

	return (uint16_t)(r->low + 2 * k + parity);
}

/* What a search for a free port asks of every candidate. */
struct search {
	struct ports *p;
	struct nst_sock *s;
	const struct claim *c;
	enum ports_rule rule;
	struct range r;
	uint32_t start;
};

/* The first `most` of a parity. */
static bool pick_among(const struct search *q, uint32_t parity, uint32_t most,
		       uint16_t *port)
{
	uint32_t n = of_parity(&q->r, parity);

	for (uint32_t i = 0; i < n && i < most; i++) {
		*port = candidate(&q->r, q->start, i, parity);
		if (!ports_conflict(ports_bucket(q->p, q->s->kind, *port), q->c,
				    q->s, q->rule))
			return true;
	}
	return false;
}

/*
 * A few candidates of each parity from a random start, then all: when one
 * parity is used up, not every search has to find that out.
 */
static bool pick(struct ports *p, struct nst_sock *s, const struct claim *c,
		 enum ports_rule rule, uint16_t *port)
{
	struct search q = {p, s, c, rule, range_of(s), 0};
	uint32_t random = nst_random32(p->env) % q.r.n;
	uint32_t first = s->kind == SOCK_K_TCP ? 1 : random & 1;

	q.start = random / 2;
	/* LINUX: of an odd number of ports, TCP leaves the last one out. */
	if (s->kind == SOCK_K_TCP && q.r.n > 1)
		q.r.n &= ~1u;
	return pick_among(&q, first, PICK_TRIES, port) ||
	       pick_among(&q, 1 - first, PICK_TRIES, port) ||
	       pick_among(&q, first, UINT32_MAX, port) ||
	       pick_among(&q, 1 - first, UINT32_MAX, port);
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

/* One choice for connect: what every candidate is asked. */
struct chooser {
	const struct ports *p;
	const struct nst_sock *s;
	const struct nst_sockaddr *to;
	ports_yields_fn *yields;
	struct range r;
	uint32_t cursor;
};

static bool connect_may_use(const struct chooser *c, uint16_t port)
{
	const struct bind_bucket *b = ports_bucket(c->p, c->s->kind, port);
	const struct demux_node *n;
	struct flow_key key = {.local = c->s->local.addr,
			       .remote = c->to->addr,
			       .lport = port,
			       .rport = c->to->port,
			       .proto = c->s->proto};

	if (b && b->by_bind)
		return false;
	n = demux_find(c->s->st->demux, &key);
	return !n || (c->yields && c->yields(n));
}

/* Looks at candidates [from, to) of one parity, counted from the cursor.
 * Returns which will do, or UINT32_MAX. */
static uint32_t scan(const struct chooser *c, uint32_t parity, uint32_t from,
		     uint32_t to, uint16_t *port)
{
	uint32_t n = of_parity(&c->r, parity);

	for (uint32_t i = from; i < to && i < n; i++) {
		*port = candidate(&c->r, c->cursor, i, parity);
		if (connect_may_use(c, *port))
			return i;
	}
	return UINT32_MAX;
}

/*
 * LINUX: all even ports come before the odd ones. When most even ones are in
 * use that would cost a look at each of them in every call; so a short look at
 * both halves comes first.
 */
static uint32_t scan_all(const struct chooser *c, uint16_t *port)
{
	uint32_t i = UINT32_MAX;

	for (uint32_t parity = 0; parity < 2 && i == UINT32_MAX; parity++)
		i = scan(c, parity, 0, PORTS_LOOK, port);
	for (uint32_t parity = 0; parity < 2 && i == UINT32_MAX; parity++)
		i = scan(c, parity, PORTS_LOOK, UINT32_MAX, port);
	return i;
}

enum nst_err ports_bind_connect(struct ports *p, struct nst_sock *s,
				const struct nst_sockaddr *to,
				ports_yields_fn *yields)
{
	struct chooser c = {p, s, to, yields, range_of(s), 0};
	uint32_t step, offset, *moved;
	uint16_t port;

	if (s->bucket || s->kind >= PORT_KINDS)
		return NST_E_INVAL;
	offset = flow_offset(p, s, to);
	moved = &p->moved[offset % PORTS_MOVED];
	c.cursor = (offset / PORTS_MOVED + *moved) % c.r.n;
	step = scan_all(&c, &port);
	if (step == UINT32_MAX)
		return NST_E_ADDRNOTAVAIL;
	/* LINUX: a random step hides how many connections there are. */
	if (step < PORTS_STEP_MAX)
		step += nst_random32(p->env) % (PORTS_STEP_MAX - step);
	*moved += step + 1;
	return ports_attach(p, s, port, false);
}

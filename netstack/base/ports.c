/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reservations. The rules are Linux's inet_csk_bind_conflict() for TCP and
 * udp_lib_lport_inuse() for UDP, as they behave for sockets of one user.
 */
#include "netstack/base/ports.h"

#include "netstack/base/addr.h"
#include "netstack/base/ports_priv.h"

struct ports *ports_new(const struct nst_env *env)
{
	struct ports *p = nst_alloc(env, sizeof(*p));

	if (!p)
		return NULL;
	p->env = env;
	env->random(env->ctx, p->key, sizeof(p->key));
	env->random(env->ctx, p->moved, sizeof(p->moved));
	return p;
}

static void leaf_free(struct ports *p, struct leaf *l)
{
	for (unsigned i = 0; i < LEAF_PORTS; i++)
		nst_release(p->env, l->bucket[i], sizeof(*l->bucket[i]));
	nst_release(p->env, l, sizeof(*l));
}

void ports_free(struct ports *p)
{
	if (!p)
		return;
	for (unsigned k = 0; k < PORT_KINDS; k++)
		for (unsigned i = 0; i < LEAVES; i++)
			if (p->leaf[k][i])
				leaf_free(p, p->leaf[k][i]);
	nst_release(p->env, p, sizeof(*p));
}

struct bind_bucket *ports_bucket(const struct ports *p, uint8_t kind,
				 uint16_t port)
{
	const struct leaf *l;

	if (kind >= PORT_KINDS)
		return NULL;
	l = p->leaf[kind][port / LEAF_PORTS];
	return l ? l->bucket[port % LEAF_PORTS] : NULL;
}

static struct bind_bucket *bucket_get(struct ports *p, uint8_t kind,
				      uint16_t port)
{
	struct leaf **l = &p->leaf[kind][port / LEAF_PORTS];
	struct bind_bucket *b = ports_bucket(p, kind, port);

	if (b)
		return b;
	if (!*l)
		*l = nst_alloc(p->env, sizeof(**l));
	if (!*l)
		return NULL;
	b = nst_alloc(p->env, sizeof(*b));
	if (b) {
		b->port = port;
		b->kind = kind;
		(*l)->bucket[port % LEAF_PORTS] = b;
		(*l)->used++;
	} else if (!(*l)->used) {
		nst_release(p->env, *l, sizeof(**l));
		*l = NULL;
	}
	return b;
}

static void bucket_put(struct ports *p, struct bind_bucket *b)
{
	struct leaf **l = &p->leaf[b->kind][b->port / LEAF_PORTS];

	if (b->bound || b->conns || b->holds)
		return;
	(*l)->bucket[b->port % LEAF_PORTS] = NULL;
	nst_release(p->env, b, sizeof(*b));
	if (--(*l)->used)
		return;
	nst_release(p->env, *l, sizeof(**l));
	*l = NULL;
}

/* ---- rules ---- */

struct claim ports_claim(const struct nst_sock *s, const struct nst_addr *addr)
{
	return (struct claim){
	    .addr = *addr,
	    .bound_if = s->opt.bound_if,
	    .v6only = s->family == 6 && s->opt.v6only,
	    .reuseaddr = s->opt.reuseaddr,
	    .reuseport = s->opt.reuseport,
	    .listening = sock_is_listening(s),
	};
}

/* LINUX: inet_rcv_saddr_equal() with wildcards matching. */
static bool overlap(const struct claim *a, const struct claim *b)
{
	bool any_a = addr_is_any(&a->addr), any_b = addr_is_any(&b->addr);

	if (a->addr.family == b->addr.family)
		return any_a || any_b || addr_eq(&a->addr, &b->addr);
	/* One is IPv6: it takes IPv4 too only as dual-stack wildcard */
	if (a->addr.family == 6)
		return any_a && !a->v6only;
	return any_b && !b->v6only;
}

static bool devices_meet(const struct claim *a, const struct claim *b)
{
	return !a->bound_if || !b->bound_if || a->bound_if == b->bound_if;
}

/* Can `mine`, which is asked for, live beside `other`, which is held? */
static bool compatible(uint8_t kind, const struct claim *mine,
		       const struct claim *other, enum ports_rule rule)
{
	/* LINUX: ping ids know no addresses (ping_get_port) */
	if (kind == SOCK_K_PING)
		return rule == RULE_LINUX && mine->reuseaddr &&
		       other->reuseaddr;
	if (!devices_meet(mine, other) || !overlap(mine, other))
		return true;
	if (rule == RULE_STRICT)
		return false;
	if (mine->reuseaddr && other->reuseaddr && !other->listening)
		return true;
	return mine->reuseport && other->reuseport;
}

static bool list_conflict(uint8_t kind, const struct nst_sock *list,
			  const struct claim *c, const struct nst_sock *self,
			  enum ports_rule rule)
{
	for (; list; list = list->bind_next) {
		struct claim other;

		if (list == self)
			continue;
		other = ports_claim(list, &list->local.addr);
		if (!compatible(kind, c, &other, rule))
			return true;
	}
	return false;
}

bool ports_conflict(const struct bind_bucket *b, const struct claim *c,
		    const struct nst_sock *self, enum ports_rule rule)
{
	if (!b)
		return false;
	for (const struct ports_hold *h = b->holds; h; h = h->next) {
		struct claim other = {.addr = h->addr,
				      .bound_if = h->bound_if,
				      .v6only = h->v6only,
				      .reuseaddr = h->reuseaddr,
				      .reuseport = h->reuseport};

		if (!compatible(b->kind, c, &other, rule))
			return true;
	}
	return list_conflict(b->kind, b->bound, c, self, rule) ||
	       list_conflict(b->kind, b->conns, c, self, rule);
}

/* ---- holding ---- */

static void link_sock(struct nst_sock **head, struct nst_sock *s)
{
	s->bind_next = *head;
	s->bind_pprev = head;
	if (s->bind_next)
		s->bind_next->bind_pprev = &s->bind_next;
	*head = s;
}

enum nst_err ports_attach(struct ports *p, struct nst_sock *s, uint16_t port,
			  bool by_bind)
{
	struct bind_bucket *b = bucket_get(p, s->kind, port);

	if (!b)
		return NST_E_NOMEM;
	b->by_bind |= by_bind;
	link_sock(by_bind ? &b->bound : &b->conns, s);
	s->bucket = b;
	s->local.port = port;
	return NST_OK;
}

void ports_inherit(struct ports *p, struct nst_sock *child,
		   const struct nst_sock *parent)
{
	(void)p;
	if (!parent->bucket || child->bucket)
		return;
	child->bucket = parent->bucket;
	link_sock(&child->bucket->conns, child);
}

void ports_release(struct ports *p, struct nst_sock *s)
{
	struct bind_bucket *b = s->bucket;

	if (!b)
		return;
	*s->bind_pprev = s->bind_next;
	if (s->bind_next)
		s->bind_next->bind_pprev = s->bind_pprev;
	s->bind_next = NULL;
	s->bind_pprev = NULL;
	s->bucket = NULL;
	bucket_put(p, b);
}

static void link_hold(struct ports_hold *h, struct bind_bucket *b)
{
	h->bucket = b;
	h->next = b->holds;
	h->pprev = &b->holds;
	if (h->next)
		h->next->pprev = &h->next;
	b->holds = h;
}

void ports_hold_take(struct ports *p, struct ports_hold *h,
		     const struct nst_sock *s)
{
	struct bind_bucket *b = s->bucket;

	(void)p;
	if (!b || h->bucket)
		return;
	h->addr = s->local.addr;
	h->bound_if = s->opt.bound_if;
	h->reuseaddr = s->opt.reuseaddr;
	h->reuseport = s->opt.reuseport;
	h->v6only = s->family == 6 && s->opt.v6only;
	link_hold(h, b);
}

enum nst_err ports_hold_load(struct ports *p, struct ports_hold *h,
			     uint16_t port)
{
	struct bind_bucket *b = bucket_get(p, SOCK_K_TCP, port);

	if (!b)
		return NST_E_NOMEM;
	link_hold(h, b);
	return NST_OK;
}

uint16_t ports_hold_port(const struct ports_hold *h)
{
	return h->bucket ? h->bucket->port : 0;
}

void ports_hold_drop(struct ports *p, struct ports_hold *h)
{
	struct bind_bucket *b = h->bucket;

	if (!b)
		return;
	*h->pprev = h->next;
	if (h->next)
		h->next->pprev = h->pprev;
	h->bucket = NULL;
	bucket_put(p, b);
}

enum nst_err ports_listen_check(struct ports *p, const struct nst_sock *s)
{
	struct claim c = ports_claim(s, &s->local.addr);

	(void)p;
	if (ports_conflict(s->bucket, &c, s, RULE_LINUX))
		return NST_E_ADDRINUSE;
	return NST_OK;
}

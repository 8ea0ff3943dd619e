/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who gets a packet for which no complete flow is in the demux.
 * LINUX: compute_score() of udp.c and inet_hashtables.c, an exact address
 * before any wildcard.
 */
#include "netstack/base/addr.h"
#include "netstack/base/ports_priv.h"

#define SCORE_EXACT 16 /* bound to this very address */
#define SCORE_PEER 8   /* connected to the sender */
#define SCORE_DEVICE 4
#define SCORE_FAMILY 2 /* an IPv4 socket for IPv4 */

struct want {
	const struct nst_sockaddr *dst, *src;
	uint32_t ifindex;
	bool (*accepts)(const struct nst_sock *);
};

/* -1: cannot take it. */
static int score_local(const struct nst_sock *s, const struct nst_addr *dst)
{
	const struct nst_addr *a = &s->local.addr;
	int score = s->family == dst->family ? SCORE_FAMILY : 0;

	if (!addr_is_any(a))
		return addr_eq(a, dst) ? score + SCORE_EXACT : -1;
	if (a->family == dst->family)
		return score;
	return a->family == 6 && !s->opt.v6only ? score : -1;
}

static int score_peer(const struct nst_sock *s, const struct nst_sockaddr *src)
{
	/* LINUX: ping sockets get replies from anywhere */
	if (!s->remote.addr.family || s->kind != SOCK_K_UDP)
		return 0;
	if (!addr_eq(&s->remote.addr, &src->addr))
		return -1;
	return s->remote.port == src->port ? SCORE_PEER : -1;
}

static int score(const struct nst_sock *s, const struct want *w)
{
	int local = score_local(s, &w->dst->addr);
	int peer = score_peer(s, w->src);

	if (local < 0 || peer < 0 || (w->accepts && !w->accepts(s)))
		return -1;
	if (!s->opt.bound_if)
		return local + peer;
	if (s->opt.bound_if != w->ifindex)
		return -1;
	return local + peer + SCORE_DEVICE;
}

/* The keyed hash of the flow, scaled to n. */
static uint32_t choose(const struct ports *p, const struct want *w, uint32_t n)
{
	uint8_t buf[36];
	uint64_t h;

	memcpy(buf, w->dst->addr.b, 16);
	memcpy(buf + 16, w->src->addr.b, 16);
	memcpy(buf + 32, &w->dst->port, 2);
	memcpy(buf + 34, &w->src->port, 2);
	h = p->env->hash(p->env->ctx, p->key, buf, sizeof(buf));
	return (uint32_t)((h >> 32) * n >> 32);
}

/* SO_REUSEPORT groups share; a connected socket is not part of one. */
static bool shares(const struct nst_sock *s)
{
	return s->opt.reuseport && !s->remote.addr.family;
}

static struct nst_sock *nth_of_group(struct nst_sock *list,
				     const struct want *w, int best, uint32_t n)
{
	struct nst_sock *last = NULL;

	for (; list; list = list->bind_next) {
		if (!shares(list) || score(list, w) != best)
			continue;
		last = list;
		if (!n--)
			break;
	}
	return last;
}

struct nst_sock *ports_lookup(struct ports *p, uint8_t kind,
			      const struct nst_sockaddr *dst,
			      const struct nst_sockaddr *src, uint32_t ifindex,
			      bool (*accepts)(const struct nst_sock *))
{
	struct bind_bucket *b = ports_bucket(p, kind, dst->port);
	struct want w = {dst, src, ifindex, accepts};
	struct nst_sock *found = NULL;
	int best = -1;
	uint32_t group = 0;

	if (!b)
		return NULL;
	for (struct nst_sock *s = b->bound; s; s = s->bind_next) {
		int sc = score(s, &w);

		if (sc > best) {
			best = sc;
			found = s;
			group = 0;
		}
		if (sc >= 0 && sc == best)
			group += shares(s);
	}
	if (!found || !shares(found) || group < 2)
		return found;
	return nth_of_group(b->bound, &w, best, choose(p, &w, group));
}

void ports_each(struct ports *p, uint8_t kind, uint16_t port,
		void (*fn)(struct nst_sock *s, void *arg), void *arg)
{
	struct bind_bucket *b = ports_bucket(p, kind, port);
	struct nst_sock *s = b ? b->bound : NULL, *next;

	for (; s; s = next) {
		next = s->bind_next;
		fn(s, arg);
	}
}

static void *user_in(const struct nst_sock *s, size_t *i)
{
	for (; s; s = s->bind_next)
		if (s->user && !(*i)--)
			return s->user;
	return NULL;
}

void *ports_user_at(const struct ports *p, uint8_t kind, uint16_t port,
		    size_t i)
{
	const struct bind_bucket *b = ports_bucket(p, kind, port);
	void *user;

	if (!b)
		return NULL;
	user = user_in(b->bound, &i);
	return user ? user : user_in(b->conns, &i);
}

static bool list_ok(const struct bind_bucket *b, struct nst_sock *const *head)
{
	for (; *head; head = &(*head)->bind_next) {
		const struct nst_sock *s = *head;

		if (s->bind_pprev != head || s->bucket != b ||
		    s->local.port != b->port || s->kind != b->kind)
			return false;
	}
	return true;
}

static bool leaf_ok(const struct leaf *l)
{
	uint32_t used = 0;

	for (unsigned i = 0; i < LEAF_PORTS; i++) {
		const struct bind_bucket *b = l->bucket[i];

		if (!b)
			continue;
		used++;
		if (!b->bound && !b->conns && !b->holds)
			return false;
		if (!list_ok(b, &b->bound) || !list_ok(b, &b->conns))
			return false;
	}
	return used && used == l->used;
}

bool ports_check(const struct ports *p)
{
	for (unsigned k = 0; k < PORT_KINDS; k++)
		for (unsigned i = 0; i < LEAVES; i++)
			if (p->leaf[k][i] && !leaf_ok(p->leaf[k][i]))
				return false;
	return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Source filters of memberships, RFC 3376 3.1, RFC 3678: whom a member hears.
 * LINUX: ip_mc_source(), ip6_mc_source(), ip_mc_sf_allow(), inet6_mc_check(),
 * and for who is no member ip_check_mc_rcu().
 */
#include "netstack/dgram/dgram_priv.h"

#define LIST_BYTES (LIMIT_SOURCES6 * sizeof(struct dgram_source))

static uint32_t limit(const struct dgram_member *m)
{
	return m->group.family == 4 ? LIMIT_SOURCES : LIMIT_SOURCES6;
}

static bool is_picky(const struct dgram_member *m)
{
	return m->include || m->nsources;
}

/* Around every change of a filter. */
static void change_begin(struct nst_dgram *d, const struct dgram_member *m)
{
	d->s.st->dgram->picky -= is_picky(m);
}

static void change_end(struct nst_dgram *d, const struct dgram_member *m)
{
	d->s.st->dgram->picky += is_picky(m);
}

/* Its place in the list; nsources: none. */
static uint32_t find_source(const struct dgram_member *m,
			    const struct nst_addr *src)
{
	uint32_t i = 0;

	if (m->group.family != src->family)
		return m->nsources;
	while (i < m->nsources &&
	       memcmp(m->source[i].b, src->b, addr_bytes(src)) != 0)
		i++;
	return i;
}

static enum nst_err list_new(struct nst_dgram *d, struct dgram_member *m)
{
	if (m->listed)
		return NST_OK;
	m->source = nst_alloc(d->s.st->env, LIST_BYTES);
	if (!m->source)
		return NST_E_NOMEM;
	m->listed = true;
	return NST_OK;
}

void dgram_filter_free(struct nst_dgram *d, struct dgram_member *m)
{
	change_begin(d, m);
	nst_release(d->s.st->env, m->source, LIST_BYTES);
	m->source = NULL;
	m->nsources = 0;
	m->include = m->listed = false;
}

void dgram_filter_include(struct nst_dgram *d, struct dgram_member *m,
			  bool include)
{
	change_begin(d, m);
	m->include = include;
	change_end(d, m);
}

enum nst_err dgram_filter_add(struct nst_dgram *d, struct dgram_member *m,
			      const struct nst_addr *src)
{
	enum nst_err e;

	if (m->nsources >= limit(m))
		return NST_E_NOBUFS;
	e = list_new(d, m);
	if (e)
		return e;
	if (find_source(m, src) < m->nsources)
		return NST_E_ADDRNOTAVAIL;
	change_begin(d, m);
	memcpy(m->source[m->nsources++].b, src->b, sizeof(src->b));
	change_end(d, m);
	return NST_OK;
}

enum nst_err dgram_filter_drop(struct nst_dgram *d, struct dgram_member *m,
			       const struct nst_addr *src)
{
	uint32_t i = find_source(m, src);

	if (i == m->nsources)
		return NST_E_ADDRNOTAVAIL;
	change_begin(d, m);
	m->nsources--;
	for (; i < m->nsources; i++)
		m->source[i] = m->source[i + 1];
	change_end(d, m);
	return NST_OK;
}

enum nst_err dgram_filter_restore(struct nst_dgram *d, struct dgram_member *m,
				  const void *source, size_t bytes)
{
	size_t n = bytes / sizeof(struct dgram_source);

	if (bytes % sizeof(struct dgram_source) || n > limit(m) ||
	    (n && !m->listed))
		return NST_E_INVAL;
	if (m->listed) {
		m->source = nst_alloc(d->s.st->env, LIST_BYTES);
		if (!m->source)
			return NST_E_NOMEM;
	}
	if (n)
		memcpy(m->source, source, bytes);
	m->nsources = (uint32_t)n;
	change_end(d, m);
	return NST_OK;
}

bool dgram_filter_check(const struct dgram_member *m)
{
	return m->listed == (m->source != NULL) && m->nsources <= limit(m) &&
	       (m->listed || !m->nsources);
}

size_t dgram_filter_picky(const struct nst_dgram *d)
{
	size_t n = 0;

	for (uint32_t i = 0; i < d->nmembers; i++)
		n += is_picky(&d->members[i]);
	return n;
}

/* ---- who hears ---- */

static bool passes(const struct dgram_member *m, const struct nst_addr *src)
{
	return (find_source(m, src) < m->nsources) == m->include;
}

/* LINUX: of IPv6 the first membership counts, on whichever interface. */
static const struct dgram_member *member_of(const struct nst_dgram *d,
					    const struct dgram_heard *h)
{
	for (uint32_t i = 0; i < d->nmembers; i++) {
		const struct dgram_member *m = &d->members[i];

		if (addr_same(&m->group, h->group) &&
		    (h->group->family == 6 || m->ifindex == h->ifindex))
			return m;
	}
	return NULL;
}

/* The host as a whole listens to whom any member listens to; groups without
 * members are those of every host. */
static bool host_passes(const struct nst_stack *st, const struct dgram_heard *h)
{
	bool any = false;

	for (struct nst_sock *s = st->dgrams; s; s = s->next) {
		const struct nst_dgram *d = dgram_of(s);

		for (uint32_t i = 0; i < d->nmembers; i++) {
			const struct dgram_member *m = &d->members[i];

			if (m->ifindex != h->ifindex ||
			    !addr_same(&m->group, h->group))
				continue;
			if (passes(m, h->src))
				return true;
			any = true;
		}
	}
	return !any;
}

struct dgram_heard dgram_heard(const struct nst_stack *st,
			       const struct nst_addr *dst,
			       const struct nst_addr *src, uint32_t ifindex)
{
	struct dgram_heard h = {addr_is_mcast(dst) ? dst : NULL, src, ifindex,
				true};

	if (h.group && st->dgram->picky)
		h.by_host = host_passes(st, &h);
	return h;
}

bool dgram_hears(const struct nst_dgram *d, const struct dgram_heard *h)
{
	const struct dgram_member *m;

	if (!h->group)
		return true;
	if (!h->by_host)
		return false;
	m = member_of(d, h);
	if (m)
		return passes(m, h->src);
	return h->group->family == 4 ? d->s.opt.mc_all : d->s.opt.mc_all6;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Path MTUs that routers told us (RFC 1191, RFC 8201): a small set-associative
 * table under the stack's key, so that an attacker can neither fill it nor
 * choose whom to displace. LINUX: an entry is believed for 10 minutes
 * (route.mtu_expires), and never below 552 (route.min_pmtu) or 1280; a router
 * that says less than 552 must fragment: no DF towards it.
 */
#include "netstack/ip/ip_layer.h"

#define PMTU_MIN4 552

static struct pmtu_entry *bucket_of(const struct ip_layer *ip,
				    const struct nst_addr *dst)
{
	uint64_t h = ip_hash(ip, dst, 0);

	return (struct pmtu_entry *)(uintptr_t)ip->pmtu[h % PMTU_BUCKETS];
}

static nst_time until(const struct pmtu_entry *e)
{
	return e->dst.family ? e->since + IP_PMTU_LIFE : 0;
}

/* The entry for dst, else a free one, else the one that expires first. */
static struct pmtu_entry *entry_for(struct ip_layer *ip,
				    const struct nst_addr *dst)
{
	struct pmtu_entry *b = bucket_of(ip, dst), *oldest = &b[0];

	for (size_t i = 0; i < PMTU_WAYS; i++) {
		if (b[i].dst.family && addr_same(&b[i].dst, dst))
			return &b[i];
		if (until(&b[i]) < until(oldest))
			oldest = &b[i];
	}
	return oldest;
}

void pmtu_apply(const struct ip_layer *ip, struct ip_path *p)
{
	const struct pmtu_entry *b;

	if (!ip->npmtu)
		return;
	b = bucket_of(ip, &p->dst);
	for (size_t i = 0; i < PMTU_WAYS; i++) {
		if (!b[i].dst.family || !addr_same(&b[i].dst, &p->dst))
			continue;
		if (until(&b[i]) <= ip->st->now || b[i].mtu > p->mtu)
			continue;
		p->mtu = b[i].mtu;
		p->mtu_until = until(&b[i]);
		p->mtu_locked = b[i].locked;
	}
}

static uint32_t least(const struct nst_addr *dst)
{
	return dst->family == 6 ? IP6_MIN_MTU : PMTU_MIN4;
}

/* RFC 8201 4: what is below the least is no path MTU. LINUX: on IPv4 the
 * least is remembered, and that fragments may be made on the way. */
void ip_pmtu_update(struct nst_stack *st, const struct nst_addr *dst,
		    uint32_t mtu)
{
	bool locked = dst->family == 4 && mtu < PMTU_MIN4;
	struct ip_layer *ip = st->ip;
	struct pmtu_entry *e;
	struct ip_path path;

	if (mtu < least(dst))
		mtu = least(dst);
	if (ip_path_find(st, dst, NULL, 0, true, &path) || path.loopback)
		return;
	/* Only ever lower: a larger value must be probed (RFC 4821). */
	if (mtu > path.mtu || (mtu == path.mtu && !path.mtu_until && !locked))
		return;
	e = entry_for(ip, &path.dst);
	e->dst = path.dst;
	e->mtu = mtu;
	e->locked = locked;
	e->since = st->now;
	ip->npmtu++;
	st->count.PmtuUpdates++;
}

bool pmtu_restore(struct ip_layer *ip, const struct pmtu_entry *e)
{
	if (!e->dst.family || !saved_time_ok(ip, e->since) ||
	    e->mtu < least(&e->dst) || e->mtu > IP_MAX_BYTES ||
	    (e->locked && e->dst.family != 4))
		return false;
	*entry_for(ip, &e->dst) = *e;
	return true;
}

uint32_t ip_pmtu_generation(const struct nst_stack *st)
{
	return (uint32_t)st->ip->npmtu;
}

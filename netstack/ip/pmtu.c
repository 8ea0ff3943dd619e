/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Path MTUs that routers told us (RFC 1191, RFC 8201): a small set-associative
 * table under the stack's key, so that an attacker can neither fill it nor
 * choose whom to displace. LINUX: an entry is believed for 10 minutes, and
 * never below 552 (net.ipv4.route.min_pmtu) or 1280.
 */
#include "netstack/ip/ip_layer.h"

#define PMTU_LIFE (600 * NST_SEC)
#define PMTU_MIN4 552

static struct pmtu_entry *bucket_of(const struct ip_layer *ip,
				    const struct nst_addr *dst)
{
	uint64_t h = ip_hash(ip, dst, 0);

	return (struct pmtu_entry *)(uintptr_t)ip->pmtu[h % PMTU_BUCKETS];
}

/* The entry for dst, else a free one, else the one that expires first. */
static struct pmtu_entry *entry_for(struct ip_layer *ip,
				    const struct nst_addr *dst)
{
	struct pmtu_entry *b = bucket_of(ip, dst), *oldest = &b[0];

	for (size_t i = 0; i < PMTU_WAYS; i++) {
		if (b[i].dst.family && addr_same(&b[i].dst, dst))
			return &b[i];
		if (b[i].expires < oldest->expires)
			oldest = &b[i];
	}
	oldest->dst.family = 0;
	return oldest;
}

uint32_t pmtu_get(const struct ip_layer *ip, const struct nst_addr *dst,
		  uint32_t mtu)
{
	const struct pmtu_entry *b;

	if (!ip->npmtu)
		return mtu;
	b = bucket_of(ip, dst);
	for (size_t i = 0; i < PMTU_WAYS; i++) {
		if (!b[i].dst.family || !addr_same(&b[i].dst, dst))
			continue;
		if (b[i].expires > ip->st->now && b[i].mtu < mtu)
			return b[i].mtu;
	}
	return mtu;
}

void ip_pmtu_update(struct nst_stack *st, const struct nst_addr *dst,
		    uint32_t mtu)
{
	uint32_t least = dst->family == 6 ? IP6_MIN_MTU : PMTU_MIN4;
	struct ip_layer *ip = st->ip;
	struct pmtu_entry *e;
	struct ip_path path;

	if (mtu < least)
		mtu = least;
	/* Only ever lower: a larger value must be probed (RFC 4821). */
	if (ip_path_find(st, dst, NULL, 0, true, &path) || path.loopback ||
	    mtu >= path.mtu)
		return;
	e = entry_for(ip, &path.dst);
	e->dst = path.dst;
	e->mtu = mtu;
	e->expires = st->now + PMTU_LIFE;
	ip->npmtu++;
	st->count.PmtuUpdates++;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 6724 section 5: which of our IPv6 addresses speaks to a destination.
 * Rules 3 (deprecated), 4 (home) and 7 (temporary) do not apply yet: there are
 * no such addresses.
 */
#include "netstack/ip/ip_layer.h"

struct policy {
	uint8_t prefix[16];
	uint8_t prefix_len;
	uint8_t label;
};

/* RFC 6724 2.1, longest first; LINUX: adds ORCHID 2001:10::/28. */
static const struct policy policies[] = {
    {{[15] = 1}, 128, 0},
    {{[10] = 0xff, [11] = 0xff}, 96, 4},
    {{0}, 96, 3},
    {{0x20, 0x01, 0, 0, 0}, 32, 5},
    {{0x20, 0x01, 0, 0x10}, 28, 7},
    {{0x20, 0x02}, 16, 2},
    {{0x3f, 0xfe}, 16, 12},
    {{0xfe, 0xc0}, 10, 11},
    {{0xfc}, 7, 13},
};

static uint8_t label_of(const struct nst_addr *a)
{
	for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
		struct nst_addr p = {.family = 6};

		memcpy(p.b, policies[i].prefix, 16);
		if (addr_in_prefix(a, &p, policies[i].prefix_len))
			return policies[i].label;
	}
	return 1;
}

struct choice {
	const struct nst_addr *dst;
	uint32_t ifindex;
	uint8_t scope, label;
};

/* Rule 2: negative when a is worse than b, by scope. */
static int by_scope(uint8_t a, uint8_t b, uint8_t want)
{
	if (a == b)
		return 0;
	if (a < b)
		return a < want ? -1 : 1;
	return b < want ? 1 : -1;
}

static uint8_t matching_bits(const struct nst_ifaddr *e,
			     const struct nst_addr *dst)
{
	uint8_t n = addr_common_bits(&e->addr, dst);

	return n < e->prefix_len ? n : e->prefix_len;
}

/* Is a better than b? Ties keep the older. */
static bool better(const struct choice *c, const struct nst_ifaddr *a,
		   const struct nst_ifaddr *b)
{
	bool sa = addr_same(&a->addr, c->dst), sb = addr_same(&b->addr, c->dst);
	int scope;
	bool oa, ob;

	if (sa != sb)
		return sa; /* rule 1 */
	scope =
	    by_scope(addr_scope6(&a->addr), addr_scope6(&b->addr), c->scope);
	if (scope)
		return scope > 0; /* rule 2 */
	oa = a->ifindex == c->ifindex;
	ob = b->ifindex == c->ifindex;
	if (oa != ob)
		return oa; /* rule 5 */
	oa = label_of(&a->addr) == c->label;
	ob = label_of(&b->addr) == c->label;
	if (oa != ob)
		return oa; /* rule 6 */
	return matching_bits(a, c->dst) > matching_bits(b, c->dst);
}

/* RFC 6724 4: for link-local and multicast destinations only addresses of the
 * outgoing interface; never ::1 of another interface. */
static bool candidate(const struct choice *c, const struct nst_ifaddr *e)
{
	if (e->addr.family != 6)
		return false;
	if (e->ifindex == c->ifindex)
		return true;
	return c->scope > 2 && !addr_is_mcast(c->dst) &&
	       !addr_is_linklocal6(&e->addr) && e->ifindex != NIC_LO;
}

const struct nst_ifaddr *ifaddr_select6(const struct ip_layer *ip,
					uint32_t ifindex,
					const struct nst_addr *dst)
{
	struct choice c = {dst, ifindex, addr_scope6(dst), label_of(dst)};
	const struct nst_ifaddr *best = NULL;

	for (size_t i = 0; i < ip->naddrs; i++) {
		const struct nst_ifaddr *e = &ip->addrs[i];

		if (!candidate(&c, e))
			continue;
		if (!best || better(&c, e, best))
			best = e;
	}
	return best;
}

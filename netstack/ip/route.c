/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The routing table: a sorted list, longest prefix first, then smallest
 * metric, then oldest. A stack has a handful of routes, so the first match of
 * a linear scan is faster than a trie, and LIMIT_ROUTES bounds it.
 */
#include "netstack/ip/ip_layer.h"

const struct nst_route *route_find(const struct ip_layer *ip,
				   const struct nst_addr *dst, uint32_t ifindex)
{
	for (size_t i = 0; i < ip->nroutes; i++) {
		const struct nst_route *r = &ip->routes[i];

		if (ifindex && r->ifindex != ifindex)
			continue;
		if (addr_in_prefix(dst, &r->dst, r->prefix_len))
			return r;
	}
	return NULL;
}

static bool route_before(const struct nst_route *a, const struct nst_route *b)
{
	if (a->prefix_len != b->prefix_len)
		return a->prefix_len > b->prefix_len;
	return a->metric < b->metric;
}

/* The gateway must be a neighbour on that interface. LINUX: ENETUNREACH. */
static bool gateway_ok(const struct ip_layer *ip, const struct nst_route *r)
{
	const struct nst_route *via;

	if (r->gw.family == 0)
		return true;
	if (addr_is_any(&r->gw) || addr_is_mcast(&r->gw) ||
	    ifaddr_find(ip, &r->gw, 0))
		return false;
	if (addr_is_linklocal6(&r->gw) ||
	    ip->nics[r->ifindex - 1].cfg.kind == NST_LINK_IP)
		return true;
	via = route_find(ip, &r->gw, r->ifindex);
	return via && via->gw.family == 0;
}

/* All but the gateway: that may have become one by other routes. */
static enum nst_err route_shape(const struct ip_layer *ip,
				const struct nst_route *r)
{
	struct nst_addr masked = r->dst;

	if (r->ifindex == 0 || r->ifindex > ip->nnics)
		return NST_E_NODEV;
	if (r->dst.family != 4 && r->dst.family != 6)
		return NST_E_INVAL;
	if (r->prefix_len > addr_max_prefix(r->dst.family))
		return NST_E_INVAL;
	if (r->gw.family && r->gw.family != r->dst.family)
		return NST_E_INVAL;
	addr_mask(&masked, r->prefix_len);
	if (!addr_same(&masked, &r->dst))
		return NST_E_INVAL;
	return NST_OK;
}

static enum nst_err route_valid(const struct ip_layer *ip,
				const struct nst_route *r)
{
	enum nst_err err = route_shape(ip, r);

	if (!err && !gateway_ok(ip, r))
		err = NST_E_NETUNREACH;
	return err;
}

static bool route_exists(const struct ip_layer *ip, const struct nst_route *r)
{
	for (size_t i = 0; i < ip->nroutes; i++) {
		const struct nst_route *e = &ip->routes[i];

		if (e->prefix_len == r->prefix_len && e->metric == r->metric &&
		    addr_same(&e->dst, &r->dst) &&
		    (r->dst.family == 4 || e->ifindex == r->ifindex))
			return true;
	}
	return false;
}

enum nst_err route_add(struct ip_layer *ip, const struct nst_route *r)
{
	enum nst_err err = route_valid(ip, r);
	size_t at = ip->nroutes;

	if (err)
		return err;
	if (route_exists(ip, r))
		return NST_E_EXIST;
	if (ip->nroutes == LIMIT_ROUTES)
		return NST_E_NOBUFS;
	while (at > 0 && route_before(r, &ip->routes[at - 1])) {
		ip->routes[at] = ip->routes[at - 1];
		at--;
	}
	ip->routes[at] = *r;
	ip->routes[at].dst.scope = 0;
	ip->nroutes++;
	return NST_OK;
}

bool route_restore(struct ip_layer *ip, const struct nst_route *r)
{
	size_t n = ip->nroutes;

	if (n == LIMIT_ROUTES || route_shape(ip, r) || route_exists(ip, r))
		return false;
	if (n && route_before(r, &ip->routes[n - 1]))
		return false;
	ip->routes[n] = *r;
	ip->nroutes++;
	return true;
}

enum nst_err nst_route_add(struct nst_stack *st, const struct nst_route *r)
{
	return route_add(st->ip, r);
}

bool nst_route_at(const struct nst_stack *st, size_t i, struct nst_route *out)
{
	if (i >= st->ip->nroutes)
		return false;
	*out = st->ip->routes[i];
	return true;
}

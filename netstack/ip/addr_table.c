/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses of the stack: a short list in order of addition. */
#include "netstack/ip/ip_layer.h"
#include "netstack/ip/mcast.h"

const struct nst_ifaddr *ifaddr_find(const struct ip_layer *ip,
				     const struct nst_addr *a, uint32_t ifindex)
{
	bool lo4 = a->family == 4 && addr_is_loopback(a);

	for (size_t i = 0; i < ip->naddrs; i++) {
		const struct nst_ifaddr *e = &ip->addrs[i];

		if (ifindex && e->ifindex != ifindex)
			continue;
		if (addr_eq(&e->addr, a))
			return e;
		if (lo4 && e->ifindex == NIC_LO &&
		    addr_in_prefix(a, &e->addr, e->prefix_len))
			return e;
	}
	return NULL;
}

const struct nst_ifaddr *ifaddr_linklocal(const struct ip_layer *ip,
					  uint32_t ifindex)
{
	for (size_t i = 0; i < ip->naddrs; i++) {
		const struct nst_ifaddr *e = &ip->addrs[i];

		if (e->ifindex == ifindex && addr_is_linklocal6(&e->addr))
			return e;
	}
	return NULL;
}

/* LINUX: the address whose subnet holds the next hop, else the interface's
 * first, else the first of any other interface (inet_select_addr). */
const struct nst_ifaddr *ifaddr_select4(const struct ip_layer *ip,
					uint32_t ifindex,
					const struct nst_addr *hop)
{
	const struct nst_ifaddr *first = NULL, *other = NULL;

	for (size_t i = 0; i < ip->naddrs; i++) {
		const struct nst_ifaddr *e = &ip->addrs[i];

		if (e->addr.family != 4)
			continue;
		if (e->ifindex != ifindex) {
			if (!other && e->ifindex != NIC_LO)
				other = e;
			continue;
		}
		if (addr_in_prefix(hop, &e->addr, e->prefix_len))
			return e;
		if (!first)
			first = e;
	}
	return first ? first : other;
}

static bool is_bcast_of(const struct nst_addr *a, const struct nst_ifaddr *e)
{
	struct nst_addr b = e->addr;

	if (b.family != 4 || e->prefix_len >= 31)
		return false;
	for (size_t i = 0; i < 4; i++) {
		size_t keep = e->prefix_len > i * 8 ? e->prefix_len - i * 8 : 0;

		if (keep < 8)
			b.b[i] |= (uint8_t)(0xffu >> keep);
	}
	return addr_same(a, &b);
}

const struct nst_ifaddr *ifaddr_bcast(const struct ip_layer *ip,
				      const struct nst_addr *a,
				      uint32_t ifindex)
{
	if (a->family != 4)
		return NULL;
	for (size_t i = 0; i < ip->naddrs; i++) {
		const struct nst_ifaddr *e = &ip->addrs[i];

		if ((!ifindex || e->ifindex == ifindex) && is_bcast_of(a, e))
			return e;
	}
	return NULL;
}

static enum nst_err ifaddr_valid(const struct ip_layer *ip,
				 const struct nst_ifaddr *a)
{
	if (a->ifindex == 0 || a->ifindex > ip->nnics)
		return NST_E_NODEV;
	if (a->addr.family != 4 && a->addr.family != 6)
		return NST_E_INVAL;
	if (a->prefix_len > addr_max_prefix(a->addr.family))
		return NST_E_INVAL;
	if (addr_is_any(&a->addr) || addr_is_mcast(&a->addr) ||
	    addr_is_bcast4(&a->addr) || addr_is_v4mapped(&a->addr))
		return NST_E_INVAL;
	for (size_t i = 0; i < ip->naddrs; i++) {
		if (ip->addrs[i].ifindex == a->ifindex &&
		    addr_same(&ip->addrs[i].addr, &a->addr))
			return NST_E_EXIST;
	}
	return NST_OK;
}

/* The on-link prefix; a second address in the same prefix shares its route. */
static enum nst_err add_prefix_route(struct ip_layer *ip,
				     const struct nst_ifaddr *a)
{
	struct nst_route r = {.dst = a->addr, .ifindex = a->ifindex};
	enum nst_err err;

	/* 127/8 and host addresses are found in the list itself. */
	if (a->prefix_len == addr_max_prefix(a->addr.family) ||
	    a->ifindex == NIC_LO)
		return NST_OK;
	r.prefix_len = a->prefix_len;
	r.metric = a->addr.family == 6 ? 256 : 0;
	addr_mask(&r.dst, a->prefix_len);
	err = route_add(ip, &r);
	return err == NST_E_EXIST ? NST_OK : err;
}

static enum nst_err join_solicited(struct ip_layer *ip,
				   const struct nst_ifaddr *a)
{
	struct nst_addr group;

	if (a->addr.family != 6 || a->ifindex == NIC_LO)
		return NST_OK;
	addr_solicited_node(&a->addr, &group);
	return ip_mcast_join(ip->st, &group, a->ifindex);
}

enum nst_err ifaddr_add(struct ip_layer *ip, const struct nst_ifaddr *a)
{
	enum nst_err err = ifaddr_valid(ip, a);
	struct nst_ifaddr *e;

	if (err)
		return err;
	/* RFC 8200 5: every link that carries IPv6 has an MTU of 1280. */
	if (a->addr.family == 6 &&
	    ip->nics[a->ifindex - 1].cfg.mtu < IP6_MIN_MTU)
		return NST_E_INVAL;
	if (ip->naddrs == LIMIT_ADDRS)
		return NST_E_NOBUFS;
	e = &ip->addrs[ip->naddrs];
	*e = *a;
	e->addr.scope = addr_is_linklocal6(&a->addr) ? a->ifindex : 0;
	if (e->addr.family == 4)
		memset(e->addr.b + 4, 0, 12);
	/* Counted before the join, whose report needs a source address. */
	ip->naddrs++;
	err = join_solicited(ip, e);
	if (err) {
		ip->naddrs--;
		return err;
	}
	err = add_prefix_route(ip, e);
	if (err) {
		struct nst_addr group;

		if (e->addr.family == 6 && e->ifindex != NIC_LO) {
			addr_solicited_node(&e->addr, &group);
			ip_mcast_leave(ip->st, &group, e->ifindex);
		}
		ip->naddrs--;
	}
	return err;
}

bool ifaddr_restore(struct ip_layer *ip, const struct nst_ifaddr *a)
{
	uint32_t scope = addr_is_linklocal6(&a->addr) ? a->ifindex : 0;

	if (ifaddr_valid(ip, a) || ip->naddrs == LIMIT_ADDRS ||
	    a->addr.scope != scope)
		return false;
	ip->addrs[ip->naddrs++] = *a;
	return true;
}

/* The groups that addresses make the host a member of, counted. */
bool ifaddr_restore_groups(struct ip_layer *ip)
{
	for (size_t i = 0; i < ip->naddrs; i++) {
		const struct nst_ifaddr *a = &ip->addrs[i];
		struct nst_addr group;

		if (a->addr.family != 6 || a->ifindex == NIC_LO)
			continue;
		addr_solicited_node(&a->addr, &group);
		if (!ip_mcast_restore(ip->st, &group, a->ifindex))
			return false;
	}
	return true;
}

enum nst_err nst_addr_add(struct nst_stack *st, const struct nst_ifaddr *a,
			  nst_time now)
{
	enum nst_err err;

	stack_enter(st, now);
	err = ifaddr_add(st->ip, a);
	stack_leave(st);
	return err;
}

bool nst_addr_at(const struct nst_stack *st, size_t i, struct nst_ifaddr *out)
{
	if (i >= st->ip->naddrs)
		return false;
	*out = st->ip->addrs[i];
	return true;
}

bool nst_addr_is_local(const struct nst_stack *st, const struct nst_addr *a)
{
	return ifaddr_find(st->ip, a, 0) != NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a destination to a path: what kind of destination it is, the interface
 * and next hop, the source address, the MTU. Mirrors what Linux decides in
 * ip_route_output_key and ip6_route_output.
 */
#include "netstack/ip/ip_layer.h"

/* What was asked, tidied up. */
struct ask {
	struct nst_addr src; /* family 0: choose */
	uint32_t ifindex;
	bool spoof;
};

static void path_via(struct ip_path *p, const struct nic *nic)
{
	p->ifindex = nic->ifindex;
	p->mtu = nic->cfg.mtu;
	p->link_caps = nic->cfg.caps;
}

/* Delivered to ourselves. A link-local address keeps its interface, so that
 * both ends see the right scope. */
static void path_local(struct ip_layer *ip, const struct nst_ifaddr *mine,
		       struct ip_path *p)
{
	path_via(p, nic_lo(ip));
	p->loopback = true;
	p->next_hop = p->dst;
	if (!addr_is_linklocal6(&mine->addr))
		return;
	p->ifindex = mine->ifindex;
	p->dst.scope = mine->ifindex;
}

/* The interface for a group or a limited broadcast: asked for, that of the
 * source address, that of a route. NULL: none. */
static struct nic *group_nic(struct ip_layer *ip, const struct ask *ask,
			     const struct nst_addr *dst)
{
	const struct nst_ifaddr *mine;
	const struct nst_route *r;

	if (ask->ifindex)
		return nic_find(ip, ask->ifindex);
	if (dst->scope)
		return nic_find(ip, dst->scope);
	mine = ask->src.family ? ifaddr_find(ip, &ask->src, 0) : NULL;
	if (mine)
		return nic_find(ip, mine->ifindex);
	r = route_find(ip, dst, 0);
	if (r)
		return nic_find(ip, r->ifindex);
	/* LINUX: every IPv6 interface has a route for ff00::/8. */
	if (dst->family == 6 && ip->nnics > NIC_LO)
		return nic_find(ip, NIC_LO + 1);
	return NULL;
}

static enum nst_err path_group(struct ip_layer *ip, const struct ask *ask,
			       struct ip_path *p)
{
	struct nic *nic = group_nic(ip, ask, &p->dst);

	if (!nic)
		return NST_E_NETUNREACH;
	path_via(p, nic);
	p->next_hop = p->dst;
	/* ff01:: never leaves the node (RFC 4291 2.7). */
	p->loopback = nic->ifindex == NIC_LO ||
		      (p->dst.family == 6 && (p->dst.b[1] & 15) <= 1);
	return NST_OK;
}

static enum nst_err path_unicast(struct ip_layer *ip, const struct ask *ask,
				 struct ip_path *p)
{
	const struct nst_route *r;
	uint32_t ifindex = ask->ifindex;
	const struct nic *nic;

	if (addr_is_linklocal6(&p->dst)) {
		if (!ifindex)
			ifindex = p->dst.scope;
		if (!ifindex)
			ifindex = ask->src.scope;
		if (!ifindex)
			return NST_E_INVAL;
		p->dst.scope = ifindex;
	}
	r = route_find(ip, &p->dst, ifindex);
	if (!r)
		return NST_E_NETUNREACH;
	nic = nic_find(ip, r->ifindex);
	path_via(p, nic);
	p->next_hop = r->gw.family ? r->gw : p->dst;
	pmtu_apply(ip, p);
	return NST_OK;
}

static enum nst_err path_way(struct ip_layer *ip, const struct ask *ask,
			     struct ip_path *p)
{
	const struct nst_ifaddr *e;

	if (addr_is_mcast(&p->dst)) {
		p->mcast = true;
		return path_group(ip, ask, p);
	}
	if (addr_is_bcast4(&p->dst)) {
		p->bcast = true;
		return path_group(ip, ask, p);
	}
	/* A link-local address is ours on its own interface only. */
	e = ifaddr_find(ip, &p->dst,
			addr_is_linklocal6(&p->dst) ? ask->ifindex : 0);
	if (e) {
		path_local(ip, e, p);
		return NST_OK;
	}
	e = ifaddr_bcast(ip, &p->dst, ask->ifindex);
	if (e) {
		p->bcast = true;
		p->next_hop = p->dst;
		path_via(p, nic_find(ip, e->ifindex));
		p->loopback = e->ifindex == NIC_LO;
		return NST_OK;
	}
	if (addr_is_loopback(&p->dst))
		return NST_E_NETUNREACH;
	return path_unicast(ip, ask, p);
}

static enum nst_err choose_source(struct ip_layer *ip, struct ip_path *p)
{
	const struct nst_ifaddr *e;

	if (p->loopback && !p->mcast && !p->bcast) {
		/* LINUX: the address itself, but 127.0.0.1 for all of 127/8 */
		p->src = p->dst;
		if (p->dst.family == 4 && addr_is_loopback(&p->dst))
			p->src = addr_loopback(4);
		return NST_OK;
	}
	if (p->dst.family == 6)
		e = ifaddr_select6(ip, p->ifindex, &p->dst);
	else
		e = ifaddr_select4(ip, p->ifindex, &p->next_hop);
	if (e) {
		p->src = e->addr;
		return NST_OK;
	}
	/* A host that looks for its address (DHCP) says 0.0.0.0. */
	p->src = addr_any(p->dst.family);
	return p->bcast ? NST_OK : NST_E_ADDRNOTAVAIL;
}

static enum nst_err check_source(struct ip_layer *ip, const struct ask *ask,
				 struct ip_path *p)
{
	const struct nst_addr *src = &ask->src;

	if (src->family != p->dst.family)
		return NST_E_INVAL;
	if (addr_is_mcast(src) || addr_is_bcast4(src))
		return NST_E_INVAL;
	if (!ask->spoof && !(p->link_caps & NST_CAP_SPOOF) &&
	    !ifaddr_find(ip, src, 0))
		return NST_E_ADDRNOTAVAIL;
	/* LINUX: 127/8 and ::1 do not leave the host. */
	if (addr_is_loopback(src) && !p->loopback)
		return NST_E_INVAL;
	p->src = *src;
	p->src.scope = addr_is_linklocal6(src) ? p->ifindex : 0;
	return NST_OK;
}

/* IPv4 cannot say more than 65535 bytes, whatever the interface's MTU. */
static void path_finish(struct ip_path *p)
{
	if (p->dst.family == 4 && p->mtu > IP_MAX_BYTES)
		p->mtu = IP_MAX_BYTES;
	if (!addr_needs_scope(&p->dst))
		p->dst.scope = 0;
	else if (addr_is_mcast(&p->dst))
		p->dst.scope = p->ifindex;
}

static void ask_init(struct ask *ask, const struct nst_addr *src,
		     uint32_t ifindex, bool spoof)
{
	memset(ask, 0, sizeof(*ask));
	if (src && !addr_is_any(src))
		ask->src = *src;
	ask->ifindex = ifindex;
	ask->spoof = spoof;
}

enum nst_err ip_path_find(struct nst_stack *st, const struct nst_addr *dst,
			  const struct nst_addr *src, uint32_t ifindex,
			  bool spoof, struct ip_path *out)
{
	struct ip_layer *ip = st->ip;
	struct ask ask;
	enum nst_err err;

	memset(out, 0, sizeof(*out));
	if (dst->family != 4 && dst->family != 6)
		return NST_E_INVAL;
	ask_init(&ask, src, ifindex, spoof);
	if (ifindex && !nic_find(ip, ifindex))
		return NST_E_NODEV;
	out->dst = *dst;
	if (addr_is_any(dst))
		out->dst = ask.src.family == dst->family
			       ? ask.src
			       : addr_loopback(dst->family);
	err = path_way(ip, &ask, out);
	if (err)
		return err;
	if (!nic_find(ip, out->ifindex)->up)
		return NST_E_NETDOWN;
	err = ask.src.family ? check_source(ip, &ask, out)
			     : choose_source(ip, out);
	if (!err)
		path_finish(out);
	return err;
}

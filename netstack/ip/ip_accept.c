/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a received packet for us, and may its addresses be seen where it was
 * seen? RFC 1122 3.2.1.3, RFC 4291 2.5 to 2.7; LINUX: what fib_validate_source
 * and ip6_rcv_core call martian.
 */
#include "netstack/ip/ip_priv.h"
#include "netstack/ip/mcast.h"

static bool source_ok4(const struct ip_layer *ip, const struct ip_rx *rx)
{
	const struct nst_addr *src = &rx->in.src;

	if (addr_is_mcast(src) || addr_is_bcast4(src))
		return false;
	if (ifaddr_bcast(ip, src, rx->nic->ifindex))
		return false;
	/* RFC 1122 3.2.1.3 (a): "this host" asks for its configuration. */
	if (src->b[0] == 0 && !rx->loop)
		return addr_is_any(src) && (rx->in.mcast || rx->in.bcast);
	return true;
}

static bool source_ok6(const struct ip_rx *rx)
{
	const struct nst_addr *src = &rx->in.src, *dst = &rx->in.dst;

	if (addr_is_mcast(src))
		return false;
	if (rx->loop)
		return true;
	/* RFC 4942 2.2; RFC 4291 2.7: scope 0 and 1 are of no wire. */
	if (addr_is_v4mapped(src) || addr_is_v4mapped(dst))
		return false;
	return !(addr_is_mcast(dst) && (dst->b[1] & 15) <= 1);
}

static bool source_ok(const struct ip_layer *ip, const struct ip_rx *rx)
{
	const struct nst_addr *src = &rx->in.src;

	if (!(src->family == 4 ? source_ok4(ip, rx) : source_ok6(rx)))
		return false;
	if (rx->loop)
		return true;
	/* From a wire nobody speaks as loopback or as ourselves. */
	if (addr_is_loopback(src) || addr_is_loopback(&rx->in.dst))
		return false;
	return addr_is_any(src) || !ifaddr_find(ip, src, 0);
}

/* Fills in local, bcast, mcast. False: not for us. */
static bool classify(struct ip_layer *ip, struct ip_rx *rx)
{
	const struct nst_addr *dst = &rx->in.dst;
	bool ll = addr_is_linklocal6(dst);

	if (addr_is_mcast(dst)) {
		rx->in.mcast = true;
		return mcast_member(ip, dst, rx->nic->ifindex);
	}
	if (ifaddr_find(ip, dst, ll ? rx->nic->ifindex : 0)) {
		rx->in.local = true;
		return true;
	}
	if (addr_is_bcast4(dst) || ifaddr_bcast(ip, dst, rx->nic->ifindex)) {
		rx->in.bcast = true;
		return true;
	}
	/* RFC 6890: neither 0/8 nor :: is anybody. */
	if (addr_is_any(dst) || (dst->family == 4 && dst->b[0] == 0))
		return false;
	return rx->nic->cfg.caps & NST_CAP_ANYCAST_IN;
}

bool ip_accept(struct ip_layer *ip, struct ip_rx *rx)
{
	struct nst_counters *c = &ip->st->count;
	bool v6 = rx->in.dst.family == 6;

	if (!classify(ip, rx)) {
		if (v6)
			c->Ip6InAddrErrors++;
		else
			c->IpInAddrErrors++;
		/* We are a host: RFC 1122 3.2.1.3, no forwarding. */
		if (!rx->in.mcast)
			c->IpForwDisabled++;
		return false;
	}
	if (!source_ok(ip, rx)) {
		c->IpInMartians++;
		return false;
	}
	return true;
}

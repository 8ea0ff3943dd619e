/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Neighbour discovery, RFC 4861: solicitations and advertisements. Router
 * advertisements and redirects are counted and ignored (a later matter), as is
 * duplicate address detection beyond answering that of others.
 */
#include "netstack/ip/icmp.h"
#include "netstack/ip/ip_priv.h"
#include "netstack/ip/neigh.h"

/* Builds and sends NS or NA. */
static void nd_send(struct ip_layer *ip, struct nic *nic, uint8_t type,
		    const struct nd_repr *nd, const struct nst_addr *src,
		    const struct nst_addr *dst)
{
	struct ip_path path = {.src = *src, .dst = *dst, .next_hop = *dst};
	struct ip_out o = {
	    .proto = IP_PROTO_ICMP6, .ttl = 255, .no_mc_loop = true};
	struct nst_pkt *pkt;
	uint32_t n;

	path.ifindex = nic->ifindex;
	path.mtu = nic->cfg.mtu;
	path.mcast = addr_is_mcast(dst);
	pkt = nst_pkt_new(ip->st->env, NST_PKT_HEADROOM, ND_BYTES_LL);
	if (!pkt) {
		ip->st->count.PktNoMemory++;
		return;
	}
	n = nd_emit(nd, type, nst_pkt_put(pkt, ND_BYTES_LL));
	nst_pkt_trim(pkt, n);
	pkt->l4_off = (uint16_t)pkt->off;
	icmp_csum(&path, pkt);
	ip->st->count.Icmp6OutMsgs++;
	(void)!ip_send(ip->st, &path, &o, pkt);
}

void ndp_solicit(struct ip_layer *ip, struct nic *nic,
		 const struct nst_addr *target, const struct nst_addr *src,
		 const uint8_t mac[6])
{
	struct nd_repr nd = {.target = *target, .has_lladdr = true};
	struct nst_addr dst = *target;

	memcpy(nd.lladdr, nic->cfg.mac, 6);
	if (addr_is_any(src))
		nd.has_lladdr = false;
	if (!mac)
		addr_solicited_node(target, &dst);
	nd_send(ip, nic, ICMP6_NS, &nd, src, &dst);
}

static void na_answer(struct ip_layer *ip, struct nic *nic,
		      const struct nst_addr *target,
		      const struct nst_addr *asker)
{
	struct nd_repr nd = {.target = *target, .has_lladdr = true};
	struct nst_addr dst = *asker;

	memcpy(nd.lladdr, nic->cfg.mac, 6);
	nd.flags = ND_FLAG_OVERRIDE | ND_FLAG_SOLICITED;
	if (addr_is_any(asker)) {
		/* RFC 4861 7.2.4: to all nodes, not solicited. */
		static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};

		addr6_set(&dst, all_nodes);
		nd.flags = ND_FLAG_OVERRIDE;
	}
	nd_send(ip, nic, ICMP6_NA, &nd, target, &dst);
}

/* RFC 4861 7.1.1 */
static bool ns_valid(const struct ip_rx *rx, const struct nd_repr *nd)
{
	struct nst_addr group;

	if (addr_is_mcast(&nd->target))
		return false;
	if (!addr_is_any(&rx->in.src))
		return true;
	addr_solicited_node(&nd->target, &group);
	return addr_same(&rx->in.dst, &group) && !nd->has_lladdr;
}

static void ns_in(struct ip_layer *ip, const struct ip_rx *rx,
		  struct nd_repr *nd)
{
	struct neigh_news news = {.create = true, .override = true};

	if (!ns_valid(rx, nd)) {
		ip->st->count.NdpInMalformed++;
		return;
	}
	if (addr_is_linklocal6(&nd->target))
		nd->target.scope = rx->nic->ifindex;
	if (!ifaddr_find(ip, &nd->target, rx->nic->ifindex)) {
		ip->st->count.NdpInIgnored++;
		return;
	}
	if (nd->has_lladdr) {
		news.mac = nd->lladdr;
		neigh_heard(ip, rx->nic, &rx->in.src, &news);
	}
	na_answer(ip, rx->nic, &nd->target, &rx->in.src);
}

static void na_in(struct ip_layer *ip, const struct ip_rx *rx,
		  struct nd_repr *nd)
{
	struct neigh_news news = {.advert = true};

	/* RFC 4861 7.1.2 */
	if (addr_is_mcast(&nd->target) ||
	    (rx->in.mcast && (nd->flags & ND_FLAG_SOLICITED))) {
		ip->st->count.NdpInMalformed++;
		return;
	}
	if (addr_is_linklocal6(&nd->target))
		nd->target.scope = rx->nic->ifindex;
	if (ifaddr_find(ip, &nd->target, rx->nic->ifindex)) {
		ip->st->count.NdpConflicts++;
		return;
	}
	news.mac = nd->has_lladdr ? nd->lladdr : NULL;
	news.solicited = nd->flags & ND_FLAG_SOLICITED;
	news.override = nd->flags & ND_FLAG_OVERRIDE;
	news.router = nd->flags & ND_FLAG_ROUTER;
	neigh_heard(ip, rx->nic, &nd->target, &news);
}

void ndp_in(struct ip_layer *ip, const struct ip_rx *rx, const uint8_t *p,
	    uint32_t bytes)
{
	struct nst_counters *c = &ip->st->count;
	uint8_t type = p[0];
	struct nd_repr nd;

	/* 255 proves that no router passed it on: RFC 4861 3.1. */
	if (rx->in.ttl != 255) {
		c->NdpInHopLimit++;
		return;
	}
	if (type != ICMP6_NS && type != ICMP6_NA) {
		c->NdpInIgnored++;
		return;
	}
	/* RFC 6980: never fragmented. */
	if (p[1] != 0 || rx->fragged || rx->loop ||
	    rx->nic->cfg.kind != NST_LINK_ETHER ||
	    !nd_parse(p, bytes, type, &nd) ||
	    (nd.has_lladdr && (nd.lladdr[0] & 1))) {
		c->NdpInMalformed++;
		return;
	}
	if (type == ICMP6_NS)
		ns_in(ip, rx, &nd);
	else
		na_in(ip, rx, &nd);
}

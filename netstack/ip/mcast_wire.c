/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IGMPv2 and MLDv1 messages. Both travel with hop limit 1 and a router alert
 * option (RFC 2113, RFC 2711), so their packets are built here whole.
 */
#include "netstack/ip/mcast.h"
#include "netstack/ip/icmp.h"
#include "netstack/ip/nic.h"

#define IGMP_QUERY 0x11
#define IGMP_REPORT1 0x12
#define IGMP_REPORT2 0x16
#define IGMP_LEAVE 0x17
#define IGMP_BYTES 8
#define IGMP_HDR_BYTES (IP4_HDR_BYTES + 4)
#define MLD_BYTES 24
#define MLD_HDR_BYTES (IP6_HDR_BYTES + 8)

static struct nst_pkt *new_packet(struct ip_layer *ip, uint32_t bytes,
				  uint8_t **p)
{
	struct nst_pkt *pkt = nst_pkt_new(ip->st->env, NST_PKT_HEADROOM, bytes);

	*p = pkt ? nst_pkt_put(pkt, bytes) : NULL;
	if (*p)
		return pkt;
	nst_pkt_free(pkt);
	ip->st->count.PktNoMemory++;
	return NULL;
}

static void igmp_send(struct ip_layer *ip, struct nic *nic,
		      const struct nst_addr *group, uint8_t type)
{
	/* RFC 2236 3: leaves go to all routers. */
	struct nst_addr dst = {.family = 4, .b = {224, 0, 0, 2}};
	const struct nst_ifaddr *e = ifaddr_select4(ip, nic->ifindex, group);
	struct ip4_repr h = {.ttl = 1, .tos = 0xc0, .proto = IP_PROTO_IGMP};
	struct nst_pkt *pkt;
	uint8_t *p;

	pkt = new_packet(ip, IGMP_HDR_BYTES + IGMP_BYTES, &p);
	if (!pkt)
		return;
	if (type != IGMP_LEAVE)
		dst = *group;
	h.src = e && e->ifindex == nic->ifindex ? e->addr : addr_any(4);
	h.dst = dst;
	h.df = true;
	h.total_bytes = IGMP_HDR_BYTES + IGMP_BYTES;
	ip4_emit(&h, p);
	p[0] = 0x46;
	wire_put32(p + IP4_HDR_BYTES, 0x94040000u);
	ip4_fix_csum(p, IGMP_HDR_BYTES);
	p += IGMP_HDR_BYTES;
	p[0] = type;
	p[1] = 0;
	wire_put16(p + 2, 0);
	memcpy(p + 4, group->b, 4);
	wire_put_csum(p + 2, nst_csum_add(0, p, IGMP_BYTES));
	ip->st->count.IpOutRequests++;
	ip_tx(ip, nic, &dst, pkt);
}

static void mld_send(struct ip_layer *ip, struct nic *nic,
		     const struct nst_addr *group, uint8_t type)
{
	static const uint8_t alert[8] = {IP_PROTO_ICMP6, 0, 5, 2, 0, 0, 1, 0};
	static const uint8_t routers[16] = {0xff, 2, [15] = 2};
	const struct nst_ifaddr *e = ifaddr_linklocal(ip, nic->ifindex);
	struct ip6_repr h = {.hops = 1, .next = IP6_EXT_HOPOPTS};
	struct nst_pkt *pkt;
	uint16_t sum;
	uint8_t *p;

	pkt = new_packet(ip, MLD_HDR_BYTES + MLD_BYTES, &p);
	if (!pkt)
		return;
	h.src = e ? e->addr : addr_any(6);
	h.dst = *group;
	if (type == ICMP6_MLD_DONE)
		addr6_set(&h.dst, routers);
	h.payload_bytes = 8 + MLD_BYTES;
	ip6_emit(&h, p);
	memcpy(p + IP6_HDR_BYTES, alert, sizeof(alert));
	p += MLD_HDR_BYTES;
	memset(p, 0, 8);
	p[0] = type;
	memcpy(p + 8, group->b, 16);
	sum = ip_pseudo_sum(&h.src, &h.dst, IP_PROTO_ICMP6, MLD_BYTES);
	wire_put_csum(p + 2, nst_csum_add(sum, p, MLD_BYTES));
	ip->st->count.Ip6OutRequests++;
	ip->st->count.Icmp6OutMsgs++;
	ip_tx(ip, nic, &h.dst, pkt);
}

void mcast_send(struct ip_layer *ip, struct nic *nic,
		const struct nst_addr *group, enum mcast_msg msg)
{
	bool leave = msg == MCAST_LEAVE;

	if (group->family == 4)
		igmp_send(ip, nic, group, leave ? IGMP_LEAVE : IGMP_REPORT2);
	else
		mld_send(ip, nic, group,
			 leave ? ICMP6_MLD_DONE : ICMP6_MLD_REPORT);
}

static void igmp_dispatch(struct ip_layer *ip, const struct ip_rx *rx,
			  const uint8_t *p)
{
	struct nst_addr group;
	nst_time max;

	addr4_set(&group, p + 4);
	switch (p[0]) {
	case IGMP_QUERY:
		/* Tenths of a second; 0 is version 1: RFC 2236 4. */
		max = p[1] ? p[1] * (NST_SEC / 10) : 10 * NST_SEC;
		mcast_query(ip, rx->nic->ifindex, &group, max);
		return;
	case IGMP_REPORT1:
	case IGMP_REPORT2:
		mcast_other_report(ip, rx->nic->ifindex, &group);
		return;
	default:
		ip->st->count.IcmpInIgnored++;
	}
}

void igmp_in(struct ip_layer *ip, struct ip_rx *rx, struct nst_pkt *pkt)
{
	uint32_t bytes = nst_pkt_bytes(pkt);

	if (bytes < IGMP_BYTES || !nst_pkt_linear(pkt, bytes) ||
	    !ip_l4_csum_ok(pkt, &rx->in)) {
		nic_rx_drop(rx->nic, pkt, &ip->st->count.McastInMalformed);
		return;
	}
	if (!rx->loop)
		igmp_dispatch(ip, rx, nst_pkt_data(pkt));
	nst_pkt_free(pkt);
}

void mld_in(struct ip_layer *ip, const struct ip_rx *rx, const uint8_t *p,
	    uint32_t bytes)
{
	struct nst_addr group;

	/* RFC 2710 3: from a link-local address, one hop. */
	if (bytes < MLD_BYTES || rx->in.ttl != 1 ||
	    (!addr_is_linklocal6(&rx->in.src) && !addr_is_any(&rx->in.src))) {
		ip->st->count.McastInMalformed++;
		return;
	}
	if (rx->loop)
		return;
	addr6_set(&group, p + 8);
	if (p[0] == ICMP6_MLD_QUERY)
		mcast_query(ip, rx->nic->ifindex, &group,
			    wire_get16(p + 4) * NST_MS);
	else if (p[0] == ICMP6_MLD_REPORT)
		mcast_other_report(ip, rx->nic->ifindex, &group);
}

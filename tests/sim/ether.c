/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hosts on Ethernet, each on a segment of its own with a router that has every
 * other address: it answers ARP and neighbour solicitations after a while, asks
 * for groups at times, and hears reports. Between segments packets go without a
 * link header, as they always do here.
 */
#include <string.h>

#include "netstack/ip/wire.h"
#include "tests/sim/sim_priv.h"

#define ND_NA_BYTES 32 /* with one link-layer address option */
#define MLD_BYTES 24
#define IGMP_BYTES 8
#define PROTO_IGMP 2
#define PROTO_ICMP6 58
#define HOP_BY_HOP_BYTES 8
#define QUERY_WAIT 2 /* seconds in which reports may come */

static const uint8_t router_mac[6] = {2, 0, 0, 0, 0xff, 1};

void ether_mac(const struct sim_host *h, uint8_t mac[6])
{
	const uint8_t own[6] = {2, 0, 0, 0, 0, (uint8_t)(h->i + 1)};

	memcpy(mac, own, 6);
}

bool ether_init(struct sim_host *h)
{
	struct sim *s = h->sim;
	nst_time half = s->conf.ether_answer / 2;
	struct netem_conf c = {.seed = s->conf.seed * 7919 + h->i,
			       .delay = half + NST_US,
			       .jitter = half};

	h->query_at = NST_NEVER;
	if (!s->conf.ether)
		return true;
	if (s->conf.ether_query)
		h->query_at = s->now + s->conf.ether_query;
	return !netem_new(&s->net.env, &c, ETH_HDR_BYTES, s->now, &h->answers);
}

/* ---- what the router says ---- */

/* A frame for the host, or for a group; *p: behind its header. */
static struct nst_pkt *frame(const struct sim_host *h, const uint8_t *group,
			     uint16_t type, uint32_t bytes, uint8_t **p)
{
	struct nst_pkt *pkt =
	    nst_pkt_new(&h->sim->net.env, 0, ETH_HDR_BYTES + bytes);
	struct eth_repr e = {.type = type};

	if (!pkt)
		return NULL;
	ether_mac(h, e.dst);
	if (group)
		memcpy(e.dst, group, 6);
	memcpy(e.src, router_mac, 6);
	*p = nst_pkt_put(pkt, ETH_HDR_BYTES + bytes);
	eth_emit(&e, *p);
	memset(*p + ETH_HDR_BYTES, 0, bytes);
	*p += ETH_HDR_BYTES;
	return pkt;
}

static void say(struct sim_host *h, struct nst_pkt *pkt)
{
	netem_in(h->answers, pkt, h->sim->now);
}

static void answer_arp(struct sim_host *h, const uint8_t *arp, uint32_t bytes)
{
	struct arp_repr q, r = {.op = ARP_REPLY};
	struct nst_pkt *pkt;
	uint8_t *p;

	if (!arp_parse(arp, bytes, &q) || q.op != ARP_REQUEST)
		return;
	r.spa = q.tpa;
	r.tpa = q.spa;
	memcpy(r.sha, router_mac, 6);
	ether_mac(h, r.tha);
	pkt = frame(h, NULL, ETH_TYPE_ARP, ARP_BYTES, &p);
	if (!pkt)
		return;
	arp_emit(&r, p);
	say(h, pkt);
}

/* RFC 4443, 2.3: over a pseudo header as well. */
static void icmp6_sum(const struct ip6_repr *ip, uint8_t *p, uint32_t bytes)
{
	uint8_t pseudo[8] = {0, 0, 0, (uint8_t)bytes, 0, 0, 0, PROTO_ICMP6};
	uint16_t sum = nst_csum_add(0, ip->src.b, 16);

	sum = nst_csum_add(sum, ip->dst.b, 16);
	sum = nst_csum_add(sum, pseudo, sizeof(pseudo));
	wire_put_csum(p + 2, nst_csum_add(sum, p, bytes));
}

/* RFC 4861, 4.4. A probe may be to the router alone. */
static void answer_nd(struct sim_host *h, const uint8_t *ns, uint32_t bytes)
{
	static const uint8_t option[2] = {2, 1};
	struct ip6_repr q, r = {.next = PROTO_ICMP6, .hops = 255};
	struct nst_pkt *pkt;
	uint8_t *p;

	if (!ip6_parse(ns, bytes, &q) || bytes < IP6_HDR_BYTES + 24)
		return;
	r.src = q.src;
	memcpy(r.src.b, ns + IP6_HDR_BYTES + 8, 16); /* the target */
	r.dst = q.src;
	r.payload_bytes = ND_NA_BYTES;
	pkt = frame(h, NULL, ETH_TYPE_IP6, IP6_HDR_BYTES + ND_NA_BYTES, &p);
	if (!pkt)
		return;
	ip6_emit(&r, p);
	p += IP6_HDR_BYTES;
	p[0] = ICMP6_NA;
	p[4] = 0x60; /* solicited, override */
	memcpy(p + 8, r.src.b, 16);
	memcpy(p + 24, option, 2);
	memcpy(p + 26, router_mac, 6);
	icmp6_sum(&r, p, ND_NA_BYTES);
	say(h, pkt);
}

/* RFC 2710, section 3, behind a router alert (RFC 2711). */
static void query_mld(struct sim_host *h)
{
	static const uint8_t all_nodes[6] = {0x33, 0x33, 0, 0, 0, 1};
	static const uint8_t alert[HOP_BY_HOP_BYTES] = {PROTO_ICMP6, 0, 5, 2,
							0,           0, 1, 0};
	struct ip6_repr r = {.next = IP6_EXT_HOPOPTS, .hops = 1};
	struct nst_pkt *pkt;
	uint8_t *p;

	r.src = test_addr("fe80::1");
	r.dst = test_addr("ff02::1");
	r.payload_bytes = HOP_BY_HOP_BYTES + MLD_BYTES;
	pkt = frame(h, all_nodes, ETH_TYPE_IP6, IP6_HDR_BYTES + r.payload_bytes,
		    &p);
	if (!pkt)
		return;
	ip6_emit(&r, p);
	memcpy(p + IP6_HDR_BYTES, alert, HOP_BY_HOP_BYTES);
	p += IP6_HDR_BYTES + HOP_BY_HOP_BYTES;
	p[0] = ICMP6_MLD_QUERY;
	wire_put16(p + 4, QUERY_WAIT * 1000);
	icmp6_sum(&r, p, MLD_BYTES);
	say(h, pkt);
}

/* RFC 2236, section 2. */
static void query_igmp(struct sim_host *h)
{
	static const uint8_t all_hosts[6] = {1, 0, 0x5e, 0, 0, 1};
	struct ip4_repr r = {.proto = PROTO_IGMP, .ttl = 1};
	struct nst_pkt *pkt;
	uint8_t *p;

	r.src = test_addr("10.0.0.254");
	r.dst = test_addr("224.0.0.1");
	r.total_bytes = IP4_HDR_BYTES + IGMP_BYTES;
	pkt = frame(h, all_hosts, ETH_TYPE_IP4, r.total_bytes, &p);
	if (!pkt)
		return;
	ip4_emit(&r, p);
	p += IP4_HDR_BYTES;
	p[0] = 0x11;
	p[1] = QUERY_WAIT * 10;
	wire_put_csum(p + 2, nst_csum_add(0, p, IGMP_BYTES));
	say(h, pkt);
}

void ether_run(struct sim_host *h)
{
	if (h->query_at > h->sim->now)
		return;
	h->query_at = h->sim->now + h->sim->conf.ether_query;
	if (h->sim->conf.family == 4)
		query_igmp(h);
	else
		query_mld(h);
}

/* ---- frames of packets ---- */

static bool is_solicitation(const uint8_t *ip, uint32_t bytes)
{
	return bytes > IP6_HDR_BYTES && ip[6] == PROTO_ICMP6 &&
	       ip[IP6_HDR_BYTES] == ICMP6_NS;
}

/* Reports of groups are heard, and go no further. */
static bool stays(const uint8_t *ip, uint32_t bytes, uint16_t type)
{
	if (bytes < IP4_HDR_BYTES)
		return true;
	return type == ETH_TYPE_IP4 ? ip[9] == PROTO_IGMP
				    : ip[6] == IP6_EXT_HOPOPTS;
}

bool ether_out(struct sim_host *h, struct nst_pkt *pkt)
{
	struct eth_repr e;
	uint8_t *ip;

	if (!eth_parse(nst_pkt_data(pkt), pkt->len, &e) ||
	    !nst_pkt_pull(pkt, ETH_HDR_BYTES)) {
		sim_fail(h->sim, "host %u sends no frame", h->i);
	} else {
		ip = nst_pkt_data(pkt);
		if (e.type == ETH_TYPE_ARP)
			answer_arp(h, ip, pkt->len);
		else if (is_solicitation(ip, pkt->len))
			answer_nd(h, ip, pkt->len);
		else if (!stays(ip, pkt->len, e.type))
			return true;
	}
	nst_pkt_free(pkt);
	return false;
}

/* Where a packet for this address goes (RFC 1112, 6.4; RFC 2464, 7). */
static void group_mac(const uint8_t *ip, bool v4, uint8_t mac[6])
{
	const uint8_t *dst = ip + (v4 ? 16 : 24);
	const uint8_t four[4] = {1, 0, 0x5e, dst[1] & 0x7f};
	const uint8_t six[2] = {0x33, 0x33};

	if (v4 && dst[0] >> 4 == 14) {
		memcpy(mac, four, 4);
		memcpy(mac + 4, dst + 2, 2);
	} else if (!v4 && dst[0] == 0xff) {
		memcpy(mac, six, 2);
		memcpy(mac + 2, dst + 12, 4);
	}
}

struct nst_pkt *ether_in(struct sim_host *h, struct nst_pkt *pkt)
{
	struct eth_repr e;
	struct nst_pkt *room;
	bool v4 = nst_pkt_data(pkt)[0] >> 4 == 4;
	uint8_t *p;

	ether_mac(h, e.dst);
	memcpy(e.src, router_mac, 6);
	e.type = v4 ? ETH_TYPE_IP4 : ETH_TYPE_IP6;
	if (pkt->len >= (v4 ? IP4_HDR_BYTES : IP6_HDR_BYTES))
		group_mac(nst_pkt_data(pkt), v4, e.dst);
	p = nst_pkt_push(pkt, ETH_HDR_BYTES);
	if (!p) { /* one that the simulator made */
		room =
		    nst_pkt_new(pkt->env, NST_PKT_HEADROOM, nst_pkt_bytes(pkt));
		p = room ? nst_pkt_put(room, nst_pkt_bytes(pkt)) : NULL;
		if (p)
			nst_pkt_copy(pkt, 0, p, nst_pkt_bytes(pkt));
		nst_pkt_free(pkt);
		if (!room)
			return NULL;
		pkt = room;
		p = nst_pkt_push(pkt, ETH_HDR_BYTES);
	}
	eth_emit(&e, p);
	return pkt;
}

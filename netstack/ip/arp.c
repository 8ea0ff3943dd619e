/* SPDX-License-Identifier: Apache-2.0 */
/* ARP, RFC 826: questions, answers, and what is learned from both. */
#include "netstack/ip/neigh.h"
#include "netstack/ip/nic.h"

static const uint8_t mac_bcast[6] = {255, 255, 255, 255, 255, 255};

static void arp_send(struct ip_layer *ip, struct nic *nic,
		     const struct arp_repr *r, const uint8_t mac[6])
{
	const struct nst_env *env = ip->st->env;
	struct nst_pkt *pkt = nst_pkt_new(env, NST_PKT_HEADROOM, ARP_BYTES);
	uint8_t *p = pkt ? nst_pkt_put(pkt, ARP_BYTES) : NULL;

	if (!p) {
		nst_pkt_free(pkt);
		ip->st->count.PktNoMemory++;
		return;
	}
	arp_emit(r, p);
	nic_tx(ip, nic, mac, ETH_TYPE_ARP, pkt);
}

void arp_solicit(struct ip_layer *ip, struct nic *nic,
		 const struct nst_addr *target, const struct nst_addr *src,
		 const uint8_t mac[6])
{
	struct arp_repr r = {.op = ARP_REQUEST, .spa = *src, .tpa = *target};

	memcpy(r.sha, nic->cfg.mac, 6);
	if (mac)
		memcpy(r.tha, mac, 6);
	arp_send(ip, nic, &r, mac ? mac : mac_bcast);
}

static void arp_reply(struct ip_layer *ip, struct nic *nic,
		      const struct arp_repr *q)
{
	struct arp_repr r = {.op = ARP_REPLY, .spa = q->tpa, .tpa = q->spa};

	memcpy(r.sha, nic->cfg.mac, 6);
	memcpy(r.tha, q->sha, 6);
	arp_send(ip, nic, &r, q->sha);
}

/* Is it something an honest sender may say? */
static bool arp_sane(const struct arp_repr *r)
{
	if (r->op != ARP_REQUEST && r->op != ARP_REPLY)
		return false;
	if (addr_is_mcast(&r->spa) || addr_is_bcast4(&r->spa) ||
	    addr_is_loopback(&r->spa))
		return false;
	if (addr_is_mcast(&r->tpa) || addr_is_loopback(&r->tpa))
		return false;
	return !(r->sha[0] & 1);
}

/* LINUX: an entry is made only for who speaks to us; anybody's change of
 * address is believed for an entry that exists (RFC 826's merge flag). */
static void arp_learn(struct ip_layer *ip, struct nic *nic,
		      const struct arp_repr *r, bool to_us, bool l2_bcast)
{
	struct neigh_news news = {.mac = r->sha, .override = true};

	if (addr_is_any(&r->spa))
		return; /* a probe, RFC 5227 2.1.1 */
	news.create = to_us && r->op == ARP_REQUEST;
	news.solicited = to_us && r->op == ARP_REPLY && !l2_bcast;
	neigh_heard(ip, nic, &r->spa, &news);
}

void arp_in(struct ip_layer *ip, struct nic *nic, struct nst_pkt *pkt)
{
	struct nst_counters *c = &ip->st->count;
	struct arp_repr r;
	bool to_us;

	if (!nst_pkt_linear(pkt, ARP_BYTES) ||
	    !arp_parse(nst_pkt_data(pkt), pkt->len, &r) || !arp_sane(&r)) {
		nic_rx_drop(nic, pkt, &c->ArpInMalformed);
		return;
	}
	if (!addr_is_any(&r.spa) && ifaddr_find(ip, &r.spa, 0)) {
		/* Somebody uses our address, or our own frame came back. */
		if (memcmp(r.sha, nic->cfg.mac, 6) != 0)
			c->ArpConflicts++;
		nst_pkt_free(pkt);
		return;
	}
	to_us = ifaddr_find(ip, &r.tpa, 0) != NULL;
	arp_learn(ip, nic, &r, to_us, pkt->l2_bcast);
	if (to_us && r.op == ARP_REQUEST)
		arp_reply(ip, nic, &r);
	nst_pkt_free(pkt);
}

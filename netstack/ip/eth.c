/* SPDX-License-Identifier: Apache-2.0 */
#include "netstack/ip/ip_priv.h"
#include "netstack/ip/nic.h"

static bool for_us(const struct nic *nic, const struct eth_repr *eth)
{
	return (eth->dst[0] & 1) || !memcmp(eth->dst, nic->cfg.mac, 6);
}

void eth_in(struct ip_layer *ip, struct nic *nic, struct nst_pkt *pkt)
{
	struct nst_counters *c = &ip->st->count;
	struct eth_repr eth;

	if (!nst_pkt_linear(pkt, ETH_HDR_BYTES) ||
	    !eth_parse(nst_pkt_data(pkt), pkt->len, &eth) ||
	    !nst_pkt_pull(pkt, ETH_HDR_BYTES)) {
		nic_rx_drop(nic, pkt, &c->LinkRxMalformed);
		return;
	}
	/* No station may send from a group address, IEEE 802.3 3.2.3. */
	if (eth.src[0] & 1) {
		nic_rx_drop(nic, pkt, &c->LinkRxMalformed);
		return;
	}
	if (!for_us(nic, &eth)) {
		nic_rx_drop(nic, pkt, &c->LinkRxNotForUs);
		return;
	}
	pkt->l2_bcast = eth.dst[0] & 1;
	switch (eth.type) {
	case ETH_TYPE_IP4:
		ip4_in(ip, nic, pkt, false);
		return;
	case ETH_TYPE_IP6:
		ip6_in(ip, nic, pkt, false);
		return;
	case ETH_TYPE_ARP:
		arp_in(ip, nic, pkt);
		return;
	default:
		nic_rx_drop(nic, pkt, &c->LinkRxUnknownProto);
	}
}

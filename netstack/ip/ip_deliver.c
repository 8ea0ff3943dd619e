/* SPDX-License-Identifier: Apache-2.0 */
/* The last step of input: raw sockets, then the transport. */
#include "netstack/ip/icmp.h"
#include "netstack/ip/ip_priv.h"
#include "netstack/ip/mcast.h"
#include "netstack/ip/nic.h"

/* RFC 1122 3.2.2.1, RFC 4443 3.4 code 1. */
static void unknown_proto(struct ip_layer *ip, struct ip_rx *rx,
			  struct nst_pkt *pkt)
{
	struct nst_counters *c = &ip->st->count;
	struct icmp_what what = {ICMP4_UNREACH, ICMP4_CODE_PROTO, 0};

	if (rx->in.dst.family == 6)
		what = (struct icmp_what){ICMP6_PARAM, 1, rx->next_ptr};
	icmp_error_about(ip, &what, rx, pkt, rx->in.hdr_bytes);
	nic_rx_drop(rx->nic, pkt,
		    rx->in.dst.family == 6 ? &c->Ip6InUnknownProtos
					   : &c->IpInUnknownProtos);
}

/* A protocol of one family only; true when it was one. */
static bool family_proto(struct ip_layer *ip, struct ip_rx *rx,
			 struct nst_pkt *pkt)
{
	bool v6 = rx->in.dst.family == 6;

	if (!v6 && rx->in.proto == IP_PROTO_ICMP)
		icmp4_in(ip, rx, pkt);
	else if (v6 && rx->in.proto == IP_PROTO_ICMP6)
		icmp6_in(ip, rx, pkt);
	else if (!v6 && rx->in.proto == IP_PROTO_IGMP)
		igmp_in(ip, rx, pkt);
	else
		return false;
	return true;
}

static void count_deliver(struct ip_layer *ip, const struct ip_rx *rx)
{
	if (rx->in.dst.family == 6)
		ip->st->count.Ip6InDelivers++;
	else
		ip->st->count.IpInDelivers++;
}

void ip_deliver(struct ip_layer *ip, struct ip_rx *rx, struct nst_pkt *pkt)
{
	struct nst_stack *st = ip->st;
	bool raw;

	rx->in.l4_bytes = nst_pkt_bytes(pkt) - rx->in.hdr_bytes;
	pkt->l3_off = (uint16_t)pkt->off;
	if (!nst_pkt_linear(pkt, rx->in.hdr_bytes) ||
	    !nst_pkt_pull(pkt, rx->in.hdr_bytes)) {
		nic_rx_drop(rx->nic, pkt, &st->count.IpInDiscards);
		return;
	}
	pkt->l4_off = (uint16_t)pkt->off;
	raw = raw_in(st, pkt, &rx->in);
	if (rx->in.proto == IP_PROTO_TCP || rx->in.proto == IP_PROTO_UDP)
		count_deliver(ip, rx);
	if (rx->in.proto == IP_PROTO_TCP) {
		tcp_in(st, pkt, &rx->in);
		return;
	}
	if (rx->in.proto == IP_PROTO_UDP) {
		udp_in(st, pkt, &rx->in);
		return;
	}
	if (family_proto(ip, rx, pkt)) {
		count_deliver(ip, rx);
		return;
	}
	if (raw || rx->in.proto == IP6_EXT_NONE) {
		count_deliver(ip, rx);
		nst_pkt_free(pkt);
		return;
	}
	unknown_proto(ip, rx, pkt);
}

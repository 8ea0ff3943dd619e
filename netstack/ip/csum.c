/* SPDX-License-Identifier: Apache-2.0 */
/* Sums over addresses and whole packets (RFC 1071, RFC 8200 8.1). */
#include "netstack/ip/ip_priv.h"

uint16_t ip_pseudo_sum(const struct nst_addr *src, const struct nst_addr *dst,
		       uint8_t proto, uint32_t l4_bytes)
{
	size_t n = addr_bytes(dst);
	uint8_t tail[8] = {[7] = proto};
	uint16_t sum;

	wire_put32(tail, l4_bytes);
	sum = nst_csum_add(0, src->b, n);
	sum = nst_csum_add(sum, dst->b, n);
	return nst_csum_add(sum, tail, sizeof(tail));
}

uint16_t ip_csum_pkt(uint16_t sum, const struct nst_pkt *pkt)
{
	return nst_pkt_sum(pkt, 0, nst_pkt_bytes(pkt), sum);
}

bool ip_l4_csum_ok(const struct nst_pkt *pkt, const struct ip_in *in)
{
	uint16_t sum = 0;

	if (pkt->csum != NST_CSUM_NONE)
		return true;
	if (in->proto != IP_PROTO_ICMP && in->proto != IP_PROTO_IGMP)
		sum =
		    ip_pseudo_sum(&in->src, &in->dst, in->proto, in->l4_bytes);
	return ip_csum_pkt(sum, pkt) == 0xffff;
}

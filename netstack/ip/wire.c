/* SPDX-License-Identifier: Apache-2.0 */
#include "netstack/ip/wire.h"

void addr4_set(struct nst_addr *a, const uint8_t b[4])
{
	memset(a, 0, sizeof(*a));
	a->family = 4;
	memcpy(a->b, b, 4);
}

void addr6_set(struct nst_addr *a, const uint8_t b[16])
{
	memset(a, 0, sizeof(*a));
	a->family = 6;
	memcpy(a->b, b, 16);
}

bool eth_parse(const uint8_t *p, size_t bytes, struct eth_repr *out)
{
	if (bytes < ETH_HDR_BYTES)
		return false;
	memcpy(out->dst, p, 6);
	memcpy(out->src, p + 6, 6);
	out->type = wire_get16(p + 12);
	return true;
}

void eth_emit(const struct eth_repr *r, uint8_t p[ETH_HDR_BYTES])
{
	memcpy(p, r->dst, 6);
	memcpy(p + 6, r->src, 6);
	wire_put16(p + 12, r->type);
}

bool arp_parse(const uint8_t *p, size_t bytes, struct arp_repr *out)
{
	if (bytes < ARP_BYTES)
		return false;
	if (wire_get16(p) != 1 || wire_get16(p + 2) != ETH_TYPE_IP4 ||
	    p[4] != 6 || p[5] != 4)
		return false;
	out->op = wire_get16(p + 6);
	memcpy(out->sha, p + 8, 6);
	addr4_set(&out->spa, p + 14);
	memcpy(out->tha, p + 18, 6);
	addr4_set(&out->tpa, p + 24);
	return true;
}

void arp_emit(const struct arp_repr *r, uint8_t p[ARP_BYTES])
{
	wire_put16(p, 1);
	wire_put16(p + 2, ETH_TYPE_IP4);
	p[4] = 6;
	p[5] = 4;
	wire_put16(p + 6, r->op);
	memcpy(p + 8, r->sha, 6);
	memcpy(p + 14, r->spa.b, 4);
	memcpy(p + 18, r->tha, 6);
	memcpy(p + 24, r->tpa.b, 4);
}

bool ip4_parse(const uint8_t *p, size_t bytes, struct ip4_repr *out)
{
	uint16_t off;

	if (bytes < IP4_HDR_BYTES || p[0] >> 4 != 4)
		return false;
	out->hdr_bytes = (uint8_t)((p[0] & 15) * 4);
	out->total_bytes = wire_get16(p + 2);
	if (out->hdr_bytes < IP4_HDR_BYTES || out->total_bytes < out->hdr_bytes)
		return false;
	out->tos = p[1];
	out->id = wire_get16(p + 4);
	off = wire_get16(p + 6);
	out->df = off & 0x4000;
	out->mf = off & 0x2000;
	out->frag_off = (uint16_t)((off & 0x1fff) * 8);
	out->ttl = p[8];
	out->proto = p[9];
	addr4_set(&out->src, p + 12);
	addr4_set(&out->dst, p + 16);
	return true;
}

void ip4_fix_csum(uint8_t *p, uint32_t hdr_bytes)
{
	p[10] = 0;
	p[11] = 0;
	wire_put_csum(p + 10, nst_csum_add(0, p, hdr_bytes));
}

bool ip4_csum_ok(const uint8_t *p, uint32_t hdr_bytes)
{
	return nst_csum_add(0, p, hdr_bytes) == 0xffff;
}

void ip4_emit(const struct ip4_repr *r, uint8_t p[IP4_HDR_BYTES])
{
	p[0] = 0x45;
	p[1] = r->tos;
	wire_put16(p + 2, r->total_bytes);
	wire_put16(p + 4, r->id);
	wire_put16(p + 6, (r->df ? 0x4000u : 0u) | (r->mf ? 0x2000u : 0u) |
			      (uint32_t)(r->frag_off / 8));
	p[8] = r->ttl;
	p[9] = r->proto;
	memcpy(p + 12, r->src.b, 4);
	memcpy(p + 16, r->dst.b, 4);
	ip4_fix_csum(p, IP4_HDR_BYTES);
}

bool ip6_parse(const uint8_t *p, size_t bytes, struct ip6_repr *out)
{
	uint32_t w;

	if (bytes < IP6_HDR_BYTES || p[0] >> 4 != 6)
		return false;
	w = wire_get32(p);
	out->tclass = (uint8_t)(w >> 20);
	out->flow_label = w & 0xfffff;
	out->payload_bytes = wire_get16(p + 4);
	out->next = p[6];
	out->hops = p[7];
	addr6_set(&out->src, p + 8);
	addr6_set(&out->dst, p + 24);
	return true;
}

void ip6_emit(const struct ip6_repr *r, uint8_t p[IP6_HDR_BYTES])
{
	wire_put32(p, 6u << 28 | (uint32_t)r->tclass << 20 |
			  (r->flow_label & 0xfffff));
	wire_put16(p + 4, r->payload_bytes);
	p[6] = r->next;
	p[7] = r->hops;
	memcpy(p + 8, r->src.b, 16);
	memcpy(p + 24, r->dst.b, 16);
}

bool ip6_frag_parse(const uint8_t *p, size_t bytes, struct ip6_frag_repr *out)
{
	uint16_t off;

	if (bytes < IP6_FRAG_BYTES)
		return false;
	off = wire_get16(p + 2);
	out->next = p[0];
	out->off = (uint16_t)(off & 0xfff8);
	out->more = off & 1;
	out->id = wire_get32(p + 4);
	return true;
}

void ip6_frag_emit(const struct ip6_frag_repr *r, uint8_t p[IP6_FRAG_BYTES])
{
	p[0] = r->next;
	p[1] = 0;
	wire_put16(p + 2, (r->off & 0xfff8u) | (r->more ? 1u : 0u));
	wire_put32(p + 4, r->id);
}

bool icmp_parse(const uint8_t *p, size_t bytes, struct icmp_repr *out)
{
	if (bytes < ICMP_HDR_BYTES)
		return false;
	out->type = p[0];
	out->code = p[1];
	out->rest = wire_get32(p + 4);
	return true;
}

void icmp_emit(const struct icmp_repr *r, uint8_t p[ICMP_HDR_BYTES])
{
	p[0] = r->type;
	p[1] = r->code;
	p[2] = 0;
	p[3] = 0;
	wire_put32(p + 4, r->rest);
}

/* Walks the options; false when one is malformed. */
static bool nd_parse_opts(const uint8_t *p, size_t bytes, uint8_t want,
			  struct nd_repr *out)
{
	while (bytes) {
		size_t len;

		if (bytes < 8 || p[1] == 0)
			return false;
		len = (size_t)p[1] * 8;
		if (len > bytes)
			return false;
		if (p[0] == want && p[1] == 1) {
			out->has_lladdr = true;
			memcpy(out->lladdr, p + 2, 6);
		}
		p += len;
		bytes -= len;
	}
	return true;
}

bool nd_parse(const uint8_t *p, size_t bytes, uint8_t type, struct nd_repr *out)
{
	memset(out, 0, sizeof(*out));
	if (bytes < ND_BYTES)
		return false;
	out->flags = wire_get32(p + 4);
	addr6_set(&out->target, p + 8);
	return nd_parse_opts(
	    p + ND_BYTES, bytes - ND_BYTES,
	    type == ICMP6_NS ? ND_OPT_SRC_LLADDR : ND_OPT_DST_LLADDR, out);
}

uint32_t nd_emit(const struct nd_repr *r, uint8_t type, uint8_t p[ND_BYTES_LL])
{
	struct icmp_repr h = {.type = type, .rest = r->flags};

	icmp_emit(&h, p);
	memcpy(p + 8, r->target.b, 16);
	if (!r->has_lladdr)
		return ND_BYTES;
	p[24] = type == ICMP6_NS ? ND_OPT_SRC_LLADDR : ND_OPT_DST_LLADDR;
	p[25] = 1;
	memcpy(p + 26, r->lladdr, 6);
	return ND_BYTES_LL;
}

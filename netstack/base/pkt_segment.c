/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segmentation at the edge: a super-segment becomes packets that fit the
 * link, as a NIC with TSO would cut it. The first packet keeps CWR (RFC 3168
 * 6.1.2: it answers once), the last keeps FIN and PSH.
 */
#include "netstack/base/mem.h"
#include "netstack/nst_pkt.h"

#define TCP_CWR 0x80
#define TCP_FIN_PSH 0x09
#define IP4_HEADER 20
#define IP6_HEADER 40
#define TCP_HEADER 20
#define UDP_HEADER 8

/* The super-segment's shape, taken from its headers. */
struct cut {
	const struct nst_pkt *from;
	const uint8_t *ip; /* start of the headers */
	uint32_t l4;       /* offset of the transport header from ip */
	uint32_t headers;  /* all of them, bytes */
	uint32_t payload;  /* of the whole */
	bool v4, tcp;
};

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

/* False: the headers do not make sense, or are not linear. */
static bool cut_parse(struct cut *c, const struct nst_pkt *pkt)
{
	uint32_t l4_header;

	*c = (struct cut){.from = pkt, .ip = nst_pkt_data(pkt)};
	c->v4 = pkt->len && c->ip[0] >> 4 == 4;
	c->tcp = pkt->gso != NST_GSO_UDP;
	if (pkt->l4_off < pkt->off || !pkt->gso_size)
		return false;
	c->l4 = (uint32_t)pkt->l4_off - pkt->off;
	if (c->l4 < (c->v4 ? IP4_HEADER : IP6_HEADER))
		return false;
	if (c->l4 + (c->tcp ? TCP_HEADER : UDP_HEADER) > pkt->len)
		return false;
	l4_header =
	    c->tcp ? (uint32_t)(c->ip[c->l4 + 12] >> 4) * 4 : UDP_HEADER;
	c->headers = c->l4 + l4_header;
	if (c->tcp && l4_header < TCP_HEADER)
		return false;
	if (c->headers > pkt->len)
		return false;
	c->payload = nst_pkt_bytes(pkt) - c->headers;
	return true;
}

/* Lengths, identification and header checksum of one segment's IP header. */
static void fix_ip(const struct cut *c, uint8_t *ip, uint32_t index,
		   uint32_t bytes)
{
	if (!c->v4) {
		put16(ip + 4, bytes - IP6_HEADER);
		return;
	}
	put16(ip + 2, bytes);
	put16(ip + 4, get16(ip + 4) + index);
	put16(ip + 10, 0);
	put16(ip + 10, (uint16_t)~nst_csum_add(0, ip, (ip[0] & 0xf) * 4u));
}

static uint16_t pseudo(const struct cut *c, const uint8_t *ip,
		       uint32_t l4_bytes)
{
	uint32_t proto = c->tcp ? 6 : 17;
	uint8_t rest[4];

	put16(rest, proto);
	put16(rest + 2, l4_bytes);
	if (c->v4)
		return nst_csum_add(nst_csum_add(0, ip + 12, 8), rest, 4);
	return nst_csum_add(nst_csum_add(0, ip + 8, 32), rest, 4);
}

static void fix_tcp(uint8_t *tcp, uint32_t at, bool keep_cwr, bool last)
{
	put32(tcp + 4, get32(tcp + 4) + at);
	if (!keep_cwr)
		tcp[13] &= (uint8_t)~TCP_CWR;
	if (!last)
		tcp[13] &= (uint8_t)~TCP_FIN_PSH;
}

static void fix_csum(const struct cut *c, struct nst_pkt *seg, uint8_t *ip)
{
	uint8_t *field = ip + c->l4 + (c->tcp ? 16 : 6);
	uint32_t l4_bytes = nst_pkt_bytes(seg) - c->l4;
	uint16_t sum;

	/* LINUX: a UDP datagram without checksum stays so. */
	if (!c->tcp && c->from->csum != NST_CSUM_PARTIAL && !get16(field))
		return;
	put16(field, 0);
	sum = (uint16_t)~nst_pkt_sum(seg, c->l4, l4_bytes,
				     pseudo(c, ip, l4_bytes));
	if (!sum && !c->tcp)
		sum = 0xffff;
	put16(field, sum);
}

/* The segment whose payload starts at `at`. */
static struct nst_pkt *cut_one(const struct cut *c, uint32_t at)
{
	const struct nst_pkt *from = c->from;
	uint32_t left = c->payload - at, n = from->gso_size;
	struct nst_pkt *seg;
	uint8_t *ip;

	n = n < left ? n : left;
	seg = nst_pkt_new(from->env, from->off, c->headers + n);
	if (!seg)
		return NULL;
	ip = nst_pkt_put(seg, c->headers + n);
	memcpy(ip, c->ip, c->headers);
	nst_pkt_copy(from, c->headers + at, ip + c->headers, n);
	seg->l3_off = from->l3_off;
	seg->l4_off = from->l4_off;
	seg->ifindex = from->ifindex;
	seg->flow = from->flow;
	seg->when = from->when;
	seg->l2_bcast = from->l2_bcast;
	fix_ip(c, ip, at / from->gso_size, c->headers + n);
	if (c->tcp)
		fix_tcp(ip + c->l4, at, !at || c->from->gso_ace, n == left);
	else
		put16(ip + c->l4 + 4, UDP_HEADER + n);
	fix_csum(c, seg, ip);
	return seg;
}

static void free_list(struct nst_pkt *list)
{
	while (list) {
		struct nst_pkt *next = list->next;

		nst_pkt_free(list);
		list = next;
	}
}

struct nst_pkt *nst_pkt_segment(struct nst_pkt *pkt)
{
	struct nst_pkt *list = NULL, **tail = &list;
	struct cut c;

	if (pkt->gso == NST_GSO_NONE)
		return pkt;
	if (!cut_parse(&c, pkt)) {
		nst_pkt_free(pkt);
		return NULL;
	}
	for (uint32_t at = 0; at == 0 || at < c.payload; at += pkt->gso_size) {
		*tail = cut_one(&c, at);
		if (!*tail) {
			free_list(list);
			list = NULL;
			break;
		}
		tail = &(*tail)->next;
	}
	nst_pkt_free(pkt);
	return list;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a link does to packets: cuts super-segments, marks, damages, and says
 * that one was too long. */
#include "netstack/netem/netem_priv.h"

#include "netstack/ip/wire.h"

#define IP4_BYTES 20
#define IP6_BYTES 40
#define ICMP_BYTES 8
#define PROTO_ICMP 1
#define PROTO_ICMP6 58
/* LINUX: a quotation for IPv4, RFC 1812 4.3.2.3; RFC 4443 2.4 (c) */
#define QUOTE4_MAX (576 - IP4_BYTES - ICMP_BYTES)
#define QUOTE6_MAX (1280 - IP6_BYTES - ICMP_BYTES)

/* ---- super-segments ---- */

/* Segments inherit the headroom, which the link header has been pulled into. */
static bool put_links(struct nst_pkt *list, const uint8_t *link, uint32_t n)
{
	for (; list; list = list->next) {
		uint8_t *p = nst_pkt_push(list, n);

		if (!p)
			return false;
		memcpy(p, link, n);
	}
	return true;
}

static void free_all(struct nst_pkt *list)
{
	while (list) {
		struct nst_pkt *next = list->next;

		nst_pkt_free(list);
		list = next;
	}
}

struct nst_pkt *netem_pkt_split(struct nst_pkt *pkt, uint32_t l2_bytes)
{
	uint8_t link[16];
	struct nst_pkt *list;

	if (l2_bytes > sizeof(link) || !nst_pkt_linear(pkt, l2_bytes)) {
		nst_pkt_free(pkt);
		return NULL;
	}
	memcpy(link, nst_pkt_data(pkt), l2_bytes);
	if (!nst_pkt_pull(pkt, l2_bytes)) {
		nst_pkt_free(pkt);
		return NULL;
	}
	pkt->l3_off = (uint16_t)pkt->off;
	/* From a device: where summing starts is where TCP does. */
	if (pkt->csum == NST_CSUM_PARTIAL)
		pkt->l4_off = pkt->csum_start;
	list = nst_pkt_segment(pkt);
	if (list && !put_links(list, link, l2_bytes)) {
		free_all(list);
		return NULL;
	}
	return list;
}

/* ---- marks and damage ---- */

/* The IP header, if `bytes` of it are linear; version in *v. */
static uint8_t *ip_header(const struct nst_pkt *pkt, uint32_t l2_bytes, int *v)
{
	uint8_t *p = nst_pkt_data(pkt) + l2_bytes;

	if (pkt->len < l2_bytes + IP4_BYTES)
		return NULL;
	/* On Ethernet other things travel too. */
	if (l2_bytes && wire_get16(p - 2) != 0x0800 &&
	    wire_get16(p - 2) != 0x86dd)
		return NULL;
	*v = p[0] >> 4;
	if (*v == 4 && (p[0] & 15) >= 5 &&
	    pkt->len >= l2_bytes + (uint32_t)(p[0] & 15) * 4)
		return p;
	return *v == 6 && pkt->len >= l2_bytes + IP6_BYTES ? p : NULL;
}

bool netem_pkt_mark(struct nst_pkt *pkt, uint32_t l2_bytes)
{
	int v;
	uint8_t *p = ip_header(pkt, l2_bytes, &v);
	uint8_t ecn;

	if (!p)
		return false;
	ecn = v == 4 ? p[1] & 3 : (p[1] >> 4) & 3;
	if (ecn == 0 || ecn == 3)
		return false;
	p[1] |= v == 4 ? 3 : 0x30;
	if (v == 4)
		ip4_fix_csum(p, (uint32_t)(p[0] & 15) * 4);
	return true;
}

void netem_pkt_flip(struct nst_pkt *pkt, uint32_t l2_bytes, uint64_t random)
{
	uint32_t n = pkt->len > l2_bytes ? pkt->len - l2_bytes : 0;
	uint64_t bit;

	if (!n)
		return;
	nst_pkt_csum_finish(pkt);
	pkt->csum = NST_CSUM_NONE; /* the receiver must look */
	bit = random % ((uint64_t)n * 8);
	nst_pkt_data(pkt)[l2_bytes + bit / 8] ^= (uint8_t)(1u << bit % 8);
}

/* ---- too big ---- */

static uint32_t head_bytes(int v)
{
	return (v == 4 ? IP4_BYTES : IP6_BYTES) + ICMP_BYTES;
}

/* RFC 1122 3.2.2, RFC 4443 2.4 (e): no errors about errors. */
static bool is_error(const uint8_t *ip, int v)
{
	uint8_t type = v == 4 ? ip[(ip[0] & 15) * 4] : ip[IP6_BYTES];

	if (v == 6)
		return ip[6] == PROTO_ICMP6 && type < 128;
	return ip[9] == PROTO_ICMP && type != 0 && type != 8;
}

/* For one host, and not to be fragmented on the way? The packet is longer
 * than its header: it is longer than NETEM_MTU_MIN. */
static bool may_answer(const uint8_t *ip, int v)
{
	if (is_error(ip, v))
		return false;
	if (v == 6)
		return ip[24] != 0xff;
	return (ip[6] & 0x40) && !(ip[6] & 0x1f) && !ip[7] && ip[16] < 224;
}

static void emit4(uint8_t *p, const uint8_t *ip, uint32_t total, uint32_t mtu)
{
	uint8_t *icmp = p + IP4_BYTES;

	p[0] = 0x45;
	wire_put16(p + 2, total);
	p[6] = 0x40;
	p[8] = 64;
	p[9] = PROTO_ICMP;
	memcpy(p + 12, ip + 16, 4);
	memcpy(p + 16, ip + 12, 4);
	ip4_fix_csum(p, IP4_BYTES);
	icmp[0] = 3; /* unreachable: fragmentation needed, RFC 1191 4 */
	icmp[1] = 4;
	wire_put16(icmp + 6, mtu);
	wire_put16(icmp + 2,
		   (uint16_t)~nst_csum_add(0, icmp, total - IP4_BYTES));
}

static void emit6(uint8_t *p, const uint8_t *ip, uint32_t total, uint32_t mtu)
{
	uint8_t *icmp = p + IP6_BYTES;
	uint8_t rest[4] = {0, 0, 0, PROTO_ICMP6};
	uint16_t sum;

	p[0] = 0x60;
	wire_put16(p + 4, total - IP6_BYTES);
	p[6] = PROTO_ICMP6;
	p[7] = 64;
	memcpy(p + 8, ip + 24, 16);
	memcpy(p + 24, ip + 8, 16);
	icmp[0] = 2; /* packet too big, RFC 4443 3.2 */
	wire_put16(icmp + 4, mtu >> 16);
	wire_put16(icmp + 6, mtu & 0xffff);
	sum = nst_csum_add(0, p + 8, 32);
	wire_put16(rest, total - IP6_BYTES);
	sum = nst_csum_add(sum, rest, 2);
	wire_put16(rest, 0);
	sum = nst_csum_add(sum, rest, 4);
	wire_put16(icmp + 2,
		   (uint16_t)~nst_csum_add(sum, icmp, total - IP6_BYTES));
}

struct nst_pkt *netem_too_big(const struct nst_pkt *pkt, uint32_t l2_bytes,
			      uint32_t mtu)
{
	int v;
	const uint8_t *ip = ip_header(pkt, l2_bytes, &v);
	uint32_t quote, total;
	struct nst_pkt *icmp;
	uint8_t *p;

	if (!ip || !may_answer(ip, v))
		return NULL;
	quote = nst_pkt_bytes(pkt) - l2_bytes;
	if (quote > (v == 4 ? QUOTE4_MAX : QUOTE6_MAX))
		quote = v == 4 ? QUOTE4_MAX : QUOTE6_MAX;
	total = head_bytes(v) + quote;
	icmp = nst_pkt_new(pkt->env, 0, l2_bytes + total);
	if (!icmp)
		return NULL;
	p = nst_pkt_put(icmp, l2_bytes + total);
	if (l2_bytes >= 14) {
		memcpy(p, ip - 8, 6); /* back to its source */
		memcpy(p + 6, ip - 14, 6);
		memcpy(p + 12, ip - 2, 2);
	}
	p += l2_bytes;
	nst_pkt_copy(pkt, l2_bytes, p + head_bytes(v), quote);
	(v == 4 ? emit4 : emit6)(p, ip, total, mtu);
	return icmp;
}

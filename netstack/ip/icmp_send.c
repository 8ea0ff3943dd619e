/* SPDX-License-Identifier: Apache-2.0 */
/* ICMP errors and messages out: RFC 1122 3.2.2, RFC 4443 2.4. */
#include "netstack/ip/icmp.h"

/* LINUX: 576 bytes in all for IPv4 (RFC 1812 4.3.2.3), the minimum MTU for
 * IPv6 (RFC 4443 3.1). */
#define QUOTE_MAX4 (576 - IP4_HDR_BYTES - ICMP_HDR_BYTES)
#define QUOTE_MAX6 (IP6_MIN_MTU - IP6_HDR_BYTES - ICMP_HDR_BYTES)

void icmp_csum(const struct ip_path *path, struct nst_pkt *pkt)
{
	uint8_t *p = nst_pkt_data(pkt);
	uint16_t sum = 0;

	p[2] = 0;
	p[3] = 0;
	if (path->dst.family == 6)
		sum = ip_pseudo_sum(&path->src, &path->dst, IP_PROTO_ICMP6,
				    nst_pkt_bytes(pkt));
	wire_put_csum(p + 2, ip_csum_pkt(sum, pkt));
	pkt->csum = NST_CSUM_NONE;
}

enum nst_err icmp_message(struct ip_layer *ip, const struct ip_path *path,
			  const struct icmp_repr *h, const struct ip_out *o,
			  const void *data, uint32_t bytes)
{
	struct nst_pkt *pkt =
	    nst_pkt_new(ip->st->env, NST_PKT_HEADROOM, ICMP_HDR_BYTES + bytes);
	uint8_t *p = pkt ? nst_pkt_put(pkt, ICMP_HDR_BYTES + bytes) : NULL;

	if (!p) {
		nst_pkt_free(pkt);
		ip->st->count.PktNoMemory++;
		return NST_E_NOMEM;
	}
	icmp_emit(h, p);
	if (bytes)
		memcpy(p + ICMP_HDR_BYTES, data, bytes);
	pkt->l4_off = (uint16_t)pkt->off;
	icmp_csum(path, pkt);
	if (path->dst.family == 6)
		ip->st->count.Icmp6OutMsgs++;
	else
		ip->st->count.IcmpOutMsgs++;
	return ip_send(ip->st, path, o, pkt);
}

/* ---- errors ---- */

/* Is the transport header that of an ICMP error, or of something that may be
 * one? Errors are never about errors. */
static bool about_error(const struct icmp_quote *q)
{
	if (q->src.family == 6) {
		if (q->proto != IP_PROTO_ICMP6)
			return false;
		return !q->l4 || q->l4[0] < 128 || q->l4[0] == ICMP6_REDIRECT;
	}
	if (q->proto != IP_PROTO_ICMP)
		return false;
	if (!q->l4)
		return true;
	switch (q->l4[0]) {
	case ICMP4_UNREACH:
	case ICMP4_QUENCH:
	case ICMP4_REDIRECT:
	case ICMP4_TIME_EXCEEDED:
	case ICMP4_PARAM:
		return true;
	default:
		return false;
	}
}

/* RFC 1122 3.2.2, RFC 4443 2.4 (e). IPv6 makes two exceptions for packets to
 * groups: too big, and an unknown option that asks for it. */
static bool may_send(const struct icmp_what *what, const struct icmp_quote *q)
{
	bool exempt = q->src.family == 6 &&
		      (what->type == ICMP6_TOO_BIG ||
		       (what->type == ICMP6_PARAM && what->code == 2));

	if (addr_is_any(&q->src) || addr_is_mcast(&q->src) ||
	    addr_is_bcast4(&q->src))
		return false;
	if ((!q->unicast || q->l2_bcast) && !exempt)
		return false;
	return !about_error(q);
}

void icmp_error_send(struct ip_layer *ip, const struct icmp_what *what,
		     const struct icmp_quote *q)
{
	bool v6 = q->src.family == 6;
	struct icmp_repr h = {what->type, what->code, what->rest};
	struct ip_out o = {.proto = v6 ? IP_PROTO_ICMP6 : IP_PROTO_ICMP};
	uint32_t max = v6 ? QUOTE_MAX6 : QUOTE_MAX4;
	uint32_t n = q->bytes < max ? q->bytes : max;
	struct ip_path path;

	if (!may_send(what, q))
		return;
	/* LINUX: internetwork control precedence (RFC 1812 4.3.2.5). */
	if (!v6)
		o.tos = (uint8_t)((q->tos & 0x1e) | 0xc0);
	if (ip_path_find(ip->st, &q->src, q->unicast ? &q->dst : NULL,
			 q->src.scope, true, &path)) {
		ip->st->count.IpOutNoRoutes++;
		return;
	}
	if (!path.loopback && !icmp_limit_take(ip, &q->src))
		return;
	if (what->type == (v6 ? ICMP6_UNREACH : ICMP4_UNREACH))
		ip->st->count.IcmpOutDestUnreachs++;
	if (icmp_message(ip, &path, &h, &o, q->p, n))
		ip->st->count.IcmpOutErrors++;
}

void icmp_error_about(struct ip_layer *ip, const struct icmp_what *what,
		      const struct ip_rx *rx, const struct nst_pkt *pkt,
		      uint32_t hdr_back)
{
	uint8_t buf[QUOTE_MAX6];
	uint32_t all = nst_pkt_bytes(pkt) + hdr_back;
	uint32_t hdr = rx->in.hdr_bytes;
	struct icmp_quote q = {
	    .src = rx->in.src,
	    .dst = rx->in.dst,
	    .tos = rx->in.tos,
	    .proto = rx->in.proto,
	    .unicast = !rx->in.bcast && !rx->in.mcast,
	    .l2_bcast = pkt->l2_bcast,
	    .p = buf,
	};

	q.bytes = all < sizeof(buf) ? all : (uint32_t)sizeof(buf);
	memcpy(buf, nst_pkt_data(pkt) - hdr_back,
	       hdr_back < q.bytes ? hdr_back : q.bytes);
	if (q.bytes > hdr_back)
		nst_pkt_copy(pkt, 0, buf + hdr_back, q.bytes - hdr_back);
	/* While extension headers are walked hdr is 0: no transport seen. */
	if (hdr && hdr + 8 <= q.bytes)
		q.l4 = buf + hdr;
	icmp_error_send(ip, what, &q);
}

/* What a transport's refusal is called on the wire. */
static struct icmp_what what_for(uint8_t family, enum nst_err why)
{
	bool v6 = family == 6;

	switch (why) {
	case NST_E_CONNREFUSED:
		return v6 ? (struct icmp_what){ICMP6_UNREACH, 4, 0}
			  : (struct icmp_what){ICMP4_UNREACH, ICMP4_CODE_PORT,
					       0};
	case NST_E_PROTO:
	case NST_E_NOPROTOOPT:
		return v6 ? (struct icmp_what){ICMP6_PARAM, 1, 6}
			  : (struct icmp_what){ICMP4_UNREACH, ICMP4_CODE_PROTO,
					       0};
	case NST_E_NETUNREACH:
	case NST_E_NETDOWN:
		return v6 ? (struct icmp_what){ICMP6_UNREACH, 0, 0}
			  : (struct icmp_what){ICMP4_UNREACH, ICMP4_CODE_NET,
					       0};
	case NST_E_ACCES:
	case NST_E_PERM:
		return v6 ? (struct icmp_what){ICMP6_UNREACH, 1, 0}
			  : (struct icmp_what){ICMP4_UNREACH,
					       ICMP4_CODE_FILTERED, 0};
	default:
		return v6 ? (struct icmp_what){ICMP6_UNREACH, 3, 0}
			  : (struct icmp_what){ICMP4_UNREACH, ICMP4_CODE_HOST,
					       0};
	}
}

void icmp_send_unreach(struct nst_stack *st, const struct nst_pkt *pkt,
		       const struct ip_in *in, enum nst_err why)
{
	struct icmp_what what = what_for(in->dst.family, why);
	struct ip_rx rx = {.in = *in};

	icmp_error_about(st->ip, &what, &rx, pkt, in->hdr_bytes);
}

/* A header as the packet may have had; its TTL is not known any more. */
static uint32_t emit_header(const struct nst_addr *src,
			    const struct nst_addr *dst, uint8_t proto,
			    uint32_t l4_bytes, uint8_t *p)
{
	if (dst->family == 6) {
		struct ip6_repr h = {.src = *src, .dst = *dst};

		h.next = proto;
		h.hops = 64;
		h.payload_bytes = (uint16_t)l4_bytes;
		ip6_emit(&h, p);
		return IP6_HDR_BYTES;
	}
	struct ip4_repr h = {.src = *src, .dst = *dst};

	h.proto = proto;
	h.ttl = 64;
	h.total_bytes = (uint16_t)(IP4_HDR_BYTES + l4_bytes);
	ip4_emit(&h, p);
	return IP4_HDR_BYTES;
}

void icmp_send_about(struct nst_stack *st, const struct nst_addr *src,
		     const struct nst_addr *dst, uint8_t proto, const void *l4,
		     uint32_t l4_bytes, enum nst_err why)
{
	struct icmp_what what = what_for(dst->family, why);
	struct icmp_quote q = {.src = *src, .dst = *dst, .proto = proto};
	uint8_t buf[QUOTE_MAX6];
	uint32_t hdr, n;

	if (l4_bytes > IP_MAX_BYTES - IP4_HDR_BYTES)
		l4_bytes = IP_MAX_BYTES - IP4_HDR_BYTES;
	hdr = emit_header(src, dst, proto, l4_bytes, buf);
	n = l4_bytes < sizeof(buf) - hdr ? l4_bytes
					 : (uint32_t)sizeof(buf) - hdr;
	memcpy(buf + hdr, l4, n);
	q.unicast = !addr_is_mcast(dst) && !addr_is_bcast4(dst);
	q.p = buf;
	q.bytes = hdr + n;
	if (n >= 8)
		q.l4 = buf + hdr;
	icmp_error_send(st->ip, &what, &q);
}

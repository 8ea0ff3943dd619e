/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ICMP errors in: what they mean, whom they concern. RFC 1122 3.2.2, RFC 4443
 * 2.4; LINUX: icmp_err_convert and icmpv6_err_convert. The quoted packet must
 * have been ours; whether it belongs to a flow is for the transport to check
 * (RFC 5927).
 */
#include "netstack/ip/icmp.h"

struct meaning {
	enum nst_err err;
	bool hard;
};

static const struct meaning unreach4[] = {
    {NST_E_NETUNREACH, false},  {NST_E_HOSTUNREACH, false},
    {NST_E_NOPROTOOPT, true},   {NST_E_CONNREFUSED, true},
    {NST_E_MSGSIZE, false},     {NST_E_OPNOTSUPP, false},
    {NST_E_NETUNREACH, true},   {NST_E_HOSTDOWN, true},
    {NST_E_NONET, true},        {NST_E_NETUNREACH, true},
    {NST_E_HOSTUNREACH, true},  {NST_E_NETUNREACH, false},
    {NST_E_HOSTUNREACH, false}, {NST_E_HOSTUNREACH, true},
    {NST_E_HOSTUNREACH, true},  {NST_E_HOSTUNREACH, true},
};
static const struct meaning unreach6[] = {
    {NST_E_NETUNREACH, false},  {NST_E_ACCES, true},
    {NST_E_HOSTUNREACH, false}, {NST_E_HOSTUNREACH, false},
    {NST_E_CONNREFUSED, true},  {NST_E_ACCES, true},
    {NST_E_ACCES, true},
};
#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/* False: not an error that concerns anybody. */
static bool meaning4(const struct icmp_repr *h, struct icmp_err *e)
{
	switch (h->type) {
	case ICMP4_UNREACH:
		if (h->code >= COUNT_OF(unreach4))
			return false;
		e->err = unreach4[h->code].err;
		e->hard = unreach4[h->code].hard;
		if (h->code == ICMP4_CODE_FRAG_NEEDED)
			e->info = h->rest & 0xffff;
		return true;
	case ICMP4_TIME_EXCEEDED:
		e->err = NST_E_HOSTUNREACH;
		return true;
	case ICMP4_PARAM:
		e->err = NST_E_PROTO;
		e->hard = true;
		return true;
	default:
		/* RFC 6633: source quench means nothing; redirects are not
		 * followed. */
		return false;
	}
}

static bool meaning6(const struct icmp_repr *h, struct icmp_err *e)
{
	switch (h->type) {
	case ICMP6_UNREACH:
		e->err = NST_E_PROTO;
		e->hard = true;
		if (h->code < COUNT_OF(unreach6)) {
			e->err = unreach6[h->code].err;
			e->hard = unreach6[h->code].hard;
		}
		return true;
	case ICMP6_TOO_BIG:
		e->err = NST_E_MSGSIZE;
		e->info = h->rest;
		return true;
	case ICMP6_TIME_EXCEEDED:
		e->err = NST_E_HOSTUNREACH;
		return true;
	case ICMP6_PARAM:
		e->err = NST_E_PROTO;
		e->hard = true;
		e->info = h->rest;
		return true;
	default:
		return false;
	}
}

/* ---- the quoted packet ---- */

static bool quoted4(const uint8_t *p, uint32_t bytes, struct icmp_err *e)
{
	struct ip4_repr h;

	if (!ip4_parse(p, bytes, &h) || h.frag_off != 0 ||
	    bytes < h.hdr_bytes + 8u)
		return false;
	e->src = h.src;
	e->dst = h.dst;
	e->proto = h.proto;
	e->l4 = p + h.hdr_bytes;
	e->l4_bytes = bytes - h.hdr_bytes;
	return true;
}

/* Skips extension headers of the quoted packet; false: cut off, or a fragment
 * without the transport header. */
static bool quoted6(const uint8_t *p, uint32_t bytes, struct icmp_err *e)
{
	uint32_t at = IP6_HDR_BYTES;
	struct ip6_repr h;

	if (!ip6_parse(p, bytes, &h))
		return false;
	for (int i = 0; i <= LIMIT_IP6_EXT_HDRS; i++) {
		if (at + 8 > bytes)
			return false;
		if (h.next == IP6_EXT_FRAGMENT) {
			if (wire_get16(p + at + 2) & 0xfff8)
				return false;
			h.next = p[at];
			at += 8;
		} else if (h.next == IP6_EXT_HOPOPTS ||
			   h.next == IP6_EXT_DSTOPTS ||
			   h.next == IP6_EXT_ROUTING) {
			h.next = p[at];
			at += (p[at + 1] + 1u) * 8;
		} else {
			e->src = h.src;
			e->dst = h.dst;
			e->proto = h.next;
			e->l4 = p + at;
			e->l4_bytes = bytes - at;
			return true;
		}
	}
	return false;
}

static bool quoted(const uint8_t *p, uint32_t bytes, uint32_t ifindex,
		   struct icmp_err *e)
{
	bool ok = e->origin == 3 ? quoted6(p, bytes, e) : quoted4(p, bytes, e);

	if (!ok)
		return false;
	if (addr_needs_scope(&e->src))
		e->src.scope = ifindex;
	if (addr_needs_scope(&e->dst))
		e->dst.scope = ifindex;
	return true;
}

static void tell(struct ip_layer *ip, const struct icmp_err *e)
{
	struct nst_stack *st = ip->st;

	raw_icmp(st, e);
	switch (e->proto) {
	case IP_PROTO_TCP:
		tcp_icmp(st, e);
		return;
	case IP_PROTO_UDP:
		udp_icmp(st, e);
		return;
	case IP_PROTO_ICMP:
	case IP_PROTO_ICMP6:
		ping_icmp(st, e);
		return;
	default:
		return;
	}
}

/* Did we send it? On a NIC that lets us speak for anybody, we may have. */
static bool ours(const struct ip_layer *ip, const struct ip_rx *rx,
		 const struct icmp_err *e)
{
	return ifaddr_find(ip, &e->src, 0) ||
	       (rx->nic->cfg.caps & NST_CAP_SPOOF);
}

void icmp_error_in(struct ip_layer *ip, const struct ip_rx *rx,
		   const uint8_t *p, uint32_t bytes)
{
	struct nst_counters *c = &ip->st->count;
	bool v6 = rx->in.dst.family == 6;
	struct icmp_err e = {.origin = v6 ? 3 : 2, .offender = rx->in.src};
	struct icmp_repr h;

	if (!icmp_parse(p, bytes, &h) ||
	    !(v6 ? meaning6(&h, &e) : meaning4(&h, &e))) {
		c->IcmpInIgnored++;
		return;
	}
	e.type = h.type;
	e.code = h.code;
	/* RFC 1122 3.2.2: an error is sent to one host. */
	if (rx->in.bcast || rx->in.mcast ||
	    !quoted(p + ICMP_HDR_BYTES, bytes - ICMP_HDR_BYTES, rx->in.ifindex,
		    &e)) {
		c->IcmpInErrors++;
		return;
	}
	if (!ours(ip, rx, &e)) {
		c->IcmpNoMatch++;
		return;
	}
	/* A path MTU is believed by whom the packet came from: TCP when it
	 * knows the sequence number, others when there is such a socket. */
	tell(ip, &e);
}

/*
 * LINUX: a failed resolution looks like an ICMP host (address) unreachable
 * that the host sends to itself (arp_error_report, ndisc_error_report): origin
 * ICMP, offender our own address.
 */
void icmp_local_unreach(struct ip_layer *ip, const struct nst_pkt *pkt)
{
	const uint8_t *p = nst_pkt_data(pkt);
	bool v6 = pkt->len && p[0] >> 4 == 6;
	struct icmp_err e = {.err = NST_E_HOSTUNREACH};

	e.origin = v6 ? 3 : 2;
	e.type = v6 ? ICMP6_UNREACH : ICMP4_UNREACH;
	e.code = v6 ? 3 : ICMP4_CODE_HOST;
	if (!quoted(p, pkt->len, pkt->ifindex, &e))
		return;
	e.offender = e.src;
	tell(ip, &e);
}

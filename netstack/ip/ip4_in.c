/* SPDX-License-Identifier: Apache-2.0 */
/* IPv4 input, RFC 791 and RFC 1122 3.2.1: header, options, reassembly. */
#include "netstack/ip/icmp.h"
#include "netstack/ip/ip_priv.h"
#include "netstack/ip/nic.h"
#include "netstack/ip/reasm.h"

/* Parses, verifies and trims. False: counted by the counter returned. */
static uint64_t *ip4_header(struct ip_layer *ip, struct nst_pkt *pkt,
			    struct ip4_repr *h)
{
	struct nst_counters *c = &ip->st->count;
	uint32_t hdr_bytes;

	if (!nst_pkt_linear(pkt, IP4_HDR_BYTES))
		return &c->IpInTruncatedPkts;
	hdr_bytes = (nst_pkt_data(pkt)[0] & 15u) * 4;
	if (hdr_bytes > IP4_HDR_BYTES && !nst_pkt_linear(pkt, hdr_bytes))
		return &c->IpInTruncatedPkts;
	if (!ip4_parse(nst_pkt_data(pkt), pkt->len, h))
		return &c->IpInHdrErrors;
	if (!ip4_csum_ok(nst_pkt_data(pkt), hdr_bytes))
		return &c->IpInCsumErrors;
	if (h->total_bytes > nst_pkt_bytes(pkt))
		return &c->IpInTruncatedPkts;
	nst_pkt_trim(pkt, h->total_bytes);
	return NULL;
}

/*
 * Walks the options. Returns 0, or the offset of a malformed one; *routed: a
 * source route is among them. Options are otherwise skipped: none of the
 * remaining ones asks a host for anything (RFC 6814, RFC 1122 3.2.1.8).
 */
static uint32_t ip4_options(const uint8_t *p, uint32_t hdr_bytes, bool *routed)
{
	uint32_t at = IP4_HDR_BYTES;

	while (at < hdr_bytes && p[at] != 0) {
		uint32_t len = 1;

		if (p[at] != 1) {
			if (at + 1 >= hdr_bytes)
				return at;
			len = p[at + 1];
			if (len < 2 || at + len > hdr_bytes)
				return at;
			/* loose and strict source route */
			if (p[at] == 131 || p[at] == 137)
				*routed = true;
		}
		at += len;
	}
	return 0;
}

static bool options_ok(struct ip_layer *ip, struct ip_rx *rx,
		       const struct nst_pkt *pkt)
{
	struct icmp_what what = {.type = ICMP4_PARAM};
	bool routed = false;
	uint32_t bad;

	if (rx->in.hdr_bytes == IP4_HDR_BYTES)
		return true;
	bad = ip4_options(nst_pkt_data(pkt), rx->in.hdr_bytes, &routed);
	if (bad) {
		ip->st->count.IpInHdrErrors++;
		what.rest = bad << 24;
		icmp_error_about(ip, &what, rx, pkt, 0);
		return false;
	}
	/* LINUX: accept_source_route is off for hosts; RFC 7126 4.3. */
	if (routed)
		ip->st->count.IpInSourceRoutes++;
	return !routed;
}

static void rx_init4(struct ip_rx *rx, const struct ip4_repr *h,
		     struct nic *nic, bool loop)
{
	memset(rx, 0, sizeof(*rx));
	rx->nic = nic;
	rx->loop = loop;
	rx->in.src = h->src;
	rx->in.dst = h->dst;
	rx->in.proto = h->proto;
	rx->in.ttl = h->ttl;
	rx->in.tos = h->tos;
	rx->in.ifindex = nic->ifindex;
	rx->in.hdr_bytes = h->hdr_bytes;
}

static struct nst_pkt *reassemble4(struct ip_layer *ip, struct ip_rx *rx,
				   const struct ip4_repr *h,
				   struct nst_pkt *pkt)
{
	struct reasm_in f = {
	    .id = h->id,
	    .proto = h->proto,
	    .off = h->frag_off,
	    .more = h->mf,
	    .hdr_bytes = h->hdr_bytes,
	};

	return reasm_add(ip, rx, &f, pkt);
}

void ip4_in(struct ip_layer *ip, struct nic *nic, struct nst_pkt *pkt,
	    bool loop)
{
	struct nst_counters *c = &ip->st->count;
	struct ip4_repr h;
	struct ip_rx rx;
	uint64_t *bad;

	c->IpInReceives++;
	bad = ip4_header(ip, pkt, &h);
	if (bad) {
		nic_rx_drop(nic, pkt, bad);
		return;
	}
	pkt->l3_off = (uint16_t)pkt->off;
	rx_init4(&rx, &h, nic, loop);
	if (!ip_accept(ip, &rx) || !options_ok(ip, &rx, pkt)) {
		nic_rx_drop(nic, pkt, &c->IpInDiscards);
		return;
	}
	if (h.mf || h.frag_off)
		pkt = reassemble4(ip, &rx, &h, pkt);
	if (pkt)
		ip_deliver(ip, &rx, pkt);
}

void ip_in(struct ip_layer *ip, struct nic *nic, struct nst_pkt *pkt, bool loop)
{
	uint8_t version = 0;

	if (nst_pkt_linear(pkt, 1))
		version = nst_pkt_data(pkt)[0] >> 4;
	if (version == 4)
		ip4_in(ip, nic, pkt, loop);
	else if (version == 6)
		ip6_in(ip, nic, pkt, loop);
	else
		nic_rx_drop(nic, pkt, &ip->st->count.LinkRxUnknownProto);
}

void ip_in_loop(struct nst_stack *st, struct nst_pkt *pkt)
{
	struct nic *nic = nic_find(st->ip, pkt->ifindex);

	if (!nic)
		nic = nic_lo(st->ip);
	nic->rx_packets++;
	nic->rx_bytes += nst_pkt_bytes(pkt);
	pkt->when = st->now;
	pkt->next = NULL;
	ip_in(st->ip, nic, pkt, true);
}

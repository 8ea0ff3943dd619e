/* SPDX-License-Identifier: Apache-2.0 */
/* IPv6 input, RFC 8200. Extension headers: ip6_ext.c. */
#include "netstack/ip/ip6_ext.h"
#include "netstack/ip/nic.h"

/* Parses and trims. Returns the counter of what is wrong, or NULL. */
static uint64_t *ip6_header(struct ip_layer *ip, struct nst_pkt *pkt,
			    struct ip6_repr *h)
{
	struct nst_counters *c = &ip->st->count;
	uint32_t total;

	if (!nst_pkt_linear(pkt, IP6_HDR_BYTES))
		return &c->Ip6InTruncatedPkts;
	if (!ip6_parse(nst_pkt_data(pkt), pkt->len, h))
		return &c->Ip6InHdrErrors;
	/* Length 0 would need a jumbo option (RFC 2675), which no link has. */
	if (h->payload_bytes == 0 && h->next == IP6_EXT_HOPOPTS)
		return &c->Ip6InHdrErrors;
	total = IP6_HDR_BYTES + (uint32_t)h->payload_bytes;
	if (total > nst_pkt_bytes(pkt))
		return &c->Ip6InTruncatedPkts;
	nst_pkt_trim(pkt, total);
	return NULL;
}

static void rx_init6(struct ip_rx *rx, const struct ip6_repr *h,
		     struct nic *nic, bool loop)
{
	memset(rx, 0, sizeof(*rx));
	rx->nic = nic;
	rx->loop = loop;
	rx->in.src = h->src;
	rx->in.dst = h->dst;
	if (addr_needs_scope(&h->src))
		rx->in.src.scope = nic->ifindex;
	if (addr_needs_scope(&h->dst))
		rx->in.dst.scope = nic->ifindex;
	rx->in.ttl = h->hops;
	rx->in.tos = h->tclass;
	rx->in.ifindex = nic->ifindex;
}

static void walk(struct ip6_walk *w)
{
	enum ip6_verdict v;

	do {
		v = ip6_ext_step(w);
	} while (v == IP6_MORE);
	if (v == IP6_TAKEN)
		return;
	if (v == IP6_DROP) {
		nic_rx_drop(w->rx->nic, w->pkt,
			    &w->ip->st->count.Ip6InDiscards);
		return;
	}
	w->rx->in.proto = w->next;
	w->rx->in.hdr_bytes = (uint16_t)w->off;
	w->rx->next_ptr = (uint16_t)w->next_ptr;
	ip_deliver(w->ip, w->rx, w->pkt);
}

void ip6_in(struct ip_layer *ip, struct nic *nic, struct nst_pkt *pkt,
	    bool loop)
{
	struct ip6_walk w = {.ip = ip, .pkt = pkt};
	struct ip6_repr h;
	struct ip_rx rx;
	uint64_t *bad;

	ip->st->count.Ip6InReceives++;
	bad = ip6_header(ip, pkt, &h);
	if (bad) {
		nic_rx_drop(nic, pkt, bad);
		return;
	}
	pkt->l3_off = (uint16_t)pkt->off;
	rx_init6(&rx, &h, nic, loop);
	if (!ip_accept(ip, &rx)) {
		nic_rx_drop(nic, pkt, &ip->st->count.Ip6InDiscards);
		return;
	}
	w.rx = &rx;
	w.next = h.next;
	w.next_ptr = 6;
	w.off = IP6_HDR_BYTES;
	walk(&w);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fragmentation by the sender: RFC 791 3.2 (never with options: our packets
 * have none) and RFC 8200 4.5. All fragments are made before the first is
 * sent, so that failure sends nothing.
 */
#include "netstack/ip/ip_priv.h"

/* A cut in progress. */
struct cut {
	struct ip_layer *ip;
	const struct nst_pkt *pkt; /* whole, IP header first */
	uint32_t hdr_bytes;        /* of the whole's IP header */
	uint32_t room;             /* payload bytes of a fragment: times 8 */
	struct nst_pkt *list, **tail;
};

static void free_list(struct nst_pkt *list)
{
	while (list) {
		struct nst_pkt *next = list->next;

		nst_pkt_free(list);
		list = next;
	}
}

/* One more packet in the list: `front` bytes for headers, then payload from
 * `at`. Returns its start, NULL without memory. */
static uint8_t *add_fragment(struct cut *c, uint32_t front, uint32_t at,
			     uint32_t bytes)
{
	struct nst_pkt *f =
	    nst_pkt_new(c->pkt->env, NST_PKT_HEADROOM, front + bytes);
	uint8_t *p = f ? nst_pkt_put(f, front + bytes) : NULL;

	if (!p) {
		nst_pkt_free(f);
		c->ip->st->count.PktNoMemory++;
		return NULL;
	}
	nst_pkt_copy(c->pkt, c->hdr_bytes + at, p + front, bytes);
	f->next = NULL;
	f->flow = c->pkt->flow;
	f->l3_off = (uint16_t)f->off;
	f->l4_off = (uint16_t)(f->off + front);
	*c->tail = f;
	c->tail = &f->next;
	c->ip->st->count.IpFragCreates++;
	return p;
}

static bool cut4(struct cut *c)
{
	uint32_t all = nst_pkt_bytes(c->pkt) - c->hdr_bytes;
	struct ip4_repr h;

	if (!ip4_parse(nst_pkt_data(c->pkt), c->pkt->len, &h))
		return false;
	for (uint32_t at = 0; at < all; at += c->room) {
		uint32_t n = all - at < c->room ? all - at : c->room;
		uint8_t *p = add_fragment(c, IP4_HDR_BYTES, at, n);

		if (!p)
			return false;
		h.total_bytes = (uint16_t)(IP4_HDR_BYTES + n);
		h.frag_off = (uint16_t)at;
		h.mf = at + n < all;
		ip4_emit(&h, p);
	}
	return true;
}

static bool cut6(struct cut *c)
{
	uint32_t all = nst_pkt_bytes(c->pkt) - c->hdr_bytes;
	/* RFC 7739: not to be guessed. */
	struct ip6_frag_repr f = {.id = nst_random32(c->ip->st->env)};
	struct ip6_repr h;

	if (!ip6_parse(nst_pkt_data(c->pkt), c->pkt->len, &h))
		return false;
	f.next = h.next;
	h.next = IP6_EXT_FRAGMENT;
	for (uint32_t at = 0; at < all; at += c->room) {
		uint32_t n = all - at < c->room ? all - at : c->room;
		uint8_t *p =
		    add_fragment(c, IP6_HDR_BYTES + IP6_FRAG_BYTES, at, n);

		if (!p)
			return false;
		h.payload_bytes = (uint16_t)(IP6_FRAG_BYTES + n);
		f.off = (uint16_t)at;
		f.more = at + n < all;
		ip6_emit(&h, p);
		ip6_frag_emit(&f, p + IP6_HDR_BYTES);
	}
	return true;
}

static enum nst_err fragment(struct ip_layer *ip, struct nic *nic,
			     const struct ip_path *path, struct nst_pkt *pkt,
			     uint32_t hdr_bytes, uint32_t front)
{
	struct cut c = {.ip = ip, .pkt = pkt, .hdr_bytes = hdr_bytes};
	bool ok = false;

	c.tail = &c.list;
	c.room = path->mtu > front ? (path->mtu - front) & ~7u : 0;
	if (c.room)
		ok = path->dst.family == 6 ? cut6(&c) : cut4(&c);
	nst_pkt_free(pkt);
	if (!ok) {
		free_list(c.list);
		ip->st->count.IpFragFails++;
		return NST_E_NOMEM;
	}
	while (c.list) {
		struct nst_pkt *f = c.list;

		c.list = f->next;
		f->next = NULL;
		ip_tx(ip, nic, &path->next_hop, f);
	}
	ip->st->count.IpFragOKs++;
	return NST_OK;
}

enum nst_err ip4_fragment(struct ip_layer *ip, struct nic *nic,
			  const struct ip_path *path, struct nst_pkt *pkt)
{
	return fragment(ip, nic, path, pkt, IP4_HDR_BYTES, IP4_HDR_BYTES);
}

enum nst_err ip6_fragment(struct ip_layer *ip, struct nic *nic,
			  const struct ip_path *path, struct nst_pkt *pkt)
{
	return fragment(ip, nic, path, pkt, IP6_HDR_BYTES,
			IP6_HDR_BYTES + IP6_FRAG_BYTES);
}

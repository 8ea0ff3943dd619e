/* SPDX-License-Identifier: Apache-2.0 */
#include "netstack/ip/ip6_ext.h"
#include "netstack/ip/icmp.h"
#include "netstack/ip/reasm.h"

#define OPT_PAD1 0
#define OPT_PADN 1
#define OPT_ROUTER_ALERT 5

static enum ip6_verdict bad(struct ip6_walk *w)
{
	w->ip->st->count.Ip6InExtErrors++;
	return IP6_DROP;
}

/* Drops and reports a parameter problem (RFC 4443 3.4). */
static enum ip6_verdict param(struct ip6_walk *w, uint8_t code, uint32_t ptr)
{
	struct icmp_what what = {ICMP6_PARAM, code, ptr};

	icmp_error_about(w->ip, &what, w->rx, w->pkt, 0);
	return bad(w);
}

/* Makes an extension header of (bytes[1] + 1) * 8 bytes linear; its length, or
 * 0 when the packet is too short. */
static uint32_t ext_bytes(struct ip6_walk *w)
{
	uint32_t len;

	if (!nst_pkt_linear(w->pkt, w->off + 8))
		return 0;
	len = (nst_pkt_data(w->pkt)[w->off + 1] + 1u) * 8;
	return nst_pkt_linear(w->pkt, w->off + len) ? len : 0;
}

/* RFC 8200 4.2: what the two top bits of an unknown option ask for. */
static enum ip6_verdict unknown_option(struct ip6_walk *w, uint32_t at)
{
	uint8_t type = nst_pkt_data(w->pkt)[at];

	switch (type >> 6) {
	case 0:
		return IP6_MORE;
	case 1:
		return bad(w);
	case 2:
		return param(w, 2, at);
	default:
		return w->rx->in.mcast ? bad(w) : param(w, 2, at);
	}
}

static enum ip6_verdict options(struct ip6_walk *w, uint32_t end)
{
	uint32_t at = w->off + 2;
	uint32_t count = 0;

	while (at < end) {
		const uint8_t *p = nst_pkt_data(w->pkt) + at;
		enum ip6_verdict v = IP6_MORE;

		if (p[0] == OPT_PAD1) {
			at++;
			continue;
		}
		if (at + 2 > end || at + 2 + p[1] > end)
			return bad(w);
		if (p[0] != OPT_PADN && ++count > LIMIT_IP6_OPTIONS)
			return bad(w);
		if (p[0] != OPT_PADN && p[0] != OPT_ROUTER_ALERT)
			v = unknown_option(w, at);
		if (v != IP6_MORE)
			return v;
		at += 2 + (uint32_t)p[1];
	}
	return IP6_MORE;
}

static enum ip6_verdict advance(struct ip6_walk *w, uint32_t len)
{
	w->next_ptr = w->off;
	w->next = nst_pkt_data(w->pkt)[w->off];
	w->off += len;
	return IP6_MORE;
}

static enum ip6_verdict step_options(struct ip6_walk *w)
{
	uint32_t len = ext_bytes(w);
	enum ip6_verdict v;

	if (!len) {
		w->ip->st->count.Ip6InTruncatedPkts++;
		return IP6_DROP;
	}
	v = options(w, w->off + len);
	return v == IP6_MORE ? advance(w, len) : v;
}

/* RFC 8200 4.4, RFC 5095: we are never an intermediate node. */
static enum ip6_verdict step_routing(struct ip6_walk *w)
{
	uint32_t len = ext_bytes(w);

	if (!len) {
		w->ip->st->count.Ip6InTruncatedPkts++;
		return IP6_DROP;
	}
	if (nst_pkt_data(w->pkt)[w->off + 3] != 0) {
		w->ip->st->count.IpInSourceRoutes++;
		return param(w, 0, w->off + 2);
	}
	return advance(w, len);
}

/* RFC 7112: the first fragment holds every header up to the transport's. */
static bool first_is_complete(const struct ip6_walk *w, uint8_t next)
{
	uint32_t need = w->off + IP6_FRAG_BYTES;

	switch (next) {
	case IP6_EXT_HOPOPTS:
	case IP6_EXT_ROUTING:
	case IP6_EXT_DSTOPTS:
	case IP_PROTO_UDP:
	case IP_PROTO_ICMP6:
		need += 8;
		break;
	case IP_PROTO_TCP:
		need += 20;
		break;
	default:
		break;
	}
	return nst_pkt_bytes(w->pkt) >= need;
}

/* Odd lengths and sizes beyond 64 KiB, RFC 8200 4.5: the pointer to show, or 0
 * when all is well. */
static uint32_t frag_fault(const struct ip6_walk *w,
			   const struct ip6_frag_repr *f)
{
	uint32_t bytes = nst_pkt_bytes(w->pkt) - w->off - IP6_FRAG_BYTES;

	if (f->more && (bytes & 7))
		return 4;
	if (f->off + bytes + w->off - IP6_HDR_BYTES > IP_MAX_BYTES)
		return w->off + 2;
	return 0;
}

/* An atomic fragment (RFC 6946) stands for itself. */
static enum ip6_verdict atomic_fragment(struct ip6_walk *w,
					const struct ip6_frag_repr *f)
{
	w->rx->fragged = true;
	w->next_ptr = w->off;
	w->next = f->next;
	w->off += IP6_FRAG_BYTES;
	return IP6_MORE;
}

static enum ip6_verdict step_fragment(struct ip6_walk *w)
{
	struct reasm_in in = {.next_ptr = w->next_ptr, .hdr_bytes = w->off};
	struct ip6_frag_repr f;
	uint32_t fault;

	if (!nst_pkt_linear(w->pkt, w->off + IP6_FRAG_BYTES) ||
	    !ip6_frag_parse(nst_pkt_data(w->pkt) + w->off, IP6_FRAG_BYTES,
			    &f)) {
		w->ip->st->count.Ip6InTruncatedPkts++;
		return IP6_DROP;
	}
	if (f.off == 0 && !f.more)
		return atomic_fragment(w, &f);
	fault = frag_fault(w, &f);
	if (fault)
		return param(w, 0, fault);
	if (f.off == 0 && !first_is_complete(w, f.next))
		return param(w, 3, 0);
	in.id = f.id;
	in.proto = f.next;
	in.off = f.off;
	in.more = f.more;
	in.skip_bytes = IP6_FRAG_BYTES;
	w->pkt = reasm_add(w->ip, w->rx, &in, w->pkt);
	if (!w->pkt)
		return IP6_TAKEN;
	/* The fragment header is gone; what followed it stands there now. */
	w->next_ptr = w->rx->next_ptr;
	w->next = nst_pkt_data(w->pkt)[w->next_ptr];
	w->off = w->rx->in.hdr_bytes;
	return IP6_MORE;
}

enum ip6_verdict ip6_ext_step(struct ip6_walk *w)
{
	bool first = w->hdrs == 0;

	switch (w->next) {
	case IP6_EXT_HOPOPTS:
	case IP6_EXT_DSTOPTS:
	case IP6_EXT_ROUTING:
	case IP6_EXT_FRAGMENT:
		break;
	default:
		return IP6_UPPER;
	}
	if (w->hdrs++ == LIMIT_IP6_EXT_HDRS)
		return bad(w);
	/* RFC 8200 4.1: hop-by-hop options come first or not at all. */
	if (w->next == IP6_EXT_HOPOPTS && !first)
		return param(w, 1, w->next_ptr);
	if (w->next == IP6_EXT_ROUTING)
		return step_routing(w);
	if (w->next == IP6_EXT_FRAGMENT)
		return step_fragment(w);
	return step_options(w);
}

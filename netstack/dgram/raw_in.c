/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raw sockets' input: a copy of every packet of their protocol. IPv4 ones get
 * the IP header too, IPv6 ones do not (RFC 3542 3). LINUX: raw_v4_input().
 */
#include "netstack/dgram/dgram_priv.h"

static bool addresses_fit(const struct nst_sock *s,
			  const struct nst_addr *local,
			  const struct nst_addr *remote)
{
	if (!addr_is_any(&s->local.addr) && !addr_eq(&s->local.addr, local))
		return false;
	return !s->remote.addr.family || addr_eq(&s->remote.addr, remote);
}

static bool filtered(const struct nst_dgram *d, const struct nst_pkt *pkt,
		     const struct ip_in *in)
{
	uint8_t type;

	if (in->proto != IP_PROTO_ICMP && in->proto != IP_PROTO_ICMP6)
		return false;
	if (!nst_pkt_bytes(pkt))
		return true;
	nst_pkt_copy(pkt, 0, &type, 1);
	return d->icmp_blocked[type / 32] >> (type % 32) & 1;
}

/* IPV6_CHECKSUM: the kernel verifies, RFC 3542 3.1. */
static bool csum_ok(const struct nst_dgram *d, const struct nst_pkt *pkt,
		    const struct ip_in *in)
{
	if (d->s.family != 6 || d->s.opt.raw_csum_off < 0)
		return true;
	return ip_l4_csum_ok(pkt, in);
}

static bool takes(const struct nst_dgram *d, const struct nst_pkt *pkt,
		  const struct ip_in *in)
{
	const struct nst_sock *s = &d->s;

	if (s->proto != in->proto || s->family != in->src.family)
		return false;
	if (s->opt.bound_if && s->opt.bound_if != in->ifindex)
		return false;
	return addresses_fit(s, &in->dst, &in->src) && !filtered(d, pkt, in);
}

bool raw_in(struct nst_stack *st, const struct nst_pkt *pkt,
	    const struct ip_in *in)
{
	struct dgram_heard heard =
	    dgram_heard(st, &in->dst, &in->src, in->ifindex);
	struct nst_dgram_in meta = dgram_meta(st, pkt, in);
	struct nst_dgram *d = st->dgram->raw, *next;
	bool taken = false;

	for (; d; d = next) {
		uint32_t prefix = d->s.family == 4 ? in->hdr_bytes : 0;

		next = d->raw_next;
		if (!takes(d, pkt, in) || !dgram_hears(d, &heard))
			continue;
		taken = true;
		if (csum_ok(d, pkt, in) && prefix <= pkt->off &&
		    dgram_deliver(d, pkt, prefix, 0, &meta))
			st->count.RawInMsgs++;
		else
			st->count.RawRcvbufErrors++;
	}
	return taken;
}

void raw_icmp(struct nst_stack *st, const struct icmp_err *e)
{
	struct nst_sockaddr to = {.addr = e->dst};
	struct nst_dgram *d = st->dgram->raw, *next;

	for (; d; d = next) {
		next = d->raw_next;
		if (d->s.proto == e->proto && d->s.family == e->dst.family &&
		    addresses_fit(&d->s, &e->src, &e->dst))
			dgram_icmp(d, e, &to, e->l4, e->l4_bytes);
	}
}

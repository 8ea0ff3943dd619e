/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UDP input, RFC 768, 1122 4.1: one datagram to one socket, or, sent to a group
 * or to all, to every socket that takes it; errors of ours to whom they
 * concern.
 */
#include "netstack/dgram/dgram_priv.h"

static void give(struct nst_dgram *d, const struct nst_pkt *pkt,
		 const struct nst_dgram_in *in)
{
	struct nst_stack *st = d->s.st;

	if (dgram_deliver(d, pkt, 0, UDP_HEADER, in)) {
		st->count.UdpInDatagrams++;
		return;
	}
	st->count.UdpRcvbufErrors++;
	st->count.UdpInErrors++;
}

/* ---- to many ---- */

struct flood {
	const struct nst_pkt *pkt;
	const struct nst_dgram_in *in;
	struct dgram_heard heard;
	bool taken;
};

static bool takes(const struct nst_sock *s, const struct nst_dgram_in *in)
{
	const struct nst_addr *local = &s->local.addr;

	if (!sock_takes_family(s, in->dst.addr.family))
		return false;
	if (!addr_is_any(local) && !addr_eq(local, &in->dst.addr))
		return false;
	if (s->opt.bound_if && s->opt.bound_if != in->ifindex)
		return false;
	return !s->remote.addr.family ||
	       (addr_eq(&s->remote.addr, &in->src.addr) &&
		s->remote.port == in->src.port);
}

static void flood_one(struct nst_sock *s, void *arg)
{
	struct flood *f = arg;

	if (!takes(s, f->in) || !dgram_hears(dgram_of(s), &f->heard))
		return;
	f->taken = true;
	give(dgram_of(s), f->pkt, f->in);
}

static void deliver_many(struct nst_stack *st, const struct nst_pkt *pkt,
			 const struct nst_dgram_in *in)
{
	struct flood f = {.pkt = pkt,
			  .in = in,
			  .heard = dgram_heard(st, &in->dst.addr, &in->src.addr,
					       in->ifindex)};

	ports_each(st->ports, SOCK_K_UDP, in->dst.port, flood_one, &f);
	if (!f.taken)
		st->count.UdpIgnoredMulti++;
}

/* ---- to one ---- */

static struct nst_sock *find_sock(struct nst_stack *st,
				  const struct nst_dgram_in *in)
{
	struct flow_key key = {.local = in->dst.addr,
			       .remote = in->src.addr,
			       .lport = in->dst.port,
			       .rport = in->src.port,
			       .proto = IP_PROTO_UDP};
	struct demux_node *n = demux_find(st->demux, &key);

	if (n && n->kind == DEMUX_SOCK) {
		struct nst_sock *s = container_of(n, struct nst_sock, conn);

		if (!s->opt.bound_if || s->opt.bound_if == in->ifindex)
			return s;
	}
	return ports_lookup(st->ports, SOCK_K_UDP, &in->dst, &in->src,
			    in->ifindex, NULL);
}

void *nst_dgram_target(struct nst_dgram *d, const struct nst_sockaddr *to,
		       const struct nst_dgram_opts *o)
{
	static const struct nst_dgram_opts none;
	struct dgram_tx tx = {
	    .d = d, .o = o ? o : &none, .to = to ? *to : d->s.remote};
	struct nst_dgram_in in;
	const struct nst_sock *s;

	if (d->s.kind != SOCK_K_UDP || dgram_route(&tx) || !tx.path.loopback ||
	    tx.path.mcast || tx.path.bcast)
		return NULL;
	in = (struct nst_dgram_in){
	    .src = {.addr = tx.path.src, .port = d->s.local.port},
	    .dst = tx.to,
	    .ifindex = tx.path.ifindex,
	};
	s = find_sock(d->s.st, &in);
	return s ? s->user : NULL;
}

static void forward(struct nst_stack *st, const struct nst_pkt *pkt,
		    const struct nst_dgram_in *in)
{
	struct nst_iov iov[1 + NST_PKT_FRAGS];
	size_t n = 0;

	/* The header is linear, so the rest of the linear part is payload */
	iov[n++] = (struct nst_iov){nst_pkt_data(pkt) + UDP_HEADER,
				    pkt->len - UDP_HEADER};
	for (unsigned i = 0; i < pkt->nfrags; i++)
		iov[n++] = (struct nst_iov){(void *)(uintptr_t)pkt->frag[i].p,
					    pkt->frag[i].len};
	st->fwd.udp(st->fwd.ctx, &in->src, &in->dst, iov, n);
}

static void deliver_one(struct nst_stack *st, const struct nst_pkt *pkt,
			const struct ip_in *ip, const struct nst_dgram_in *in)
{
	struct nst_sock *s = find_sock(st, in);

	if (s) {
		give(dgram_of(s), pkt, in);
	} else if (st->fwd.udp) {
		forward(st, pkt, in);
	} else {
		st->count.UdpNoPorts++;
		icmp_send_unreach(st, pkt, ip, NST_E_CONNREFUSED);
	}
}

/* Header and checksum; trims padding. False: counted. */
static bool udp_parse(struct nst_stack *st, struct nst_pkt *pkt,
		      struct ip_in *in)
{
	const uint8_t *h;
	uint32_t bytes;

	if (!nst_pkt_linear(pkt, UDP_HEADER)) {
		st->count.UdpInErrors++;
		return false;
	}
	h = nst_pkt_data(pkt);
	bytes = wire_get16(h + 4);
	if (bytes < UDP_HEADER || bytes > in->l4_bytes ||
	    bytes > nst_pkt_bytes(pkt)) {
		st->count.UdpInErrors++;
		return false;
	}
	nst_pkt_trim(pkt, bytes);
	in->l4_bytes = bytes;
	/* RFC 768: none given; RFC 8200 8.1: not so in IPv6 */
	if (!wire_get16(h + UDP_CSUM_OFF) && pkt->csum != NST_CSUM_PARTIAL &&
	    in->src.family == 4)
		return true;
	if ((wire_get16(h + UDP_CSUM_OFF) || pkt->csum == NST_CSUM_PARTIAL) &&
	    ip_l4_csum_ok(pkt, in))
		return true;
	st->count.UdpInCsumErrors++;
	st->count.UdpInErrors++;
	return false;
}

void udp_in(struct nst_stack *st, struct nst_pkt *pkt, const struct ip_in *in)
{
	struct ip_in own = *in;
	struct nst_dgram_in meta;

	if (udp_parse(st, pkt, &own)) {
		meta = dgram_meta(st, pkt, &own);
		meta.src.port = wire_get16(nst_pkt_data(pkt));
		meta.dst.port = wire_get16(nst_pkt_data(pkt) + 2);
		if (own.bcast || own.mcast)
			deliver_many(st, pkt, &meta);
		else
			deliver_one(st, pkt, &own, &meta);
	}
	nst_pkt_free(pkt);
}

/* ---- errors ---- */

struct culprit {
	struct nst_sockaddr local, remote;
	struct nst_sock *found;
};

/* The socket that sent it: a connected one before one that is not. */
static void match_culprit(struct nst_sock *s, void *arg)
{
	struct culprit *c = arg;
	const struct nst_addr *local = &s->local.addr;

	if (!addr_is_any(local) && !addr_eq(local, &c->local.addr))
		return;
	if (!sock_takes_family(s, c->remote.addr.family))
		return;
	if (!s->remote.addr.family) {
		if (!c->found)
			c->found = s;
		return;
	}
	if (addr_eq(&s->remote.addr, &c->remote.addr) &&
	    s->remote.port == c->remote.port)
		c->found = s;
}

void udp_icmp(struct nst_stack *st, const struct icmp_err *e)
{
	struct culprit c = {.local.addr = e->src, .remote.addr = e->dst};

	if (e->l4_bytes < UDP_HEADER) {
		st->count.IcmpNoMatch++;
		return;
	}
	c.local.port = wire_get16(e->l4);
	c.remote.port = wire_get16(e->l4 + 2);
	ports_each(st->ports, SOCK_K_UDP, c.local.port, match_culprit, &c);
	if (!c.found) {
		st->count.IcmpNoMatch++;
		return;
	}
	dgram_icmp(dgram_of(c.found), e, &c.remote, e->l4 + UDP_HEADER,
		   e->l4_bytes - UDP_HEADER);
}

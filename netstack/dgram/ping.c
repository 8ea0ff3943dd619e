/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ping sockets: ICMP echo for programs without privileges. The port is the
 * identifier; the program gives and gets whole ICMP messages, whose identifier
 * and checksum are ours. LINUX: net/ipv4/ping.c.
 */
#include "netstack/dgram/dgram_priv.h"

enum nst_err ping_send(struct dgram_tx *tx)
{
	struct nst_sock *s = &tx->d->s;
	bool four = tx->path.dst.family == 4;
	enum nst_err e;
	struct nst_pkt *pkt;
	uint8_t *h;
	uint16_t sum;

	if (tx->bytes < ICMP_HDR_BYTES)
		return NST_E_INVAL;
	e = dgram_gather_all(tx, &pkt);
	if (e)
		return e;
	h = nst_pkt_data(pkt);
	/* Only echo requests: anything else needs a raw socket */
	if (h[0] != (four ? ICMP4_ECHO : ICMP6_ECHO) || h[1] != 0) {
		nst_pkt_free(pkt);
		return NST_E_INVAL;
	}
	wire_put16(h + 4, s->local.port);
	wire_put16(h + 2, 0);
	sum = four ? 0
		   : ip_pseudo_sum(&tx->path.src, &tx->path.dst, IP_PROTO_ICMP6,
				   tx->bytes);
	wire_put_csum(h + 2, nst_pkt_sum(pkt, 0, tx->bytes, sum));
	pkt->l4_off = (uint16_t)pkt->off;
	return ip_send(s->st, &tx->path, &tx->out, pkt);
}

void ping_in(struct nst_stack *st, struct nst_pkt *pkt, const struct ip_in *in)
{
	struct nst_dgram_in meta = dgram_meta(st, pkt, in);
	struct nst_sock *s = NULL;
	struct nst_sockaddr to = {.addr = in->dst};

	if (nst_pkt_linear(pkt, ICMP_HDR_BYTES)) {
		to.port = wire_get16(nst_pkt_data(pkt) + 4);
		s = ports_lookup(st->ports, SOCK_K_PING, &to, &meta.src,
				 in->ifindex, NULL);
	}
	if (!s)
		st->count.PingNoSocket++;
	else if (dgram_deliver(dgram_of(s), pkt, 0, 0, &meta))
		st->count.PingInMsgs++;
	else
		st->count.RawRcvbufErrors++;
	nst_pkt_free(pkt);
}

void ping_icmp(struct nst_stack *st, const struct icmp_err *e)
{
	struct nst_sockaddr from = {.addr = e->src}, to = {.addr = e->dst};
	struct nst_sock *s = NULL;

	if (e->l4_bytes >= ICMP_HDR_BYTES) {
		from.port = wire_get16(e->l4 + 4);
		s = ports_lookup(st->ports, SOCK_K_PING, &from, &to, 0, NULL);
	}
	if (!s) {
		st->count.IcmpNoMatch++;
		return;
	}
	/* LINUX: the quoted data starts at the ICMP header */
	dgram_icmp(dgram_of(s), e, &to, e->l4, e->l4_bytes);
}

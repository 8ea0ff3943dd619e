/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raw sockets' output: the program's own transport header, or, with
 * IP_HDRINCL, its IP header too. LINUX: raw_send_hdrinc(), rawv6_sendmsg().
 */
#include "netstack/dgram/dgram_priv.h"

/* Length and checksum are always ours, source and id where they are zero. */
static void complete_ip4(struct nst_stack *st, const struct ip_path *path,
			 uint8_t *h, uint32_t bytes, uint32_t hdr)
{
	static const uint8_t zero[4];

	wire_put16(h + 2, bytes);
	if (!wire_get16(h + 4))
		wire_put16(h + 4, nst_random32(st->env) & 0xffff);
	if (memcmp(h + 12, zero, 4) == 0)
		memcpy(h + 12, path->src.b, 4);
	wire_put16(h + 10, 0);
	wire_put_csum(h + 10, nst_csum_add(0, h, hdr));
}

static enum nst_err send_hdrincl(struct dgram_tx *tx)
{
	struct nst_stack *st = tx->d->s.st;
	bool four = tx->path.dst.family == 4;
	uint32_t hdr = four ? IP4_HDR_BYTES : IP6_HDR_BYTES;
	struct nst_pkt *pkt;
	uint8_t *h;

	if (tx->bytes > tx->path.mtu) {
		dgram_local_msgsize(tx->d, &tx->to, tx->path.mtu);
		return NST_E_MSGSIZE;
	}
	if (tx->bytes < hdr)
		return NST_E_INVAL;
	pkt = dgram_gather(tx, 0, 0, tx->bytes);
	if (!pkt)
		return NST_E_NOBUFS;
	h = nst_pkt_data(pkt);
	if (four)
		hdr = (h[0] & 0xfu) * 4;
	if (h[0] >> 4 != (four ? 4 : 6) || hdr < IP4_HDR_BYTES ||
	    hdr > tx->bytes) {
		nst_pkt_free(pkt);
		return NST_E_INVAL;
	}
	if (four)
		complete_ip4(st, &tx->path, h, tx->bytes, hdr);
	pkt->l3_off = (uint16_t)pkt->off;
	pkt->l4_off = (uint16_t)(pkt->off + hdr);
	return ip_send_hdrincl(st, &tx->path, pkt);
}

/* RFC 3542 3.1: at the offset that the program gave. */
static enum nst_err add_csum6(const struct dgram_tx *tx, struct nst_pkt *pkt)
{
	uint32_t at = (uint32_t)tx->d->s.opt.raw_csum_off;
	uint8_t *h = nst_pkt_data(pkt);
	uint16_t sum;

	if (at + 2 > tx->bytes)
		return NST_E_INVAL;
	wire_put16(h + at, 0);
	sum = ip_pseudo_sum(&tx->path.src, &tx->path.dst, tx->out.proto,
			    tx->bytes);
	sum = (uint16_t)~nst_pkt_sum(pkt, 0, tx->bytes, sum);
	wire_put16(h + at, sum ? sum : 0xffff);
	return NST_OK;
}

enum nst_err raw_send(struct dgram_tx *tx)
{
	struct nst_sock *s = &tx->d->s;
	enum nst_err e;
	struct nst_pkt *pkt;

	if (s->opt.hdrincl)
		return send_hdrincl(tx);
	e = dgram_gather_all(tx, &pkt);
	if (e)
		return e;
	if (s->family == 6 && s->opt.raw_csum_off >= 0)
		e = add_csum6(tx, pkt);
	if (e) {
		nst_pkt_free(pkt);
		return e;
	}
	pkt->l4_off = (uint16_t)pkt->off;
	return ip_send(s->st, &tx->path, &tx->out, pkt);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* UDP output, RFC 768: checksum, UDP_SEGMENT, UDP_CORK. */
#include "netstack/dgram/dgram_priv.h"

void udp_emit(struct nst_pkt *pkt, const struct ip_path *path, uint16_t sport,
	      uint16_t dport, bool no_check)
{
	uint32_t bytes = nst_pkt_bytes(pkt) + UDP_HEADER;
	uint32_t hdr = path->dst.family == 4 ? IP4_HDR_BYTES : IP6_HDR_BYTES;
	uint8_t *h = nst_pkt_push(pkt, UDP_HEADER);
	uint16_t sum =
	    ip_pseudo_sum(&path->src, &path->dst, IP_PROTO_UDP, bytes);

	wire_put16(h, sport);
	wire_put16(h + 2, dport);
	wire_put16(h + 4, bytes);
	wire_put16(h + 6, 0);
	pkt->l4_off = (uint16_t)pkt->off;
	/* RFC 8200 8.1: IPv6 has no datagrams without checksum */
	if (no_check && path->dst.family == 4)
		return;
	if ((path->link_caps & NST_CAP_TX_CSUM) && bytes + hdr <= path->mtu) {
		wire_put16(h + UDP_CSUM_OFF, sum);
		pkt->csum = NST_CSUM_PARTIAL;
		pkt->csum_start = pkt->l4_off;
		pkt->csum_off = UDP_CSUM_OFF;
		return;
	}
	sum = (uint16_t)~nst_pkt_sum(pkt, 0, bytes, sum);
	wire_put16(h + UDP_CSUM_OFF, sum ? sum : 0xffff);
}

static enum nst_err send_piece(struct dgram_tx *tx, uint32_t from,
			       uint32_t bytes)
{
	struct nst_sock *s = &tx->d->s;
	enum nst_err e = dgram_fits(tx, UDP_HEADER + bytes);
	struct nst_pkt *pkt;

	if (e)
		return e;
	pkt = dgram_gather(tx, UDP_HEADER, from, bytes);
	if (!pkt) {
		s->st->count.UdpSndbufErrors++;
		return NST_E_NOBUFS;
	}
	udp_emit(pkt, &tx->path, s->local.port, tx->to.port, s->opt.no_check);
	s->st->count.UdpOutDatagrams++;
	return ip_send(s->st, &tx->path, &tx->out, pkt);
}

/* LINUX: udp_send_skb() */
static enum nst_err check_segments(const struct dgram_tx *tx, uint32_t size)
{
	uint32_t hdr = UDP_HEADER + (tx->path.dst.family == 4 ? IP4_HDR_BYTES
							      : IP6_HDR_BYTES);

	if (size + hdr > tx->path.mtu)
		return NST_E_MSGSIZE;
	if (tx->bytes > size * UDP_MAX_SEGMENTS || tx->d->s.opt.no_check)
		return NST_E_INVAL;
	return NST_OK;
}

enum nst_err udp_send(struct dgram_tx *tx)
{
	uint32_t size = tx->o->gso_size ? tx->o->gso_size : tx->d->udp_segment;
	enum nst_err e = dgram_fits(tx, UDP_HEADER + (size ? 0 : tx->bytes));

	if (e)
		return e;
	if (!size || tx->bytes <= size)
		return send_piece(tx, 0, tx->bytes);
	e = check_segments(tx, size);
	for (uint32_t at = 0; !e && at < tx->bytes; at += size) {
		uint32_t left = tx->bytes - at;

		e = send_piece(tx, at, left < size ? left : size);
	}
	return e;
}

/* ---- UDP_CORK ---- */

static void cork_drop(struct nst_dgram *d)
{
	nst_release(d->s.st->env, d->cork, sizeof(*d->cork));
	d->cork = NULL;
}

/* LINUX: the destination is the first send's; later ones only add bytes. */
static enum nst_err cork_start(struct dgram_tx *tx)
{
	struct nst_dgram *d = tx->d;
	enum nst_err e = dgram_prepare(tx);

	if (e)
		return e;
	d->cork = nst_alloc(d->s.st->env, sizeof(*d->cork));
	if (!d->cork)
		return NST_E_NOBUFS;
	d->cork->to = tx->to;
	d->cork->o = *tx->o;
	return NST_OK;
}

static void cork_copy(struct dgram_cork *c, const struct dgram_tx *tx)
{
	for (size_t i = 0; i < tx->niov; i++) {
		memcpy(c->data + c->bytes, tx->iov[i].p, tx->iov[i].len);
		c->bytes += (uint32_t)tx->iov[i].len;
	}
}

enum nst_err udp_cork_add(struct dgram_tx *tx)
{
	struct nst_dgram *d = tx->d;
	enum nst_err e = d->cork ? NST_OK : cork_start(tx);

	if (e)
		return e;
	/* LINUX: too much loses all of it */
	if (d->cork->bytes + tx->bytes > DGRAM_MAX_BYTES - UDP_HEADER) {
		cork_drop(d);
		return NST_E_MSGSIZE;
	}
	cork_copy(d->cork, tx);
	return d->udp_cork ? NST_OK : udp_cork_push(d);
}

enum nst_err udp_cork_push(struct nst_dgram *d)
{
	struct dgram_cork *c = d->cork;
	struct nst_iov iov;
	struct dgram_tx tx;
	enum nst_err e;

	if (!c)
		return NST_OK;
	iov = (struct nst_iov){c->data, c->bytes};
	tx = (struct dgram_tx){.d = d,
			       .o = &c->o,
			       .to = c->to,
			       .iov = &iov,
			       .niov = 1,
			       .bytes = c->bytes};
	e = dgram_route(&tx);
	if (!e)
		e = udp_send(&tx);
	cork_drop(d);
	return e;
}

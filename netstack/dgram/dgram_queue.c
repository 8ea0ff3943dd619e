/* SPDX-License-Identifier: Apache-2.0 */
/* The receive queue: datagrams copied once, bounded by SO_RCVBUF. */
#include "netstack/dgram/dgram_priv.h"

/* LINUX: struct sk_buff; headroom and struct skb_shared_info of its buffer,
 * which comes from power-of-two caches, or one for small packets. */
#define SKB_STRUCT 256
#define SKB_AROUND 384
#define SKB_SMALL 576

uint32_t dgram_charge(uint32_t bytes)
{
	uint32_t size = bytes + SKB_AROUND;

	if (size <= SKB_SMALL)
		return SKB_SMALL + SKB_STRUCT;
	return (1u << (32 - __builtin_clz(size - 1))) + SKB_STRUCT;
}

bool dgram_has_room(const struct nst_dgram *d, uint32_t charge)
{
	return !d->charged || (uint64_t)d->charged + charge <= d->s.opt.rcvbuf;
}

static size_t rx_size(const struct dgram_rx *rx)
{
	return sizeof(*rx) + rx->in.bytes;
}

struct nst_dgram_in dgram_meta(const struct nst_stack *st,
			       const struct nst_pkt *pkt,
			       const struct ip_in *in)
{
	struct nst_dgram_in meta = {
	    .src.addr = in->src,
	    .dst.addr = in->dst,
	    .ifindex = in->ifindex,
	    .ttl = in->ttl,
	    .tos = in->tos,
	    .when = pkt->when ? pkt->when : st->now,
	};

	if (!in->bcast && !in->mcast)
		meta.spec_dst = in->dst;
	return meta;
}

/* For multicast and broadcast: the address that a reply would come from. */
static struct nst_addr spec_dst(struct nst_stack *st,
				const struct nst_dgram_in *in)
{
	struct ip_path path;

	if (in->spec_dst.family)
		return in->spec_dst;
	if (ip_path_find(st, &in->src.addr, NULL, in->ifindex, false, &path))
		return addr_any(in->dst.addr.family);
	return path.src;
}

/* At the end of the queue. */
static void append(struct nst_dgram *d, struct dgram_rx *rx, uint32_t charge)
{
	rx->charge = charge;
	rx->in.data = rx->bytes;
	*d->rx_tail = rx;
	d->rx_tail = &rx->next;
	d->rx_n++;
	d->charged += charge;
}

bool dgram_deliver(struct nst_dgram *d, const struct nst_pkt *pkt,
		   uint32_t prefix, uint32_t from,
		   const struct nst_dgram_in *in)
{
	struct nst_stack *st = d->s.st;
	uint32_t bytes = nst_pkt_bytes(pkt) - from;
	uint32_t charge = dgram_charge(prefix + bytes);
	struct dgram_rx *rx;

	if (!dgram_has_room(d, charge))
		return false;
	rx = nst_alloc(st->env, sizeof(*rx) + prefix + bytes);
	if (!rx)
		return false;
	rx->in = *in;
	rx->in.spec_dst = spec_dst(st, in);
	rx->in.bytes = prefix + bytes;
	memcpy(rx->bytes, nst_pkt_data(pkt) - prefix, prefix);
	nst_pkt_copy(pkt, from, rx->bytes + prefix, bytes);
	append(d, rx, charge);
	sock_event(&d->s, NST_EV_IN);
	return true;
}

enum nst_err dgram_restore_rx(struct nst_dgram *d,
			      const struct nst_dgram_in *in, const void *data,
			      uint32_t bytes)
{
	uint32_t charge = dgram_charge(bytes);
	struct dgram_rx *rx;

	if (charge > DGRAM_CHARGED_MAX - d->charged)
		return NST_E_NOBUFS;
	rx = nst_alloc(d->s.st->env, sizeof(*rx) + bytes);
	if (!rx)
		return NST_E_NOMEM;
	rx->in = *in;
	rx->in.bytes = bytes;
	if (bytes)
		memcpy(rx->bytes, data, bytes);
	append(d, rx, charge);
	return NST_OK;
}

enum nst_err nst_dgram_peek(const struct nst_dgram *d, struct nst_dgram_in *out)
{
	if (!d->rx_head)
		return NST_E_AGAIN;
	*out = d->rx_head->in;
	return NST_OK;
}

void nst_dgram_pop(struct nst_dgram *d)
{
	struct dgram_rx *rx = d->rx_head;

	if (!rx)
		return;
	d->rx_head = rx->next;
	if (!d->rx_head)
		d->rx_tail = &d->rx_head;
	d->rx_n--;
	d->charged -= rx->charge;
	nst_release(d->s.st->env, rx, rx_size(rx));
}

size_t nst_dgram_queued(const struct nst_dgram *d)
{
	return d->rx_n;
}

void dgram_purge_rx(struct nst_dgram *d)
{
	while (d->rx_head)
		nst_dgram_pop(d);
}

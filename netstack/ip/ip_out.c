/* SPDX-License-Identifier: Apache-2.0 */
/* IP output: the header, then where the packet goes. RFC 791, 6864, 8200. */
#include "netstack/ip/ip_priv.h"
#include "netstack/ip/mcast.h"
#include "netstack/ip/neigh.h"
#include "netstack/ip/nic.h"

static enum nst_err out_drop(struct ip_layer *ip, struct nst_pkt *pkt,
			     enum nst_err err)
{
	ip->st->count.IpOutDiscards++;
	nst_pkt_free(pkt);
	return err;
}

uint16_t ip4_next_id(struct ip_layer *ip, const struct nst_addr *src,
		     const struct nst_addr *dst, uint8_t proto)
{
	uint64_t h = ip_hash(ip, dst, wire_get32(src->b) ^ proto);

	return ip->ids[h % IP_ID_BUCKETS]++;
}

/* ---- headers ---- */

/* RFC 6864: a packet that cannot be fragmented needs no identification. */
static enum nst_err push4(struct ip_layer *ip, const struct ip_path *path,
			  const struct ip_out *o, struct nst_pkt *pkt)
{
	uint32_t total = nst_pkt_bytes(pkt) + IP4_HDR_BYTES;
	struct ip4_repr h = {
	    .src = path->src,
	    .dst = path->dst,
	    .tos = o->tos,
	    .ttl = o->ttl ? o->ttl : 64,
	    .proto = o->proto,
	    .df = o->df,
	};
	uint8_t *p;

	if (total > IP_MAX_BYTES)
		return NST_E_MSGSIZE;
	p = nst_pkt_push(pkt, IP4_HDR_BYTES);
	if (!p)
		return NST_E_NOMEM;
	h.total_bytes = (uint16_t)total;
	if (!o->df && !path->loopback)
		h.id = ip4_next_id(ip, &path->src, &path->dst, o->proto);
	ip4_emit(&h, p);
	return NST_OK;
}

static enum nst_err push6(const struct ip_path *path, const struct ip_out *o,
			  struct nst_pkt *pkt)
{
	uint32_t bytes = nst_pkt_bytes(pkt);
	struct ip6_repr h = {
	    .src = path->src,
	    .dst = path->dst,
	    .flow_label = o->flow_label,
	    .tclass = o->tos,
	    .next = o->proto,
	    .hops = o->ttl ? o->ttl : 64,
	};
	uint8_t *p;

	if (bytes > IP_MAX_BYTES)
		return NST_E_MSGSIZE;
	p = nst_pkt_push(pkt, IP6_HDR_BYTES);
	if (!p)
		return NST_E_NOMEM;
	h.payload_bytes = (uint16_t)bytes;
	ip6_emit(&h, p);
	return NST_OK;
}

/* ---- below the header ---- */

void ip_tx(struct ip_layer *ip, struct nic *nic, const struct nst_addr *hop,
	   struct nst_pkt *pkt)
{
	uint16_t type = hop->family == 6 ? ETH_TYPE_IP6 : ETH_TYPE_IP4;
	uint8_t mac[6] = {255, 255, 255, 255, 255, 255};

	if (nic->cfg.kind != NST_LINK_ETHER) {
		nic_tx(ip, nic, NULL, type, pkt);
		return;
	}
	if (addr_is_mcast(hop))
		addr_mcast_mac(hop, mac);
	else if (!addr_is_bcast4(hop) && !ifaddr_bcast(ip, hop, nic->ifindex)) {
		neigh_send(ip, nic, hop, pkt);
		return;
	}
	nic_tx(ip, nic, mac, type, pkt);
}

static void loop(struct ip_layer *ip, const struct ip_path *path,
		 struct nst_pkt *pkt)
{
	pkt->ifindex = path->ifindex;
	pkt->l2_bcast = false;
	stack_loop_pkt(ip->st, pkt);
}

/* Our own members of a group, and our sockets on a broadcast port, hear it
 * too. */
static void loop_copy(struct ip_layer *ip, const struct ip_path *path,
		      const struct nst_pkt *pkt)
{
	struct nst_pkt *copy;

	if (path->mcast && !mcast_member(ip, &path->dst, path->ifindex))
		return;
	copy = nst_pkt_clone(pkt);
	if (!copy) {
		ip->st->count.PktNoMemory++;
		return;
	}
	loop(ip, path, copy);
}

/* IP bytes of the largest packet that a super-segment becomes. */
static uint32_t wire_bytes(const struct nst_pkt *pkt)
{
	uint32_t hdrs = pkt->l4_off - pkt->off;

	if (pkt->gso == NST_GSO_NONE || !pkt->gso_size)
		return nst_pkt_bytes(pkt);
	if (pkt->gso == NST_GSO_UDP)
		return hdrs + 8 + pkt->gso_size;
	return hdrs + (uint32_t)(pkt->head[pkt->l4_off + 12] >> 4) * 4 +
	       pkt->gso_size;
}

static enum nst_err send_wire(struct ip_layer *ip, const struct ip_path *path,
			      const struct ip_out *o, struct nic *nic,
			      struct nst_pkt *pkt)
{
	bool v6 = path->dst.family == 6;

	if (wire_bytes(pkt) <= path->mtu) {
		ip_tx(ip, nic, &path->next_hop, pkt);
		return NST_OK;
	}
	if (v6 ? o->no_local_frag : o->df) {
		ip->st->count.IpFragFails++;
		return out_drop(ip, pkt, NST_E_MSGSIZE);
	}
	if (pkt->gso_size && pkt->gso != NST_GSO_NONE)
		return out_drop(ip, pkt, NST_E_MSGSIZE);
	if (pkt->csum == NST_CSUM_PARTIAL)
		nst_pkt_csum_finish(pkt);
	return v6 ? ip6_fragment(ip, nic, path, pkt)
		  : ip4_fragment(ip, nic, path, pkt);
}

/* Loopback or wire, the IP header being in place. */
static enum nst_err send_ready(struct ip_layer *ip, const struct ip_path *path,
			       const struct ip_out *o, struct nst_pkt *pkt)
{
	struct nic *nic = nic_find(ip, path->ifindex);

	pkt->l3_off = (uint16_t)pkt->off;
	if (!nic || !nic->up)
		return out_drop(ip, pkt, NST_E_NETDOWN);
	if (path->loopback) {
		nic->tx_packets++;
		nic->tx_bytes += nst_pkt_bytes(pkt);
		loop(ip, path, pkt);
		return NST_OK;
	}
	if ((path->mcast || path->bcast) && !o->no_mc_loop)
		loop_copy(ip, path, pkt);
	return send_wire(ip, path, o, nic, pkt);
}

enum nst_err ip_send(struct nst_stack *st, const struct ip_path *path,
		     const struct ip_out *o, struct nst_pkt *pkt)
{
	struct ip_layer *ip = st->ip;
	enum nst_err err;

	pkt->next = NULL;
	if (path->dst.family == 6) {
		st->count.Ip6OutRequests++;
		err = push6(path, o, pkt);
	} else {
		st->count.IpOutRequests++;
		err = push4(ip, path, o, pkt);
	}
	if (err)
		return out_drop(ip, pkt, err);
	return send_ready(ip, path, o, pkt);
}

/* ---- packets that bring their header ---- */

/* LINUX: raw(7): length and checksum always, source and id when zero. */
static enum nst_err hdrincl4(struct ip_layer *ip, const struct ip_path *path,
			     struct nst_pkt *pkt)
{
	uint32_t hdr_bytes, total = nst_pkt_bytes(pkt);
	uint8_t *p;

	if (!nst_pkt_linear(pkt, IP4_HDR_BYTES))
		return NST_E_INVAL;
	hdr_bytes = (nst_pkt_data(pkt)[0] & 15u) * 4;
	if (hdr_bytes < IP4_HDR_BYTES || !nst_pkt_linear(pkt, hdr_bytes))
		return NST_E_INVAL;
	p = nst_pkt_data(pkt);
	if (p[0] >> 4 != 4)
		return NST_E_INVAL;
	wire_put16(p + 2, total);
	if (!wire_get32(p + 12))
		memcpy(p + 12, path->src.b, 4);
	if (!wire_get16(p + 4))
		wire_put16(p + 4,
			   ip4_next_id(ip, &path->src, &path->dst, p[9]));
	ip4_fix_csum(p, hdr_bytes);
	pkt->l4_off = (uint16_t)(pkt->off + hdr_bytes);
	return NST_OK;
}

enum nst_err ip_send_hdrincl(struct nst_stack *st, const struct ip_path *path,
			     struct nst_pkt *pkt)
{
	struct ip_out o = {.df = true, .no_local_frag = true};
	struct ip_layer *ip = st->ip;
	enum nst_err err = NST_OK;

	pkt->next = NULL;
	pkt->csum = NST_CSUM_NONE;
	pkt->gso = NST_GSO_NONE;
	pkt->gso_size = 0;
	/* LINUX: raw_send_hdrinc and rawv6_send_hdrinc never fragment. */
	if (nst_pkt_bytes(pkt) > path->mtu || nst_pkt_bytes(pkt) > IP_MAX_BYTES)
		return out_drop(ip, pkt, NST_E_MSGSIZE);
	if (path->dst.family == 4) {
		st->count.IpOutRequests++;
		err = hdrincl4(ip, path, pkt);
	} else {
		st->count.Ip6OutRequests++;
		if (!nst_pkt_linear(pkt, IP6_HDR_BYTES))
			err = NST_E_INVAL;
	}
	if (err)
		return out_drop(ip, pkt, err);
	return send_ready(ip, path, &o, pkt);
}

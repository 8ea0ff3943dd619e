/* SPDX-License-Identifier: Apache-2.0 */
#include "netstack/ip/nic.h"
#include "netstack/ip/ip_priv.h"

void nic_add_lo(struct ip_layer *ip)
{
	struct nic *nic = &ip->nics[0];

	ip->nnics = 1;
	memcpy(nic->cfg.name, "lo", 3);
	nic->cfg.kind = NST_LINK_LOOPBACK;
	nic->cfg.caps = NST_CAP_TSO | NST_CAP_TX_CSUM;
	nic->cfg.mtu = 65536;
	nic->ifindex = NIC_LO;
	nic->up = true;
}

/* ---- configuration ---- */

static bool name_ok(const char name[16])
{
	for (size_t i = 0; i < 16; i++) {
		if (!name[i])
			return i > 0;
	}
	return false;
}

static bool mac_ok(const uint8_t mac[6])
{
	uint8_t any = 0;

	for (size_t i = 0; i < 6; i++)
		any |= mac[i];
	return any != 0 && !(mac[0] & 1);
}

static bool mtu_ok(uint32_t mtu)
{
	return mtu >= IP4_MIN_MTU && mtu <= IP_MAX_BYTES;
}

static enum nst_err nic_cfg_check(const struct nst_nic_config *cfg)
{
	if (!name_ok(cfg->name) || !mtu_ok(cfg->mtu))
		return NST_E_INVAL;
	if (!cfg->ops || !cfg->ops->transmit)
		return NST_E_INVAL;
	if (cfg->kind != NST_LINK_ETHER && cfg->kind != NST_LINK_IP)
		return NST_E_INVAL;
	if (cfg->kind == NST_LINK_ETHER && !mac_ok(cfg->mac))
		return NST_E_INVAL;
	return NST_OK;
}

static bool name_used(const struct ip_layer *ip, const char name[16])
{
	for (uint32_t i = 0; i < ip->nnics; i++) {
		const char *n = ip->nics[i].cfg.name;
		size_t k = 0;

		while (n[k] && n[k] == name[k])
			k++;
		if (n[k] == name[k])
			return true;
	}
	return false;
}

/* RFC 4862 5.3; duplicate address detection is a later matter. */
static enum nst_err add_linklocal(struct ip_layer *ip, const struct nic *nic)
{
	struct nst_ifaddr a = {.prefix_len = 64, .ifindex = nic->ifindex};

	if (nic->cfg.kind != NST_LINK_ETHER || nic->cfg.mtu < IP6_MIN_MTU)
		return NST_OK;
	addr_linklocal_eui64(nic->cfg.mac, &a.addr);
	a.addr.scope = nic->ifindex;
	return ifaddr_add(ip, &a);
}

enum nst_err nic_cfg_ok(const struct ip_layer *ip,
			const struct nst_nic_config *cfg)
{
	enum nst_err err = nic_cfg_check(cfg);

	if (err)
		return err;
	if (name_used(ip, cfg->name))
		return NST_E_EXIST;
	return ip->nnics == LIMIT_NICS ? NST_E_NOBUFS : NST_OK;
}

static enum nst_err nic_add(struct ip_layer *ip,
			    const struct nst_nic_config *cfg, uint32_t *ifindex)
{
	enum nst_err err = nic_cfg_ok(ip, cfg);
	struct nic *nic;

	if (err)
		return err;
	nic = &ip->nics[ip->nnics];
	memset(nic, 0, sizeof(*nic));
	nic->cfg = *cfg;
	nic->ifindex = ++ip->nnics;
	nic->up = true;
	err = add_linklocal(ip, nic);
	if (err) {
		ip->nnics--;
		return err;
	}
	*ifindex = nic->ifindex;
	return NST_OK;
}

enum nst_err nst_nic_add(struct nst_stack *st, const struct nst_nic_config *cfg,
			 uint32_t *ifindex)
{
	enum nst_err err;

	stack_enter(st, st->now);
	err = nic_add(st->ip, cfg, ifindex);
	stack_leave(st);
	return err;
}

enum nst_err nst_nic_get(const struct nst_stack *st, uint32_t ifindex,
			 struct nst_nic_info *out)
{
	const struct nic *nic = nic_find(st->ip, ifindex);

	if (!nic)
		return NST_E_NODEV;
	memset(out, 0, sizeof(*out));
	memcpy(out->name, nic->cfg.name, sizeof(out->name));
	out->kind = nic->cfg.kind;
	out->ifindex = ifindex;
	out->caps = nic->cfg.caps;
	out->mtu = nic->cfg.mtu;
	memcpy(out->mac, nic->cfg.mac, 6);
	out->up = nic->up;
	out->rx_packets = nic->rx_packets;
	out->rx_bytes = nic->rx_bytes;
	out->tx_packets = nic->tx_packets;
	out->tx_bytes = nic->tx_bytes;
	out->rx_drops = nic->rx_drops;
	out->tx_drops = nic->tx_drops;
	return NST_OK;
}

uint32_t nst_nic_next(const struct nst_stack *st, uint32_t after)
{
	return after < st->ip->nnics ? after + 1 : 0;
}

bool nic_mtu_ok(uint32_t ifindex, uint32_t mtu)
{
	return mtu_ok(mtu) || (ifindex == NIC_LO && mtu == 65536);
}

enum nst_err nst_nic_set_mtu(struct nst_stack *st, uint32_t ifindex,
			     uint32_t mtu)
{
	struct nic *nic = nic_find(st->ip, ifindex);

	if (!nic)
		return NST_E_NODEV;
	if (!nic_mtu_ok(ifindex, mtu))
		return NST_E_INVAL;
	nic->cfg.mtu = mtu;
	return NST_OK;
}

/* ---- receiving ---- */

void nic_rx_drop(struct nic *nic, struct nst_pkt *pkt, uint64_t *counter)
{
	nic->rx_drops++;
	(*counter)++;
	nst_pkt_free(pkt);
}

void nst_nic_in(struct nst_stack *st, uint32_t ifindex, struct nst_pkt *pkt,
		nst_time now)
{
	struct nic *nic = nic_find(st->ip, ifindex);

	stack_enter(st, now);
	if (!nic || ifindex == NIC_LO) {
		st->count.LinkRxNotForUs++;
		nst_pkt_free(pkt);
		stack_leave(st);
		return;
	}
	nic->rx_packets++;
	nic->rx_bytes += nst_pkt_bytes(pkt);
	pkt->ifindex = ifindex;
	pkt->when = now;
	pkt->next = NULL;
	if (nic->cfg.kind == NST_LINK_ETHER)
		eth_in(st->ip, nic, pkt);
	else
		ip_in(st->ip, nic, pkt, false);
	stack_leave(st);
}

/* ---- transmitting ---- */

static void nic_tx_drop(struct nic *nic, struct nst_pkt *pkt, uint64_t *counter)
{
	nic->tx_drops++;
	(*counter)++;
	nst_pkt_free(pkt);
}

/* Room for the link's header: normally there; else the packet is copied. */
static struct nst_pkt *with_headroom(struct nst_pkt *pkt, uint32_t bytes)
{
	uint32_t all = nst_pkt_bytes(pkt);
	struct nst_pkt *copy;
	uint8_t *p;

	if (pkt->off >= bytes)
		return pkt;
	copy = nst_pkt_new(pkt->env, NST_PKT_HEADROOM, all);
	p = copy ? nst_pkt_put(copy, all) : NULL;
	if (p) {
		uint32_t shift = copy->off - pkt->off;

		nst_pkt_copy(pkt, 0, p, all);
		copy->csum = pkt->csum;
		copy->gso = pkt->gso;
		copy->gso_size = pkt->gso_size;
		copy->csum_start = (uint16_t)(pkt->csum_start + shift);
		copy->csum_off = pkt->csum_off;
		copy->l4_off = (uint16_t)(pkt->l4_off + shift);
		copy->flow = pkt->flow;
	}
	nst_pkt_free(pkt);
	return copy;
}

static void nic_tx_one(struct ip_layer *ip, struct nic *nic,
		       const uint8_t mac[6], uint16_t eth_type,
		       struct nst_pkt *pkt)
{
	struct eth_repr eth = {.type = eth_type};

	if (ip->st->ending) {
		nst_pkt_free(pkt);
		return;
	}
	if (pkt->csum == NST_CSUM_PARTIAL && !(nic->cfg.caps & NST_CAP_TX_CSUM))
		nst_pkt_csum_finish(pkt);
	pkt->l3_off = (uint16_t)pkt->off;
	if (nic->cfg.kind == NST_LINK_ETHER) {
		pkt = with_headroom(pkt, ETH_HDR_BYTES);
		if (!pkt) {
			nic->tx_drops++;
			ip->st->count.PktNoMemory++;
			return;
		}
		pkt->l3_off = (uint16_t)pkt->off;
		memcpy(eth.dst, mac, 6);
		memcpy(eth.src, nic->cfg.mac, 6);
		eth_emit(&eth, nst_pkt_push(pkt, ETH_HDR_BYTES));
	}
	pkt->ifindex = nic->ifindex;
	pkt->when = ip->st->now;
	nic->tx_packets++;
	nic->tx_bytes += nst_pkt_bytes(pkt);
	nic->cfg.ops->transmit(nic->cfg.link, pkt);
}

/* No NIC keeps CWR in all segments (gso_ace). LINUX: what carries the AccECN
 * option is cut in front of the NIC, too. */
static bool cwr_in_all(const struct nst_pkt *pkt)
{
	return pkt->gso_ace > 1 ||
	       (pkt->gso_ace && (pkt->head[pkt->l4_off + 13] & 0x80));
}

/* UDP super-segments are always cut: TSO speaks of TCP. */
static bool must_cut(const struct nic *nic, const struct nst_pkt *pkt)
{
	if (!pkt->gso_size || pkt->gso == NST_GSO_NONE)
		return false;
	return pkt->gso == NST_GSO_UDP || cwr_in_all(pkt) ||
	       !(nic->cfg.caps & NST_CAP_TSO);
}

void nic_tx(struct ip_layer *ip, struct nic *nic, const uint8_t mac[6],
	    uint16_t eth_type, struct nst_pkt *pkt)
{
	pkt->next = NULL;
	if (nic->cfg.kind == NST_LINK_LOOPBACK) {
		/* Nothing is behind it: what is for us was looped before. */
		nic_tx_drop(nic, pkt, &ip->st->count.LinkTxNoNic);
		return;
	}
	if (must_cut(nic, pkt)) {
		pkt = nst_pkt_segment(pkt);
		if (!pkt) {
			nic->tx_drops++;
			ip->st->count.PktNoMemory++;
			return;
		}
	}
	while (pkt) {
		struct nst_pkt *next = pkt->next;

		pkt->next = NULL;
		nic_tx_one(ip, nic, mac, eth_type, pkt);
		pkt = next;
	}
}

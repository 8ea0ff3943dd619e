/* SPDX-License-Identifier: Apache-2.0 */
/* Saving neighbours and the packets that wait for them. */
#include "netstack/ip/ip.fields.h"
#include "netstack/ip/ip_save_priv.h"
#include "netstack/ip/neigh_priv.h"

static void neigh_save(const struct neigh *n, struct save_out *o)
{
	Cordon__Neigh *m = save_object(o, &save_neigh, n);

	if (!m)
		return;
	m->pending = save_memory(o, (n->npending + 1) * sizeof(*m->pending));
	for (const struct nst_pkt *p = n->head; m->pending && p; p = p->next)
		m->pending[m->n_pending++] = pkt_save(o, p);
	save_record(o, NST_SAVE_NEIGH, m);
}

void neighs_save(const struct ip_layer *ip, struct save_out *o)
{
	for (size_t b = 0; b < NEIGH_BUCKETS; b++)
		for (const struct neigh *n = ip->neigh[b]; n; n = n->next)
			neigh_save(n, o);
}

/* ---- loading ---- */

static bool addr_ok(struct ip_layer *ip, const struct neigh *n)
{
	const struct nic *nic = nic_find(ip, n->ifindex);

	return nic && nic->cfg.kind == NST_LINK_ETHER && n->addr.family &&
	       !addr_is_any(&n->addr) && !addr_is_mcast(&n->addr) &&
	       !neigh_find(ip, n->ifindex, &n->addr) &&
	       ip->nneighs < LIMIT_NEIGHS;
}

/* Cutting trusts where a super-segment's headers are. */
static bool gso_ok(const struct nst_pkt *p, uint32_t hdr)
{
	if (p->gso == NST_GSO_NONE)
		return true;
	return p->gso_size && p->l4_off == p->off + hdr && p->len >= hdr + 20;
}

/* Sending again reads its IP header. */
static bool pending_ok(const struct neigh *n, const struct nst_pkt *p)
{
	const uint8_t *h = nst_pkt_data(p);
	uint32_t hdr = n->addr.family == 4 ? IP4_HDR_BYTES : IP6_HDR_BYTES;

	if (p->len < hdr || h[0] >> 4 != n->addr.family)
		return false;
	if (n->addr.family == 4 && (h[0] & 15u) * 4 > hdr)
		hdr = (h[0] & 15u) * 4;
	return p->len >= hdr && gso_ok(p, hdr);
}

static bool get_pending(struct load *l, struct neigh *n, const Cordon__Neigh *m)
{
	if (m->n_pending > LIMIT_NEIGH_PENDING ||
	    (m->n_pending && n->state != NST_NEIGH_INCOMPLETE))
		return save_bad(&l->in, "pending", "has too many");
	for (size_t i = 0; i < m->n_pending; i++) {
		struct nst_pkt *p;

		if (!pkt_load(l, m->pending[i], &p))
			return false;
		*n->tail = p;
		n->tail = &p->next;
		n->npending++;
		if (!pending_ok(n, p))
			return save_bad(&l->in, "pending", "is no IP packet");
	}
	return true;
}

static void take_facts(struct neigh *n, const struct neigh *from)
{
	memcpy(n->mac, from->mac, sizeof(n->mac));
	n->state = from->state;
	n->probes = from->probes;
	n->router = from->router;
	n->since = from->since;
	n->reachable = from->reachable;
	n->used = from->used;
	n->confirmed = from->confirmed;
}

bool neigh_load(struct load *l)
{
	Cordon__Neigh *m = save_parse(&l->in, &cordon__neigh__descriptor);
	struct ip_layer *ip = l->st->ip;
	struct neigh saved = {.ip = ip}, *n;

	if (!m || !save_restore(&l->in, &save_neigh, m, &saved))
		return false;
	if (!addr_ok(ip, &saved) || !neigh_facts_ok(&saved))
		return save_bad(&l->in, "neighbour", "is none that can be");
	n = neigh_append(ip, saved.ifindex, &saved.addr);
	if (!n)
		return save_fail(&l->in, NST_E_NOMEM, "no memory");
	take_facts(n, &saved);
	return get_pending(l, n, m);
}

void neighs_arm(struct ip_layer *ip)
{
	for (size_t b = 0; b < NEIGH_BUCKETS; b++)
		for (struct neigh *n = ip->neigh[b]; n; n = n->next)
			neigh_arm(n);
}

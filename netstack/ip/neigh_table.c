/* SPDX-License-Identifier: Apache-2.0 */
/* Where neighbours are kept: a bounded hash table under the stack's key. */
#include "netstack/ip/neigh_priv.h"

static struct neigh **bucket_of(struct ip_layer *ip, uint32_t ifindex,
				const struct nst_addr *a)
{
	return &ip->neigh[ip_hash(ip, a, ifindex) % NEIGH_BUCKETS];
}

struct neigh *neigh_find(struct ip_layer *ip, uint32_t ifindex,
			 const struct nst_addr *a)
{
	struct neigh *n = *bucket_of(ip, ifindex, a);

	while (n && (n->ifindex != ifindex || !addr_same(&n->addr, a)))
		n = n->next;
	return n;
}

void neigh_free(struct ip_layer *ip, struct neigh *n)
{
	struct neigh **at = bucket_of(ip, n->ifindex, &n->addr);

	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	wheel_stop(ip->st->wheel, &n->timer);
	while (n->head) {
		struct nst_pkt *pkt = n->head;

		n->head = pkt->next;
		nst_pkt_free(pkt);
	}
	ip->nneighs--;
	nst_release(ip->st->env, n, sizeof(*n));
}

/* Frees the longest unused entry that waits for nothing. */
static bool evict(struct ip_layer *ip)
{
	struct neigh *victim = NULL;

	for (size_t b = 0; b < NEIGH_BUCKETS; b++) {
		for (struct neigh *n = ip->neigh[b]; n; n = n->next) {
			if (n->state != NST_NEIGH_STALE &&
			    n->state != NST_NEIGH_FAILED)
				continue;
			if (!victim || n->used < victim->used)
				victim = n;
		}
	}
	if (!victim)
		return false;
	neigh_free(ip, victim);
	return true;
}

static struct neigh *insert(struct ip_layer *ip, uint32_t ifindex,
			    const struct nst_addr *a, struct neigh **at)
{
	struct neigh *n = nst_alloc(ip->st->env, sizeof(*n));

	if (!n)
		return NULL;
	n->ip = ip;
	n->addr = *a;
	n->ifindex = ifindex;
	n->state = NST_NEIGH_FAILED; /* until it is told otherwise */
	n->timer.fn = neigh_timer;
	n->timer.turn = (uint32_t)ip_hash(ip, a, ifindex);
	n->tail = &n->head;
	n->used = n->since = ip->st->now;
	n->next = *at;
	*at = n;
	ip->nneighs++;
	return n;
}

struct neigh *neigh_new(struct ip_layer *ip, uint32_t ifindex,
			const struct nst_addr *a)
{
	struct neigh *n;

	if (ip->nneighs >= LIMIT_NEIGHS && !evict(ip)) {
		ip->st->count.NeighTableFull++;
		return NULL;
	}
	n = insert(ip, ifindex, a, bucket_of(ip, ifindex, a));
	if (!n)
		ip->st->count.PktNoMemory++;
	return n;
}

struct neigh *neigh_append(struct ip_layer *ip, uint32_t ifindex,
			   const struct nst_addr *a)
{
	struct neigh **at = bucket_of(ip, ifindex, a);

	while (*at)
		at = &(*at)->next;
	return insert(ip, ifindex, a, at);
}

void neigh_fini(struct ip_layer *ip)
{
	for (size_t b = 0; b < NEIGH_BUCKETS; b++) {
		while (ip->neigh[b])
			neigh_free(ip, ip->neigh[b]);
	}
}

static bool entry_check(const struct neigh *n)
{
	bool timed =
	    n->state != NST_NEIGH_STALE && n->state != NST_NEIGH_FAILED;
	uint32_t k = 0;

	for (const struct nst_pkt *p = n->head; p; p = p->next)
		k++;
	return k == n->npending && k <= LIMIT_NEIGH_PENDING &&
	       (k == 0 || n->state == NST_NEIGH_INCOMPLETE) &&
	       wheel_armed(&n->timer) == timed;
}

bool neigh_check(const struct ip_layer *ip)
{
	size_t count = 0;

	for (size_t b = 0; b < NEIGH_BUCKETS; b++) {
		for (const struct neigh *n = ip->neigh[b]; n; n = n->next) {
			if (!entry_check(n))
				return false;
			count++;
		}
	}
	return count == ip->nneighs && count <= LIMIT_NEIGHS;
}

bool nst_neigh_at(const struct nst_stack *st, size_t i,
		  struct nst_neigh_info *out)
{
	for (size_t b = 0; b < NEIGH_BUCKETS; b++) {
		for (const struct neigh *n = st->ip->neigh[b]; n; n = n->next) {
			if (i-- > 0)
				continue;
			out->addr = n->addr;
			out->ifindex = n->ifindex;
			memcpy(out->mac, n->mac, 6);
			out->state = n->state;
			return true;
		}
	}
	return false;
}

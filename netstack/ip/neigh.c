/* SPDX-License-Identifier: Apache-2.0 */
/* The neighbour state machine: see neigh.h for states and times. */
#include "netstack/ip/neigh_priv.h"
#include "netstack/ip/icmp.h"
#include "netstack/ip/nic.h"

/* RFC 4861 6.3.2: uniformly 0.5 to 1.5 times the base. */
static nst_time reachable_time(const struct ip_layer *ip)
{
	uint64_t r = nst_random32(ip->st->env);

	return NEIGH_REACHABLE_BASE / 2 +
	       (nst_time)((r * (uint64_t)NEIGH_REACHABLE_BASE) >> 32);
}

/* When the state ends or the next solicitation is due. */
static nst_time deadline(const struct neigh *n)
{
	switch ((enum nst_neigh_state)n->state) {
	case NST_NEIGH_INCOMPLETE:
	case NST_NEIGH_PROBE:
		return n->since + NEIGH_RETRANS;
	case NST_NEIGH_REACHABLE:
		return n->since + n->reachable;
	case NST_NEIGH_DELAY:
		return n->since + NEIGH_DELAY;
	case NST_NEIGH_STALE:
	case NST_NEIGH_FAILED:
		break;
	}
	return NST_NEVER;
}

void neigh_arm(struct neigh *n)
{
	struct wheel *w = n->ip->st->wheel;
	nst_time at = deadline(n);

	if (at == NST_NEVER)
		wheel_stop(w, &n->timer);
	else
		wheel_arm(w, &n->timer, at);
}

/* The one place where the state changes, with the timer that goes with it. */
static void set_state(struct neigh *n, enum nst_neigh_state state)
{
	n->state = (uint8_t)state;
	n->since = n->ip->st->now;
	n->probes = 0;
	if (state == NST_NEIGH_REACHABLE) {
		n->confirmed = n->since;
		n->reachable = reachable_time(n->ip);
	}
	neigh_arm(n);
}

bool neigh_facts_ok(const struct neigh *n)
{
	bool asks =
	    n->state == NST_NEIGH_INCOMPLETE || n->state == NST_NEIGH_PROBE;

	if (n->state > NST_NEIGH_FAILED || n->probes > NEIGH_SOLICITS ||
	    asks != (n->probes > 0))
		return false;
	if (n->state == NST_NEIGH_REACHABLE &&
	    (n->reachable < NEIGH_REACHABLE_BASE / 2 ||
	     n->reachable > NEIGH_REACHABLE_BASE * 3 / 2))
		return false;
	return saved_time_ok(n->ip, n->since) &&
	       saved_time_ok(n->ip, n->used) &&
	       saved_time_ok(n->ip, n->confirmed);
}

/* ---- asking ---- */

/* The source of the first waiting packet if the interface holds it (RFC 4861
 * 7.2.2), else the interface's own for that neighbour. */
static struct nst_addr ask_source(struct neigh *n)
{
	const struct nst_ifaddr *e = NULL;
	struct nst_addr src;

	if (n->head) {
		const uint8_t *p = nst_pkt_data(n->head);

		if (n->addr.family == 4)
			addr4_set(&src, p + 12);
		else
			addr6_set(&src, p + 8);
		e = ifaddr_find(n->ip, &src, n->ifindex);
	}
	if (!e && n->addr.family == 6)
		e = ifaddr_select6(n->ip, n->ifindex, &n->addr);
	else if (!e)
		e = ifaddr_select4(n->ip, n->ifindex, &n->addr);
	if (e && e->ifindex == n->ifindex)
		return e->addr;
	return addr_any(n->addr.family);
}

static void ask(struct neigh *n)
{
	const uint8_t *mac = n->state == NST_NEIGH_PROBE ? n->mac : NULL;
	struct nic *nic = nic_find(n->ip, n->ifindex);
	struct nst_addr src = ask_source(n);

	n->probes++;
	if (n->addr.family == 4)
		arp_solicit(n->ip, nic, &n->addr, &src, mac);
	else
		ndp_solicit(n->ip, nic, &n->addr, &src, mac);
}

/* ---- packets ---- */

static void tx(struct neigh *n, struct nst_pkt *pkt)
{
	nic_tx(n->ip, nic_find(n->ip, n->ifindex), n->mac,
	       n->addr.family == 4 ? ETH_TYPE_IP4 : ETH_TYPE_IP6, pkt);
}

static struct nst_pkt *take_pending(struct neigh *n)
{
	struct nst_pkt *list = n->head;

	n->head = NULL;
	n->tail = &n->head;
	n->npending = 0;
	return list;
}

static void flush(struct neigh *n)
{
	struct nst_pkt *pkt = take_pending(n);

	while (pkt) {
		struct nst_pkt *next = pkt->next;

		pkt->next = NULL;
		tx(n, pkt);
		pkt = next;
	}
}

/* LINUX: the oldest waiting packet makes room for the newest. */
static void drop_oldest(struct neigh *n)
{
	struct nst_pkt *pkt = n->head;

	n->head = pkt->next;
	if (!n->head)
		n->tail = &n->head;
	n->npending--;
	n->ip->st->count.NeighUnresolvedDrops++;
	nst_pkt_free(pkt);
}

static void hold(struct neigh *n, struct nst_pkt *pkt)
{
	if (!nst_pkt_own(pkt)) {
		n->ip->st->count.PktNoMemory++;
		nst_pkt_free(pkt);
		return;
	}
	if (n->npending == LIMIT_NEIGH_PENDING)
		drop_oldest(n);
	pkt->next = NULL;
	*n->tail = pkt;
	n->tail = &pkt->next;
	n->npending++;
}

/*
 * Nobody answered. The packets' owners hear of it. The list is taken first and
 * the entry not touched after: an owner may send again at once.
 */
static void failed(struct neigh *n)
{
	struct ip_layer *ip = n->ip;
	struct nst_pkt *pkt;

	ip->st->count.NeighFailed++;
	set_state(n, NST_NEIGH_FAILED);
	pkt = take_pending(n);
	while (pkt) {
		struct nst_pkt *next = pkt->next;

		pkt->next = NULL;
		ip->st->count.NeighUnresolvedDrops++;
		icmp_local_unreach(ip, pkt);
		nst_pkt_free(pkt);
		pkt = next;
	}
}

void neigh_send(struct ip_layer *ip, struct nic *nic,
		const struct nst_addr *hop, struct nst_pkt *pkt)
{
	struct neigh *n = neigh_find(ip, nic->ifindex, hop);

	if (!n)
		n = neigh_new(ip, nic->ifindex, hop);
	if (!n) {
		nic->tx_drops++;
		nst_pkt_free(pkt);
		return;
	}
	n->used = ip->st->now;
	switch ((enum nst_neigh_state)n->state) {
	case NST_NEIGH_FAILED:
		set_state(n, NST_NEIGH_INCOMPLETE);
		hold(n, pkt);
		ask(n);
		return;
	case NST_NEIGH_INCOMPLETE:
		hold(n, pkt);
		return;
	case NST_NEIGH_STALE:
		set_state(n, NST_NEIGH_DELAY);
		break;
	case NST_NEIGH_REACHABLE:
	case NST_NEIGH_DELAY:
	case NST_NEIGH_PROBE:
		break;
	}
	tx(n, pkt);
}

/* ---- time ---- */

/* RFC 4861 7.3.3; LINUX: recent use leads to DELAY, else STALE. */
static void reachable_over(struct neigh *n, nst_time now)
{
	if (n->used > n->confirmed && now - n->used <= NEIGH_DELAY)
		set_state(n, NST_NEIGH_DELAY);
	else
		set_state(n, NST_NEIGH_STALE);
}

void neigh_timer(struct wheel_timer *t, nst_time now)
{
	struct neigh *n = container_of(t, struct neigh, timer);

	switch ((enum nst_neigh_state)n->state) {
	case NST_NEIGH_REACHABLE:
		reachable_over(n, now);
		return;
	case NST_NEIGH_DELAY:
		set_state(n, NST_NEIGH_PROBE);
		ask(n);
		return;
	case NST_NEIGH_INCOMPLETE:
	case NST_NEIGH_PROBE:
		if (n->probes >= NEIGH_SOLICITS) {
			failed(n);
			return;
		}
		n->since = now;
		neigh_arm(n);
		ask(n);
		return;
	case NST_NEIGH_STALE:
	case NST_NEIGH_FAILED:
		return;
	}
}

/* ---- news ---- */

/* The address became known, for the first time or anew. */
static void resolved(struct neigh *n, const struct neigh_news *news)
{
	memcpy(n->mac, news->mac, 6);
	n->router = news->router;
	set_state(n, news->solicited ? NST_NEIGH_REACHABLE : NST_NEIGH_STALE);
	if (n->head && n->state == NST_NEIGH_STALE)
		set_state(n, NST_NEIGH_DELAY);
	flush(n);
}

/* RFC 4861 7.2.5 for an entry with a known address. */
static void update(struct neigh *n, const struct neigh_news *news)
{
	bool differs = news->mac && memcmp(news->mac, n->mac, 6) != 0;

	if (differs && !news->override) {
		if (n->state == NST_NEIGH_REACHABLE)
			set_state(n, NST_NEIGH_STALE);
		return;
	}
	if (differs)
		memcpy(n->mac, news->mac, 6);
	if (news->advert)
		n->router = news->router;
	if (news->solicited)
		set_state(n, NST_NEIGH_REACHABLE);
	else if (differs)
		set_state(n, NST_NEIGH_STALE);
}

void neigh_heard(struct ip_layer *ip, struct nic *nic,
		 const struct nst_addr *addr, const struct neigh_news *news)
{
	struct neigh *n = neigh_find(ip, nic->ifindex, addr);

	if (!n && (!news->create || !news->mac))
		return; /* RFC 4861 7.2.5: silently discarded */
	if (!n)
		n = neigh_new(ip, nic->ifindex, addr);
	if (!n)
		return;
	if (n->state != NST_NEIGH_INCOMPLETE && n->state != NST_NEIGH_FAILED) {
		update(n, news);
		return;
	}
	if (news->mac)
		resolved(n, news);
}

void neigh_confirm(struct ip_layer *ip, uint32_t ifindex,
		   const struct nst_addr *addr)
{
	struct neigh *n = neigh_find(ip, ifindex, addr);

	if (!n)
		return;
	switch ((enum nst_neigh_state)n->state) {
	case NST_NEIGH_REACHABLE:
		/* Every ACK comes here: a second's precision is enough. */
		if (ip->st->now - n->confirmed < NST_SEC)
			return;
		set_state(n, NST_NEIGH_REACHABLE);
		return;
	case NST_NEIGH_STALE:
	case NST_NEIGH_DELAY:
	case NST_NEIGH_PROBE:
		set_state(n, NST_NEIGH_REACHABLE);
		return;
	case NST_NEIGH_INCOMPLETE:
	case NST_NEIGH_FAILED:
		return;
	}
}

void ip_confirm(struct nst_stack *st, const struct nst_addr *dst,
		uint32_t ifindex)
{
	struct nic *nic = nic_find(st->ip, ifindex);
	struct ip_path path;

	if (!nic || nic->cfg.kind != NST_LINK_ETHER)
		return;
	if (ip_path_find(st, dst, NULL, ifindex, true, &path))
		return;
	if (path.loopback || path.mcast || path.bcast)
		return;
	neigh_confirm(st->ip, path.ifindex, &path.next_hop);
}

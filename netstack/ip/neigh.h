/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Neighbours: one state machine for ARP and NDP, RFC 4861 7.3 (neighbour
 * unreachability detection), with Linux's times:
 *
 *   INCOMPLETE  3 solicitations 1 s apart, then FAILED
 *   REACHABLE   for 15..45 s (random, RFC 4861 6.3.2) since last confirmation
 *   STALE       usable; the first packet starts
 *   DELAY       5 s for an upper layer's confirmation, then
 *   PROBE       3 unicast solicitations 1 s apart, then FAILED
 *
 * A packet for an unresolved neighbour waits in the entry (the oldest is
 * dropped beyond LIMIT_NEIGH_PENDING); on failure the transports hear of each
 * as of an ICMP host unreachable. The table is bounded by LIMIT_NEIGHS: the
 * longest unused settled entry makes room.
 *
 * Entries belong to the table; nobody keeps a pointer over an event.
 */
#ifndef NETSTACK_IP_NEIGH_H
#define NETSTACK_IP_NEIGH_H

#include "netstack/ip/ip_layer.h"

#define NEIGH_SOLICITS 3
#define NEIGH_RETRANS NST_SEC
#define NEIGH_REACHABLE_BASE (30 * NST_SEC)
#define NEIGH_DELAY (5 * NST_SEC)

struct neigh {
	struct neigh *next;       /* R in its bucket */
	struct ip_layer *ip;      /* R */
	struct nst_addr addr;     /* S */
	uint32_t ifindex;         /* S */
	uint8_t mac[6];           /* S */
	uint8_t state;            /* S enum nst_neigh_state */
	uint8_t probes;           /* S solicitations sent in this state */
	bool router;              /* S */
	struct wheel_timer timer; /* R by neigh_arm() */
	/* When the state began, or the last solicitation was sent. S */
	nst_time since;
	nst_time reachable; /* S drawn: how long REACHABLE lasts */
	nst_time used;      /* S last packet sent to it */
	nst_time confirmed; /* S last proof that it hears us */
	/* Waiting packets, IP header first. R */
	struct nst_pkt *head, **tail;
	uint32_t npending;
};

/* Sends pkt (data at the IP header) to a unicast on-link address; takes. */
void neigh_send(struct ip_layer *ip, struct nic *nic,
		const struct nst_addr *hop, struct nst_pkt *pkt);

/* What was heard about a neighbour. */
struct neigh_news {
	const uint8_t *mac; /* NULL: none was told */
	bool create;        /* make an entry when there is none */
	bool solicited;     /* answer to our question: REACHABLE */
	bool override;      /* may replace a different address */
	bool advert;        /* NA rules (RFC 4861 7.2.5) apply */
	bool router;        /* advert: the R flag */
};
void neigh_heard(struct ip_layer *ip, struct nic *nic,
		 const struct nst_addr *addr, const struct neigh_news *news);
/* An upper layer knows that the neighbour hears us. */
void neigh_confirm(struct ip_layer *ip, uint32_t ifindex,
		   const struct nst_addr *addr);
/* Frees every entry with its packets. */
void neigh_fini(struct ip_layer *ip);
bool neigh_check(const struct ip_layer *ip);

/* ndp.c */
void ndp_solicit(struct ip_layer *ip, struct nic *nic,
		 const struct nst_addr *target, const struct nst_addr *src,
		 const uint8_t mac[6]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Multicast groups of the host, per interface, counted; IGMPv2 (RFC 2236) and
 * MLDv1 (RFC 2710) on Ethernet links: an unsolicited report when a group is
 * joined and again up to 10 s later, answers to queries after a random delay,
 * suppressed when another member answers, and a leave message.
 * DEVIATION: no IGMPv3 or MLDv2; a querier falls back to the older version.
 */
#ifndef NETSTACK_IP_MCAST_H
#define NETSTACK_IP_MCAST_H

#include "netstack/ip/ip_priv.h"

struct mcast_group {
	struct mcast_group *next;
	struct ip_layer *ip;
	struct nst_addr addr;
	uint32_t ifindex;
	uint32_t refs;
	bool last_reporter;       /* we, not another member, reported last */
	struct wheel_timer timer; /* next report */
};

/* Does the interface listen to the group? All-hosts groups always. */
bool mcast_member(const struct ip_layer *ip, const struct nst_addr *group,
		  uint32_t ifindex);
/* IGMP message, data at its header; takes. */
void igmp_in(struct ip_layer *ip, struct ip_rx *rx, struct nst_pkt *pkt);
/* MLD message within ICMPv6; type 130..132. */
void mld_in(struct ip_layer *ip, const struct ip_rx *rx, const uint8_t *p,
	    uint32_t bytes);
void mcast_fini(struct ip_layer *ip);

/* A query came: groups (any, or the one given) report within max_delay. */
void mcast_query(struct ip_layer *ip, uint32_t ifindex,
		 const struct nst_addr *group, nst_time max_delay);
/* Another member reported. */
void mcast_other_report(struct ip_layer *ip, uint32_t ifindex,
			const struct nst_addr *group);

/* mcast_wire.c: the messages. */
enum mcast_msg { MCAST_REPORT, MCAST_LEAVE };
void mcast_send(struct ip_layer *ip, struct nic *nic,
		const struct nst_addr *group, enum mcast_msg msg);

#endif

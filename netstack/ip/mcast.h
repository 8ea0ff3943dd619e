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

/* A report waits at most for what a query can ask (MLD: 16 bits of ms). */
#define MCAST_DELAY_MAX (65535 * NST_MS)

struct mcast_group {
	struct mcast_group *next; /* R */
	struct ip_layer *ip;      /* R */
	struct nst_addr addr;     /* S */
	uint32_t ifindex;         /* S */
	uint32_t refs;            /* R by who is a member */
	bool last_reporter;       /* S we, not another member, reported last */
	bool waits;               /* S a report is to come: */
	nst_time asked;           /* S when it was decided */
	nst_time delay;           /* S how long it waits, drawn */
	struct wheel_timer timer; /* R next report */
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
bool mcast_check(const struct ip_layer *ip);
/* The last of the list, but for its refs and timer. False: it cannot be. */
NST_MUST_CHECK bool mcast_restore(struct ip_layer *ip,
				  const struct mcast_group *saved,
				  enum nst_err *err);
/* Arms the timer of the group's next report, if one waits. */
void mcast_arm(struct mcast_group *m);

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

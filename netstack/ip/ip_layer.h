/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of the IP layer: one per stack, made and freed by layer.c. Every
 * table is bounded by a limit in base/limits.h. Only files of this folder
 * include it. Locking as in nst_stack.h.
 */
#ifndef NETSTACK_IP_IP_LAYER_H
#define NETSTACK_IP_IP_LAYER_H

#include "netstack/base/container.h"
#include "netstack/ip/addr_kind.h"
#include "netstack/ip/ip.h"
#include "netstack/ip/wire.h"

#define NIC_LO 1 /* ifindex of the loopback interface */
#define NEIGH_BUCKETS 256
#define REASM_BUCKETS 64
#define PMTU_BUCKETS (LIMIT_PMTUS / PMTU_WAYS)
#define PMTU_WAYS 4
#define ICMP_LIMIT_SLOTS 256
#define IP_ID_BUCKETS 256

/* S */
struct nic {
	struct nst_nic_config cfg;
	uint32_t ifindex;
	bool up;
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
	uint64_t rx_drops, tx_drops;
};

struct neigh;
struct reasm;
struct mcast_group;

/* S */
struct pmtu_entry {
	struct nst_addr dst; /* family 0: free */
	uint32_t mtu;
	nst_time since; /* when it was told */
	bool locked;    /* a router said less than we believe anybody */
};

/* A token bucket: credit in nanoseconds, filled by time. S */
struct icmp_bucket {
	struct nst_addr dst;
	nst_time credit, when;
};

struct ip_layer {
	struct nst_stack *st; /* R */
	/* NICs never go away; index = ifindex - 1. From records. R */
	struct nic nics[LIMIT_NICS];
	uint32_t nnics;
	/* In order of addition. R */
	struct nst_ifaddr addrs[LIMIT_ADDRS];
	size_t naddrs;
	/* Longest prefix first, then smallest metric: first match wins. R */
	struct nst_route routes[LIMIT_ROUTES];
	size_t nroutes;

	/* From records of their own. R */
	struct neigh *neigh[NEIGH_BUCKETS];
	size_t nneighs;
	struct reasm *reasm[REASM_BUCKETS];
	size_t nreasm;
	size_t reasm_bytes;
	struct mcast_group *groups;
	size_t ngroups;

	struct pmtu_entry pmtu[PMTU_BUCKETS][PMTU_WAYS]; /* R */
	size_t npmtu; /* S entries ever made: 0 spares the hash */

	struct icmp_bucket icmp_dst[ICMP_LIMIT_SLOTS]; /* R */
	struct icmp_bucket icmp_all;                   /* S */

	uint16_t ids[IP_ID_BUCKETS]; /* S IPv4 identification, RFC 6864 */
};

static inline struct nic *nic_find(struct ip_layer *ip, uint32_t ifindex)
{
	if (ifindex == 0 || ifindex > ip->nnics)
		return NULL;
	return &ip->nics[ifindex - 1];
}
static inline struct nic *nic_lo(struct ip_layer *ip)
{
	return &ip->nics[NIC_LO - 1];
}
/* Keyed hash of an address and what else distinguishes the object. */
uint64_t ip_hash(const struct ip_layer *ip, const struct nst_addr *a,
		 uint32_t more);

/* ---- addr_table.c ---- */

/* The entry that holds this address; ifindex 0: on any interface. 127/8 is
 * held by lo as a whole. NULL: not ours. */
const struct nst_ifaddr *ifaddr_find(const struct ip_layer *ip,
				     const struct nst_addr *a,
				     uint32_t ifindex);
/* Linux's choice of a primary IPv4 address for packets to `hop` through the
 * interface. NULL: the stack has none. */
const struct nst_ifaddr *ifaddr_select4(const struct ip_layer *ip,
					uint32_t ifindex,
					const struct nst_addr *hop);
/* RFC 6724 section 5. NULL: none is usable. (source6.c) */
const struct nst_ifaddr *ifaddr_select6(const struct ip_layer *ip,
					uint32_t ifindex,
					const struct nst_addr *dst);
/* The link-local IPv6 address of an interface, NULL: none. */
const struct nst_ifaddr *ifaddr_linklocal(const struct ip_layer *ip,
					  uint32_t ifindex);
/* Directed broadcast address of a prefix of that interface (0: of any). */
const struct nst_ifaddr *ifaddr_bcast(const struct ip_layer *ip,
				      const struct nst_addr *a,
				      uint32_t ifindex);
/* Adds; also for the link-local address of a new interface. */
NST_MUST_CHECK enum nst_err ifaddr_add(struct ip_layer *ip,
				       const struct nst_ifaddr *a);
/* Puts back one that was saved: its route and group are, too. False: it is
 * none that could have been added. */
NST_MUST_CHECK bool ifaddr_restore(struct ip_layer *ip,
				   const struct nst_ifaddr *a);
NST_MUST_CHECK bool ifaddr_restore_groups(struct ip_layer *ip);

/* ---- route.c ---- */

NST_MUST_CHECK enum nst_err route_add(struct ip_layer *ip,
				      const struct nst_route *r);
/* Appends a route that was saved. False: it is none, or not in its place. */
NST_MUST_CHECK bool route_restore(struct ip_layer *ip,
				  const struct nst_route *r);
/* Best route, through that interface if ifindex is not 0. NULL: none. */
const struct nst_route *route_find(const struct ip_layer *ip,
				   const struct nst_addr *dst,
				   uint32_t ifindex);

/* ---- pmtu.c ---- */

/* Lowers p->mtu to what is remembered for p->dst. */
void pmtu_apply(const struct ip_layer *ip, struct ip_path *p);
/* Puts back what was saved. False: nothing that could have been told. */
NST_MUST_CHECK bool pmtu_restore(struct ip_layer *ip,
				 const struct pmtu_entry *e);

/* ---- ip_save.c: what the loaders of this folder ask ---- */

/* A time on the stack's clock that has been. */
static inline bool saved_time_ok(const struct ip_layer *ip, nst_time t)
{
	return t >= 0 && t <= ip->st->now;
}

#endif

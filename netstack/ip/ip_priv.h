/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the files of this folder: a packet on its way in, and the ways out
 * below ip_send(). "takes" and "borrows" speak of the packet.
 */
#ifndef NETSTACK_IP_IP_PRIV_H
#define NETSTACK_IP_IP_PRIV_H

#include "netstack/ip/ip_layer.h"

/* A received packet while the IP layer works on it. */
struct ip_rx {
	struct ip_in in;
	struct nic *nic;   /* for loopback copies the one that it was sent by */
	bool loop;         /* never left the stack */
	bool fragged;      /* was reassembled */
	uint16_t next_ptr; /* IPv6: where the offending next header stood */
};

/* Both take; data at the IP header. */
void ip4_in(struct ip_layer *ip, struct nic *nic, struct nst_pkt *pkt,
	    bool loop);
void ip6_in(struct ip_layer *ip, struct nic *nic, struct nst_pkt *pkt,
	    bool loop);
/* By version nibble: for links without an Ethernet type. Takes. */
void ip_in(struct ip_layer *ip, struct nic *nic, struct nst_pkt *pkt,
	   bool loop);

/*
 * Where a received packet belongs, in rx->in.{local,bcast,mcast}, and whether
 * its addresses may be seen there. False: counted, drop. (ip_accept.c)
 */
NST_MUST_CHECK bool ip_accept(struct ip_layer *ip, struct ip_rx *rx);
/* Hands to raw sockets and the transport; data at the IP header, whose
 * length is rx->in.hdr_bytes. Takes. (ip_deliver.c) */
void ip_deliver(struct ip_layer *ip, struct ip_rx *rx, struct nst_pkt *pkt);

/* Transmits a finished packet (IP header first) that fits the link to a
 * unicast, multicast or broadcast next hop. Takes. (ip_out.c) */
void ip_tx(struct ip_layer *ip, struct nic *nic, const struct nst_addr *hop,
	   struct nst_pkt *pkt);
/* Identification for an IPv4 packet that may be fragmented. */
uint16_t ip4_next_id(struct ip_layer *ip, const struct nst_addr *src,
		     const struct nst_addr *dst, uint8_t proto);
/*
 * Cuts a finished packet into fragments of at most mtu bytes and transmits
 * them. Takes. NOMEM: nothing was sent. (ip_frag.c)
 */
NST_MUST_CHECK enum nst_err ip4_fragment(struct ip_layer *ip, struct nic *nic,
					 const struct ip_path *path,
					 struct nst_pkt *pkt);
NST_MUST_CHECK enum nst_err ip6_fragment(struct ip_layer *ip, struct nic *nic,
					 const struct ip_path *path,
					 struct nst_pkt *pkt);
/* Sum over a whole packet, fragments included, continued from `sum`. */
uint16_t ip_csum_pkt(uint16_t sum, const struct nst_pkt *pkt);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interfaces: the edge between the IP layer and links.
 *
 * The transmit side turns a packet into what the link takes: super-segments
 * are cut (no TSO), partial checksums completed (no TX_CSUM), the Ethernet
 * header prepended.
 */
#ifndef NETSTACK_IP_NIC_H
#define NETSTACK_IP_NIC_H

#include "netstack/ip/ip_layer.h"

/* Could such an interface be added? INVAL, EXIST, NOBUFS. */
NST_MUST_CHECK enum nst_err nic_cfg_ok(const struct ip_layer *ip,
				       const struct nst_nic_config *cfg);
bool nic_mtu_ok(uint32_t ifindex, uint32_t mtu);
/* Adds "lo". NOMEM never; for ip_layer_new only. */
void nic_add_lo(struct ip_layer *ip);
/*
 * Transmits; takes pkt, whose data starts at the network header (l3_off is
 * set here). mac: destination on Ethernet links; ignored on others.
 */
void nic_tx(struct ip_layer *ip, struct nic *nic, const uint8_t mac[6],
	    uint16_t eth_type, struct nst_pkt *pkt);
/* Counts a packet that the interface received and nobody wanted; takes. */
void nic_rx_drop(struct nic *nic, struct nst_pkt *pkt, uint64_t *counter);

/* eth.c: an Ethernet frame from the link; takes. */
void eth_in(struct ip_layer *ip, struct nic *nic, struct nst_pkt *pkt);
/* arp.c: an ARP packet, data at the ARP header; takes. */
void arp_in(struct ip_layer *ip, struct nic *nic, struct nst_pkt *pkt);
/* Sends a request; mac NULL: broadcast. */
void arp_solicit(struct ip_layer *ip, struct nic *nic,
		 const struct nst_addr *target, const struct nst_addr *src,
		 const uint8_t mac[6]);

#endif

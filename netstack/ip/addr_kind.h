/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What kind of address is it: predicates on struct nst_addr, RFC 1122 3.2.1.3
 * and RFC 4291. Pure functions; `scope` matters only where said.
 */
#ifndef NETSTACK_IP_ADDR_KIND_H
#define NETSTACK_IP_ADDR_KIND_H

#include "netstack/base/addr.h"

/* 127/8 or ::1 */
bool addr_is_loopback(const struct nst_addr *a);
/* ::ffff:0:0/96, which must not be seen on a wire (RFC 4942 2.2). */
bool addr_is_v4mapped(const struct nst_addr *a);
/* Multicast of link-local or smaller scope (224.0.0.0/24, ff01::, ff02::). */
bool addr_is_mcast_local(const struct nst_addr *a);
/* Scope of RFC 4007 as RFC 6724 3.1 compares it: 1..14. */
uint8_t addr_scope6(const struct nst_addr *a);
/* Is `a` within net/prefix_len (same family)? */
bool addr_in_prefix(const struct nst_addr *a, const struct nst_addr *net,
		    uint8_t prefix_len);
/* Length of the common prefix in bits. */
uint8_t addr_common_bits(const struct nst_addr *a, const struct nst_addr *b);
/* Zeroes the bits beyond prefix_len; scope too. */
void addr_mask(struct nst_addr *a, uint8_t prefix_len);
/* ff02::1:ffxx:xxxx of RFC 4291 2.7.1. */
void addr_solicited_node(const struct nst_addr *a, struct nst_addr *out);
/* fe80:: with the modified EUI-64 of RFC 4291 appendix A. */
void addr_linklocal_eui64(const uint8_t mac[6], struct nst_addr *out);
/* A Linux-compatible mapping of groups to MAC addresses, RFC 1112 6.4 and
 * RFC 2464 7. */
void addr_mcast_mac(const struct nst_addr *group, uint8_t mac[6]);
static inline uint8_t addr_max_prefix(uint8_t family)
{
	return family == 6 ? 128 : 32;
}

#endif

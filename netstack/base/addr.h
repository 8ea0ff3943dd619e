/* SPDX-License-Identifier: Apache-2.0 */
/* Small questions about addresses that every layer asks. */
#ifndef NETSTACK_BASE_ADDR_H
#define NETSTACK_BASE_ADDR_H

#include "netstack/base/mem.h"
#include "netstack/nst_types.h"

static inline size_t addr_bytes(const struct nst_addr *a)
{
	return a->family == 4 ? 4 : 16;
}

/* Same family and bytes; the scope is not looked at. */
static inline bool addr_same(const struct nst_addr *a, const struct nst_addr *b)
{
	return a->family == b->family && memcmp(a->b, b->b, addr_bytes(a)) == 0;
}

/* The same, and the scopes agree where both are known. */
static inline bool addr_eq(const struct nst_addr *a, const struct nst_addr *b)
{
	return addr_same(a, b) &&
	       (a->scope == b->scope || !a->scope || !b->scope);
}

/* 0.0.0.0 or ::, or no address at all. */
static inline bool addr_is_any(const struct nst_addr *a)
{
	static const uint8_t zero[16];

	return !a->family || memcmp(a->b, zero, addr_bytes(a)) == 0;
}

static inline bool addr_is_mcast(const struct nst_addr *a)
{
	if (a->family == 4)
		return (a->b[0] & 0xf0) == 0xe0;
	return a->family == 6 && a->b[0] == 0xff;
}

/* fe80::/10, RFC 4291 2.5.6 */
static inline bool addr_is_linklocal6(const struct nst_addr *a)
{
	return a->family == 6 && a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

/* Does a need the interface to be told apart? Unicast or multicast. */
static inline bool addr_needs_scope(const struct nst_addr *a)
{
	return addr_is_linklocal6(a) ||
	       (a->family == 6 && a->b[0] == 0xff && (a->b[1] & 0xf) <= 2);
}

static inline bool addr_is_bcast4(const struct nst_addr *a)
{
	return a->family == 4 &&
	       (a->b[0] & a->b[1] & a->b[2] & a->b[3]) == 0xff;
}

static inline struct nst_addr addr_any(uint8_t family)
{
	return (struct nst_addr){.family = family};
}

static inline struct nst_addr addr_loopback(uint8_t family)
{
	if (family == 4)
		return (struct nst_addr){.family = 4, .b = {127, 0, 0, 1}};
	return (struct nst_addr){.family = 6, .b = {[15] = 1}};
}

#endif

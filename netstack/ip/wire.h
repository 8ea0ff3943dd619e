/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The formats of the IP layer: for each one a plain struct in host order, a
 * parse and an emit. Stateless. A parse never reads past `bytes` and checks
 * only what the format itself demands; policy (addresses, hop limits) is the
 * caller's.
 *
 * Ethernet II; ARP RFC 826; IPv4 RFC 791; IPv6 RFC 8200; ICMP RFC 792;
 * ICMPv6 RFC 4443; neighbour discovery RFC 4861; IGMP RFC 2236; MLD RFC 2710.
 */
#ifndef NETSTACK_IP_WIRE_H
#define NETSTACK_IP_WIRE_H

#include "netstack/base/mem.h"
#include "netstack/nst_pkt.h"

#define ETH_HDR_BYTES 14
#define ETH_TYPE_IP4 0x0800
#define ETH_TYPE_ARP 0x0806
#define ETH_TYPE_IP6 0x86dd
#define ARP_BYTES 28
#define ARP_REQUEST 1
#define ARP_REPLY 2
#define IP4_HDR_BYTES 20
#define IP6_HDR_BYTES 40
#define IP6_FRAG_BYTES 8
#define ICMP_HDR_BYTES 8
#define IP_MAX_BYTES 65535u
#define IP6_MIN_MTU 1280u
#define IP4_MIN_MTU 68u

/* IPv6 next header values of extension headers */
#define IP6_EXT_HOPOPTS 0
#define IP6_EXT_ROUTING 43
#define IP6_EXT_FRAGMENT 44
#define IP6_EXT_NONE 59
#define IP6_EXT_DSTOPTS 60

static inline uint16_t wire_get16(const uint8_t *p)
{
	return (uint16_t)((p[0] << 8) | p[1]);
}
static inline uint32_t wire_get32(const uint8_t *p)
{
	return ((uint32_t)wire_get16(p) << 16) | wire_get16(p + 2);
}
static inline void wire_put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}
static inline void wire_put32(uint8_t *p, uint32_t v)
{
	wire_put16(p, v >> 16);
	wire_put16(p + 2, v & 0xffff);
}
/* Stores the complement of a sum, which is a number in host order. */
static inline void wire_put_csum(uint8_t *p, uint16_t sum)
{
	wire_put16(p, (uint16_t)~sum);
}

/* ---- Ethernet ---- */

struct eth_repr {
	uint8_t dst[6], src[6];
	uint16_t type;
};
NST_MUST_CHECK bool eth_parse(const uint8_t *p, size_t bytes,
			      struct eth_repr *out);
void eth_emit(const struct eth_repr *r, uint8_t p[ETH_HDR_BYTES]);

/* ---- ARP for IPv4 over Ethernet ---- */

struct arp_repr {
	uint16_t op;
	uint8_t sha[6], tha[6];
	struct nst_addr spa, tpa;
};
/* False: short, or not IPv4 over Ethernet. */
NST_MUST_CHECK bool arp_parse(const uint8_t *p, size_t bytes,
			      struct arp_repr *out);
void arp_emit(const struct arp_repr *r, uint8_t p[ARP_BYTES]);

/* ---- IPv4 ---- */

struct ip4_repr {
	struct nst_addr src, dst;
	uint16_t total_bytes; /* header included */
	uint16_t id;
	uint16_t frag_off; /* bytes */
	uint8_t hdr_bytes; /* options included */
	uint8_t tos, ttl, proto;
	bool df, mf;
};
/* False: short, not version 4, or lengths that contradict each other. The
 * checksum is not looked at. `bytes` is what is linear. */
NST_MUST_CHECK bool ip4_parse(const uint8_t *p, size_t bytes,
			      struct ip4_repr *out);
/* Header without options, checksum complete. */
void ip4_emit(const struct ip4_repr *r, uint8_t p[IP4_HDR_BYTES]);
/* Recomputes the header checksum in place. */
void ip4_fix_csum(uint8_t *p, uint32_t hdr_bytes);
bool ip4_csum_ok(const uint8_t *p, uint32_t hdr_bytes);

/* ---- IPv6 ---- */

struct ip6_repr {
	struct nst_addr src, dst;
	uint32_t flow_label;
	uint16_t payload_bytes;
	uint8_t tclass, next, hops;
};
NST_MUST_CHECK bool ip6_parse(const uint8_t *p, size_t bytes,
			      struct ip6_repr *out);
void ip6_emit(const struct ip6_repr *r, uint8_t p[IP6_HDR_BYTES]);

struct ip6_frag_repr {
	uint32_t id;
	uint16_t off; /* bytes */
	uint8_t next;
	bool more;
};
NST_MUST_CHECK bool ip6_frag_parse(const uint8_t *p, size_t bytes,
				   struct ip6_frag_repr *out);
void ip6_frag_emit(const struct ip6_frag_repr *r, uint8_t p[IP6_FRAG_BYTES]);

/* ---- ICMP and ICMPv6: the eight bytes they all begin with ---- */

enum {
	ICMP4_ECHO_REPLY = 0,
	ICMP4_UNREACH = 3,
	ICMP4_QUENCH = 4,
	ICMP4_REDIRECT = 5,
	ICMP4_ECHO = 8,
	ICMP4_TIME_EXCEEDED = 11,
	ICMP4_PARAM = 12,
};
enum {
	ICMP6_UNREACH = 1,
	ICMP6_TOO_BIG = 2,
	ICMP6_TIME_EXCEEDED = 3,
	ICMP6_PARAM = 4,
	ICMP6_ECHO = 128,
	ICMP6_ECHO_REPLY = 129,
	ICMP6_MLD_QUERY = 130,
	ICMP6_MLD_REPORT = 131,
	ICMP6_MLD_DONE = 132,
	ICMP6_RS = 133,
	ICMP6_RA = 134,
	ICMP6_NS = 135,
	ICMP6_NA = 136,
	ICMP6_REDIRECT = 137,
};
#define ICMP4_CODE_NET 0
#define ICMP4_CODE_HOST 1
#define ICMP4_CODE_PROTO 2
#define ICMP4_CODE_PORT 3
#define ICMP4_CODE_FRAG_NEEDED 4
#define ICMP4_CODE_FILTERED 13

struct icmp_repr {
	uint8_t type, code;
	uint32_t rest; /* bytes 4..7: id and seq, MTU, pointer */
};
NST_MUST_CHECK bool icmp_parse(const uint8_t *p, size_t bytes,
			       struct icmp_repr *out);
/* Checksum field zero: the caller completes it over the whole message. */
void icmp_emit(const struct icmp_repr *r, uint8_t p[ICMP_HDR_BYTES]);

/* ---- neighbour solicitation and advertisement, options included ---- */

struct nd_repr {
	struct nst_addr target;
	uint32_t flags; /* NA: R, S, O in the top bits of bytes 4..7 */
	bool has_lladdr;
	uint8_t lladdr[6]; /* source (NS) or target (NA) link-layer address */
};
#define ND_FLAG_ROUTER 0x80000000u
#define ND_FLAG_SOLICITED 0x40000000u
#define ND_FLAG_OVERRIDE 0x20000000u
#define ND_OPT_SRC_LLADDR 1
#define ND_OPT_DST_LLADDR 2
#define ND_BYTES 24    /* without options */
#define ND_BYTES_LL 32 /* with one link-layer address option */
/* `type` is ICMP6_NS or ICMP6_NA. False: short, or an option of length 0 or
 * past the end (RFC 4861 7.1). */
NST_MUST_CHECK bool nd_parse(const uint8_t *p, size_t bytes, uint8_t type,
			     struct nd_repr *out);
/* Returns the bytes written: ND_BYTES or ND_BYTES_LL. */
uint32_t nd_emit(const struct nd_repr *r, uint8_t type, uint8_t p[ND_BYTES_LL]);

/* ---- addresses ---- */

void addr4_set(struct nst_addr *a, const uint8_t b[4]);
void addr6_set(struct nst_addr *a, const uint8_t b[16]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ICMP (RFC 792, 1122 3.2.2) and ICMPv6 (RFC 4443): input, errors out, errors
 * in, rate limits. Packets "in" have their data at the ICMP header.
 */
#ifndef NETSTACK_IP_ICMP_H
#define NETSTACK_IP_ICMP_H

#include "netstack/ip/ip_priv.h"

void icmp4_in(struct ip_layer *ip, struct ip_rx *rx, struct nst_pkt *pkt);
void icmp6_in(struct ip_layer *ip, struct ip_rx *rx, struct nst_pkt *pkt);

/* An error message to be sent. */
struct icmp_what {
	uint8_t type, code;
	uint32_t rest; /* MTU or pointer, placed in bytes 4..7 */
};
/* What it is about: a packet of src to dst, IP header first. */
struct icmp_quote {
	struct nst_addr src, dst;
	uint8_t tos;
	uint8_t proto;
	bool unicast; /* dst was; src of the error is then dst */
	bool l2_bcast;
	uint32_t ifindex;
	const uint8_t *l4; /* transport header, for the rules: 8 bytes; NULL:
			      shorter */
	const uint8_t *p;  /* bytes to quote, possibly too many */
	uint32_t bytes;
};
/* Sends an error if rules and limits allow. (icmp_send.c) */
void icmp_error_send(struct ip_layer *ip, const struct icmp_what *what,
		     const struct icmp_quote *q);
/* The same about a received packet, wherever its data now starts: `hdr_back`
 * bytes in front of it is the IP header. Borrows. */
void icmp_error_about(struct ip_layer *ip, const struct icmp_what *what,
		      const struct ip_rx *rx, const struct nst_pkt *pkt,
		      uint32_t hdr_back);
/* Sends an ICMP message: header and data, checksum added. Takes nothing. */
NST_MUST_CHECK enum nst_err icmp_message(struct ip_layer *ip,
					 const struct ip_path *path,
					 const struct icmp_repr *h,
					 const struct ip_out *o,
					 const void *data, uint32_t bytes);
/* Completes the ICMP checksum of a packet whose data is the ICMP header. */
void icmp_csum(const struct ip_path *path, struct nst_pkt *pkt);

/* May an error be sent to dst now? Takes a token. (icmp_limit.c) */
NST_MUST_CHECK bool icmp_limit_take(struct ip_layer *ip,
				    const struct nst_addr *dst);
/* Puts back what was saved; the other: of the common bucket. False: it is out
 * of range. */
NST_MUST_CHECK bool icmp_limit_restore(struct ip_layer *ip,
				       const struct icmp_bucket *b);
NST_MUST_CHECK bool icmp_limit_all_ok(const struct ip_layer *ip);
/* Tokens and size of a bucket: credit for `n` at once, one per `period`. */
NST_MUST_CHECK bool icmp_bucket_has(struct icmp_bucket *b, nst_time period,
				    uint32_t n, nst_time now);

/* An ICMP error message came in; data at its header, linear. (icmp_err.c) */
void icmp_error_in(struct ip_layer *ip, const struct ip_rx *rx,
		   const uint8_t *p, uint32_t bytes);
/* A packet of our own (IP header first) cannot reach its next hop: tells the
 * transports. Borrows. */
void icmp_local_unreach(struct ip_layer *ip, const struct nst_pkt *pkt);

/* An echo request to an address that is not ours: the embedder's to answer.
 * p..p+bytes is the ICMP message. (icmp_fwd.c) */
void icmp_echo_forward(struct ip_layer *ip, const struct ip_rx *rx,
		       const uint8_t *p, uint32_t bytes);

/* ndp.c: neighbour discovery messages; p..p+bytes is the ICMPv6 message. */
void ndp_in(struct ip_layer *ip, const struct ip_rx *rx, const uint8_t *p,
	    uint32_t bytes);

#endif

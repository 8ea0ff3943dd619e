/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chain of IPv6 extension headers, RFC 8200 4: one step per header, each
 * returning a verdict. At most LIMIT_IP6_EXT_HDRS headers are walked.
 */
#ifndef NETSTACK_IP_IP6_EXT_H
#define NETSTACK_IP_IP6_EXT_H

#include "netstack/ip/ip_priv.h"

struct ip6_walk {
	struct ip_layer *ip;
	struct ip_rx *rx;
	struct nst_pkt *pkt; /* data at the IPv6 header */
	uint32_t off;        /* of the header that comes next, from data */
	uint32_t next_ptr;   /* of the byte that named it */
	uint8_t next;        /* its protocol number */
	uint8_t hdrs;        /* walked so far */
};

enum ip6_verdict {
	IP6_UPPER, /* w->next is not an extension header: deliver */
	IP6_MORE,  /* one header done */
	IP6_TAKEN, /* a fragment: the packet was kept */
	IP6_DROP,  /* counted; the caller frees */
};

enum ip6_verdict ip6_ext_step(struct ip6_walk *w);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reassembly, RFC 791 3.2 and RFC 8200 4.5. Payload bytes of fragments are
 * copied; what is kept is bounded by LIMIT_REASM_DATAGRAMS, _BYTES and _FRAGS.
 * A datagram with overlapping fragments is dropped whole (RFC 5722; LINUX: for
 * IPv4 too), an exact repetition is ignored. 30 s (IPv4) or 60 s (IPv6) after
 * its first fragment an incomplete datagram is dropped, with an ICMP time
 * exceeded if the fragment at offset 0 had come.
 */
#ifndef NETSTACK_IP_REASM_H
#define NETSTACK_IP_REASM_H

#include "netstack/ip/ip_priv.h"

#define REASM_TIMEOUT6 (60 * NST_SEC)

/* One fragment as its IP version parsed it. */
struct reasm_in {
	uint32_t id;
	uint8_t proto; /* of the fragmented part (IPv6: next header) */
	uint32_t off;  /* bytes from the start of the datagram */
	bool more;
	uint32_t hdr_bytes;  /* unfragmentable part in front of the data */
	uint32_t skip_bytes; /* fragment header (IPv6) */
	uint32_t next_ptr;   /* IPv6: offset of the next header byte to patch */
};

/*
 * Adds a fragment; takes pkt (data at the IP header). Returns the whole packet
 * when this one completed it, with the headers of the first fragment, lengths
 * and next header corrected; else NULL. rx->in is then the first fragment's.
 */
struct nst_pkt *reasm_add(struct ip_layer *ip, struct ip_rx *rx,
			  const struct reasm_in *f, struct nst_pkt *pkt);
void reasm_fini(struct ip_layer *ip);
bool reasm_check(const struct ip_layer *ip);

#endif

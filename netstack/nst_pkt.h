/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packet buffers: a linear header area with headroom, followed by up to
 * NST_PKT_FRAGS fragments that *reference* memory owned by somebody else
 * (normally an endpoint's byte ring).
 *
 * Ownership: a packet has one owner. Functions say whether they take or borrow
 * it. Fragment memory is valid until the event in which the packet was emitted
 * has run to completion; whoever keeps a packet longer calls nst_pkt_own().
 *
 * Checksums: NST_CSUM_NONE on output means "complete, as it stands"; on input
 * "verify me". NST_CSUM_PARTIAL: the transport checksum field holds the
 * uncomplemented pseudo-header sum and a link without offload must call
 * nst_pkt_csum_finish(); a receiver treats it as good (it never left memory).
 * NST_CSUM_VALID: input verified by the link.
 */
#ifndef NETSTACK_NST_PKT_H
#define NETSTACK_NST_PKT_H

#include "netstack/nst_env.h"

#define NST_PKT_FRAGS 4
#define NST_PKT_HEADROOM 128 /* room for every header of ours */

enum nst_csum { NST_CSUM_NONE, NST_CSUM_PARTIAL, NST_CSUM_VALID };
enum nst_gso { NST_GSO_NONE, NST_GSO_TCP4, NST_GSO_TCP6, NST_GSO_UDP };

struct nst_frag {
	const uint8_t *p;
	uint32_t len;
};

struct nst_pkt {
	struct nst_pkt *next;      /* R for whoever owns the packet */
	const struct nst_env *env; /* R */
	uint8_t *head;             /* R start of the linear buffer */
	uint32_t cap;              /* R its size in bytes */
	uint32_t room; /* R of the bytes that were allocated with the struct */
	uint32_t off;  /* S first byte in use: head + off */
	uint32_t len;  /* R bytes in use in the linear buffer */
	uint32_t frag_bytes;                 /* R */
	struct nst_frag frag[NST_PKT_FRAGS]; /* R */
	uint8_t nfrags;                      /* R */
	uint8_t csum;                        /* S enum nst_csum */
	uint8_t gso;                         /* S enum nst_gso */
	uint8_t l2_bcast; /* S input: link-layer broadcast or multicast */
	uint8_t gso_ace;  /* S CWR is a digit (RFC 9768): in all segments;
			     2: no link can do it */
	/* Payload bytes per segment; 0: not a super-segment. S */
	uint16_t gso_size;
	/* Offsets from `head`; valid once the layer has been parsed or built.
	 * S */
	uint16_t l3_off;
	uint16_t l4_off;

	uint16_t csum_start; /* S PARTIAL: where summing starts */
	uint16_t csum_off;   /* S PARTIAL: offset of the field from there */
	uint32_t ifindex;    /* S NIC it came in on or leaves by */
	uint32_t flow;       /* S opaque mark: who sent it (for captures) */
	nst_time when;       /* S input: arrival; output: departure */
};

/*
 * A packet whose linear buffer has `headroom` bytes free in front and room for
 * `bytes` behind; NULL when memory is exhausted. The caller owns it.
 */
struct nst_pkt *nst_pkt_new(const struct nst_env *env, uint32_t headroom,
			    uint32_t bytes);
/* Frees a packet (NULL allowed); referenced fragment memory is not touched. */
void nst_pkt_free(struct nst_pkt *pkt);
/* Total bytes: linear and fragments. */
static inline uint32_t nst_pkt_bytes(const struct nst_pkt *pkt)
{
	return pkt->len + pkt->frag_bytes;
}
static inline uint8_t *nst_pkt_data(const struct nst_pkt *pkt)
{
	return pkt->head + pkt->off;
}
/* Opens `bytes` in front; NULL when the headroom does not suffice. */
uint8_t *nst_pkt_push(struct nst_pkt *pkt, uint32_t bytes);
/* Drops `bytes` from the front; false when fewer are linear. */
NST_MUST_CHECK bool nst_pkt_pull(struct nst_pkt *pkt, uint32_t bytes);
/* Appends linear room at the tail; NULL when full or when fragments exist. */
uint8_t *nst_pkt_put(struct nst_pkt *pkt, uint32_t bytes);
/* Appends a reference; false when all fragment slots are used. */
NST_MUST_CHECK bool nst_pkt_ref(struct nst_pkt *pkt, const void *p,
				uint32_t bytes);
/* Trims the packet to `bytes` in all (padding of short Ethernet frames). */
void nst_pkt_trim(struct nst_pkt *pkt, uint32_t bytes);
/* Makes at least `bytes` linear at the front; false: too short or no memory. */
NST_MUST_CHECK bool nst_pkt_linear(struct nst_pkt *pkt, uint32_t bytes);
/* Copies `bytes` from offset `from` (counted from data) to dst. */
void nst_pkt_copy(const struct nst_pkt *pkt, uint32_t from, void *dst,
		  uint32_t bytes);
/*
 * Makes a packet independent of fragment memory: payload is copied into the
 * packet's own buffer. May move the linear buffer. False when out of memory
 * (packet unchanged).
 */
NST_MUST_CHECK bool nst_pkt_own(struct nst_pkt *pkt);
/* A copy that owns all its bytes, metadata included; NULL without memory. */
struct nst_pkt *nst_pkt_clone(const struct nst_pkt *pkt);
/* Completes a NST_CSUM_PARTIAL checksum in place. */
void nst_pkt_csum_finish(struct nst_pkt *pkt);
/*
 * Cuts a TCP or UDP super-segment that starts at its IP header (data) into a
 * list of packets of gso_size payload bytes each, headers adjusted (length, id,
 * sequence, flags: CWR first only unless gso_ace, FIN and PSH last only),
 * checksums complete.
 * Takes pkt. Returns the list in order, NULL without memory (counted by the
 * caller as a drop). A packet that is no super-segment returns itself.
 */
struct nst_pkt *nst_pkt_segment(struct nst_pkt *pkt);

/*
 * RFC 1071 Internet checksum, uncomplemented 16-bit sum continued from sum.
 * Words are big-endian ones, as they stand in the packet, and sums are numbers
 * in host order: a checksum field is be16_from(~sum). An odd last byte counts
 * as the high half of a word, so only the last piece may be odd.
 */
uint16_t nst_csum_add(uint16_t sum, const void *p, size_t bytes);
/* The same, one 16-bit word at a time: the reference the tests compare to. */
uint16_t nst_csum_add_ref(uint16_t sum, const void *p, size_t bytes);

/*
 * The same over `bytes` of a packet from offset `from` (counted from data),
 * linear part and fragments of any length; what lies beyond the end counts 0.
 */
uint16_t nst_pkt_sum(const struct nst_pkt *pkt, uint32_t from, uint32_t bytes,
		     uint16_t sum);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between reasm.c (what is done with fragments) and reasm_save.c. A datagram
 * belongs to its bucket; its pieces and header to it.
 */
#ifndef NETSTACK_IP_REASM_PRIV_H
#define NETSTACK_IP_REASM_PRIV_H

#include "netstack/ip/reasm.h"

/* A run of payload bytes [off, end), copied. */
struct piece {
	struct piece *next; /* ascending, disjoint */
	uint32_t off, end;
	uint8_t data[];
};

struct reasm {
	struct reasm *next;  /* R in its bucket */
	struct ip_layer *ip; /* R */
	struct nst_addr src; /* S */
	struct nst_addr dst; /* S */
	uint32_t id;         /* S */
	uint32_t ifindex;    /* S */
	/* IPv4: part of the key; IPv6: of the first fragment. S */
	uint8_t proto;
	bool loop;            /* S */
	uint8_t ecn_seen;     /* S set of 1 << ECN codepoint, RFC 3168 5.3 */
	nst_time since;       /* S when the first fragment came */
	uint32_t total;       /* S payload bytes; 0 until the last one came */
	uint32_t have;        /* R */
	uint32_t npieces;     /* R */
	uint32_t bytes;       /* R memory charged */
	struct piece *pieces; /* R from the bytes saved */
	/* Of the fragment at offset 0, once it came: */
	uint8_t *hdr;             /* R from `header` of the message */
	uint32_t hdr_bytes;       /* R */
	uint32_t next_ptr;        /* S */
	struct ip_in in;          /* S */
	struct wheel_timer timer; /* R by reasm_arm() */
};

/*
 * Puts back a datagram that was saved, without header and pieces. NULL: no
 * room, or it is there already (*err: INVAL), or no memory.
 */
struct reasm *reasm_restore(struct ip_layer *ip, const struct reasm *saved,
			    enum nst_err *err);
/* Its header, and its pieces in ascending order; false: no memory. */
NST_MUST_CHECK bool reasm_restore_hdr(struct reasm *r, const void *p,
				      uint32_t bytes);
NST_MUST_CHECK bool reasm_restore_piece(struct reasm *r, uint32_t off,
					const void *p, uint32_t bytes);
/* Could all of it have come in, and is it not complete? */
NST_MUST_CHECK bool reasm_facts_ok(const struct reasm *r);
void reasm_arm(struct reasm *r);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TCP header and its options on the wire: RFC 9293 3.1, RFC 7323, RFC
 * 2018, RFC 9768. Stateless: parse makes a struct tcp_seg, emit writes a
 * struct tcp_out_hdr. Option layout on output is Linux's, so captures look
 * alike.
 */
#ifndef NETSTACK_TCP_TCP_WIRE_H
#define NETSTACK_TCP_TCP_WIRE_H

#include "netstack/ip/ip.h"

#define TCP_HDR_BYTES 20
#define TCP_OPT_BYTES_MAX 40
#define TCP_SACK_BLOCKS_MAX 4
#define TCP_ACCECN_FIELDS 3

enum tcp_flags {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_PSH = 0x08,
	TCP_ACK = 0x10,
	TCP_URG = 0x20,
	TCP_ECE = 0x40,
	TCP_CWR = 0x80,
};

/* A half-open interval of sequence space. S */
struct tcp_range {
	struct seq from, to;
};

/* The Fast Open option, RFC 7413 4.1.1: of a SYN or SYN-ACK. */
#define TCP_FO_COOKIE_MIN 4
#define TCP_FO_COOKIE_MAX 16
/* S */
struct tcp_fo_cookie {
	bool on;     /* there is one */
	bool exp;    /* in the experimental form, kind 254 and magic F989 */
	uint8_t len; /* 0: a request */
	uint8_t val[TCP_FO_COOKIE_MAX];
};

/* The AccECN option, RFC 9768 3.2.3: 24-bit counters in the order of the
 * wire. */
struct tcp_accecn_opt {
	bool present;
	bool order1; /* kind 174: ECT(1), CE, ECT(0); kind 172: backwards */
	uint8_t n;   /* counters that are there */
	uint32_t v[TCP_ACCECN_FIELDS];
};

/* A received segment: header and options in host order. Borrows pkt and in. */
struct tcp_seg {
	struct nst_pkt *pkt;
	const struct ip_in *in;
	struct seq seq, ack;
	struct seq end;    /* seq + len, SYN and FIN counted */
	uint32_t data_off; /* of the payload, counted from pkt's data */
	uint32_t len;      /* payload bytes */
	uint32_t trimmed;  /* payload bytes that were cut off */
	uint16_t sport, dport;
	uint16_t wnd; /* as on the wire, unscaled */
	uint16_t up;
	uint8_t flags;
	bool ae;     /* the bit in front of CWR, RFC 9768 3.1 */
	uint8_t res; /* the reserved bits that remain */
	uint8_t hdr_bytes;
	bool ts_ok, sack_perm, wscale_ok;
	uint8_t wscale;
	uint8_t nsack;
	uint16_t mss; /* 0: no option */
	uint32_t tsval, tsecr;
	struct tcp_range sack[TCP_SACK_BLOCKS_MAX];
	struct tcp_fo_cookie fo;
	struct tcp_accecn_opt accecn;
};

/* Payload bytes as they came: what a segment costs and shows of the peer. */
static inline uint32_t tcp_seg_whole(const struct tcp_seg *seg)
{
	return seg->len + seg->trimmed;
}

/* False: too short or data offset out of range. Linearises the header. Bad
 * options end option parsing (`*bad_opts`), as on Linux. */
NST_MUST_CHECK bool tcp_parse(struct nst_pkt *pkt, const struct ip_in *in,
			      struct tcp_seg *seg, bool *bad_opts);
/* Drops the first `n` payload bytes (SYN first, if there is one). */
void tcp_seg_trim_front(struct tcp_seg *seg, uint32_t n);
/* Keeps only sequence numbers before `end`; FIN goes with what is cut. */
void tcp_seg_trim_back(struct tcp_seg *seg, struct seq end);

/* A header to emit. */
struct tcp_out_hdr {
	uint16_t sport, dport;
	struct seq seq, ack;
	uint16_t wnd, up;
	uint8_t flags;
	bool ae;
	bool ts, sack_perm, wscale_ok;
	uint8_t wscale;
	uint8_t nsack;
	uint16_t mss; /* 0: no option */
	uint32_t tsval, tsecr;
	struct tcp_range sack[TCP_SACK_BLOCKS_MAX];
	struct tcp_fo_cookie fo;      /* left out where it has no room */
	struct tcp_accecn_opt accecn; /* sent as kind 174 */
};

/* Header bytes with options, padded to four. */
uint32_t tcp_hdr_bytes(const struct tcp_out_hdr *h);
/* Writes tcp_hdr_bytes(h) bytes; checksum field zero. */
void tcp_hdr_emit(const struct tcp_out_hdr *h, uint8_t *p);

#endif

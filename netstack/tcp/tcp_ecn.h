/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Explicit congestion notification of a connection: classic (RFC 3168) and
 * accurate (AccECN, RFC 9768), as Linux negotiates and speaks them. Included
 * by tcp_priv.h. Locking: as the stack. Nothing here can fail.
 *
 * tcp_ecn_open.c negotiates (SYN, SYN-ACK, final ACK, requests); tcp_ecn.c is
 * what each segment in and out does, and classic feedback; tcp_accecn.c is
 * accurate feedback: the ACE field, the byte counters and their option.
 *
 * An ACE is the three header bits AE, CWR, ECE as a number. A codepoint is the
 * two ECN bits of the IP header.
 */
#ifndef NETSTACK_TCP_TCP_ECN_H
#define NETSTACK_TCP_TCP_ECN_H

#include "netstack/nst_tcp.h"
#include "netstack/tcp/tcp_wire.h"

struct nst_tcp;
struct tcp_req;

enum ip_ecn { ECN_NOT_ECT, ECN_ECT1, ECN_ECT0, ECN_CE };

enum tcp_ecn_mode {
	TCP_ECN_OFF,
	TCP_ECN_CLASSIC,
	TCP_ECN_ACCURATE,
	TCP_ECN_PENDING, /* our SYN offers AccECN; it may become classic */
};

/* What is known to fail on the way; TCP_INFO shows these bits. */
enum tcp_ecn_fail {
	TCP_ECN_ACE_SEND = 1 << 0, /* we sent a handshake ACE of zero */
	TCP_ECN_ACE_RECV = 1 << 1, /* the peer's ACE is mangled */
	TCP_ECN_OPT_SEND = 1 << 2, /* our option does not get through */
	TCP_ECN_OPT_RECV = 1 << 3, /* the peer's option is mangled */
};

/* The best that was seen of the peer's option; TCP_INFO shows it. */
enum tcp_ecn_opt_seen {
	TCP_ECN_OPT_NONE,
	TCP_ECN_OPT_EMPTY,
	TCP_ECN_OPT_COUNTERS,
	TCP_ECN_OPT_ZEROED, /* a counter that cannot be zero was */
};

/* Of a connection. Counters by codepoint - 1. */
struct tcp_ecn {
	uint8_t mode;          /* S enum tcp_ecn_mode */
	uint8_t fail;          /* S enum tcp_ecn_fail bits */
	uint8_t opt_seen;      /* S */
	uint8_t syn_in;        /* S codepoint of the latest SYN or SYN-ACK */
	uint8_t syn_out;       /* S codepoint that ours left with */
	uint8_t prev;          /* S codepoint of the previous segment */
	uint8_t tx;            /* S codepoint of the latest packet */
	uint8_t opt_min;       /* S fewest fields the next option needs */
	uint8_t opt_demand;    /* S next ACKs that must carry the option */
	uint8_t guess;         /* S codepoint our bytes seem to arrive with */
	uint8_t ce_unsent;     /* S CE marks since the last ACE left, <= 15 */
	bool seen;             /* S any codepoint but Not-ECT came */
	bool echo;             /* S classic: ECE until CWR comes */
	bool cwr;              /* S classic: the next new data says CWR */
	bool reflect;          /* S the next bare ACK tells of syn_in */
	bool edge;             /* S the codepoint changed: ACK next data */
	bool opt_dsack;        /* S the last ACK had option and DSACK */
	bool ts_newer;         /* D this segment's timestamp is newer */
	bool opening;          /* D this ACK ends the handshake */
	uint16_t acked_avg;    /* S packets per ACK, 64-fold average */
	struct seq dsack_seq;  /* S start of that DSACK */
	uint32_t ce_in;        /* S CE-marked packets received */
	uint32_t bytes_in[3];  /* S payload received */
	uint32_t bytes_out[3]; /* S payload delivered, as reported */
	uint64_t acked_before; /* D bytes acknowledged before this segment */
	nst_time opt_sent;     /* S when the option left last */
};

/* Of a half-open request, and what its endpoint starts with. S */
struct tcp_req_ecn {
	uint8_t mode, fail, opt_seen, syn_in, syn_out;
};

/* ---- tcp_ecn_open.c: an endpoint's handshake ---- */
/* A SYN or SYN-ACK of ours: flags, option, codepoint; options are filled. */
void tcp_ecn_syn_out(struct nst_tcp *tp, struct tcp_out_hdr *h);
/* SYN-SENT: the acceptable SYN-ACK; a SYN without ACK (both opened). */
void tcp_ecn_synack_in(struct nst_tcp *tp, const struct tcp_seg *seg);
void tcp_ecn_cross_in(struct nst_tcp *tp, const struct tcp_seg *seg);
/* A SYN for an endpoint that has no request in front (forwarded). */
void tcp_ecn_passive(struct nst_tcp *tp, const struct tcp_seg *seg);
/* SYN-RECEIVED: the segment that completes the handshake. */
void tcp_ecn_third_in(struct nst_tcp *tp, const struct tcp_seg *seg);
/* Challenge ACK for a SYN on a synchronised connection. */
void tcp_ecn_challenge_syn(struct nst_tcp *tp, const struct tcp_seg *seg);

/* ---- tcp_ecn_open.c: a request's handshake ---- */
void tcp_ecn_req_syn(struct tcp_req *r, const struct tcp_seg *seg);
void tcp_ecn_req_syn_again(struct tcp_req *r, const struct tcp_seg *seg);
/* A SYN-ACK, whose options are filled, after r->retrans others. Gives the
 * codepoint to send it with. */
uint8_t tcp_ecn_req_synack(struct tcp_req *r, struct tcp_out_hdr *h);
void tcp_ecn_req_ack(struct tcp_req *r, const struct tcp_seg *seg);
/* A request made from a cookie that says (or not) ECN. */
void tcp_ecn_req_cookie(struct tcp_req *r, bool ecn, const struct tcp_seg *ack);
void tcp_ecn_child(struct nst_tcp *tp, const struct tcp_req *r);

/* ---- tcp_ecn.c ---- */
/* An acceptable segment, before its ACK is looked at. */
void tcp_ecn_in(struct nst_tcp *tp, const struct tcp_seg *seg);
/* New data, in or out of order: classic feedback. */
void tcp_ecn_data_in(struct nst_tcp *tp, const struct tcp_seg *seg);
/* Data that is here already: was our ACK lost with its option? */
void tcp_ecn_dup_in(struct nst_tcp *tp, const struct tcp_seg *seg);
/*
 * The ACK of a segment, which newly delivered `pkts` packets and `bytes` of
 * payload. Counts delivered_ce. True: it reports congestion, RFC 3168 6.1.2.
 */
bool tcp_ecn_ack(struct nst_tcp *tp, const struct tcp_seg *seg, uint32_t pkts,
		 uint32_t bytes);
/* The window was reduced: tell the peer. It was a mistake: do not. */
void tcp_ecn_queue_cwr(struct nst_tcp *tp);
void tcp_ecn_withdraw_cwr(struct nst_tcp *tp);
/* A header of a synchronised state, but for ECN filled; len of payload.
 * tp->ecn.tx becomes the codepoint to send it with. */
void tcp_ecn_out(struct nst_tcp *tp, struct tcp_out_hdr *h, uint32_t len);
void tcp_ecn_info(const struct nst_tcp *tp, struct nst_tcp_info *out);
/* ECT(0), or ECT(1) for a congestion control that wants it. */
uint8_t tcp_ecn_ect(const struct nst_tcp *tp);

/* ---- tcp_accecn.c ---- */
uint8_t tcp_ace_of(const struct tcp_seg *seg);
void tcp_ace_put(struct tcp_out_hdr *h, uint8_t ace);
/* The ACE that tells of a SYN's codepoint, RFC 9768 table 2; and back. */
uint8_t tcp_ace_reflect(uint8_t codepoint);
uint8_t tcp_ace_reflected(uint8_t ace);
/* Looks at the handshake's option: enum tcp_ecn_opt_seen. */
uint8_t tcp_accecn_opt_state(const struct tcp_seg *seg);
void tcp_accecn_in(struct nst_tcp *tp, const struct tcp_seg *seg);
void tcp_accecn_out(struct nst_tcp *tp, struct tcp_out_hdr *h);
/* CE-marked packets that this ACK newly reports. */
uint32_t tcp_accecn_ack(struct nst_tcp *tp, const struct tcp_seg *seg,
			uint32_t pkts, uint32_t bytes);
/* The option of a SYN-ACK: all counters at their start, if there is room. */
void tcp_accecn_synack_opt(struct tcp_out_hdr *h);
/* How many option bytes the option adds to data with `blocks` SACK blocks;
 * negative when it takes the place of some. */
int32_t tcp_accecn_opt_bytes(const struct nst_tcp *tp, uint32_t blocks);

#endif

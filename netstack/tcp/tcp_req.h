/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The small objects that stand for a connection which has no endpoint: a
 * half-open request (SYN received), a TIME-WAIT, and a SYN that waits for the
 * embedder's decision. Each is found through the demux by its node, has its
 * own timer, and at most TCP_SMALL_BYTES.
 */
#ifndef NETSTACK_TCP_TCP_REQ_H
#define NETSTACK_TCP_TCP_REQ_H

#include "netstack/tcp/tcp_priv.h"

#define TCP_SMALL_BYTES 256

/* RFC 9293 SYN-RECEIVED of a passive open. Owned by its listener's list. */
struct tcp_req {
	struct demux_node node;
	struct wheel_timer timer;
	struct nst_tcp *listener;
	struct tcp_req *next, **pprev;
	nst_time sent;     /* last SYN-ACK */
	nst_time last_oow; /* last rate-limited answer */
	struct seq iss, irs;
	uint32_t ts_recent, ts_off;
	uint32_t ifindex;
	uint16_t peer_mss, advmss, wnd;
	uint8_t retries; /* SYN-ACKs repeated */
	uint8_t snd_wscale, rcv_wscale;
	bool ts_on, sack_on, wscale_on;
	bool acked; /* the final ACK came, but was deferred or had no room */
};

/* Makes a request from a SYN and answers it. */
void tcp_req_new(struct nst_tcp *l, const struct tcp_seg *seg,
		 const struct seq *isn);
void tcp_req_free(struct tcp_req *r);
void tcp_req_in(struct tcp_req *r, struct tcp_seg *seg);
nst_time tcp_req_deadline(const struct tcp_req *r);
/* An ICMP error with this sequence number. */
void tcp_req_icmp(struct tcp_req *r, struct seq seq);

struct tcp_tw {
	struct demux_node node;
	struct wheel_timer timer;
	struct nst_stack *st;
	nst_time since; /* the 60 s count from here */
	nst_time last_oow;
	struct seq snd_nxt, rcv_nxt;
	uint32_t rcv_wnd; /* field, already scaled */
	uint32_t ts_recent, ts_off;
	nst_time ts_recent_at;
	uint32_t ifindex;
	bool ts_on;
	uint8_t tos;
	struct ports_hold hold;
};

/* Replaces a finished connection by a TIME-WAIT; tp becomes CLOSE. */
void tcp_time_wait(struct nst_tcp *tp);
void tcp_tw_free(struct tcp_tw *tw);
void tcp_tw_in(struct tcp_tw *tw, struct tcp_seg *seg);
nst_time tcp_tw_deadline(const struct tcp_tw *tw);
/* May a new connection from a port that its owner has bound take its place?
 * RFC 6191. Gives the first ISN. */
bool tcp_tw_reusable(const struct tcp_tw *tw, struct seq *isn);
/* The same for an automatic port (ports_yields_fn): on loopback only. */
bool tcp_tw_yields(const struct demux_node *n);

struct nst_fwd_req {
	struct demux_node node;
	struct nst_stack *st;
	struct nst_pkt *pkt; /* the SYN, without payload; IP header in front */
	struct ip_in in;
	struct tcp_seg seg; /* its parse; pkt and in point here */
	bool dead;          /* the peer reset it */
};

/* True: absorbed by the forwarder. */
bool tcp_fwd_in(struct nst_stack *st, struct tcp_seg *seg);
/* A further segment of a flow that waits for its decision. */
void tcp_fwd_again(struct nst_fwd_req *req, const struct tcp_seg *seg);

/* tcp_in.c: a SYN that starts anew on a TIME-WAIT's flow. */
void tcp_in_unmatched(struct nst_stack *st, struct tcp_seg *seg,
		      const struct seq *isn);

#endif

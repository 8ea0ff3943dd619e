/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The small objects that stand for a connection which has no endpoint: a
 * half-open request (SYN received), a TIME-WAIT or a FIN-WAIT-2 without an
 * owner, and a SYN that waits for the embedder's decision. Each is found
 * through the demux by its node, has its own timer, and at most TCP_SMALL_BYTES
 * (but for the last, which has the SYN itself with it).
 *
 * Fields: S saved in an image, R rebuilt on load, D dropped.
 */
#ifndef NETSTACK_TCP_TCP_REQ_H
#define NETSTACK_TCP_TCP_REQ_H

#include "netstack/tcp/tcp_priv.h"

#define TCP_SMALL_BYTES 256

/* RFC 9293 SYN-RECEIVED of a passive open. Owned by its listener's list. */
struct tcp_req {
	struct demux_node node;         /* R from `key` */
	struct wheel_timer timer;       /* R */
	struct nst_tcp *listener;       /* R from listener_id */
	struct tcp_req *next, **pprev;  /* R */
	nst_time sent;                  /* S last SYN-ACK, or when it was due */
	nst_time last_oow;              /* S last rate-limited answer */
	struct seq iss, irs;            /* S */
	uint32_t ts_recent, ts_off;     /* S */
	uint32_t ts_first, ts_last;     /* S timestamps of our SYN-ACKs */
	uint32_t ifindex;               /* S */
	uint16_t peer_mss, advmss, wnd; /* S */
	uint8_t timeouts;               /* S of the timer */
	uint8_t retrans;                /* S SYN-ACKs repeated */
	uint8_t snd_wscale, rcv_wscale; /* S */
	uint8_t syn_tos;                /* S of the SYN */
	bool ts_on, sack_on, wscale_on; /* S */
	struct tcp_req_ecn ecn;         /* S */
	struct tcp_saved_syn *saved_syn; /* S */
	bool acked;  /* S the final ACK came, but was deferred or had no room */
	bool cookie; /* D it never was a request: made from the final ACK */
};

/* Answers a SYN: with a request, a cookie or an endpoint (RFC 7413), or drops
 * it. `isn`: it reuses a TIME-WAIT and passes the limits, LINUX. */
void tcp_req_new(struct nst_tcp *l, struct tcp_seg *seg, const struct seq *isn);
/* A request of l with the facts and the key of *from, whose saved_syn it takes;
 * not armed. NOMEM, ADDRNOTAVAIL: the flow is taken. */
NST_MUST_CHECK enum nst_err tcp_req_put(struct nst_tcp *l,
					const struct tcp_req *from,
					struct tcp_req **out);
void tcp_req_free(struct tcp_req *r);
void tcp_req_in(struct tcp_req *r, struct tcp_seg *seg);
nst_time tcp_req_deadline(const struct tcp_req *r);
/* An ICMP error with this sequence number. */
void tcp_req_icmp(struct tcp_req *r, struct seq seq);
/* The final ACK of a handshake that only its cookie remembers. */
void tcp_req_complete_cookie(struct tcp_req *r, struct tcp_seg *seg);

/* ---- tcp_cookie.c ---- */
/* ISN of a SYN-ACK that carries the request; rounds *mss down. */
struct seq tcp_cookie_isn(struct nst_tcp *l, const struct flow_key *k,
			  struct seq peer_isn, uint16_t *mss);
uint32_t tcp_cookie_tsval(const struct tcp_req *r);
/* An ACK for a listener; true: it had a valid cookie and is dealt with. */
bool tcp_cookie_in(struct nst_tcp *l, struct tcp_seg *seg);
/* tcp_isn.c: keyed with one of two secrets. */
uint32_t tcp_cookie_hash(struct nst_stack *st, const struct flow_key *key,
			 uint32_t count, int which);

/* LINUX: tcp_in_window, for what has no endpoint. */
static inline bool tcp_seg_in_window(const struct tcp_seg *seg, struct seq nxt,
				     struct seq edge)
{
	if (seq_eq(seg->seq, nxt))
		return true;
	if (seq_gt(seg->end, nxt) && seq_lt(seg->seq, edge))
		return true;
	return seq_eq(seg->seq, edge) && seq_eq(seg->end, edge);
}

/* RFC 7323 5.3 on bare facts: is this timestamp older than ts_recent by more
 * than `slack`? LINUX: zero says nothing; neither does an old one. */
static inline bool tcp_ts_older(uint32_t ts_recent, uint32_t tsval,
				nst_time age, int32_t slack)
{
	return (int32_t)(ts_recent - tsval) > slack && ts_recent &&
	       age < TCP_PAWS_24DAYS;
}

enum tcp_tw_sub { TCP_TW_TIME_WAIT, TCP_TW_FIN_WAIT2 };

struct tcp_tw {
	struct demux_node node;      /* R from `key` */
	struct wheel_timer timer;    /* R */
	struct nst_stack *st;        /* R */
	nst_time since;              /* S `wait_ms` counts from here */
	nst_time last_oow;           /* S */
	nst_time ts_recent_at;       /* S */
	uint32_t wait_ms;            /* S */
	uint32_t entered_ms;         /* S since the clock's zero */
	struct seq snd_nxt, rcv_nxt; /* S */
	uint32_t rcv_wnd;            /* S */
	uint32_t ts_recent, ts_off;  /* S */
	uint32_t ifindex;            /* S */
	bool ts_on;                  /* S */
	uint8_t sub;                 /* S enum tcp_tw_sub */
	uint8_t tos, rcv_wscale;     /* S */
	struct ports_hold hold;      /* S */
};

/* Replaces a finished connection by a TIME-WAIT, or a FIN-WAIT-2 that nobody
 * owns by one that lasts `wait`; tp becomes CLOSE. */
void tcp_time_wait(struct nst_tcp *tp);
void tcp_fin_wait2(struct nst_tcp *tp, nst_time wait);
void tcp_tw_free(struct tcp_tw *tw);
/* One with the facts and the key of *from, which holds the port (0: none); not
 * armed. NOMEM, ADDRNOTAVAIL: the flow is taken. */
NST_MUST_CHECK enum nst_err
tcp_tw_put(struct nst_stack *st, const struct tcp_tw *from, uint16_t hold_port);
void tcp_tw_in(struct tcp_tw *tw, struct tcp_seg *seg);
nst_time tcp_tw_deadline(const struct tcp_tw *tw);
/* May a new connection from a port that its owner has bound take its place?
 * RFC 6191. Gives the first ISN and the peer's last timestamp to tp. */
bool tcp_tw_reuse(const struct tcp_tw *tw, struct nst_tcp *tp);
/* The same for an automatic port (ports_yields_fn): by tcp_tw_reuse. */
bool tcp_tw_yields(const struct demux_node *n);

struct nst_fwd_req {
	struct demux_node node; /* R key from `in` and the SYN */
	struct nst_stack *st;   /* R */
	uint64_t id;            /* S unique among the stack's sockets */
	struct nst_pkt *pkt;    /* S the SYN, no payload; IP header in front */
	struct ip_in in;        /* S hdr_bytes by ip_header */
	struct tcp_seg seg;     /* R its parse; pkt and in point here */
	bool dead;              /* D the peer reset it: only its owner knows */
};

/* A SYN that waited when it was saved: takes pkt if it is good. INVAL: it is no
 * such packet; NOMEM; ADDRNOTAVAIL: the flow is taken. */
NST_MUST_CHECK enum nst_err tcp_fwd_put(struct nst_stack *st, uint64_t id,
					struct nst_pkt *pkt,
					const struct ip_in *in,
					struct nst_fwd_req **out);
/* True: absorbed by the forwarder. */
bool tcp_fwd_in(struct nst_stack *st, struct tcp_seg *seg);
/* A further segment of a flow that waits for its decision. */
void tcp_fwd_again(struct nst_fwd_req *req, const struct tcp_seg *seg);

/* tcp_in.c: a SYN that starts anew on a TIME-WAIT's flow. */
void tcp_in_unmatched(struct nst_stack *st, struct tcp_seg *seg,
		      const struct seq *isn);
/* Is there a listener for it? */
bool tcp_in_wanted(struct nst_stack *st, const struct tcp_seg *seg);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a TCP endpoint, the layer of a stack that all endpoints share,
 * and sets of states. Included through tcp_priv.h.
 *
 * Each field is marked: S saved in an image, R rebuilt on load, D dropped.
 */
#ifndef NETSTACK_TCP_TCP_EP_H
#define NETSTACK_TCP_TCP_EP_H

#include "netstack/base/ring.h"
#include "netstack/base/stack_priv.h"
#include "netstack/ip/ip.h"
#include "netstack/nst_tcp.h"
#include "netstack/tcp/tcp_ecn.h"
#include "netstack/tcp/tcp_facts.h"
#include "netstack/tcp/tcp_sysctl.h"

struct tcp_req;
struct tcp_cc;

/* Grouped by subject, not by size. NOLINTNEXTLINE */
struct nst_tcp {
	struct nst_sock sk;    /* S first */
	uint8_t state;         /* S enum nst_tcp_state */
	uint8_t ca_state;      /* S */
	bool orphan;           /* S its owner closed it */
	bool spoof;            /* S a forwarder's: local address is not ours */
	bool fwd;              /* S made by nst_fwd_complete */
	uint32_t ev;           /* D events to raise */
	enum nst_err err_soft; /* S told when the connection times out */
	struct tcp_conf conf;  /* S */
	struct ip_path path;   /* R */
	bool path_ok;          /* S */

	/* Sequence variables, RFC 9293 3.3.1. S */
	struct seq iss, irs;
	struct seq snd_una, snd_nxt, snd_wl1;
	struct seq snd_base; /* sequence number of snd.head */
	struct seq snd_sml;  /* end of the last small segment (Minshall) */
	struct seq push_seq; /* the last mark for PSH (tcp_write.c) */
	struct seq high_seq; /* recovery point */
	struct seq rtx_hint; /* nothing below waits for retransmission */
	bool rtx_hint_on;    /* or else the next that is lost sets it */
	struct seq cwnd_usage_seq, rtt_seq;
	uint32_t snd_wnd, max_wnd;
	struct seq rcv_nxt;
	struct seq rcv_wup; /* rcv_nxt when the last ACK left */
	struct seq rcv_adv; /* right edge of the advertised window */
	bool fin_queued;    /* S send a FIN after what is queued */
	bool fin_rcvd;      /* S rcv_nxt is past the peer's FIN */
	bool fin_ooo;       /* S peer's FIN is known, at fin_seq */
	struct seq fin_seq;

	/* Buffers. */
	struct ring snd;    /* R from snd_size, snd_head, snd_data */
	struct ring rcv;    /* R from rcv_size, rcv_head, rcv_data, ooo_data */
	uint32_t snd_was;   /* R of a loaded ring: its size, once it needs it */
	uint32_t rcv_was;   /* R */
	uint32_t snd_limit; /* S */
	bool snd_blocked;   /* S owner waits for space */
	bool more;          /* S last commit said MSG_MORE */
	struct tcp_writing writing; /* S */
	bool nagle_push;            /* S TCP_NODELAY was set: even if corked */
	nst_time last_used;         /* S of the rings */

	/* Options agreed on. S */
	bool ts_on, sack_on, wscale_on;
	uint8_t snd_wscale, rcv_wscale;
	uint16_t peer_mss; /* 0: none seen */
	uint16_t advmss;
	uint32_t mss; /* payload bytes of a full segment */
	uint32_t ts_off, ts_recent;
	nst_time ts_recent_at;

	/* Handshake and retransmission. S */
	nst_time hs_sent;     /* last SYN or SYN-ACK */
	uint32_t hs_n;        /* how many were repeated */
	uint32_t hs_timeouts; /* of these by the timer */
	nst_time hs_stray;    /* a stray ACK came: try again soon; 0: no */
	uint8_t hs_wscale;    /* that our SYN offered */
	uint32_t hs_ts_first; /* timestamp of the first SYN or SYN-ACK */
	bool hs_writer;       /* somebody waits to write */
	bool hs_late; /* D the SYN(-ACK) was repeated, not in vain: set anew */
	struct tcp_rtx rtx;
	nst_time rto; /* LINUX: icsk_rto, back-off included */
	/* First retransmission of the episode, or first SYN; 0: none. */
	nst_time rexmit_start;
	uint32_t backoff, retransmits;
	struct tcp_rto_stat rto_stat;
	/* LINUX: srtt is kept 8-fold, mdev 4-fold; 0: no sample. */
	nst_time srtt, mdev, mdev_max, rttvar, min_rtt;
	struct tcp_rtt_min rtt_min;
	nst_time probe_start; /* LINUX: icsk_probes_tstamp; 0: none */
	uint32_t probes_out;

	/* Scoreboard and congestion. S */
	struct tcp_sents sents;
	uint32_t packets_out, lost_out, retrans_out; /* R of the records */
	uint32_t sacked_out;
	struct tcp_sacked sack;
	struct tcp_reorder reord;
	struct tcp_rack rack;
	struct tcp_tlp tlp;
	struct tcp_undo undo;
	struct tcp_prr prr;
	bool frto; /* RFC 5682 may still call the time-out spurious */
	const struct tcp_cc *cc;
	uint64_t cc_priv[TCP_CC_PRIV_WORDS]; /* R of `cubic` or `bbr` */
	uint32_t cwnd, ssthresh, cwnd_cnt, prior_cwnd;
	uint32_t max_packets_out;
	bool cwnd_limited;
	uint32_t cwnd_used;  /* most in flight since cwnd_stamp */
	nst_time cwnd_stamp; /* the window was full, or set, last */
	struct tcp_ecn ecn;
	struct tcp_rate rate;
	struct tcp_pace pace;

	/* Receiving. S */
	struct tcp_ooo ooo;
	struct tcp_range dsack; /* from == to: none */
	struct tcp_sack_out sacks;
	struct tcp_rmem rmem;
	uint32_t rcv_mss;
	uint32_t last_seg; /* size of the last odd segment; see measure() */
	uint32_t quick;    /* quick ACKs left */
	uint8_t pingpong;  /* answers that could carry the ACK */
	uint32_t ack_segs; /* segs_in when an ACK was last decided on */
	bool ack_pending;  /* an ACK is owed */
	bool ack_now;      /* in this event */
	bool ack_nomem;    /* nothing could be taken: say window zero */
	struct tcp_wait ack_wait; /* how long the delayed ACK waits */
	uint8_t ack_pushed; /* small segments since the last ACK: 0, 1, more */
	uint8_t dup_acks;   /* sent for rcv_nxt == comp_nxt */
	uint8_t comp_acks;  /* ACKs with SACK blocks held back */
	struct seq comp_nxt;
	struct tcp_wait comp_wait; /* how long these are */
	nst_time ato, last_oow;
	nst_time rcv_rtt, drs_time; /* S rcv_rtt is kept 8-fold */
	struct seq drs_seq;         /* S copied by the owner at drs_time */
	struct seq rcv_rtt_seq;
	nst_time rcv_rtt_time;
	uint32_t rcv_rtt_tsecr; /* of the last sample */
	struct tcp_mtup mtup;
	struct tcp_chrono chrono;

	/* Urgent data, RFC 6093. S */
	struct seq snd_up;
	bool snd_urg, urg_valid, urg_seen, urg_taken;
	struct seq urg_seq; /* of the urgent byte */
	uint8_t urg_byte;

	/* Keepalive and life. S */
	uint32_t keep_probes;
	nst_time keep_sent;
	nst_time fw2_since;
	nst_time last_data_sent, last_ack_sent, last_data_recv, last_ack_recv;
	nst_time cork_since;

	/* Passive side. */
	struct nst_tcp *listener;             /* R while not accepted */
	struct tcp_saved_syn *saved_syn;      /* S */
	bool acc_queued;                      /* R from accept_queue, as: */
	struct nst_tcp *acc_next;             /* R accept queue */
	struct nst_tcp *acc_head, **acc_tail; /* R */
	uint32_t acc_n;                       /* R */
	bool acc_hold;                        /* S */
	int32_t backlog;                      /* S */
	struct tcp_req *reqs;                 /* R they have records */
	uint32_t nreqs, young;  /* R young: no SYN-ACK was repeated */
	nst_time synq_overflow; /* S last cookie sent; 0: none */
	struct tcp_fo fo;       /* S */

	/* For nst_tcp_info. S */
	uint64_t bytes_acked, bytes_received, bytes_sent, bytes_retrans;
	uint32_t segs_out, segs_in, data_segs_in, data_segs_out;
	uint32_t total_retrans, dsack_dups, rcv_ooopack, delivered;
	uint32_t delivered_ce; /* of these, reported as CE-marked */

	struct tcp_timer timer[TCP_T_COUNT]; /* R */
};

/* Memory that packets on the loopback queue may still reference; freed when
 * that queue is known to be empty. Lives at the end of the block itself. */
struct tcp_grave {
	struct tcp_grave *next;
	void *p;
	size_t bytes;
};

#define TCP_COOKIE_KEYS 2 /* of SYN cookies */

/* Segments that are being merged (tcp_gro.c). D: no batch spans a save. */
#define TCP_GRO_FLOWS 8
struct tcp_gro_slot {
	struct nst_pkt *head, *tail; /* NULL: free */
	struct ip_in in;             /* of the first */
	uint32_t mss, bytes, next_seq, order;
};
struct tcp_gro {
	bool on;
	uint32_t stamp;
	struct tcp_gro_slot slot[TCP_GRO_FLOWS];
};

struct tcp_layer {
	struct nst_stack *st;                    /* R */
	struct tcp_sysctl ctl;                   /* R from settings by name */
	uint8_t isn_key[16], ts_key[16];         /* S */
	size_t nreqs, ntw, nfwd, norphans;       /* R */
	struct tcp_grave *graves;                /* D */
	size_t grave_bytes;                      /* D */
	uint8_t cookie_key[TCP_COOKIE_KEYS][16]; /* R from cookie_keys */
	nst_time challenge_at;   /* S second that challenge_left is for */
	uint32_t challenge_left; /* S */
	struct tcp_fo_layer fo;  /* S */
	struct wheel_timer reap; /* D */
	struct tcp_gro gro;      /* D */
	/* Up to then the world outside went on without us; < 0: it never did.
	 * Nothing that left before is a sample of anything (tcp_resume.c). */
	nst_time resumed_at;      /* S */
	nst_time outage;          /* D until nst_stack_resumed() */
	uint64_t bad_transitions; /* D tcp_set_state refused: a defect */
};

static inline struct nst_tcp *tcp_of(struct nst_sock *s)
{
	return (struct nst_tcp *)s;
}
static inline const struct nst_tcp *tcp_ofc(const struct nst_sock *s)
{
	return (const struct nst_tcp *)s;
}
static inline uint32_t u32_min(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}
static inline uint32_t u32_max(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}
static inline nst_time t_min(nst_time a, nst_time b)
{
	return a < b ? a : b;
}
static inline nst_time t_max(nst_time a, nst_time b)
{
	return a > b ? a : b;
}
/* When the wait is over; NST_NEVER: nothing waits. */
static inline nst_time tcp_wait_end(const struct tcp_wait *w)
{
	return w->on ? w->since + w->wait : NST_NEVER;
}
static inline struct tcp_wait tcp_wait_from(nst_time now, nst_time wait)
{
	return (struct tcp_wait){.on = true, .since = now, .wait = wait};
}
/* Did the world outside go on without us since then? */
static inline bool tcp_before_outage(const struct nst_tcp *tp, nst_time at)
{
	return at <= tp->sk.st->tcp->resumed_at;
}
/* TCP_USER_TIMEOUT, RFC 5482; 0: none. */
static inline nst_time tcp_user_timeout(const struct nst_tcp *tp)
{
	return (nst_time)tp->conf.user_timeout_ms * NST_MS;
}
#define TCP_COUNT(st, name) ((st)->count.Tcp##name++)
/* Setting of the stack: TCP_CTL(tp, retries2). */
#define TCP_CTL(tp, name) ((tp)->sk.st->tcp->ctl.tcp_##name)

/* Sets of states, 1 << enum nst_tcp_state. */
#define TCPF(s) (1u << NST_TCP_##s)
static inline bool tcp_in_states(const struct nst_tcp *tp, uint32_t set)
{
	return (set >> tp->state) & 1;
}
#define TCPF_SYNCED                                                            \
	(TCPF(ESTABLISHED) | TCPF(FIN_WAIT1) | TCPF(FIN_WAIT2) |               \
	 TCPF(CLOSE_WAIT) | TCPF(LAST_ACK) | TCPF(CLOSING))
/* New data, or the FIN, may leave. */
#define TCPF_SENDING                                                           \
	(TCPF(ESTABLISHED) | TCPF(CLOSE_WAIT) | TCPF(FIN_WAIT1) |              \
	 TCPF(LAST_ACK) | TCPF(CLOSING))
/* A Fast Open child sends before its SYN-ACK is acknowledged. */
static inline bool tcp_may_send(const struct nst_tcp *tp)
{
	return tcp_in_states(tp, TCPF_SENDING) ||
	       (tp->state == NST_TCP_SYN_RCVD && tp->fo.pending);
}
/* SYN-RECEIVED by crossing SYNs, RFC 9293 3.5 figure 7. */
static inline bool tcp_opened_both(const struct nst_tcp *tp)
{
	return tp->state == NST_TCP_SYN_RCVD && !tp->fo.pending && !tp->fwd &&
	       !tp->listener;
}
/* The handshake's timer rules: a Fast Open child may be closing already. */
static inline bool tcp_in_handshake(const struct nst_tcp *tp)
{
	return tcp_in_states(tp, TCPF(SYN_SENT) | TCPF(SYN_RCVD)) ||
	       tp->fo.pending;
}
#define TCPF_RECEIVING (TCPF(ESTABLISHED) | TCPF(FIN_WAIT1) | TCPF(FIN_WAIT2))

#endif

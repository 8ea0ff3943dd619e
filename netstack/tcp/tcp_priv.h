/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a TCP endpoint and what the files of this folder offer each
 * other. Included by netstack/tcp and its tests only. Locking: as the stack.
 *
 * Every event on an endpoint (a segment, a timer, a call) changes facts and
 * ends with tcp_finish(), the single epilogue: it sends what can be sent,
 * acknowledges what must be, arms the timers from the facts, raises the
 * collected events, and frees an endpoint that has no owner and is closed.
 *
 * Each field is marked: S saved in an image, R rebuilt on load, D dropped.
 */
#ifndef NETSTACK_TCP_TCP_PRIV_H
#define NETSTACK_TCP_TCP_PRIV_H

#include "netstack/base/container.h"
#include "netstack/base/mem.h"
#include "netstack/base/ring.h"
#include "netstack/base/stack_priv.h"
#include "netstack/ip/ip.h"
#include "netstack/nst_tcp.h"
#include "netstack/tcp/tcp_limits.h"
#include "netstack/tcp/tcp_sysctl.h"
#include "netstack/tcp/tcp_wire.h"

struct tcp_req;
struct tcp_cc;

#define TCP_CC_PRIV_WORDS 32 /* private state of a congestion control */

/* ---- timers: one enum, one table (tcp_timer.c) ---- */

enum tcp_timer_kind {
	TCP_T_RETRANS, /* handshake, RTO or persist: one at a time */
	TCP_T_DELACK,
	TCP_T_KEEP,
	TCP_T_FIN_WAIT2,
	TCP_T_CORK,
	TCP_T_IDLE, /* gives empty rings back */
	TCP_T_COUNT
};

struct tcp_timer {
	struct wheel_timer w;
	uint8_t kind;
};

/* ---- scoreboard record: bytes sent together (tcp_sent.c) ---- */

enum tcp_sent_flags {
	SENT_SACKED = 1 << 0,
	SENT_LOST = 1 << 1,
	SENT_REXMIT = 1 << 2, /* a retransmission is in flight */
	SENT_EVER = 1 << 3,   /* was retransmitted: no RTT sample (Karn) */
};

/* The flow when a record left last, for its rate sample (tcp_rate.c). S */
struct tcp_tx_mark {
	nst_time first_tx;     /* start of the sampled send interval */
	nst_time delivered_at; /* of the newest delivery before it */
	uint32_t delivered, delivered_ce, lost;
	uint32_t in_flight; /* packets, this record counted */
	bool app_limited;
};

struct tcp_sent {
	struct seq seq;
	uint32_t len;    /* sequence space, FIN counted */
	nst_time when;   /* last transmission (its departure, when paced) */
	uint16_t pcount; /* segments of it, as Linux counts packets */
	uint8_t flags;
	struct tcp_tx_mark tx;
};

/* Records in sequence order from snd_una to snd_nxt without gaps. */
struct tcp_sents {
	struct tcp_sent *v;
	uint32_t cap, head, n;
	struct tcp_sent inl[4];
};

/* ---- out-of-order intervals behind rcv_nxt (tcp_ooo.c) ---- */

struct tcp_ooo_iv {
	struct tcp_range r;
	uint32_t stamp; /* larger: more recently changed */
};

struct tcp_ooo {
	struct tcp_ooo_iv *v; /* LIMIT_TCP_OOO of them, while there are any */
	uint32_t n, stamp;
};

enum tcp_ca_state {
	TCP_CA_OPEN,
	TCP_CA_DISORDER,
	TCP_CA_CWR,
	TCP_CA_RECOVERY,
	TCP_CA_LOSS,
};

/* Delivery of this flow, for its samples (tcp_rate.c). S */
struct tcp_rate {
	nst_time first_tx;     /* send time of the newest delivered record */
	nst_time delivered_at; /* of the newest delivery */
	uint32_t lost;         /* packets ever marked lost */
	uint32_t app_limited;  /* until `delivered` passes it; 0: is not */
	uint32_t delivered;    /* the newest good sample: packets */
	nst_time interval;     /* in this time; 0: none yet */
	bool sample_app_limited;
};

/* Departure times (tcp_pacing.c). S */
struct tcp_pace {
	uint64_t rate;   /* bytes/s; UINT64_MAX: none, 0: unknown */
	nst_time next;   /* earliest departure of the next packet */
	bool needed;     /* by the congestion control or a maximum */
	uint8_t blocked; /* R output waits for `next` */
};

/* What tcp(7) options set; inherited by children. S */
struct tcp_conf {
	bool nodelay, cork, quickack_set;
	bool sndbuf_set, rcvbuf_set;
	uint16_t user_mss;
	uint32_t keepidle_s, keepintvl_s, keepcnt;
	uint32_t syncnt;   /* 0: default */
	int32_t linger2_s; /* 0: default, -1: no FIN-WAIT-2 */
	uint32_t defer_s;
	uint32_t window_clamp;
	uint32_t user_timeout_ms;
	uint32_t notsent_lowat; /* 0: no limit */
};

/* Grouped by subject, not by size. NOLINTNEXTLINE */
struct nst_tcp {
	struct nst_sock sk;    /* first */
	uint8_t state;         /* S enum nst_tcp_state */
	uint8_t ca_state;      /* S */
	bool orphan;           /* S its owner closed it */
	bool spoof;            /* S a forwarder's: local address is not ours */
	bool fwd;              /* S made by nst_fwd_complete */
	uint32_t ev;           /* D events to raise */
	enum nst_err err_soft; /* S told when the connection times out */
	struct tcp_conf conf;
	struct ip_path path; /* R */
	bool path_ok;        /* R */

	/* Sequence variables, RFC 9293 3.3.1. S */
	struct seq iss, irs;
	struct seq snd_una, snd_nxt, snd_wl1;
	struct seq snd_base; /* sequence number of snd.head */
	struct seq snd_sml;  /* end of the last small segment (Minshall) */
	struct seq push_seq; /* last byte of a commit without `more`, + 1 */
	struct seq high_seq; /* recovery point */
	struct seq cwnd_usage_seq, rtt_seq;
	uint32_t snd_wnd, max_wnd;
	struct seq rcv_nxt;
	struct seq rcv_wup; /* rcv_nxt when the last ACK left */
	struct seq rcv_adv; /* right edge of the advertised window */
	bool fin_queued;    /* S send a FIN after what is queued */
	bool fin_rcvd;      /* S rcv_nxt is past the peer's FIN */
	bool fin_ooo;       /* S peer's FIN is known, at fin_seq */
	struct seq fin_seq;

	/* Buffers. S contents */
	struct ring snd, rcv;
	uint32_t snd_limit, rcv_limit;
	bool snd_blocked;   /* S owner waits for space */
	bool more;          /* S last commit said MSG_MORE */
	nst_time last_used; /* S of the rings */

	/* Options agreed on. S */
	bool ts_on, sack_on, wscale_on;
	uint8_t snd_wscale, rcv_wscale;
	uint16_t peer_mss; /* 0: none seen */
	uint16_t advmss;
	uint32_t mss; /* payload bytes of a full segment */
	uint32_t ts_off, ts_recent, ts_lastack;
	nst_time ts_recent_at;

	/* Handshake and retransmission. S */
	nst_time hs_sent; /* last SYN or SYN-ACK */
	uint32_t hs_n;    /* how many were repeated */
	uint32_t hs_max;
	nst_time rto_base;     /* when the retransmission timer was started */
	nst_time rto;          /* without back-off */
	nst_time rexmit_start; /* first unanswered retransmission */
	uint32_t backoff, retransmits;
	/* LINUX: srtt is kept 8-fold, mdev 4-fold; 0: no sample. */
	nst_time srtt, mdev, mdev_max, rttvar, min_rtt;
	nst_time probe_base;  /* when the persist timer was started */
	nst_time probe_start; /* first unanswered probe */
	uint32_t probes_out;
	bool probing;

	/* Scoreboard and congestion. S */
	struct tcp_sents sents;
	uint32_t packets_out, sacked_out, lost_out, retrans_out;
	uint32_t dupacks;
	const struct tcp_cc *cc;
	uint64_t cc_priv[TCP_CC_PRIV_WORDS]; /* S of the algorithm */
	uint32_t cwnd, ssthresh, cwnd_cnt, prior_cwnd;
	uint32_t max_packets_out;
	bool cwnd_limited;
	bool may_rexmit; /* this event may retransmit */
	struct tcp_rate rate;
	struct tcp_pace pace;

	/* Receiving. S */
	struct tcp_ooo ooo;
	struct tcp_range dsack; /* from == to: none */
	uint32_t rcv_mss;
	uint32_t quick; /* quick ACKs left */
	bool pingpong;
	bool ack_pending; /* an ACK is owed */
	bool ack_now;     /* in this event */
	nst_time ack_due; /* deadline of the delayed ACK */
	bool ack_pushed;
	nst_time ato, last_oow;
	nst_time rcv_rtt, drs_time;
	struct seq drs_seq; /* copied by the owner at drs_time */
	struct seq rcv_rtt_seq;
	nst_time rcv_rtt_time;

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
	struct nst_tcp *listener; /* R while not accepted */
	bool acc_queued;
	struct nst_tcp *acc_next; /* R accept queue */
	struct nst_tcp *acc_head, **acc_tail;
	uint32_t acc_n;
	bool acc_hold;
	int32_t backlog;
	struct tcp_req *reqs;
	uint32_t nreqs;

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

struct tcp_layer {
	struct nst_stack *st;
	struct tcp_sysctl ctl; /* S settings of this stack */
	uint8_t isn_key[16], ts_key[16];
	size_t nreqs, ntw, nfwd, norphans;
	struct tcp_grave *graves;
	size_t grave_bytes;
	struct wheel_timer reap;
	uint64_t bad_transitions; /* tcp_set_state refused: a defect */
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
#define TCPF_RECEIVING (TCPF(ESTABLISHED) | TCPF(FIN_WAIT1) | TCPF(FIN_WAIT2))

/* ---- tcp_state.c ---- */
void tcp_set_state(struct nst_tcp *tp, enum nst_tcp_state to);
/* Ends the connection: out of the demux, timers stopped, CLOSE, events. */
void tcp_done(struct nst_tcp *tp);
/* The connection failed: so_error, then tcp_done. */
void tcp_fail(struct nst_tcp *tp, enum nst_err why);
/* The epilogue of every event; tp may be freed by it. */
void tcp_finish(struct nst_tcp *tp);
bool tcp_check(const struct nst_tcp *tp);

/* ---- tcp_life.c: memory ---- */
struct nst_tcp *tcp_alloc(struct nst_stack *st, uint8_t family, void *user);
void tcp_free(struct nst_tcp *tp);
void tcp_reset_facts(struct nst_tcp *tp); /* as new; options are kept */
/* Starts a life from listener's options. */
void tcp_inherit(struct nst_tcp *child, const struct nst_tcp *from);
/* Frees memory that packets may reference, later. */
void tcp_bury(struct nst_stack *st, void *p, size_t bytes);
void tcp_reap(struct nst_stack *st); /* if the loopback queue is empty */
#define TCP_RING_TRAILER sizeof(struct tcp_grave)

/* ---- tcp_buf.c: rings and their limits ---- */
void tcp_buf_init(struct nst_tcp *tp);
/* Room for `need` bytes in all; false without memory. */
NST_MUST_CHECK bool tcp_rcv_room(struct nst_tcp *tp, uint32_t need);
void tcp_snd_grow(struct nst_tcp *tp);
void tcp_snd_limit_update(struct nst_tcp *tp);
void tcp_rcv_limit_update(struct nst_tcp *tp);
void tcp_buf_release_empty(struct nst_tcp *tp);
void tcp_buf_free(struct nst_tcp *tp);
void tcp_buf_drop_snd(struct nst_tcp *tp); /* what is queued is lost */
nst_time tcp_idle_deadline(const struct nst_tcp *tp);
/* Queued and unsent bytes; sequence number behind the last queued byte. */
static inline struct seq tcp_write_seq(const struct nst_tcp *tp)
{
	return seq_add(tp->snd_base, ring_used(&tp->snd));
}
static inline bool tcp_fin_sent(const struct nst_tcp *tp)
{
	return tp->fin_queued && seq_gt(tp->snd_nxt, tcp_write_seq(tp));
}
static inline uint32_t tcp_unsent(const struct nst_tcp *tp)
{
	int32_t n = seq_diff(tcp_write_seq(tp), tp->snd_nxt);

	return n > 0 ? (uint32_t)n : 0;
}
/* TCP_NOTSENT_LOWAT: may the owner queue more? */
static inline bool tcp_notsent_ok(const struct nst_tcp *tp)
{
	return !tp->conf.notsent_lowat ||
	       tcp_unsent(tp) < tp->conf.notsent_lowat;
}
/* Is there anything, FIN included, that was not sent? */
static inline bool tcp_send_pending(const struct nst_tcp *tp)
{
	return tcp_unsent(tp) || (tp->fin_queued && !tcp_fin_sent(tp));
}

/* ---- tcp_wnd.c: the receive window ---- */
/* The first window, as the SYN shows it; the scale to offer. */
uint32_t tcp_wnd_first(const struct nst_tcp *tp);
uint8_t tcp_wnd_scale(const struct nst_tcp *tp);
void tcp_wnd_init(struct nst_tcp *tp);          /* when rcv_nxt is known */
uint32_t tcp_rcv_wnd(const struct nst_tcp *tp); /* still advertised */
/* Chooses the window to advertise now, moves rcv_adv, returns the field. */
uint16_t tcp_wnd_select(struct nst_tcp *tp, bool syn);
/* What tcp_wnd_select would offer; to decide on window updates. */
uint32_t tcp_wnd_offer(const struct nst_tcp *tp);
void tcp_drs_copied(struct nst_tcp *tp);
void tcp_rcv_rtt_sample(struct nst_tcp *tp, const struct tcp_seg *seg);

/* ---- tcp_isn.c ---- */
struct seq tcp_isn(struct nst_stack *st, const struct flow_key *key);
uint32_t tcp_ts_offset(struct nst_stack *st, const struct flow_key *key);
uint32_t tcp_ts_now(const struct nst_stack *st, uint32_t off);

/* ---- tcp_xmit.c: putting headers and packets out ---- */
enum nst_err tcp_path_refresh(struct nst_tcp *tp);
/* One segment without payload, sequence number given. */
void tcp_xmit_bare(struct nst_tcp *tp, struct seq seq, uint8_t flags);
/* [seq, seq + len) of the send ring, and flags. False: nothing left. */
NST_MUST_CHECK bool tcp_xmit_data(struct nst_tcp *tp, struct seq seq,
				  uint32_t len, uint8_t flags);
void tcp_send_ack(struct nst_tcp *tp);
void tcp_send_syn(struct nst_tcp *tp); /* SYN or SYN-ACK, by state */
void tcp_send_rst(struct nst_tcp *tp); /* active reset */
/* Stateless: a header to a flow, for requests, TIME-WAIT and resets. */
void tcp_xmit_stateless(struct nst_stack *st, const struct flow_key *key,
			const struct tcp_out_hdr *h, uint32_t ifindex,
			uint8_t tos);
struct flow_key tcp_seg_key(const struct tcp_seg *seg);

/* ---- tcp_rst.c ---- */
/* Answers a segment that belongs to nothing, RFC 9293 3.10.7.1. */
void tcp_rst_reply(struct nst_stack *st, const struct tcp_seg *seg);
/* Challenge ACK, RFC 5961, at most one each TCP_INVALID_RATELIMIT. */
void tcp_challenge_ack(struct nst_tcp *tp);
/* ACK for an unacceptable segment, under the same limit unless it has data. */
void tcp_oow_ack(struct nst_tcp *tp, const struct tcp_seg *seg);

/* ---- tcp_in.c and the states' files ---- */
/* A segment for an endpoint; ends with tcp_finish. */
void tcp_in_conn(struct nst_tcp *tp, struct tcp_seg *seg);
void tcp_in_listen(struct nst_tcp *tp, struct tcp_seg *seg,
		   const struct seq *isn);
void tcp_in_syn_sent(struct nst_tcp *tp, struct tcp_seg *seg);
/* Steps 5–8 for a segment that completed a handshake. */
void tcp_in_rest(struct nst_tcp *tp, struct tcp_seg *seg);
bool tcp_paws_old(const struct nst_tcp *tp, const struct tcp_seg *seg);
void tcp_ts_recent_update(struct nst_tcp *tp, const struct tcp_seg *seg);

/* ---- tcp_in_ack.c: step 5 ---- */
enum tcp_verdict { TCP_V_NEXT, TCP_V_DROP };
enum tcp_verdict tcp_in_ack(struct nst_tcp *tp, struct tcp_seg *seg);

/* ---- tcp_in_data.c: steps 7 and 8 ---- */
enum tcp_verdict tcp_in_text(struct nst_tcp *tp, struct tcp_seg *seg);
void tcp_in_fin(struct nst_tcp *tp);

/* ---- tcp_ooo.c ---- */
/* Notes [from, to) as present; false: limit or memory. */
NST_MUST_CHECK bool tcp_ooo_add(struct nst_tcp *tp, struct tcp_range r);
/* Moves rcv_nxt over what is contiguous now. */
void tcp_ooo_advance(struct nst_tcp *tp);
void tcp_ooo_free(struct nst_tcp *tp);
/* End of the highest interval, rcv_nxt when there is none. */
struct seq tcp_ooo_end(const struct nst_tcp *tp);
/* Is all of r here already, out of order? */
bool tcp_ooo_covers(const struct nst_tcp *tp, struct tcp_range r);
uint8_t tcp_ooo_blocks(struct nst_tcp *tp, struct tcp_range *out, uint8_t max);
void tcp_dsack_set(struct nst_tcp *tp, struct seq from, struct seq to);

/* ---- tcp_sent.c ---- */
void tcp_sent_init(struct tcp_sents *s);
void tcp_sent_free(struct nst_tcp *tp);
struct tcp_sent *tcp_sent_at(const struct nst_tcp *tp, uint32_t i);
void tcp_sent_push(struct nst_tcp *tp, struct seq seq, uint32_t len);
/* Splits record i at seq (inside it); false without memory. */
NST_MUST_CHECK bool tcp_sent_split(struct nst_tcp *tp, uint32_t i,
				   struct seq at);
/* Changes flags of a record and the counters with them. */
void tcp_sent_flag(struct nst_tcp *tp, struct tcp_sent *r, uint8_t set,
		   uint8_t clear);
struct tcp_acked {
	uint32_t pkts;       /* newly acknowledged, cumulatively */
	uint32_t sacked;     /* newly acknowledged by SACK */
	nst_time first_sent; /* oldest never retransmitted, or 0 */
	bool rexmitted;      /* something acknowledged was retransmitted */
	bool dsack;
};
/* Removes everything before una. */
void tcp_sent_ack(struct nst_tcp *tp, struct seq una, struct tcp_acked *a);
void tcp_sent_repack(struct nst_tcp *tp); /* the MSS changed */

/* ---- tcp_sack.c ---- */
void tcp_sack_in(struct nst_tcp *tp, const struct tcp_seg *seg,
		 struct tcp_acked *a);

/* ---- tcp_recovery.c ---- */
/* After each ACK: the state machine of loss recovery. */
void tcp_recovery_ack(struct nst_tcp *tp, const struct tcp_acked *a, bool dup);
void tcp_recovery_rto(struct nst_tcp *tp);
/* Retransmits what is marked lost, as far as cwnd allows. */
void tcp_recovery_xmit(struct nst_tcp *tp);
static inline uint32_t tcp_in_flight(const struct nst_tcp *tp)
{
	uint32_t left = tp->sacked_out + tp->lost_out;
	uint32_t n = tp->packets_out + tp->retrans_out;

	return n > left ? n - left : 0;
}

/* ---- tcp_out.c ---- */
void tcp_output(struct nst_tcp *tp);
/* Sends up to the window although it is smaller than a segment. */
bool tcp_out_force(struct nst_tcp *tp);
nst_time tcp_cork_deadline(const struct nst_tcp *tp);
void tcp_cork_fire(struct nst_tcp *tp);
uint32_t tcp_cur_mss(const struct nst_tcp *tp);

/* ---- tcp_ack.c: when to acknowledge ---- */
void tcp_ack_data_in(struct nst_tcp *tp, const struct tcp_seg *seg);
void tcp_ack_sent(struct nst_tcp *tp); /* any segment with ACK left */
void tcp_ack_data_out(struct nst_tcp *tp);
void tcp_ack_decide(struct nst_tcp *tp);
void tcp_ack_quick(struct nst_tcp *tp, uint32_t max);
void tcp_ack_consumed(struct nst_tcp *tp, size_t bytes);
nst_time tcp_ack_deadline(const struct nst_tcp *tp);
void tcp_ack_fire(struct nst_tcp *tp);

/* ---- tcp_rto.c ---- */
void tcp_rtt_sample(struct nst_tcp *tp, nst_time rtt);
nst_time tcp_rto_deadline(const struct nst_tcp *tp);
void tcp_rto_fire(struct nst_tcp *tp);
nst_time tcp_rto_backed(const struct nst_tcp *tp, uint32_t n);
/* Have n back-offs' worth of time passed since `since`? */
bool tcp_timed_out(const struct nst_tcp *tp, nst_time since, uint32_t n);
uint32_t tcp_retry_limit(const struct nst_tcp *tp);
void tcp_give_up(struct nst_tcp *tp);

/* ---- tcp_persist.c, tcp_keepalive.c, tcp_handshake.c ---- */
bool tcp_persist_wanted(const struct nst_tcp *tp);
void tcp_persist_update(struct nst_tcp *tp);
nst_time tcp_persist_deadline(const struct nst_tcp *tp);
void tcp_persist_fire(struct nst_tcp *tp);
nst_time tcp_keep_deadline(const struct nst_tcp *tp);
void tcp_keep_fire(struct nst_tcp *tp);
nst_time tcp_fw2_deadline(const struct nst_tcp *tp);
void tcp_fw2_fire(struct nst_tcp *tp);
/* Interval before the n-th repetition (from 0) of a SYN or SYN-ACK. */
nst_time tcp_handshake_gap(uint32_t n, uint32_t linear);
nst_time tcp_handshake_deadline(const struct nst_tcp *tp);
void tcp_handshake_fire(struct nst_tcp *tp);
void tcp_handshake_start(struct nst_tcp *tp); /* facts, then the SYN */
/* Takes the options of the peer's SYN. */
void tcp_handshake_opts(struct nst_tcp *tp, const struct tcp_seg *seg);
/* Becomes ESTABLISHED: congestion, windows, events, accept queue. */
void tcp_handshake_complete(struct nst_tcp *tp, const struct tcp_seg *seg);

/* ---- tcp_mss.c ---- */
uint16_t tcp_advmss(const struct nst_tcp *tp);
void tcp_mss_sync(struct nst_tcp *tp);
uint32_t tcp_ip_hdr_bytes(const struct nst_tcp *tp);

/* ---- tcp_timer.c ---- */
void tcp_timers_init(struct nst_tcp *tp);
void tcp_timers_update(struct nst_tcp *tp); /* arm all from facts */
void tcp_timers_stop(struct nst_tcp *tp);

/* ---- tcp_rate.c: delivery rate samples ---- */

/*
 * One ACK's sample. tcp_rate_begin before anything is counted; then the caller
 * fills rtt (of the newest record; < 0: none), ece and ack_delayed; then
 * tcp_rate_gen, when tp->delivered, delivered_ce and rate.lost are up to date.
 */
struct tcp_rate_sample {
	nst_time prior_delivered_at; /* start of the ACK interval; 0: none */
	uint32_t prior_delivered, prior_delivered_ce, prior_lost;
	uint32_t tx_in_flight; /* when the newest delivered record left */
	int64_t delivered;     /* packets in the interval; < 0: no sample */
	int64_t delivered_ce;  /* of these, CE-marked */
	int64_t lost;          /* marked lost in the interval */
	nst_time interval;     /* over which they were delivered; 0: none */
	nst_time snd_interval, rcv_interval;
	nst_time rtt;             /* of the newest record; < 0: none */
	uint32_t losses;          /* packets newly marked lost by this ACK */
	uint32_t acked_sacked;    /* packets newly delivered by this ACK */
	uint32_t prior_in_flight; /* before this ACK */
	struct seq last_end;      /* of the newest delivered record */
	bool app_limited, retrans, ack_delayed, ece;
};
void tcp_rate_begin(const struct nst_tcp *tp, struct tcp_rate_sample *rs);
/* r left (again) at r->when; it is counted in flight already. */
void tcp_rate_sent(struct nst_tcp *tp, struct tcp_sent *r);
/* r was delivered just now; once for each record, whole or its front. */
void tcp_rate_delivered(struct nst_tcp *tp, const struct tcp_sent *r,
			struct tcp_rate_sample *rs);
/* delivered, lost: packets of this event. reneged: SACKs were forgotten. */
void tcp_rate_gen(struct nst_tcp *tp, uint32_t delivered, uint32_t lost,
		  bool reneged, struct tcp_rate_sample *rs);
/* Before the owner writes or output ends: is there too little to send? */
void tcp_rate_check_app_limited(struct nst_tcp *tp);
uint64_t tcp_rate_bytes_per_s(const struct nst_tcp *tp); /* 0: unknown */

/* ---- tcp_cc.c ---- */
enum tcp_cc_flags {
	TCP_CC_PACED = 1 << 0, /* wants pacing from the first segment */
	TCP_CC_ECN = 1 << 1,   /* negotiates ECN whatever the sysctl says */
	TCP_CC_ECT1 = 1 << 2,  /* marks ECT(1) */
};
enum tcp_cc_event {
	TCP_CE_TX_START,     /* first transmission with nothing in flight */
	TCP_CE_CWND_RESTART, /* congestion window restarts after idle */
	TCP_CE_COMPLETE_CWR, /* end of CWR or recovery */
	TCP_CE_LOSS,         /* retransmission time-out */
	TCP_CE_ECN_NO_CE,    /* received data without CE */
	TCP_CE_ECN_IS_CE,    /* received data with CE */
	TCP_CE_TLP_RECOVERY, /* a loss probe repaired a loss */
};
struct tcp_cc {
	const char *name;
	uint32_t flags;
	/* Fresh private state; also when a connection changes to it. */
	void (*init)(struct nst_tcp *tp);
	/* Slow-start threshold after a congestion event. */
	uint32_t (*ssthresh)(struct nst_tcp *tp);
	/* Growth by `pkts` acknowledged segments outside of recovery. */
	void (*cong_avoid)(struct nst_tcp *tp, uint32_t pkts);
	/* Instead of cong_avoid and PRR: sets cwnd and the pacing rate. */
	void (*control)(struct nst_tcp *tp, const struct tcp_rate_sample *rs);
	/* cwnd to go back to when a reduction proves spurious; NULL: prior. */
	uint32_t (*undo_cwnd)(struct nst_tcp *tp);
	void (*set_state)(struct nst_tcp *tp, uint8_t ca_state);
	void (*event)(struct nst_tcp *tp, enum tcp_cc_event ev);
	/* `pkts` left the network; rtt < 0: no sample. */
	void (*pkts_acked)(struct nst_tcp *tp, uint32_t pkts, nst_time rtt,
			   uint32_t in_flight);
	/* A record was newly marked lost. */
	void (*marked_lost)(struct nst_tcp *tp, const struct tcp_sent *r);
	/* At least this many segments per super-segment; NULL: the sysctl. */
	uint32_t (*min_tso_segs)(const struct nst_tcp *tp);
	/* Factor of cwnd for the send buffer; NULL: 2. */
	uint32_t (*sndbuf_expand)(const struct nst_tcp *tp);
	/* TCP_CC_INFO, Linux's layout; bytes written, 0: none. */
	size_t (*info)(const struct nst_tcp *tp, void *out, size_t cap);
};
/* What an ACK did, for tcp_cc_control. */
enum tcp_cc_ack_flags {
	TCP_CCA_DATA_ACKED = 1 << 0,   /* cumulatively */
	TCP_CCA_SACKED = 1 << 1,       /* selectively */
	TCP_CCA_UNA = 1 << 2,          /* snd_una moved */
	TCP_CCA_REXMIT_ACKED = 1 << 3, /* something sent twice, too */
};
extern const struct tcp_cc tcp_newreno;
const struct tcp_cc *tcp_cc_find(const char *name);
/* r was newly marked lost: counts it and tells the algorithm. */
void tcp_cc_marked_lost(struct nst_tcp *tp, const struct tcp_sent *r);
/* The end of each ACK's processing: window and pacing rate. In CWR and
 * Recovery, tcp_prr_update decides unless the algorithm has control(). */
void tcp_cc_control(struct nst_tcp *tp, uint32_t acked_sacked, uint32_t flags,
		    const struct tcp_rate_sample *rs);
void tcp_cc_start(struct nst_tcp *tp);
bool tcp_cc_is_limited(const struct nst_tcp *tp);
void tcp_cc_validate(struct nst_tcp *tp, bool limited);
void tcp_cc_idle_restart(struct nst_tcp *tp);

/* ---- tcp_listen.c ---- */
bool tcp_acceptq_full(const struct nst_tcp *l);
void tcp_acceptq_put(struct nst_tcp *l, struct nst_tcp *child);
void tcp_acceptq_remove(struct nst_tcp *l, struct nst_tcp *child);
void tcp_listen_stop(struct nst_tcp *l);
bool tcp_is_listener(const struct nst_sock *s);

/* ---- tcp_urgent.c ---- */
void tcp_urgent_in(struct nst_tcp *tp, const struct tcp_seg *seg);
void tcp_urgent_arrived(struct nst_tcp *tp); /* rcv_nxt moved */
/* Bytes readable before the mark stops a read; skips the mark itself. */
uint32_t tcp_urgent_limit(struct nst_tcp *tp, uint32_t avail);

/* ---- tcp_user.c ---- */
/* Queues the FIN and changes the state as RFC 9293 3.10.4 says. */
void tcp_close_send(struct nst_tcp *tp);
void tcp_unbind(struct nst_tcp *tp);

#endif

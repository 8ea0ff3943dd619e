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
#include "netstack/tcp/tcp_ecn.h"
#include "netstack/tcp/tcp_fastopen.h"
#include "netstack/tcp/tcp_limits.h"
#include "netstack/tcp/tcp_sysctl.h"
#include "netstack/tcp/tcp_wire.h"

struct tcp_req;
struct tcp_cc;
struct tcp_rate_sample;

#define TCP_CC_PRIV_WORDS 32 /* private state of a congestion control */

/* ---- timers: one enum, one table (tcp_timer.c) ---- */

enum tcp_timer_kind {
	TCP_T_RETRANS, /* handshake or one of enum tcp_rtx_what */
	TCP_T_DELACK,
	TCP_T_KEEP,
	TCP_T_FIN_WAIT2,
	TCP_T_CORK,
	TCP_T_PACE, /* the next departure time comes */
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
	SENT_PSH = 1 << 4,    /* its last segment carries PSH */
	SENT_TIMED = 1 << 5,  /* is on the list by transmission time */
	SENT_EOR = 1 << 6,    /* nothing joins it behind its end */
	SENT_CUT = 1 << 7,    /* one segment, whose front is acknowledged */
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
	uint16_t mss;        /* payload bytes of a segment when it left */
	uint16_t prev, next; /* R neighbours by transmission time */
	struct tcp_tx_mark tx;
};

/*
 * Records in sequence order from snd_una to snd_nxt without gaps: `order` is a
 * ring of indices into the pool `v`, so that inserting moves two bytes a
 * record. A second order, by time of transmission, threads those that RACK
 * still judges: in flight, and not known to be delivered or lost.
 */
#define TCP_SENT_NONE 0xffffu
#define TCP_SENT_INL 4
struct tcp_sents {
	struct tcp_sent *v;
	uint16_t *order;
	uint32_t cap, head, n;   /* cap: a power of two */
	uint16_t free;           /* chain through `next` */
	uint16_t oldest, newest; /* by transmission */
	uint16_t inl_order[TCP_SENT_INL];
	struct tcp_sent inl[TCP_SENT_INL];
};

/* ---- loss recovery: facts of its parts ---- */

/* What the retransmission timer waits for (tcp_timer.c's second table). */
enum tcp_rtx_what {
	TCP_RTX_NONE,
	TCP_RTX_RTO,     /* the oldest record was not acknowledged */
	TCP_RTX_REORDER, /* RACK's reordering window */
	TCP_RTX_TLP,     /* a loss probe is due */
	TCP_RTX_PERSIST, /* a window probe is due */
	TCP_RTX_COUNT
};
struct tcp_rtx {
	uint8_t what;   /* S enum tcp_rtx_what */
	nst_time since; /* S when the wait began */
	nst_time wait;  /* S as the estimate was then: LINUX: a running timer
			   does not follow a new estimate */
};

/* RFC 8985 (tcp_rack.c). S */
struct tcp_rack {
	nst_time when;  /* of the most recently sent delivered record */
	struct seq end; /* of that record */
	nst_time rtt;   /* of the record delivered last */
	uint32_t step_delivered; /* tp->delivered when steps grew */
	uint8_t steps;           /* reo_wnd in quarters of min_rtt */
	uint8_t persist;         /* recoveries until steps is 1 again */
	bool advanced;           /* since the last detection */
	bool dsack_seen;         /* since the last adaptation */
};

/* Tail loss probe, RFC 8985 7 (tcp_tlp.c). S */
struct tcp_tlp {
	bool on;         /* a probe is out, until `high` is acknowledged */
	bool rexmit;     /* it repeated old data */
	struct seq high; /* snd_nxt when it left */
};

/* Undo of a reduction that was not due (tcp_undo.c). S */
struct tcp_undo {
	bool on;
	struct seq marker;       /* snd_una when the episode began */
	int32_t rexmits;         /* not yet reported by D-SACK; -1: none sent */
	uint32_t prior_ssthresh; /* 0: a reduction is due anyway */
};

/* Proportional rate reduction, RFC 9937 (tcp_prr.c). S */
struct tcp_prr {
	uint32_t delivered, out; /* packets since the episode began */
};

/* What the peer's SACK blocks said (tcp_sack.c). S */
struct tcp_sacked {
	struct seq high; /* end of the highest SACKed record */
	bool reneged;    /* until this recovery ends */
	bool dsack_seen; /* the peer sends D-SACKs */
	uint8_t ncache;
	struct tcp_range cache[TCP_SACK_BLOCKS_MAX]; /* the last ACK's */
};

/* Reordering seen (tcp_reorder.c). S */
struct tcp_reorder {
	uint32_t degree; /* tcpi_reordering: packets, also the dupthresh */
	uint32_t seen;   /* tcpi_reord_seen */
};

/* The least RTT of tcp_min_rtt_wlen seconds: best, second, third. S */
struct tcp_rtt_min {
	struct {
		nst_time at, rtt;
	} s[3];
};

/* tcpi_total_rto and its company. S */
struct tcp_rto_stat {
	uint32_t total, recoveries;
	nst_time time;  /* spent in recoveries that began with a time-out */
	nst_time since; /* of the one under way; 0: none */
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

/* What the owner wrote and has not left, in pieces (tcp_write.c). S */
enum tcp_piece_flags {
	TCP_PIECE_PSH = 1 << 0,
	TCP_PIECE_EOR = 1 << 1, /* its end is the end of a packet */
};
struct tcp_piece {
	struct seq end;
	uint8_t flags;
};
#define TCP_PIECES_INL 4
struct tcp_writing {
	struct tcp_piece *v;   /* a ring */
	uint32_t cap, head, n; /* cap: a power of two */
	bool within;           /* a call of the owner's is in the middle */
	bool hold; /* D its next part follows at once: send nothing */
	struct tcp_piece inl[TCP_PIECES_INL];
};

/* Departure times (tcp_pacing.c). S */
struct tcp_pace {
	uint64_t rate; /* bytes/s by the congestion control; 0: unknown */
	nst_time next; /* earliest departure of the next packet */
	bool needed;   /* the congestion control wants pacing */
	bool blocked;  /* output waits for `next` */
};

/* What the receive queue costs, and the window that leaves (tcp_wnd.c). S */
struct tcp_rmem {
	uint32_t used;     /* by bytes in order. LINUX: sk_rmem_alloc */
	uint32_t ooo_used; /* by bytes out of order */
	uint32_t tail;     /* bytes that cost nothing more: room in the last */
	uint32_t clamp;    /* never advertise more; 0: not known yet */
	uint32_t ssthresh; /* ... as long as the peer's packing is unknown */
	uint32_t space;    /* bytes copied in the last round trip (DRS) */
	uint32_t first;    /* window of the SYN */
	uint8_t ratio;     /* payload in 256 bytes of memory */
};

/* SACK blocks to report, the newest first (tcp_ooo.c). S */
struct tcp_sack_out {
	struct tcp_range v[TCP_SACK_BLOCKS_MAX];
	uint8_t n;
};

/* Path MTU: what is believed, and the search for more (tcp_mtu_probe.c). S */
struct tcp_mtup {
	uint32_t pmtu;        /* that tp->mss is made of */
	uint32_t search_high; /* IP bytes: may work */
	uint32_t search_low;  /* works */
	uint32_t probe_size;  /* of the probe in flight; 0: none */
	struct tcp_range probe;
	uint16_t mss_clamp; /* as the handshake had it; 0: not over */
	nst_time since;     /* of the search range */
	uint32_t gen;       /* R of the PMTU cache, at the last look */
	bool later;         /* enabled from the next segment on */
	bool enabled;
};

/* What a sender waits for (tcp_chrono.c). S */
enum tcp_chrono_kind {
	TCP_CHRONO_IDLE,
	TCP_CHRONO_BUSY,
	TCP_CHRONO_RWND,
	TCP_CHRONO_SNDBUF,
	TCP_CHRONO_COUNT
};
struct tcp_chrono {
	nst_time since;
	nst_time spent[TCP_CHRONO_COUNT];
	uint8_t kind; /* enum tcp_chrono_kind */
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
	uint32_t notsent_lowat;          /* 0: no limit */
	uint32_t rto_min_us, rto_max_ms; /* 0: the stack's */
	uint32_t delack_max_us;          /* 0: TCP_DELACK_MAX */
	uint32_t save_syn; /* TCP_SAVE_SYN: 1 from IP header, 2 link's too */
	bool thin_lto, inq;
	struct tcp_fo_conf fo;
	nst_time keep_on_at; /* SO_KEEPALIVE was turned on; 0: it is off */
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
	struct seq push_seq; /* the last mark for PSH (tcp_write.c) */
	struct seq high_seq; /* recovery point */
	struct seq rtx_hint; /* nothing below waits for retransmission */
	bool rtx_hint_on;
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
	uint32_t snd_limit;
	bool snd_blocked;           /* S owner waits for space */
	bool more;                  /* S last commit said MSG_MORE */
	struct tcp_writing writing; /* S */
	bool nagle_push;            /* S TCP_NODELAY was set: even if corked */
	nst_time last_used;         /* S of the rings */

	/* Options agreed on. S */
	bool ts_on, sack_on, wscale_on;
	uint8_t snd_wscale, rcv_wscale;
	uint16_t peer_mss; /* 0: none seen */
	uint16_t advmss;
	uint32_t mss; /* payload bytes of a full segment */
	uint32_t ts_off, ts_recent, ts_lastack;
	nst_time ts_recent_at;

	/* Handshake and retransmission. S */
	nst_time hs_sent;     /* last SYN or SYN-ACK */
	uint32_t hs_n;        /* how many were repeated */
	uint32_t hs_timeouts; /* of these by the timer */
	nst_time hs_soon;     /* a stray ACK came: try again then; 0: no */
	uint8_t hs_wscale;    /* that our SYN offered */
	uint32_t hs_ts_first; /* timestamp of the first SYN or SYN-ACK */
	bool hs_writer;       /* somebody waits to write */
	bool hs_late;         /* the SYN(-ACK) was repeated, not in vain */
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
	uint32_t packets_out, sacked_out, lost_out, retrans_out;
	struct tcp_sacked sack;
	struct tcp_reorder reord;
	struct tcp_rack rack;
	struct tcp_tlp tlp;
	struct tcp_undo undo;
	struct tcp_prr prr;
	bool frto; /* RFC 5682 may still call the time-out spurious */
	const struct tcp_cc *cc;
	uint64_t cc_priv[TCP_CC_PRIV_WORDS]; /* S of the algorithm */
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
	uint32_t last_seg;  /* size of the last odd segment; see measure() */
	uint32_t quick;     /* quick ACKs left */
	uint8_t pingpong;   /* answers that could carry the ACK */
	uint32_t ack_segs;  /* segs_in when an ACK was last decided on */
	bool ack_pending;   /* an ACK is owed */
	bool ack_now;       /* in this event */
	bool ack_nomem;     /* nothing could be taken: say window zero */
	nst_time ack_due;   /* deadline of the delayed ACK; 0: not armed */
	uint8_t ack_pushed; /* small segments since the last ACK: 0, 1, more */
	uint8_t dup_acks;   /* sent for rcv_nxt == comp_nxt */
	uint8_t comp_acks;  /* ACKs with SACK blocks held back */
	struct seq comp_nxt;
	nst_time comp_due; /* deadline of these; 0: none */
	nst_time ato, last_oow;
	nst_time rcv_rtt, drs_time; /* rcv_rtt is kept 8-fold */
	struct seq drs_seq;         /* copied by the owner at drs_time */
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
	struct nst_tcp *listener;        /* R while not accepted */
	struct tcp_saved_syn *saved_syn; /* S */
	bool acc_queued;
	struct nst_tcp *acc_next; /* R accept queue */
	struct nst_tcp *acc_head, **acc_tail;
	uint32_t acc_n;
	bool acc_hold;
	int32_t backlog;
	struct tcp_req *reqs;
	uint32_t nreqs, young;  /* young: no SYN-ACK was repeated */
	nst_time synq_overflow; /* S last cookie sent; 0: none */
	struct tcp_fo fo;

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
	struct nst_stack *st;
	struct tcp_sysctl ctl; /* S settings of this stack */
	uint8_t isn_key[16], ts_key[16];
	size_t nreqs, ntw, nfwd, norphans;
	struct tcp_grave *graves;
	size_t grave_bytes;
	uint8_t cookie_key[2][16]; /* S of SYN cookies */
	nst_time challenge_at;     /* S second that challenge_left is for */
	uint32_t challenge_left;   /* S */
	struct tcp_fo_layer fo;
	struct wheel_timer reap;
	struct tcp_gro gro;
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
uint32_t tcp_snd_room(struct nst_tcp *tp);     /* bytes the owner may queue */
void tcp_snd_limit_update(struct nst_tcp *tp); /* grows it, if it may */
void tcp_rcvbuf_init(struct nst_tcp *tp);
void tcp_rcvlowat_set(struct nst_tcp *tp); /* SO_RCVLOWAT changed */
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
/* TCP_NOTSENT_LOWAT in force; may the owner queue more? */
static inline uint32_t tcp_notsent_lowat(const struct nst_tcp *tp)
{
	uint32_t low = tp->conf.notsent_lowat;

	return low ? low : (uint32_t)TCP_CTL(tp, notsent_lowat);
}
static inline bool tcp_notsent_ok(const struct nst_tcp *tp)
{
	return tcp_unsent(tp) < tcp_notsent_lowat(tp);
}
/* LINUX: a poll wakes up when less than half of it waits. */
static inline bool tcp_notsent_low(const struct nst_tcp *tp)
{
	return 2ull * tcp_unsent(tp) < tcp_notsent_lowat(tp);
}
/* Is there anything, FIN included, that was not sent? */
static inline bool tcp_send_pending(const struct nst_tcp *tp)
{
	return tcp_unsent(tp) || (tp->fin_queued && !tcp_fin_sent(tp));
}

/* ---- tcp_saved_syn.c ---- */
struct tcp_saved_syn {
	uint16_t bytes;
	uint8_t hdr[];
};
/* The headers of seg if the listener wants them; NULL: not, or no memory. */
struct tcp_saved_syn *tcp_saved_syn_new(const struct nst_tcp *l,
					const struct tcp_seg *seg);
void tcp_saved_syn_free(struct nst_stack *st, struct tcp_saved_syn *s);

/* ---- tcp_wnd.c: the receive window ---- */

/* RFC 9293 3.8.6 before there is a connection: what a SYN or SYN-ACK offers
 * to a peer that may send segments of `mss` bytes. */
struct tcp_first_wnd {
	uint32_t wnd, clamp;
	uint8_t wscale;
};
/* `tp`: whose buffer and options count, maybe a listener. */
struct tcp_first_wnd tcp_wnd_first(const struct nst_tcp *tp, uint32_t mss,
				   bool wscale_ok);
/* Takes it over: when the SYN leaves, or for a request's child. */
void tcp_wnd_start(struct nst_tcp *tp, const struct tcp_first_wnd *f);
void tcp_wnd_offer_syn(struct nst_tcp *tp);     /* both, for a SYN of ours */
void tcp_wnd_init(struct nst_tcp *tp);          /* when rcv_nxt is known */
void tcp_wnd_established(struct nst_tcp *tp);   /* and the options are */
uint32_t tcp_rcv_wnd(const struct nst_tcp *tp); /* still advertised */
/* Chooses the window to advertise now, moves rcv_adv, returns the field. */
uint16_t tcp_wnd_select(struct nst_tcp *tp, bool syn);
/* What tcp_wnd_select would offer; to decide on window updates. */
uint32_t tcp_wnd_offer(const struct nst_tcp *tp);
/* Low on memory: no quick ACKs. As tcp_wnd_offer, but has that effect. */
uint32_t tcp_wnd_offer_note(struct nst_tcp *tp);
void tcp_wnd_grow(struct nst_tcp *tp, const struct tcp_seg *seg);
void tcp_wnd_set_clamp(struct nst_tcp *tp, uint32_t clamp);
uint32_t tcp_full_space(const struct nst_tcp *tp);
uint32_t tcp_win_from_space(const struct nst_tcp *tp, uint32_t bytes);
uint32_t tcp_space_from_win(const struct nst_tcp *tp, uint32_t wnd);

/* ---- tcp_rmem.c: what received bytes cost ---- */
uint32_t tcp_seg_truesize(const struct tcp_seg *seg);
static inline uint32_t tcp_rmem_all(const struct nst_tcp *tp)
{
	return tp->rmem.used + tp->rmem.ooo_used;
}
/* May seg be kept? Makes room by collapsing and pruning; false: no. */
NST_MUST_CHECK bool tcp_rmem_admit(struct nst_tcp *tp,
				   const struct tcp_seg *seg);
void tcp_rmem_charge(struct nst_tcp *tp, const struct tcp_seg *seg, bool ooo);
void tcp_rmem_consumed(struct nst_tcp *tp, uint32_t bytes, uint32_t of);
/* `bytes` of the `of` that were out of order are in order now. */
void tcp_rmem_in_order(struct nst_tcp *tp, uint32_t bytes, uint32_t of);
void tcp_rmem_ooo_gone(struct nst_tcp *tp, uint32_t bytes, uint32_t of);

/* ---- tcp_drs.c: dynamic right-sizing of the receive buffer ---- */
void tcp_drs_copied(struct nst_tcp *tp);
void tcp_drs_ooo(struct nst_tcp *tp); /* more is kept out of order */
/* Any segment with timestamps; any segment of data in order. */
void tcp_rcv_rtt_ts(struct nst_tcp *tp, const struct tcp_seg *seg);
void tcp_rcv_rtt_wnd(struct nst_tcp *tp);
/* Sequence number of the byte that the owner reads next. */
static inline struct seq tcp_copied_seq(const struct nst_tcp *tp)
{
	return seq_add(tp->rcv_nxt,
		       0u - ring_used(&tp->rcv) - (uint32_t)tp->fin_rcvd);
}
/* Largest payload of a segment of the peer's, RFC 6691. */
static inline uint32_t tcp_adv_payload(const struct nst_tcp *tp)
{
	return tp->advmss - (tp->ts_on ? 12u : 0u);
}

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
/* With the first `len` queued bytes; false: nothing left. */
NST_MUST_CHECK bool tcp_send_syn_data(struct nst_tcp *tp, uint32_t len);
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
/* ACK for an unacceptable segment, under the same limit unless it has data;
 * one withheld is counted in *skipped. */
void tcp_oow_ack(struct nst_tcp *tp, const struct tcp_seg *seg,
		 uint64_t *skipped);
/* May not answer again yet: tcp_invalid_ratelimit since *last. */
bool tcp_oow_limited(const struct nst_stack *st, nst_time *last);
#define TCP_OOW_NEVER (INT64_MIN / 2)
/* The stack's own limit on challenge ACKs. */
bool tcp_challenge_allowed(struct nst_stack *st);

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

/* Checksum and addresses are good; takes a packet, or a chain of tcp_gro.c. */
void tcp_in_checked(struct nst_stack *st, struct nst_pkt *pkt,
		    const struct ip_in *in);

/* ---- tcp_gro.c ---- */
/* True: taken, it comes again (tcp_in_checked) when the batch ends at last. */
NST_MUST_CHECK bool tcp_gro_in(struct nst_stack *st, struct nst_pkt *pkt,
			       const struct ip_in *in);
void tcp_gro_free(struct nst_pkt *pkt); /* a chain */
void tcp_gro_drop(struct tcp_layer *l);
uint32_t tcp_gro_more(const struct nst_pkt *pkt); /* bytes behind the first */
/* Bytes of a segment, offset counted from the first packet's data. */
void tcp_seg_copy(const struct tcp_seg *seg, uint32_t from, void *dst,
		  uint32_t bytes);
/* How many segments the peer sent to make this one. */
static inline uint32_t tcp_seg_count(const struct tcp_seg *seg)
{
	uint32_t mss = seg->pkt ? seg->pkt->gso_size : 0;

	return mss && seg->len > mss ? (seg->len + mss - 1) / mss : 1;
}

/* ---- tcp_in_ack.c: step 5 ---- */
enum tcp_verdict { TCP_V_NEXT, TCP_V_DROP };
enum tcp_verdict tcp_in_ack(struct nst_tcp *tp, struct tcp_seg *seg);
/* A SYN-ACK that acknowledges data which went with the SYN. */
void tcp_in_ack_syn_data(struct nst_tcp *tp, const struct tcp_seg *seg);

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
uint32_t tcp_ooo_bytes(const struct nst_tcp *tp);
/* Is all of r here already, out of order? */
bool tcp_ooo_covers(const struct nst_tcp *tp, struct tcp_range r);
/* Reports what of r was here already as D-SACK. */
void tcp_ooo_dsack(struct nst_tcp *tp, struct tcp_range r);
/* Drops up to `bytes` at the highest sequence numbers, but not below
 * `keep`; returns how many. */
uint32_t tcp_ooo_cut(struct nst_tcp *tp, uint32_t bytes, struct seq keep);

/* ---- tcp_sack_out.c: SACK blocks that we report ---- */
/* r arrived out of order. */
void tcp_sack_out_add(struct nst_tcp *tp, struct tcp_range r);
void tcp_sack_out_trim(struct nst_tcp *tp); /* rcv_nxt moved */
uint8_t tcp_ooo_blocks(struct nst_tcp *tp, struct tcp_range *out, uint8_t max);
void tcp_dsack_set(struct nst_tcp *tp, struct seq from, struct seq to);
void tcp_dsack_extend(struct nst_tcp *tp, struct seq from, struct seq to);

/* ---- tcp_sent.c: the scoreboard ---- */
void tcp_sent_init(struct tcp_sents *s);
void tcp_sent_free(struct nst_tcp *tp);
static inline struct tcp_sent *tcp_sent_at(const struct nst_tcp *tp, uint32_t i)
{
	const struct tcp_sents *s = &tp->sents;

	return &s->v[s->order[(s->head + i) & (s->cap - 1)]];
}
static inline struct seq tcp_sent_end(const struct tcp_sent *r)
{
	return seq_add(r->seq, r->len);
}
/* Payload bytes of r. */
static inline uint32_t tcp_sent_bytes(const struct nst_tcp *tp,
				      const struct tcp_sent *r)
{
	return r->len - seq_gt(tcp_sent_end(r), tcp_write_seq(tp));
}
/* New data left: [seq, seq + len), FIN counted. Call when the owner's queue
 * and snd_nxt are as before it. Never fails; starts the timers' facts. */
/* piece: enum tcp_piece_flags. */
void tcp_sent_push(struct nst_tcp *tp, struct seq seq, uint32_t len,
		   uint8_t piece);
/* Splits record i at seq (inside it), in segments of mss; false without
 * memory. Pointers to records are void afterwards. */
NST_MUST_CHECK bool tcp_sent_split(struct nst_tcp *tp, uint32_t i,
				   struct seq at, uint32_t mss);
/* Joins record i + 1 to record i, to `pcount` packets together. */
void tcp_sent_join(struct nst_tcp *tp, uint32_t i, uint32_t pcount);
void tcp_sent_pop(struct nst_tcp *tp); /* the first one */
/* Drops what lies before una of the first record; packets that went. */
uint32_t tcp_sent_trim(struct nst_tcp *tp, struct seq una);
/* Counts record r's packets anew, in segments of mss. */
void tcp_sent_resize(struct nst_tcp *tp, struct tcp_sent *r, uint32_t mss);
/* Changes flags of a record and the counters with them. */
void tcp_sent_flag(struct nst_tcp *tp, struct tcp_sent *r, uint8_t set,
		   uint8_t clear);
/* First record that ends after seq; sents.n: none. */
uint32_t tcp_sent_find(const struct nst_tcp *tp, struct seq seq);
/* By transmission time: r is the newest now; r is not judged any more. */
void tcp_sent_timed(struct nst_tcp *tp, struct tcp_sent *r);
void tcp_sent_untimed(struct nst_tcp *tp, struct tcp_sent *r);
bool tcp_sent_check(const struct nst_tcp *tp);
struct tcp_sent *tcp_sent_oldest(const struct nst_tcp *tp);
struct tcp_sent *tcp_sent_after(const struct nst_tcp *tp,
				const struct tcp_sent *r);

/* ---- one ACK: what it did, as its steps find out (tcp_in_ack.c) ---- */
enum tcp_ack_flags {
	TCP_A_DATA = 1 << 0,         /* the segment has data or FIN */
	TCP_A_WND = 1 << 1,          /* it updated the window */
	TCP_A_ACKED = 1 << 2,        /* cumulatively acknowledged a packet */
	TCP_A_REXMIT_ACKED = 1 << 3, /* one that had been retransmitted */
	TCP_A_SACKED = 1 << 4,       /* new selective acknowledgements */
	TCP_A_ECE = 1 << 5,          /* congestion was echoed */
	TCP_A_LOST_REXMIT = 1 << 6,  /* a retransmission was lost */
	TCP_A_ORIG = 1 << 7, /* never-retransmitted data below high_seq */
	TCP_A_UNA = 1 << 8,  /* snd_una moved */
	TCP_A_DSACK = 1 << 9,
	TCP_A_DSACK_TLP = 1 << 10, /* a D-SACK for the probe */
	TCP_A_TIMER = 1 << 11,     /* restart the timer */
	TCP_A_RENEGING = 1 << 12,  /* the head is SACKed but not ACKed */
	TCP_A_MAYBE_DELAYED = 1 << 13,
};
#define TCP_A_NOT_DUP (TCP_A_DATA | TCP_A_WND | TCP_A_ACKED)
#define TCP_A_ALERT (TCP_A_SACKED | TCP_A_ECE | TCP_A_DSACK)
#define TCP_A_FORWARD (TCP_A_ACKED | TCP_A_SACKED)

enum tcp_rexmit { TCP_REXMIT_NONE, TCP_REXMIT_LOST, TCP_REXMIT_NEW };

struct tcp_acked {
	uint32_t flags;        /* enum tcp_ack_flags */
	struct seq prior_una;  /* before it */
	struct seq prior_fack; /* highest SACKed before it */
	struct seq reord;      /* lowest packet that came out of order */
	nst_time first_sack, last_sack; /* send times of new SACKs; 0: none */
	uint32_t sacked; /* packets delivered by SACK, duplicates counted */
	uint32_t bytes;  /* payload newly delivered, either way */
	bool dup;        /* a duplicate ACK, RFC 5681 2 */
	bool tsecr_ok;
	uint32_t tsecr;
	enum tcp_rexmit rexmit; /* what may be sent at the end */
	struct tcp_rate_sample *rs;
};

/* ---- tcp_cum.c: cumulative acknowledgement, and the RTT it shows ---- */
void tcp_cum_ack(struct nst_tcp *tp, struct tcp_acked *a);

/* ---- tcp_sack.c ---- */
void tcp_sack_in(struct nst_tcp *tp, const struct tcp_seg *seg,
		 struct tcp_acked *a);
/* End of what is SACKed, snd_una when nothing is. */
static inline struct seq tcp_sack_high(const struct nst_tcp *tp)
{
	return tp->sack_on && tp->sacked_out ? tp->sack.high : tp->snd_una;
}

/* ---- tcp_reorder.c ---- */
/* Something above `low` was delivered before it, as a SACK or (ts) a
 * timestamp shows. */
void tcp_reorder_check(struct nst_tcp *tp, struct seq low, bool ts);
/* Without SACK duplicate ACKs are counted in sacked_out. */
void tcp_reno_dup(struct nst_tcp *tp, uint32_t n);
void tcp_reno_acked(struct nst_tcp *tp, uint32_t pkts);
bool tcp_reno_limit(struct nst_tcp *tp);

/* ---- tcp_rack.c ---- */
void tcp_rack_advance(struct nst_tcp *tp, const struct tcp_sent *r);
/* Marks what is lost; true: the reordering timer was started. */
bool tcp_rack_mark(struct nst_tcp *tp);
void tcp_rack_adapt(struct nst_tcp *tp, const struct tcp_rate_sample *rs);
nst_time tcp_rack_wait(const struct nst_tcp *tp, const struct tcp_sent *r,
		       nst_time reo_wnd);
void tcp_rack_fire(struct nst_tcp *tp);

/* ---- tcp_tlp.c ---- */
/* Starts the probe timer if a probe is due; false: the RTO's turn. */
bool tcp_tlp_schedule(struct nst_tcp *tp, bool advancing);
void tcp_tlp_fire(struct nst_tcp *tp);
void tcp_tlp_ack(struct nst_tcp *tp, struct seq ack, uint32_t flags);

/* ---- tcp_undo.c ---- */
void tcp_undo_begin(struct nst_tcp *tp);
bool tcp_undo_may(const struct nst_tcp *tp, const struct tcp_acked *a);
/* Was the original delivered before its first repetition left? */
bool tcp_undo_delayed(const struct nst_tcp *tp, const struct tcp_acked *a);
void tcp_undo_cwnd(struct nst_tcp *tp, bool unmark);
bool tcp_undo_dsack(struct nst_tcp *tp);
/* RFC 7323 tsecr is older than the transmission at `when`. */
bool tcp_undo_ecr_before(const struct nst_tcp *tp, const struct tcp_acked *a,
			 nst_time when);

/* ---- tcp_prr.c: CWR and Recovery's window ---- */
void tcp_prr_begin(struct nst_tcp *tp);
/* The window after an ACK that delivered `acked_sacked` packets, `losses`
 * newly marked lost; una: snd_una moved. */
void tcp_prr_update(struct nst_tcp *tp, uint32_t acked_sacked, uint32_t losses,
		    bool una);
void tcp_prr_end(struct nst_tcp *tp);
/* LINUX: what slow start may grow to again, were it now. */
uint32_t tcp_current_ssthresh(const struct nst_tcp *tp);
static inline uint32_t tcp_reordering(const struct nst_tcp *tp)
{
	return tp->reord.degree;
}
static inline bool tcp_in_reduction(const struct nst_tcp *tp)
{
	return tp->ca_state == TCP_CA_CWR || tp->ca_state == TCP_CA_RECOVERY;
}

/* ---- tcp_recovery.c: the state machine ---- */
void tcp_recovery_init(struct nst_tcp *tp); /* a new connection's facts */
/* After each ACK that is not plain progress. */
void tcp_recovery_ack(struct nst_tcp *tp, struct tcp_acked *a);
void tcp_recovery_set(struct nst_tcp *tp, enum tcp_ca_state to);
void tcp_recovery_enter(struct nst_tcp *tp, bool ece);
/* Congestion without loss (ECE, say): reduce once per window. */
void tcp_recovery_enter_cwr(struct nst_tcp *tp);
void tcp_recovery_keep_open(struct nst_tcp *tp);
/* Counts the record as lost, or its retransmission as lost again. */
void tcp_mark_lost(struct nst_tcp *tp, struct tcp_sent *r);
bool tcp_any_rexmit(const struct nst_tcp *tp);

/* ---- tcp_loss.c: after a time-out, and F-RTO ---- */
void tcp_loss_enter(struct nst_tcp *tp);
void tcp_loss_ack(struct nst_tcp *tp, struct tcp_acked *a);
/* What is marked lost was not lost to congestion (RFC 1191 6.5): again, at
 * once, without a reduction. */
void tcp_non_congestion_loss(struct nst_tcp *tp);
/* Holds the state until more than high_seq is acknowledged, RFC 6582. */
bool tcp_loss_hold(struct nst_tcp *tp);
bool tcp_loss_recovered(struct nst_tcp *tp, const struct tcp_acked *a);

/* ---- tcp_rexmit.c ---- */
/* Retransmits what is marked lost, as far as cwnd and pacing allow. */
void tcp_recovery_xmit(struct nst_tcp *tp);
/* Up to `segs` segments of record i, now. False: nothing left. */
bool tcp_rexmit(struct nst_tcp *tp, uint32_t i, uint32_t segs);
/* The same for a probe: not counted as an outstanding retransmission. */
bool tcp_rexmit_probe(struct nst_tcp *tp, uint32_t i, uint32_t segs);
static inline uint32_t tcp_in_flight(const struct nst_tcp *tp)
{
	uint32_t left = tp->sacked_out + tp->lost_out;
	uint32_t n = tp->packets_out + tp->retrans_out;

	return n > left ? n - left : 0;
}

/* ---- tcp_out.c ---- */
/* The next len bytes that were not sent, and the FIN if it fits. */
NST_MUST_CHECK bool tcp_send_new(struct nst_tcp *tp, uint32_t len);
void tcp_output(struct nst_tcp *tp);
void tcp_output_now(struct nst_tcp *tp); /* small segments, too */
/* Most segments of one packet. */
uint32_t tcp_tso_segs(const struct nst_tcp *tp, uint32_t mss);
/* Sends up to the window although it is smaller than a segment. */
bool tcp_out_force(struct nst_tcp *tp);
nst_time tcp_cork_deadline(const struct nst_tcp *tp);
void tcp_cork_fire(struct nst_tcp *tp);
uint32_t tcp_cur_mss(const struct nst_tcp *tp);
void tcp_output_one(struct nst_tcp *tp); /* one packet, small or not */
/* Bytes that gather before a piece is full. */
uint32_t tcp_write_goal(const struct nst_tcp *tp);
/* Segments that a super-segment of mss bytes each may have now. */
uint32_t tcp_tso_segs(const struct nst_tcp *tp, uint32_t mss);

/* ---- tcp_ack.c: when to acknowledge ---- */
void tcp_ack_data_in(struct nst_tcp *tp, const struct tcp_seg *seg);
/* Learns the size of the peer's segments. */
void tcp_ack_measure(struct nst_tcp *tp, const struct tcp_seg *seg);
void tcp_ack_sent(struct nst_tcp *tp); /* any segment with ACK left */
void tcp_ack_data_out(struct nst_tcp *tp);
void tcp_ack_decide(struct nst_tcp *tp);
/* The next ACKs, at most max, leave at once; no longer interactive. */
void tcp_ack_quick(struct nst_tcp *tp, uint32_t max);
void tcp_ack_consumed(struct nst_tcp *tp, size_t bytes);
void tcp_ack_compressed(struct nst_tcp *tp); /* sends what is held back */
nst_time tcp_ack_deadline(const struct nst_tcp *tp);
void tcp_ack_fire(struct nst_tcp *tp);
nst_time tcp_delack_max(const struct nst_tcp *tp);
/* LINUX: interactive sessions let ACKs wait for answers. */
static inline bool tcp_pingpong(const struct nst_tcp *tp)
{
	return tp->pingpong >= TCP_CTL(tp, pingpong_thresh);
}
static inline void tcp_pingpong_enter(struct nst_tcp *tp)
{
	tp->pingpong = (uint8_t)TCP_CTL(tp, pingpong_thresh);
}

/* ---- tcp_rtt.c: the estimator ---- */
void tcp_rtt_sample(struct nst_tcp *tp, nst_time rtt); /* both of: */
void tcp_rtt_estimate(struct nst_tcp *tp, nst_time rtt);
void tcp_rtt_min_sample(struct nst_tcp *tp, nst_time rtt);
nst_time tcp_rto_min(const struct nst_tcp *tp);
nst_time tcp_rto_max(const struct nst_tcp *tp);
/* The RTO that the estimate gives, without back-off. */
nst_time tcp_rto_estimate(const struct nst_tcp *tp);

/* ---- tcp_rto.c ---- */
void tcp_rto_rearm(struct nst_tcp *tp);
/* What may still be waited of the RTO, counted from the head's last
 * transmission; <= 0: it is over. */
nst_time tcp_rto_left(const struct nst_tcp *tp);
void tcp_rto_fire(struct nst_tcp *tp);
/* RFC 6069: the way to the peer was broken: one doubling less. */
void tcp_rto_revert(struct nst_tcp *tp);
void tcp_rto_count(struct nst_tcp *tp); /* one more in tcpi_total_rto */
void tcp_rto_recovered(struct nst_tcp *tp);
uint32_t tcp_orphan_limit(const struct nst_tcp *tp, bool alive);
void tcp_give_up(struct nst_tcp *tp);

/* ---- tcp_persist.c, tcp_keepalive.c, tcp_handshake.c ---- */
bool tcp_persist_wanted(const struct nst_tcp *tp);
void tcp_persist_update(struct nst_tcp *tp);
void tcp_persist_ack(struct nst_tcp *tp); /* an ACK with nothing in flight */
void tcp_persist_fire(struct nst_tcp *tp);
nst_time tcp_keep_deadline(const struct nst_tcp *tp);
void tcp_keep_fire(struct nst_tcp *tp);
nst_time tcp_fw2_deadline(const struct nst_tcp *tp);
void tcp_fw2_fire(struct nst_tcp *tp);
/* An orphan's FIN-WAIT-2 becomes a small object, at the end of an event. */
void tcp_fw2_shrink(struct nst_tcp *tp);
/* SO_KEEPALIVE, TCP_KEEPIDLE. */
void tcp_keep_set(struct nst_tcp *tp, bool on);
void tcp_keep_set_idle(struct nst_tcp *tp, uint32_t s);
/* In force: the socket's, or the stack's. */
uint32_t tcp_keepidle_s(const struct nst_tcp *tp);
uint32_t tcp_keepintvl_s(const struct nst_tcp *tp);
uint32_t tcp_keepcnt(const struct nst_tcp *tp);
nst_time tcp_handshake_deadline(const struct nst_tcp *tp);
void tcp_handshake_fire(struct nst_tcp *tp);
void tcp_handshake_facts(struct nst_tcp *tp);
void tcp_handshake_offer(struct nst_tcp *tp);  /* options of our SYN */
void tcp_handshake_start(struct nst_tcp *tp);  /* facts, then the SYN */
void tcp_handshake_repeat(struct nst_tcp *tp); /* SYN or SYN-ACK again */
/* Takes the options of the peer's SYN. */
void tcp_handshake_opts(struct nst_tcp *tp, const struct tcp_seg *seg);
/* Ready for data: congestion, segment sizes, limits. */
void tcp_handshake_transfer(struct nst_tcp *tp, const struct tcp_seg *seg);
/* Becomes ESTABLISHED: congestion, windows, events, accept queue. */
void tcp_handshake_complete(struct nst_tcp *tp, const struct tcp_seg *seg);

/* ---- tcp_mss.c ---- */
uint16_t tcp_advmss(const struct nst_tcp *tp);
void tcp_mss_sync(struct nst_tcp *tp); /* to the path and its probing */
uint32_t tcp_ip_hdr_bytes(const struct nst_tcp *tp);
/* Most that the peer, or TCP_MAXSEG, allows; options not counted. */
uint32_t tcp_mss_clamp(const struct nst_tcp *tp);
/* Bytes of the TCP header with the options that every segment has. */
static inline uint32_t tcp_hdr_fixed(const struct nst_tcp *tp)
{
	return TCP_HDR_BYTES + (tp->ts_on ? 12u : 0u);
}
/* IP_MTU_DISCOVER or IPV6_MTU_DISCOVER, by the peer's family. */
enum { /* LINUX: values of linux/in.h */
       TCP_PMTUDISC_DONT,
       TCP_PMTUDISC_WANT,
       TCP_PMTUDISC_DO,
       TCP_PMTUDISC_PROBE,
       TCP_PMTUDISC_INTERFACE,
       TCP_PMTUDISC_OMIT,
};
uint8_t tcp_mtu_disc(const struct nst_tcp *tp);
/* LINUX: ip_dont_fragment: is DF set? */
bool tcp_dont_fragment(const struct nst_tcp *tp);
uint32_t tcp_mtu_to_mss(const struct nst_tcp *tp, uint32_t mtu);
uint32_t tcp_mss_to_mtu(const struct nst_tcp *tp, uint32_t mss);

/* ---- tcp_icmp.c ---- */
/* Before output: has a path MTU changed, or run out, since the last time? */
void tcp_path_check(struct nst_tcp *tp);

/* ---- tcp_mtu_probe.c: RFC 4821 ---- */
void tcp_mtup_init(struct nst_tcp *tp); /* options and peer's MSS known */
enum tcp_mtup_verdict { TCP_MTUP_NONE, TCP_MTUP_WAIT, TCP_MTUP_SENT };
/* Before new data leaves: WAIT: nothing may, for now. */
enum tcp_mtup_verdict tcp_mtup_probe(struct nst_tcp *tp);
void tcp_mtup_acked(struct nst_tcp *tp); /* snd_una moved */
/* What would be recovery from loss is a failed probe: true, dealt with. */
bool tcp_mtup_lost(struct nst_tcp *tp);
void tcp_mtup_void(struct nst_tcp *tp);       /* a retransmission: no verdict */
void tcp_mtup_black_hole(struct nst_tcp *tp); /* after a time-out */
/* What is larger than the MSS again, at once; not a sign of congestion. */
void tcp_simple_retransmit(struct nst_tcp *tp);

/* ---- tcp_chrono.c ---- */
void tcp_chrono_update(struct nst_tcp *tp); /* the epilogue's */
nst_time tcp_chrono_spent(const struct nst_tcp *tp, enum tcp_chrono_kind k,
			  nst_time now);

/* ---- tcp_timer.c ---- */
void tcp_timers_init(struct nst_tcp *tp);
void tcp_timers_update(struct nst_tcp *tp); /* arm all from facts */
void tcp_timers_stop(struct nst_tcp *tp);
/* The retransmission timer waits for `what` from now on; it never waits less
 * because of pacing. */
void tcp_rtx_set(struct nst_tcp *tp, enum tcp_rtx_what what, nst_time wait);
void tcp_rtx_clear(struct nst_tcp *tp);
nst_time tcp_pace_delay(const struct nst_tcp *tp);

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
	bool tlp; /* this ACK answers a loss probe */
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

/* ---- tcp_write.c ---- */
void tcp_write_init(struct tcp_writing *w);
void tcp_write_free(struct nst_tcp *tp);
/* Queues bytes that are in the ring's free space (enum nst_snd_flags); full
 * pieces leave. */
void tcp_write(struct nst_tcp *tp, uint32_t bytes, uint32_t flags);
/* Bytes the owner may queue as far as the limits go; may a piece begin? */
uint32_t tcp_write_room(struct nst_tcp *tp);
bool tcp_write_may_begin(const struct nst_tcp *tp);
/* LINUX: sk_stream_is_writeable: a third of the buffer is free. */
bool tcp_writable(const struct nst_tcp *tp);
/* LINUX: sk_wmem_queued: all that is kept for sending, and its overhead. */
uint32_t tcp_wmem(const struct nst_tcp *tp);
/* Bytes of the first piece, topped up to `want` from the next one. */
uint32_t tcp_write_front(struct nst_tcp *tp, uint32_t want, bool *is_last);
/* Of a packet from snd_nxt to end: enum tcp_piece_flags. */
uint8_t tcp_write_flags(struct nst_tcp *tp, struct seq end);
bool tcp_write_one_record(struct nst_tcp *tp, struct seq end);
/* PSH for the next len bytes; for what was written last. */
void tcp_write_push_front(struct nst_tcp *tp, uint32_t len);
void tcp_write_mark(struct nst_tcp *tp);

/* ---- tcp_pacing.c ---- */
/* Bytes/s in force, SO_MAX_PACING_RATE applied; UINT64_MAX: no limit. */
uint64_t tcp_pace_rate(const struct nst_tcp *tp);
bool tcp_pace_needed(const struct nst_tcp *tp);
void tcp_pace_update(struct nst_tcp *tp); /* rate from window and RTT */
/* Must the next packet wait? Then the pacing timer is wanted. */
bool tcp_pace_wait(struct nst_tcp *tp);
/* A packet leaves now, with so many bytes of payload. */
void tcp_pace_sent(struct nst_tcp *tp, uint32_t bytes);
nst_time tcp_pace_deadline(const struct nst_tcp *tp);
void tcp_pace_fire(struct nst_tcp *tp);

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
/* Does aborting it send RST? */
bool tcp_need_reset(const struct nst_tcp *tp);

#endif

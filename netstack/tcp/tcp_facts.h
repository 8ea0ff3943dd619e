/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of an endpoint: what each file of this folder remembers about a
 * connection. tcp_ep.h puts them together. Included through tcp_priv.h.
 *
 * Each field is marked: S saved in an image, R rebuilt on load, D dropped; a
 * mark on a struct is for all of it.
 */
#ifndef NETSTACK_TCP_TCP_FACTS_H
#define NETSTACK_TCP_TCP_FACTS_H

#include "netstack/base/wheel.h"
#include "netstack/nst_types.h"
#include "netstack/tcp/tcp_fastopen.h"
#include "netstack/tcp/tcp_limits.h"
#include "netstack/tcp/tcp_wire.h"

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
	struct seq seq;        /* S */
	uint32_t len;          /* S sequence space, FIN counted */
	nst_time when;         /* S last transmission */
	uint16_t pcount;       /* S segments of it, as Linux counts packets */
	uint8_t flags;         /* S enum tcp_sent_flags */
	uint16_t mss;          /* S payload of a segment when it left */
	uint16_t prev, next;   /* R neighbours by transmission time */
	struct tcp_tx_mark tx; /* S */
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
	struct tcp_sent *v;                /* R from `records` */
	uint16_t *order;                   /* R as they come */
	uint32_t cap, head, n;             /* R cap: a power of two */
	uint16_t free;                     /* R chain through `next` */
	uint16_t oldest, newest;           /* R from `timed` */
	uint16_t inl_order[TCP_SENT_INL];  /* R */
	struct tcp_sent inl[TCP_SENT_INL]; /* R */
};

/* ---- loss recovery: facts of its parts ---- */

/* A wait that was decided on; the timer that ends it looks at no other fact. S
 */
struct tcp_wait {
	bool on;
	nst_time since, wait;
};

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
			 * does not follow a new estimate */
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
struct tcp_rtt_best {
	nst_time at, rtt;
};
/* S */
struct tcp_rtt_min {
	struct tcp_rtt_best s[3];
};

/* tcpi_total_rto and its company. S */
struct tcp_rto_stat {
	uint32_t total, recoveries;
	nst_time time;  /* spent in recoveries that began with a time-out */
	nst_time since; /* of the one under way; 0: none */
};

/* ---- out-of-order intervals behind rcv_nxt (tcp_ooo.c) ---- */

struct tcp_ooo_iv {
	struct tcp_range r; /* S */
};

struct tcp_ooo {
	struct tcp_ooo_iv *v; /* R LIMIT_TCP_OOO of them, if there are any */
	uint32_t n;           /* R */
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

/* What the owner wrote and has not left, in pieces (tcp_write.c). */
enum tcp_piece_flags {
	TCP_PIECE_PSH = 1 << 0,
	TCP_PIECE_EOR = 1 << 1, /* its end is the end of a packet */
};
struct tcp_piece {
	struct seq end; /* S */
	uint8_t flags;  /* S enum tcp_piece_flags */
};
#define TCP_PIECES_INL 4
struct tcp_writing {
	struct tcp_piece *v;   /* R a ring, from `pieces` */
	uint32_t cap, head, n; /* R cap: a power of two */
	bool within;           /* S a call of the owner's is in the middle */
	bool hold; /* D its next part follows at once: send nothing */
	struct tcp_piece inl[TCP_PIECES_INL]; /* R */
};

/* Departure times (tcp_pacing.c). S */
struct tcp_pace {
	uint64_t rate;    /* bytes/s by the congestion control; 0: unknown */
	nst_time next;    /* earliest departure of the next packet */
	nst_time late_at; /* when its timer was late */
	bool needed;      /* the congestion control wants pacing */
	bool blocked;     /* output waits for `next` */
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
	uint32_t gen;       /* R of the PMTU cache, from `pmtu_seen` */
	bool later;         /* enabled from the next segment on */
	bool enabled;
};

/* What a sender waits for (tcp_chrono.c). */
enum tcp_chrono_kind {
	TCP_CHRONO_IDLE,
	TCP_CHRONO_BUSY,
	TCP_CHRONO_RWND,
	TCP_CHRONO_SNDBUF,
	TCP_CHRONO_COUNT
};
/* S */
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

#endif

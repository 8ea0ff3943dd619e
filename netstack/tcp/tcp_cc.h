/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast: delivery rates, congestion control and its vtable, pacing. Included
 * through tcp_priv.h.
 */
#ifndef NETSTACK_TCP_TCP_CC_H
#define NETSTACK_TCP_TCP_CC_H

#include "netstack/tcp/tcp_ep.h"

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
void tcp_cc_outage(struct nst_tcp *tp, nst_time outage);

/* ---- tcp_pacing.c ---- */
/* Bytes/s in force, SO_MAX_PACING_RATE applied; UINT64_MAX: no limit. */
uint64_t tcp_pace_rate(const struct nst_tcp *tp);
bool tcp_pace_needed(const struct nst_tcp *tp);
void tcp_pace_update(struct nst_tcp *tp); /* rate from window and RTT */
/* Must the next packet wait? Then the pacing timer is wanted. */
bool tcp_pace_wait(struct nst_tcp *tp);
/* At the start of output: if it waited and the time has passed, what leaves
 * during this event makes it good. */
void tcp_pace_late(struct nst_tcp *tp);
/* A packet leaves now, with so many bytes of payload. */
void tcp_pace_sent(struct nst_tcp *tp, uint32_t bytes);
nst_time tcp_pace_deadline(const struct nst_tcp *tp);
void tcp_pace_fire(struct nst_tcp *tp);

#endif

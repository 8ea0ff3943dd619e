/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was sent: the scoreboard, what an ACK does to it, loss recovery, the
 * round trip and the time-out. Included through tcp_priv.h.
 */
#ifndef NETSTACK_TCP_TCP_SENT_H
#define NETSTACK_TCP_TCP_SENT_H

#include "netstack/tcp/tcp_snd.h"

struct tcp_rate_sample;

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
/* A record as it was saved becomes the last one, not timed; false: limit or
 * memory. */
NST_MUST_CHECK bool tcp_sent_put(struct nst_tcp *tp,
				 const struct tcp_sent *from);
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

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BBR: draft-ietf-ccwg-bbr with the parameters of version 3. Names are the
 * draft's. Included by tcp_bbr*.c and their tests only.
 *
 *   tcp_bbr.c         the vtable, one ACK, start, undo, TCP_CC_INFO
 *   tcp_bbr_model.c   what the path can do: bandwidth, RTT, aggregation
 *   tcp_bbr_bounds.c  what losses and marks say about how much may be sent
 *   tcp_bbr_cycle.c   the states: STARTUP, DRAIN, PROBE_BW's four, PROBE_RTT
 *   tcp_bbr_out.c     from the model to a pacing rate and a window
 *
 * Units: bandwidth in packets per microsecond, times 2^24; gains and fractions
 * times 256; amounts in packets; times in ns.
 */
#ifndef NETSTACK_TCP_TCP_BBR_H
#define NETSTACK_TCP_TCP_BBR_H

#include "netstack/tcp/tcp_cc_priv.h"

#define BBR_BW_SHIFT 24
#define BBR_UNIT 256u
#define BBR_NONE UINT32_MAX /* a bound that does not bind */

/* The draft's constants, those that more than one file needs. */
#define BBR_MIN_CWND 4u
#define BBR_BETA (BBR_UNIT * 30 / 100) /* what a loss takes away */
#define BBR_HEADROOM (BBR_UNIT * 15 / 100)
#define BBR_MIN_RTT_WINDOW (10 * NST_SEC)
#define BBR_PROBE_RTT_EVERY (5 * NST_SEC)
#define BBR_PROBE_RTT_TIME (200 * NST_MS)

enum tcp_bbr_mode {
	BBR_STARTUP,
	BBR_DRAIN,
	BBR_PROBE_BW,
	BBR_PROBE_RTT,
};

enum tcp_bbr_phase { /* of BBR_PROBE_BW */
		     BBR_UP,
		     BBR_DOWN,
		     BBR_CRUISE,
		     BBR_REFILL,
};

/* What the ACKs that arrive now tell about bandwidth probing. */
enum tcp_bbr_ack_phase {
	BBR_ACKS_INIT,
	BBR_ACKS_REFILLING,
	BBR_ACKS_PROBE_STARTING,
	BBR_ACKS_PROBE_FEEDBACK,
	BBR_ACKS_PROBE_STOPPING,
};

/* S */
struct tcp_bbr_state {
	/* The model. */
	uint32_t max_bw[2]; /* of the last cycle, of this one */
	uint32_t bw_lo, inflight_lo, inflight_hi; /* or BBR_NONE */
	uint32_t bw_latest, inflight_latest;      /* of this loss round */
	nst_time min_rtt, min_rtt_at;             /* NST_NEVER: none yet */
	nst_time probe_min_rtt, probe_min_rtt_at;
	nst_time probe_rtt_low; /* since then little is in flight; 0: is not */

	/* Rounds end when what is in flight now has been delivered. */
	uint32_t round_end, loss_round_end;

	/* The cycle. */
	nst_time cycle_start, probe_wait;
	uint32_t up_acks, up_cnt; /* inflight_hi grows by 1 each up_cnt */
	uint32_t full_bw;

	/* Aggregation of ACKs. */
	nst_time agg_start;
	uint32_t agg_acked;
	uint32_t extra_acked[2];

	/* Before a loss episode. */
	uint32_t prior_cwnd, undo_bw_lo, undo_inflight_lo, undo_inflight_hi;

	/* Losses without a queue (tcp_bbr_bounds.c). */
	nst_time round_rtt; /* least of this loss round; NST_NEVER: none */
	uint32_t round_delivered, round_lost; /* when it began */
	uint32_t floor_pkts, floor_lost;      /* of rounds without a queue */

	uint32_t alpha_delivered, alpha_ce;
	uint32_t init_cwnd;
	uint16_t pacing_gain, cwnd_gain;
	uint16_t ecn_alpha; /* EWMA of the CE-marked share */
	uint8_t mode, phase, ack_phase, prev_ca;
	uint8_t full_bw_cnt, rounds_since_probe, up_rounds, agg_rounds;
	uint8_t agg_idx, startup_losses, startup_ecn_rounds;
	bool ready, seen_rtt;
	bool round_start, loss_round_start, probe_rtt_round;
	bool full_bw_reached; /* STARTUP filled the pipe */
	bool full_bw_now;     /* a plateau was reached again just now */
	bool idle_restart;
	bool round_queued; /* the last one, or it lost far too much */
	bool loss_in_round, ecn_in_round, loss_in_cycle, ecn_in_cycle;
	bool ecn_eligible;     /* marks are precise and the path is short */
	bool probe_samples;    /* samples reflect a probe for bandwidth */
	bool probe_too_high;   /* the last probe ended by losses or marks */
	bool stopped_at_bound; /* the last probe ended at inflight_hi */
};
_Static_assert(sizeof(struct tcp_bbr_state) <= 8 * TCP_CC_PRIV_WORDS,
	       "private state of a congestion control");

static inline struct tcp_bbr_state *tcp_bbr_of(struct nst_tcp *tp)
{
	return (struct tcp_bbr_state *)(void *)tp->cc_priv;
}
static inline const struct tcp_bbr_state *tcp_bbr_ofc(const struct nst_tcp *tp)
{
	return (const struct tcp_bbr_state *)(const void *)tp->cc_priv;
}
static inline uint32_t bbr_max_bw(const struct tcp_bbr_state *b)
{
	return u32_max(b->max_bw[0], b->max_bw[1]);
}
static inline uint32_t bbr_bw(const struct tcp_bbr_state *b)
{
	return u32_min(bbr_max_bw(b), b->bw_lo);
}
static inline uint32_t bbr_scale(uint32_t v, uint32_t gain)
{
	return (uint32_t)((uint64_t)v * gain / BBR_UNIT);
}
static inline bool bbr_in_phase(const struct tcp_bbr_state *b,
				enum tcp_bbr_phase phase)
{
	return b->mode == BBR_PROBE_BW && b->phase == phase;
}

/* Sending more than is known to fit, on purpose. */
static inline bool bbr_probing(const struct tcp_bbr_state *b)
{
	return b->mode == BBR_STARTUP || bbr_in_phase(b, BBR_REFILL) ||
	       bbr_in_phase(b, BBR_UP);
}

/* ---- tcp_bbr_model.c ---- */
uint32_t bbr_sample_bw(const struct tcp_rate_sample *rs); /* 0: none */
void bbr_rounds(struct nst_tcp *tp, const struct tcp_rate_sample *rs);
void bbr_latest(struct nst_tcp *tp, const struct tcp_rate_sample *rs,
		uint32_t bw);
void bbr_latest_advance(struct nst_tcp *tp, const struct tcp_rate_sample *rs,
			uint32_t bw);
void bbr_aggregation(struct nst_tcp *tp, const struct tcp_rate_sample *rs);
void bbr_reset_full_bw(struct tcp_bbr_state *b, uint32_t bw);
void bbr_check_full_bw(struct nst_tcp *tp, const struct tcp_rate_sample *rs,
		       uint32_t bw);
void bbr_cycle_max_bw(struct tcp_bbr_state *b); /* a cycle's samples end */
/* true: the window for a new probe of the RTT has passed. */
bool bbr_min_rtt(struct nst_tcp *tp, const struct tcp_rate_sample *rs);

/* ---- tcp_bbr_bounds.c ---- */
void bbr_signals(struct nst_tcp *tp, const struct tcp_rate_sample *rs,
		 uint32_t bw);
void bbr_ecn_round(struct nst_tcp *tp);
void bbr_startup_losses(struct nst_tcp *tp, const struct tcp_rate_sample *rs);
bool bbr_too_high(const struct tcp_bbr_state *b,
		  const struct tcp_rate_sample *rs);
void bbr_handle_too_high(struct nst_tcp *tp, const struct tcp_rate_sample *rs);
uint32_t bbr_with_headroom(const struct tcp_bbr_state *b);
void bbr_reset_lower(struct tcp_bbr_state *b);
void bbr_reset_signals(struct tcp_bbr_state *b);
void bbr_marked_lost(struct nst_tcp *tp, const struct tcp_sent *r);
void bbr_tlp_loss(struct nst_tcp *tp);

/* ---- tcp_bbr_cycle.c ---- */
void bbr_enter_startup(struct tcp_bbr_state *b);
void bbr_check_drain(struct nst_tcp *tp);
void bbr_start_down(struct nst_tcp *tp);
void bbr_cycle(struct nst_tcp *tp, const struct tcp_rate_sample *rs,
	       uint32_t bw);
void bbr_probe_rtt(struct nst_tcp *tp, const struct tcp_rate_sample *rs);
void bbr_check_probe_rtt_done(struct nst_tcp *tp);
void bbr_raise_slope(struct nst_tcp *tp);
void bbr_gains(struct tcp_bbr_state *b);

/* ---- tcp_bbr_out.c ---- */
/* ceil(bw * min_rtt * gain) in packets. */
uint32_t bbr_bdp(const struct nst_tcp *tp, uint32_t bw, uint32_t gain);
/* ... and what the ends of the path hold on to. */
uint32_t bbr_inflight(const struct nst_tcp *tp, uint32_t bw, uint32_t gain);
uint32_t bbr_target_inflight(const struct nst_tcp *tp);
/* Of in_flight packets, those in the network when the next one departs. */
uint32_t bbr_in_net_at_departure(const struct nst_tcp *tp, uint32_t in_flight);
uint32_t bbr_probe_rtt_cwnd(const struct nst_tcp *tp);
uint64_t bbr_bytes_per_s(const struct nst_tcp *tp, uint32_t bw, uint32_t gain,
			 uint32_t percent);
void bbr_first_rate(struct nst_tcp *tp);
void bbr_set_rate(struct nst_tcp *tp, uint32_t bw, uint32_t gain);
void bbr_set_cwnd(struct nst_tcp *tp, uint32_t acked);
void bbr_save_cwnd(struct nst_tcp *tp);

#endif

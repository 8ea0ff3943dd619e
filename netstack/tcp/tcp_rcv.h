/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receiving: the window and what it is made of, data in and out of order, when
 * to acknowledge. Included through tcp_priv.h.
 */
#ifndef NETSTACK_TCP_TCP_RCV_H
#define NETSTACK_TCP_TCP_RCV_H

#include "netstack/tcp/tcp_ep.h"

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

/* ---- tcp_urgent.c ---- */
void tcp_urgent_in(struct nst_tcp *tp, const struct tcp_seg *seg);
void tcp_urgent_arrived(struct nst_tcp *tp); /* rcv_nxt moved */
/* Bytes readable before the mark stops a read; skips the mark itself. */
uint32_t tcp_urgent_limit(struct nst_tcp *tp, uint32_t avail);

#endif

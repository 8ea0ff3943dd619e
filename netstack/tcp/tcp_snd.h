/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending: buffers, what the owner wrote, which segment leaves and how large it
 * may be, packets. Included through tcp_priv.h.
 */
#ifndef NETSTACK_TCP_TCP_SND_H
#define NETSTACK_TCP_TCP_SND_H

#include "netstack/tcp/tcp_ep.h"

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
/* Memory for `bytes` of a ring that has none; false: there is none. */
NST_MUST_CHECK bool tcp_buf_load(const struct nst_tcp *tp, struct ring *r,
				 uint32_t bytes, uint64_t head);
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

/* ---- tcp_write.c ---- */
void tcp_write_init(struct tcp_writing *w);
void tcp_write_free(struct nst_tcp *tp);
/* The i-th piece; a saved one behind the last: false: limit or memory. */
struct tcp_piece tcp_write_at(const struct nst_tcp *tp, uint32_t i);
NST_MUST_CHECK bool tcp_write_put(struct nst_tcp *tp, struct tcp_piece piece);
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

/* ---- tcp_out.c ---- */
/* The next len bytes that were not sent, and the FIN if it fits. */
NST_MUST_CHECK bool tcp_send_new(struct nst_tcp *tp, uint32_t len);
void tcp_output(struct nst_tcp *tp);
void tcp_output_now(struct nst_tcp *tp); /* small segments, too */
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

#endif

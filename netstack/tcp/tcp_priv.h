/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this folder offer each other; included by netstack/tcp and
 * its tests only. By subject: tcp_facts.h and tcp_ep.h the endpoint, tcp_rcv.h
 * receiving, tcp_snd.h sending, tcp_sent.h what was sent, tcp_cc.h how fast;
 * here is the rest: life, states, input, timers, the owner. Locking: as the
 * stack.
 *
 * Every event on an endpoint (a segment, a timer, a call) changes facts and
 * ends with tcp_finish(), the single epilogue: it sends what can be sent,
 * acknowledges what must be, arms the timers from the facts, raises the
 * collected events, and frees an endpoint that has no owner and is closed.
 */
#ifndef NETSTACK_TCP_TCP_PRIV_H
#define NETSTACK_TCP_TCP_PRIV_H

#include "netstack/base/container.h"
#include "netstack/base/mem.h"
#include "netstack/tcp/tcp_cc.h"
#include "netstack/tcp/tcp_ep.h"
#include "netstack/tcp/tcp_rcv.h"
#include "netstack/tcp/tcp_sent.h"
#include "netstack/tcp/tcp_snd.h"

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

/* ---- tcp_saved_syn.c ---- */
struct tcp_saved_syn {
	uint16_t bytes;
	uint8_t hdr[];
};
/* The headers of seg if the listener wants them; NULL: not, or no memory. */
struct tcp_saved_syn *tcp_saved_syn_new(const struct nst_tcp *l,
					const struct tcp_seg *seg);
/* NULL: no memory. */
struct tcp_saved_syn *tcp_saved_syn_load(struct nst_stack *st, const void *hdr,
					 uint16_t bytes);
void tcp_saved_syn_free(struct nst_stack *st, struct tcp_saved_syn *s);

/* ---- tcp_isn.c ---- */
struct seq tcp_isn(struct nst_stack *st, const struct flow_key *key);
uint32_t tcp_ts_offset(struct nst_stack *st, const struct flow_key *key);
uint32_t tcp_ts_now(const struct nst_stack *st, uint32_t off);
/* Does the peer echo a timestamp from before an outage (tcp_resume.c)? */
static inline bool tcp_echo_before_outage(const struct nst_tcp *tp,
					  uint32_t tsecr)
{
	nst_time at = tp->sk.st->tcp->resumed_at;
	uint32_t ms = (uint32_t)((uint64_t)at / (uint64_t)NST_MS);

	return at >= 0 && (int32_t)(tsecr - tp->ts_off - ms) <= 0;
}

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

/* ---- tcp_in_ack.c: step 5 ---- */
enum tcp_verdict { TCP_V_NEXT, TCP_V_DROP };
enum tcp_verdict tcp_in_ack(struct nst_tcp *tp, struct tcp_seg *seg);
/* A SYN-ACK that acknowledges data which went with the SYN. */
void tcp_in_ack_syn_data(struct nst_tcp *tp, const struct tcp_seg *seg);

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

/* ---- tcp_listen.c ---- */
bool tcp_acceptq_full(const struct nst_tcp *l);
void tcp_acceptq_put(struct nst_tcp *l, struct nst_tcp *child);
void tcp_acceptq_remove(struct nst_tcp *l, struct nst_tcp *child);
void tcp_listen_stop(struct nst_tcp *l);
bool tcp_is_listener(const struct nst_sock *s);

/* ---- tcp_user.c ---- */
/* Queues the FIN and changes the state as RFC 9293 3.10.4 says. */
void tcp_close_send(struct nst_tcp *tp);
void tcp_unbind(struct nst_tcp *tp);
/* Does aborting it send RST? */
bool tcp_need_reset(const struct nst_tcp *tp);

#endif

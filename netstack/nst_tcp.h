/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP endpoints, RFC 9293. Every function belongs to the stack's caller (see
 * nst_stack.h on locking).
 *
 * Life: nst_tcp_new → (bind) → connect | listen. The embedder owns an endpoint
 * until nst_tcp_close or nst_tcp_abort; after these the pointer is dead to it,
 * and the netstack finishes the connection by itself (FIN-WAIT, TIME-WAIT).
 * An endpoint whose connection failed or closed stays until it is closed.
 *
 * Opening has two halves, as in the change that inspired cordon: *start* emits
 * the SYN or SYN-ACK in the caller's context, *complete* ends the handshake.
 */
#ifndef NETSTACK_NST_TCP_H
#define NETSTACK_NST_TCP_H

#include "netstack/nst_sock.h"

struct nst_tcp;

enum nst_tcp_state { /* values as in Linux's tcp_states.h */
		     NST_TCP_ESTABLISHED = 1,
		     NST_TCP_SYN_SENT,
		     NST_TCP_SYN_RCVD,
		     NST_TCP_FIN_WAIT1,
		     NST_TCP_FIN_WAIT2,
		     NST_TCP_TIME_WAIT,
		     NST_TCP_CLOSE,
		     NST_TCP_CLOSE_WAIT,
		     NST_TCP_LAST_ACK,
		     NST_TCP_LISTEN,
		     NST_TCP_CLOSING,
};

/* A new closed endpoint of family 4 or 6. NOMEM. */
NST_MUST_CHECK enum nst_err nst_tcp_new(struct nst_stack *st, uint8_t family,
					void *user, nst_time now,
					struct nst_tcp **out);
struct nst_sock *nst_tcp_sock(struct nst_tcp *tp);
/* NULL when s is not TCP. */
struct nst_tcp *nst_sock_tcp(struct nst_sock *s);
enum nst_tcp_state nst_tcp_state(const struct nst_tcp *tp);

/*
 * Active open, RFC 9293 3.10.1: picks source address and port, emits the SYN
 * before it returns when the next hop needs no resolution; else the SYN waits
 * in the neighbour entry. INPROGRESS is success: CONNECTED or ERR follows.
 * ISCONN, ALREADY, ADDRINUSE, ADDRNOTAVAIL, NETUNREACH, AFNOSUPPORT, NOBUFS.
 * After a failed attempt the endpoint may connect again.
 */
NST_MUST_CHECK enum nst_err nst_tcp_connect(struct nst_tcp *tp,
					    const struct nst_sockaddr *to,
					    nst_time now);
/*
 * Active open with data in the SYN, RFC 7413. nst_tcp_connect_fast does what
 * nst_tcp_connect does, but holds the SYN back: NST_OK. OPNOTSUPP: the setting
 * tcp_fastopen forbids. nst_tcp_connect itself returns NST_OK in the same sense
 * when NST_TCP_FASTOPEN_CONNECT is on and a cookie is known.
 * While the SYN is held (nst_tcp_deferred), nst_tcp_snd_space gives room as if
 * connected, and nst_tcp_snd_commit (also of 0 bytes) sends the SYN with the
 * first nst_tcp_syn_room bytes. Room is 0 when no cookie is known: the SYN then
 * asks for one. From then on it is an ordinary connect: CONNECTED or ERR.
 */
NST_MUST_CHECK enum nst_err nst_tcp_connect_fast(struct nst_tcp *tp,
						 const struct nst_sockaddr *to,
						 nst_time now);
bool nst_tcp_deferred(const struct nst_tcp *tp);
size_t nst_tcp_syn_room(struct nst_tcp *tp);
/* Cookie keys of a listener, 16 bytes each, n of 1 or 2: the first makes, all
 * are accepted. INVAL. Get: keys in force, those of the stack if it has none of
 * its own; returns how many were written. */
NST_MUST_CHECK enum nst_err
nst_tcp_set_fastopen_keys(struct nst_tcp *tp, const uint8_t *keys, size_t n);
size_t nst_tcp_fastopen_keys(const struct nst_tcp *tp, uint8_t *keys);
/* connect(AF_UNSPEC): resets the connection, endpoint is as new, options and
 * an explicit binding kept. */
void nst_tcp_disconnect(struct nst_tcp *tp, nst_time now);
/* Passive open; again: changes the backlog. An unbound endpoint is bound to a
 * random port. INVAL, ADDRINUSE. */
NST_MUST_CHECK enum nst_err nst_tcp_listen(struct nst_tcp *tp, int backlog,
					   nst_time now);
/*
 * The oldest completed connection, AGAIN when there is none. The child
 * inherits options; its user is NULL until nst_sock_set_user, and events that
 * happened before are not repeated: look at it. The caller owns the child.
 */
NST_MUST_CHECK enum nst_err nst_tcp_accept(struct nst_tcp *listener,
					   struct nst_tcp **child);
/* Puts a child back at the head of the queue (its reply was not delivered). */
void nst_tcp_unaccept(struct nst_tcp *listener, struct nst_tcp *child);
/* While set, the accept queue counts as full (the embedder's is). */
void nst_tcp_accept_hold(struct nst_tcp *listener, bool full);
size_t nst_tcp_accept_queued(const struct nst_tcp *listener);

/*
 * Sending: look at free space of the send ring (at most two pieces), fill it,
 * commit, with enum nst_snd_flags: PSH is set at the end of a call's last
 * commit unless NST_SND_MORE. NST_SND_PARTIAL: more of the same call follows,
 * when there is space.
 * Space is 0 when the state does not allow sending or the limit is reached.
 * Returns bytes of space; *niov pieces in iov.
 */
enum nst_snd_flags {
	NST_SND_MORE = 1 << 0,    /* MSG_MORE: more calls follow soon */
	NST_SND_EOR = 1 << 1,     /* MSG_EOR: nothing later joins it */
	NST_SND_PARTIAL = 1 << 2, /* not the end of the call */
	NST_SND_CUT = 1 << 3,     /* a packet ends here, pushed */
};
size_t nst_tcp_snd_space(struct nst_tcp *tp, struct nst_iov iov[2],
			 size_t *niov);
void nst_tcp_snd_commit(struct nst_tcp *tp, size_t bytes, uint32_t flags,
			nst_time now);
/* What poll says: a third of the buffer is free, and less than half of
 * TCP_NOTSENT_LOWAT waits. NST_EV_OUT follows when it is not so. */
bool nst_tcp_writable(struct nst_tcp *tp);
/* A writer waits for the connection: LINUX: the last ACK of the handshake may
 * ride on its data. */
void nst_tcp_snd_wait(struct nst_tcp *tp);
/* One urgent byte, RFC 6093. PIPE, NOTCONN, AGAIN. */
NST_MUST_CHECK enum nst_err nst_tcp_snd_urgent(struct nst_tcp *tp, uint8_t c,
					       nst_time now);
/* Received bytes in order, without copying; then consume what was taken
 * (sends a window update when RFC 9293 3.8.6.2.2 says so). */
size_t nst_tcp_rcv_data(struct nst_tcp *tp, struct nst_iov iov[2],
			size_t *niov);
void nst_tcp_rcv_consume(struct nst_tcp *tp, size_t bytes, nst_time now);
/* Out-of-band byte not inline. INVAL none, AGAIN not yet here. */
NST_MUST_CHECK enum nst_err nst_tcp_rcv_urgent(struct nst_tcp *tp, bool peek,
					       uint8_t *c);
bool nst_tcp_at_mark(const struct nst_tcp *tp);
/* Peer's FIN was received and all data before it consumed. */
bool nst_tcp_rcv_eof(const struct nst_tcp *tp);
size_t nst_tcp_outq(const struct nst_tcp *tp);     /* unacknowledged + unsent */
size_t nst_tcp_outq_nsd(const struct nst_tcp *tp); /* unsent */

/* Half-closes. NOTCONN. wr: FIN after what is queued. rd: later data is
 * acknowledged and dropped, as Linux does. */
NST_MUST_CHECK enum nst_err nst_tcp_shutdown(struct nst_tcp *tp, bool rd,
					     bool wr, nst_time now);
/* Last close, RFC 9293 3.10.4 and RFC 2525 2.17: RST if received data is
 * unread or linger is zero, FIN otherwise. Consumes tp; no event follows. */
void nst_tcp_close(struct nst_tcp *tp, nst_time now);
/* RST if synchronised. Consumes tp. */
void nst_tcp_abort(struct nst_tcp *tp, nst_time now);

/* As Linux's struct tcp_info, in our own words; times in ns. */
struct nst_tcp_info {
	enum nst_tcp_state state;
	uint8_t ca_state; /* 0 open 1 disorder 2 cwr 3 recovery 4 loss */
	uint8_t retransmits, probes, backoff;
	bool ts, sack, wscale, ecn, ecn_seen, syn_data;
	uint8_t snd_wscale, rcv_wscale;
	nst_time rto, ato, srtt, rttvar, min_rtt, rcv_rtt;
	nst_time last_data_sent, last_ack_sent, last_data_recv, last_ack_recv;
	uint32_t snd_mss, rcv_mss, advmss, pmtu;
	/* segments, as on Linux; a listener: unacked = queue, sacked = limit */
	uint32_t unacked, sacked, lost, retrans;
	uint32_t rcv_ssthresh, snd_ssthresh, snd_cwnd, reordering;
	uint32_t rcv_space, total_retrans, notsent_bytes, snd_wnd, rcv_wnd;
	uint64_t bytes_acked, bytes_received, bytes_sent, bytes_retrans;
	uint32_t segs_out, segs_in, data_segs_in, data_segs_out;
	uint32_t dsack_dups, rcv_ooopack;
	uint64_t pacing_rate, max_pacing_rate, delivery_rate;
	uint64_t busy_time, rwnd_limited, sndbuf_limited;
	uint32_t delivered, delivered_ce, reord_seen;
	uint32_t rehash; /* repaths after time-outs: none, there is no hash */
	uint32_t total_rto, total_rto_recoveries;
	nst_time total_rto_time;
	bool app_limited;             /* delivery_rate is the application's */
	uint8_t fastopen_client_fail; /* enum tcp_fo_fail */
	/* RFC 9768, as Linux 6.18 shows it; bytes of payload */
	uint32_t received_ce;
	uint32_t delivered_e1_bytes, delivered_e0_bytes, delivered_ce_bytes;
	uint32_t received_e1_bytes, received_e0_bytes, received_ce_bytes;
	uint16_t accecn_fail_mode, accecn_opt_seen;
};
void nst_tcp_info(const struct nst_tcp *tp, nst_time now,
		  struct nst_tcp_info *out);
/* Congestion control by name. NOENT: no such. get: a static string. */
NST_MUST_CHECK enum nst_err nst_tcp_set_cc(struct nst_tcp *tp, const char *name,
					   nst_time now);
const char *nst_tcp_cc(const struct nst_tcp *tp);
/* What Linux's TCP_CC_INFO says, in its layout: bytes written to out, 0 when
 * the control has nothing to say. */
size_t nst_tcp_cc_info(const struct nst_tcp *tp, nst_time now, void *out,
		       size_t cap);

/* LINUX: what SO_ERROR shows when there is no error: one that would be told if
 * the connection timed out (RFC 1122 4.2.3.9). `consume` clears it. */
enum nst_err nst_tcp_soft_error(struct nst_tcp *tp, bool consume);
/* The headers of the SYN that made this connection (TCP_SAVE_SYN): bytes put
 * into out, 0 when there are none or cap is too small. drop: forgets them. */
size_t nst_tcp_saved_syn(const struct nst_tcp *tp, void *out, size_t cap);
void nst_tcp_saved_syn_drop(struct nst_tcp *tp);

/* For diagnostics: the pending timer's kind as in /proc/net/tcp ("tr" column:
 * 0 none 1 retransmit 2 keepalive 3 time-wait 4 probe) and its deadline. */
void nst_tcp_timer(const struct nst_tcp *tp, int *kind, nst_time *deadline);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One netstack against a scripted peer, under virtual time. The link is bare
 * IP ("eth0", 10.0.2.15/24, MTU 1500, no offloads); what leaves is parsed,
 * its checksum verified, and kept until the script takes it.
 *
 * Sequence numbers are relative: ours to our ISN, the peer's to PEER_ISN, so a
 * SYN has 0 and the first byte 1. After every event the invariants of all
 * endpoints and of the stack are checked.
 */
#ifndef TESTS_UNIT_NETSTACK_TCP_HARNESS_H
#define TESTS_UNIT_NETSTACK_TCP_HARNESS_H

#include <criterion/criterion.h>

#include "netstack/tcp/tcp_priv.h"
#include "tests/lib/reborn.h"
#include "tests/unit/testenv.h"

#define W_IF 2
#define W_MTU 1500
#define W_LOCAL "10.0.2.15"
#define W_PEER "10.0.2.2"
#define W_PORT 8080
#define W_PEER_PORT 40000
#define PEER_ISN 7000000u

#define F TCP_FIN
#define S TCP_SYN
#define R TCP_RST
#define P TCP_PSH
#define A TCP_ACK
#define U TCP_URG

/* A segment of the script, either way. */
struct wseg {
	uint8_t flags;
	uint32_t seq, ack; /* relative */
	uint32_t len;
	uint16_t wnd, up;
	uint16_t mss; /* 0: no option */
	int wscale;   /* -1: no option */
	bool sack_perm, ts;
	uint32_t tsval, tsecr;
	uint8_t nsack;
	struct tcp_range sack[TCP_SACK_BLOCKS_MAX]; /* relative */
	struct tcp_fo_cookie fo;
	uint16_t sport, dport;
	nst_time at;
	uint8_t data[W_MTU];
};

/* Options of the peer's SYN. */
enum { O_NONE = 0, O_TS = 1, O_SACK = 2, O_WS = 4, O_ALL = 7 };

struct wire {
	struct testenv te;
	struct nst_stack *st;
	nst_time now;
	struct test_user user; /* of tp */
	struct nst_tcp *tp;    /* the connection under test */
	struct nst_tcp *lis;
	uint16_t port, peer_port; /* of the connection */
	uint32_t isn;             /* ours, absolute */
	bool isn_known;
	bool ts;          /* the peer sends timestamps */
	uint32_t ts_echo; /* last tsval of ours */
	uint32_t ts_val;  /* the peer's; 0: its clock is ours */
	int peer_wscale;
	uint16_t mss; /* the peer's */
	struct nst_pkt *out, **out_tail;
	uint32_t nout;
	bool unchecked;  /* the invariants cost too much with many objects */
	uint32_t others; /* packets that were not TCP */
	/* Events so far; after which of them the stack is reborn (-1: none,
	 * -2: each); of all packets that left, and when. */
	int64_t events, reborn_at;
	uint64_t trace;
	struct nst_forwarder forwarder;
	struct nst_fwd_req *asked; /* a SYN that waits; NULL: none does */
};

void w_init(struct wire *w);
void w_fini(struct wire *w); /* frees, asserts that nothing leaked */
void w_check(struct wire *w);
/* The stack is saved, freed and made anew; tp, lis and asked are found again
 * (NULL: its peer gave up). */
void w_reborn(struct wire *w);
void w_reborn_with(struct wire *w, struct reborn *how);
/* Runs a scenario undisturbed, then reborn after each of its events in turn,
 * then after every one: the same packets must leave at the same times. */
void w_scenario(void (*s)(struct wire *w));
/* Lets time pass, running every timer when it is due. */
void w_to(struct wire *w, nst_time t);
void w_after(struct wire *w, nst_time dt);

/* Peer sends. data NULL: a pattern by sequence number. */
struct wseg w_seg(struct wire *w, uint8_t flags, uint32_t seq, uint32_t ack,
		  uint32_t len);
void w_send(struct wire *w, const struct wseg *s);
void w_in(struct wire *w, uint8_t flags, uint32_t seq, uint32_t ack,
	  uint32_t len, uint16_t wnd);
/* Takes the oldest packet that left; false: none. */
bool w_out(struct wire *w, struct wseg *s);
/* The next one must be this. */
struct wseg w_expect_at(struct wire *w, int line, uint8_t flags, uint32_t seq,
			uint32_t ack, uint32_t len);
void w_none_at(struct wire *w, int line);
#define EXPECT(w, flags, seq, ack, len)                                        \
	w_expect_at(w, __LINE__, flags, seq, ack, len)
#define NONE(w) w_none_at(w, __LINE__)
void w_drain(struct wire *w); /* forgets what left */

/* Opens actively / passively with these options of the peer. */
void w_new(struct wire *w);
void w_connect(struct wire *w, int opts);
void w_listen(struct wire *w, int backlog);
void w_accept(struct wire *w, int opts);
/* The same without the end of the handshake. */
void w_syn(struct wire *w, int opts);

size_t w_write(struct wire *w, size_t n); /* of the pattern; what fitted */
size_t w_write_more(struct wire *w, size_t n);
size_t w_read(struct wire *w, size_t n); /* checks the pattern */
void w_opt(struct wire *w, enum nst_opt opt, int64_t v);
uint64_t w_deadline(struct wire *w);
static inline enum nst_tcp_state w_state(const struct wire *w)
{
	return nst_tcp_state(w->tp);
}
void w_close(struct wire *w);

#define ST(w, name)                                                            \
	cr_assert_eq(w_state(w), NST_TCP_##name, "%d: state %d", __LINE__,     \
		     w_state(w))
#define COUNT(w, name) ((w)->st->count.Tcp##name)

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a hostile peer, or somebody on the way who guesses, can send: each
 * segment costs bounded work and memory, and the connection goes on. Work is
 * judged by allocations, answers and records; RFC 5961, 9293 3.10.7.4, 4953.
 */
#include "tests/unit/netstack_tcp/harness.h"

static struct wire w;

static void up(void)
{
	w_init(&w);
	w.unchecked = true; /* storms: w_still_sane() looks at the end */
}

static void down(void)
{
	w_fini(&w);
}

TestSuite(hostile, .init = up, .fini = down);

#define E TCP_ECE
#define MSS 1460u
#define STORM 5000

/* Sends as a script does, but forgets what comes back. */
static uint32_t drained(void)
{
	struct wseg s;
	uint32_t n = 0;

	while (w_out(&w, &s))
		n++;
	return n;
}

/* The connection still takes the peer's next 100 bytes and answers. */
static void still_sane(uint32_t seq, uint32_t ack)
{
	uint32_t before = w.tp->rcv_nxt.v;

	cr_assert(nst_stack_check(w.st));
	cr_assert(nst_stack_check(w.st));
	ST(&w, ESTABLISHED);
	w_in(&w, P | A, seq, ack, 100, 65535);
	cr_assert_eq(w.tp->rcv_nxt.v - before, 100, "data was not taken");
	w_after(&w, NST_SEC);
	cr_assert_gt(drained(), 0);
}

/* ---- blind, RFC 5961 ---- */

Test(hostile, blind_rst)
{
	uint64_t blocks;

	w_connect(&w, O_ALL);
	blocks = w.te.live_blocks;
	for (uint32_t i = 1; i <= STORM; i++)
		w_in(&w, R, 1 + i, 0, 0, 0); /* in the window, not exact */
	cr_assert_leq(drained(), 1, "challenge ACKs are limited");
	cr_assert_eq(w.te.live_blocks, blocks);
	still_sane(1, 1);
}

Test(hostile, blind_syn)
{
	w_connect(&w, O_ALL);
	for (uint32_t i = 0; i < STORM; i++)
		w_in(&w, S, i * 977, 0, 0, 65535);
	cr_assert_leq(drained(), 1);
	still_sane(1, 1);
}

Test(hostile, blind_data)
{
	w_connect(&w, O_NONE);
	/* RFC 5961 5.2: the ACK is not one that could be. */
	for (uint32_t i = 0; i < STORM; i++)
		w_in(&w, P | A, 1, 0x40000000u + i, 10, 65535);
	cr_assert_eq(w.tp->bytes_received, 0);
	cr_assert_leq(drained(), 1);
	still_sane(1, 1);
}

/* ---- storms of ACKs and SACKs ---- */

Test(hostile, ack_storm_idle)
{
	uint64_t allocs;

	w_connect(&w, O_NONE);
	allocs = w.te.allocs;
	for (uint32_t i = 0; i < STORM; i++)
		w_in(&w, A, 1, 1, 0, (uint16_t)(1000 + i % 2));
	cr_assert_eq(drained(), 0, "an ACK is not answered");
	/* One for the packet of each: the harness's own. */
	cr_assert_leq(w.te.allocs - allocs, STORM + 8);
	still_sane(1, 1);
}

Test(hostile, duplicate_acks)
{
	uint32_t sent;

	w_connect(&w, O_NONE);
	w_write(&w, 20 * MSS);
	drained();
	for (uint32_t i = 0; i < STORM; i++)
		w_in(&w, A, 1, 1, 0, 65535);
	/* RFC 5681 3.2 (RFC 9293 3.8.6): each may send one segment while
	 * there is something, and repeat the first once. */
	sent = drained();
	cr_assert_leq(sent, 21, "%u packets for duplicate ACKs", sent);
	still_sane(1, 1);
}

static void random_sack(struct wseg *s, uint32_t below)
{
	s->nsack = 4;
	for (int i = 0; i < 4; i++) {
		uint32_t from = 1 + testenv_below(&w.te, below);

		s->sack[i].from.v = from;
		s->sack[i].to.v = from + 1 + testenv_below(&w.te, 3000);
	}
}

Test(hostile, sack_storm)
{
	size_t peak;

	w_connect(&w, O_SACK | O_WS);
	w.tp->cwnd = 400;
	w_write(&w, 400 * MSS);
	drained();
	peak = w.te.peak_bytes;
	for (uint32_t i = 0; i < STORM; i++) {
		struct wseg s = w_seg(&w, A, 1, 1, 0);

		random_sack(&s, 300 * MSS);
		w_send(&w, &s);
		cr_assert_leq(w.tp->sents.n, LIMIT_TCP_SENT);
		if (i % 64 == 0)
			drained();
	}
	cr_assert(nst_stack_check(w.st));
	/* Records split by odd blocks: bounded by the scoreboard's limit. */
	cr_assert_lt(w.te.peak_bytes - peak,
		     LIMIT_TCP_SENT * 2 * sizeof(struct tcp_sent));
	drained();
	ST(&w, ESTABLISHED);
}

Test(hostile, sack_of_unsent)
{
	w_connect(&w, O_SACK);
	w_write(&w, 5 * MSS);
	drained();
	for (uint32_t i = 0; i < 100; i++) {
		struct wseg s = w_seg(&w, A, 1, 1, 0);

		s.nsack = 1;
		s.sack[0].from.v = 5 * MSS + 1 + i;
		s.sack[0].to.v = 50 * MSS;
		w_send(&w, &s);
	}
	cr_assert_eq(w.tp->sacked_out, 0);
	cr_assert_eq(w.tp->lost_out, 0);
	still_sane(1, 1);
}

/* ---- lies about what was received ---- */

Test(hostile, optimistic_ack)
{
	uint32_t cwnd, una;

	w_connect(&w, O_NONE);
	w_write(&w, 5 * MSS);
	drained();
	cwnd = w.tp->cwnd;
	una = w.tp->snd_una.v;
	for (uint32_t i = 1; i <= 1000; i++)
		w_in(&w, A, 1, 5 * MSS + 1 + i, 0, 65535);
	cr_assert_eq(w.tp->cwnd, cwnd, "no credit for what was not sent");
	cr_assert_eq(w.tp->snd_una.v, una);
	cr_assert_leq(drained(), 1);
	still_sane(1, 1);
}

/* RFC 5681 3.1, RFC 3465: many ACKs for one segment do not open more. */
Test(hostile, ack_division)
{
	w_connect(&w, O_NONE);
	w_write(&w, 10 * MSS);
	drained();
	for (uint32_t i = 1; i <= MSS; i++)
		w_in(&w, A, 1, 1 + i, 0, 65535);
	cr_assert_leq(w.tp->cwnd, 12, "cwnd %u", w.tp->cwnd);
	drained();
	still_sane(1, 1 + MSS);
}

/* RFC 3168 6.1.2: one reduction a window, however often it is reported. */
Test(hostile, ece_storm)
{
	struct nst_sockaddr to = test_sa(W_PEER, W_PEER_PORT);

	cr_assert_eq(nst_sysctl_set(w.st, "tcp_ecn", "1"), NST_OK);
	w_new(&w);
	cr_assert_eq(nst_tcp_connect(w.tp, &to, w.now), NST_E_INPROGRESS);
	EXPECT(&w, S | E | TCP_CWR, 0, 0, 0);
	w_in(&w, S | A | E, 0, 1, 0, 65535);
	EXPECT(&w, A, 1, 1, 0);
	w_write(&w, 10 * 536);
	drained();
	for (uint32_t i = 0; i < STORM; i++)
		w_in(&w, A | E, 1, 537, 0, 65535);
	cr_assert_neq(w.tp->ca_state, TCP_CA_OPEN);
	cr_assert_geq(w.tp->ssthresh, 5, "ssthresh %u", w.tp->ssthresh);
	drained();
	still_sane(1, 537);
}

/* ---- windows and sizes ---- */

/* RFC 9293 3.8.6: a window that shrinks is discouraged, but is borne. */
Test(hostile, shrinking_window)
{
	w_connect(&w, O_NONE);
	w_write(&w, 20 * MSS);
	drained();
	for (uint32_t wnd = 10 * MSS; wnd; wnd -= MSS)
		w_in(&w, A, 1, 1, 0, (uint16_t)wnd);
	w_in(&w, A, 1, 1, 0, 0);
	w_after(&w, 60 * NST_SEC);
	cr_assert_lt(drained(), 60, "probes back off");
	w_in(&w, A, 1, 1 + 10 * MSS, 0, 65535);
	w_after(&w, 10 * NST_SEC);
	drained();
	still_sane(1, 1 + 10 * MSS);
}

/* tcp_min_snd_mss: a tiny MSS does not make a packet of each byte. */
Test(hostile, tiny_mss)
{
	uint32_t n;

	w.mss = 1;
	w_connect(&w, O_NONE);
	cr_assert_geq(w.tp->mss, 48 - 40, "MSS %u", w.tp->mss);
	w.tp->cwnd = 10000;
	w_write(&w, 4800);
	n = drained();
	cr_assert_leq(n, 4800 / 8 + 1, "%u packets", n);
	w_in(&w, A, 1, 4801, 0, 65535);
	still_sane(1, 4801);
}

/* Every second byte: what is kept does not grow with the number of holes. */
Test(hostile, holes)
{
	size_t before;

	w_connect(&w, O_SACK | O_WS);
	before = w.te.live_bytes;
	for (uint32_t i = 0; i < 20000; i++) {
		w_in(&w, P | A, 3 + 2 * i, 1, 1, 65535);
		cr_assert_leq(w.tp->ooo.n, LIMIT_TCP_OOO);
		if (i % 64 == 0)
			drained();
	}
	cr_assert_lt(w.te.live_bytes - before, 1u << 20);
	drained();
	cr_assert(nst_stack_check(w.st));
	ST(&w, ESTABLISHED);
	/* The gaps close, and the data is right. */
	for (uint32_t at = 1; at < 4001; at += 1000)
		w_in(&w, P | A, at, 1, 1000, 65535);
	cr_assert_geq(w_read(&w, 4000), 4000);
	drained();
}

/* Window, zero window, window...: each change costs at most a packet. */
Test(hostile, window_flapping)
{
	uint32_t n;

	w_connect(&w, O_NONE);
	w_write(&w, 40 * MSS);
	drained();
	w_in(&w, A, 1, 1, 0, 0);
	for (uint32_t i = 0; i < STORM; i++)
		w_in(&w, A, 1, 1, 0, i % 2 ? 1 : 0);
	n = drained();
	cr_assert_leq(n, 45, "%u packets", n);
	w_in(&w, A, 1, 1 + 10 * MSS, 0, 65535);
	drained();
	still_sane(1, 1 + 10 * MSS);
}

/* ---- the handshake ---- */

Test(hostile, syn_flood)
{
	size_t before;
	struct wseg s;

	w_listen(&w, 64);
	before = w.te.live_bytes;
	for (uint32_t i = 0; i < 20000; i++) {
		w.peer_port = (uint16_t)(1024 + i % 60000);
		s = w_seg(&w, S, i, 0, 0);
		s.mss = 1460;
		w_send(&w, &s);
		if (i % 64 == 0)
			w_drain(&w);
	}
	cr_assert_lt(w.te.live_bytes - before, 8u << 20);
	w_drain(&w);
	w.isn_known = false;
	/* RFC 4987 3.6: somebody honest still gets in. */
	w.peer_port = 62000;
	w_syn(&w, O_NONE);
	cr_assert(w_out(&w, &s));
	cr_assert_eq(s.flags, S | A);
	w_in(&w, A, 1, 1, 0, 65535);
	cr_assert_eq(nst_tcp_accept(w.lis, &w.tp), NST_OK);
	still_sane(1, 1);
}

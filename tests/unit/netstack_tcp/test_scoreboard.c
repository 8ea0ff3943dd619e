/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scoreboard and loss recovery against peers that lie: RFC 2018 (blocks of
 * any kind), RFC 2883, reneging, optimistic ACKs, ACK storms, no memory. After
 * each event the invariants hold; in the end an honest ACK ends it all.
 */
#include "tests/unit/netstack_tcp/harness.h"

#include <stdlib.h>

static struct wire w;

static void up(void)
{
	w_init(&w);
}

static void down(void)
{
	w_fini(&w);
}

TestSuite(scoreboard, .init = up, .fini = down);

#define MSS 1460u

static uint32_t below(uint32_t n)
{
	return n ? testenv_below(&w.te, n) : 0;
}

static uint32_t in_flight_bytes(void)
{
	return (uint32_t)seq_diff(w.tp->snd_nxt, w.tp->snd_una);
}

static uint32_t una(void)
{
	return w.tp->snd_una.v - w.isn;
}

/* Somewhere in the flight, often at a segment's edge, sometimes outside. */
static uint32_t somewhere(void)
{
	uint32_t n = in_flight_bytes(), at = below(n + 1);

	if (below(4))
		at -= at % MSS;
	if (!below(20))
		at = below(4 * n + 10) - n;
	return una() + at;
}

static void lie(int opts)
{
	struct wseg s = w_seg(&w, A, 1, una(), 0);

	if (!below(3))
		s.ack = una() + below(in_flight_bytes() + 1);
	if (!below(10))
		s.ack = una() - below(3 * MSS);
	if (!below(12))
		s.wnd = (uint16_t)below(65536);
	if (opts & O_SACK)
		s.nsack = (uint8_t)below(5);
	if (s.nsack > 3 && (opts & O_TS))
		s.nsack = 3;
	for (uint8_t i = 0; i < s.nsack; i++) {
		s.sack[i].from.v = somewhere();
		s.sack[i].to.v = s.sack[i].from.v + below(6 * MSS);
	}
	w_send(&w, &s);
}

static void random_event(int opts)
{
	switch (below(8)) {
	case 0:
		w_write(&w, 1 + below(20 * MSS));
		break;
	case 1:
		w_after(&w, below(30) * NST_MS);
		break;
	case 2:
		if (!below(6))
			w_after(&w, below(900) * NST_MS);
		break;
	default:
		lie(opts);
		w_after(&w, below(3000) * NST_US);
		break;
	}
	w_drain(&w);
}

/* An honest peer: all is acknowledged, with a window. */
static void honest_end(void)
{
	for (int i = 0; i < 4000 && w_state(&w) == NST_TCP_ESTABLISHED; i++) {
		if (!w.tp->packets_out && !tcp_send_pending(w.tp))
			break;
		w_in(&w, A, 1, w.tp->snd_nxt.v - w.isn, 0, 65535);
		w_after(&w, 10 * NST_MS);
		w_drain(&w);
	}
	cr_assert_eq(w.tp->packets_out, 0);
	cr_assert_eq(w.tp->sents.n, 0);
	cr_assert_eq(w.tp->lost_out + w.tp->retrans_out, 0);
	cr_assert_eq(ring_used(&w.tp->snd), 0);
}

static void life(int opts, uint64_t seed, bool oom)
{
	w_fini(&w);
	w_init(&w);
	w.te.rng = seed;
	w_connect(&w, opts);
	w_opt(&w, NST_TCP_NODELAY, (int64_t)(seed & 1));
	w_write(&w, 20 * MSS);
	w_drain(&w);
	for (int i = 0; i < 250; i++) {
		if (oom && !below(20))
			testenv_fail_nth(&w.te, below(3));
		random_event(opts);
		testenv_fail_never(&w.te);
		cr_assert_leq(w.tp->sents.n, LIMIT_TCP_SENT);
	}
	honest_end();
}

Test(scoreboard, lies_with_sack)
{
	for (uint64_t seed = 1; seed <= 60; seed++)
		life(O_SACK | O_WS, seed, false);
}

Test(scoreboard, lies_with_sack_and_timestamps)
{
	for (uint64_t seed = 100; seed <= 160; seed++)
		life(O_ALL, seed, false);
}

Test(scoreboard, lies_without_sack)
{
	for (uint64_t seed = 200; seed <= 260; seed++)
		life(O_NONE, seed, false);
}

Test(scoreboard, lies_without_memory)
{
	for (uint64_t seed = 300; seed <= 360; seed++)
		life(O_SACK | O_WS, seed, true);
}

static void sack_in(uint32_t ack, uint32_t from, uint32_t to)
{
	struct wseg s = w_seg(&w, A, 1, ack, 0);

	s.nsack = 1;
	s.sack[0].from.v = from;
	s.sack[0].to.v = to;
	w_send(&w, &s);
}

/* Blocks of a few bytes in a super-segment make no records of their own. */
Test(scoreboard, crumbs_make_no_records)
{
	uint32_t before;

	w_connect(&w, O_SACK);
	w_write(&w, 10 * MSS);
	w_drain(&w);
	before = w.tp->sents.n;
	for (uint32_t i = 0; i < 1000; i++)
		sack_in(1, 2 + i * 14, 9 + i * 14);
	cr_assert_leq(w.tp->sents.n, 10);
	cr_assert_geq(w.tp->sents.n, before);
	cr_assert_eq(w.tp->sacked_out, 0);
	w_drain(&w);
}

/* So many one-byte segments may be in flight. */
static void many_small(uint32_t n)
{
	w.tp->cwnd = n;
	w.tp->conf.sndbuf_set = true;
	w.tp->snd_limit = 1u << 30;
}

/* Every other segment of many is SACKed: as many records as segments, no
 * more; and when the holes close, they are few again. */
Test(scoreboard, sack_holes)
{
	enum { N = 3000 };
	uint32_t first;

	w_connect(&w, O_SACK);
	w_opt(&w, NST_TCP_NODELAY, 1);
	many_small(2 * N);
	w.unchecked = true;
	for (int i = 0; i < N; i++) {
		w_write(&w, 1);
		w_drain(&w);
	}
	first = w.tp->sents.n;
	cr_assert_eq(first, N);
	for (uint32_t i = 1; i < N; i += 2)
		sack_in(1, 1 + i, 2 + i);
	w_drain(&w);
	cr_assert_leq(w.tp->sents.n, N);
	cr_assert_eq(w.tp->sacked_out, N / 2);
	w_check(&w);
	sack_in(1, 2, 1 + N);
	w_drain(&w);
	cr_assert_leq(w.tp->sents.n, 2, "%u records", w.tp->sents.n);
	w_check(&w);
	w_in(&w, A, 1, 1 + N, 0, 65535);
	cr_assert_eq(w.tp->sents.n, 0);
	cr_assert_eq(w.tp->sents.cap, TCP_SENT_INL); /* the pool went back */
}

/* More records than the limit: the newest one grows, nothing is lost. */
Test(scoreboard, limit)
{
	enum { N = LIMIT_TCP_SENT + 100 };

	w_connect(&w, O_SACK);
	w_opt(&w, NST_TCP_NODELAY, 1);
	many_small(2 * N);
	w.unchecked = true;
	for (int i = 0; i < N; i++) {
		w_write(&w, 1);
		w_drain(&w);
	}
	cr_assert_eq(w.tp->sents.n, LIMIT_TCP_SENT);
	cr_assert_eq(in_flight_bytes(), N);
	w_check(&w);
	w.unchecked = false;
	sack_in(1, 1 + N - 50, 1 + N);
	w_in(&w, A, 1, 1 + N, 0, 65535);
	cr_assert_eq(w.tp->packets_out, 0);
	w_drain(&w);
}

/* ACKs of what was never sent, RFC 9293 3.10.7.4: nothing moves. */
Test(scoreboard, optimistic_ack)
{
	uint32_t cwnd;

	w_connect(&w, O_SACK);
	w_write(&w, 5 * MSS);
	w_drain(&w);
	cwnd = w.tp->cwnd;
	for (uint32_t i = 1; i < 100; i++)
		w_in(&w, A, 1, 1 + (5 + i) * MSS, 0, 65535);
	cr_assert_eq(una(), 1);
	cr_assert_eq(w.tp->cwnd, cwnd);
	cr_assert_eq(COUNT(&w, AckTooNew), 99);
	w_drain(&w);
}

/* A time-out in each state: the timer always has a purpose while something is
 * in flight (tcp_check), and the connection ends by itself. */
Test(scoreboard, silence_after_lies)
{
	for (uint64_t seed = 400; seed <= 410; seed++) {
		w_fini(&w);
		w_init(&w);
		w.te.rng = seed;
		w_connect(&w, O_SACK | O_WS);
		w_write(&w, 20 * MSS);
		w_drain(&w);
		for (int i = 0; i < 60; i++)
			random_event(O_SACK);
		w_in(&w, A, 1, una(), 0, 65535);
		w_write(&w, 1);
		for (int i = 0; i < 3000 && w_state(&w) != NST_TCP_CLOSE; i++) {
			w_after(&w, NST_SEC);
			w_drain(&w);
		}
		ST(&w, CLOSE);
		w_drain(&w);
	}
}

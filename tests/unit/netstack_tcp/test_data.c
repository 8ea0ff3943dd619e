/* SPDX-License-Identifier: Apache-2.0 */
/* Data: segmentation, Nagle, cork, windows, acknowledgements, urgent, PAWS. */
#include "tests/unit/netstack_tcp/harness.h"

static struct wire w;

static void up(void)
{
	w_init(&w);
}

static void down(void)
{
	w_fini(&w);
}

TestSuite(data, .init = up, .fini = down);

Test(data, segments_of_mss)
{
	w_connect(&w, O_NONE);
	w_write(&w, 3000);
	EXPECT(&w, A, 1, 1, 1460);
	EXPECT(&w, A, 1461, 1, 1460);
	EXPECT(&w, P | A, 2921, 1, 80); /* Minshall: no small one is out */
	w_write(&w, 80);
	NONE(&w);
}

Test(data, nagle)
{
	w_connect(&w, O_NONE);
	w_write(&w, 10);
	EXPECT(&w, P | A, 1, 1, 10);
	w_write(&w, 10); /* a small one is out: held */
	NONE(&w);
	w_in(&w, A, 1, 11, 0, 65535);
	EXPECT(&w, P | A, 11, 1, 10);
	w_opt(&w, NST_TCP_NODELAY, 1);
	w_write(&w, 10);
	EXPECT(&w, P | A, 21, 1, 10);
}

Test(data, cork)
{
	w_connect(&w, O_NONE);
	w_opt(&w, NST_TCP_CORK, 1);
	w_write(&w, 100);
	w_write(&w, 1400);
	EXPECT(&w, A, 1, 1, 1460);
	NONE(&w);
	w_opt(&w, NST_TCP_CORK, 0);
	w_in(&w, A, 1, 1461, 0, 65535);
	EXPECT(&w, P | A, 1461, 1, 40);
	w_in(&w, A, 1, 1501, 0, 65535);
	w_opt(&w, NST_TCP_CORK, 1);
	w_write(&w, 7);
	w_after(&w, 199 * NST_MS);
	NONE(&w);
	w_after(&w, 2 * NST_MS); /* its own timer, at the RTO */
	EXPECT(&w, P | A, 1501, 1, 7);
}

Test(data, msg_more)
{
	w_connect(&w, O_NONE);
	w_write_more(&w, 5);
	NONE(&w);
	w_write(&w, 5);
	EXPECT(&w, P | A, 1, 1, 10);
}

Test(data, initial_window_of_ten)
{
	w_connect(&w, O_NONE);
	w_write(&w, 40000);
	/* LINUX: packets of half a window, each of them pushed. */
	for (uint32_t i = 0; i < 10; i++)
		EXPECT(&w, i % 5 == 4 ? P | A : A, 1 + i * 1460, 1, 1460);
	NONE(&w);
	w_in(&w, A, 1, 1 + 2 * 1460, 0, 65535); /* slow start: two for one */
	for (uint32_t i = 10; i < 14; i++)
		EXPECT(&w, i == 13 ? P | A : A, 1 + i * 1460, 1, 1460);
	NONE(&w);
}

Test(data, window_scaling_of_the_peer)
{
	w.peer_wscale = 3;
	w_connect(&w, O_WS);
	w_in(&w, A, 1, 1, 0, 500); /* 4000 bytes */
	w_write(&w, 5000);
	EXPECT(&w, A, 1, 1, 1460);
	EXPECT(&w, A, 1461, 1, 1460);
	/* LINUX: the window's end may cut a super-segment, never start one. */
	EXPECT(&w, P | A, 2921, 1, 1080);
	NONE(&w);
}

Test(data, our_window_is_scaled)
{
	struct wseg s;

	w_connect(&w, O_WS);
	w_in(&w, P | A, 1, 1, 1000, 65535);
	s = EXPECT(&w, A, 1, 1001, 0);
	cr_assert_geq((uint32_t)s.wnd << 10, 62000);
	cr_assert_leq((uint32_t)s.wnd << 10, 65536 + 1023);
}

Test(data, persist)
{
	nst_time t0;

	w_connect(&w, O_NONE);
	w_in(&w, A, 1, 1, 0, 0);
	t0 = w.now;
	w_write(&w, 100);
	NONE(&w);
	for (int i = 0; i < 4; i++) { /* RFC 9293 3.8.6.1, backed off */
		w_to(&w, t0 + (201 << i) * NST_MS - NST_MS);
		NONE(&w);
		t0 = t0 + (201 << i) * NST_MS;
		w_to(&w, t0 + 2 * NST_MS);
		EXPECT(&w, A, 0, 1, 0);
		w_in(&w, A, 1, 1, 0, 0);
		t0 = w.now; /* LINUX: the answer starts the wait anew */
	}
	w_in(&w, A, 1, 1, 0, 1000);
	EXPECT(&w, P | A, 1, 1, 100);
}

Test(data, persist_sends_into_a_small_window)
{
	w_connect(&w, O_NONE);
	w_in(&w, A, 1, 1, 0, 0);
	w_write(&w, 3000);
	w_in(&w, A, 1, 1, 0, 100);
	NONE(&w); /* silly window */
	w_after(&w, 250 * NST_MS);
	EXPECT(&w, P | A, 1, 1, 100); /* LINUX: pushed, being forced */
}

/* ---- receiving ---- */

Test(data, quick_then_delayed_ack)
{
	uint32_t at = 1;

	w_connect(&w, O_NONE);
	for (int i = 0; i < 16; i++, at += 10) {
		w_in(&w, P | A, at, 1, 10, 65535);
		EXPECT(&w, A, 1, at + 10, 0);
		w_after(&w, 5 * NST_MS);
	}
	w_in(&w, A, at, 1, 10, 65535);
	NONE(&w);
	w_after(&w, 39 * NST_MS);
	NONE(&w);
	w_after(&w, NST_MS);
	EXPECT(&w, A, 1, at + 10, 0);
	cr_assert_eq(COUNT(&w, DelayedACKs), 1);
}

Test(data, ack_rides_on_data)
{
	uint32_t at = 1, mine = 1;

	w_connect(&w, O_NONE);
	for (int i = 0; i < 20; i++) {
		w_in(&w, P | A, at, mine, 10, 65535);
		w_drain(&w);
		at += 10;
		w_read(&w, 100);
		w_drain(&w);
		w_write(&w, 5);
		EXPECT(&w, P | A, mine, at, 5);
		mine += 5;
		NONE(&w);
	}
}

Test(data, every_second_segment)
{
	w_connect(&w, O_NONE);
	w_opt(&w, NST_TCP_QUICKACK, 0);
	w_in(&w, A, 1, 1, 1460, 65535);
	NONE(&w);
	w_in(&w, A, 1461, 1, 1460, 65535);
	EXPECT(&w, A, 1, 2921, 0);
}

Test(data, zero_window_and_update)
{
	uint32_t at = 1;
	struct wseg s;

	w_connect(&w, O_NONE);
	while (tcp_rcv_wnd(w.tp)) {
		uint32_t n = tcp_rcv_wnd(w.tp);

		n = n < 1460 ? n : 1460;
		w_in(&w, A, at, 1, n, 65535);
		at += n;
		cr_assert_lt(at, 1000000);
	}
	w_drain(&w);
	w_in(&w, A, at, 1, 10, 65535); /* beyond the window */
	s = EXPECT(&w, A, 1, at, 0);
	cr_assert_eq(s.wnd, 0);
	cr_assert_eq(COUNT(&w, BeyondWindow), 1);
	w_read(&w, 100);
	NONE(&w); /* RFC 9293 3.8.6.2.2 */
	w_read(&w, 40000);
	s = EXPECT(&w, A, 1, at, 0);
	cr_assert_gt(s.wnd, 30000);
}

Test(data, out_of_order_sack_and_dsack)
{
	struct wseg s;

	w_connect(&w, O_SACK);
	w_in(&w, A, 101, 1, 100, 65535);
	s = EXPECT(&w, A, 1, 1, 0);
	cr_assert_eq(s.nsack, 1);
	cr_assert_eq(s.sack[0].from.v, 101);
	cr_assert_eq(s.sack[0].to.v, 201);
	w_in(&w, A, 401, 1, 100, 65535);
	s = EXPECT(&w, A, 1, 1, 0);
	cr_assert_eq(s.nsack, 2);
	cr_assert_eq(s.sack[0].from.v, 401); /* the latest first */
	w_in(&w, A, 401, 1, 100, 65535);     /* again: D-SACK */
	s = EXPECT(&w, A, 1, 1, 0);
	cr_assert_eq(s.nsack, 3);
	cr_assert_eq(s.sack[0].from.v, 401);
	w_in(&w, A, 1, 1, 100, 65535);
	s = EXPECT(&w, A, 1, 201, 0);
	cr_assert_eq(s.nsack, 1);
	w_in(&w, A, 201, 1, 200, 65535);
	s = EXPECT(&w, A, 1, 501, 0);
	cr_assert_eq(s.nsack, 0);
	cr_assert_eq(w_read(&w, 1000), 500);
	w_in(&w, A, 1, 1, 100, 65535); /* old */
	s = EXPECT(&w, A, 1, 501, 0);
	cr_assert_eq(s.nsack, 1);
	cr_assert_eq(s.sack[0].from.v, 1);
	cr_assert_eq(COUNT(&w, DSACKOldSent), 1);
}

Test(data, overlapping)
{
	w_connect(&w, O_NONE);
	w_in(&w, A, 1, 1, 100, 65535);
	w_in(&w, A, 51, 1, 100, 65535);
	cr_assert_eq(w_read(&w, 1000), 150);
	w_drain(&w);
}

/* ---- RFC 7323 ---- */

Test(data, paws)
{
	struct wseg s;

	w_connect(&w, O_ALL);
	w_in(&w, A, 1, 1, 10, 1000);
	w_drain(&w);
	s = w_seg(&w, A, 11, 1, 10);
	s.tsval -= 5000;
	w_send(&w, &s);
	EXPECT(&w, A, 1, 11, 0);
	cr_assert_eq(COUNT(&w, PAWSDrops), 1);
	cr_assert_eq(w_read(&w, 100), 10);
}

Test(data, timestamps_are_echoed)
{
	struct wseg s;

	w_connect(&w, O_ALL);
	s = w_seg(&w, P | A, 1, 1, 10);
	w_send(&w, &s);
	cr_assert_eq(EXPECT(&w, A, 1, 11, 0).tsecr, s.tsval);
}

/* ---- urgent ---- */

Test(data, urgent_out)
{
	struct wseg s;

	w_connect(&w, O_NONE);
	w_write_more(&w, 4);
	cr_assert_eq(nst_tcp_snd_urgent(w.tp, '!', w.now), NST_OK);
	s = EXPECT(&w, P | A | U, 1, 1, 5);
	cr_assert_eq(s.up, 5);
	cr_assert_eq(s.data[4], '!');
}

Test(data, urgent_in)
{
	struct wseg s;
	uint8_t c;

	w_connect(&w, O_NONE);
	cr_assert_eq(nst_tcp_rcv_urgent(w.tp, false, &c), NST_E_INVAL);
	s = w_seg(&w, P | A | U, 1, 1, 10);
	s.up = 5; /* the byte before: number 4 */
	w_send(&w, &s);
	cr_assert_eq(nst_tcp_rcv_urgent(w.tp, true, &c), NST_OK);
	cr_assert_eq(nst_tcp_rcv_urgent(w.tp, false, &c), NST_OK);
	cr_assert_eq(c, s.data[4]);
	cr_assert_eq(nst_tcp_rcv_urgent(w.tp, false, &c), NST_E_INVAL);
	cr_assert(!nst_tcp_at_mark(w.tp));
	cr_assert_eq(w_read(&w, 100), 4); /* stops at the mark */
	cr_assert(nst_tcp_at_mark(w.tp));
	struct nst_iov iov[2];
	size_t n;
	cr_assert_eq(nst_tcp_rcv_data(w.tp, iov, &n), 5);
	cr_assert_eq(((uint8_t *)iov[0].p)[0], s.data[5]);
	nst_tcp_rcv_consume(w.tp, 5, w.now);
	cr_assert(!nst_tcp_at_mark(w.tp));
	w_drain(&w);
}

/* ---- keepalive ---- */

Test(data, keepalive_schedule)
{
	nst_time t0;

	w_connect(&w, O_NONE);
	w_opt(&w, NST_TCP_KEEPIDLE, 10);
	w_opt(&w, NST_TCP_KEEPINTVL, 3);
	w_opt(&w, NST_TCP_KEEPCNT, 2);
	w_opt(&w, NST_SO_KEEPALIVE, 1);
	t0 = w.now;
	w_to(&w, t0 + 10 * NST_SEC - 1);
	NONE(&w);
	w_to(&w, t0 + 10 * NST_SEC);
	EXPECT(&w, A, 0, 1, 0);
	w_in(&w, A, 1, 1, 0, 1000); /* alive */
	w_to(&w, t0 + 20 * NST_SEC);
	EXPECT(&w, A, 0, 1, 0);
	w_to(&w, t0 + 23 * NST_SEC);
	EXPECT(&w, A, 0, 1, 0);
	w_to(&w, t0 + 26 * NST_SEC);
	EXPECT(&w, R | A, 1, 1, 0);
	ST(&w, CLOSE);
	cr_assert_eq(nst_sock_error(nst_tcp_sock(w.tp), true), NST_E_TIMEDOUT);
}

Test(data, keepalive_off_again)
{
	w_connect(&w, O_NONE);
	w_opt(&w, NST_TCP_KEEPIDLE, 1);
	w_opt(&w, NST_SO_KEEPALIVE, 1);
	w_opt(&w, NST_SO_KEEPALIVE, 0);
	w_opt(&w, NST_SO_KEEPALIVE, 0);
	w_after(&w, 100 * NST_SEC);
	NONE(&w);
}

Test(data, events_for_a_full_ring)
{
	size_t n, sent = 0, niov;
	struct nst_iov iov[2];
	uint32_t at = 1;
	struct wseg s;

	w_connect(&w, O_NONE);
	w_opt(&w, NST_SO_SNDBUF, 10000);
	while ((n = w_write(&w, 5000)))
		sent += n;
	/* LINUX: the limit is looked at when a buffer begins. */
	cr_assert_geq(sent, 15000);
	cr_assert_leq(sent, 20000 + 65535 / 2);
	cr_assert_geq(tcp_wmem(w.tp), 20000);
	w.user.seen = 0;
	cr_assert_eq(nst_tcp_snd_space(w.tp, iov, &niov), 0);
	for (int i = 0; i < 10 && !(w.user.seen & NST_EV_OUT); i++) {
		while (w_out(&w, &s))
			at = s.seq + s.len;
		w_in(&w, A, 1, at, 0, 65535);
	}
	cr_assert(w.user.seen & NST_EV_OUT);
	/* LINUX: a third of the buffer is free. */
	cr_assert_leq(tcp_wmem(w.tp), 20000 * 2 / 3);
	w_drain(&w);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Closing in every order: RFC 9293 3.6, 3.10.4; RST rules: RFC 5961, 1337. */
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

TestSuite(close, .init = up, .fini = down);

Test(close, active_then_time_wait)
{
	w_connect(&w, O_NONE);
	w_close(&w);
	EXPECT(&w, F | A, 1, 1, 0);
	w_in(&w, A, 1, 2, 0, 1000);
	w_in(&w, F | A, 1, 2, 0, 1000);
	EXPECT(&w, A, 2, 2, 0);
	cr_assert_eq(w.st->tcp->ntw, 1);
	cr_assert_eq(w.st->tcp->norphans, 0);
	w_in(&w, R, 2, 0, 0, 0); /* RFC 1337: does not end it */
	cr_assert_eq(w.st->tcp->ntw, 1);
	w_in(&w, F | A, 1, 2, 0, 1000); /* again: acknowledged */
	EXPECT(&w, A, 2, 2, 0);
	w_after(&w, 59 * NST_SEC);
	cr_assert_eq(w.st->tcp->ntw, 1);
	w_after(&w, NST_SEC);
	cr_assert_eq(w.st->tcp->ntw, 0);
}

Test(close, passive)
{
	w_connect(&w, O_NONE);
	w_in(&w, F | A, 1, 1, 0, 1000);
	w_after(&w, TCP_DELACK_MIN); /* LINUX: an answer is likely */
	EXPECT(&w, A, 1, 2, 0);
	ST(&w, CLOSE_WAIT);
	cr_assert(w.user.seen & NST_EV_FIN);
	cr_assert(nst_tcp_rcv_eof(w.tp));
	cr_assert_eq(w_write(&w, 10), 10); /* half-closed: still sends */
	EXPECT(&w, P | A, 1, 2, 10);
	w_in(&w, A, 2, 11, 0, 1000);
	w_close(&w);
	EXPECT(&w, F | A, 11, 2, 0);
	w_in(&w, A, 2, 12, 0, 1000);
	NONE(&w);
	cr_assert_eq(w.st->tcp->norphans, 0);
	cr_assert_eq(w.st->tcp->ntw, 0);
}

Test(close, simultaneous)
{
	w_connect(&w, O_NONE);
	cr_assert_eq(nst_tcp_shutdown(w.tp, false, true, w.now), NST_OK);
	EXPECT(&w, F | A, 1, 1, 0);
	w_in(&w, F | A, 1, 1, 0, 1000);
	EXPECT(&w, A, 2, 2, 0);
	ST(&w, CLOSING);
	w_in(&w, A, 2, 2, 0, 1000);
	ST(&w, CLOSE);
	cr_assert_eq(w.st->tcp->ntw, 1);
	cr_assert(w.user.seen & NST_EV_CLOSED);
	cr_assert_neq(w.user.seen & NST_EV_ERR, NST_EV_ERR);
}

Test(close, fin_acked_with_peers_fin)
{
	w_connect(&w, O_NONE);
	w_close(&w);
	EXPECT(&w, F | A, 1, 1, 0);
	w_in(&w, F | A, 1, 2, 0, 1000);
	EXPECT(&w, A, 2, 2, 0);
	cr_assert_eq(w.st->tcp->ntw, 1);
}

Test(close, fin_with_data)
{
	w_connect(&w, O_NONE);
	w_write_more(&w, 20);
	w_close(&w);
	EXPECT(&w, F | A, 1, 1, 20); /* MSG_MORE: no PSH */
	w_in(&w, A, 1, 22, 0, 1000);
	cr_assert_eq(w.st->tcp->norphans, 0);
	cr_assert_eq(w.st->tcp->ntw, 1); /* FIN-WAIT-2 */
}

Test(close, half_close_then_data_comes)
{
	w_connect(&w, O_NONE);
	cr_assert_eq(nst_tcp_shutdown(w.tp, false, true, w.now), NST_OK);
	EXPECT(&w, F | A, 1, 1, 0);
	w_in(&w, A, 1, 2, 0, 1000);
	ST(&w, FIN_WAIT2);
	cr_assert(w.user.seen & NST_EV_ACKED);
	w_in(&w, P | A, 1, 2, 100, 1000);
	cr_assert_eq(w_read(&w, 1000), 100);
	w_after(&w, 200 * NST_SEC); /* no timer: the owner is alive */
	ST(&w, FIN_WAIT2);
	cr_assert_eq(nst_tcp_shutdown(w.tp, true, true, w.now), NST_OK);
}

Test(close, orphan_fin_wait2_times_out)
{
	w_connect(&w, O_NONE);
	w_close(&w);
	EXPECT(&w, F | A, 1, 1, 0);
	w_in(&w, A, 1, 2, 0, 1000);
	w_after(&w, 59 * NST_SEC);
	cr_assert_eq(w.st->tcp->ntw, 1);
	w_after(&w, 1 * NST_SEC);
	cr_assert_eq(w.st->tcp->ntw, 0);
	cr_assert_eq(w.st->tcp->norphans, 0);
}

Test(close, linger2_negative_skips_fin_wait2)
{
	w_connect(&w, O_NONE);
	w_opt(&w, NST_TCP_LINGER2, -1);
	w_close(&w);
	EXPECT(&w, F | A, 1, 1, 0);
	w_in(&w, A, 1, 2, 0, 1000);
	EXPECT(&w, R, 2, 0, 0);
	cr_assert_eq(w.st->tcp->norphans, 0);
}

Test(close, unread_data_resets)
{
	w_connect(&w, O_NONE);
	w_in(&w, P | A, 1, 1, 5, 1000);
	w_drain(&w);
	w_close(&w);
	EXPECT(&w, R | A, 1, 6, 0);
	cr_assert_eq(COUNT(&w, AbortOnClose), 1);
}

Test(close, linger_zero_resets)
{
	w_connect(&w, O_NONE);
	w_opt(&w, NST_SO_LINGER, 0);
	w_close(&w);
	EXPECT(&w, R | A, 1, 1, 0);
}

Test(close, data_after_close_is_reset)
{
	w_connect(&w, O_NONE);
	w_close(&w);
	EXPECT(&w, F | A, 1, 1, 0);
	w_in(&w, P | A, 1, 2, 10, 1000);
	EXPECT(&w, R, 2, 0, 0);
	cr_assert_eq(COUNT(&w, AbortOnData), 1);
	cr_assert_eq(w.st->tcp->norphans, 0);
}

Test(close, out_of_order_fin)
{
	w_connect(&w, O_NONE);
	w_in(&w, F | P | A, 11, 1, 5, 1000);
	EXPECT(&w, A, 1, 1, 0);
	ST(&w, ESTABLISHED);
	w_in(&w, A, 1, 1, 10, 1000);
	EXPECT(&w, A, 1, 17, 0);
	ST(&w, CLOSE_WAIT);
	cr_assert_eq(w_read(&w, 100), 15);
	cr_assert(nst_tcp_rcv_eof(w.tp));
}

Test(close, zero_window_then_fin)
{
	w_connect(&w, O_NONE);
	w_in(&w, A, 1, 1, 0, 0);
	w_write(&w, 10);
	NONE(&w);
	w_close(&w);
	NONE(&w);
	w_in(&w, A, 1, 1, 0, 1000);
	EXPECT(&w, F | P | A, 1, 1, 10);
}

Test(close, orphan_gives_up)
{
	nst_time t0 = w.now;

	w_connect(&w, O_NONE);
	w_close(&w);
	while (w.st->tcp->norphans && w.now < t0 + 1000 * NST_SEC)
		w_after(&w, NST_SEC);
	cr_assert_eq(w.st->tcp->norphans, 0);
	cr_assert_eq(COUNT(&w, AbortOnTimeout), 1);
	w_drain(&w);
}

/* ---- resets ---- */

Test(close, rst_exact)
{
	w_connect(&w, O_NONE);
	w_in(&w, P | A, 1, 1, 5, 1000);
	w_drain(&w);
	w_in(&w, R, 6, 0, 0, 0);
	ST(&w, CLOSE);
	cr_assert_eq(nst_sock_error(nst_tcp_sock(w.tp), true), NST_E_CONNRESET);
	cr_assert_eq(w_read(&w, 10), 5); /* what came before stays readable */
	cr_assert_eq(COUNT(&w, EstabResets), 1);
}

Test(close, rst_in_window_is_challenged)
{
	w_connect(&w, O_NONE);
	w_in(&w, R, 100, 0, 0, 0);
	EXPECT(&w, A, 1, 1, 0);
	ST(&w, ESTABLISHED);
	w_in(&w, R, 101, 0, 0, 0); /* rate limit */
	NONE(&w);
	cr_assert_eq(COUNT(&w, ChallengeACKLimited), 1);
	w_after(&w, 500 * NST_MS);
	w_in(&w, R, 101, 0, 0, 0);
	EXPECT(&w, A, 1, 1, 0);
	w_in(&w, R, 900000, 0, 0, 0); /* outside: nothing */
	NONE(&w);
}

Test(close, syn_is_challenged)
{
	w_connect(&w, O_NONE);
	w_in(&w, S, 50, 0, 0, 1000);
	EXPECT(&w, A, 1, 1, 0);
	ST(&w, ESTABLISHED);
	cr_assert_eq(COUNT(&w, SYNChallenge), 1);
}

Test(close, acks_out_of_range)
{
	w_connect(&w, O_NONE);
	w_in(&w, A, 1, 500, 0, 1000); /* not sent yet */
	EXPECT(&w, A, 1, 1, 0);
	w_after(&w, NST_SEC);
	w_in(&w, A, 1, 1u - 1000000u, 0, 1000); /* RFC 5961 5.2 */
	EXPECT(&w, A, 1, 1, 0);
	cr_assert_eq(COUNT(&w, AckTooNew), 1);
	cr_assert_eq(COUNT(&w, AckTooOld), 1);
}

Test(close, rst_in_each_state)
{
	w_connect(&w, O_NONE);
	w_in(&w, F | A, 1, 1, 0, 1000);
	w_drain(&w);
	w_in(&w, R, 2, 0, 0, 0);
	ST(&w, CLOSE);
	cr_assert_eq(nst_sock_error(nst_tcp_sock(w.tp), true), NST_E_PIPE);
	w_close(&w);
	w_connect(&w, O_NONE);
	w_close(&w);
	w_drain(&w);
	w_in(&w, R, 1, 0, 0, 0); /* FIN-WAIT-1 */
	cr_assert_eq(w.st->tcp->norphans, 0);
}

Test(close, abort_and_disconnect)
{
	w_connect(&w, O_NONE);
	nst_tcp_disconnect(w.tp, w.now);
	EXPECT(&w, R | A, 1, 1, 0);
	ST(&w, CLOSE);
	w_connect(&w, O_NONE);
	nst_tcp_abort(w.tp, w.now);
	EXPECT(&w, R | A, 1, 1, 0);
	w.tp = NULL;
}

Test(close, shutdown_errors)
{
	w_new(&w);
	cr_assert_eq(nst_tcp_shutdown(w.tp, true, true, w.now), NST_E_NOTCONN);
}

/* LINUX: what arrives after SHUT_RD alone is queued as ever. */
Test(close, shut_rd_keeps_data)
{
	w_connect(&w, O_NONE);
	cr_assert_eq(nst_tcp_shutdown(w.tp, true, false, w.now), NST_OK);
	w_in(&w, P | A, 1, 1, 500, 1000);
	EXPECT(&w, A, 1, 501, 0);
	cr_assert_eq(w_read(&w, 10), 10);
	ST(&w, ESTABLISHED);
}

/* LINUX: after SHUT_RDWR it is answered with RST. */
Test(close, data_after_shut_rdwr_resets)
{
	w_connect(&w, O_NONE);
	cr_assert_eq(nst_tcp_shutdown(w.tp, true, true, w.now), NST_OK);
	EXPECT(&w, F | A, 1, 1, 0);
	w_in(&w, A, 1, 2, 0, 1000);
	ST(&w, FIN_WAIT2);
	w_in(&w, P | A, 1, 2, 500, 1000);
	EXPECT(&w, R, 2, 0, 0);
	ST(&w, CLOSE);
	cr_assert_eq(nst_sock_error(nst_tcp_sock(w.tp), true), NST_E_CONNRESET);
}

/* ---- TIME-WAIT ---- */

static void into_time_wait(int opts)
{
	w_accept(&w, opts);
	w_close(&w);
	EXPECT(&w, F | A, 1, 1, 0);
	w_in(&w, F | A, 1, 2, 0, 1000);
	EXPECT(&w, A, 2, 2, 0);
	cr_assert_eq(w.st->tcp->ntw, 1);
}

Test(close, time_wait_reuse_by_sequence)
{
	struct wseg s;

	into_time_wait(O_NONE);
	s = w_seg(&w, S, 100000, 0, 0);
	w_send(&w, &s);
	s = EXPECT(&w, S | A, 0, 100001, 0);
	cr_assert_eq(w.st->tcp->ntw, 0);
	cr_assert_eq(COUNT(&w, TWRecycled), 1);
}

Test(close, time_wait_old_syn_is_acked)
{
	into_time_wait(O_NONE);
	w_in(&w, S, 0u - 1000u, 0, 0, 100); /* not new */
	EXPECT(&w, A, 2, 2, 0);
	cr_assert_eq(w.st->tcp->ntw, 1);
}

Test(close, time_wait_reuse_by_timestamp)
{
	struct wseg s;

	into_time_wait(O_ALL);
	w_after(&w, 2 * NST_SEC);
	s = w_seg(&w, S, 0u - 500u, 0, 0);
	w_send(&w, &s);
	cr_assert_eq(COUNT(&w, TWRecycled), 1);
	cr_assert_eq(w.st->tcp->nreqs, 1);
}

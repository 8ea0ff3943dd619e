/* SPDX-License-Identifier: Apache-2.0 */
/* Fast Open, RFC 7413: what scripts with one peer cannot show. */
#include "tests/unit/netstack_tcp/harness.h"

#include <string.h>

static struct wire w;

static void up(void)
{
	w_init(&w);
	w.st->tcp->ctl.tcp_fastopen = TFO_CLIENT_ENABLE | TFO_SERVER_ENABLE;
}

static void down(void)
{
	w_fini(&w);
}

TestSuite(fastopen, .init = up, .fini = down);

static struct tcp_fo_cookie cookie(void)
{
	struct nst_addr peer = test_addr(W_PEER), us = test_addr(W_LOCAL);
	struct tcp_fo_cookie c = {0};

	tcp_fo_make_cookie(w.st, &peer, &us, w.st->tcp->ctl.fastopen_key[0],
			   &c);
	return c;
}

static void listen_fast(int64_t limit)
{
	w_listen(&w, 100);
	cr_assert_eq(
	    nst_sock_set(nst_tcp_sock(w.lis), NST_TCP_FASTOPEN, limit, w.now),
	    NST_OK);
}

static void fast_syn(uint16_t port, uint32_t len)
{
	struct wseg s;

	w.peer_port = port;
	s = w_seg(&w, S, 0, 0, len);
	s.mss = 1460;
	s.fo = cookie();
	for (uint32_t i = 0; i < len; i++)
		s.data[i] = w_seg(&w, A, 1 + i, 0, 1).data[0];
	w_send(&w, &s);
}

static struct nst_tcp *accepted(void)
{
	struct nst_tcp *tp = NULL;

	cr_assert_eq(nst_tcp_accept(w.lis, &tp), NST_OK);
	return tp;
}

Test(fastopen, data_before_the_handshake_is_over)
{
	listen_fast(5);
	fast_syn(2000, 20);
	EXPECT(&w, S | A, 0, 21, 0);
	w.tp = accepted();
	ST(&w, SYN_RCVD);
	cr_assert_eq(w_read(&w, 100), 20);
	cr_assert_eq(w_write(&w, 3000), 3000);
	w_drain(&w);
	w_in(&w, A, 21, 3001, 0, 1000);
	ST(&w, ESTABLISHED);
	cr_assert_eq(nst_tcp_outq(w.tp), 0);
	cr_assert_eq(w.lis->fo.qlen, 0);
}

/* RFC 7413 5.1: no more than the limit wait for their handshake. */
Test(fastopen, queue_limit)
{
	struct nst_tcp *a, *b;
	uint32_t isn;

	listen_fast(2);
	fast_syn(2000, 5);
	EXPECT(&w, S | A, 0, 6, 0);
	isn = w.isn;
	fast_syn(2001, 5);
	EXPECT(&w, S | A, 0, 6, 0);
	fast_syn(2002, 5); /* an ordinary handshake */
	EXPECT(&w, S | A, 0, 1, 0);
	cr_assert_eq(COUNT(&w, FastOpenListenOverflow), 1);
	w.isn = isn;
	w.peer_port = 2000;
	w_in(&w, A, 6, 1, 0, 1000);
	fast_syn(2003, 5);
	EXPECT(&w, S | A, 0, 6, 0);
	cr_assert_eq(w.lis->fo.qlen, 2);
	a = accepted();
	b = accepted();
	nst_tcp_abort(a, w.now);
	nst_tcp_abort(b, w.now);
	w_drain(&w);
	cr_assert_eq(w.lis->fo.qlen, 1);
}

/* RFC 7413 5.1: who resets after its data was used counts for a minute. */
Test(fastopen, reset_counts_for_a_minute)
{
	listen_fast(1);
	fast_syn(2000, 5);
	EXPECT(&w, S | A, 0, 6, 0);
	w.tp = accepted();
	w_in(&w, R, 6, 0, 0, 0);
	ST(&w, CLOSE);
	cr_assert_eq(w.lis->fo.qlen, 1);
	fast_syn(2001, 5);
	EXPECT(&w, S | A, 0, 1, 0);
	w_after(&w, 59 * NST_SEC);
	w_drain(&w);
	fast_syn(2002, 5);
	EXPECT(&w, S | A, 0, 1, 0);
	w_after(&w, 2 * NST_SEC);
	w_drain(&w);
	fast_syn(2003, 5);
	EXPECT(&w, S | A, 0, 6, 0);
	cr_assert_eq(w.lis->fo.qlen, 1);
}

Test(fastopen, reset_before_accept_is_forgotten)
{
	struct nst_tcp *tp;

	listen_fast(1);
	fast_syn(2000, 5);
	EXPECT(&w, S | A, 0, 6, 0);
	w_in(&w, R, 6, 0, 0, 0);
	cr_assert_eq(w.lis->fo.qlen, 0);
	tp = accepted();
	cr_assert_eq(nst_tcp_state(tp), NST_TCP_CLOSE);
	nst_tcp_close(tp, w.now);
}

/* An accepted child outlives its listener. */
Test(fastopen, listener_closes)
{
	listen_fast(5);
	fast_syn(2000, 5);
	EXPECT(&w, S | A, 0, 6, 0);
	w.tp = accepted();
	nst_tcp_close(w.lis, w.now);
	w.lis = NULL;
	NONE(&w);
	w_after(&w, NST_SEC);
	EXPECT(&w, S | A, 0, 6, 0);
	w_in(&w, A, 6, 1, 0, 1000);
	ST(&w, ESTABLISHED);
	cr_assert_eq(w_read(&w, 100), 5);
}

/* One that was not accepted does not. */
Test(fastopen, listener_closes_over_child)
{
	listen_fast(5);
	fast_syn(2000, 5);
	EXPECT(&w, S | A, 0, 6, 0);
	nst_tcp_close(w.lis, w.now);
	w.lis = NULL;
	EXPECT(&w, R | A, 1, 6, 0);
}

/* The SYN-ACK is repeated once more than a request's, then ETIMEDOUT. */
Test(fastopen, child_gives_up)
{
	nst_time t0 = w.now;
	int n = 0;
	struct wseg s;

	listen_fast(5);
	fast_syn(2000, 5);
	w.tp = accepted();
	while (w_state(&w) == NST_TCP_SYN_RCVD && w.now < t0 + 300 * NST_SEC) {
		while (w_out(&w, &s))
			n += s.flags == (S | A);
		w_after(&w, NST_SEC);
	}
	ST(&w, CLOSE);
	cr_assert_eq(n, 7);
	cr_assert_eq(nst_sock_error(nst_tcp_sock(w.tp), true), NST_E_TIMEDOUT);
	cr_assert_eq(w.lis->fo.qlen, 0);
	w_drain(&w);
}

Test(fastopen, no_memory_for_the_child)
{
	listen_fast(5);
	for (uint64_t n = 1; n < 8; n++) {
		testenv_fail_nth(&w.te, n);
		fast_syn((uint16_t)(2000 + n), 50);
		testenv_fail_nth(&w.te, 0);
		w_drain(&w);
	}
	w.tp = NULL;
	w_after(&w, 130 * NST_SEC);
	w_drain(&w);
	fast_syn(3000, 50);
	EXPECT(&w, S | A, 0, 51, 0);
}

/* ---- client ---- */

static void get_cookie(void)
{
	struct nst_sockaddr to = test_sa(W_PEER, W_PEER_PORT);
	struct wseg s;

	w_new(&w);
	cr_assert_eq(nst_tcp_connect_fast(w.tp, &to, w.now), NST_OK);
	cr_assert(nst_tcp_deferred(w.tp));
	NONE(&w);
	cr_assert_eq(nst_tcp_syn_room(w.tp), 0);
	nst_tcp_snd_commit(w.tp, 0, false, w.now);
	s = EXPECT(&w, S, 0, 0, 0);
	cr_assert(s.fo.on && s.fo.len == 0);
	s = w_seg(&w, S | A, 0, 1, 0);
	s.mss = 1460;
	s.fo = (struct tcp_fo_cookie){.on = true, .len = 8, .val = "cookie!"};
	w_send(&w, &s);
	EXPECT(&w, A, 1, 1, 0);
	nst_tcp_abort(w.tp, w.now);
	w.tp = NULL;
	w_drain(&w);
	w.isn_known = false;
}

static enum nst_err connect_fast(void)
{
	struct nst_sockaddr to = test_sa(W_PEER, W_PEER_PORT);

	w_new(&w);
	return nst_tcp_connect_fast(w.tp, &to, w.now);
}

static void write_raw(size_t n)
{
	struct nst_iov iov[2];
	size_t niov;

	cr_assert_geq(nst_tcp_snd_space(w.tp, iov, &niov), n);
	for (size_t i = 0; i < n; i++)
		((uint8_t *)iov[0].p)[i] =
		    w_seg(&w, A, (uint32_t)(1 + i), 0, 1).data[0];
	nst_tcp_snd_commit(w.tp, n, false, w.now);
}

Test(fastopen, client_data)
{
	struct wseg s;

	get_cookie();
	cr_assert_eq(connect_fast(), NST_OK);
	cr_assert_eq(nst_tcp_syn_room(w.tp), 1420);
	write_raw(2000); /* more than the SYN takes */
	cr_assert(w_out(&w, &s));
	cr_assert_eq(s.flags, S);
	cr_assert_eq(s.len, 1420);
	cr_assert(s.fo.on && s.fo.len == 8);
	cr_assert(!nst_tcp_deferred(w.tp));
	s = w_seg(&w, S | A, 0, 1421, 0);
	s.mss = 1460;
	w_send(&w, &s);
	s = EXPECT(&w, A | P, 1421, 1, 580);
	ST(&w, ESTABLISHED);
	cr_assert_eq(COUNT(&w, FastOpenActive), 1);
	cr_assert_eq(w.tp->bytes_acked, 1421);
}

Test(fastopen, client_disabled)
{
	w.st->tcp->ctl.tcp_fastopen = TFO_SERVER_ENABLE;
	cr_assert_eq(connect_fast(), NST_E_OPNOTSUPP);
	ST(&w, CLOSE);
}

Test(fastopen, deferred_close_sends_nothing)
{
	get_cookie();
	cr_assert_eq(connect_fast(), NST_OK);
	ST(&w, SYN_SENT);
	w_after(&w, 300 * NST_SEC);
	ST(&w, SYN_SENT);
	nst_tcp_close(w.tp, w.now);
	w.tp = NULL;
	NONE(&w);
}

/* LINUX: the third time-out in a row pauses it for everybody. */
Test(fastopen, blackhole)
{
	struct wseg s;

	w.st->tcp->ctl.tcp_fastopen_blackhole_timeout_sec = 3600;
	get_cookie();
	cr_assert_eq(connect_fast(), NST_OK);
	write_raw(10);
	w_after(&w, 3 * NST_SEC);
	w_drain(&w);
	cr_assert_eq(COUNT(&w, FastOpenBlackhole), 1);
	cr_assert_eq(COUNT(&w, FastOpenActiveFail), 1);
	nst_tcp_close(w.tp, w.now);
	cr_assert_eq(connect_fast(), NST_OK);
	cr_assert_eq(nst_tcp_syn_room(w.tp), 0);
	nst_tcp_snd_commit(w.tp, 0, false, w.now);
	s = EXPECT(&w, S, 0, 0, 0);
	cr_assert(!s.fo.on);
	nst_tcp_close(w.tp, w.now);
	w_after(&w, 3600 * NST_SEC);
	cr_assert_eq(connect_fast(), NST_OK);
	cr_assert_neq(nst_tcp_syn_room(w.tp), 0);
}

/* LINUX: as well after the handshake, and by a FIN ahead of all data; success
 * on a way that is not loopback ends the pauses. */
Test(fastopen, blackhole_established)
{
	struct wseg s;

	w.st->tcp->ctl.tcp_fastopen_blackhole_timeout_sec = 10;
	get_cookie();
	cr_assert_eq(connect_fast(), NST_OK);
	write_raw(10);
	cr_assert(w_out(&w, &s) && s.flags == S && s.len == 10);
	s = w_seg(&w, S | A, 0, 11, 0);
	w_send(&w, &s);
	w_in(&w, F | A, 100, 11, 0, 1000);
	nst_tcp_abort(w.tp, w.now);
	w_drain(&w);
	cr_assert_eq(w.st->tcp->fo.pauses, 1);
	w_after(&w, 11 * NST_SEC);
	cr_assert_eq(connect_fast(), NST_OK);
	cr_assert_neq(nst_tcp_syn_room(w.tp), 0);
	write_raw(10);
	cr_assert(w_out(&w, &s) && s.flags == S && s.len == 10);
	s = w_seg(&w, S | A, 0, 11, 0);
	w_send(&w, &s);
	w_in(&w, A, 1, 11, 50, 1000);
	nst_tcp_abort(w.tp, w.now);
	w.tp = NULL;
	w_drain(&w);
	cr_assert_eq(w.st->tcp->fo.pauses, 0);
}

/* The setting's text, as Linux's. */
Test(fastopen, key_setting)
{
	static const char two[] = "a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4,"
				  "00000001-00000002-00000003-00000004";
	char out[80];

	cr_assert_eq(nst_sysctl_set(w.st, "net.ipv4.tcp_fastopen_key", two),
		     NST_OK);
	cr_assert_eq(nst_sysctl_get(w.st, "tcp_fastopen_key", out, sizeof(out)),
		     NST_OK);
	cr_assert_str_eq(out, two);
	cr_assert_eq(nst_sysctl_get(w.st, "tcp_fastopen_key", out, 60),
		     NST_E_INVAL);
	cr_assert_eq(nst_sysctl_set(w.st, "tcp_fastopen_key", "1-2-3"),
		     NST_E_INVAL);
	cr_assert_eq(nst_sysctl_set(w.st, "tcp_fastopen_key", "1-2-3-4,"),
		     NST_E_INVAL);
	cr_assert_eq(
	    nst_sysctl_set(w.st, "tcp_fastopen_key", "123456789-2-3-4"),
	    NST_E_INVAL);
}

Test(fastopen, second_key_is_accepted)
{
	uint8_t keys[32] = "first key, then second key......";
	struct nst_addr peer = test_addr(W_PEER), us = test_addr(W_LOCAL);
	uint8_t got[32];
	struct wseg s;

	listen_fast(5);
	cr_assert_eq(nst_tcp_set_fastopen_keys(w.lis, keys, 3), NST_E_INVAL);
	cr_assert_eq(nst_tcp_set_fastopen_keys(w.lis, keys, 2), NST_OK);
	cr_assert_eq(nst_tcp_fastopen_keys(w.lis, got), 2);
	cr_assert_arr_eq(got, keys, 32);
	s = w_seg(&w, S, 0, 0, 0);
	s.sport = w.peer_port = 2000;
	tcp_fo_make_cookie(w.st, &peer, &us, keys + 16, &s.fo);
	w_send(&w, &s);
	s = EXPECT(&w, S | A, 0, 1, 0);
	cr_assert(s.fo.on && s.fo.len == 8);
	cr_assert_eq(COUNT(&w, FastOpenPassiveAltKey), 1);
	cr_assert_eq(nst_tcp_accept_queued(w.lis), 1);
}

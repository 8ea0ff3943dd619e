/* SPDX-License-Identifier: Apache-2.0 */
/*
 * More openers at once than a listener has room for, all on loopback. What
 * happens to each is Linux's (6.18; the same five connects under strace and
 * tcpdump): two fit a backlog of 1, the SYNs of the others are dropped and all
 * come again a second later, in one moment.
 */
#include "tests/unit/netstack_tcp/harness.h"

#define CROWD 5

static struct wire w;
static struct nst_tcp *lis, *crowd[CROWD], *got[CROWD];
static size_t ngot;

static void up(void)
{
	struct nst_sockaddr to = test_sa("127.0.0.1", 90);

	w_init(&w);
	ngot = 0;
	cr_assert_eq(nst_tcp_new(w.st, 4, NULL, w.now, &lis), NST_OK);
	cr_assert_eq(nst_sock_bind(nst_tcp_sock(lis), &to), NST_OK);
	cr_assert_eq(nst_tcp_listen(lis, 1, w.now), NST_OK);
}

static void down(void)
{
	for (size_t i = 0; i < ngot; i++)
		nst_tcp_abort(got[i], w.now);
	for (size_t i = 0; i < CROWD; i++)
		nst_tcp_abort(crowd[i], w.now);
	nst_tcp_close(lis, w.now);
	w_fini(&w);
}

TestSuite(crowd, .init = up, .fini = down);

static void open_one(struct nst_tcp **tp)
{
	struct nst_sockaddr to = test_sa("127.0.0.1", 90);

	cr_assert_eq(nst_tcp_new(w.st, 4, NULL, w.now, tp), NST_OK);
	cr_assert_eq(nst_tcp_connect(*tp, &to, w.now), NST_E_INPROGRESS);
}

static void all_connect(void)
{
	for (size_t i = 0; i < CROWD; i++)
		open_one(&crowd[i]);
	w_check(&w);
}

static size_t accept_all(void)
{
	while (ngot < CROWD && nst_tcp_accept(lis, &got[ngot]) == NST_OK)
		ngot++;
	return ngot;
}

/* How many of the openers think that they are connected. */
static size_t connected(void)
{
	size_t n = 0;

	for (size_t i = 0; i < CROWD; i++)
		n += nst_tcp_state(crowd[i]) == NST_TCP_ESTABLISHED;
	return n;
}

/* The one that no accepted connection belongs to. */
static struct nst_tcp *left_over(void)
{
	struct nst_tcp *found = NULL;

	for (size_t i = 0; i < CROWD; i++) {
		struct nst_sockaddr a, b;
		bool has = false;

		nst_sock_local(nst_tcp_sock(crowd[i]), &a);
		for (size_t k = 0; k < ngot; k++)
			has |= !nst_sock_remote(nst_tcp_sock(got[k]), &b) &&
			       a.port == b.port;
		if (!has)
			found = crowd[i];
	}
	return found;
}

static void say(struct nst_tcp *tp)
{
	struct nst_iov iov[2];
	size_t niov;

	cr_assert_geq(nst_tcp_snd_space(tp, iov, &niov), 1);
	*(char *)iov[0].p = 'x';
	nst_tcp_snd_commit(tp, 1, false, w.now);
}

/*
 * LINUX: of three SYNs in one moment two fill the queue of requests, the third
 * gets a cookie. Then the ACKs: two fill the accept queue, the one with the
 * cookie is dropped, and nothing remembers it. Its opener is connected for all
 * it knows, and the listener learns of it when it says something.
 */
Test(crowd, a_cookie_that_finds_no_room_waits_for_data)
{
	struct nst_tcp *last;

	all_connect();
	cr_assert_eq(connected(), 2);
	cr_assert_eq(accept_all(), 2);
	cr_assert_eq(COUNT(&w, ListenOverflows), 3);
	w_after(&w, NST_SEC + NST_MS);
	cr_assert_eq(connected(), 5);
	cr_assert_eq(accept_all(), 4);
	cr_assert_eq(COUNT(&w, SyncookiesSent), 1);
	cr_assert_eq(COUNT(&w, ListenOverflows), 4);
	cr_assert_eq(COUNT(&w, ListenDrops), 4);
	cr_assert_eq(COUNT(&w, SyncookiesRecv), 1);
	w_after(&w, 30 * NST_SEC);
	cr_assert_eq(accept_all(), 4);
	last = left_over();
	say(last);
	w_after(&w, NST_SEC);
	cr_assert_eq(accept_all(), 5);
	cr_assert_eq(COUNT(&w, SyncookiesRecv), 2);
	cr_assert_null(left_over());
}

/* Without cookies the third SYN is dropped, and comes again at 2 s
 * (tcp_syn_linear_timeouts). */
Test(crowd, without_cookies_all_get_through)
{
	w.st->tcp->ctl.tcp_syncookies = 0;
	w.st->tcp->ctl.tcp_max_syn_backlog = 16;
	all_connect();
	cr_assert_eq(accept_all(), 2);
	w_after(&w, NST_SEC + NST_MS);
	cr_assert_eq(accept_all(), 4);
	cr_assert_eq(connected(), 4);
	cr_assert_eq(COUNT(&w, ReqQFullDrop), 1);
	w_after(&w, NST_SEC);
	cr_assert_eq(accept_all(), 5);
	cr_assert_eq(connected(), 5);
}

/* LINUX: a request whose ACK found the accept queue full is not forgotten: its
 * SYN-ACK comes again, the opener's ACK with it. */
Test(crowd, a_request_that_finds_no_room_asks_again)
{
	all_connect();
	cr_assert_eq(nst_tcp_accept(lis, &got[ngot++]), NST_OK);
	w_after(&w, NST_SEC + NST_MS);
	cr_assert_eq(connected(), 5);
	cr_assert_eq(accept_all(), 3);
	w_after(&w, NST_SEC);
	cr_assert_eq(accept_all(), 4);
	cr_assert_eq(COUNT(&w, SyncookiesSent), 1);
}

/* Somebody who accepts soon enough gets all: the SYNs come one by one. */
Test(crowd, one_after_the_other_all_get_through)
{
	for (size_t i = 0; i < CROWD; i++) {
		open_one(&crowd[i]);
		w_after(&w, 10 * NST_MS);
	}
	for (int i = 0; i < 100 && ngot < CROWD; i++) {
		w_after(&w, 50 * NST_MS);
		accept_all();
	}
	cr_assert_eq(ngot, CROWD);
	cr_assert_eq(COUNT(&w, SyncookiesSent), 0);
}

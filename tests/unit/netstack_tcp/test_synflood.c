/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many openers, hostile ones among them: RFC 4987, SYN cookies, the limits of
 * a listener's queues, RFC 5961's limits, and the small objects.
 */
#include "tests/unit/netstack_tcp/harness.h"

#include "netstack/tcp/tcp_req.h"

static struct wire w;

static void up(void)
{
	w_init(&w);
}

static void down(void)
{
	w_fini(&w);
}

TestSuite(synflood, .init = up, .fini = down, .timeout = 120);

#define CTL(name) (w.st->tcp->ctl.tcp_##name)

static void syn_from(uint16_t port, int opts)
{
	w.peer_port = port;
	w.ts_echo = 0;
	w_syn(&w, opts);
}

/* Everything that left is forgotten, but the SYN-ACK for `port`. */
static bool synack_for(uint16_t port, uint32_t *isn, uint32_t *echo)
{
	struct wseg s;
	bool found = false;

	while (w_out(&w, &s)) {
		if (s.flags != (S | A) || s.dport != port)
			continue;
		found = true;
		*isn = w.isn;
		*echo = s.tsval;
	}
	return found;
}

static size_t accept_all(void)
{
	struct nst_tcp *tp;
	size_t n = 0;

	while (nst_tcp_accept(w.lis, &tp) == NST_OK) {
		nst_tcp_abort(tp, w.now);
		n++;
	}
	return n;
}

static uint32_t rnd(uint32_t *x)
{
	*x = *x * 1664525u + 1013904223u;
	return *x >> 8;
}

/*
 * 100 000 spoofed SYNs a second for three seconds; every 50 ms somebody real
 * comes, and answers after a round trip of 40 ms. All of them get through, and
 * the flood costs no memory beyond the queue.
 */
Test(synflood, real_clients_get_through)
{
	uint32_t x = 1, isn = 0, echo = 0, real = 0;
	size_t got = 0;

	w_listen(&w, 128);
	w.unchecked = true;
	for (int ms = 0; ms < 3000; ms++) {
		uint16_t port = (uint16_t)(50000 + ms / 50);

		for (int i = 0; i < 100; i++)
			syn_from((uint16_t)(1024 + rnd(&x) % 40000), O_ALL);
		if (ms % 50 == 0) {
			w_drain(&w);
			syn_from(port, O_ALL);
			cr_assert(synack_for(port, &isn, &echo), "%d ms", ms);
		}
		if (ms % 50 == 40) {
			w_drain(&w);
			w.isn = isn;
			w.peer_port = port;
			w.ts = true;
			w.ts_echo = echo;
			w_in(&w, A, 1, 1, 0, 1000);
			w.ts = false;
			real++;
			got += accept_all();
		}
		w_drain(&w);
		cr_assert_leq(w.st->tcp->nreqs, 129);
		w_after(&w, NST_MS);
	}
	cr_assert_eq(got, real);
	cr_assert_geq(COUNT(&w, SyncookiesSent), 290000);
	cr_assert_geq(COUNT(&w, SyncookiesRecv), real - 2);
	w_drain(&w);
}

static void fill_queue(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		syn_from((uint16_t)(1000 + i), O_NONE);
	w_drain(&w);
}

/* What the SYN said comes back with the echo of the timestamp. */
Test(synflood, cookie_keeps_options)
{
	uint32_t isn = 0, echo = 0;

	w_listen(&w, 1);
	fill_queue(2);
	syn_from(2000, O_ALL);
	cr_assert(synack_for(2000, &isn, &echo));
	cr_assert_eq(w.st->tcp->nreqs, 2);
	w.isn = isn;
	w.ts = true;
	w.ts_echo = echo;
	w_in(&w, A, 1, 1, 0, 1000);
	cr_assert_eq(nst_tcp_accept(w.lis, &w.tp), NST_OK);
	cr_assert(w.tp->ts_on && w.tp->sack_on && w.tp->wscale_on);
	cr_assert_eq(w.tp->snd_wscale, w.peer_wscale);
	cr_assert_eq(w.tp->snd_wnd, 1000u << w.peer_wscale);
	w.ts = false;
	w_drain(&w);
}

/* RFC 4987 3.6: a cookie is good for two minutes, and only while cookies are
 * being sent. */
Test(synflood, cookie_gets_old)
{
	uint32_t isn = 0, echo = 0;

	w_listen(&w, 1);
	CTL(syncookies) = 2;
	syn_from(2000, O_NONE);
	cr_assert(synack_for(2000, &isn, &echo));
	w_after(&w, 59 * NST_SEC);
	w.isn = isn;
	w_in(&w, A, 1, 1, 0, 1000);
	w_after(&w, 62 * NST_SEC);
	cr_assert_eq(nst_tcp_accept_queued(w.lis), 1);
	cr_assert_eq(accept_all(), 1);
	w_drain(&w);
	w_in(&w, A, 1, 1, 0, 1000); /* the same, too late */
	EXPECT(&w, R, 1, 0, 0);
	cr_assert_eq(accept_all(), 0);
	cr_assert_eq(COUNT(&w, SyncookiesFailed), 0); /* not even looked at */
}

Test(synflood, cookie_of_another_flow)
{
	uint32_t isn = 0, echo = 0;

	w_listen(&w, 1);
	CTL(syncookies) = 2;
	syn_from(2000, O_NONE);
	cr_assert(synack_for(2000, &isn, &echo));
	w.isn = isn;
	w.peer_port = 2001;
	w_in(&w, A, 1, 1, 0, 1000);
	EXPECT(&w, R, 1, 0, 0);
	cr_assert_eq(COUNT(&w, SyncookiesFailed), 1);
}

Test(synflood, cookie_needs_room_in_accept_queue)
{
	uint32_t isn = 0, echo = 0;

	w_listen(&w, 0);
	CTL(syncookies) = 2;
	syn_from(2000, O_NONE);
	cr_assert(synack_for(2000, &isn, &echo));
	nst_tcp_accept_hold(w.lis, true);
	w.isn = isn;
	w_in(&w, A, 1, 1, 0, 1000);
	NONE(&w);
	cr_assert_eq(COUNT(&w, ListenOverflows), 1);
	nst_tcp_accept_hold(w.lis, false);
	w_in(&w, A | P, 1, 1, 10, 1000); /* the peer says it again */
	cr_assert_eq(accept_all(), 1);
	w_drain(&w);
}

Test(synflood, without_cookies_the_queue_is_the_limit)
{
	w_listen(&w, 3);
	CTL(syncookies) = 0;
	fill_queue(10);
	cr_assert_eq(w.st->tcp->nreqs, 4);
	cr_assert_eq(COUNT(&w, ReqQFullDrop), 6);
	cr_assert_eq(COUNT(&w, ListenDrops), 6);
}

Test(synflood, without_cookies_a_quarter_is_kept)
{
	w_listen(&w, 100);
	CTL(syncookies) = 0;
	CTL(max_syn_backlog) = 16;
	fill_queue(30);
	cr_assert_eq(w.st->tcp->nreqs, 13);
}

/* LINUX: old requests do not keep the queue from young ones. */
Test(synflood, old_requests_are_thinned)
{
	w_listen(&w, 16);
	fill_queue(12);
	cr_assert_eq(w.st->tcp->nreqs, 12);
	w_after(&w, 7 * NST_SEC);
	cr_assert_eq(COUNT(&w, ReqTimeouts), 4);
	cr_assert_eq(w.st->tcp->nreqs, 8); /* half of it: they may stay */
	w_after(&w, 23 * NST_SEC);
	cr_assert_eq(w.st->tcp->nreqs, 8);
	w_drain(&w);
}

Test(synflood, abort_on_overflow)
{
	w_listen(&w, 0);
	CTL(abort_on_overflow) = 1;
	syn_from(2000, O_NONE);
	EXPECT(&w, S | A, 0, 1, 0);
	nst_tcp_accept_hold(w.lis, true);
	w_in(&w, A, 1, 1, 0, 1000);
	EXPECT(&w, R, 1, 0, 0);
	cr_assert_eq(w.st->tcp->nreqs, 0);
	cr_assert_eq(COUNT(&w, EmbryonicRsts), 1);
}

Test(synflood, somaxconn)
{
	w_listen(&w, 5);
	w.st->tcp->ctl.somaxconn = 2;
	cr_assert_eq(nst_tcp_listen(w.lis, -1, w.now), NST_OK);
	cr_assert_eq(w.lis->backlog, 2);
}

/* ---- a request's checks ---- */

/* LINUX: another SYN in the window ends the request. */
Test(synflood, syn_in_window_resets_request)
{
	w_listen(&w, 5);
	syn_from(2000, O_NONE);
	EXPECT(&w, S | A, 0, 1, 0);
	w_in(&w, S, 10, 0, 0, 1000);
	EXPECT(&w, R | A, 0u - w.isn, 11, 0);
	cr_assert_eq(w.st->tcp->nreqs, 0);
	cr_assert_eq(COUNT(&w, EmbryonicRsts), 1);
}

/* RFC 7323 3.2, LINUX: the echo must be of one of our SYN-ACKs. */
Test(synflood, request_checks_echo)
{
	struct wseg s;

	w_listen(&w, 5);
	w.ts = true;
	syn_from(2000, O_ALL);
	s = EXPECT(&w, S | A, 0, 1, 0);
	w_after(&w, 20 * NST_MS);
	w.ts_echo = s.tsval + 5;
	w_in(&w, A, 1, 1, 0, 1000);
	EXPECT(&w, A, 1, 1, 0);
	cr_assert_eq(COUNT(&w, TSEcrRejected), 1);
	w.ts_echo = s.tsval;
	w_in(&w, A, 1, 1, 0, 1000);
	cr_assert_eq(accept_all(), 1);
	w_drain(&w);
	w.ts = false;
}

Test(synflood, small_objects)
{
	cr_assert_leq(sizeof(struct tcp_req), 256);
	cr_assert_leq(sizeof(struct tcp_tw), 256);
}

/* ---- limits of the stack ---- */

Test(synflood, challenge_ack_limit)
{
	struct nst_tcp *first;
	uint32_t isn;

	CTL(challenge_ack_limit) = 1;
	w_accept(&w, O_NONE);
	first = w.tp;
	isn = w.isn;
	w.peer_port++;
	w_accept(&w, O_NONE);
	w_in(&w, R, 100, 0, 0, 0);
	EXPECT(&w, A, 1, 1, 0);
	w.isn = isn;
	w.peer_port--;
	w_in(&w, R, 100, 0, 0, 0); /* another connection, the same second */
	NONE(&w);
	cr_assert_eq(COUNT(&w, ChallengeACK), 1);
	w_after(&w, NST_SEC);
	w_in(&w, R, 100, 0, 0, 0);
	EXPECT(&w, A, 1, 1, 0);
	nst_tcp_abort(first, w.now);
	w_drain(&w);
}

Test(synflood, time_wait_limit)
{
	CTL(max_tw_buckets) = 0;
	w_connect(&w, O_NONE);
	w_close(&w);
	EXPECT(&w, F | A, 1, 1, 0);
	w_in(&w, F | A, 1, 2, 0, 1000);
	cr_assert_eq(w.st->tcp->ntw, 0);
	cr_assert_eq(COUNT(&w, TimeWaitOverflow), 1);
	w_drain(&w);
}

Test(synflood, orphan_limit)
{
	CTL(max_orphans) = 0;
	w_connect(&w, O_NONE);
	w_close(&w);
	EXPECT(&w, R | A, 1, 1, 0);
	cr_assert_eq(COUNT(&w, AbortOnMemory), 1);
	cr_assert_eq(w.st->tcp->norphans, 0);
}

/* LINUX: what of FIN-WAIT-2 exceeds a minute is spent as an endpoint. */
Test(synflood, long_fin_wait2)
{
	w_connect(&w, O_NONE);
	w_opt(&w, NST_TCP_LINGER2, 100);
	w_close(&w);
	EXPECT(&w, F | A, 1, 1, 0);
	w_in(&w, A, 1, 2, 0, 1000);
	cr_assert_eq(w.st->tcp->norphans, 1);
	cr_assert_eq(w.st->tcp->ntw, 0);
	w_after(&w, 40 * NST_SEC);
	cr_assert_eq(w.st->tcp->norphans, 0);
	cr_assert_eq(w.st->tcp->ntw, 1);
	w_after(&w, 40 * NST_SEC);
	cr_assert_eq(w.st->tcp->ntw, 0);
}

/* ---- SYN-SENT ---- */

static void start(void)
{
	struct nst_sockaddr to = test_sa(W_PEER, W_PEER_PORT);

	w_new(&w);
	cr_assert_eq(nst_tcp_connect(w.tp, &to, w.now), NST_E_INPROGRESS);
}

/* RFC 7323 3.2: an echo of what was never sent. */
Test(synflood, syn_sent_bad_echo)
{
	struct wseg s;

	start();
	s = EXPECT(&w, S, 0, 0, 0);
	w.ts = true;
	w.ts_echo = s.tsval + 1;
	w_in(&w, S | A, 0, 1, 0, 1000);
	EXPECT(&w, R, 1, 0, 0);
	ST(&w, SYN_SENT);
	cr_assert_eq(COUNT(&w, PAWSActive), 1);
	w.ts_echo = s.tsval - 1;
	w_in(&w, S | A, 0, 1, 0, 1000);
	EXPECT(&w, R, 1, 0, 0);
	w.ts_echo = s.tsval;
	w_in(&w, S | A, 0, 1, 0, 1000);
	EXPECT(&w, A, 1, 1, 0);
	ST(&w, ESTABLISHED);
	w.ts = false;
}

/* LINUX: a stray ACK makes the SYN come again soon, once. */
Test(synflood, syn_sent_stray_acks)
{
	start();
	EXPECT(&w, S, 0, 0, 0);
	for (int i = 0; i < 100; i++)
		w_in(&w, R | A, 0, 77, 0, 0);
	NONE(&w);
	w_after(&w, 8 * NST_MS);
	EXPECT(&w, S, 0, 0, 0);
	for (int i = 0; i < 100; i++) {
		w_in(&w, R | A, 0, 77, 0, 0);
		w_after(&w, NST_MS);
	}
	NONE(&w);
	ST(&w, SYN_SENT);
}

/* The keepalive timer is a fact, not a state: any number of starts is one. */
Test(synflood, keepalive_is_idempotent)
{
	w_connect(&w, O_NONE);
	w_opt(&w, NST_TCP_KEEPIDLE, 10);
	for (int i = 0; i < 5; i++) {
		w_opt(&w, NST_SO_KEEPALIVE, 1);
		w_opt(&w, NST_SO_KEEPALIVE, 0);
	}
	w_after(&w, 60 * NST_SEC);
	NONE(&w);
	w_opt(&w, NST_SO_KEEPALIVE, 1);
	w_opt(&w, NST_SO_KEEPALIVE, 1);
	w_after(&w, 10 * NST_SEC - NST_MS);
	NONE(&w);
	w_after(&w, NST_MS);
	EXPECT(&w, A, 0, 1, 0);
}

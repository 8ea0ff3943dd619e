/* SPDX-License-Identifier: Apache-2.0 */
/* Opening: RFC 9293 3.5, 3.10.7.2–3.10.7.4; the handshake timers. */
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

TestSuite(open, .init = up, .fini = down);

static enum nst_err start(void)
{
	struct nst_sockaddr to = test_sa(W_PEER, W_PEER_PORT);

	w_new(&w);
	return nst_tcp_connect(w.tp, &to, w.now);
}

Test(open, syn_leaves_before_connect_returns)
{
	struct wseg s;

	cr_assert_eq(start(), NST_E_INPROGRESS);
	cr_assert_eq(w.nout, 1);
	s = EXPECT(&w, S, 0, 0, 0);
	cr_assert_eq(s.mss, 1460);
	cr_assert(s.ts && s.sack_perm);
	cr_assert_eq(s.wscale, 10);
	cr_assert_eq(s.wnd, 64240);
	ST(&w, SYN_SENT);
}

Test(open, active_events_and_peer)
{
	struct nst_sockaddr a;

	w_connect(&w, O_ALL);
	cr_assert(w.user.seen & NST_EV_CONNECTED);
	cr_assert(w.user.seen & NST_EV_OUT);
	cr_assert_eq(nst_sock_remote(nst_tcp_sock(w.tp), &a), NST_OK);
	cr_assert_eq(a.port, W_PEER_PORT);
	cr_assert_eq(w.tp->mss, 1448);
}

Test(open, connect_twice)
{
	struct nst_sockaddr to = test_sa(W_PEER, W_PEER_PORT);

	cr_assert_eq(start(), NST_E_INPROGRESS);
	cr_assert_eq(nst_tcp_connect(w.tp, &to, w.now), NST_E_ALREADY);
	EXPECT(&w, S, 0, 0, 0);
	w_in(&w, S | A, 0, 1, 0, 65535);
	cr_assert_eq(nst_tcp_connect(w.tp, &to, w.now), NST_E_ISCONN);
}

/* LINUX: 1 s five times, then doubling; TCP_SYN_RETRIES 6 and 4 linear. */
Test(open, syn_schedule)
{
	static const int at[] = {1, 2, 3, 4, 5, 7, 11, 19, 35, 67};
	nst_time t0 = w.now;

	cr_assert_eq(start(), NST_E_INPROGRESS);
	EXPECT(&w, S, 0, 0, 0);
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		w_to(&w, t0 + at[i] * NST_SEC - NST_MS);
		NONE(&w);
		w_to(&w, t0 + at[i] * NST_SEC);
		EXPECT(&w, S, 0, 0, 0);
	}
	w_to(&w, t0 + 131 * NST_SEC - NST_MS);
	ST(&w, SYN_SENT);
	w_to(&w, t0 + 131 * NST_SEC);
	ST(&w, CLOSE);
	NONE(&w);
	cr_assert_eq(nst_sock_error(nst_tcp_sock(w.tp), true), NST_E_TIMEDOUT);
	cr_assert_eq(w.user.seen & (NST_EV_ERR | NST_EV_IN | NST_EV_OUT),
		     NST_EV_ERR | NST_EV_IN | NST_EV_OUT);
}

Test(open, syncnt)
{
	nst_time t0 = w.now;

	w_new(&w);
	w_opt(&w, NST_TCP_SYNCNT, 1);
	w_opt(&w, NST_TCP_USER_TIMEOUT, 0);
	nst_tcp_close(w.tp, w.now);
	w.tp = NULL;
	cr_assert_eq(start(), NST_E_INPROGRESS);
	w_opt(&w, NST_TCP_SYNCNT, 1);
	w_to(&w, t0 + 7 * NST_SEC);
	ST(&w, CLOSE);
}

Test(open, user_timeout_limits_syn)
{
	nst_time t0 = w.now;

	w_new(&w);
	w_opt(&w, NST_TCP_USER_TIMEOUT, 2500);
	struct nst_sockaddr to = test_sa(W_PEER, W_PEER_PORT);
	cr_assert_eq(nst_tcp_connect(w.tp, &to, w.now), NST_E_INPROGRESS);
	w_to(&w, t0 + 2500 * NST_MS);
	ST(&w, CLOSE);
}

Test(open, refused_then_again)
{
	struct nst_sockaddr to = test_sa(W_PEER, W_PEER_PORT);

	cr_assert_eq(start(), NST_E_INPROGRESS);
	EXPECT(&w, S, 0, 0, 0);
	w_in(&w, R, 0, 0, 0, 0); /* no ACK: a guess */
	ST(&w, SYN_SENT);
	w_in(&w, R | A, 0, 1, 0, 0);
	ST(&w, CLOSE);
	cr_assert_eq(nst_sock_error(nst_tcp_sock(w.tp), true),
		     NST_E_CONNREFUSED);
	cr_assert_eq(nst_tcp_connect(w.tp, &to, w.now), NST_E_INPROGRESS);
	EXPECT(&w, S, 0, 0, 0);
	w_in(&w, S | A, 0, 1, 0, 65535);
	ST(&w, ESTABLISHED);
}

Test(open, bad_ack_in_syn_sent)
{
	cr_assert_eq(start(), NST_E_INPROGRESS);
	EXPECT(&w, S, 0, 0, 0);
	w_in(&w, A, 5, 77, 0, 100);
	EXPECT(&w, R, 77, 0, 0);
	w_in(&w, S | A, 0, 2, 0, 100);
	EXPECT(&w, R, 2, 0, 0);
	ST(&w, SYN_SENT);
}

/* RFC 9293 3.5 figure 7. */
Test(open, simultaneous)
{
	cr_assert_eq(start(), NST_E_INPROGRESS);
	EXPECT(&w, S, 0, 0, 0);
	w_in(&w, S, 0, 0, 0, 1000);
	EXPECT(&w, S | A, 0, 1, 0);
	ST(&w, SYN_RCVD);
	w_in(&w, S | A, 0, 1, 0, 1000);
	ST(&w, ESTABLISHED);
	cr_assert(w.user.seen & NST_EV_CONNECTED);
}

/* LINUX: data in a SYN-ACK that answers no Fast Open waits for its turn. */
Test(open, data_with_syn_ack)
{
	struct wseg s;

	cr_assert_eq(start(), NST_E_INPROGRESS);
	EXPECT(&w, S, 0, 0, 0);
	s = w_seg(&w, S | A, 0, 1, 0);
	s.len = 3;
	for (int i = 0; i < 3; i++) {
		struct wseg d = w_seg(&w, A, 1 + (uint32_t)i, 0, 1);

		s.data[i] = d.data[0];
	}
	w_send(&w, &s);
	EXPECT(&w, A, 1, 1, 0);
	cr_assert_eq(w_read(&w, 10), 0);
}

/* ---- passive ---- */

Test(open, passive_all_options)
{
	struct wseg s;

	w_listen(&w, 5);
	w_syn(&w, O_ALL);
	s = EXPECT(&w, S | A, 0, 1, 0);
	cr_assert(s.ts && s.sack_perm);
	cr_assert_eq(s.wscale, 10);
	cr_assert_eq(s.mss, 1460);
	w_in(&w, A, 1, 1, 0, 1000);
	cr_assert_eq(nst_tcp_accept(w.lis, &w.tp), NST_OK);
	cr_assert(w.user.seen & NST_EV_ACCEPT);
	ST(&w, ESTABLISHED);
}

Test(open, passive_offers_only_what_was_offered)
{
	struct wseg s;

	w_listen(&w, 5);
	w_syn(&w, O_NONE);
	s = EXPECT(&w, S | A, 0, 1, 0);
	cr_assert(!s.ts && !s.sack_perm && s.wscale == -1);
}

/* The request's own timer: 1, 2, 4, 8, 16, then gone at 63 s. */
Test(open, synack_schedule)
{
	static const int at[] = {1, 3, 7, 15, 31};
	nst_time t0 = w.now;

	w_listen(&w, 5);
	w_syn(&w, O_ALL);
	EXPECT(&w, S | A, 0, 1, 0);
	for (int i = 0; i < 5; i++) {
		w_to(&w, t0 + at[i] * NST_SEC - NST_MS);
		NONE(&w);
		w_to(&w, t0 + at[i] * NST_SEC);
		EXPECT(&w, S | A, 0, 1, 0);
	}
	w_to(&w, t0 + 63 * NST_SEC);
	NONE(&w);
	cr_assert_eq(COUNT(&w, ReqTimeouts), 1);
	cr_assert_eq(w.st->tcp->nreqs, 0);
}

Test(open, syn_again_is_answered_once_each_500ms)
{
	w_listen(&w, 5);
	w_syn(&w, O_NONE);
	EXPECT(&w, S | A, 0, 1, 0);
	w_syn(&w, O_NONE);
	EXPECT(&w, S | A, 0, 1, 0);
	w_syn(&w, O_NONE);
	NONE(&w);
}

Test(open, request_is_reset)
{
	w_listen(&w, 5);
	w_syn(&w, O_NONE);
	EXPECT(&w, S | A, 0, 1, 0);
	w_in(&w, R, 5, 0, 0, 0); /* in the window only */
	EXPECT(&w, A, 1, 1, 0);
	cr_assert_eq(w.st->tcp->nreqs, 1);
	w_in(&w, R, 1, 0, 0, 0);
	cr_assert_eq(w.st->tcp->nreqs, 0);
	NONE(&w);
}

Test(open, request_bad_ack)
{
	w_listen(&w, 5);
	w_syn(&w, O_NONE);
	EXPECT(&w, S | A, 0, 1, 0);
	w_in(&w, A, 1, 9, 0, 100);
	EXPECT(&w, R, 9, 0, 0);
	cr_assert_eq(w.st->tcp->nreqs, 1);
}

Test(open, backlog_overflow_drops_the_last_ack)
{
	struct nst_tcp *c;

	w_listen(&w, 0); /* one fits */
	w_syn(&w, O_NONE);
	EXPECT(&w, S | A, 0, 1, 0);
	w.peer_port++;
	w_syn(&w, O_NONE);
	EXPECT(&w, S | A, 0, 1, 0);
	w_in(&w, A, 1, 1, 0, 100);
	w.peer_port--;
	cr_assert_eq(nst_tcp_accept_queued(w.lis), 1);
	w.isn = w.lis->reqs->iss.v;
	w_in(&w, A, 1, 1, 0, 100);
	cr_assert_eq(nst_tcp_accept_queued(w.lis), 1);
	cr_assert_eq(COUNT(&w, ListenOverflows), 1);
	w.peer_port += 2;
	w_syn(&w, O_NONE); /* a SYN is dropped, too */
	NONE(&w);
	cr_assert_eq(nst_tcp_accept(w.lis, &c), NST_OK);
	w_after(&w, NST_SEC); /* the SYN-ACK asks again */
	EXPECT(&w, S | A, 0, 1, 0);
	w.peer_port = W_PEER_PORT;
	w_in(&w, A, 1, 1, 0, 100);
	cr_assert_eq(nst_tcp_accept_queued(w.lis), 1);
	nst_tcp_abort(c, w.now);
}

Test(open, hold_counts_as_full)
{
	w_listen(&w, 5);
	nst_tcp_accept_hold(w.lis, true);
	w_syn(&w, O_NONE);
	NONE(&w);
	nst_tcp_accept_hold(w.lis, false);
	w_syn(&w, O_NONE);
	EXPECT(&w, S | A, 0, 1, 0);
}

Test(open, unaccept_goes_to_the_head)
{
	struct nst_tcp *a, *b;

	w_accept(&w, O_NONE);
	a = w.tp;
	w.peer_port++;
	w_syn(&w, O_NONE);
	EXPECT(&w, S | A, 0, 1, 0);
	w_in(&w, A, 1, 1, 0, 100);
	nst_tcp_unaccept(w.lis, a);
	cr_assert_eq(nst_tcp_accept_queued(w.lis), 2);
	cr_assert_eq(nst_tcp_accept(w.lis, &b), NST_OK);
	cr_assert_eq(a, b);
}

Test(open, closing_a_listener_resets_its_children)
{
	w_listen(&w, 5);
	w_syn(&w, O_NONE);
	EXPECT(&w, S | A, 0, 1, 0);
	w_in(&w, A, 1, 1, 0, 100);
	w.peer_port++;
	w_syn(&w, O_NONE);
	EXPECT(&w, S | A, 0, 1, 0);
	w.isn = w.lis->acc_head->iss.v;
	nst_tcp_close(w.lis, w.now);
	EXPECT(&w, R | A, 1, 1, 0);
	NONE(&w);
	cr_assert_eq(w.st->tcp->nreqs, 0);
}

Test(open, defer_accept)
{
	w_listen(&w, 5);
	w_opt(&w, NST_TCP_DEFER_ACCEPT, 3);
	w_syn(&w, O_NONE);
	EXPECT(&w, S | A, 0, 1, 0);
	w_in(&w, A, 1, 1, 0, 1000);
	cr_assert_eq(nst_tcp_accept_queued(w.lis), 0);
	w_in(&w, A | P, 1, 1, 5, 1000);
	cr_assert_eq(nst_tcp_accept(w.lis, &w.tp), NST_OK);
	cr_assert_eq(w_read(&w, 9), 5);
}

Test(open, no_listener_is_reset)
{
	w.port = W_PORT;
	w.peer_port = 1;
	w_in(&w, S, 0, 0, 0, 100);
	EXPECT(&w, R | A, 0u - w.isn, 1, 0);
	w_in(&w, A, 0, 5, 3, 100);
	EXPECT(&w, R, 5, 0, 0);
	w_in(&w, R, 0, 0, 0, 0);
	NONE(&w);
	cr_assert_eq(COUNT(&w, NoListener), 3);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* As test_save.c: what waits in queues, loss recovery, closing. */
#include "tests/unit/netstack_tcp/harness.h"

#include <string.h>

#define MSS 1460u

static void sack(struct wire *w, uint32_t ack, uint32_t from, uint32_t to)
{
	struct wseg s = w_seg(w, A, 1, ack, 0);

	s.nsack = 1;
	s.sack[0] = (struct tcp_range){{from}, {to}};
	w_send(w, &s);
}

/* ---- things that wait ---- */

static void out_of_order(struct wire *w)
{
	w_connect(w, O_ALL);
	w_in(w, A, 1, 1, 1000, 65535);
	w_in(w, A, 3001, 1, 1000, 65535);
	w_in(w, A, 7001, 1, 500, 65535);
	w_in(w, A, 5001, 1, 1000, 65535);
	w_in(w, F | P | A, 7501, 1, 500, 65535);
	w_after(w, 10 * NST_MS);
	cr_assert_eq(w_read(w, 400), 400);
	w_in(w, A, 1001, 1, 2000 - MSS, 65535);
	w_in(w, A, 1001, 1, MSS, 65535);
	w_in(w, A, 2001, 1, 1000, 65535);
	w_in(w, A, 4001, 1, 1000, 65535);
	w_in(w, A, 6001, 1, 1000, 65535);
	ST(w, CLOSE_WAIT);
	cr_assert_eq(w_read(w, 20000), 7600);
	cr_assert(nst_tcp_rcv_eof(w->tp));
	w_close(w);
	w_in(w, A, 8002, 2, 0, 65535);
}
Test(save, out_of_order)
{
	w_scenario(out_of_order);
}

static void wrapped(struct wire *w)
{
	uint32_t rcv = 1, snd = 1;

	w_connect(w, O_ALL);
	for (int i = 0; i < 90; i++) {
		w_in(w, P | A, rcv, snd, 1400, 65535);
		rcv += 1400;
		w_read(w, (size_t)(i % 3) * 1200);
		snd += (uint32_t)w_write(w, 1300);
		w_after(w, 3 * NST_MS);
	}
	w_read(w, 200000);
	w_in(w, A, rcv, snd, 0, 65535);
	w_after(w, NST_SEC);
}
Test(save, rings_that_wrap)
{
	w_scenario(wrapped);
}

static void urgent(struct wire *w)
{
	struct nst_iov iov[2];
	struct wseg s;
	uint8_t c = 0;
	size_t n;

	w_connect(w, O_ALL);
	s = w_seg(w, U | P | A, 1, 1, 10);
	s.up = 5;
	w_send(w, &s);
	cr_assert_eq(w_read(w, 100), 4);
	cr_assert_eq(nst_tcp_rcv_urgent(w->tp, true, &c), NST_OK);
	w_in(w, A, 1, 1, 0, 0);
	cr_assert_eq(nst_tcp_snd_urgent(w->tp, 'x', w->now), NST_OK);
	w_check(w);
	w_after(w, 3 * NST_SEC);
	cr_assert_eq(nst_tcp_rcv_urgent(w->tp, false, &c), NST_OK);
	cr_assert_eq(nst_tcp_rcv_data(w->tp, iov, &n), 5);
	nst_tcp_rcv_consume(w->tp, 5, w->now);
	w_check(w);
	w_in(w, A, 11, 1, 0, 65535);
	w_in(w, A, 11, 2, 0, 65535);
	w_after(w, NST_SEC);
}
Test(save, urgent)
{
	w_scenario(urgent);
}

static void accept_queue(struct wire *w)
{
	struct nst_sockaddr who;

	w_listen(w, 3);
	for (uint16_t i = 0; i < 4; i++) {
		struct wseg s;

		w->peer_port = (uint16_t)(5000 + i);
		w_syn(w, O_ALL);
		EXPECT(w, S | A, 0, 1, 0);
		s = w_seg(w, P | A, 1, 1, (uint32_t)(10 + i));
		w_send(w, &s);
		w_drain(w);
	}
	w->peer_port = 5001; /* one goes before it was accepted */
	w_in(w, R, 12, 0, 0, 0);
	for (uint16_t i = 0; i < 4; i++) {
		cr_assert_eq(nst_tcp_accept(w->lis, &w->tp), NST_OK);
		if (i != 1)
			cr_assert_eq(nst_sock_remote(nst_tcp_sock(w->tp), &who),
				     NST_OK);
		if (i != 1)
			cr_assert_eq(who.port, 5000 + i);
		w_check(w);
		cr_assert_eq(ring_used(&w->tp->rcv), 10u + i);
		nst_tcp_abort(w->tp, w->now);
		w->tp = NULL;
		w_check(w);
	}
	nst_tcp_close(w->lis, w->now);
	w->lis = NULL;
	w_check(w);
}
Test(save, accept_queue)
{
	w_scenario(accept_queue);
}

static void cookies(struct wire *w)
{
	w_listen(w, 5);
	w->st->tcp->ctl.tcp_syncookies = 2;
	w_check(w);
	w_syn(w, O_ALL);
	EXPECT(w, S | A, 0, 1, 0);
	w_after(w, 50 * NST_SEC);
	w_in(w, A, 1, 1, 0, 65535);
	cr_assert_eq(nst_tcp_accept(w->lis, &w->tp), NST_OK);
	w_write(w, 4000);
	w_after(w, NST_SEC);
}
Test(save, cookies_in_flight)
{
	w_scenario(cookies);
}

/* ---- Fast Open ---- */

static struct tcp_fo_cookie cookie(struct wire *w)
{
	struct nst_addr peer = test_addr(W_PEER), us = test_addr(W_LOCAL);
	struct tcp_fo_cookie c = {0};

	tcp_fo_make_cookie(w->st, &peer, &us, w->st->tcp->ctl.fastopen_key[0],
			   &c);
	return c;
}

static void fast_syn(struct wire *w, uint16_t port, uint32_t len)
{
	struct wseg s;

	w->peer_port = port;
	s = w_seg(w, S, 0, 0, len);
	s.mss = 1460;
	s.fo = cookie(w);
	for (uint32_t i = 0; i < len; i++)
		s.data[i] = w_seg(w, A, 1 + i, 0, 1).data[0];
	w_send(w, &s);
}

static void fast_server(struct wire *w)
{
	w->st->tcp->ctl.tcp_fastopen = TFO_CLIENT_ENABLE | TFO_SERVER_ENABLE;
	w_listen(w, 100);
	cr_assert_eq(
	    nst_sock_set(nst_tcp_sock(w->lis), NST_TCP_FASTOPEN, 3, w->now),
	    NST_OK);
	fast_syn(w, 2000, 20);
	fast_syn(w, 2001, 30);
	fast_syn(w, 2002, 40);
	cr_assert_eq(nst_tcp_accept(w->lis, &w->tp), NST_OK);
	cr_assert_eq(w_read(w, 100), 20);
	cr_assert_eq(w_write(w, 3000), 3000);
	w_after(w, 2 * NST_SEC);
	w_in(w, R, 41, 0, 0, 0); /* 2002: in the queue */
	w->peer_port = 2000;
	w_in(w, R, 21, 0, 0, 0); /* accepted: counts for a minute */
	ST(w, CLOSE);
	cr_assert_eq(w->lis->fo.qlen, 2);
	w_after(w, 70 * NST_SEC);
	w_drain(w);
	fast_syn(w, 2003, 10);
	fast_syn(w, 2004, 10);
	fast_syn(w, 2005, 10);
	w_after(w, NST_SEC);
}
Test(save, fast_open_server)
{
	w_scenario(fast_server);
}

static void fast_client(struct wire *w)
{
	struct nst_sockaddr to = test_sa(W_PEER, W_PEER_PORT);
	struct wseg s;

	w->st->tcp->ctl.tcp_fastopen = TFO_CLIENT_ENABLE;
	w_new(w);
	w_opt(w, NST_TCP_FASTOPEN_CONNECT, 1);
	cr_assert_eq(nst_tcp_connect(w->tp, &to, w->now), NST_E_INPROGRESS);
	w_check(w);
	EXPECT(w, S, 0, 0, 0);
	s = w_seg(w, S | A, 0, 1, 0);
	s.mss = 1460;
	s.fo = (struct tcp_fo_cookie){.on = true, .len = 8, .val = "cookies"};
	w_send(w, &s);
	nst_tcp_abort(w->tp, w->now);
	w->tp = NULL;
	w_check(w);
	w_drain(w);
	w_new(w);
	w_opt(w, NST_TCP_FASTOPEN_CONNECT, 1);
	cr_assert_eq(nst_tcp_connect(w->tp, &to, w->now), NST_OK);
	w_check(w);
	cr_assert_eq(w_write(w, 700), 700);
	cr_assert(w_out(w, &s));
	w_after(w, 5 * NST_SEC);
	w_drain(w);
	s = w_seg(w, S | A, 0, 1, 0);
	s.mss = 1460;
	w_send(w, &s);
	w_after(w, NST_SEC);
	w_in(w, A, 1, 701, 0, 65535);
	cr_assert_eq(nst_tcp_outq(w->tp), 0);
}
Test(save, fast_open_client)
{
	w_scenario(fast_client);
}

/* ---- loss recovery, by each congestion control ---- */

static void recover(struct wire *w, const char *cc, int opts)
{
	uint32_t mss = opts & O_TS ? 1448 : 1460, acked = 1, at = 1;

	w_new(w);
	cr_assert_eq(nst_tcp_set_cc(w->tp, cc, w->now), NST_OK);
	w_connect(w, opts);
	for (int i = 0; i < 6; i++) {
		at += (uint32_t)w_write(w, 8 * mss);
		w_after(w, 30 * NST_MS);
		acked = w->tp->snd_nxt.v - w->isn;
		w_in(w, A, 1, acked, 0, 65535);
	}
	w_write(w, 20 * mss);
	w_after(w, 30 * NST_MS);
	for (uint32_t i = 1; i < 6; i++) {
		if (opts & O_SACK)
			sack(w, acked, acked + mss, acked + (1 + i) * mss);
		else
			w_in(w, A, 1, acked, 0, 65535);
		w_after(w, NST_MS);
	}
	w_after(w, 30 * NST_MS);
	w_in(w, A, 1, acked + 3 * mss, 0, 65535);
	w_after(w, 7 * NST_SEC); /* a time-out as well */
	w_in(w, A, 1, w->tp->snd_nxt.v - w->isn, 0, 65535);
	w_after(w, 200 * NST_MS);
	w_in(w, A, 1, w->tp->snd_nxt.v - w->isn, 0, 65535);
	w_after(w, 12 * NST_SEC);
	w_write(w, 20 * mss);
	w_after(w, 300 * NST_MS);
}

static void cubic(struct wire *w)
{
	recover(w, "cubic", O_ALL);
}
Test(save, cubic)
{
	w_scenario(cubic);
}

static void cubic_without_sack(struct wire *w)
{
	recover(w, "cubic", O_NONE);
}
Test(save, without_sack)
{
	w_scenario(cubic_without_sack);
}

static void reno(struct wire *w)
{
	recover(w, "reno", O_ALL);
}
Test(save, reno)
{
	w_scenario(reno);
}

static void bbr(struct wire *w)
{
	recover(w, "bbr", O_ALL);
}
Test(save, bbr)
{
	w_scenario(bbr);
}

/* ---- closing ---- */

static void closing(struct wire *w)
{
	w_connect(w, O_ALL);
	w_write(w, 4000);
	w_close(w);
	w_after(w, NST_SEC);
	w_in(w, A, 1, 2001, 0, 65535);
	w_in(w, F | A, 1, 2001, 0, 65535); /* both at once */
	w_after(w, NST_SEC);
	w_in(w, A, 2, 4002, 0, 65535);
	w_after(w, 70 * NST_SEC);
	cr_assert_eq(w->st->nsocks, 0);
}
Test(save, closing)
{
	w_scenario(closing);
}

static void last_ack(struct wire *w)
{
	w_accept(w, O_ALL);
	w_in(w, F | A, 1, 1, 0, 65535);
	w_write(w, 100);
	w_close(w);
	w_after(w, 20 * NST_SEC);
	w_in(w, A, 2, 102, 0, 65535);
	w_after(w, NST_SEC);
	cr_assert_eq(w->st->nsocks, 1);
}
Test(save, last_ack)
{
	w_scenario(last_ack);
}

static void ecn(struct wire *w)
{
	struct wseg s;

	w->st->tcp->ctl.tcp_ecn = 1;
	w_listen(w, 5);
	s = w_seg(w, S | TCP_ECE | TCP_CWR, 0, 0, 0);
	s.mss = 1460;
	s.sack_perm = true;
	w_send(w, &s);
	EXPECT(w, S | A | TCP_ECE, 0, 1, 0);
	w_in(w, A, 1, 1, 0, 65535);
	cr_assert_eq(nst_tcp_accept(w->lis, &w->tp), NST_OK);
	w_write(w, 8 * MSS);
	w_after(w, 30 * NST_MS);
	w_in(w, A | TCP_ECE, 1, 1 + 2 * MSS, 0, 65535);
	w_write(w, 8 * MSS);
	w_after(w, 3 * NST_SEC);
}
Test(save, ecn)
{
	w_scenario(ecn);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saving and loading at any moment: each scenario runs undisturbed, then with
 * the stack made anew after each of its events, then after every event. Every
 * packet must leave at the same nanosecond with the same bytes. There is a
 * scenario for each timer; test_save_queues.c has those for what waits.
 */
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

/* ---- one for each timer ---- */

static void rto(struct wire *w)
{
	w_connect(w, O_NONE);
	w_write(w, 3000);
	w_after(w, 30 * NST_SEC);
	w_in(w, A, 1, 3001, 0, 65535);
	cr_assert_eq(nst_tcp_outq(w->tp), 0);
}
Test(save, rto)
{
	w_scenario(rto);
}

static void give_up(struct wire *w)
{
	w_connect(w, O_ALL);
	w_opt(w, NST_TCP_USER_TIMEOUT, 9000);
	w_write(w, 10);
	w_after(w, 8 * NST_SEC);
	ST(w, ESTABLISHED);
	w_after(w, 4 * NST_SEC);
	ST(w, CLOSE);
}
Test(save, user_timeout)
{
	w_scenario(give_up);
}

static void tlp(struct wire *w)
{
	w_connect(w, O_ALL);
	w_after(w, 50 * NST_MS);
	w_write(w, 5 * MSS);
	w_after(w, 20 * NST_MS);
	w_in(w, A, 1, 1 + MSS, 0, 65535);
	w_after(w, 3 * NST_SEC);
	w_in(w, A, 1, 1 + 5 * MSS, 0, 65535);
	w_after(w, NST_SEC);
}
Test(save, loss_probe)
{
	w_scenario(tlp);
}

static void rack(struct wire *w)
{
	w_connect(w, O_ALL);
	for (uint32_t i = 0; i < 4; i++) { /* a round trip of 40 ms */
		w_write(w, 2 * MSS);
		w_after(w, 40 * NST_MS);
		w_in(w, A, 1, 1 + 2 * (i + 1) * 1448, 0, 65535);
	}
	w_write(w, 8 * 1448);
	w_after(w, 40 * NST_MS);
	w_drain(w);
	sack(w, 1 + 8 * 1448, 1 + 10 * 1448, 1 + 11 * 1448);
	w_after(w, NST_MS);
	sack(w, 1 + 8 * 1448, 1 + 9 * 1448, 1 + 11 * 1448);
	w_after(w, 5 * NST_MS);
	sack(w, 1 + 8 * 1448, 1 + 9 * 1448, 1 + 13 * 1448);
	w_after(w, 2 * NST_SEC);
	w_in(w, A, 1, 1 + 16 * 1448, 0, 65535);
	w_after(w, NST_SEC);
}
Test(save, reordering_window)
{
	w_scenario(rack);
}

static void persist(struct wire *w)
{
	w_connect(w, O_ALL);
	w_in(w, A, 1, 1, 0, 0);
	w_write(w, 5000);
	w_after(w, 40 * NST_SEC);
	w_in(w, A, 1, 1, 0, 500);
	w_after(w, 10 * NST_SEC);
	w_in(w, A, 1, 501, 0, 65535);
	w_after(w, 10 * NST_SEC);
}
Test(save, zero_window)
{
	w_scenario(persist);
}

static void delack(struct wire *w)
{
	w_connect(w, O_ALL);
	for (uint32_t i = 0; i < 40; i++) {
		w_in(w, P | A, 1 + i * 100, 1, 100, 65535);
		w_after(w, (i % 5) * 30 * NST_MS);
		if (i % 3 == 0)
			w_read(w, 1000);
	}
	w_after(w, 5 * NST_SEC); /* rings without use go back */
	cr_assert_null(w->tp->snd.mem);
}
Test(save, delayed_acks)
{
	w_scenario(delack);
}

static void comp(struct wire *w)
{
	w_connect(w, O_ALL);
	w_after(w, 60 * NST_MS);
	w_write(w, 1000);
	w_after(w, 60 * NST_MS);
	w_in(w, A, 1, 1001, 0, 65535);
	for (uint32_t i = 0; i < 12; i++) { /* the receiver's round trip */
		w_in(w, A, 1 + i * 1400, 1001, 1400, 65535);
		w_after(w, 20 * NST_MS);
		w_read(w, 100000);
	}
	for (uint32_t i = 0; i < 12; i++) {
		w_in(w, A, 1 + (13 + i) * 1400, 1001, 1400, 65535);
		w_after(w, 100 * NST_US);
	}
	w_after(w, 100 * NST_MS);
	w_in(w, A, 1 + 12 * 1400, 1001, 1400, 65535);
	w_after(w, NST_SEC);
	cr_assert_eq(w_read(w, 100000), 13 * 1400);
}
Test(save, compressed_acks)
{
	w_scenario(comp);
}

static void keepalive(struct wire *w)
{
	w_connect(w, O_ALL);
	w_opt(w, NST_SO_KEEPALIVE, 1);
	w_opt(w, NST_TCP_KEEPIDLE, 7);
	w_opt(w, NST_TCP_KEEPINTVL, 3);
	w_opt(w, NST_TCP_KEEPCNT, 4);
	w_after(w, 10 * NST_SEC);
	w_in(w, A, 1, 1, 0, 65535);
	w_after(w, 60 * NST_SEC);
	ST(w, CLOSE);
}
Test(save, keepalive)
{
	w_scenario(keepalive);
}

static void half_open(struct wire *w)
{
	w_listen(w, 5);
	w_opt(w, NST_TCP_SAVE_SYN, 1);
	w_syn(w, O_ALL);
	w_after(w, 4 * NST_SEC);
	w->peer_port++;
	w_syn(w, O_SACK);
	w_after(w, 3 * NST_SEC);
	w_syn(w, O_SACK);
	w_after(w, 80 * NST_SEC);
	cr_assert_eq(w->lis->nreqs, 0);
}
Test(save, requests)
{
	w_scenario(half_open);
}

static void deferred(struct wire *w)
{
	w_listen(w, 5);
	w_opt(w, NST_TCP_DEFER_ACCEPT, 5);
	w_syn(w, O_ALL);
	EXPECT(w, S | A, 0, 1, 0);
	w_in(w, A, 1, 1, 0, 65535);
	w_after(w, 4 * NST_SEC);
	cr_assert_eq(w->lis->acc_n, 0);
	w_in(w, P | A, 1, 1, 10, 65535);
	cr_assert_eq(nst_tcp_accept(w->lis, &w->tp), NST_OK);
	cr_assert_eq(w_read(w, 100), 10);
	w_after(w, NST_SEC);
}
Test(save, deferred_accept)
{
	w_scenario(deferred);
}

static void syn_backoff(struct wire *w)
{
	struct nst_sockaddr to = test_sa(W_PEER, W_PEER_PORT);
	struct wseg s;

	w_new(w);
	cr_assert_eq(nst_tcp_connect(w->tp, &to, w->now), NST_E_INPROGRESS);
	w_check(w);
	EXPECT(w, S, 0, 0, 0);
	s = w_seg(w, A, 77, 4711, 0); /* of an old connection: again soon */
	w_send(w, &s);
	w_after(w, 200 * NST_SEC);
	ST(w, CLOSE);
}
Test(save, connecting)
{
	w_scenario(syn_backoff);
}

static void fin_wait_2(struct wire *w)
{
	w_connect(w, O_ALL);
	w_opt(w, NST_TCP_LINGER2, 90); /* 30 s of it as an endpoint */
	cr_assert_eq(nst_tcp_shutdown(w->tp, false, true, w->now), NST_OK);
	w_check(w);
	w_in(w, A, 1, 2, 0, 65535);
	ST(w, FIN_WAIT2);
	w_after(w, 300 * NST_SEC); /* not while it has an owner */
	ST(w, FIN_WAIT2);
	w_close(w);
	w_after(w, 29 * NST_SEC);
	cr_assert_eq(w->st->tcp->ntw, 0);
	w_after(w, 2 * NST_SEC);
	cr_assert_eq(w->st->nsocks, 0);
	cr_assert_eq(w->st->tcp->ntw, 1);
	w_after(w, 28 * NST_SEC);
	cr_assert_eq(w->st->tcp->ntw, 1);
	w_in(w, A, 1, 2, 0, 65535);
	w_after(w, 2 * NST_SEC);
	cr_assert_eq(w->st->tcp->ntw, 0);
}
Test(save, fin_wait_2)
{
	w_scenario(fin_wait_2);
}

static bool port_is_free(struct wire *w)
{
	struct nst_sockaddr at = {.addr = {.family = 4}, .port = w->port};
	struct nst_tcp *tp;
	bool free;

	cr_assert_eq(nst_tcp_new(w->st, 4, NULL, w->now, &tp), NST_OK);
	free = nst_sock_bind(nst_tcp_sock(tp), &at) == NST_OK;
	nst_tcp_close(tp, w->now);
	return free;
}

static void time_wait(struct wire *w)
{
	w_connect(w, O_ALL);
	w_close(w);
	w_in(w, A, 1, 2, 0, 65535);
	w_in(w, F | A, 1, 2, 0, 65535);
	w_after(w, 30 * NST_SEC);
	w_in(w, F | A, 1, 2, 0, 65535); /* our last ACK was lost */
	cr_assert(!port_is_free(w));
	w_after(w, 59 * NST_SEC);
	cr_assert(!port_is_free(w));
	cr_assert_eq(w->st->tcp->ntw, 1);
	w_after(w, 2 * NST_SEC);
	cr_assert_eq(w->st->tcp->ntw, 0);
	cr_assert(port_is_free(w));
}
Test(save, time_wait)
{
	w_scenario(time_wait);
}

static void cork(struct wire *w)
{
	w_connect(w, O_ALL);
	w_opt(w, NST_TCP_CORK, 1);
	w_write(w, 100);
	w_after(w, 90 * NST_MS);
	w_write(w, 100);
	w_after(w, 500 * NST_MS);
	w_in(w, A, 1, 201, 0, 65535);
	w_write_more(w, 300);
	w_after(w, NST_SEC);
	w_in(w, A, 1, 501, 0, 65535);
	w_close(w);
	w_in(w, A, 1, 502, 0, 65535);
}
Test(save, cork)
{
	w_scenario(cork);
}

static void pacing(struct wire *w)
{
	w_connect(w, O_ALL);
	w_opt(w, NST_SO_MAX_PACING_RATE, 20000);
	for (uint32_t at = 0, i = 0; i < 40; i++) {
		at += (uint32_t)w_write(w, 4000);
		w_after(w, 70 * NST_MS);
		w_in(w, A, 1, tcp_ofc(nst_tcp_sock(w->tp))->snd_nxt.v - w->isn,
		     0, 65535);
	}
	w_after(w, 60 * NST_SEC);
}
Test(save, pacing)
{
	w_scenario(pacing);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* As test_save.c: what is remembered while a connection is being made, and
 * what ICMP said of its path. */
#include "tests/unit/netstack_tcp/harness.h"

static void start(struct wire *w)
{
	struct nst_sockaddr to = test_sa(W_PEER, W_PEER_PORT);

	w_new(w);
	cr_assert_eq(nst_tcp_connect(w->tp, &to, w->now), NST_E_INPROGRESS);
	w_check(w);
	EXPECT(w, S, 0, 0, 0);
}

/* LINUX: an ACK of an old connection makes the SYN come again soon, once. */
static void stray_ack(struct wire *w)
{
	struct wseg s;

	start(w);
	w_after(w, 100 * NST_MS);
	w_in(w, A, 1, 4711, 0, 65535);
	cr_assert(w_out(w, &s) && s.flags == R);
	NONE(w);
	w_after(w, 50 * NST_MS);
	EXPECT(w, S, 0, 0, 0);
	w_after(w, 5 * NST_SEC);
}
Test(save_open, stray_ack)
{
	w_scenario(stray_ack);
}

/* LINUX: the handshake's last ACK waits for the data of a writer. */
static void writer_waits(struct wire *w)
{
	struct wseg s;

	start(w);
	nst_tcp_snd_wait(w->tp);
	w_check(w);
	w_after(w, 20 * NST_MS);
	s = w_seg(w, S | A, 0, 1, 0);
	s.mss = 1460;
	w_send(w, &s);
	ST(w, ESTABLISHED);
	NONE(w);
	w_after(w, 10 * NST_MS);
	cr_assert_eq(w_write(w, 100), 100);
	EXPECT(w, P | A, 1, 1, 100);
	w_after(w, NST_SEC);
}
Test(save_open, writer_waits)
{
	w_scenario(writer_waits);
}

static void icmp(struct wire *w, enum nst_err err, uint32_t seq, uint32_t mtu)
{
	uint32_t una = w->isn + seq;
	uint8_t l4[8] = {(uint8_t)(w->port >> 8),      (uint8_t)w->port,
			 (uint8_t)(w->peer_port >> 8), (uint8_t)w->peer_port,
			 (uint8_t)(una >> 24),         (uint8_t)(una >> 16),
			 (uint8_t)(una >> 8),          (uint8_t)una};
	struct icmp_err e = {.err = err,
			     .origin = 2,
			     .info = mtu,
			     .src = test_addr(W_LOCAL),
			     .dst = test_addr(W_PEER),
			     .proto = 6,
			     .l4 = l4,
			     .l4_bytes = sizeof(l4)};

	stack_enter(w->st, w->now);
	tcp_icmp(w->st, &e);
	stack_leave(w->st);
	w_check(w);
}

/* RFC 1122 4.2.3.9: a soft error is told when the connection times out. */
static void soft_error(struct wire *w)
{
	w_connect(w, O_NONE);
	w_opt(w, NST_TCP_USER_TIMEOUT, 5000);
	w_write(w, 10);
	icmp(w, NST_E_HOSTUNREACH, 1, 0);
	w_after(w, 20 * NST_SEC);
	ST(w, CLOSE);
	cr_assert_eq(nst_sock_error(nst_tcp_sock(w->tp), true),
		     NST_E_HOSTUNREACH);
}
Test(save_open, soft_error)
{
	w_scenario(soft_error);
}

/* The embedder's own queue is full: so is ours, until it says otherwise. */
static void accept_is_held(struct wire *w)
{
	w_listen(w, 5);
	nst_tcp_accept_hold(w->lis, true);
	w_check(w);
	w_syn(w, O_ALL);
	NONE(w);
	cr_assert_eq(COUNT(w, ListenOverflows), 1);
	w_after(w, NST_SEC);
	nst_tcp_accept_hold(w->lis, false);
	w_check(w);
	w_syn(w, O_ALL);
	EXPECT(w, S | A, 0, 1, 0);
	w_in(w, A, 1, 1, 0, 65535);
	cr_assert_eq(nst_tcp_accept(w->lis, &w->tp), NST_OK);
	w_write(w, 100);
	EXPECT(w, P | A, 1, 1, 100);
}
Test(save_open, accept_is_held)
{
	w_scenario(accept_is_held);
}

/* RFC 1191 6.3: what a router said of the path is forgotten after 10 minutes,
 * by a connection that lives as well. */
static void path_grows_again(struct wire *w)
{
	uint32_t next = 1;

	w_connect(w, O_NONE);
	w_write(w, 2920);
	icmp(w, NST_E_MSGSIZE, 1, 1000);
	cr_assert_eq(w->tp->mss, 960);
	for (int i = 0; i < 7; i++) {
		next += i ? 2000 : 2920;
		w_in(w, A, 1, next, 0, 65535);
		w_after(w, 100 * NST_SEC);
		w_write(w, 2000);
		cr_assert_eq(w->tp->mss, i < 5 ? 960 : 1460, "%d", i);
	}
}
Test(save_open, path_grows_again)
{
	w_scenario(path_grows_again);
}

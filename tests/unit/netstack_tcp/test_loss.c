/* SPDX-License-Identifier: Apache-2.0 */
/* Retransmission: RFC 6298, 5681, 6582, 6675. */
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

TestSuite(loss, .init = up, .fini = down);

#define MSS 1460u

Test(loss, schedule_until_timeout)
{
	/* LINUX: the RTO is a whole number of milliseconds. */
	nst_time t0, at = 0, rto = 201 * NST_MS;

	w_connect(&w, O_NONE);
	t0 = w.now;
	w_write(&w, 10);
	EXPECT(&w, P | A, 1, 1, 10);
	for (int i = 0; i < 5; i++) {
		at += rto;
		w_to(&w, t0 + at - NST_MS);
		NONE(&w);
		w_to(&w, t0 + at + NST_MS);
		EXPECT(&w, P | A, 1, 1, 10);
		rto *= 2;
	}
	cr_assert_eq(w.tp->cwnd, 1);
	while (w_state(&w) != NST_TCP_CLOSE && w.now < t0 + 2000 * NST_SEC)
		w_after(&w, NST_SEC);
	/* LINUX: tcp_retries2 15: the RTO after 924.6 s. */
	cr_assert_gt(w.now, t0 + 924 * NST_SEC);
	cr_assert_lt(w.now, t0 + 1050 * NST_SEC);
	cr_assert_eq(nst_sock_error(nst_tcp_sock(w.tp), true), NST_E_TIMEDOUT);
	w_drain(&w);
}

Test(loss, user_timeout)
{
	nst_time t0;

	w_connect(&w, O_NONE);
	w_opt(&w, NST_TCP_USER_TIMEOUT, 3000);
	t0 = w.now;
	w_write(&w, 10);
	w_to(&w, t0 + 3000 * NST_MS);
	ST(&w, ESTABLISHED);
	w_to(&w, t0 + 3300 * NST_MS);
	ST(&w, CLOSE);
	w_drain(&w);
}

Test(loss, fast_retransmit_newreno)
{
	w_connect(&w, O_NONE);
	cr_assert_eq(nst_tcp_set_cc(w.tp, "reno", w.now), NST_OK);
	w_in(&w, A, 1, 1, 0, 65535);
	w_write(&w, 10 * MSS);
	w_drain(&w);
	w_in(&w, A, 1, 1, 0, 65535);
	w_in(&w, A, 1, 1, 0, 65535);
	NONE(&w);
	w_in(&w, A, 1, 1, 0, 65535);
	EXPECT(&w, A, 1, 1, MSS);
	NONE(&w);
	cr_assert_eq(w.tp->ca_state, TCP_CA_RECOVERY);
	cr_assert_eq(w.tp->ssthresh, 5);
	/* A partial ACK names the next hole, RFC 6582 3.2 step 3; when it
	 * leaves is for RFC 9937 to say: the pipe is as full as ssthresh. */
	w_in(&w, A, 1, 1 + 3 * MSS, 0, 65535);
	NONE(&w);
	w_in(&w, A, 1, 1 + 3 * MSS, 0, 65535);
	EXPECT(&w, A, 1 + 3 * MSS, 1, MSS);
	w_in(&w, A, 1, 1 + 10 * MSS, 0, 65535);
	NONE(&w);
	w_write(&w, MSS);
	EXPECT(&w, P | A, 1 + 10 * MSS, 1, MSS);
	w_in(&w, A, 1, 1 + 11 * MSS, 0, 65535);
	cr_assert_eq(w.tp->ca_state, TCP_CA_OPEN);
	cr_assert_eq(COUNT(&w, RenoRecovery), 1);
}

static void sack_in(uint32_t ack, uint32_t from, uint32_t to)
{
	struct wseg s = w_seg(&w, A, 1, ack, 0);

	s.nsack = 1;
	s.sack[0].from.v = from;
	s.sack[0].to.v = to;
	w_send(&w, &s);
}

Test(loss, sack_recovery_fills_every_hole)
{
	w_connect(&w, O_SACK);
	cr_assert_eq(nst_tcp_set_cc(w.tp, "reno", w.now), NST_OK);
	w_write(&w, 10 * MSS);
	w_drain(&w);
	w_after(&w, NST_MS);
	/* 1 and 3 are lost. */
	sack_in(1, 1 + MSS, 1 + 2 * MSS);
	sack_in(1, 1 + 3 * MSS, 1 + 4 * MSS);
	NONE(&w);
	sack_in(1, 1 + 3 * MSS, 1 + 5 * MSS);
	EXPECT(&w, A, 1, 1, MSS);
	cr_assert_eq(COUNT(&w, SackRecovery), 1);
	w_after(&w, NST_MS);
	sack_in(1, 1 + 3 * MSS, 1 + 10 * MSS);
	EXPECT(&w, A, 1 + 2 * MSS, 1, MSS);
	NONE(&w);
	w_in(&w, A, 1, 1 + 10 * MSS, 0, 65535);
	cr_assert_eq(w.tp->ca_state, TCP_CA_OPEN);
	cr_assert_eq(w.tp->cwnd, 5);
}

Test(loss, limited_transmit)
{
	w_connect(&w, O_NONE);
	w_in(&w, A, 1, 1, 0, 65535); /* LINUX: the first one is news */
	w_write(&w, 20 * MSS);
	w_drain(&w);
	w_in(&w, A, 1, 1, 0, 65535);
	EXPECT(&w, A, 1 + 10 * MSS, 1, MSS);
	w_in(&w, A, 1, 1, 0, 65535);
	EXPECT(&w, A, 1 + 11 * MSS, 1, MSS);
}

Test(loss, window_updates_are_no_duplicates)
{
	w_connect(&w, O_NONE);
	w_write(&w, 10 * MSS);
	w_drain(&w);
	for (uint16_t i = 0; i < 5; i++)
		w_in(&w, A, 1, 1, 0, (uint16_t)(60000 + i));
	NONE(&w);
	cr_assert_eq(w.tp->ca_state, TCP_CA_OPEN);
}

Test(loss, wild_sacks_are_ignored)
{
	w_connect(&w, O_SACK);
	w_write(&w, 5 * MSS);
	w_drain(&w);
	sack_in(1, 100000, 200000);
	sack_in(1, 500, 400);
	sack_in(1, 1 + 4 * MSS, 1 + 9 * MSS);
	NONE(&w);
	cr_assert_eq(w.tp->sacked_out, 0);
	cr_assert_geq(COUNT(&w, SACKDiscard), 2);
}

/* RFC 8985 6.2: one SACK and the reordering window prove the loss; the
 * time-out then sends what is not SACKed. */
Test(loss, rto_with_sack_sends_only_holes)
{
	w_connect(&w, O_SACK);
	w_write(&w, 4 * MSS);
	w_drain(&w);
	sack_in(1, 1 + MSS, 1 + 2 * MSS);
	NONE(&w);
	w_after(&w, 5 * NST_MS);
	EXPECT(&w, A, 1, 1, MSS);
	NONE(&w);
	w_after(&w, 210 * NST_MS);
	EXPECT(&w, A, 1, 1, MSS);
	NONE(&w);
	cr_assert_eq(w.tp->ca_state, TCP_CA_LOSS);
	w_after(&w, 10 * NST_MS);
	w_in(&w, A, 1, 1 + 2 * MSS, 0, 65535);
	EXPECT(&w, A, 1 + 2 * MSS, 1, MSS);
	EXPECT(&w, P | A, 1 + 3 * MSS, 1, MSS);
}

Test(loss, karn)
{
	nst_time srtt;

	w_connect(&w, O_NONE);
	w_after(&w, 50 * NST_MS);
	w_write(&w, 10);
	w_after(&w, 50 * NST_MS);
	w_in(&w, A, 1, 11, 0, 65535);
	srtt = w.tp->srtt;
	w_write(&w, 10);
	w_after(&w, 5000 * NST_MS); /* retransmitted: no sample */
	w_in(&w, A, 1, 21, 0, 65535);
	cr_assert_eq(w.tp->srtt, srtt);
	w_drain(&w);
}

Test(loss, idle_restart)
{
	w_connect(&w, O_NONE);
	for (uint32_t at = 1, i = 0; i < 6; i++) {
		struct wseg s;

		w_write(&w, 40000);
		while (w_out(&w, &s))
			at = s.seq + s.len;
		w_in(&w, A, 1, at, 0, 65535);
	}
	w_drain(&w);
	w_in(&w, A, 1, tcp_write_seq(w.tp).v - w.isn, 0, 65535);
	w_drain(&w);
	w_in(&w, A, 1, w.tp->snd_nxt.v - w.isn, 0, 65535);
	cr_assert_gt(w.tp->cwnd, 20);
	w_after(&w, 60 * NST_SEC);
	w_write(&w, 1);
	cr_assert_eq(w.tp->cwnd, 10); /* RFC 5681 4.1 */
	w_drain(&w);
}

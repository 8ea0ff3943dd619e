/* SPDX-License-Identifier: Apache-2.0 */
/* Segments of one batch merge, and nothing that TCP can see is lost. */
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

TestSuite(gro, .init = up, .fini = down);

static void batch(void)
{
	nst_gro_begin(w.st);
}

static void flush(void)
{
	nst_gro_end(w.st, w.now);
	w_check(&w);
}

static uint32_t segs_in(void)
{
	struct nst_tcp_info i;

	nst_tcp_info(w.tp, w.now, &i);
	return i.data_segs_in;
}

Test(gro, whole_segments_merge)
{
	w_connect(&w, O_NONE);
	batch();
	for (uint32_t i = 0; i < 10; i++)
		w_in(&w, A, 1 + 1000 * i, 1, 1000, 65535);
	NONE(&w); /* held */
	flush();
	EXPECT(&w, A, 1, 10001, 0); /* one event, one ACK */
	cr_assert_eq(COUNT(&w, GroSegs), 9);
	cr_assert_eq(segs_in(), 10); /* counted as they were sent */
	cr_assert_eq(w.tp->rcv_mss, 1000);
	cr_assert_eq(w_read(&w, 20000), 10000); /* checks every byte */
	w_drain(&w);
}

Test(gro, short_one_ends_it)
{
	w_connect(&w, O_NONE);
	batch();
	w_in(&w, A, 1, 1, 1000, 65535);
	w_in(&w, A, 1001, 1, 1000, 65535);
	w_in(&w, A, 2001, 1, 10, 65535); /* delivered with what was held */
	EXPECT(&w, A, 1, 2011, 0);
	flush();
	NONE(&w);
	cr_assert_eq(w_read(&w, 20000), 2010);
	w_drain(&w);
}

Test(gro, longer_one_starts_anew)
{
	w_connect(&w, O_NONE);
	batch();
	w_in(&w, A, 1, 1, 500, 65535);
	w_in(&w, A, 501, 1, 1000, 65535);
	EXPECT(&w, A, 1, 501, 0);
	flush();
	EXPECT(&w, A, 1, 1501, 0);
	cr_assert_eq(COUNT(&w, GroSegs), 0);
	cr_assert_eq(w_read(&w, 20000), 1500);
	w_drain(&w);
}

Test(gro, push_and_fin_end_it)
{
	w_connect(&w, O_NONE);
	batch();
	w_in(&w, A, 1, 1, 1000, 65535);
	w_in(&w, P | A, 1001, 1, 1000, 65535);
	EXPECT(&w, A, 1, 2001, 0);
	w_in(&w, A, 2001, 1, 1000, 65535);
	w_in(&w, F | A, 3001, 1, 1000, 65535);
	ST(&w, CLOSE_WAIT);
	flush();
	w_after(&w, 50 * NST_MS);
	EXPECT(&w, A, 1, 4002, 0);
	cr_assert_eq(w_read(&w, 20000), 4000);
	w_drain(&w);
}

Test(gro, gap_is_a_gap)
{
	struct wseg s;

	w_connect(&w, O_SACK);
	batch();
	w_in(&w, A, 1, 1, 1000, 65535);
	w_in(&w, A, 2001, 1, 1000, 65535);
	w_in(&w, A, 3001, 1, 1000, 65535);
	EXPECT(&w, A, 1, 1001, 0);
	flush();
	s = EXPECT(&w, A, 1, 1001, 0);
	cr_assert_eq(s.nsack, 1);
	cr_assert_eq(s.sack[0].from.v, 2001);
	cr_assert_eq(s.sack[0].to.v, 4001);
	cr_assert_eq(w.tp->rcv_ooopack, 2);
	w_in(&w, A, 1001, 1, 1000, 65535);
	EXPECT(&w, A, 1, 4001, 0);
	cr_assert_eq(w_read(&w, 20000), 4000);
	w_drain(&w);
}

/* Another acknowledgement or window is news: it must not be merged away. */
Test(gro, other_ack_is_no_continuation)
{
	w_connect(&w, O_NONE);
	w_write(&w, 2000);
	w_drain(&w);
	batch();
	w_in(&w, A, 1, 1, 1000, 65535);
	w_in(&w, A, 1001, 1001, 1000, 65535);
	w_in(&w, A, 2001, 2001, 1000, 65535);
	w_in(&w, A, 3001, 2001, 1000, 30000);
	flush();
	cr_assert_eq(COUNT(&w, GroSegs), 0);
	cr_assert_eq(w.tp->snd_una.v, w.tp->snd_nxt.v);
	cr_assert_eq(w.tp->snd_wnd, 30000);
	cr_assert_eq(w_read(&w, 20000), 4000);
	w_drain(&w);
}

Test(gro, pure_acks_pass_at_once)
{
	w_connect(&w, O_NONE);
	w_write(&w, 1000);
	w_drain(&w);
	batch();
	w_in(&w, A, 1, 1, 1000, 65535);
	w_in(&w, A, 1001, 1001, 0, 65535); /* what was held comes first */
	cr_assert_eq(w.tp->rcv_nxt.v - w.tp->irs.v, 1001);
	cr_assert_eq(w.tp->snd_una.v, w.tp->snd_nxt.v);
	flush();
	cr_assert_eq(w_read(&w, 20000), 1000);
	w_drain(&w);
}

Test(gro, old_bytes_in_front_are_cut)
{
	w_connect(&w, O_SACK);
	w_in(&w, A, 1, 1, 1500, 65535);
	w_drain(&w);
	batch();
	for (uint32_t i = 0; i < 3; i++)
		w_in(&w, A, 1001 + 1000 * i, 1, 1000, 65535);
	flush();
	EXPECT(&w, A, 1, 4001, 0);
	cr_assert_eq(w_read(&w, 20000), 4000);
	w_drain(&w);
}

Test(gro, bounded_by_64k)
{
	uint32_t n = 60;

	w_connect(&w, O_ALL);
	batch();
	for (uint32_t i = 0; i < n; i++)
		w_in(&w, A, 1 + 1000 * i, 1, 1000, 65535);
	cr_assert_eq(COUNT(&w, GroSegs), n - 1);
	for (uint32_t i = n; i < n + 10; i++)
		w_in(&w, A, 1 + 1000 * i, 1, 1000, 65535);
	cr_assert_eq(COUNT(&w, GroSegs), n + 8); /* a second one began */
	flush();
	w_drain(&w);
}

/* A batch that never ends costs memory, but leaks none. */
Test(gro, stack_ends_in_a_batch)
{
	w_connect(&w, O_NONE);
	batch();
	w_in(&w, A, 1, 1, 1000, 65535);
	w_in(&w, A, 1001, 1, 1000, 65535);
}

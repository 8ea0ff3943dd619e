/* SPDX-License-Identifier: Apache-2.0 */
/* Departure times when the timer of them is late (netstack/tcp/tcp_pacing.c).
 */
#include "tests/unit/netstack_tcp/harness.h"

#define SEGMENT 1000u
#define GAP (1 * NST_MS)
#define RATE (SEGMENT * 1000ull) /* a segment each GAP */

static struct wire w;
static struct nst_tcp *tp;

static void setup(void)
{
	w_init(&w);
	w_connect(&w, O_ALL);
	tp = w.tp;
	tp->pace.needed = true;
	tp->pace.rate = RATE;
	tp->pace.next = w.st->now;
	tp->data_segs_out = 100;
	tp->min_rtt = 80 * NST_MS;
	tcp_pace_sent(tp, SEGMENT);
	cr_assert(tcp_pace_wait(tp), "the first has just left");
}

static void teardown(void)
{
	tp->pace.needed = tp->pace.blocked = false;
	w_fini(&w);
}

TestSuite(pacing, .init = setup, .fini = teardown);

/* How many leave in an event so much after the departure that was due. */
static int leave(nst_time late)
{
	int n = 0;

	w.st->now = tp->pace.next + late;
	tcp_pace_late(tp);
	tp->pace.blocked = false;
	for (; !tcp_pace_wait(tp); n++)
		tcp_pace_sent(tp, SEGMENT);
	return n;
}

Test(pacing, in_time_one_leaves)
{
	nst_time at = tp->pace.next;

	cr_assert_eq(leave(0), 1);
	cr_assert_eq(tp->pace.next, at + GAP);
}

Test(pacing, what_was_late_catches_up)
{
	nst_time at = tp->pace.next;

	cr_assert_eq(leave(GAP / 4), 1);
	cr_assert_eq(leave(5 * GAP / 2), 3);
	cr_assert_eq(tp->pace.next, at + 4 * GAP, "the schedule is kept");
}

Test(pacing, very_late_is_forgiven)
{
	cr_assert_eq(leave(NST_SEC), 5, "4 ms of it");
	tp->min_rtt = 16 * NST_MS;
	cr_assert_eq(leave(NST_SEC), 3, "an eighth of the RTT");
}

/* Silence is no lateness: only a half of the next one's time is given. */
Test(pacing, idle_is_not_late)
{
	tp->pace.blocked = false; /* nothing waited */
	cr_assert_eq(leave(NST_SEC), 1);
	cr_assert_eq(tp->pace.next, w.st->now + GAP / 2);
}

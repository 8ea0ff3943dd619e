/* SPDX-License-Identifier: Apache-2.0 */
/* wheel.c against a model: an array that is searched. */
#include <string.h>

#include "netstack/base/container.h"
#include "tests/unit/netstack_base/kit.h"

#define N 200

struct item {
	struct wheel_timer t;
	nst_time deadline; /* NST_NEVER: the model says not armed */
	nst_time fired;
	struct wheel *w;
	nst_time rearm; /* the handler arms again by this much, once */
};

static struct testenv te;
static struct wheel *w;
static struct item items[N];

static void up(void)
{
	testenv_init(&te, testenv_seed(5));
	w = wheel_new(&te.env, 0);
	memset(items, 0, sizeof(items));
	for (int i = 0; i < N; i++)
		items[i].deadline = NST_NEVER;
}

static void down(void)
{
	wheel_free(w);
	cr_assert_eq(testenv_leaks(&te), 0);
}

TestSuite(wheel, .init = up, .fini = down);

static void fired(struct wheel_timer *t, nst_time now)
{
	struct item *it = container_of(t, struct item, t);

	cr_assert_not(wheel_armed(t));
	cr_assert_leq(it->deadline, now, "fired early");
	it->fired = now;
	it->deadline = NST_NEVER;
	if (it->rearm) {
		it->deadline = now + it->rearm;
		it->rearm = 0;
		wheel_arm(w, t, it->deadline);
	}
}

static void arm(struct item *it, nst_time at)
{
	it->t.fn = fired;
	it->deadline = at;
	wheel_arm(w, &it->t, at);
}

static nst_time model_next(void)
{
	nst_time min = NST_NEVER;

	for (int i = 0; i < N; i++)
		if (items[i].deadline < min)
			min = items[i].deadline;
	return min;
}

/* Distances of every magnitude, so that each level is used. */
static nst_time any_distance(void)
{
	return (nst_time)(testenv_rand(&te) >> (testenv_below(&te, 44) + 20));
}

Test(wheel, random_operations_match_the_model)
{
	nst_time now = 0;

	for (int op = 0; op < 100000; op++) {
		struct item *it = &items[testenv_below(&te, N)];
		uint32_t what = testenv_below(&te, 10);

		if (what < 5) {
			arm(it, now + any_distance());
		} else if (what < 7) {
			wheel_stop(w, &it->t);
			it->deadline = NST_NEVER;
		} else {
			nst_time next = wheel_next(w), jump;

			cr_assert_leq(next, model_next());
			jump =
			    testenv_below(&te, 3) ? next : now + any_distance();
			if (jump > now && jump < INT64_MAX / 4)
				now = jump;
			wheel_run(w, now);
			for (int i = 0; i < N; i++)
				cr_assert_gt(items[i].deadline, now,
					     "missed, op %d seed %lu", op,
					     te.seed);
		}
		if (op % 1000 == 0)
			cr_assert(wheel_check(w));
	}
}

Test(wheel, next_is_exact)
{
	for (int i = 0; i < N; i++) {
		nst_time at = 1 + any_distance();

		arm(&items[i], at);
		cr_assert_eq(wheel_next(w), model_next());
	}
	wheel_stop(w, &items[0].t);
	items[0].deadline = NST_NEVER;
	while (model_next() != NST_NEVER) {
		nst_time next = wheel_next(w);

		cr_assert_leq(next, model_next());
		wheel_run(w, next);
	}
	cr_assert_eq(wheel_next(w), NST_NEVER);
}

Test(wheel, never_early_within_a_tick)
{
	arm(&items[0], 1000);
	arm(&items[1], 2000);
	cr_assert_eq(wheel_next(w), 1000);
	wheel_run(w, 999);
	cr_assert_eq(items[0].fired, 0);
	wheel_run(w, 1000);
	cr_assert_eq(items[0].fired, 1000);
	cr_assert_eq(items[1].fired, 0);
	cr_assert_eq(wheel_next(w), 2000);
	wheel_run(w, 5000);
	cr_assert_eq(items[1].fired, 5000);
}

Test(wheel, handler_may_arm_itself_for_later)
{
	items[0].rearm = 10 * NST_MS;
	arm(&items[0], NST_MS);
	wheel_run(w, 2 * NST_MS);
	cr_assert_eq(wheel_next(w), 12 * NST_MS);
	wheel_run(w, 12 * NST_MS);
	cr_assert_eq(items[0].fired, 12 * NST_MS);
}

static void again_now(struct wheel_timer *t, nst_time now)
{
	struct item *it = container_of(t, struct item, t);

	it->fired++;
	wheel_arm(w, t, now - NST_SEC);
}

/* A deadline in the past waits for the next run: no endless loop. */
Test(wheel, past_deadline_fires_in_the_next_run)
{
	items[0].t.fn = again_now;
	wheel_arm(w, &items[0].t, 5);
	for (int i = 1; i < 5; i++) {
		wheel_run(w, i * NST_SEC);
		cr_assert_eq(items[0].fired, i);
		cr_assert_leq(wheel_next(w), i * NST_SEC);
		cr_assert(wheel_check(w));
	}
	wheel_stop(w, &items[0].t);
	cr_assert_eq(wheel_next(w), NST_NEVER);
}

static void stop_other(struct wheel_timer *t, nst_time now)
{
	struct item *it = container_of(t, struct item, t);

	it->fired = now;
	for (int i = 0; i < N; i++)
		if (&items[i] != it)
			wheel_stop(w, &items[i].t);
}

Test(wheel, handler_may_stop_those_about_to_fire)
{
	int n = 0;

	for (int i = 0; i < 10; i++) {
		items[i].t.fn = stop_other;
		wheel_arm(w, &items[i].t, 5);
	}
	wheel_run(w, NST_SEC);
	for (int i = 0; i < 10; i++)
		n += items[i].fired != 0;
	cr_assert_eq(n, 1);
	cr_assert(wheel_check(w));
}

static nst_time last_tick;

static void in_order(struct wheel_timer *t, nst_time now)
{
	nst_time tick = container_of(t, struct item, t)->deadline >> 16;

	(void)now;
	cr_assert_geq(tick, last_tick);
	last_tick = tick;
}

Test(wheel, order_of_ticks)
{
	last_tick = 0;
	for (int i = 0; i < N; i++) {
		arm(&items[i], (nst_time)testenv_below(&te, 1u << 30));
		items[i].t.fn = in_order;
	}
	wheel_run(w, 2 * NST_SEC);
}

Test(wheel, armed_in_the_past_and_far_future)
{
	wheel_run(w, 100 * NST_SEC);
	arm(&items[0], 5);
	arm(&items[1], -5);
	arm(&items[2], NST_NEVER);
	cr_assert_eq(wheel_next(w), -5);
	wheel_run(w, 100 * NST_SEC);
	cr_assert_eq(items[0].fired, 100 * NST_SEC);
	cr_assert_eq(items[1].fired, 100 * NST_SEC);
	cr_assert_eq(items[2].fired, 0);
	wheel_run(w, 99 * NST_SEC); /* time never goes back */
	cr_assert(wheel_check(w));
	wheel_stop(w, &items[2].t);
}

Test(wheel, a_million)
{
	enum { MANY = 1000000 };
	struct item *many = calloc(MANY, sizeof(*many));
	nst_time now = 0;
	int left = 0;

	for (int i = 0; i < MANY; i++)
		arm(&many[i], 1 + (nst_time)(testenv_rand(&te) >> 24));
	for (int i = 0; i < MANY; i += 2)
		wheel_stop(w, &many[i].t);
	while (wheel_next(w) != NST_NEVER) {
		now = wheel_next(w) + 100 * NST_MS;
		wheel_run(w, now);
	}
	for (int i = 0; i < MANY; i++)
		left += (i & 1) && !many[i].fired;
	cr_assert_eq(left, 0);
	free(many);
}

/* ---- timers of one run: by deadline, then by turn ---- */

#define TURNS 300

struct turn {
	struct wheel_timer t;
	nst_time deadline;
};

static struct turn turns[TURNS];
static const struct turn *turn_order[TURNS];
static size_t turn_n;

static void turn_fired(struct wheel_timer *t, nst_time now)
{
	(void)now;
	turn_order[turn_n++] = container_of(t, struct turn, t);
}

/* What order they were armed in, or how often, does not matter. */
Test(wheel, order_is_of_facts)
{
	turn_n = 0;
	for (uint32_t i = 0; i < TURNS; i++) {
		struct turn *x = &turns[i];

		*x = (struct turn){.t.fn = turn_fired};
		x->t.turn = testenv_below(&te, 1000) * TURNS + i;
		x->deadline =
		    NST_SEC + (nst_time)testenv_below(&te, 3) * NST_US;
		if (i % 3 == 0)
			wheel_arm(w, &x->t, NST_MS);
	}
	for (uint32_t i = TURNS; i--;)
		wheel_arm(w, &turns[i].t, turns[i].deadline);
	wheel_run(w, NST_SEC + NST_MS);
	cr_assert_eq(turn_n, TURNS);
	for (size_t i = 1; i < TURNS; i++) {
		const struct turn *a = turn_order[i - 1], *b = turn_order[i];

		cr_assert(
		    a->deadline < b->deadline ||
		    (a->deadline == b->deadline && a->t.turn < b->t.turn));
	}
	cr_assert(wheel_check(w));
}

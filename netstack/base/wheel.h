/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hierarchical timing wheel (Varghese & Lauck 1987): O(1) arm and stop.
 *
 * A timer fires at the first wheel_run(now) with now >= deadline: never early.
 * The wheel knows ticks of WHEEL_TICK_NS; a deadline within the current tick is
 * kept exactly, so that wheel_next() is exact too (never later than the
 * earliest deadline; it may be earlier by a cascade, and then wheel_run does
 * nothing visible).
 *
 * A timer is embedded in its owner; fn is called with the timer not armed.
 */
#ifndef NETSTACK_BASE_WHEEL_H
#define NETSTACK_BASE_WHEEL_H

#include "netstack/nst_types.h"

struct wheel;
struct nst_env;

struct wheel_timer {
	struct wheel_timer *next, **pprev; /* pprev NULL: not armed */
	nst_time deadline;
	void (*fn)(struct wheel_timer *t, nst_time now);
	/* Of timers of the same moment, the smaller one is first: what order
	 * they were armed in is no fact that a saved stack has. */
	uint32_t turn;
	uint16_t slot; /* where it is linked, for O(1) occupancy bits */
};

struct wheel *wheel_new(const struct nst_env *env, nst_time now);
void wheel_free(struct wheel *w);
static inline bool wheel_armed(const struct wheel_timer *t)
{
	return t->pprev != NULL;
}
/* Arms or re-arms; a deadline in the past fires at the next run. */
void wheel_arm(struct wheel *w, struct wheel_timer *t, nst_time deadline);
void wheel_stop(struct wheel *w, struct wheel_timer *t);
nst_time wheel_next(const struct wheel *w);
/* Fires all that is due, in the order of deadlines, then of turns; timers
 * armed by handlers with a past deadline fire in the next call. */
void wheel_run(struct wheel *w, nst_time now);

/* Consistency (tests). */
bool wheel_check(const struct wheel *w);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LEVELS levels of SLOTS slots. A timer whose tick differs from the current
 * one first in the k-th group of SLOT_BITS bits lives on level k; when the
 * current tick enters its slot, it moves down. So everything on a lower level
 * is due before anything on a higher one, and the first occupied slot, found by
 * counting zeros in the levels' bit maps, holds the earliest timer.
 *
 * Each slot keeps the earliest deadline it has seen since it was empty: it is
 * never later than the earliest in the slot.
 */
#include "netstack/base/wheel.h"

#include "netstack/base/stack_priv.h"

#define TICK_BITS 16 /* a tick is 65.5 us */
#define SLOT_BITS 6
#define SLOTS (1u << SLOT_BITS)
#define LEVELS 8 /* 16 + 8 * 6 bits: every int64_t */
#define NSLOTS (LEVELS * SLOTS)
#define SLOT_LATE NSLOTS       /* armed by handlers with a past deadline */
#define SLOT_FIRE (NSLOTS + 1) /* about to be called */

struct slot {
	struct wheel_timer *head, **tail;
	nst_time min;
};

struct wheel {
	const struct nst_env *env;
	uint64_t cur; /* current tick */
	bool running;
	nst_time run_now;
	uint64_t occupied[LEVELS];
	struct slot slot[NSLOTS + 2];
};

static void slot_init(struct slot *s)
{
	s->head = NULL;
	s->tail = &s->head;
	s->min = NST_NEVER;
}

struct wheel *wheel_new(const struct nst_env *env, nst_time now)
{
	struct wheel *w = nst_alloc(env, sizeof(*w));

	if (!w)
		return NULL;
	w->env = env;
	w->cur = (uint64_t)now >> TICK_BITS;
	for (unsigned i = 0; i < NSLOTS + 2; i++)
		slot_init(&w->slot[i]);
	return w;
}

void wheel_free(struct wheel *w)
{
	if (w)
		nst_release(w->env, w, sizeof(*w));
}

static uint64_t tick_of(const struct wheel *w, nst_time deadline)
{
	uint64_t tick = deadline < 0 ? 0 : (uint64_t)deadline >> TICK_BITS;

	return tick < w->cur ? w->cur : tick;
}

static unsigned slot_for(const struct wheel *w, nst_time deadline)
{
	uint64_t tick = tick_of(w, deadline), diff = tick ^ w->cur;
	unsigned level = 0;

	if (diff)
		level = (63u - (unsigned)__builtin_clzll(diff)) / SLOT_BITS;
	return level * SLOTS +
	       (unsigned)((tick >> (level * SLOT_BITS)) & (SLOTS - 1));
}

static void link_timer(struct wheel *w, struct wheel_timer *t, unsigned i)
{
	struct slot *s = &w->slot[i];

	t->slot = (uint16_t)i;
	t->next = NULL;
	t->pprev = s->tail;
	*s->tail = t;
	s->tail = &t->next;
	if (t->deadline < s->min)
		s->min = t->deadline;
	if (i < NSLOTS)
		w->occupied[i / SLOTS] |= 1ull << (i % SLOTS);
}

static void unlink_timer(struct wheel *w, struct wheel_timer *t)
{
	struct slot *s = &w->slot[t->slot];

	*t->pprev = t->next;
	if (t->next)
		t->next->pprev = t->pprev;
	else
		s->tail = t->pprev;
	t->pprev = NULL;
	t->next = NULL;
	if (s->head)
		return;
	s->min = NST_NEVER;
	if (t->slot < NSLOTS)
		w->occupied[t->slot / SLOTS] &= ~(1ull << (t->slot % SLOTS));
}

void wheel_arm(struct wheel *w, struct wheel_timer *t, nst_time deadline)
{
	if (wheel_armed(t))
		unlink_timer(w, t);
	t->deadline = deadline;
	if (w->running && deadline <= w->run_now)
		link_timer(w, t, SLOT_LATE);
	else
		link_timer(w, t, slot_for(w, deadline));
}

void wheel_stop(struct wheel *w, struct wheel_timer *t)
{
	if (wheel_armed(t))
		unlink_timer(w, t);
}

/* The earliest occupied slot; NSLOTS: none. */
static unsigned first_slot(const struct wheel *w)
{
	for (unsigned level = 0; level < LEVELS; level++)
		if (w->occupied[level])
			return level * SLOTS +
			       (unsigned)__builtin_ctzll(w->occupied[level]);
	return NSLOTS;
}

nst_time wheel_next(const struct wheel *w)
{
	unsigned i = first_slot(w);

	return i == NSLOTS ? NST_NEVER : w->slot[i].min;
}

/* First tick of a slot that lies ahead of, or is, the current one. */
static uint64_t slot_tick(const struct wheel *w, unsigned i)
{
	unsigned shift = i / SLOTS * SLOT_BITS;
	uint64_t above = w->cur >> shift >> SLOT_BITS << SLOT_BITS;

	return (above | i % SLOTS) << shift;
}

/* Moves everything in slot i to where it belongs now. */
static void cascade(struct wheel *w, unsigned i)
{
	struct wheel_timer *t = w->slot[i].head, *next;

	w->occupied[i / SLOTS] &= ~(1ull << (i % SLOTS));
	slot_init(&w->slot[i]);
	for (; t; t = next) {
		next = t->next;
		link_timer(w, t, slot_for(w, t->deadline));
	}
}

static bool before(const struct wheel_timer *a, const struct wheel_timer *b)
{
	if (a->deadline != b->deadline)
		return a->deadline < b->deadline;
	return a->turn < b->turn;
}

/* Two sorted chains become one; of equals, those of a are first. */
static struct wheel_timer *merge(struct wheel_timer *a, struct wheel_timer *b)
{
	struct wheel_timer *head = NULL, **at = &head;

	while (a && b) {
		struct wheel_timer **from = before(b, a) ? &b : &a;

		*at = *from;
		at = &(*at)->next;
		*from = *at;
	}
	*at = a ? a : b;
	return head;
}

/* Sorts a chain, whose pprev mean nothing afterwards. bin[k] has 2^k. */
static struct wheel_timer *sort(struct wheel_timer *t)
{
	struct wheel_timer *bin[64] = {0}, *all = NULL, *next;
	unsigned k;

	for (; t; t = next) {
		next = t->next;
		t->next = NULL;
		for (k = 0; bin[k]; k++) {
			t = merge(bin[k], t);
			bin[k] = NULL;
		}
		bin[k] = t;
	}
	for (k = 0; k < 64; k++)
		all = merge(bin[k], all);
	return all;
}

static bool is_sorted(const struct wheel_timer *t)
{
	for (; t && t->next; t = t->next)
		if (before(t->next, t))
			return false;
	return true;
}

static void sort_fire(struct wheel *w)
{
	struct wheel_timer *t = w->slot[SLOT_FIRE].head, *next;

	if (is_sorted(t))
		return;
	t = sort(t);
	slot_init(&w->slot[SLOT_FIRE]);
	for (; t; t = next) {
		next = t->next;
		link_timer(w, t, SLOT_FIRE);
	}
}

/* Fires what is due in a level-0 slot; the rest stays. */
static void fire(struct wheel *w, unsigned i, nst_time now)
{
	struct wheel_timer *t = w->slot[i].head, *next;

	w->occupied[0] &= ~(1ull << i);
	slot_init(&w->slot[i]);
	for (; t; t = next) {
		next = t->next;
		link_timer(w, t, t->deadline <= now ? SLOT_FIRE : i);
	}
	sort_fire(w);
	while ((t = w->slot[SLOT_FIRE].head)) {
		unlink_timer(w, t);
		t->fn(t, now);
	}
}

/* What handlers armed for the past waits for the next call. */
static void splice_late(struct wheel *w)
{
	struct wheel_timer *t = w->slot[SLOT_LATE].head, *next;

	slot_init(&w->slot[SLOT_LATE]);
	for (; t; t = next) {
		next = t->next;
		link_timer(w, t, slot_for(w, t->deadline));
	}
}

void wheel_run(struct wheel *w, nst_time now)
{
	uint64_t target = tick_of(w, now);

	if (w->running)
		return;
	w->running = true;
	w->run_now = now;
	for (;;) {
		unsigned i = first_slot(w);
		uint64_t tick;

		if (i == NSLOTS || (tick = slot_tick(w, i)) > target)
			break;
		if (i < SLOTS && w->slot[i].min > now)
			break;
		w->cur = tick;
		if (i < SLOTS)
			fire(w, i, now);
		else
			cascade(w, i);
	}
	w->cur = target;
	w->running = false;
	splice_late(w);
}

static bool slot_ok(const struct wheel *w, unsigned i)
{
	const struct slot *s = &w->slot[i];
	struct wheel_timer *const *at = &s->head;

	for (; *at; at = &(*at)->next) {
		const struct wheel_timer *t = *at;

		if (t->pprev != at || t->slot != i || t->deadline < s->min)
			return false;
		if (i < NSLOTS && slot_for(w, t->deadline) != i)
			return false;
	}
	if (s->tail != at)
		return false;
	return i >= NSLOTS ||
	       !s->head == !(w->occupied[i / SLOTS] >> (i % SLOTS) & 1);
}

bool wheel_check(const struct wheel *w)
{
	for (unsigned i = 0; i < NSLOTS + 2; i++)
		if (!slot_ok(w, i))
			return false;
	return true;
}

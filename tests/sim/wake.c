/* SPDX-License-Identifier: Apache-2.0 */
/* When each program of a simulation wants to run next: a binary heap. */
#include "tests/sim/sim_priv.h"

static void heap_put(struct sim *s, uint32_t i, struct sim_end *e)
{
	s->heap[i] = e;
	e->heap_i = i;
}

static void heap_fix(struct sim *s, uint32_t i)
{
	struct sim_end *e = s->heap[i];
	uint32_t k;

	for (; i > 1 && s->heap[i / 2]->wake > e->wake; i /= 2)
		heap_put(s, i, s->heap[i / 2]);
	while ((k = 2 * i) <= s->nheap) {
		k += k < s->nheap && s->heap[k + 1]->wake < s->heap[k]->wake;
		if (s->heap[k]->wake >= e->wake)
			break;
		heap_put(s, i, s->heap[k]);
		i = k;
	}
	heap_put(s, i, e);
}

void sim_wake_at(struct sim_end *e, nst_time t)
{
	struct sim *s = e->flow->sim;

	if (e->heap_i && e->wake <= t)
		return;
	e->wake = t;
	if (!e->heap_i)
		heap_put(s, ++s->nheap, e);
	heap_fix(s, e->heap_i);
}

struct sim_end *sim_wake_pop(struct sim *s)
{
	struct sim_end *e = s->heap[1], *last = s->heap[s->nheap--];

	e->heap_i = 0;
	e->wake = NST_NEVER;
	if (s->nheap) {
		heap_put(s, 1, last);
		heap_fix(s, 1);
	}
	return e;
}

nst_time sim_wake_next(const struct sim *s)
{
	return s->nheap ? s->heap[1]->wake : NST_NEVER;
}

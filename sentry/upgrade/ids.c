/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/upgrade/ids.h"

#include <stdlib.h>

struct id_entry {
	uint64_t id;
	void *object;
};

void ids_add(struct ids *m, uint64_t id, void *object)
{
	if (m->n == m->room) {
		size_t room = m->room ? 2 * m->room : 64;
		struct id_entry *v = realloc(m->v, room * sizeof *v);

		if (!v) {
			m->failed = true;
			return;
		}
		m->v = v;
		m->room = room;
	}
	m->v[m->n++] = (struct id_entry){id, object};
	m->sorted = false;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = ((const struct id_entry *)a)->id;
	uint64_t y = ((const struct id_entry *)b)->id;

	return x < y ? -1 : x > y;
}

void *ids_find(struct ids *m, uint64_t id)
{
	struct id_entry key = {.id = id}, *found;

	if (!m->n)
		return NULL;
	if (!m->sorted)
		qsort(m->v, m->n, sizeof *m->v, compare);
	m->sorted = true;
	found = bsearch(&key, m->v, m->n, sizeof *m->v, compare);
	return found ? found->object : NULL;
}

void ids_fini(struct ids *m)
{
	free(m->v);
	*m = (struct ids){0};
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays that grow. */
#ifndef SENTRY_CORE_GROW_H
#define SENTRY_CORE_GROW_H

#include <stdlib.h>

#define GROW_FIRST 64

/* Room for one more behind n elements of `each` bytes, of which there is room
 * for *room: v, or what it has become. NULL: no memory, v is as it was. */
static inline void *grow(void *v, size_t n, size_t *room, size_t each)
{
	size_t more = *room ? *room * 2 : GROW_FIRST;
	void *p;

	if (n < *room)
		return v;
	p = reallocarray(v, more, each);
	if (p)
		*room = more;
	return p;
}

#endif

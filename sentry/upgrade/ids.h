/* SPDX-License-Identifier: Apache-2.0 */
/* Objects of a stack by their ids, gathered first and then looked for. */
#ifndef SENTRY_UPGRADE_IDS_H
#define SENTRY_UPGRADE_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ids {
	struct id_entry *v;
	size_t n, room;
	bool sorted;
	bool failed; /* one could not be added: no memory */
};

void ids_add(struct ids *m, uint64_t id, void *object);
/* NULL: there is none. */
void *ids_find(struct ids *m, uint64_t id);
void ids_fini(struct ids *m);

#endif

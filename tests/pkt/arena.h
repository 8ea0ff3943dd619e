/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of one script: everything the parser makes lives until the arena
 * ends, so nothing in the tree of a script is freed by itself.
 *
 * One owner, no locking.  Allocation never fails: a test program that has
 * no memory ends.
 */
#ifndef CORDON_TESTS_PKT_ARENA_H
#define CORDON_TESTS_PKT_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *blocks; /* newest first; owned */
};

/* Frees all that was allocated. */
void arena_fini(struct arena *a);
/* `size` bytes of zeroes, aligned for any type. */
void *arena_alloc(struct arena *a, size_t size);
/* A copy of `len` bytes with a terminating zero. */
char *arena_strndup(struct arena *a, const char *s, size_t len);
char *arena_strdup(struct arena *a, const char *s);
/* As sprintf. */
char *arena_printf(struct arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif /* CORDON_TESTS_PKT_ARENA_H */

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sink whose other end runs on a thread of its own: who saves goes on while
 * what it has saved is loaded.
 */
#ifndef SENTRY_SAVE_APART_H
#define SENTRY_SAVE_APART_H

#include "netstack/nst_env.h"
#include "netstack/nst_save.h"

struct apart;

/*
 * From now on records that are put (apart_put, by one thread) go to *to, in
 * order, a few whole ones at a time, on another thread; *to is copied. What
 * that thread may touch, the caller leaves alone until apart_end(). NULL: no
 * memory, or no thread; nothing was begun.
 */
struct apart *apart_begin(const struct nst_save_sink *to);
/* A struct nst_save_sink's; ctx is the struct apart. Copies. False: `to` has
 * refused some, or no memory. */
bool apart_put(void *apart, const void *records, size_t bytes);
/* Waits until `to` has had all, and ends the thread, whose CPU time is added to
 * *cpu. False: `to` has refused, and was given nothing more. */
bool apart_end(struct apart *a, nst_time *cpu);

#endif

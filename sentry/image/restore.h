/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cordon restore`: a saved stack begins a fresh sandbox, whose program
 * inherits its sockets. Main thread; run.c calls these in the order in which
 * they are here.
 */
#ifndef SENTRY_IMAGE_RESTORE_H
#define SENTRY_IMAGE_RESTORE_H

#include "sentry/core/sandbox.h"

struct restore;

struct restore_how {
	bool clone;      /* new secrets */
	bool reset_lost; /* connections that ended in a gateway: not refused */
};

/* Reads and verifies. -errno after one line on stderr. */
int restore_open(const char *path, const struct restore_how *how,
		 struct restore **out);
/* The stack's clock goes on where it was saved: before anything looks. */
void restore_clock(struct restore *rs, struct sandbox *sb);
/* Puts the saved stack in the place of the one that was just made, on the same
 * link, and makes a guest end for each socket. Under the lock, sockets being
 * ready. -errno after one line on stderr. */
int restore_stack(struct restore *rs, struct sandbox *sb);
/* Hands the descriptors to the guest, which waits for them after its GO, and
 * lets peers know. -errno after one line on stderr. */
int restore_hand(struct restore *rs, struct sandbox *sb);
void restore_free(struct restore *rs);

#endif

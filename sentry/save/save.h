/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Save and restore in place: netstack and gateway are written into an image in
 * memory, thrown away and made anew from it, while the guest, its backing
 * sockets, the sentry's sockets, host sockets and links stay as they are.
 *
 * An *event* is one settle that did something (sandbox_settle): a packet
 * crossed a link, or an endpoint told its owner something.
 *
 * Under the stack lock, unless told otherwise; at no time within a call of
 * netstack, nor by who keeps a pointer into it.
 */
#ifndef SENTRY_SAVE_SAVE_H
#define SENTRY_SAVE_SAVE_H

#include "sentry/core/sandbox.h"

struct save_report {
	nst_time stall; /* for which the sandbox stood still, ns */
	nst_time cpu;   /* what that took, on all threads, ns */
	size_t image_bytes;
	uint64_t endpoints;   /* sockets of both stacks */
	uint64_t connections; /* TCP ones with a peer */
};

/* opt->autosave: from now on. -ENOMEM. Without the lock, as are the next two.
 */
int saves_start(struct sandbox *sb);
/* No more; with -v a line that says how many there were and how long. */
void saves_stop(struct sandbox *sb);
void saves_free(struct sandbox *sb);

/* Before one that somebody waits for, without the lock: takes memory from the
 * kernel while the sandbox still runs. */
void save_prepare(struct sandbox *sb);
/*
 * Saves and restores. -ENOMEM, -EINVAL: nothing has changed, the old stacks go
 * on (log_error has said why). Once the old ones are gone there is no way
 * back: then cordon ends with EXIT_CORDON_FAILED, and the guest with it.
 */
int save_in_place(struct sandbox *sb, struct save_report *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The launcher: namespaces, the watcher that leaves nothing behind, the guest
 * itself, signals, the terminal, exit codes.
 */
#ifndef SENTRY_LAUNCH_LAUNCH_H
#define SENTRY_LAUNCH_LAUNCH_H

#include "sentry/core/sandbox.h"

struct guest; /* the running guest, as the launcher sees it */

/*
 * Forks watcher and guest; the guest waits, filter installed, for launch_go.
 * Sets sb->notify_fd and sb->guest_pid. -errno after one line on stderr.
 * Must be called before any thread exists.
 */
int launch_guest(struct sandbox *sb, struct guest **out);
/* Lets the guest exec. */
int launch_go(struct guest *g);
/*
 * Passes signals on and waits for the guest; on_child_exit is called when any
 * guest process has exited (for sweeps). Returns the exit code for cordon:
 * the guest's, 125/126/127, or 128+n with the signal re-raised by main.
 */
int launch_wait(struct guest *g, void (*on_child_exit)(void *arg), void *arg,
                int *term_signal);
/* Kills what is left of the guest and frees. */
void launch_fini(struct guest *g);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The launcher: namespaces, the watcher that leaves nothing behind, the guest
 * itself, signals, the terminal, exit codes.
 *
 * Processes: sentry → watcher → guest. The watcher is a subreaper in a session
 * of its own (with --isolate: PID 1 of the guest's PID namespace) that kills
 * the whole tree and removes the sandbox's directory when the sentry dies or
 * says so. The guest stays in the process group and session it was started in.
 *
 * All functions are for the main thread, but for those that pause.
 */
#ifndef SENTRY_LAUNCH_LAUNCH_H
#define SENTRY_LAUNCH_LAUNCH_H

#include "sentry/core/sandbox.h"

struct guest; /* the running guest, as the launcher sees it */

/*
 * Makes sb->dir and sb->magic, forks watcher and guest, and returns while these
 * prepare themselves. Refuses inherited host sockets. Blocks all signals for
 * the sentry, closes the descriptors that only the guest inherits and points
 * 0 and 1 to /dev/null. -errno after one line on stderr. Must be called before
 * any thread exists. *out is set also on failure if there is something to undo.
 */
int launch_guest(struct sandbox *sb, struct guest **out);
/*
 * Waits until the guest has installed its filter and fetches the listener:
 * sets sb->notify_fd and sb->guest_pid. -errno after one line on stderr.
 */
int launch_attach(struct guest *g);
/* Lets the guest exec. -errno after one line on stderr. */
int launch_go(struct guest *g);
/*
 * With opt->restore, after launch_go: n descriptors for the guest, which has
 * them from LAUNCH_HAND_FIRST on, and a text about them: in the file whose
 * descriptor, the next one, is named by LAUNCH_HAND_ENV_FD; and, unless it is
 * too long for that, in LAUNCH_HAND_ENV. Returns when the guest has begun to
 * run, or cannot. Lends. -errno.
 */
#define LAUNCH_HAND_FIRST 3
#define LAUNCH_HAND_ENV "CORDON_FDS"
#define LAUNCH_HAND_ENV_FD "CORDON_FDS_FD"
int launch_hand(struct guest *g, const char *env, const int *fds, size_t n);
/*
 * Passes signals on and waits for the guest; on_child_exit is called when any
 * guest process has exited (for sweeps). Returns the exit code for cordon:
 * the guest's, 125/126/127, or 128+n with the signal re-raised by main.
 */
int launch_wait(struct guest *g, void (*on_child_exit)(void *arg), void *arg,
		int *term_signal);
/* While launch_wait waits, calls fn when fd is readable; fd -1: no more. */
void launch_listen(struct guest *g, int fd, void (*fn)(void *arg), void *arg);
/* Kills what is left of the guest (its daemons) and waits until it is gone. */
void launch_kill_rest(struct guest *g);
/*
 * Stops all of the guest's processes, with SIGSTOP, and those that they are
 * just forking; continues those that were so stopped. The network goes on.
 * Any thread. *n: how many processes. -EALREADY: it is paused, or is not;
 * -ESRCH: it has ended; -EBUSY: it forks faster than it can be stopped, and
 * runs on.
 */
int launch_pause(struct guest *g, unsigned *n);
int launch_resume(struct guest *g, unsigned *n);
bool launch_paused(const struct guest *g);
/* After launch_wait: does a signal wait that asks cordon to end? (linger's
 * callback; arg is the guest.) */
bool launch_signal_pending(void *arg);
/* Kills what is left, ends the watcher, removes the directory, frees. */
void launch_fini(struct guest *g);

#endif

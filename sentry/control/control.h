/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The name of a sandbox and its control socket: docs/CONTROL.md. A thread of
 * the sentry, "cordon-control", answers one request at a time.
 *
 * All functions are for the main thread, but the getters.
 */
#ifndef SENTRY_CONTROL_CONTROL_H
#define SENTRY_CONTROL_CONTROL_H

#include "sentry/core/sandbox.h"

struct control_place;

/*
 * Claims opt->name, or a random id, and listens: before the watcher is forked,
 * which removes the name whatever happens. -errno after one line on stderr if a
 * chosen name cannot be had. Without one, a socket that cannot be made costs a
 * line on stderr: the sandbox runs, out of reach of commands.
 */
int control_open(struct sandbox *sb);
/* Starts answering; -errno. Nothing without a socket. */
int control_start(struct sandbox *sb);
/* Waits for the command that runs, and ends the thread. Commands find all of
 * the sandbox there until this returns. */
void control_stop(struct sandbox *sb);
/* Removes the name. */
void control_free(struct sandbox *sb);

/*
 * For an upgrade: what there is goes on in another process that has the same
 * descriptors. each_fd: listener and clients; adopt: instead of control_open,
 * takes them. -ENOMEM.
 */
void control_each_fd(struct sandbox *sb, void (*fn)(void *arg, int *fd),
		     void *arg);
int control_adopt(struct sandbox *sb, const struct control_place *place,
		  int listen_fd, const int *clients, size_t n);

/* "" and NULL and -1 without a socket. */
const char *control_id(const struct sandbox *sb);
const struct control_place *control_place(const struct sandbox *sb);
int control_listen_fd(const struct sandbox *sb);

#endif

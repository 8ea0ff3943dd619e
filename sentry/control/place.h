/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where control sockets are: ID.sock in the runtime directory of the user.
 *
 * The directories that may be it, the best first: $XDG_RUNTIME_DIR/cordon (if
 * that is the user's own and nobody else's to write), /run/cordon for root,
 * /tmp/cordon-UID. They are ours with mode 0700 or not used; names below them
 * are reached through a descriptor, never through a symbolic link.
 *
 * An id is the name of a sandbox among the user's: values.h has its form. The
 * socket's name *is* the claim to it. A name whose socket refuses connections
 * is a dead sandbox's and removed by whoever meets it, under the directory's
 * lock, so that nobody removes what another has just made.
 *
 * Any thread; errors are -errno.
 */
#ifndef SENTRY_CONTROL_PLACE_H
#define SENTRY_CONTROL_PLACE_H

#include <stdbool.h>

#include "sentry/core/values.h"

#define CONTROL_DIR_BYTES 96
#define CONTROL_SUFFIX ".sock"

/* The candidates, by number. */
#define CONTROL_DIRS 3

struct control_dir {
	int fd;
	char path[CONTROL_DIR_BYTES];
};

/* Tells a socket's name from one that was made later; all 0: unknown. D */
struct control_made {
	uint64_t ino;
	int64_t ctime; /* ns */
};

/* A claimed name. S */
struct control_place {
	char dir[CONTROL_DIR_BYTES];
	char id[VALUE_ID_BYTES];
	struct control_made made; /* D after an upgrade only the dead go */
};

/* ---- dir.c ---- */
/* Opens candidate n, and makes it if `make`. -ENOENT: not there, or none for
 * this user; -EPERM: there, but not ours alone. */
int control_dir_open(unsigned n, bool make, struct control_dir *d);
void control_dir_close(struct control_dir *d);
/*
 * The lock of a directory, held until unlock. It keeps those who claim or
 * remove names apart; a guest that can reach the directory could hold it, so
 * after a moment one goes on without.
 */
void control_dir_lock(const struct control_dir *d);
void control_dir_unlock(const struct control_dir *d);
/* Connects to an id's socket, non-blocking. A descriptor; -ECONNREFUSED: its
 * sandbox is dead; -EAGAIN: it lives, and is busy. */
int control_dir_connect(const struct control_dir *d, const char *id);
/* Removes the name of an id whose sandbox is dead. Under the lock. */
bool control_dir_remove_dead(const struct control_dir *d, const char *id);
/* Removes the names of dead sandboxes, and the directory if these were all. */
void control_dir_sweep(const struct control_dir *d);
/* Calls fn for the id of every name, sorted, until it returns non-zero, which
 * is returned. -errno if the directory cannot be read. */
int control_dir_each(const struct control_dir *d,
		     int (*fn)(void *arg, const char *id), void *arg);

/* ---- place.c ---- */
/*
 * Claims `id`, or a random one if NULL, in the best directory that can be had.
 * Returns a listening socket. -EEXIST: a living sandbox has this id.
 */
int control_place_claim(const char *id, struct control_place *p);
/*
 * Removes the name if it is the one that was claimed, or nobody listens: it may
 * be another sandbox's by now, which lives. Then the directory, if it is empty.
 */
void control_place_remove(const struct control_place *p);
/*
 * In a mount namespace of its own: hides the directory from those in it, and
 * shows it again.
 */
int control_place_cover(const struct control_place *p);
void control_place_uncover(const struct control_place *p);

#endif

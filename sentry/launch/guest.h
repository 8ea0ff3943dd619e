/* SPDX-License-Identifier: Apache-2.0 */
/* The sentry's record of its guest; main thread only, but for pausing. */
#ifndef SENTRY_LAUNCH_GUEST_H
#define SENTRY_LAUNCH_GUEST_H

#include <pthread.h>

#include "sentry/launch/launch_priv.h"

struct guest {
	struct sandbox *sb;          /* R */
	struct launch_plan plan;     /* R of it, channels go on */
	pid_t watcher;               /* S our child; 0: none */
	int pidfd;                   /* S of the guest's first process, or -1 */
	int sigfd;                   /* S every signal of ours, or -1 */
	bool exited;                 /* S */
	bool watcher_dead;           /* S */
	pthread_mutex_t freeze_lock; /* R of the next two and the channel */
	int freeze_seq;              /* S */
	bool paused;                 /* S atomic to read */
	int status;                  /* S wait status, once exited */
	bool stopped; /* S we stopped with it and have not seen it continue */
	int ask_fd;   /* R launch_listen's, or -1 */
	void (*asked)(void *arg); /* R */
	void *ask_arg;            /* R */
};

/* A record of a guest that runs already, of another process of ours: the
 * caller fills it in. Sets sb->guest. NULL: no memory. */
struct guest *guest_adopt(struct sandbox *sb);

/* Prints why the guest could not be started, if it said so. */
void guest_explain(struct guest *g);

/* A signal that asks to end has come: a paused guest goes on, to obey it. */
void pause_end_for_signal(struct guest *g);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The sentry's record of its guest; main thread only, but for pausing. */
#ifndef SENTRY_LAUNCH_GUEST_H
#define SENTRY_LAUNCH_GUEST_H

#include <pthread.h>

#include "sentry/launch/launch_priv.h"

struct guest {
	struct sandbox *sb;
	struct launch_plan plan;
	pid_t watcher; /* our child; 0: none */
	int pidfd;     /* of the guest's first process, or -1 */
	int sigfd;     /* every signal of ours, or -1 */
	bool exited;
	bool watcher_dead;
	pthread_mutex_t freeze_lock; /* of the next two and the channel */
	int freeze_seq;
	bool paused;  /* atomic to read */
	int status;   /* wait status, once exited */
	bool stopped; /* we stopped with it and have not seen it continue */
};

/* Prints why the guest could not be started, if it said so. */
void guest_explain(struct guest *g);

/* A signal that asks to end has come: a paused guest goes on, to obey it. */
void pause_end_for_signal(struct guest *g);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of struct trapper: the threads and lists behind trap.h. Only
 * sentry/trap/ includes this. The lists are under the stack lock; the pidfd
 * cache has a lock of its own, which is a leaf.
 */
#ifndef SENTRY_TRAP_TRAP_PRIV_H
#define SENTRY_TRAP_TRAP_PRIV_H

#include <semaphore.h>
#include <stdatomic.h>

#include "sentry/trap/trap.h"

#define TRAP_PIDFDS 1024u /* slots of the pidfd cache, by thread id */

struct trap_pidfd {
	pid_t tid; /* 0: empty */
	int fd;
};

struct trapper {
	struct sandbox *sb;
	pthread_t thread;  /* receives traps */
	pthread_t watcher; /* signals and deadlines of parked traps, sweeps */
	atomic_bool stop;
	sem_t wake;          /* the watcher's: something was parked, or stop */
	sem_t ended;         /* the trap thread serves no more */
	struct trap *parked; /* every parked trap */
	size_t nparked;
	struct trap *ready; /* woken, to be run; singly linked */
	struct trap **ready_tail;
	pthread_mutex_t pidfd_lock;
	struct trap_pidfd pidfd[TRAP_PIDFDS];
};

/* Serves a new trap: identifies the socket, runs the handler, answers or
 * parks. `t` is the caller's and only used during the call. */
void dispatch_new(struct trap *t);
/* Runs a trap that was woken; takes it (heap memory). */
void dispatch_again(struct trap *t);
/* The call's name, or NULL. */
const char *dispatch_name(int nr);

/* Parks a copy of t; under the lock. False: no memory. */
bool park_new(struct trap *t);
/* Parks t, heap memory, again. Under the lock. */
void park_again(struct trap *t);
/* Frees what is parked, unanswered: the guest is gone. */
void park_drop_all(struct trapper *tr);
/* One look at every parked trap: signals, deadlines. No lock. */
void park_watch(struct trapper *tr);
/* When the watcher must look again. Under the lock. */
nst_time park_next_deadline(const struct trapper *tr);

/* One line of -v output. trace_call fills buf before the answer is sent. */
#define TRACE_BYTES 256
void trace_call(const struct trap *t, char buf[TRACE_BYTES]);
void trace_value(const struct trap *t, const char *call, int64_t value);
void trace_error(const struct trap *t, const char *call, int err);
void trace_native(const struct trap *t, const char *call);

void guest_fd_fini(struct trapper *tr); /* closes the cached pidfds */

#endif

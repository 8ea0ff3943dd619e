/* SPDX-License-Identifier: Apache-2.0 */
/* Threads. */
#ifndef SENTRY_CORE_THREAD_H
#define SENTRY_CORE_THREAD_H

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "netstack/nst_types.h"

/* As pthread_create(), with every signal blocked in the new thread: they are
 * for the launcher's. A positive errno: there is none. */
static inline int thread_start(pthread_t *out, void *(*fn)(void *), void *arg)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(out, NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return err;
}

/* For how long this thread has run, ns. */
static inline nst_time thread_cpu_time(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * NST_SEC + ts.tv_nsec;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A loop on a thread of its own, with a plain mutex as the stack lock and one
 * settable deadline. Tests wait on the condition that every unlock signals;
 * none sleeps to wait for something.
 */
#ifndef TESTS_UNIT_SENTRY_LOOP_RIG_H
#define TESTS_UNIT_SENTRY_LOOP_RIG_H

#include <criterion/criterion.h>
#include <pthread.h>

#include "sentry/loop/loop.h"

struct rig {
	struct loop *l;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	nst_time deadline; /* under the lock */
	nst_time fired;    /* when the timer ran; 0: not yet */
	unsigned fires;
	unsigned idles;
};

/* What a callback records; `op` is cleared by the last event. */
struct seen {
	struct rig *r;
	struct loop_op *op;
	unsigned events, lasts;
	int res;
	int last_res;
	size_t bytes;
	uint64_t sum;  /* of all bytes, weighted by position */
	uint16_t port; /* of `from` */
	int fds[64];
	unsigned nfds;
};

void rig_start(struct rig *r);
void rig_make(struct rig *r); /* without starting the thread */
void rig_launch(struct rig *r);
void rig_stop(struct rig *r);
void rig_lock(struct rig *r);
void rig_unlock(struct rig *r);
/* Under the lock: waits for a change; fails the test after 10 s. */
void rig_wait(struct rig *r);
nst_time rig_now(void);

void seen_event(void *arg, const struct loop_event *ev);
void seen_accept(void *arg, const struct loop_event *ev);
uint64_t seen_sum(uint64_t sum, size_t at, const uint8_t *p, size_t n);

#define RIG_WAIT_FOR(r, cond)                                                  \
	do {                                                                   \
		rig_lock(r);                                                   \
		while (!(cond))                                                \
			rig_wait(r);                                           \
		rig_unlock(r);                                                 \
	} while (0)

/* A connected pair: AF_UNIX stream, both non-blocking. */
void rig_pair(int fd[2]);
/* A listening TCP socket on 127.0.0.1; its port. */
int rig_listen(uint16_t *port);

#endif

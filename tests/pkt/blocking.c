/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second thread, for calls that a script says will block.
 *
 *   IDLE -> QUEUED (the main thread hands a call over) -> RUNNING (it is in
 *   the stack, without the lock) -> DONE (back, with the lock) -> IDLE
 *
 * The main thread goes on once the call sleeps in the stack, which it sees
 * in /proc: the second thread's state is 'S'.
 */
#include "tests/pkt/run.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum blocking_state { IDLE, QUEUED, RUNNING, DONE, LEAVING };

enum {
	MAX_WAIT_NS = 1000000000,
	POLL_NS = 20000,
	STEP_USECS = 1000,
	GRACE_USECS = 1000000, /* behind the end that the script gives */
};

struct blocking {
	enum blocking_state state;
	pthread_t thread;
	pid_t tid;
	pthread_cond_t changed;
	struct event *event;
	long long live_end;
};

static bool is_asleep(pid_t tid)
{
	char path[64], text[512], *end;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	end = strrchr(text, ')'); /* behind the name */
	return end != NULL && end[1] == ' ' && end[2] == 'S';
}

static void finish_call(struct run *r, struct blocking *b)
{
	struct event *e = b->event;
	const char *err = call_run(r, e);

	if (err == NULL)
		err = run_check_time(r, e, e->call->end_usecs, b->live_end,
				     e->usecs, "system call return");
	if (err != NULL)
		run_fail(r, e->line, "runtime error in %s call: %s",
			 e->call->name, err);
}

static void *thread_main(void *arg)
{
	struct run *r = arg;
	struct blocking *b = r->blocking;

	pthread_mutex_lock(&r->lock);
	b->tid = gettid();
	while (b->state != LEAVING) {
		if (b->state != QUEUED) {
			pthread_cond_wait(&b->changed, &r->lock);
			continue;
		}
		finish_call(r, b);
		b->state = IDLE;
		b->event = NULL;
		pthread_cond_broadcast(&b->changed);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

void blocking_start(struct run *r)
{
	struct blocking *b = arena_alloc(r->arena, sizeof(*b));

	r->blocking = b;
	pthread_cond_init(&b->changed, NULL);
	if (pthread_create(&b->thread, NULL, thread_main, r) != 0)
		run_fail(r, 1, "no second thread");
}

static void nap(struct run *r)
{
	const struct timespec ts = {.tv_nsec = POLL_NS};

	pthread_mutex_unlock(&r->lock);
	nanosleep(&ts, NULL);
	pthread_mutex_lock(&r->lock);
}

/*
 * A call that is still out may need time to come back: on a virtual clock
 * it only moves if we move it.
 */
static void await_idle(struct run *r, int line)
{
	struct blocking *b = r->blocking;
	long long waited = 0;

	while (b->state != IDLE) {
		long long end = r->live_start + b->event->call->end_usecs;

		if (r->virtual_time) {
			blocking_settle(r);
			if (b->state == IDLE)
				break;
			pthread_mutex_unlock(&r->lock);
			r->ifc.usleep(r->ifc.userdata, STEP_USECS);
			pthread_mutex_lock(&r->lock);
		} else {
			nap(r);
			waited += POLL_NS;
		}
		if (waited > MAX_WAIT_NS ||
		    (r->virtual_time && run_now(r) > end + GRACE_USECS))
			run_fail(r, line,
				 "the blocking system call %s of line %d is "
				 "still in progress",
				 b->event->call->name, b->event->line);
	}
}

void blocking_stop(struct run *r)
{
	struct blocking *b = r->blocking;

	await_idle(r, b->event != NULL ? b->event->line : 1);
	b->state = LEAVING;
	pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&r->lock);
	pthread_join(b->thread, NULL);
	pthread_mutex_lock(&r->lock);
}

void blocking_settle(struct run *r)
{
	struct blocking *b = r->blocking;

	while (b->state != IDLE && b->state != LEAVING) {
		bool asleep;

		pthread_mutex_unlock(&r->lock);
		sched_yield();
		asleep = is_asleep(b->tid);
		pthread_mutex_lock(&r->lock);
		/* DONE and asleep is asleep on our own lock. */
		if (asleep && b->state == RUNNING)
			return;
	}
}

static void enqueue(struct run *r, struct event *e)
{
	struct blocking *b = r->blocking;

	await_idle(r, e->line);
	run_wait_for_event(r);
	b->event = e;
	b->state = QUEUED;
	pthread_cond_broadcast(&b->changed);
	while (b->state == QUEUED)
		pthread_cond_wait(&b->changed, &r->lock);
	blocking_settle(r);
}

void blocking_syscall_event(struct run *r, struct event *e)
{
	const char *err;

	if (e->call->blocking) {
		enqueue(r, e);
		return;
	}
	run_wait_for_event(r);
	if (r->blocking->state != IDLE && !r->virtual_time)
		await_idle(r, e->line);
	err = call_run(r, e);
	if (err == NULL)
		return;
	if (r->conf->non_fatal_syscall)
		run_warn(r, e->line, "runtime error in %s call: %s",
			 e->call->name, err);
	else
		run_fail(r, e->line, "runtime error in %s call: %s",
			 e->call->name, err);
}

void blocking_begin(struct run *r, const struct syscall_spec *s)
{
	struct blocking *b = r->blocking;

	if (!s->blocking)
		return;
	b->state = RUNNING;
	pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&r->lock);
}

void blocking_end(struct run *r, const struct syscall_spec *s)
{
	struct blocking *b = r->blocking;
	long long now;

	if (!s->blocking)
		return;
	now = run_now(r);
	pthread_mutex_lock(&r->lock);
	b->live_end = now;
	b->state = DONE;
}

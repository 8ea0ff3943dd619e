/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/pkt/run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/times.h>
#include <unistd.h>

enum {
	USECS = 1000000,
	SPIN_USECS = 20,
	JIFFY_OFFSET_USECS = 250,
	HANG_SECS = 10, /* for one event */
};

static void cleanup(struct run *r)
{
	const char *err;

	if (r->script->cleanup_command == NULL || !r->init_done)
		return;
	r->init_done = false;
	err = command_run(r, r->script->cleanup_command);
	if (err != NULL)
		fprintf(stderr, "%s:%d: error executing cleanup command: %s\n",
			r->script->path, r->script->cleanup_line, err);
}

static void message(const struct run *r, int line, const char *fmt, va_list ap)
{
	fflush(stdout);
	fprintf(stderr, "%s:%d: ", r->script->path, line);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

void run_warn(struct run *r, int line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message(r, line, fmt, ap);
	va_end(ap);
}

void run_fail(struct run *r, int line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message(r, line, fmt, ap);
	va_end(ap);
	cleanup(r);
	fflush(stderr);
	_exit(1);
}

/* For the handler, which can reach nothing else. */
static char alarm_text[512];

static void on_alarm(int sig)
{
	ssize_t n;

	(void)sig;
	n = write(STDERR_FILENO, alarm_text, strlen(alarm_text));
	_exit(n >= 0 ? 1 : 2);
}

void run_arm_alarm(struct run *r, const struct event *e, unsigned secs_left,
		   const char *what)
{
	snprintf(alarm_text, sizeof(alarm_text), "%s:%d: %s\n", r->script->path,
		 e->line, what);
	signal(SIGALRM, on_alarm);
	alarm(secs_left);
}

long long run_now(struct run *r)
{
	struct timeval tv;

	if (r->ifc.gettimeofday(r->ifc.userdata, &tv, NULL) != 0)
		run_fail(r, r->event ? r->event->line : 1, "gettimeofday: %s",
			 strerror(errno));
	return (long long)tv.tv_sec * USECS + tv.tv_usec;
}

long long run_last_usecs(const struct run *r)
{
	return r->last_event != NULL ? r->last_event->usecs : NO_LAST_EVENT;
}

static double secs(long long usecs)
{
	return (double)usecs / USECS;
}

const char *run_check_time(struct run *r, const struct event *e,
			   long long expected, long long live, long long from,
			   const char *what)
{
	long long actual = live - r->live_start, end = expected;
	long long tolerance = r->conf->tolerance_usecs, grown;
	bool range = e->time >= TIME_ABSOLUTE_RANGE;

	if (e->time == TIME_ANY)
		return NULL;
	if (from != NO_LAST_EVENT) {
		grown = (long long)(r->conf->tolerance_percent / 100.0 *
				    (double)(expected - from));
		if (grown > tolerance)
			tolerance = grown;
	}
	if (range)
		end = e->usecs_end;
	if (actual >= expected - tolerance && actual <= end + tolerance)
		return NULL;
	if (e->time == TIME_RELATIVE_RANGE)
		return arena_printf(r->arena,
				    "timing error: expected %s in relative "
				    "time range +%.6f~+%.6f sec but happened "
				    "at %+.6f sec",
				    what, secs(expected - e->offset_usecs),
				    secs(end - e->offset_usecs),
				    secs(actual - e->offset_usecs));
	if (range)
		return arena_printf(r->arena,
				    "timing error: expected %s in time range "
				    "%.6f~%.6f sec but happened at %.6f sec",
				    what, secs(expected), secs(end),
				    secs(actual));
	return arena_printf(r->arena,
			    "timing error: expected %s at %.6f sec but "
			    "happened at %.6f sec; tolerance %.6f sec",
			    what, secs(expected), secs(actual),
			    secs(tolerance));
}

static const char *describe(const struct event *e)
{
	switch (e->kind) {
	case EVENT_PACKET:
		return e->packet->dir == DIR_IN ? "inbound packet"
						: "outbound packet";
	case EVENT_SYSCALL:
		return "system call start";
	case EVENT_COMMAND:
		return "command";
	default:
		return "data collection for code";
	}
}

void run_wait_for_event(struct run *r)
{
	const struct event *e = r->event;
	long long at = r->live_start + e->usecs, left;
	const char *late;

	while ((left = at - run_now(r)) > 0) {
		/* On a real clock, the last microseconds are spun. */
		if (!r->virtual_time) {
			if (left <= SPIN_USECS)
				continue;
			left -= SPIN_USECS;
		}
		pthread_mutex_unlock(&r->lock);
		r->ifc.usleep(r->ifc.userdata, (useconds_t)left);
		pthread_mutex_lock(&r->lock);
		blocking_settle(r);
	}
	if (r->num_events == 0)
		return;
	late = run_check_time(r, e, e->usecs, run_now(r), run_last_usecs(r),
			      describe(e));
	if (late != NULL)
		run_fail(r, e->line, "%s", late);
}

/*
 * Packets that come in one after the other are timed from each other, so
 * that what this program costs does not add up.
 */
static bool is_anchored(const struct event *e)
{
	return e->kind == EVENT_PACKET && e->packet->dir == DIR_IN;
}

static void make_absolute(struct run *r, struct event *e)
{
	if (e->time == TIME_ABSOLUTE || e->time == TIME_ABSOLUTE_RANGE)
		return;
	if (r->last_event != NULL && is_anchored(r->last_event) &&
	    is_anchored(e))
		e->offset_usecs = r->last_event->usecs;
	else
		e->offset_usecs = run_now(r) - r->live_start;
	e->usecs += e->offset_usecs;
	e->usecs_end += e->offset_usecs;
	if (e->kind == EVENT_SYSCALL && e->call->blocking)
		e->call->end_usecs += e->offset_usecs;
}

static bool is_absolute(const struct event *e)
{
	return e->time == TIME_ABSOLUTE || e->time == TIME_ABSOLUTE_RANGE;
}

static void check_order(struct run *r, const struct event *e)
{
	const struct event *last = r->last_event;

	if (last == NULL) {
		if (e->usecs != 0)
			run_fail(r, e->line, "first event should be at time 0");
		return;
	}
	if (is_absolute(last) && is_absolute(e) && e->usecs < last->usecs)
		run_fail(r, e->line,
			 "time goes backward in script from %lld usec to "
			 "%lld usec",
			 last->usecs, e->usecs);
}

/* A call that a script thinks will not block may block without an end. */
static void watch(struct run *r, const struct event *e)
{
	long long wait = 0;

	if (!r->virtual_time)
		wait = (r->live_start + e->usecs - run_now(r)) / USECS + 1;
	run_arm_alarm(r, e, HANG_SECS + (unsigned)(wait > 0 ? wait : 0),
		      arena_printf(r->arena, "%s did not come to an end",
				   e->kind == EVENT_SYSCALL ? e->call->name
							    : "this event"));
}

static void run_event(struct run *r, struct event *e)
{
	watch(r, e);
	switch (e->kind) {
	case EVENT_PACKET:
		packet_event(r, e);
		break;
	case EVENT_SYSCALL:
		blocking_syscall_event(r, e);
		break;
	case EVENT_COMMAND:
		command_event(r, e);
		break;
	case EVENT_CODE:
		code_event(r, e);
		break;
	}
}

/*
 * LINUX: some of its timers run on jiffies; a start well inside of one makes
 * millisecond times in scripts come out the same each time.
 */
static long long start_time(struct run *r)
{
	clock_t before = times(NULL);

	if (r->virtual_time)
		return run_now(r);
	while (times(NULL) == before)
		;
	return run_now(r) + JIFFY_OFFSET_USECS;
}

static void run_init(struct run *r)
{
	char *list, *save = NULL, *one;
	const char *err;

	r->in_init = true;
	if (r->conf->init_scripts != NULL) {
		list = arena_strdup(r->arena, r->conf->init_scripts);
		for (one = strtok_r(list, ",", &save); one;
		     one = strtok_r(NULL, ",", &save)) {
			err = command_run(r, one);
			if (err != NULL)
				run_fail(r, 1, "init script %s: %s", one, err);
		}
	}
	if (r->script->init_command != NULL) {
		err = command_run(r, r->script->init_command);
		if (err != NULL)
			run_fail(r, r->script->init_line,
				 "error executing init command: %s", err);
	}
	r->init_done = true;
	r->in_init = false;
}

static void close_all(struct run *r)
{
	for (struct sock *s = r->socks; s != NULL; s = s->next) {
		if (!s->closed && s->live_fd >= 0) {
			if (s->is_host)
				close(s->live_fd);
			else
				r->ifc.close(r->ifc.userdata, s->live_fd);
		}
		if (s->is_socket)
			packet_reset(r, s);
	}
}

void run_script(struct run *r)
{
	signal(SIGPIPE, SIG_IGN);
	pthread_mutex_init(&r->lock, NULL);
	pthread_mutex_lock(&r->lock);
	r->code_tail = &r->code;
	r->next_port = 40000;
	r->rx = arena_alloc(r->arena, WIRE_MAX_PACKET);
	blocking_start(r);
	run_init(r);
	r->live_start = start_time(r);
	for (r->event = r->script->events; r->event != NULL;
	     r->event = r->event->next) {
		check_order(r, r->event);
		make_absolute(r, r->event);
		run_event(r, r->event);
		r->last_event = r->event;
		r->num_events++;
	}
	blocking_stop(r);
	alarm(0);
	cleanup(r);
	code_execute(r);
	close_all(r);
	r->ifc.free(r->ifc.userdata);
	pthread_mutex_unlock(&r->lock);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Cancelling at every moment, closing, and posting from other threads. */
#include "tests/unit/sentry_loop/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

/* Each callback cancels the other op, whose completion is in the same batch. */
struct rival {
	struct rig *r;
	struct rival *other;
	struct loop_op *op;
	unsigned events;
	bool dead;
};

static void rival_event(void *arg, const struct loop_event *ev)
{
	struct rival *me = arg;

	(void)ev;
	cr_assert_not(me->dead, "called after loop_cancel");
	me->events++;
	me->other->dead = true;
	loop_cancel(me->r->l, me->other->op);
}

Test(loop_cancel, of_an_op_in_the_same_batch)
{
	struct rig r;
	int fd[2];

	rig_pair(fd);
	rig_start(&r);
	for (int i = 0; i < 500; i++) {
		struct rival a = {.r = &r}, b = {.r = &r, .other = &a};
		char c;

		a.other = &b;
		rig_lock(&r);
		a.op = loop_poll(r.l, fd[0], POLLIN, rival_event, &a);
		b.op = loop_poll(r.l, fd[0], POLLIN, rival_event, &b);
		rig_unlock(&r);
		cr_assert_eq(write(fd[1], "x", 1), 1);
		RIG_WAIT_FOR(&r, a.events + b.events);
		rig_lock(&r);
		cr_assert(a.dead != b.dead);
		a.dead = b.dead = true;
		loop_cancel(r.l, a.op);
		loop_cancel(r.l, b.op);
		rig_unlock(&r);
		cr_assert_eq(read(fd[0], &c, 1), 1);
	}
	rig_stop(&r);
}

static void self_cancel(void *arg, const struct loop_event *ev)
{
	struct seen *s = arg;

	s->events++;
	if (!ev->last)
		loop_cancel_close(s->r->l, s->op, s->fds[0]);
}

Test(loop_cancel, of_itself_closes)
{
	struct rig r;

	rig_start(&r);
	for (int i = 0; i < 300; i++) {
		struct seen s = {.r = &r};
		struct pollfd p;
		int fd[2];

		rig_pair(fd);
		s.fds[0] = fd[0];
		rig_lock(&r);
		s.op = loop_recv(r.l, fd[0], false, self_cancel, &s);
		rig_unlock(&r);
		cr_assert_eq(write(fd[1], "x", 1), 1);
		p = (struct pollfd){.fd = fd[1], .events = 0};
		cr_assert_eq(poll(&p, 1, 10000), 1);
		cr_assert(p.revents & POLLHUP);
		cr_assert_eq(s.events, 1);
		close(fd[1]);
	}
	rig_stop(&r);
}

/* Two operations on one descriptor: it closes after both are gone. */
Test(loop_cancel, close_ends_every_op_of_the_fd)
{
	struct rig r;
	struct seen a = {.r = &r}, b = {.r = &r};
	struct pollfd p;
	int fd[2];

	rig_pair(fd);
	rig_start(&r);
	rig_lock(&r);
	a.op = loop_recv(r.l, fd[0], false, seen_event, &a);
	b.op = loop_poll(r.l, fd[0], POLLPRI, seen_event, &b);
	rig_unlock(&r);
	cr_assert_eq(write(fd[1], "x", 1), 1);
	RIG_WAIT_FOR(&r, a.events);
	rig_lock(&r);
	loop_cancel(r.l, b.op);
	loop_cancel_close(r.l, a.op, fd[0]);
	rig_unlock(&r);
	p = (struct pollfd){.fd = fd[1], .events = 0};
	cr_assert_eq(poll(&p, 1, 10000), 1);
	cr_assert_eq(fcntl(fd[0], F_GETFD), -1);
	rig_stop(&r);
}

/* On the loop: what is made here is submitted only after the callback. */
static void begin_and_close(void *arg, const struct loop_event *ev)
{
	struct seen *s = arg;

	(void)ev;
	if (s->events++)
		return;
	s->op = loop_poll(s->r->l, s->fds[0], POLLIN, seen_event, s);
	loop_cancel_close(s->r->l, s->op, s->fds[0]);
	cr_assert_geq(fcntl(s->fds[0], F_GETFD), 0, "closed too early");
}

/* A request that is not submitted yet would begin with whatever has the number
 * by then. */
Test(loop_cancel, close_keeps_the_number_of_a_request_under_way)
{
	struct rig r;
	struct seen a = {.r = &r};
	struct pollfd p;
	int fd[2], trigger[2];

	rig_pair(fd);
	rig_pair(trigger);
	a.fds[0] = fd[0];
	rig_start(&r);
	rig_lock(&r);
	(void)loop_poll(r.l, trigger[0], POLLIN, begin_and_close, &a);
	rig_unlock(&r);
	cr_assert_eq(write(trigger[1], "x", 1), 1);
	RIG_WAIT_FOR(&r, a.events);
	p = (struct pollfd){.fd = fd[1], .events = 0};
	cr_assert_eq(poll(&p, 1, 10000), 1);
	cr_assert_eq(fcntl(fd[0], F_GETFD), -1);
	rig_stop(&r);
	close(fd[1]);
	close(trigger[0]);
	close(trigger[1]);
}

/* The number is free at once when the loop has nothing in hand, and the next
 * user of it is not disturbed by the end of the old request. */
Test(loop_cancel, close_gives_the_number_back_at_once)
{
	struct rig r;
	struct seen old = {.r = &r}, new = {.r = &r};
	int fd[2], next[2];

	rig_pair(fd);
	rig_start(&r);
	rig_lock(&r);
	old.op = loop_poll(r.l, fd[0], POLLIN, seen_event, &old);
	rig_unlock(&r);
	cr_assert_eq(write(fd[1], "x", 1), 1);
	RIG_WAIT_FOR(&r, old.events);
	while (!loop_sleeps_until(r.l))
		sched_yield();
	rig_lock(&r);
	loop_cancel_close(r.l, old.op, fd[0]);
	cr_assert_eq(fcntl(fd[0], F_GETFD), -1);
	rig_pair(next);
	cr_assert_eq(next[0], fd[0]);
	old.events = 0;
	new.op = loop_poll(r.l, next[0], POLLIN, seen_event, &new);
	rig_unlock(&r);
	cr_assert_eq(write(next[1], "x", 1), 1);
	RIG_WAIT_FOR(&r, new.events);
	cr_assert_eq(old.events, 0);
	cr_assert_geq(fcntl(next[0], F_GETFD), 0);
	rig_lock(&r);
	loop_cancel_close(r.l, new.op, next[0]);
	rig_unlock(&r);
	rig_stop(&r);
	close(next[1]);
	close(fd[1]);
}

Test(loop_cancel, close_without_an_op_is_immediate)
{
	struct rig r;
	int fd[2];

	rig_pair(fd);
	rig_start(&r);
	rig_lock(&r);
	loop_cancel_close(r.l, NULL, fd[0]);
	rig_unlock(&r);
	cr_assert_eq(fcntl(fd[0], F_GETFD), -1);
	loop_cancel(r.l, NULL);
	rig_stop(&r);
}

/* Thousands of short lives from another thread; nothing may be delivered after
 * its cancel, no descriptor may stay. */
Test(loop_cancel, storm_from_another_thread)
{
	struct rig r;
	unsigned seed = 1;

	rig_start(&r);
	for (int i = 0; i < 5000; i++) {
		struct seen *s = calloc(1, sizeof(*s));
		int fd[2];

		s->r = &r;
		rig_pair(fd);
		rig_lock(&r);
		s->op = loop_recv(r.l, fd[0], false, seen_event, s);
		rig_unlock(&r);
		if (rand_r(&seed) & 1)
			cr_assert_eq(write(fd[1], "hello", 5), 5);
		if (rand_r(&seed) & 1)
			close(fd[1]);
		else
			seed = seed + (unsigned)close(dup(fd[1]));
		rig_lock(&r);
		if (rand_r(&seed) & 1 && s->op)
			loop_recv_pause(s->op, true);
		loop_cancel_close(r.l, s->op, fd[0]);
		free(s); /* a late callback would be seen by the sanitizer */
		rig_unlock(&r);
		close(fd[1]);
	}
	rig_stop(&r);
	/* Everything is closed: the lowest free numbers are small again. */
	int fd = dup(0);

	cr_assert_lt(fd, 64);
}

Test(loop_cancel, thousands_of_polls_at_once)
{
	enum { N = 400 };
	static struct seen s[N];
	static int fd[N][2];
	struct rig r;

	rig_start(&r);
	for (int i = 0; i < N; i++) {
		rig_pair(fd[i]);
		s[i].r = &r;
		rig_lock(&r);
		s[i].op = loop_poll(r.l, fd[i][0], POLLIN, seen_event, &s[i]);
		rig_unlock(&r);
	}
	for (unsigned round = 1; round <= 10; round++) {
		for (int i = 0; i < N; i++)
			cr_assert_eq(write(fd[i][1], "x", 1), 1);
		for (int i = 0; i < N; i++)
			RIG_WAIT_FOR(&r, s[i].events >= round);
	}
	rig_lock(&r);
	for (int i = 0; i < N; i++)
		loop_cancel_close(r.l, s[i].op, fd[i][0]);
	rig_unlock(&r);
	for (int i = 0; i < N; i++) {
		struct pollfd p = {.fd = fd[i][1]};

		cr_assert_eq(poll(&p, 1, 10000), 1);
	}
	rig_stop(&r);
}

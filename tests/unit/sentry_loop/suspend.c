/* SPDX-License-Identifier: Apache-2.0 */
/* Everything comes back from the kernel, no owner sees it, nothing is lost. */
#include "tests/unit/sentry_loop/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "sentry/loop/loop_priv.h"

static size_t held(const struct loop *l)
{
	size_t n = 0;

	for (const struct loop_op *op = l->all; op; op = op->all_next)
		n += op->inflight || op->cancelling;
	return n;
}

Test(loop_suspend, a_poll_waits_and_goes_on)
{
	struct rig r;
	struct seen s = {.r = &r};
	int fd[2];

	rig_pair(fd);
	rig_start(&r);
	rig_lock(&r);
	s.op = loop_poll(r.l, fd[0], POLLIN, seen_event, &s);
	rig_unlock(&r);
	cr_assert_eq(write(fd[1], "x", 1), 1);
	RIG_WAIT_FOR(&r, s.events == 1);
	for (unsigned i = 2; i < 100; i++) {
		loop_suspend(r.l);
		cr_assert_eq(held(r.l), 0);
		cr_assert_eq(s.lasts, 0, "the owner saw the cancellation");
		unsigned before = s.events;
		cr_assert_eq(write(fd[1], "x", 1), 1);
		loop_resume(r.l);
		/* Armed anew it sees what came meanwhile. */
		RIG_WAIT_FOR(&r, s.events > before);
	}
	rig_stop(&r);
	close(fd[0]);
	close(fd[1]);
}

Test(loop_suspend, received_bytes_are_not_lost)
{
	struct rig r;
	struct seen s = {.r = &r};
	uint8_t buf[5000];
	uint64_t sum = 0;
	size_t sent = 0;
	int fd[2];

	rig_pair(fd);
	rig_start(&r);
	rig_lock(&r);
	s.op = loop_recv(r.l, fd[0], false, seen_event, &s);
	rig_unlock(&r);
	for (unsigned i = 0; i < 500; i++) {
		size_t n = 1 + (i * 977u) % sizeof(buf);

		memset(buf, (int)i + 1, n);
		cr_assert_eq(write(fd[1], buf, n), (ssize_t)n);
		sum = seen_sum(sum, sent, buf, n);
		sent += n;
		loop_suspend(r.l);
		cr_assert_eq(held(r.l), 0);
		loop_resume(r.l);
		if (i % 10 == 0)
			RIG_WAIT_FOR(&r, s.bytes == sent);
	}
	RIG_WAIT_FOR(&r, s.bytes == sent);
	cr_assert_eq(s.sum, sum);
	cr_assert_eq(s.lasts, 0);
	rig_stop(&r);
	close(fd[0]);
	close(fd[1]);
}

/* A listener's queue that is full: the connect waits in the kernel. */
static int full_listener(struct sockaddr_un *un, socklen_t *len, int *in)
{
	const struct sockaddr_un autobind = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(
	    bind(fd, (const struct sockaddr *)&autobind, sizeof(sa_family_t)),
	    0);
	cr_assert_eq(listen(fd, 0), 0);
	*len = sizeof *un;
	cr_assert_eq(getsockname(fd, (struct sockaddr *)un, len), 0);
	*in = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(connect(*in, (struct sockaddr *)un, *len), 0);
	return fd;
}

Test(loop_suspend, a_waiting_connect_is_begun_again)
{
	struct rig r;
	struct seen s = {.r = &r};
	struct sockaddr_un un;
	socklen_t len;
	int in, l = full_listener(&un, &len, &in);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	rig_start(&r);
	rig_lock(&r);
	s.op =
	    loop_connect(r.l, fd, (struct sockaddr *)&un, len, seen_event, &s);
	rig_unlock(&r);
	for (int i = 0; i < 20; i++) {
		loop_suspend(r.l);
		cr_assert_eq(held(r.l), 0);
		cr_assert_eq(s.events, 0);
		loop_resume(r.l);
	}
	close(accept(l, NULL, NULL));
	RIG_WAIT_FOR(&r, s.lasts == 1);
	cr_assert_eq(s.res, 0);
	rig_stop(&r);
	close(fd);
	close(in);
	close(l);
}

static void *ask(void *loop)
{
	loop_suspend(loop);
	return NULL;
}

static void a_moment(void)
{
	const struct timespec ts = {.tv_nsec = 20 * NST_MS};

	nanosleep(&ts, NULL);
}

/* The loop has been woken already, and has looked whether it is to suspend. */
Test(loop_suspend, asked_for_behind_another_waker)
{
	struct timespec most;
	pthread_t thread;
	struct rig r;

	rig_start(&r);
	rig_lock(&r);
	loop_wake(r.l);
	a_moment(); /* the loop waits for the lock */
	cr_assert_eq(pthread_create(&thread, NULL, ask, r.l), 0);
	a_moment();
	rig_unlock(&r);
	clock_gettime(CLOCK_REALTIME, &most);
	most.tv_sec += 10;
	cr_assert_eq(pthread_timedjoin_np(thread, NULL, &most), 0);
	loop_resume(r.l);
	rig_stop(&r);
}

/* What is asked for, and cancelled, while it is suspended. */
Test(loop_suspend, wishes_of_the_meantime)
{
	struct rig r;
	struct seen a = {.r = &r}, b = {.r = &r};
	int fa[2], fb[2];

	rig_pair(fa);
	rig_pair(fb);
	rig_start(&r);
	rig_lock(&r);
	a.op = loop_poll(r.l, fa[0], POLLIN, seen_event, &a);
	rig_unlock(&r);
	loop_suspend(r.l);
	rig_lock(&r);
	b.op = loop_poll(r.l, fb[0], POLLIN, seen_event, &b);
	loop_cancel_close(r.l, a.op, fa[0]);
	rig_unlock(&r);
	cr_assert_eq(held(r.l), 0);
	cr_assert_lt(fcntl(fa[0], F_GETFD), 0);
	loop_resume(r.l);
	cr_assert_eq(write(fb[1], "x", 1), 1);
	RIG_WAIT_FOR(&r, b.events == 1);
	cr_assert_eq(a.events, 0);
	rig_stop(&r);
}

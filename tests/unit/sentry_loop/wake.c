/* SPDX-License-Identifier: Apache-2.0 */
/* Deadlines, wake-ups, stopping; the synchronous accept; refusals. */
#include "tests/unit/sentry_loop/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "sentry/loop/loop_priv.h"

static int by_value(const void *a, const void *b)
{
	nst_time x = *(const nst_time *)a, y = *(const nst_time *)b;

	return x < y ? -1 : x > y;
}

/* Never early, always; exact when the machine lets it: the best tenth counts,
 * for others use the machine too. */
Test(loop_wake, deadlines_are_exact)
{
	enum { N = 50 };
	nst_time late[N];
	struct rig r;

	rig_start(&r);
	for (int i = 0; i < N; i++) {
		nst_time want = rig_now() + (1 + i % 5) * NST_MS;

		rig_lock(&r);
		r.fired = 0;
		r.deadline = want;
		rig_unlock(&r);
		loop_wake(r.l);
		RIG_WAIT_FOR(&r, r.fired);
		cr_assert_geq(r.fired, want);
		late[i] = r.fired - want;
	}
	qsort(late, N, sizeof(*late), by_value);
	cr_assert_lt(late[N / 10], 500 * NST_US, "%ld ns", (long)late[N / 10]);
	rig_stop(&r);
}

Test(loop_wake, earlier_deadline_shortens_the_sleep)
{
	struct rig r;

	rig_start(&r);
	rig_lock(&r);
	r.deadline = rig_now() + 3600 * NST_SEC;
	rig_unlock(&r);
	loop_wake(r.l);
	while (loop_sleeps_until(r.l) == 0)
		sched_yield();
	rig_lock(&r);
	r.deadline = rig_now();
	rig_unlock(&r);
	loop_wake(r.l);
	RIG_WAIT_FOR(&r, r.fires == 1);
	cr_assert_gt(r.idles, 0);
	rig_stop(&r);
}

static void *waker(void *arg)
{
	struct rig *r = arg;

	for (int i = 0; i < 20000; i++)
		loop_wake(r->l);
	return NULL;
}

/* No wake-up is lost whatever the loop is just doing. */
Test(loop_wake, none_is_lost)
{
	struct rig r;
	pthread_t th;

	rig_start(&r);
	pthread_create(&th, NULL, waker, &r);
	for (unsigned i = 1; i <= 3000; i++) {
		rig_lock(&r);
		r.deadline = 1;
		rig_unlock(&r);
		loop_wake(r.l);
		RIG_WAIT_FOR(&r, r.fires == i);
	}
	pthread_join(th, NULL);
	rig_stop(&r);
}

Test(loop_wake, stop_before_run_and_without_run)
{
	struct rig r;

	rig_make(&r);
	loop_stop(r.l);
	rig_launch(&r);
	pthread_join(r.thread, NULL);
	loop_free(r.l);
	rig_make(&r);
	loop_free(r.l);
}

/* Operations that never start (no loop thread) are dropped with the loop. */
Test(loop_wake, free_drops_what_is_posted)
{
	struct rig r;
	struct seen s = {.r = &r};
	int fd[2];

	rig_pair(fd);
	rig_make(&r);
	rig_lock(&r);
	s.op = loop_recv(r.l, fd[0], false, seen_event, &s);
	loop_cancel_close(r.l, s.op, fd[0]);
	s.op = loop_connect(
	    r.l, fd[1],
	    (struct sockaddr *)&(struct sockaddr_un){.sun_family = AF_UNIX},
	    sizeof(sa_family_t), seen_event, &s);
	rig_unlock(&r);
	loop_free(r.l);
	cr_assert_eq(fcntl(fd[0], F_GETFD), -1);
	cr_assert_geq(fcntl(fd[1], F_GETFD), 0);
}

static void on_usr1(int sig)
{
	(void)sig;
}

static void accept_now_once(struct rig *r)
{
	const struct sockaddr_un any = {.sun_family = AF_UNIX};
	struct sockaddr_un sa;
	socklen_t len = sizeof(sa);
	int lfd = socket(AF_UNIX, SOCK_STREAM, 0);
	int c = socket(AF_UNIX, SOCK_STREAM, 0), fd;

	bind(lfd, (const struct sockaddr *)&any, sizeof(sa_family_t));
	cr_assert_eq(loop_accept_now(r->l, lfd), -EINVAL);
	listen(lfd, 8);
	getsockname(lfd, (struct sockaddr *)&sa, &len);
	for (int i = 0; i < 100; i++)
		cr_assert_eq(loop_accept_now(r->l, lfd), -EAGAIN);
	cr_assert_eq(connect(c, (struct sockaddr *)&sa, len), 0);
	fd = loop_accept_now(r->l, lfd);
	cr_assert_geq(fd, 0);
	cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	cr_assert_not(fcntl(fd, F_GETFL) & O_NONBLOCK);
	cr_assert_eq(loop_accept_now(r->l, lfd), -EAGAIN);
	cr_assert_eq(loop_accept_now(r->l, c), -EINVAL);
	cr_assert_eq(loop_accept_now(r->l, 900), -EBADF);
	close(fd);
	close(c);
	close(lfd);
}

Test(loop_accept_now, never_blocks_on_a_blocking_listener)
{
	struct rig r;

	signal(SIGUSR1, on_usr1);
	rig_start(&r);
	for (int i = 0; i < 20; i++)
		accept_now_once(&r);
	rig_stop(&r);
}

Test(loop_accept_now, works_without_dontwait)
{
	struct rig r;

	rig_start(&r);
	accept_test_no_dontwait(r.l);
	for (int i = 0; i < 20; i++)
		accept_now_once(&r);
	rig_stop(&r);
}

Test(loop_refusal, has_a_line_for_each_error)
{
	static const int err[] = {-EPERM,  -ENOSYS, -EINVAL,
				  -ENOMEM, -EMFILE, -EIO};

	for (size_t i = 0; i < sizeof(err) / sizeof(*err); i++) {
		const char *s = loop_refusal(err[i]);

		cr_assert_gt(strlen(s), 20);
		cr_assert_null(strchr(s, '\n'));
	}
}

/* A request and an answer over a socket pair, many times: busy waiting must
 * not change what is delivered. */
static void ping_pong(nst_time spin_max)
{
	struct rig r;
	struct seen s = {.r = &r};
	nst_time t0;
	int fd[2];

	rig_pair(fd);
	rig_make(&r);
	loop_set_spin(r.l, spin_max);
	rig_lock(&r);
	s.op = loop_recv(r.l, fd[0], false, seen_event, &s);
	rig_unlock(&r);
	rig_launch(&r);
	t0 = rig_now();
	for (unsigned i = 1; i <= 5000; i++) {
		cr_assert_eq(write(fd[1], "x", 1), 1);
		RIG_WAIT_FOR(&r, s.bytes == i);
	}
	if (getenv("LOOP_TIMES"))
		fprintf(stderr, "spin %ld us: %.1f us per round\n",
			(long)(spin_max / NST_US),
			(double)(rig_now() - t0) / 5000 / 1000);
	rig_stop(&r);
}

Test(loop_wake, spinning_or_not)
{
	ping_pong(0);
	ping_pong(50 * NST_US);
}

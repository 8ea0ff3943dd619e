/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sentry_loop/rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <time.h>
#include <unistd.h>

nst_time rig_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (nst_time)ts.tv_sec * NST_SEC + ts.tv_nsec;
}

static void hook_lock(void *ctx)
{
	rig_lock(ctx);
}

static void hook_unlock(void *ctx)
{
	rig_unlock(ctx);
}

static nst_time hook_deadline(void *ctx)
{
	return ((struct rig *)ctx)->deadline;
}

static void hook_timers(void *ctx)
{
	struct rig *r = ctx;

	r->fired = rig_now();
	r->fires++;
	r->deadline = NST_NEVER;
}

static void hook_idle(void *ctx)
{
	struct rig *r = ctx;

	rig_lock(r);
	r->idles++;
	rig_unlock(r);
}

void rig_lock(struct rig *r)
{
	pthread_mutex_lock(&r->lock);
}

void rig_unlock(struct rig *r)
{
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

void rig_wait(struct rig *r)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += 10;
	cr_assert_eq(pthread_cond_timedwait(&r->changed, &r->lock, &ts), 0,
		     "nothing happened for 10 s");
}

static void *rig_main(void *arg)
{
	loop_run(((struct rig *)arg)->l);
	return NULL;
}

void rig_make(struct rig *r)
{
	const struct loop_hooks hooks = {
	    .ctx = r,
	    .lock = hook_lock,
	    .unlock = hook_unlock,
	    .next_deadline = hook_deadline,
	    .run_timers = hook_timers,
	    .idle = hook_idle,
	};

	*r = (struct rig){.deadline = NST_NEVER};
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	cr_assert_eq(loop_new(&hooks, &r->l), 0);
}

void rig_launch(struct rig *r)
{
	cr_assert_eq(pthread_create(&r->thread, NULL, rig_main, r), 0);
}

void rig_start(struct rig *r)
{
	rig_make(r);
	rig_launch(r);
}

void rig_stop(struct rig *r)
{
	loop_stop(r->l);
	pthread_join(r->thread, NULL);
	loop_free(r->l);
}

uint64_t seen_sum(uint64_t sum, size_t at, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum += p[i] * (uint64_t)(at + i + 1);
	return sum;
}

void seen_event(void *arg, const struct loop_event *ev)
{
	struct seen *s = arg;

	cr_assert_eq(s->lasts, 0, "an event after the last one");
	cr_assert(loop_is_self(s->r->l));
	s->events++;
	s->res = ev->res;
	if (ev->data && ev->res > 0) {
		s->sum = seen_sum(s->sum, s->bytes, ev->data, (size_t)ev->res);
		s->bytes += (size_t)ev->res;
	}
	if (ev->from && ev->from->ss_family == AF_INET)
		s->port =
		    ntohs(((const struct sockaddr_in *)ev->from)->sin_port);
	if (!ev->last)
		return;
	s->lasts++;
	s->last_res = ev->res;
	s->op = NULL;
}

void seen_accept(void *arg, const struct loop_event *ev)
{
	struct seen *s = arg;

	seen_event(arg, ev);
	if (ev->res >= 0 && s->nfds < 64)
		s->fds[s->nfds++] = ev->res;
}

void rig_pair(int fd[2])
{
	cr_assert_eq(socketpair(AF_UNIX,
				SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
				fd),
		     0);
}

int rig_listen(uint16_t *port)
{
	struct sockaddr_in sa = {
	    .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_geq(fd, 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	cr_assert_eq(listen(fd, 128), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	*port = ntohs(sa.sin_port);
	return fd;
}

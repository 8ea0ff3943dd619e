/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two threads of the trap part.
 *
 * The trap thread blocks in NOTIF_RECV and runs handlers inline. LINUX:
 * SYNC_WAKE_UP (6.6) makes the kernel run sentry and guest on one CPU for the
 * round trip: 4.5 us instead of 46. Older kernels refuse the ioctl, which only
 * costs time.
 *
 * The watcher looks at parked traps every few milliseconds, while there are
 * any, for signals and deadlines, and sweeps every other second. It keeps its
 * cost under a tenth of a CPU by looking less often when there is more to see.
 */
#include "sentry/trap/trap_priv.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "sentry/sock/sock.h"

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#define NOTIF_SYNC_WAKE_UP 1ul
/* Breaks NOTIF_RECV; only ever sent to the trap thread. */
#define STOP_SIGNAL SIGRTMAX

/* True when no guest task is left behind the listener. */
static bool guests_gone(int notify_fd)
{
	struct pollfd p = {.fd = notify_fd, .events = POLLIN};

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLNVAL));
}

static void serve(struct trapper *tr)
{
	struct sandbox *sb = tr->sb;
	struct trap t;

	while (!atomic_load(&tr->stop)) {
		memset(&t, 0, sizeof t);
		t.sb = sb;
		t.gfd = -1;
		if (ioctl(sb->notify_fd, SECCOMP_IOCTL_NOTIF_RECV, &t.n) == 0) {
			dispatch_new(&t);
			trap_run_ready(sb);
			continue;
		}
		/* ENOENT: the caller died before its trap was received. */
		if (errno != EINTR && errno != ENOENT)
			break;
		if (guests_gone(sb->notify_fd))
			break;
	}
}

static void *trap_thread(void *arg)
{
	struct trapper *tr = arg;

	serve(tr);
	sem_post(&tr->ended);
	return NULL;
}

#define WATCH_TICK (4 * NST_MS)
#define SWEEP_EVERY (2 * NST_SEC)

/* Sleeps until `until` or until something is parked; sets *parked. */
static void watcher_sleep(struct trapper *tr, nst_time until)
{
	until = sandbox_monotonic(tr->sb, until);
	struct timespec ts = {.tv_sec = until / NST_SEC,
			      .tv_nsec = until % NST_SEC};

	while (sem_clockwait(&tr->wake, CLOCK_MONOTONIC, &ts) < 0) {
		if (errno != EINTR)
			return;
	}
}

/* The watcher costs at most about a tenth of a CPU however much is parked. */
static nst_time watcher_until(struct trapper *tr, nst_time now, nst_time cost,
			      nst_time sweep)
{
	nst_time tick = cost * 10 > WATCH_TICK ? cost * 10 : WATCH_TICK;
	nst_time until = sweep;

	sandbox_lock(tr->sb);
	if (tr->nparked) {
		nst_time next = park_next_deadline(tr);
		until = now + tick < until ? now + tick : until;
		until = next < until ? next : until;
	}
	sandbox_unlock(tr->sb);
	return until;
}

static void *watch_thread(void *arg)
{
	struct trapper *tr = arg;
	struct sandbox *sb = tr->sb;
	nst_time now = sandbox_now(sb), cost = 0, sweep = now + SWEEP_EVERY;

	while (!atomic_load(&tr->stop)) {
		watcher_sleep(tr, watcher_until(tr, now, cost, sweep));
		nst_time start = sandbox_now(sb);

		park_watch(tr);
		now = sandbox_now(sb);
		cost = now - start;
		if (now >= sweep && !atomic_load(&tr->stop)) {
			trapper_sweep(sb);
			now = sandbox_now(sb);
			sweep = now + SWEEP_EVERY;
		}
	}
	return NULL;
}

static void on_stop_signal(int sig)
{
	(void)sig;
}

/* The signal may come just before the thread blocks: so it is repeated. */
static void stop_trap_thread(struct trapper *tr)
{
	struct timespec ts;

	atomic_store(&tr->stop, true);
	do {
		pthread_kill(tr->thread, STOP_SIGNAL);
		clock_gettime(CLOCK_MONOTONIC, &ts);
		ts.tv_nsec += 1000000;
		if (ts.tv_nsec >= 1000000000) {
			ts.tv_nsec -= 1000000000;
			ts.tv_sec++;
		}
	} while (sem_clockwait(&tr->ended, CLOCK_MONOTONIC, &ts) < 0);
	pthread_join(tr->thread, NULL);
}

/* Threads inherit the mask: signals are the launcher's business. */
static int start_threads(struct trapper *tr)
{
	sigset_t all, most, old;
	int err;

	sigfillset(&all);
	most = all;
	sigdelset(&most, STOP_SIGNAL);
	pthread_sigmask(SIG_SETMASK, &most, &old);
	err = pthread_create(&tr->thread, NULL, trap_thread, tr);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	if (err == 0) {
		err = pthread_create(&tr->watcher, NULL, watch_thread, tr);
		if (err != 0)
			stop_trap_thread(tr);
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -err;
}

static void trapper_free(struct trapper *tr)
{
	tr->sb->trapper = NULL;
	guest_fd_fini(tr);
	sem_destroy(&tr->wake);
	sem_destroy(&tr->ended);
	pthread_mutex_destroy(&tr->pidfd_lock);
	free(tr);
}

int trapper_new(struct sandbox *sb)
{
	struct trapper *tr = calloc(1, sizeof *tr);

	if (!tr)
		return -ENOMEM;
	tr->sb = sb;
	tr->ready_tail = &tr->ready;
	sem_init(&tr->wake, 0, 0);
	sem_init(&tr->ended, 0, 0);
	pthread_mutex_init(&tr->pidfd_lock, NULL);
	sb->trapper = tr;
	return 0;
}

int trapper_start(struct sandbox *sb)
{
	struct sigaction sa = {.sa_handler = on_stop_signal};
	struct trapper *tr;
	int err = sb->trapper ? 0 : trapper_new(sb);

	if (err)
		return err;
	tr = sb->trapper;
	sigaction(STOP_SIGNAL, &sa, NULL);
	(void)ioctl(sb->notify_fd, SECCOMP_IOCTL_NOTIF_SET_FLAGS,
		    NOTIF_SYNC_WAKE_UP);
	err = start_threads(tr);
	if (err < 0)
		trapper_free(tr);
	return err;
}

static void stop_threads(struct trapper *tr)
{
	stop_trap_thread(tr);
	sem_post(&tr->wake);
	pthread_join(tr->watcher, NULL);
}

void trapper_suspend(struct sandbox *sb)
{
	stop_threads(sb->trapper);
}

/* Rounds of trap_run_ready, each bounded. */
#define QUIET_ROUNDS 256

bool trapper_quiet(struct sandbox *sb)
{
	for (int i = 0; i < QUIET_ROUNDS; i++) {
		bool quiet;

		trap_run_ready(sb);
		sandbox_lock(sb);
		sandbox_settle(sb);
		quiet = !sb->trapper->ready && !sock_jobs_waiting(sb) &&
			!sb->dirty && !sb->unsettled;
		sandbox_unlock(sb);
		if (quiet)
			return true;
	}
	return false;
}

int trapper_resume(struct sandbox *sb)
{
	atomic_store(&sb->trapper->stop, false);
	return start_threads(sb->trapper);
}

void trapper_stop(struct sandbox *sb)
{
	struct trapper *tr = sb->trapper;

	if (!tr)
		return;
	stop_threads(tr);
	park_drop_all(tr);
	trapper_free(tr);
}

void trapper_sweep(struct sandbox *sb)
{
	sock_sweep(sb, true);
	trap_run_ready(sb);
}

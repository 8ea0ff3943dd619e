/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stopping a whole guest, in the watcher. Parents are stopped before their
 * children and continued after them, so that no parent that waits for stopped
 * children (a shell) ever sees one. A process that is stopped cannot fork, and
 * a fork under way either fails for the signal (and is done again after it) or
 * its child is found by the next look; it is over when two looks in a row find
 * nothing to stop. Processes that were stopped before are not ours, then or
 * later.
 */
#include "sentry/launch/launch_priv.h"

#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STOP_NS 2000000000LL
/* For one process to stop; then it is in a call that cannot be interrupted,
 * or gets no processor. */
#define HALT_NS 20000000LL

static long long now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* Signals the very process that was looked at. */
static bool signal_proc(const struct proc *p, int sig)
{
	int fd = (int)syscall(SYS_pidfd_open, p->pid, 0);
	struct proc now;
	bool ok;

	if (fd < 0)
		return false;
	ok = proc_read(p->pid, &now) && now.start == p->start &&
	     !syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0);
	close(fd);
	return ok;
}

static const struct proc *find(const struct freezer *f, pid_t pid)
{
	for (size_t i = f->stopped.n; i-- > 0;)
		if (f->stopped.p[i].pid == pid)
			return &f->stopped.p[i];
	return NULL;
}

bool freeze_holds(const struct freezer *f, pid_t pid)
{
	return f->on && find(f, pid);
}

/* Spins: most stop within microseconds. */
static void wait_halted(pid_t pid, long long limit_ns)
{
	const struct timespec nap = {.tv_nsec = 200000};
	long long end = now_ns() + limit_ns;

	for (int i = 0; !proc_halted(pid) && now_ns() < end; i++)
		if (i < 20)
			sched_yield();
		else
			nanosleep(&nap, NULL);
}

/* 1: stopped now; 0: needs nothing. */
static int stop_one(struct freezer *f, const struct proc *p)
{
	const struct proc *known = find(f, p->pid);

	if (known && known->start == p->start)
		return 0;
	if (p->state == 'T' || (p->state == 'Z' && proc_halted(p->pid)))
		return 0;
	int rc = proc_push(&f->stopped, p);
	if (rc)
		return rc;
	if (!signal_proc(p, SIGSTOP)) {
		f->stopped.n--;
		return 0;
	}
	wait_halted(p->pid, HALT_NS);
	return 1;
}

/* Stops what the last look shows; how many were new, or -errno. */
static int stop_listed(struct freezer *f, const struct proc_list *l)
{
	int n = 0;

	for (size_t i = 0; i < l->n; i++) {
		int rc = stop_one(f, &l->p[i]);

		if (rc < 0)
			return rc;
		n += rc;
	}
	return n;
}

static int stop_all(struct freezer *f)
{
	struct proc_list l = {0};
	long long end = now_ns() + STOP_NS;
	int quiet = 0, rc = 0;

	while (quiet < 2 && rc >= 0) {
		rc = now_ns() < end ? proc_tree(&l) : -EBUSY;
		if (!rc)
			rc = stop_listed(f, &l);
		quiet = rc ? 0 : quiet + 1;
	}
	proc_list_free(&l);
	return rc;
}

int freeze_stop(struct freezer *f, pid_t first)
{
	if (f->on)
		return -EALREADY;
	f->on = true;
	int rc = stop_all(f);
	if (rc < 0) {
		freeze_cont(f, first);
		return rc;
	}
	for (size_t i = 0; i < f->stopped.n; i++)
		wait_halted(f->stopped.p[i].pid, HALT_NS);
	return (int)f->stopped.n;
}

int freeze_cont(struct freezer *f, pid_t first)
{
	siginfo_t si;
	int n = 0;

	if (!f->on)
		return -EALREADY;
	for (size_t i = f->stopped.n; i-- > 0;)
		n += signal_proc(&f->stopped.p[i], SIGCONT);
	/* LINUX: the event is there when kill() returns. */
	if (first > 0 && find(f, first))
		waitid(P_PID, (id_t)first, &si, WCONTINUED | WNOHANG);
	proc_list_free(&f->stopped);
	f->on = false;
	return n;
}

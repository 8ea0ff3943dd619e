/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The watcher: parent of the guest, heir of its orphans. It reports what
 * becomes of the guest, kills everything when the sentry says so or is dead,
 * removes the sandbox's directory, and exits. It sits in a session of its own,
 * with every signal blocked: what kills the guest's process group, or the
 * terminal, does not kill it.
 */
#include "sentry/launch/launch_priv.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sentry/control/place.h"

struct watcher {
	const struct launch_plan *plan;
	int ctl, freeze, sigfd;
	pid_t guest;
	bool in_pidns;
	struct freezer freezer;
};

/* Everything but what it works with: a pipe that the guest closes must be seen
 * closed by its reader. */
static void close_others(const struct watcher *w)
{
	const int keep[] = {w->ctl, w->freeze, w->sigfd, w->plan->sentry_pidfd};
	int above = -1;

	/* Gaps between the kept ones, in ascending order. */
	for (;;) {
		int next = INT_MAX;

		for (size_t i = 0; i < sizeof keep / sizeof *keep; i++)
			if (keep[i] > above && keep[i] < next)
				next = keep[i];
		if (next > above + 1)
			syscall(SYS_close_range, above + 1,
				next == INT_MAX ? ~0u : (unsigned)next - 1, 0);
		if (next == INT_MAX)
			return;
		above = next;
	}
}

/* SIGCHLD, to be read from a descriptor. All signals are blocked already. */
static int child_signals(void)
{
	sigset_t set;

	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void report(struct watcher *w, pid_t pid, int status)
{
	if (pid != w->guest) {
		if (!WIFSTOPPED(status) && !WIFCONTINUED(status))
			message_send(w->ctl, CTL_CHILD, 0, 0);
		return;
	}
	/* A pause is no stop of the guest's: the sentry goes on. */
	if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP &&
	    freeze_holds(&w->freezer, pid))
		return;
	if (WIFSTOPPED(status)) {
		message_send(w->ctl, CTL_STOP, 0, WSTOPSIG(status));
	} else if (WIFCONTINUED(status)) {
		/* The sentry had stopped itself with the guest. */
		syscall(SYS_pidfd_send_signal, w->plan->sentry_pidfd, SIGCONT,
			NULL, 0);
		message_send(w->ctl, CTL_CONT, 0, 0);
	} else {
		message_send(w->ctl, CTL_EXIT, 0, status);
		w->guest = 0;
	}
}

static void report_children(struct watcher *w)
{
	struct signalfd_siginfo si;
	pid_t pid;
	int status;

	while (read(w->sigfd, &si, sizeof si) > 0)
		;
	while ((pid = waitpid(-1, &status,
			      WNOHANG | WUNTRACED | WCONTINUED | __WALL)) > 0)
		report(w, pid, status);
}

/* False when the sentry is gone, or has let go of us. */
static bool obey(struct watcher *w)
{
	struct launch_msg m;
	int rc = message_recv(w->ctl, &m, NULL, false);

	if (rc == -EAGAIN)
		return true;
	if (rc <= 0)
		return false;
	if (m.kind != CTL_KILL)
		return true;
	reap_all(w->in_pidns);
	message_send(w->ctl, CTL_GONE, 0, 0);
	return true;
}

/* One request for a pause or its end. */
static void freeze(struct watcher *w)
{
	struct launch_msg m;
	int rc;

	if (message_recv(w->freeze, &m, NULL, false) != 1)
		return;
	if (m.kind == FREEZE_STOP)
		rc = freeze_stop(&w->freezer, w->guest);
	else
		rc = freeze_cont(&w->freezer, w->guest);
	message_send(w->freeze, FREEZE_DONE, m.step, rc);
}

static void watch(struct watcher *w)
{
	struct pollfd p[3] = {{.fd = w->ctl, .events = POLLIN},
			      {.fd = w->sigfd, .events = POLLIN},
			      {.fd = w->freeze, .events = POLLIN}};

	for (;;) {
		if (poll(p, 3, -1) < 0)
			continue;
		if (p[1].revents)
			report_children(w);
		if (p[0].revents && !obey(w))
			return;
		if (p[2].revents)
			freeze(w);
	}
}

static pid_t fork_guest(struct launch_plan *p)
{
	pid_t self = getpid(), pid;
	enum launch_step step;
	int rc = ns_enter(p, &step);

	if (rc) {
		message_send(p->boot[1], BOOT_FAILED, step, -rc);
		return -1;
	}
	pid = fork();
	if (pid == 0)
		child_main(p, self);
	if (pid < 0)
		message_send(p->boot[1], BOOT_FAILED, STEP_FORK, errno);
	return pid;
}

void watcher_main(struct launch_plan *p)
{
	struct watcher w = {
	    .plan = p, .ctl = p->ctl[1], .freeze = p->freeze[1]};

	prctl(PR_SET_NAME, "cordon-watcher");
	/* With these open, the death of the sentry would not be seen. */
	close(p->boot[0]);
	close(p->ctl[0]);
	close(p->freeze[0]);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	w.in_pidns = (p->ns_flags & CLONE_NEWPID) != 0;
	w.sigfd = child_signals();
	w.guest = fork_guest(p);
	/* After the fork: the guest stays in the terminal's session. */
	setsid();
	close(p->boot[1]);
	close_others(&w);
	/* Not a target for the guest's ptrace, nor a core. */
	prctl(PR_SET_DUMPABLE, 0);
	if (chdir("/"))
		w.guest = 0;
	if (w.guest > 0 && w.sigfd >= 0)
		watch(&w);
	reap_all(w.in_pidns);
	reap_dir(p->dir);
	if (p->place) {
		if (p->ns_flags & CLONE_NEWNS)
			control_place_uncover(p->place);
		control_place_remove(p->place);
	}
	_exit(0);
}

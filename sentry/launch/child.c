/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest child between fork and exec. After the filter is in place it uses
 * read and write only: everything else that sockets do would be a trap, and
 * nobody answers yet.
 */
#include "sentry/launch/launch_priv.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sentry/core/run.h"
#include "sentry/filter/filter.h"

static void fail(const struct launch_plan *p, enum launch_step step, int err,
		 int code) __attribute__((noreturn));

static void fail(const struct launch_plan *p, enum launch_step step, int err,
		 int code)
{
	message_send(p->boot[1], BOOT_FAILED, step, err);
	_exit(code);
}

/* The first process dies with the watcher even if that is killed; its
 * descendants then become the sentry's. */
static void die_with(pid_t watcher)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != watcher)
		_exit(EXIT_CORDON_FAILED);
}

static void wait_for_go(const struct launch_plan *p)
{
	struct launch_msg m;
	ssize_t n;

	do
		n = read(p->boot[1], &m, sizeof m);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof m || m.kind != BOOT_GO)
		_exit(EXIT_CORDON_FAILED);
}

/* As our caller left them: the mask, and what a wait for children means. */
static void restore_signals(const struct launch_plan *p)
{
	sigaction(SIGCHLD, &p->old_chld, NULL);
	sigprocmask(SIG_SETMASK, &p->old_mask, NULL);
}

/* Built here, not before the fork: meanwhile the sentry builds the stack. */
static int install_filter(const struct launch_plan *p)
{
	struct sock_fprog prog;
	int rc = filter_build(p->magic, &prog);

	return rc ? rc : filter_install(&prog);
}

void child_main(struct launch_plan *p, pid_t watcher)
{
	die_with(watcher);
	if (p->opt->shim)
		preload_setenv(p->magic);
	/* Where Yama is strict and no user namespace can be had. */
	prctl(PR_SET_PTRACER, p->sentry_pid, 0, 0, 0);
	/* Before the filter forbids it; gone with the exec. */
	int diag =
	    socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	int fd = install_filter(p);
	if (fd < 0)
		fail(p, STEP_FILTER, -fd, EXIT_CORDON_FAILED);
	message_send(p->boot[1], BOOT_READY, diag, fd);
	wait_for_go(p);
	if (p->opt->restore) {
		int rc = hand_take(p);

		if (rc)
			fail(p, STEP_HAND, -rc, EXIT_CORDON_FAILED);
	}
	restore_signals(p);
	execvp(p->opt->argv[0], p->opt->argv);
	fail(p, STEP_EXEC, errno,
	     errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The sentry's side of starting and ending a guest. */
#include "sentry/launch/launch.h"

#include <errno.h>
#include <sched.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sentry/control/control.h"
#include "sentry/core/log.h"
#include "sentry/launch/guest.h"

static int pidfd_open_raw(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* The sentry's pids of boot messages: see message_recv. */
static int open_channels(struct launch_plan *p)
{
	const int one = 1;
	const int type = SOCK_SEQPACKET | SOCK_CLOEXEC;

	if (socketpair(AF_UNIX, type, 0, p->boot) ||
	    socketpair(AF_UNIX, type, 0, p->ctl) ||
	    socketpair(AF_UNIX, type, 0, p->freeze) ||
	    setsockopt(p->boot[0], SOL_SOCKET, SO_PASSCRED, &one, sizeof one))
		return -errno;
	p->sentry_pidfd = pidfd_open_raw(getpid());
	return p->sentry_pidfd < 0 ? p->sentry_pidfd : 0;
}

/* All signals: they wait, also during set-up, for launch_wait. The mask and
 * SIGCHLD's disposition are the guest's, and restored in it. */
static void take_signals(struct launch_plan *p)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &p->old_mask);
	sigaction(SIGCHLD, NULL, &p->old_chld);
}

static int prepare(struct guest *g, struct sandbox *sb)
{
	struct launch_plan *p = &g->plan;
	int rc;

	p->opt = sb->opt;
	p->uid = geteuid();
	p->gid = getegid();
	p->sentry_pid = getpid();
	p->dir = sb->dir;
	p->place = control_place(sb);
	randombytes_buf(&sb->magic, sizeof sb->magic);
	p->magic = sb->magic;
	rc = open_channels(p);
	if (rc)
		log_error("cannot prepare the guest: %s", strerror(-rc));
	return rc;
}

/* What the sentry is, once the guest has been forked: its own descriptors, not
 * to be looked into, heir of the guest if the watcher is killed. */
static void become_sentry(struct guest *g)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	close_fd(&g->plan.boot[1]);
	close_fd(&g->plan.ctl[1]);
	close_fd(&g->plan.freeze[1]);
	close_fd(&g->plan.sentry_pidfd);
	inherited_shed();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_DUMPABLE, 0);
}

static int open_signals(struct guest *g)
{
	sigset_t all;

	sigfillset(&all);
	g->sigfd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (g->sigfd >= 0)
		return 0;
	int err = errno;
	log_error("cannot receive signals: %s", strerror(err));
	return -err;
}

static struct guest *guest_alloc(struct sandbox *sb)
{
	struct guest *g = calloc(1, sizeof *g);

	if (!g)
		return NULL;
	g->sb = sb;
	g->pidfd = g->sigfd = g->ask_fd = -1;
	g->plan.boot[0] = g->plan.boot[1] = -1;
	g->plan.ctl[0] = g->plan.ctl[1] = -1;
	g->plan.freeze[0] = g->plan.freeze[1] = -1;
	g->plan.sentry_pidfd = -1;
	pthread_mutex_init(&g->freeze_lock, NULL);
	return g;
}

struct guest *guest_adopt(struct sandbox *sb)
{
	struct guest *g = guest_alloc(sb);

	if (!g)
		return NULL;
	g->plan.opt = sb->opt;
	g->plan.dir = sb->dir;
	sb->guest = g;
	return g;
}

int launch_guest(struct sandbox *sb, struct guest **out)
{
	int rc = inherited_check();

	*out = NULL;
	if (rc)
		return rc;
	struct guest *g = guest_alloc(sb);
	if (!g) {
		log_error("out of memory");
		return -ENOMEM;
	}
	*out = sb->guest = g;
	take_signals(&g->plan);
	sandbox_dir_name(sb);
	rc = prepare(g, sb);
	if (rc)
		return rc;
	pid_t pid = ns_clone(&g->plan);
	if (pid == 0)
		watcher_main(&g->plan);
	if (pid < 0)
		return pid;
	g->watcher = pid;
	become_sentry(g);
	rc = sandbox_dir_new(sb);
	return rc ? rc : open_signals(g);
}

/* What went wrong in the watcher or the child, in words. */
static void explain(const struct launch_msg *m, const char *program)
{
	const char *why = strerror(m->value);

	switch ((enum launch_step)m->step) {
	case STEP_NONE:
		break;
	case STEP_USERNS:
		log_error("cannot map the user in a user namespace: %s", why);
		break;
	case STEP_MOUNT:
		log_error("cannot mount /proc for the guest: "
			  "%s; run without --isolate",
			  why);
		break;
	case STEP_FORK:
		log_error("cannot fork: %s", why);
		break;
	case STEP_FILTER:
		if (m->value == EBUSY)
			log_error("another supervisor already listens to this "
				  "process (a cordon inside a cordon?); only "
				  "one can");
		else
			log_error("cannot install the seccomp filter: %s; "
				  "Linux 6.1 or newer with "
				  "CONFIG_SECCOMP_FILTER is needed",
				  why);
		break;
	case STEP_HAND:
		log_error("cannot hand sockets to %s: %s; raise ulimit -n",
			  program, why);
		break;
	case STEP_EXEC:
		log_error("%s: %s", program, why);
		break;
	}
}

void guest_explain(struct guest *g)
{
	struct launch_msg m;

	if (message_recv(g->plan.boot[0], &m, NULL, false) == 1 &&
	    m.kind == BOOT_FAILED)
		explain(&m, g->plan.opt->argv[0]);
}

static int fetch(const struct guest *g, int number)
{
	return (int)syscall(SYS_pidfd_getfd, g->pidfd, number, 0);
}

/* m->value: the listener; m->step: a diagnosis socket of the guest's network
 * namespace, -1 where there is none. */
static int fetch_listener(struct guest *g, pid_t pid,
			  const struct launch_msg *m)
{
	g->pidfd = pidfd_open_raw(pid);
	if (g->pidfd < 0)
		return g->pidfd;
	int fd = fetch(g, m->value);
	if (fd < 0)
		return -errno;
	g->sb->notify_fd = fd;
	g->sb->guest_diag_fd = m->step < 0 ? -1 : fetch(g, m->step);
	g->sb->guest_pid = pid;
	return 0;
}

int launch_attach(struct guest *g)
{
	struct launch_msg m;
	pid_t pid = 0;
	int rc = message_recv(g->plan.boot[0], &m, &pid, true);

	if (rc != 1) {
		log_error("the guest died before it started");
		return -ESRCH;
	}
	if (m.kind != BOOT_READY) {
		explain(&m, g->plan.opt->argv[0]);
		return -m.value;
	}
	rc = fetch_listener(g, pid, &m);
	if (rc)
		log_error("cannot supervise the guest: %s; allow user "
			  "namespaces, or lower kernel.yama.ptrace_scope",
			  strerror(-rc));
	return rc;
}

int launch_go(struct guest *g)
{
	message_send(g->plan.boot[0], BOOT_GO, 0, 0);
	return 0;
}

void launch_fini(struct guest *g)
{
	close_fd(&g->plan.boot[0]);
	close_fd(&g->plan.boot[1]);
	/* The watcher's end of file: it kills, cleans up and exits. */
	close_fd(&g->plan.ctl[0]);
	close_fd(&g->plan.ctl[1]);
	close_fd(&g->plan.freeze[0]);
	close_fd(&g->plan.freeze[1]);
	close_fd(&g->plan.sentry_pidfd);
	close_fd(&g->pidfd);
	close_fd(&g->sigfd);
	if (g->watcher > 0)
		waitpid(g->watcher, NULL, 0);
	if (g->sb->dir[0])
		reap_dir(g->sb->dir);
	sandbox_dir_free(g->sb);
	g->sb->guest = NULL;
	pthread_mutex_destroy(&g->freeze_lock);
	free(g);
}

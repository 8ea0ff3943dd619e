/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Namespaces of the guest. Without privilege a user namespace comes first: it
 * lets the sentry, its owner, read the memory and descriptors of guests that
 * are not dumpable, and it makes the others possible. The watcher is cloned
 * into them, so that a PID namespace ends with it, but for the network's.
 */
#include "sentry/launch/launch_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sentry/control/place.h"
#include "sentry/core/log.h"

/* As fork(2); glibc has no wrapper that takes flags and keeps the stack. */
static pid_t clone_flags(int flags)
{
	long rc = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);

	return rc < 0 ? (pid_t)-errno : (pid_t)rc;
}

static pid_t clone_isolated(struct launch_plan *p)
{
	int flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC;

	if (p->opt->netns)
		flags |= CLONE_NEWNET;
	if (p->uid)
		flags |= CLONE_NEWUSER;
	p->ns_flags = flags;
	pid_t pid = clone_flags(flags);
	if (pid < 0)
		log_error("--isolate: cannot make namespaces: %s; allow user "
			  "namespaces (sysctl user.max_user_namespaces, "
			  "kernel.apparmor_restrict_unprivileged_userns=0)",
			  strerror(-pid));
	return pid;
}

/*
 * Without --isolate what is missing costs containment, not function. The
 * network namespace takes the kernel most of a millisecond: the watcher makes
 * it, while the sentry builds its stack.
 */
pid_t ns_clone(struct launch_plan *p)
{
	pid_t pid = -EPERM;

	if (p->opt->isolate)
		return clone_isolated(p);
	p->ns_flags = p->uid ? CLONE_NEWUSER : 0;
	if (p->ns_flags)
		pid = clone_flags(p->ns_flags);
	if (pid < 0 && pid != -EAGAIN && pid != -ENOMEM) {
		p->ns_flags = 0;
		pid = clone_flags(0);
	}
	if (pid < 0)
		log_error("cannot fork: %s", strerror(-pid));
	return pid;
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), rc = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

/* Identity maps of one user and one group: what an unprivileged process may
 * write for itself. user_namespaces(7). */
static int write_maps(const struct launch_plan *p)
{
	char line[64];
	int rc = write_file("/proc/self/setgroups", "deny");

	if (rc && rc != -ENOENT)
		return rc;
	snprintf(line, sizeof line, "%u %u 1", p->uid, p->uid);
	rc = write_file("/proc/self/uid_map", line);
	snprintf(line, sizeof line, "%u %u 1", p->gid, p->gid);
	return rc ? rc : write_file("/proc/self/gid_map", line);
}

static int do_mounts(const struct launch_plan *p)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	int rc = 0;

	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
		return -errno;
	if (p->opt->isolate && mount("proc", "/proc", "proc", flags, NULL))
		rc = -errno;
	/* What the guest cannot name it can neither call nor remove. */
	if (!rc && p->place)
		rc = control_place_cover(p->place);
	return rc;
}

/* From the best to none. A user namespace made here serves root without
 * CAP_SYS_ADMIN. */
static void unshare_net(struct launch_plan *p)
{
	int attempts[] = {CLONE_NEWNET, CLONE_NEWNET | CLONE_NEWUSER,
			  CLONE_NEWUSER};
	size_t n = p->ns_flags & CLONE_NEWUSER ? 1 : 3;

	if (!p->opt->netns || p->ns_flags & CLONE_NEWNET)
		return;
	for (size_t i = 0; i < n; i++) {
		if (unshare(attempts[i]))
			continue;
		p->ns_flags |= attempts[i];
		return;
	}
}

int ns_enter(struct launch_plan *p, enum launch_step *step)
{
	int rc = 0;

	unshare_net(p);
	*step = STEP_USERNS;
	if (p->ns_flags & CLONE_NEWUSER)
		rc = write_maps(p);
	if (rc)
		return rc;
	*step = STEP_MOUNT;
	if (p->ns_flags & CLONE_NEWNS)
		rc = do_mounts(p);
	return rc;
}

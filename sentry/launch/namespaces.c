/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Namespaces of the guest. Without privilege a user namespace comes first: it
 * lets the sentry, its owner, read the memory and descriptors of guests that
 * are not dumpable, and it makes the others possible. The watcher is cloned
 * into them, so that a PID namespace ends with it.
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

#include "sentry/core/log.h"

/* As fork(2); glibc has no wrapper that takes flags and keeps the stack. */
static pid_t clone_flags(int flags)
{
	long rc = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);

	return rc < 0 ? (pid_t)-errno : (pid_t)rc;
}

/* The namespaces that were asked for, apart from the user namespace. */
static int wanted_flags(const struct launch_plan *p)
{
	int flags = 0;

	if (p->opt->netns)
		flags |= CLONE_NEWNET;
	if (p->opt->isolate)
		flags |= CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC;
	return flags;
}

static pid_t clone_isolated(struct launch_plan *p, int flags)
{
	p->ns_flags = flags;
	pid_t pid = clone_flags(flags);
	if (pid < 0)
		log_error("--isolate: cannot make namespaces: %s; allow user "
			  "namespaces (sysctl user.max_user_namespaces, "
			  "kernel.apparmor_restrict_unprivileged_userns=0)",
			  strerror(-pid));
	return pid;
}

/* From the best to none: what is missing costs containment, not function. */
pid_t ns_clone(struct launch_plan *p)
{
	const int want = wanted_flags(p);
	const int attempts[] = {p->uid ? want | CLONE_NEWUSER : want,
				want | CLONE_NEWUSER, CLONE_NEWUSER, 0};
	pid_t pid = -EPERM;

	if (p->opt->isolate)
		return clone_isolated(p, attempts[0]);
	for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
		p->ns_flags = attempts[i];
		pid = clone_flags(attempts[i]);
		if (pid >= 0 || pid == -EAGAIN || pid == -ENOMEM)
			break;
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
	return rc;
}

int ns_enter(const struct launch_plan *p, enum launch_step *step)
{
	int rc = 0;

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

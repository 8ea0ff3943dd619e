/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The slow way to a guest descriptor: look through the descriptor tables of
 * the guest's processes, and of no others. They are the descendants of the
 * first guest process and of the sentry (the watcher inherits orphans), found
 * by their parents' numbers in /proc.
 */
#include "sentry/trap/trap_priv.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sentry/core/grow.h"

struct proc {
	pid_t pid, ppid;
	bool guest;
};

struct procs {
	struct proc *v;
	size_t n, cap;
};

static pid_t number_of(const char *name)
{
	char *end;
	long n = strtol(name, &end, 10);

	return *end == '\0' && n > 0 ? (pid_t)n : 0;
}

/* What an error says about a scan: it is cut short, or there is just nothing
 * (any more) at this place. */
static int scan_error(int err)
{
	return err == EMFILE || err == ENFILE || err == ENOMEM ? -EMFILE
							       : -ENOENT;
}

/* Parent's number: the second field after the command's closing bracket; 0:
 * it is gone, -EMFILE: not known. */
static pid_t parent_of(pid_t pid)
{
	char text[512];
	const char *p;

	errno = 0;
	if (!guest_proc_text(pid, "stat", text, sizeof text))
		return scan_error(errno) == -EMFILE ? -EMFILE : 0;
	p = strrchr(text, ')');
	if (!p || strlen(p) < 4)
		return 0;
	return (pid_t)strtol(p + 4, NULL, 10);
}

static bool procs_add(struct procs *ps, pid_t pid)
{
	pid_t ppid = parent_of(pid);
	struct proc *v;

	if (ppid < 0)
		return false;
	v = grow(ps->v, ps->n, &ps->cap, sizeof *v);
	if (!v)
		return false;
	ps->v = v;
	ps->v[ps->n++] = (struct proc){pid, ppid, false};
	return true;
}

/* False: not all of them. */
static bool procs_read(struct procs *ps)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	bool all = d != NULL;

	while (all && (e = readdir(d)) != NULL) {
		pid_t pid = number_of(e->d_name);

		all = !pid || procs_add(ps, pid);
	}
	if (d)
		closedir(d);
	return all;
}

static bool has_guest_parent(const struct procs *ps, pid_t ppid)
{
	for (size_t i = 0; i < ps->n; i++) {
		if (ps->v[i].pid == ppid)
			return ps->v[i].guest;
	}
	return false;
}

/* Marks children of marked ones until nothing changes; the sentry's children
 * count (the watcher is harmless: it holds no guest sockets). */
static void procs_mark(struct procs *ps, pid_t first)
{
	pid_t self = getpid();
	bool changed = true;

	while (changed) {
		changed = false;
		for (size_t i = 0; i < ps->n; i++) {
			struct proc *p = &ps->v[i];

			if (p->guest || p->pid == self)
				continue;
			p->guest = p->pid == first || p->ppid == self ||
				   has_guest_parent(ps, p->ppid);
			changed |= p->guest;
		}
	}
}

static bool is_socket(int dirfd, const char *name)
{
	char target[32];
	ssize_t n = readlinkat(dirfd, name, target, sizeof target);

	return n > 7 && memcmp(target, "socket:", 7) == 0;
}

static int take(int pidfd, const char *name, guest_fd_match fn, void *arg)
{
	int dup = (int)syscall(SYS_pidfd_getfd, pidfd, atoi(name), 0);

	if (dup < 0)
		return scan_error(errno);
	if (fn(arg, dup))
		return dup;
	close(dup);
	return -ENOENT;
}

static int scan_proc(pid_t pid, guest_fd_match fn, void *arg, int *fd)
{
	char path[32];
	int dup = -ENOENT, pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct dirent *e;
	DIR *d;

	if (pidfd < 0)
		return scan_error(errno);
	snprintf(path, sizeof path, "/proc/%d/fd", pid);
	d = opendir(path);
	if (!d)
		dup = scan_error(errno);
	while (d && dup == -ENOENT && (e = readdir(d)) != NULL) {
		if (!is_socket(dirfd(d), e->d_name))
			continue;
		dup = take(pidfd, e->d_name, fn, arg);
		if (dup >= 0 && fd)
			*fd = atoi(e->d_name);
	}
	if (d)
		closedir(d);
	close(pidfd);
	return dup;
}

int guest_fd_scan(struct sandbox *sb, guest_fd_match fn, void *arg, pid_t *tid,
		  int *fd)
{
	struct procs ps = {NULL, 0, 0};
	int dup = procs_read(&ps) ? -ENOENT : -EMFILE;

	procs_mark(&ps, sb->guest_pid);
	for (size_t i = 0; i < ps.n && dup == -ENOENT; i++) {
		if (!ps.v[i].guest)
			continue;
		dup = scan_proc(ps.v[i].pid, fn, arg, fd);
		if (dup >= 0 && tid)
			*tid = ps.v[i].pid;
	}
	free(ps.v);
	return dup;
}

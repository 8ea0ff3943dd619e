/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes below the caller, from /proc. A snapshot is not atomic: a
 * process whose parent dies while it is taken may be missing, and is the
 * caller's, a subreaper's, in the next one.
 */
#include "sentry/launch/launch_priv.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sentry/core/grow.h"

void proc_list_free(struct proc_list *l)
{
	free(l->p);
	memset(l, 0, sizeof *l);
}

int proc_push(struct proc_list *l, const struct proc *p)
{
	struct proc *more = grow(l->p, l->n, &l->room, sizeof *more);

	if (!more)
		return -ENOMEM;
	l->p = more;
	l->p[l->n++] = *p;
	return 0;
}

/* State, parent and start of a process or thread: fields 3, 4 and 22 of its
 * stat. The name before them may hold anything, but no field after it a
 * parenthesis. proc_pid_stat(5). */
#define NEXT_FIVE " %*s %*s %*s %*s %*s"
#define NEXT_SIX NEXT_FIVE " %*s"
static bool read_stat(const char *path, struct proc *out)
{
	char buf[1024];
	int fd = open(path, O_RDONLY | O_CLOEXEC), ppid;

	if (fd < 0)
		return false;
	ssize_t n = read(fd, buf, sizeof buf - 1);
	close(fd);
	if (n <= 0)
		return false;
	buf[n] = '\0';
	const char *end = strrchr(buf, ')');
	if (!end ||
	    sscanf(end + 1, " %c %d" NEXT_SIX NEXT_SIX NEXT_FIVE " %llu",
		   &out->state, &ppid, &out->start) != 3)
		return false;
	out->parent = ppid;
	out->depth = 0;
	return true;
}

bool proc_read(pid_t pid, struct proc *out)
{
	char path[32];

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	out->pid = pid;
	return read_stat(path, out);
}

static bool state_halted(char state)
{
	/* D: nothing of the program runs before it has stopped. A call that
	 * waits for the sentry's answer is one. */
	return strchr("TtZXxD", state) != NULL;
}

bool proc_halted(pid_t pid)
{
	char path[64];
	struct proc t;
	const struct dirent *e;
	bool halted = true;

	snprintf(path, sizeof path, "/proc/%d/task", pid);
	DIR *d = opendir(path);
	if (!d)
		return true;
	while (halted && (e = readdir(d))) {
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		snprintf(path, sizeof path, "/proc/%d/task/%.16s/stat", pid,
			 e->d_name);
		halted = !read_stat(path, &t) || state_halted(t.state);
	}
	closedir(d);
	return halted;
}

static int by_pid(const void *a, const void *b)
{
	const struct proc *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

static int by_depth(const void *a, const void *b)
{
	const struct proc *x = a, *y = b;

	return (x->depth > y->depth) - (x->depth < y->depth);
}

/* How far below the caller; 0: not below it. */
static unsigned depth_of(const struct proc_list *l, const struct proc *p)
{
	for (unsigned depth = 1; p && depth <= l->n; depth++) {
		const struct proc key = {.pid = p->parent};

		if (p->parent == getpid())
			return depth;
		p = bsearch(&key, l->p, l->n, sizeof key, by_pid);
	}
	return 0;
}

static int read_all(struct proc_list *l)
{
	DIR *d = opendir("/proc");
	const struct dirent *e;
	struct proc p;
	int rc = 0;

	if (!d)
		return -errno;
	while (!rc && (e = readdir(d)))
		if (isdigit((unsigned char)e->d_name[0]) &&
		    proc_read(atoi(e->d_name), &p))
			rc = proc_push(l, &p);
	closedir(d);
	return rc;
}

int proc_tree(struct proc_list *l)
{
	size_t n = 0;

	l->n = 0;
	int rc = read_all(l);
	if (rc)
		return rc;
	qsort(l->p, l->n, sizeof *l->p, by_pid);
	for (size_t i = 0; i < l->n; i++)
		l->p[i].depth = depth_of(l, &l->p[i]);
	for (size_t i = 0; i < l->n; i++)
		if (l->p[i].depth)
			l->p[n++] = l->p[i];
	l->n = n;
	qsort(l->p, l->n, sizeof *l->p, by_depth);
	return 0;
}

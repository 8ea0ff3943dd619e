/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaving nothing behind. The caller is a subreaper: when a parent dies, its
 * children become the caller's, so killing children until there are none kills
 * the tree. A guest that forks faster than it is killed needs --isolate, where
 * the kernel does it at once.
 */
#include "sentry/launch/launch_priv.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Needs CONFIG_PROC_CHILDREN; false without it. */
static bool kill_listed_children(void)
{
	FILE *f = fopen("/proc/thread-self/children", "re");
	int pid;

	if (!f)
		return false;
	while (fscanf(f, "%d", &pid) == 1)
		kill(pid, SIGKILL);
	fclose(f);
	return true;
}

/* The parent of a process, from the 4th field of its stat; -1. */
static int parent_of(int proc_fd, const char *pid)
{
	char path[64], buf[512];
	int ppid = -1;

	snprintf(path, sizeof path, "%.32s/stat", pid);
	int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t n = read(fd, buf, sizeof buf - 1);
	close(fd);
	if (n <= 0)
		return -1;
	buf[n] = '\0';
	/* The name may hold anything, but no field after it a parenthesis. */
	char *end = strrchr(buf, ')');
	if (!end || sscanf(end + 1, " %*c %d", &ppid) != 1)
		return -1;
	return ppid;
}

static void kill_found_children(void)
{
	DIR *d = opendir("/proc");
	const struct dirent *e;

	if (!d)
		return;
	while ((e = readdir(d)))
		if (isdigit((unsigned char)e->d_name[0]) &&
		    parent_of(dirfd(d), e->d_name) == getpid())
			kill(atoi(e->d_name), SIGKILL);
	closedir(d);
}

static void kill_children(bool in_pidns)
{
	if (in_pidns)
		kill(-1, SIGKILL);
	else if (!kill_listed_children())
		kill_found_children();
}

void reap_all(bool in_pidns)
{
	for (;;) {
		/* Usually there is nobody: no need to look for them. */
		pid_t pid = waitpid(-1, NULL, WNOHANG | __WALL);

		if (pid > 0)
			continue;
		if (pid < 0)
			return;
		kill_children(in_pidns);
		waitpid(-1, NULL, __WALL);
	}
}

void reap_dir(const char *path)
{
	DIR *d = opendir(path);
	const struct dirent *e;

	if (d) {
		while ((e = readdir(d)))
			unlinkat(dirfd(d), e->d_name, 0);
		closedir(d);
	}
	rmdir(path);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors that the guest would inherit. A host socket among them would be a
 * hole in the sandbox: calls on it are answered CONTINUE as on a file.
 */
#include "sentry/launch/launch_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sentry/core/log.h"

/* Calls fn for every descriptor that survives exec; stops when it says so. */
static int for_each(int (*fn)(int fd))
{
	DIR *d = opendir("/proc/self/fd");
	const struct dirent *e;
	int rc = 0;

	if (!d) {
		int err = errno;
		log_error("cannot read /proc/self/fd: %s; mount /proc",
			  strerror(err));
		return -err;
	}
	while (!rc && (e = readdir(d))) {
		int fd = atoi(e->d_name);
		int flags = e->d_name[0] == '.' ? -1 : fcntl(fd, F_GETFD);

		if (flags >= 0 && !(flags & FD_CLOEXEC))
			rc = fn(fd);
	}
	closedir(d);
	return rc;
}

static bool is_io_uring(int fd)
{
	static const char name[] = "anon_inode:[io_uring]";
	char link[sizeof name], path[32];

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return readlink(path, link, sizeof link) == (ssize_t)sizeof name - 1 &&
	       !memcmp(link, name, sizeof name - 1);
}

static int check_one(int fd)
{
	int domain = AF_UNIX;
	socklen_t len = sizeof domain;

	if (is_io_uring(fd)) {
		log_error("descriptor %d is an io_uring; close it before "
			  "starting cordon (%d<&-)",
			  fd, fd);
		return -EPERM;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) ||
	    domain == AF_UNIX)
		return 0;
	log_error("descriptor %d is a socket of the host's network; close it "
		  "before starting cordon (%d<&-)",
		  fd, fd);
	return -EPERM;
}

int inherited_check(void)
{
	return for_each(check_one);
}

static int shed_one(int fd)
{
	if (fd > STDERR_FILENO)
		close(fd);
	return 0;
}

void inherited_shed(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for_each(shed_one);
	if (null < 0)
		return;
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	close(null);
}

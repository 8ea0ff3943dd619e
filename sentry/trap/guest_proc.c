/* SPDX-License-Identifier: Apache-2.0 */
/* What /proc says about guest threads. */
#include "sentry/trap/trap.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool guest_proc_text(pid_t pid, const char *leaf, char *buf, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/%s", pid, leaf);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, buf, size - 1);
	close(fd);
	if (n <= 0)
		return false;
	buf[n] = '\0';
	return true;
}

pid_t guest_tgid(pid_t tid)
{
	char text[1024];
	const char *p;

	if (!guest_proc_text(tid, "status", text, sizeof text))
		return tid;
	p = strstr(text, "\nTgid:");
	return p ? (pid_t)strtol(p + 6, NULL, 10) : tid;
}

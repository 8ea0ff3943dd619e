/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line, one write: lines of different threads never mix, and nothing is
 * buffered when the sentry dies.
 */
#include "sentry/core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOG_LINE_BYTES 1024

static int trace_fd = STDERR_FILENO;

/* Finishes a line of n bytes that was cut to the buffer, and writes it. */
static void put_line(int fd, char *line, int n)
{
	if (n < 0)
		return;
	if (n > LOG_LINE_BYTES - 2)
		n = LOG_LINE_BYTES - 2;
	line[n++] = '\n';
	/* Nobody is left to be told when stderr cannot be written. */
	ssize_t rc = write(fd, line, (size_t)n);
	(void)rc;
}

void log_error(const char *fmt, ...)
{
	char line[LOG_LINE_BYTES] = "cordon: ";
	int n = (int)strlen(line);
	va_list ap;

	va_start(ap, fmt);
	int m = vsnprintf(line + n, sizeof line - (size_t)n, fmt, ap);
	va_end(ap);
	put_line(STDERR_FILENO, line, m < 0 ? m : n + m);
}

void log_trace(const char *fmt, ...)
{
	char line[LOG_LINE_BYTES];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	put_line(trace_fd, line, n);
}

static int open_trace(const char *path, int flags)
{
	int fd =
	    open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | flags, 0600);

	if (fd < 0)
		return -errno;
	trace_fd = fd;
	return 0;
}

int log_open(const char *path)
{
	return open_trace(path, O_TRUNC);
}

int log_continue(const char *path)
{
	return open_trace(path, 0);
}

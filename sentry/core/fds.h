/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors that stay open for as long as a socket lives must not use up the
 * last ones: every call of a guest borrows some for a moment (a dup of its
 * socket, an accepted end), and calls on sockets that exist go on working when
 * new ones are refused. The kernel gives the lowest free number, so a high
 * number says that few are left.
 */
#ifndef SENTRY_CORE_FDS_H
#define SENTRY_CORE_FDS_H

#include <errno.h>
#include <unistd.h>

#include "sentry/core/sandbox.h"

#define FDS_KEPT 16

/* fds_max of a sandbox under this RLIMIT_NOFILE. */
static inline int fds_most(unsigned long long limit)
{
	unsigned long long kept = limit / 4 < FDS_KEPT ? limit / 4 : FDS_KEPT;

	return limit > 1u << 30 ? 1 << 30 : (int)(limit - kept);
}

static inline bool fds_may_last(const struct sandbox *sb, int fd)
{
	return !sb->fds_max || fd < sb->fds_max;
}

/* Takes fd (or a -errno, which it returns): fd itself when it may stay, else
 * it is closed and -EMFILE. */
static inline int fds_lasting(const struct sandbox *sb, int fd)
{
	if (fd < 0 || fds_may_last(sb, fd))
		return fd;
	close(fd);
	return -EMFILE;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dups of guest descriptors. A pidfd per calling thread is cached: opening one
 * costs 5 us. LINUX: a pidfd with PIDFD_THREAD (6.9) gives the descriptor table
 * of that very thread; before, the thread group's leader has to do, which is
 * wrong only for threads with a table of their own.
 */
#include "sentry/trap/trap_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif

uint64_t socket_cookie(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof cookie;

	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) < 0)
		return 0;
	return cookie;
}

void guest_signal(pid_t tid, int sig)
{
	(void)syscall(SYS_tgkill, guest_tgid(tid), tid, sig);
}

static int pidfd_of(pid_t tid)
{
	int fd = (int)syscall(SYS_pidfd_open, tid, PIDFD_THREAD);

	if (fd < 0 && errno == EINVAL)
		fd = (int)syscall(SYS_pidfd_open, guest_tgid(tid), 0);
	return fd < 0 ? -errno : fd;
}

static int getfd(int pidfd, int number)
{
	int fd = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);

	return fd < 0 ? -errno : fd;
}

static int slot_open(struct trap_pidfd *slot, pid_t tid)
{
	int fd = pidfd_of(tid);

	if (slot->tid)
		close(slot->fd);
	*slot = (struct trap_pidfd){0, -1};
	if (fd < 0)
		return fd;
	*slot = (struct trap_pidfd){tid, fd};
	return 0;
}

static int get_cached(struct trapper *tr, pid_t tid, int number)
{
	struct trap_pidfd *slot = &tr->pidfd[(unsigned)tid % TRAP_PIDFDS];
	int err;

	if (slot->tid == tid) {
		int fd = getfd(slot->fd, number);
		/* The thread is gone, or its number names a new one. */
		if (fd != -ESRCH)
			return fd;
	}
	err = slot_open(slot, tid);
	return err < 0 ? err : getfd(slot->fd, number);
}

void guest_fd_fini(struct trapper *tr)
{
	for (unsigned i = 0; i < TRAP_PIDFDS; i++) {
		if (tr->pidfd[i].tid)
			close(tr->pidfd[i].fd);
		tr->pidfd[i].tid = 0;
	}
}

int guest_fd_get(struct sandbox *sb, pid_t tid, int fd)
{
	struct trapper *tr = sb->trapper;
	int dup;

	if (fd < 0)
		return -EBADF;
	pthread_mutex_lock(&tr->pidfd_lock);
	dup = get_cached(tr, tid, fd);
	if (dup == -EMFILE) {
		guest_fd_fini(tr); /* what is cached can be had again */
		dup = get_cached(tr, tid, fd);
	}
	pthread_mutex_unlock(&tr->pidfd_lock);
	return dup;
}

static bool match_cookie(void *arg, int dup)
{
	return socket_cookie(dup) == *(const uint64_t *)arg;
}

int guest_fd_find(struct sandbox *sb, uint64_t cookie, pid_t hint_tid,
		  int hint_fd)
{
	int dup = -ENOENT;

	if (!sb->trapper || !cookie)
		return -ENOENT;
	if (hint_tid > 0)
		dup = guest_fd_get(sb, hint_tid, hint_fd);
	if (dup >= 0 && match_cookie(&cookie, dup))
		return dup;
	if (dup >= 0)
		close(dup);
	return guest_fd_scan(sb, match_cookie, &cookie, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/control/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD /* Linux 6.5 */
#define SO_PEERPIDFD 77
#endif

/* How many seccomp filters a process is under; -1: cannot be told. */
static long filters_of(const char *pid)
{
	static const char key[] = "\nSeccomp_filters:";
	char path[48], text[4096];

	snprintf(path, sizeof path, "/proc/%s/status", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n <= 0)
		return -1;
	text[n] = '\0';
	const char *at = strstr(text, key);
	return at ? strtol(at + strlen(key), NULL, 10) : -1;
}

static bool user_ns_of(const char *pid, char out[64])
{
	char path[48];

	snprintf(path, sizeof path, "/proc/%s/ns/user", pid);
	ssize_t n = readlink(path, out, 63);
	if (n <= 0)
		return false;
	out[n] = '\0';
	return true;
}

static const char *look(const char *pid, bool user_ns)
{
	char theirs[64], ours[64];
	long n = filters_of(pid);

	if (n < 0)
		return "cannot tell who it is: /proc does not show it";
	if (n > filters_of("self"))
		return "it is under a seccomp filter, as guests are";
	if (!user_ns)
		return NULL;
	if (!user_ns_of("self", ours) || !user_ns_of(pid, theirs))
		return "cannot tell its user namespace";
	if (strcmp(ours, theirs) != 0)
		return "it is in another user namespace, as guests are";
	return NULL;
}

/* What was looked at in /proc was the peer, not who got its pid later. Before
 * Linux 6.5 there is no telling. */
static bool still_there(int pidfd)
{
	return !syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) ||
	       errno == EPERM;
}

const char *control_peer_refused(int fd, bool user_ns)
{
	struct ucred cred;
	socklen_t len = sizeof cred;
	int pidfd = -1;
	char pid[16];

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return "cannot tell who it is";
	if (cred.uid != geteuid() && cred.uid != 0)
		return "it is another user";
	if (cred.pid <= 0)
		return "it is in another PID namespace";
	len = sizeof pidfd;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len) &&
	    errno != ENOPROTOOPT)
		return "it is gone";
	snprintf(pid, sizeof pid, "%d", cred.pid);
	/* Root may, from wherever: no guest of ours is root if we are not. */
	const char *why = look(pid, user_ns && cred.uid == geteuid());
	if (pidfd >= 0 && !why && !still_there(pidfd))
		why = "it is gone";
	if (pidfd >= 0)
		close(pidfd);
	return why;
}

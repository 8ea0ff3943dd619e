/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors that the guest is born with. They follow its GO on the boot
 * socket, some with each message; the child puts them in their places, and
 * behind them a file with the text that says what they are. Its recvmsg is a
 * trap: by then somebody answers.
 */
#include "sentry/launch/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define FDS_EACH 64
/* LINUX: a string of the environment has at most 32 pages. */
#define ENV_BYTES_MAX (131072 - 64)
/* Until the guest has them and has begun; then nobody waits any more. */
#define BEGIN_MS 10000

union fds_space {
	struct cmsghdr h;
	char bytes[CMSG_SPACE(FDS_EACH * sizeof(int))];
};

/* ---- the sentry ---- */

static int send_fds(int sock, struct launch_msg *m, const int *fds, size_t n)
{
	struct iovec iov = {m, sizeof *m};
	union fds_space c;
	struct msghdr h = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = &c,
			   .msg_controllen = CMSG_SPACE(n * sizeof *fds)};
	ssize_t rc;

	memset(&c, 0, sizeof c);
	c.h.cmsg_level = SOL_SOCKET;
	c.h.cmsg_type = SCM_RIGHTS;
	c.h.cmsg_len = CMSG_LEN(n * sizeof *fds);
	memcpy(CMSG_DATA(&c.h), fds, n * sizeof *fds);
	do
		rc = sendmsg(sock, &h, MSG_NOSIGNAL);
	while (rc < 0 && errno == EINTR);
	return rc < 0 ? -errno : 0;
}

/* Nobody can change it; it is read from its beginning. */
static int text_file(const char *text)
{
	const int seals =
	    F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
	int fd = memfd_create("cordon-fds", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t n = strlen(text);

	if (fd < 0)
		return -errno;
	if (pwrite(fd, text, n, 0) == (ssize_t)n &&
	    !fcntl(fd, F_ADD_SEALS, seals))
		return fd;
	close(fd);
	return -ENOSPC;
}

/* Its end of the boot socket goes with the exec, or says why there is none. */
static void wait_until_begun(const struct guest *g)
{
	struct pollfd p = {.fd = g->plan.boot[0], .events = POLLIN};

	while (poll(&p, 1, BEGIN_MS) < 0 && errno == EINTR)
		;
}

int launch_hand(struct guest *g, const char *env, const int *fds, size_t n)
{
	struct launch_msg m = {BOOT_FDS, (int32_t)strlen(env), (int32_t)n};
	int text = strlen(env) <= INT32_MAX ? text_file(env) : -E2BIG, rc;

	if (text < 0)
		return text;
	rc = send_fds(g->plan.boot[0], &m, &text, 1);
	close(text);
	for (size_t at = 0; !rc && at < n; at += FDS_EACH)
		rc = send_fds(g->plan.boot[0], &m, fds + at,
			      n - at < FDS_EACH ? n - at : FDS_EACH);
	if (!rc)
		wait_until_begun(g);
	return rc;
}

/* ---- the guest child ---- */

/* One message: its descriptors, at most FDS_EACH; -errno. */
static int receive(int sock, struct launch_msg *m, int *fds)
{
	struct iovec iov = {m, sizeof *m};
	union fds_space c;
	struct msghdr h = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = &c,
			   .msg_controllen = sizeof c};
	size_t n;
	ssize_t rc;

	do
		rc = recvmsg(sock, &h, MSG_CMSG_CLOEXEC);
	while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return -errno;
	if (rc != (ssize_t)sizeof *m || m->kind != BOOT_FDS ||
	    !CMSG_FIRSTHDR(&h) || (h.msg_flags & MSG_CTRUNC))
		return -EMFILE;
	n = (c.h.cmsg_len - CMSG_LEN(0)) / sizeof *fds;
	memcpy(fds, CMSG_DATA(&c.h), n * sizeof *fds);
	return (int)n;
}

/* The same descriptor, out of the way of those that get places. */
static int move_above(int fd, int least)
{
	int moved;

	if (fd >= least)
		return fd;
	moved = fcntl(fd, F_DUPFD_CLOEXEC, least);
	close(fd);
	return moved < 0 ? -errno : moved;
}

/* The text itself, if a variable can hold it. */
static int set_env_text(int fd, size_t bytes)
{
	char *text;
	int rc = -ENOMEM;

	unsetenv(LAUNCH_HAND_ENV);
	if (bytes >= ENV_BYTES_MAX)
		return 0;
	text = calloc(1, bytes + 1);
	if (text && pread(fd, text, bytes, 0) == (ssize_t)bytes)
		rc = setenv(LAUNCH_HAND_ENV, text, 1) ? -errno : 0;
	free(text);
	return rc;
}

static int set_env(int fd, size_t bytes, int number)
{
	char text[16];
	int rc = set_env_text(fd, bytes);

	snprintf(text, sizeof text, "%d", number);
	if (!rc && setenv(LAUNCH_HAND_ENV_FD, text, 1))
		rc = -errno;
	return rc;
}

/* All of them, somewhere at `least` or above. */
static int receive_all(int sock, int *all, int n, int least)
{
	struct launch_msg m;
	int fds[FDS_EACH] = {-1};

	for (int at = 0; at < n;) {
		int got = receive(sock, &m, fds);

		if (got <= 0 || got > n - at)
			return got < 0 ? got : -EPROTO;
		for (int i = 0; i < got; i++, at++) {
			all[at] = move_above(fds[i], least);
			if (all[at] < 0)
				return all[at];
		}
	}
	return 0;
}

/* The descriptors, to their numbers; the file behind them. */
static int put_in_place(const int *all, int n, int text)
{
	int rc = 0;

	for (int i = 0; !rc && i < n; i++) {
		if (dup2(all[i], LAUNCH_HAND_FIRST + i) < 0)
			rc = -errno;
		close(all[i]);
	}
	if (!rc && dup2(text, LAUNCH_HAND_FIRST + n) < 0)
		rc = -errno;
	close(text);
	return rc;
}

int hand_take(struct launch_plan *p)
{
	struct launch_msg m;
	int first[FDS_EACH] = {-1}, *all, text, least, rc;

	rc = receive(p->boot[1], &m, first);
	if (rc != 1)
		return rc < 0 ? rc : -EPROTO;
	least = LAUNCH_HAND_FIRST + m.value + 1;
	rc = set_env(first[0], (size_t)m.step, least - 1);
	all = rc ? NULL : calloc((size_t)m.value + 1, sizeof *all);
	if (!all)
		return rc ? rc : -ENOMEM;
	text = move_above(first[0], least);
	p->boot[1] = move_above(p->boot[1], least);
	if (text < 0 || p->boot[1] < 0)
		rc = text < 0 ? text : p->boot[1];
	else
		rc = receive_all(p->boot[1], all, m.value, least);
	if (!rc)
		rc = put_in_place(all, m.value, text);
	free(all);
	return rc;
}

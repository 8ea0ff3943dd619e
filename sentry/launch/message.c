/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/launch/launch_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* By write(2): the guest child's sendmsg would be a trap. A lost message means
 * that the other side is dead, which it learns by itself. */
void message_send(int fd, int kind, int step, int value)
{
	const struct launch_msg m = {kind, step, value};
	ssize_t n;

	do
		n = write(fd, &m, sizeof m);
	while (n < 0 && errno == EINTR);
}

static pid_t sender_of(struct msghdr *h)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		struct ucred cred;

		if (c->cmsg_level != SOL_SOCKET ||
		    c->cmsg_type != SCM_CREDENTIALS)
			continue;
		memcpy(&cred, CMSG_DATA(c), sizeof cred);
		return cred.pid;
	}
	return 0;
}

int message_recv(int fd, struct launch_msg *m, pid_t *sender, bool block)
{
	_Alignas(struct cmsghdr) char ctl[CMSG_SPACE(sizeof(struct ucred))];
	struct iovec iov = {m, sizeof *m};
	struct msghdr h = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = ctl,
			   .msg_controllen = sizeof ctl};
	ssize_t n;

	do
		n = recvmsg(fd, &h, block ? 0 : MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	if (n == 0)
		return 0;
	if (n != (ssize_t)sizeof *m)
		return -EPROTO;
	if (sender)
		*sender = sender_of(&h);
	return 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that may block. They go to the C library, which makes them cancellation
 * points, except where the shim has something to say: the first call on a
 * socket of ours, and accept with an address.
 */
#include "shim/shim_priv.h"

#include <poll.h>

typedef int (*connect_fn)(int, const struct sockaddr *, socklen_t);
typedef int (*accept_fn)(int, struct sockaddr *, socklen_t *);
typedef int (*accept4_fn)(int, struct sockaddr *, socklen_t *, int);
typedef ssize_t (*sendto_fn)(int, const void *, size_t, int,
			     const struct sockaddr *, socklen_t);
typedef ssize_t (*recvfrom_fn)(int, void *, size_t, int, struct sockaddr *,
			       socklen_t *);
typedef ssize_t (*sendmsg_fn)(int, const struct msghdr *, int);
typedef ssize_t (*recvmsg_fn)(int, struct msghdr *, int);
typedef int (*sendmmsg_fn)(int, struct mmsghdr *, unsigned int, int);
typedef int (*recvmmsg_fn)(int, struct mmsghdr *, unsigned int, int,
			   struct timespec *);

static int connect_once(int fd, const struct sockaddr *addr, socklen_t len)
{
	uint64_t reg = shim_pending(fd);
	long r;

	if (!reg)
		return ((connect_fn)shim_real(REAL_CONNECT))(fd, addr, len);
	r = shim_call(SYS_connect, shim_int(fd), shim_ptr(addr), len, 0, 0,
		      reg);
	if (r != -EINTR) /* else the sentry may not have seen it */
		shim_pending_clear(fd);
	return (int)shim_ret(r);
}

SHIM_EXPORT int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	int r;

	do
		r = connect_once(fd, addr, len);
	while (shim_repeat_connect(fd, r));
	return r;
}

SHIM_EXPORT ssize_t sendto(int fd, const void *buf, size_t n, int flags,
			   const struct sockaddr *to, socklen_t len)
{
	sendto_fn fn = (sendto_fn)shim_real(REAL_SENDTO);
	ssize_t r;

	shim_adopt_fd(fd); /* all six registers are taken */
	do
		r = fn(fd, buf, n, flags, to, len);
	while (shim_repeat(fd, r, flags, POLLOUT));
	return shim_true_error(fd, r);
}

SHIM_EXPORT ssize_t recvfrom(int fd, void *restrict buf, size_t n, int flags,
			     struct sockaddr *restrict from,
			     socklen_t *restrict len)
{
	recvfrom_fn fn = (recvfrom_fn)shim_real(REAL_RECVFROM);
	ssize_t r;

	shim_adopt_fd(fd);
	do
		r = fn(fd, buf, n, flags, from, len);
	while (shim_repeat(fd, r, flags, POLLIN));
	return r;
}

/* Descriptors may travel in the message: whoever gets them has no shim state
 * of ours, so the sentry must know them first. */
SHIM_EXPORT ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	sendmsg_fn fn = (sendmsg_fn)shim_real(REAL_SENDMSG);
	ssize_t r;

	shim_adopt_all(); /* without looking at msg: it may be wild */
	do
		r = fn(fd, msg, flags);
	while (shim_repeat(fd, r, flags, POLLOUT));
	return r;
}

SHIM_EXPORT ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	recvmsg_fn fn = (recvmsg_fn)shim_real(REAL_RECVMSG);
	ssize_t r;

	shim_adopt_fd(fd);
	do
		r = fn(fd, msg, flags);
	while (shim_repeat(fd, r, flags, POLLIN));
	return r;
}

SHIM_EXPORT int sendmmsg(int fd, struct mmsghdr *v, unsigned int n, int flags)
{
	shim_adopt_all();
	return ((sendmmsg_fn)shim_real(REAL_SENDMMSG))(fd, v, n, flags);
}

SHIM_EXPORT int recvmmsg(int fd, struct mmsghdr *v, unsigned int n, int flags,
			 struct timespec *timeout)
{
	shim_adopt_fd(fd);
	return ((recvmmsg_fn)shim_real(REAL_RECVMMSG))(fd, v, n, flags,
						       timeout);
}

SHIM_EXPORT int accept(int fd, struct sockaddr *restrict addr,
		       socklen_t *restrict len)
{
	if (!addr || !shim_magic())
		return ((accept_fn)shim_real(REAL_ACCEPT))(fd, addr, len);
	return accept4(fd, addr, len, 0);
}

SHIM_EXPORT int accept4(int fd, struct sockaddr *restrict addr,
			socklen_t *restrict len, int flags)
{
	if (!addr || !shim_magic())
		return ((accept4_fn)shim_real(REAL_ACCEPT4))(fd, addr, len,
							     flags);
	shim_adopt_fd(fd);
	return shim_accept(fd, addr, len, flags);
}

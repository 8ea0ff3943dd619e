/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Error numbers that the backing socket cannot express. AF_UNIX has one word
 * for every failure, ECONNRESET; when a native transfer shows it, the sentry is
 * asked what it stands for. The path without an error costs nothing but a call.
 */
#include "shim/shim_priv.h"

#include <sys/uio.h>
#include <unistd.h>

typedef ssize_t (*recv_fn)(int, void *, size_t, int);
typedef ssize_t (*recv_chk_fn)(int, void *, size_t, size_t, int);
typedef ssize_t (*read_chk_fn)(int, void *, size_t, size_t);
typedef ssize_t (*recvfrom_chk_fn)(int, void *, size_t, size_t, int,
				   struct sockaddr *, socklen_t *);
typedef ssize_t (*send_fn)(int, const void *, size_t, int);
typedef ssize_t (*read_fn)(int, void *, size_t);
typedef ssize_t (*write_fn)(int, const void *, size_t);
typedef ssize_t (*vector_fn)(int, const struct iovec *, int);

ssize_t __recv_chk(int fd, void *buf, size_t n, size_t room, int flags);
ssize_t __read_chk(int fd, void *buf, size_t n, size_t room);
ssize_t __recvfrom_chk(int fd, void *restrict buf, size_t n, size_t room,
		       int flags, struct sockaddr *restrict from,
		       socklen_t *restrict len);

ssize_t shim_true_error(int fd, ssize_t r)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (r >= 0 || errno != ECONNRESET || !shim_magic())
		return r;
	if (shim_call(SYS_getsockopt, shim_int(fd), SHIM_SOL,
		      SHIM_OPT_SHOWN_ERROR, shim_ptr(&err), shim_ptr(&len),
		      0) == 0 &&
	    err)
		errno = err;
	return r;
}

SHIM_EXPORT ssize_t recv(int fd, void *buf, size_t n, int flags)
{
	recv_fn fn = (recv_fn)shim_real(REAL_RECV);

	return shim_true_error(fd, fn(fd, buf, n, flags));
}

/* Programs built with _FORTIFY_SOURCE call these; the C library's own check
 * (and its abort) stays in force. */
SHIM_EXPORT ssize_t __recv_chk(int fd, void *buf, size_t n, size_t room,
			       int flags)
{
	recv_chk_fn fn = (recv_chk_fn)shim_real(REAL_RECV_CHK);

	return shim_true_error(fd, fn(fd, buf, n, room, flags));
}

SHIM_EXPORT ssize_t __read_chk(int fd, void *buf, size_t n, size_t room)
{
	read_chk_fn fn = (read_chk_fn)shim_real(REAL_READ_CHK);

	return shim_true_error(fd, fn(fd, buf, n, room));
}

SHIM_EXPORT ssize_t __recvfrom_chk(int fd, void *restrict buf, size_t n,
				   size_t room, int flags,
				   struct sockaddr *restrict from,
				   socklen_t *restrict len)
{
	recvfrom_chk_fn fn = (recvfrom_chk_fn)shim_real(REAL_RECVFROM_CHK);

	shim_adopt_fd(fd);
	return shim_true_error(fd, fn(fd, buf, n, room, flags, from, len));
}

SHIM_EXPORT ssize_t send(int fd, const void *buf, size_t n, int flags)
{
	send_fn fn = (send_fn)shim_real(REAL_SEND);

	return shim_true_error(fd, fn(fd, buf, n, flags));
}

SHIM_EXPORT ssize_t read(int fd, void *buf, size_t n)
{
	read_fn fn = (read_fn)shim_real(REAL_READ);

	return shim_true_error(fd, fn(fd, buf, n));
}

SHIM_EXPORT ssize_t write(int fd, const void *buf, size_t n)
{
	write_fn fn = (write_fn)shim_real(REAL_WRITE);

	return shim_true_error(fd, fn(fd, buf, n));
}

SHIM_EXPORT ssize_t readv(int fd, const struct iovec *v, int n)
{
	vector_fn fn = (vector_fn)shim_real(REAL_READV);

	return shim_true_error(fd, fn(fd, v, n));
}

SHIM_EXPORT ssize_t writev(int fd, const struct iovec *v, int n)
{
	vector_fn fn = (vector_fn)shim_real(REAL_WRITEV);

	return shim_true_error(fd, fn(fd, v, n));
}

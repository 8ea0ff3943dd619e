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
typedef ssize_t (*send_fn)(int, const void *, size_t, int);
typedef ssize_t (*read_fn)(int, void *, size_t);
typedef ssize_t (*write_fn)(int, const void *, size_t);
typedef ssize_t (*vector_fn)(int, const struct iovec *, int);

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

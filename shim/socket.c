/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socket() without a trap: the guest makes the AF_UNIX socket itself, and the
 * sentry adopts it at the first call that traps anyway (abi.h). A trapped
 * socket() costs 30-70 us, most of it for installing the descriptor.
 *
 * The wrappers below pass the adoption word in the sixth argument register and
 * repeat calls that Linux never ends with EINTR: a trapped call can be (between
 * the notification and its receipt by the sentry).
 */
#include "shim/shim_priv.h"

#include <netinet/in.h>
#include <sys/ioctl.h>
#include <stdarg.h>

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	if (shim_call(SYS_getsockopt, shim_int(fd), SOL_SOCKET, SO_COOKIE,
		      shim_ptr(&cookie), shim_ptr(&len), shim_magic()) < 0)
		return 0;
	return cookie;
}

static bool is_plain_tcp(int domain, int type, int proto)
{
	int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;

	return (domain == AF_INET || domain == AF_INET6) &&
	       (type & ~flags) == SOCK_STREAM &&
	       (proto == 0 || proto == IPPROTO_TCP);
}

static long make_tcp(int domain, int type)
{
	uint64_t reg;
	long fd = shim_call(SYS_socket, AF_UNIX, shim_int(type), 0, 0, 0, 0);

	if (fd < 0)
		return fd;
	reg = shim_adopt(shim_magic(), cookie_of((int)fd), domain == AF_INET6,
			 SOCK_STREAM, IPPROTO_TCP);
	if (!shim_pending_set((int)fd, reg))
		shim_adopt_now((int)fd, reg);
	return fd;
}

SHIM_EXPORT int socket(int domain, int type, int proto)
{
	long r;

	if (shim_magic() && is_plain_tcp(domain, type, proto))
		return (int)shim_ret(make_tcp(domain, type));
	do
		r = shim_call(SYS_socket, shim_int(domain), shim_int(type),
			      shim_int(proto), 0, 0, 0);
	while (r == -EINTR);
	if (r >= 0)
		shim_pending_clear((int)r);
	return (int)shim_ret(r);
}

/*
 * A call on fd that never returns EINTR on Linux, with adoption. The pending
 * entry is dropped once a call has carried it, unless the sentry could not
 * adopt it then.
 */
static int call_retry(long nr, int fd, uint64_t b, uint64_t c, uint64_t d,
		      uint64_t e)
{
	uint64_t reg = shim_pending(fd);
	long r;

	do
		r = shim_call(nr, shim_int(fd), b, c, d, e, reg);
	while (r == -EINTR && shim_magic());
	if (reg && r != -ENOBUFS)
		shim_pending_clear(fd);
	return (int)shim_ret(r);
}

SHIM_EXPORT int bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	return call_retry(SYS_bind, fd, shim_ptr(addr), len, 0, 0);
}

SHIM_EXPORT int listen(int fd, int backlog)
{
	return call_retry(SYS_listen, fd, shim_int(backlog), 0, 0, 0);
}

SHIM_EXPORT int shutdown(int fd, int how)
{
	return call_retry(SYS_shutdown, fd, shim_int(how), 0, 0, 0);
}

SHIM_EXPORT int getsockname(int fd, struct sockaddr *restrict addr,
			    socklen_t *restrict len)
{
	return call_retry(SYS_getsockname, fd, shim_ptr(addr), shim_ptr(len), 0,
			  0);
}

SHIM_EXPORT int getpeername(int fd, struct sockaddr *restrict addr,
			    socklen_t *restrict len)
{
	return call_retry(SYS_getpeername, fd, shim_ptr(addr), shim_ptr(len), 0,
			  0);
}

SHIM_EXPORT int setsockopt(int fd, int level, int name, const void *val,
			   socklen_t len)
{
	return call_retry(SYS_setsockopt, fd, shim_int(level), shim_int(name),
			  shim_ptr(val), len);
}

SHIM_EXPORT int getsockopt(int fd, int level, int name, void *restrict val,
			   socklen_t *restrict len)
{
	return call_retry(SYS_getsockopt, fd, shim_int(level), shim_int(name),
			  shim_ptr(val), shim_ptr(len));
}

SHIM_EXPORT int ioctl(int fd, unsigned long request, ...)
{
	uint64_t reg = shim_pending(fd);
	va_list ap;
	void *arg;
	long r;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	do
		r = shim_call(SYS_ioctl, shim_int(fd), request, shim_ptr(arg),
			      0, 0, reg);
	while (r == -EINTR && (request & 0xff00) == 0x8900 && shim_magic());
	if (reg && (request & 0xff00) == 0x8900)
		shim_pending_clear(fd);
	return (int)shim_ret(r);
}

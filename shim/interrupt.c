/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EINTR that Linux would not have given. A trapped call can be interrupted
 * between the notification and its receipt by the sentry, also where nothing
 * has to be waited for: such calls are repeated. Those that may have waited are
 * not: there EINTR is the program's.
 */
#include "shim/shim_priv.h"

#include <fcntl.h>
#include <poll.h>

static bool may_wait(int fd, int flags, short event)
{
	struct pollfd p = {.fd = fd, .events = event};

	if (flags & MSG_DONTWAIT)
		return false;
	if (shim_call(SYS_fcntl, shim_int(fd), F_GETFL, 0, 0, 0, 0) &
	    O_NONBLOCK)
		return false;
	return shim_call(SYS_poll, shim_ptr(&p), 1, 0, 0, 0, 0) <= 0;
}

bool shim_repeat(int fd, ssize_t r, int flags, short event)
{
	if (r >= 0 || errno != EINTR || !shim_magic())
		return false;
	if (may_wait(fd, flags, event)) {
		errno = EINTR;
		return false;
	}
	return true;
}

/* Only streams that block wait for a connection. */
bool shim_repeat_connect(int fd, int r)
{
	int type = SOCK_STREAM;
	socklen_t len = sizeof(type);

	if (r >= 0 || errno != EINTR || !shim_magic())
		return false;
	(void)shim_call(SYS_getsockopt, shim_int(fd), SOL_SOCKET, SO_TYPE,
			shim_ptr(&type), shim_ptr(&len), shim_magic());
	if (type != SOCK_STREAM)
		return true;
	return (shim_call(SYS_fcntl, shim_int(fd), F_GETFL, 0, 0, 0, 0) &
		O_NONBLOCK) != 0;
}

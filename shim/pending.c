/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets that the shim made and the sentry has not adopted yet, by descriptor
 * number. One 64-bit word each, read and written atomically, so that signal
 * handlers and threads need no lock. An entry may be stale (the descriptor was
 * closed by a raw system call): the word carries bits of the socket's cookie,
 * and the sentry adopts only what matches.
 */
#include "shim/shim_priv.h"

#define PENDING_FDS 4096

static uint64_t pending[PENDING_FDS];
static int pending_count; /* a hint: 0 means that none is pending */

bool shim_pending_set(int fd, uint64_t reg)
{
	if (fd < 0 || fd >= PENDING_FDS)
		return false;
	if (!__atomic_exchange_n(&pending[fd], reg, __ATOMIC_RELAXED))
		__atomic_add_fetch(&pending_count, 1, __ATOMIC_RELAXED);
	return true;
}

uint64_t shim_pending(int fd)
{
	if (fd < 0 || fd >= PENDING_FDS)
		return 0;
	return __atomic_load_n(&pending[fd], __ATOMIC_RELAXED);
}

void shim_pending_clear(int fd)
{
	if (fd < 0 || fd >= PENDING_FDS ||
	    !__atomic_load_n(&pending[fd], __ATOMIC_RELAXED))
		return;
	if (__atomic_exchange_n(&pending[fd], 0, __ATOMIC_RELAXED))
		__atomic_sub_fetch(&pending_count, 1, __ATOMIC_RELAXED);
}

void shim_adopt_now(int fd, uint64_t reg)
{
	long r;

	do
		r = shim_call(SYS_getsockopt, shim_int(fd), SHIM_SOL,
			      SHIM_OPT_ADOPT, 0, 0, reg);
	while (r == -EINTR);
}

void shim_adopt_fd(int fd)
{
	uint64_t reg = shim_pending(fd);

	if (!reg)
		return;
	shim_adopt_now(fd, reg);
	shim_pending_clear(fd);
}

void shim_adopt_all(void)
{
	int fd;

	if (!__atomic_load_n(&pending_count, __ATOMIC_RELAXED))
		return;
	for (fd = 0; fd < PENDING_FDS; fd++)
		shim_adopt_fd(fd);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the shim. We are a visitor in the guest: async-signal-safe, raw system
 * calls, no malloc, no stdio, no descriptors of our own, errno preserved.
 * Nothing here is needed for correctness; without SHIM_ENV every wrapper just
 * passes its call on.
 */
#ifndef SHIM_SHIM_PRIV_H
#define SHIM_SHIM_PRIV_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "shim/abi.h"

#define SHIM_EXPORT __attribute__((visibility("default")))

/* Six registers, always: the sixth is how the sentry is spoken to. Returns the
 * kernel's value, -errno included. */
static inline long shim_call(long nr, uint64_t a, uint64_t b, uint64_t c,
			     uint64_t d, uint64_t e, uint64_t f)
{
	register uint64_t r10 __asm__("r10") = d;
	register uint64_t r8 __asm__("r8") = e;
	register uint64_t r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8),
			   "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline uint64_t shim_ptr(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

static inline uint64_t shim_int(int v)
{
	return (uint64_t)(int64_t)v;
}

/* The libc convention. */
static inline long shim_ret(long r)
{
	if (r >= 0)
		return r;
	errno = (int)-r;
	return -1;
}

/* The sandbox's magic number; 0: not inside a sandbox that wants us. */
uint64_t shim_magic(void);

/* ---- sockets that we made and the sentry does not know yet (pending.c) ----
 */
/* Remembers fd; false when the number is too large to be remembered. */
bool shim_pending_set(int fd, uint64_t reg);
/* The register to pass in the first trap on fd, 0 when none is due. Reading
 * does not clear: the sentry ignores it once the socket is adopted. */
uint64_t shim_pending(int fd);
void shim_pending_clear(int fd);
/* Tells the sentry now, by a trap of its own. */
void shim_adopt_now(int fd, uint64_t reg);
/* The same for every pending socket, and for fd alone if it is one. */
void shim_adopt_all(void);
void shim_adopt_fd(int fd);

/* Whether a call that said r is to be made again (interrupt.c). `event` is what
 * poll shows when it need not wait. */
bool shim_repeat(int fd, ssize_t r, int flags, short event);
bool shim_repeat_connect(int fd, int r);

/* accept4 with an address on any listener, natively (accept.c). */
int shim_accept(int fd, struct sockaddr *addr, socklen_t *len, int flags);

/* r as a transfer returned it; errno made exact (errors.c). */
ssize_t shim_true_error(int fd, ssize_t r);

/* The next definition of a libc function, looked up once (real.c). */
enum shim_real {
	REAL_CONNECT,
	REAL_RECV,
	REAL_SEND,
	REAL_RECV_CHK,
	REAL_READ_CHK,
	REAL_RECVFROM_CHK,
	REAL_READ,
	REAL_WRITE,
	REAL_READV,
	REAL_WRITEV,
	REAL_ACCEPT,
	REAL_ACCEPT4,
	REAL_SENDTO,
	REAL_RECVFROM,
	REAL_SENDMSG,
	REAL_RECVMSG,
	REAL_SENDMMSG,
	REAL_RECVMMSG,
	REAL_FCNTL,
	REAL_FCNTL64,
	REAL_FORK,
	REAL_VFORK,
	REAL_POSIX_SPAWN,
	REAL_POSIX_SPAWNP,
	REAL_SYSTEM,
	REAL_POPEN,
	REAL_EXECVE,
	REAL_EXECV,
	REAL_EXECVP,
	REAL_EXECVPE,
	REAL_FEXECVE,
	REAL_COUNT
};
void *shim_real(enum shim_real which);

#endif

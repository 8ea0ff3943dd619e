/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/filter/filter_table.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/socket.h>

/* In the kernel's headers only: probe the path, send nothing. */
#ifndef MSG_PROBE
#define MSG_PROBE 0x10
#endif

/* clang-format off */
#define LOW(a, m, v)  {a, FILTER_LOW_EQ, m, v}
#define INT(a, v)     LOW(a, 0xffffffff, v)
#define BIT(a, b)     LOW(a, b, b)
#define NE(a, v)      {a, FILTER_NE, 0, v}
#define LT(a, v)      {a, FILTER_LT, 0, v}
#define GT(a, v)      {a, FILTER_GT, 0, v}
#define BITS(a, m, v) {a, FILTER_BITS_EQ, m, v}

#define TRAP(call)          {SCMP_SYS(call), FILTER_NOTIFY, 0, 0, {{0}}, false}
#define TRAP1(call, c)      {SCMP_SYS(call), FILTER_NOTIFY, 0, 1, {c}, false}
/* ... and a call that the shim may let pass by. */
#define TRAP_M(call)        {SCMP_SYS(call), FILTER_NOTIFY, 0, 0, {{0}}, true}
#define TRAP1_M(call, c)    {SCMP_SYS(call), FILTER_NOTIFY, 0, 1, {c}, true}
#define FAIL(call, e)       {SCMP_SYS(call), FILTER_ERRNO, e, 0, {{0}}, false}
#define FAIL1(call, e, c)   {SCMP_SYS(call), FILTER_ERRNO, e, 1, {c}, false}

/*
 * Every int but 1, 2 and 10 (AF_UNIX, AF_INET, AF_INET6), as aligned
 * power-of-two ranges of the low word: a family that a future kernel adds is
 * refused too.
 */
#define RANGE(call, first, size) \
	FAIL1(call, EAFNOSUPPORT, \
	      LOW(0, 0xffffffff & ~((uint64_t)(size) - 1), first))
#define OTHER_FAMILIES(call) \
	RANGE(call, 0, 1), RANGE(call, 3, 1), RANGE(call, 4, 4), \
	RANGE(call, 8, 2), RANGE(call, 11, 1), RANGE(call, 12, 4), \
	RANGE(call, 1u << 4, 1u << 4), RANGE(call, 1u << 5, 1u << 5), \
	RANGE(call, 1u << 6, 1u << 6), RANGE(call, 1u << 7, 1u << 7), \
	RANGE(call, 1u << 8, 1u << 8), RANGE(call, 1u << 9, 1u << 9), \
	RANGE(call, 1u << 10, 1u << 10), RANGE(call, 1u << 11, 1u << 11), \
	RANGE(call, 1u << 12, 1u << 12), RANGE(call, 1u << 13, 1u << 13), \
	RANGE(call, 1u << 14, 1u << 14), RANGE(call, 1u << 15, 1u << 15), \
	RANGE(call, 1u << 16, 1u << 16), RANGE(call, 1u << 17, 1u << 17), \
	RANGE(call, 1u << 18, 1u << 18), RANGE(call, 1u << 19, 1u << 19), \
	RANGE(call, 1u << 20, 1u << 20), RANGE(call, 1u << 21, 1u << 21), \
	RANGE(call, 1u << 22, 1u << 22), RANGE(call, 1u << 23, 1u << 23), \
	RANGE(call, 1u << 24, 1u << 24), RANGE(call, 1u << 25, 1u << 25), \
	RANGE(call, 1u << 26, 1u << 26), RANGE(call, 1u << 27, 1u << 27), \
	RANGE(call, 1u << 28, 1u << 28), RANGE(call, 1u << 29, 1u << 29), \
	RANGE(call, 1u << 30, 1u << 30), RANGE(call, 1u << 31, 1u << 31)

/*
 * Options are the sentry's, except the two time-outs (old and new names: 20,
 * 21, 66, 67) of SOL_SOCKET, which act in native reads and writes. All 64 bits
 * are compared: garbage in a high word goes to the sentry, which answers
 * CONTINUE. The ranges are all numbers but these four.
 */
#define OPTION_RANGE(call, first, size) \
	TRAP1_M(call, BITS(2, ~((uint64_t)(size) - 1), first))
#define OPTIONS(call) \
	TRAP1_M(call, NE(1, SOL_SOCKET)), TRAP1_M(call, LT(2, 20)), \
	OPTION_RANGE(call, 22, 2), OPTION_RANGE(call, 24, 8), \
	OPTION_RANGE(call, 32, 32), OPTION_RANGE(call, 64, 2), \
	TRAP1_M(call, GT(2, 67))

/* Namespaces of the guest's own network would be the host's code. */
#define NO_NETNS \
	FAIL1(clone, EPERM, BIT(0, CLONE_NEWNET)), \
	FAIL(clone3, ENOSYS), \
	FAIL1(unshare, EPERM, BIT(0, CLONE_NEWNET)), \
	FAIL1(setns, EPERM, INT(1, 0)), \
	FAIL1(setns, EPERM, BIT(1, CLONE_NEWNET))

/* io_uring does socket calls in the kernel, where no filter looks. */
#define NO_URING \
	FAIL(io_uring_setup, ENOSYS), FAIL(io_uring_enter, ENOSYS), \
	FAIL(io_uring_register, ENOSYS)

const struct filter_line filter_native[] = {
	/* No socket of the host's network is ever made inside a guest. */
	TRAP1(socket, INT(0, AF_INET)),
	TRAP1(socket, INT(0, AF_INET6)),
	OTHER_FAMILIES(socket),
	/* Linux: pairs of internet sockets do not exist. */
	FAIL1(socketpair, EOPNOTSUPP, INT(0, AF_INET)),
	FAIL1(socketpair, EOPNOTSUPP, INT(0, AF_INET6)),
	OTHER_FAMILIES(socketpair),

	TRAP(connect), TRAP(bind), TRAP(listen), TRAP(shutdown),
	TRAP_M(getsockname), TRAP_M(getpeername),
	TRAP_M(sendmsg), TRAP_M(recvmsg), TRAP_M(sendmmsg), TRAP_M(recvmmsg),
	TRAP1_M(accept, NE(1, 0)),
	TRAP1_M(accept4, NE(1, 0)),

	/* An address, or a flag that AF_UNIX ignores or means otherwise. */
	TRAP1(sendto, NE(4, 0)),
	TRAP1(sendto, BIT(3, MSG_OOB)),
	TRAP1(sendto, BIT(3, MSG_PROBE)),
	TRAP1(sendto, BIT(3, MSG_MORE)),
	TRAP1(sendto, BIT(3, MSG_ZEROCOPY)),
	TRAP1(sendto, BIT(3, MSG_FASTOPEN)),
	TRAP1(recvfrom, NE(4, 0)),
	TRAP1(recvfrom, BIT(3, MSG_OOB)),
	TRAP1(recvfrom, BIT(3, MSG_TRUNC)),
	TRAP1(recvfrom, BIT(3, MSG_ERRQUEUE)),

	OPTIONS(setsockopt),
	OPTIONS(getsockopt),

	/* SIOCOUTQ is TIOCOUTQ; SIOC* of sockets and interfaces. */
	TRAP1(ioctl, INT(1, TIOCOUTQ)),
	TRAP1(ioctl, LOW(1, 0xffffff00, 0x8900)),

	/* --autosave=syscall; the sentry lets it pass without. */
	TRAP1(init_module, BITS(0, UINT64_MAX, 0)),

	NO_NETNS,
	NO_URING,
	{.nr = FILTER_END},
};

const struct filter_line filter_i386[] = {
	FAIL(socketcall, ENOSYS),
	FAIL(socket, ENOSYS), FAIL(socketpair, ENOSYS), FAIL(bind, ENOSYS),
	FAIL(connect, ENOSYS), FAIL(listen, ENOSYS), FAIL(accept4, ENOSYS),
	FAIL(getsockopt, ENOSYS), FAIL(setsockopt, ENOSYS),
	FAIL(getsockname, ENOSYS), FAIL(getpeername, ENOSYS),
	FAIL(sendto, ENOSYS), FAIL(sendmsg, ENOSYS), FAIL(recvfrom, ENOSYS),
	FAIL(recvmsg, ENOSYS), FAIL(shutdown, ENOSYS),
	FAIL(sendmmsg, ENOSYS), FAIL(recvmmsg, ENOSYS),
	FAIL(recvmmsg_time64, ENOSYS),
	/* Interface ioctls work on any AF_UNIX socket. */
	FAIL1(ioctl, ENOTTY, LOW(1, 0xffffff00, 0x8900)),
	NO_NETNS,
	NO_URING,
	{.nr = FILTER_END},
};
/* clang-format on */

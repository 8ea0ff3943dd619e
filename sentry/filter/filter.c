/* SPDX-License-Identifier: Apache-2.0 */
/* The program that the build made of the table (filter_gen.c): the sandbox's
 * magic put in, and its installation. */
#include "sentry/filter/filter.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sentry/filter/filter_compile.h"

/* 5.19; not in Debian 12's headers. */
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

static const struct sock_filter marked[] = {
#include "filter_program.inc"
};

_Static_assert(sizeof marked / sizeof *marked <= BPF_MAXINSNS, "too long");

int filter_build(uint64_t magic, struct sock_fprog *out)
{
	*out = (struct sock_fprog){.filter = malloc(sizeof marked)};
	if (!out->filter)
		return -ENOMEM;
	out->len = sizeof marked / sizeof *marked;
	memcpy(out->filter, marked, sizeof marked);
	filter_patch(out->filter, out->len, magic);
	return 0;
}

int filter_install(const struct sock_fprog *prog)
{
	const unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
	long fd;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		     flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, prog);
	if (fd < 0 && errno == EINVAL)
		fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, prog);
	return fd < 0 ? -errno : (int)fd;
}

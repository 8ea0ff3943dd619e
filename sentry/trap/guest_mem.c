/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory. It is read once and then parsed: another guest thread may
 * change it at any time. After a read, trap_valid() tells whether the thread
 * that was read from still is the one that made the call.
 */
#include "sentry/trap/trap.h"

#include <errno.h>
#include <sys/ioctl.h>

static int mem_err(void)
{
	return errno == ESRCH ? -ESRCH : -EFAULT;
}

int trap_read(const struct trap *t, uint64_t addr, void *dst, size_t bytes)
{
	struct iovec local = {dst, bytes};
	struct iovec remote = {(void *)(uintptr_t)addr, bytes};
	ssize_t n;

	if (bytes == 0)
		return 0;
	n = process_vm_readv((pid_t)t->n.pid, &local, 1, &remote, 1, 0);
	if (n < 0)
		return mem_err();
	return (size_t)n == bytes ? 0 : -EFAULT;
}

int trap_write(const struct trap *t, uint64_t addr, const void *src,
	       size_t bytes)
{
	struct iovec local = {(void *)(uintptr_t)src, bytes};
	struct iovec remote = {(void *)(uintptr_t)addr, bytes};
	ssize_t n;

	if (bytes == 0)
		return 0;
	n = process_vm_writev((pid_t)t->n.pid, &local, 1, &remote, 1, 0);
	if (n < 0)
		return mem_err();
	return (size_t)n == bytes ? 0 : -EFAULT;
}

int trap_write_sized(const struct trap *t, uint64_t addr, const void *src,
		     size_t bytes, uint64_t lenp, uint32_t len)
{
	const struct iovec local[] = {{(void *)(uintptr_t)src, bytes},
				      {&len, sizeof len}};
	const struct iovec remote[] = {{(void *)(uintptr_t)addr, bytes},
				       {(void *)(uintptr_t)lenp, sizeof len}};
	ssize_t n;

	if (bytes == 0)
		return trap_write(t, lenp, &len, sizeof len);
	n = process_vm_writev((pid_t)t->n.pid, local, 2, remote, 2, 0);
	if (n < 0)
		return mem_err();
	return (size_t)n == bytes + sizeof len ? 0 : -EFAULT;
}

/* Bytes that nv pieces hold, at most cap. */
static size_t pieces_bytes(const struct iovec *v, size_t nv, size_t cap)
{
	size_t sum = 0;

	for (size_t i = 0; i < nv && sum < cap; i++) {
		size_t len = v[i].iov_len;
		sum += len < cap - sum ? len : cap - sum;
	}
	return sum;
}

ssize_t trap_gather(const struct trap *t, const struct iovec *v, size_t nv,
		    void *dst, size_t cap)
{
	size_t want = pieces_bytes(v, nv, cap);
	struct iovec local = {dst, want};
	ssize_t n;

	if (want == 0)
		return 0;
	n = process_vm_readv((pid_t)t->n.pid, &local, 1, v, nv, 0);
	if (n < 0)
		return mem_err();
	return (size_t)n == want ? n : -EFAULT;
}

ssize_t trap_scatter(const struct trap *t, const struct iovec *v, size_t nv,
		     const void *src, size_t bytes)
{
	size_t want = pieces_bytes(v, nv, bytes);
	struct iovec local = {(void *)(uintptr_t)src, want};
	ssize_t n;

	if (want == 0)
		return 0;
	n = process_vm_writev((pid_t)t->n.pid, &local, 1, v, nv, 0);
	if (n < 0)
		return mem_err();
	return (size_t)n == want ? n : -EFAULT;
}

bool trap_valid(const struct trap *t)
{
	uint64_t id = t->n.id;

	return ioctl(t->sb->notify_fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

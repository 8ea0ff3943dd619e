/* SPDX-License-Identifier: Apache-2.0 */
/* Guest memory and descriptors; this process plays the guest. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sentry/trap/trap_priv.h"

struct rig {
	struct options opt;
	struct sandbox sb;
	struct trapper tr;
	struct trap t;
};

static void rig_init(struct rig *r)
{
	memset(r, 0, sizeof *r);
	sandbox_init(&r->sb, &r->opt);
	r->tr.sb = &r->sb;
	pthread_mutex_init(&r->tr.pidfd_lock, NULL);
	r->sb.trapper = &r->tr;
	r->t.sb = &r->sb;
	r->t.n.pid = (uint32_t)gettid();
}

static uint64_t at(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

Test(guest_mem, reads_and_writes)
{
	struct rig r;
	char there[8] = "abcdefg", here[8];

	rig_init(&r);
	cr_assert_eq(trap_read(&r.t, at(there), here, 8), 0);
	cr_assert_str_eq(here, "abcdefg");
	cr_assert_eq(trap_write(&r.t, at(there), "XY", 2), 0);
	cr_assert_str_eq(there, "XYcdefg");
	cr_assert_eq(trap_read(&r.t, 0, here, 0), 0);
}

Test(guest_mem, wild_pointers_are_faults)
{
	struct rig r;
	long page = sysconf(_SC_PAGESIZE);
	char *p = mmap(NULL, 2 * (size_t)page, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char buf[64];

	rig_init(&r);
	munmap(p + page, (size_t)page);
	cr_assert_eq(trap_read(&r.t, 0, buf, 1), -EFAULT);
	cr_assert_eq(trap_read(&r.t, UINT64_MAX - 3, buf, 8), -EFAULT);
	cr_assert_eq(trap_read(&r.t, at(p + page - 4), buf, 8), -EFAULT);
	cr_assert_eq(trap_write(&r.t, at(p + page - 4), buf, 8), -EFAULT);
	mprotect(p, (size_t)page, PROT_READ);
	cr_assert_eq(trap_write(&r.t, at(p), buf, 8), -EFAULT);
}

Test(guest_mem, dead_thread_is_esrch)
{
	struct rig r;
	pid_t pid = fork();
	char buf[4];

	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	rig_init(&r);
	r.t.n.pid = (uint32_t)pid;
	cr_assert_eq(trap_read(&r.t, at(buf), buf, 4), -ESRCH);
}

Test(guest_mem, gather_and_scatter)
{
	struct rig r;
	char a[3] = "12", b[4] = "345", out[8] = {0};
	struct iovec v[3] = {{a, 2}, {NULL, 0}, {b, 3}};

	rig_init(&r);
	cr_assert_eq(trap_gather(&r.t, v, 3, out, sizeof out), 5);
	cr_assert_str_eq(out, "12345");
	cr_assert_eq(trap_gather(&r.t, v, 3, out, 3), 3);
	cr_assert_eq(trap_scatter(&r.t, v, 3, "abcd", 4), 4);
	cr_assert_str_eq(a, "ab");
	cr_assert_str_eq(b, "cd5");
	v[2].iov_base = (void *)8;
	cr_assert_eq(trap_gather(&r.t, v, 3, out, sizeof out), -EFAULT);
}

Test(guest_fd, dups_and_bad_numbers)
{
	struct rig r;
	int s = socket(AF_UNIX, SOCK_STREAM, 0), d;

	rig_init(&r);
	d = guest_fd_get(&r.sb, gettid(), s);
	cr_assert_geq(d, 0);
	cr_assert_eq(socket_cookie(d), socket_cookie(s));
	cr_assert_eq(guest_fd_get(&r.sb, gettid(), -1), -EBADF);
	cr_assert_eq(guest_fd_get(&r.sb, gettid(), 4000), -EBADF);
	cr_assert_eq(socket_cookie(0), 0);
	guest_fd_fini(&r.tr);
}

/* A child that sits on a socket; its number in the child is returned. */
static pid_t holder(int sock)
{
	pid_t pid = fork();

	if (pid == 0) {
		dup2(sock, 77);
		for (;;)
			pause();
	}
	return pid;
}

Test(guest_fd, cached_pidfd_of_a_dead_process_is_noticed)
{
	struct rig r;
	int s = socket(AF_UNIX, SOCK_STREAM, 0), d;
	pid_t pid = holder(s);

	rig_init(&r);
	d = guest_fd_get(&r.sb, pid, s);
	cr_assert_geq(d, 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	cr_assert_eq(guest_fd_get(&r.sb, pid, s), -ESRCH);
	guest_fd_fini(&r.tr);
}

Test(guest_fd, found_by_cookie_in_children)
{
	struct rig r;
	int s = socket(AF_UNIX, SOCK_STREAM, 0), d;
	uint64_t cookie = socket_cookie(s);
	pid_t pid = holder(s);

	rig_init(&r);
	r.sb.guest_pid = pid;
	close(s);
	/* A wrong hint does no harm. */
	d = guest_fd_find(&r.sb, cookie, gettid(), 0);
	cr_assert_geq(d, 0);
	cr_assert_eq(socket_cookie(d), cookie);
	close(d);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	cr_assert_eq(guest_fd_find(&r.sb, cookie, pid, 77), -ENOENT);
	guest_fd_fini(&r.tr);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The launcher's parts that need no guest: messages, reaping a tree, removing
 * the directory, inherited descriptors. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sentry/launch/launch_priv.h"

Test(message, kinds_of_end)
{
	struct launch_msg m;
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	cr_assert_eq(message_recv(fds[0], &m, NULL, false), -EAGAIN);
	message_send(fds[1], CTL_EXIT, STEP_EXEC, -7);
	cr_assert_eq(message_recv(fds[0], &m, NULL, true), 1);
	cr_assert(m.kind == CTL_EXIT && m.step == STEP_EXEC && m.value == -7);
	cr_assert_eq(write(fds[1], "x", 1), 1);
	cr_assert_eq(message_recv(fds[0], &m, NULL, true), -EPROTO);
	close(fds[1]);
	cr_assert_eq(message_recv(fds[0], &m, NULL, true), 0);
}

Test(message, names_its_sender)
{
	struct launch_msg m;
	const int one = 1;
	pid_t sender = 0;
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	setsockopt(fds[0], SOL_SOCKET, SO_PASSCRED, &one, sizeof one);
	pid_t pid = fork();
	if (pid == 0) {
		message_send(fds[1], BOOT_READY, 0, 3);
		_exit(0);
	}
	cr_assert_eq(message_recv(fds[0], &m, &sender, true), 1);
	cr_assert_eq(sender, pid);
	waitpid(pid, NULL, 0);
}

/* Processes of several generations and sessions, all of which ignore what can
 * be ignored. Returns in each of them. */
static void breed(int generations, int tell)
{
	signal(SIGTERM, SIG_IGN);
	while (generations > 0) {
		/* Two children; they go on with one generation less. */
		if (fork() && fork())
			break;
		generations--;
		if (generations & 1)
			setsid();
	}
	if (write(tell, "x", 1) != 1)
		_exit(1);
	/* Some parents leave before the reaper comes. */
	if (generations == 2)
		_exit(0);
}

Test(reap, a_whole_tree_dies, .timeout = 20)
{
	int fds[2];
	char c;

	cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
	cr_assert_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	if (fork() == 0) {
		breed(4, fds[1]);
		for (;;)
			pause();
	}
	close(fds[1]);
	for (int i = 0; i < 31; i++)
		cr_assert_eq(read(fds[0], &c, 1), 1);
	reap_all(false);
	cr_assert_eq(waitpid(-1, NULL, 0), -1);
	cr_assert_eq(errno, ECHILD);
	/* Nobody holds the other end any more. */
	cr_assert_eq(read(fds[0], &c, 1), 0);
}

Test(reap, a_directory_goes_with_its_files)
{
	char dir[] = "/tmp/reap-XXXXXX", path[64];
	struct stat st;

	cr_assert_not_null(mkdtemp(dir));
	for (int i = 0; i < 100; i++) {
		snprintf(path, sizeof path, "%s/f%d", dir, i);
		close(open(path, O_CREAT | O_WRONLY, 0600));
	}
	reap_dir(dir);
	cr_assert_neq(stat(dir, &st), 0);
	reap_dir(dir);
}

/* ---- inherited descriptors ---- */

static int check_with(int fd)
{
	int rc;

	cr_assert_geq(fd, 0);
	rc = inherited_check();
	close(fd);
	return rc;
}

Test(inherited, sockets_of_the_host_are_refused)
{
	cr_assert_eq(inherited_check(), 0);
	cr_assert_eq(check_with(socket(AF_INET, SOCK_STREAM, 0)), -EPERM);
	cr_assert_eq(check_with(socket(AF_INET6, SOCK_DGRAM, 0)), -EPERM);
	cr_assert_eq(check_with(socket(AF_NETLINK, SOCK_RAW, 0)), -EPERM);
	cr_assert_eq(check_with(socket(AF_UNIX, SOCK_STREAM, 0)), 0);
	cr_assert_eq(check_with(open("/dev/null", O_RDONLY)), 0);
	/* Not inherited. */
	cr_assert_eq(check_with(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
		     0);
}

Test(inherited, standard_input_is_looked_at_too)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	cr_assert_geq(fd, 0);
	cr_assert_eq(dup2(fd, 0), 0);
	close(fd);
	cr_assert_eq(inherited_check(), -EPERM);
}

Test(inherited, an_io_uring_is_refused)
{
	char params[120] = {0};
	int fd = (int)syscall(SYS_io_uring_setup, 4, params);

	if (fd < 0)
		cr_skip_test("the kernel refuses io_uring");
	/* It is made close-on-exec. */
	cr_assert_eq(fcntl(fd, F_SETFD, 0), 0);
	cr_assert_eq(check_with(fd), -EPERM);
}

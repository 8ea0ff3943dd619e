/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets survive fork, exec, dup, dup2 onto 0-2, SCM_RIGHTS; the last close
 * anywhere ends the connection. */
#include "guest.h"

static void over_fork(void)
{
	struct sockaddr_in a;
	int l = listener(4, &a), c, s;
	char buf[8];
	pid_t pid = fork();

	if (!pid) {
		c = dial(&a);
		(void)!write(c, "child", 5);
		_exit(0);
	}
	s = accept(l, NULL, NULL);
	show("from child", read_n(s, buf, 5));
	show("then end", read(s, buf, 1));
	waitpid(pid, NULL, 0);
	close(s);
	/* a socket made before the fork, used in the child */
	c = socket(AF_INET, SOCK_STREAM, 0);
	pid = fork();
	if (!pid)
		_exit(connect(c, (void *)&a, sizeof(a)) ? errno : 0);
	waitpid(pid, NULL, 0);
	s = accept(l, NULL, NULL);
	show("parent writes", write(c, "parent", 6));
	show("on the child's connection", read_n(s, buf, 6));
	close(c);
	show("last close", read(s, buf, 1));
	close(s);
	close(l);
}

static void over_exec(char *self)
{
	int p[2], st;
	char buf[16];
	pid_t pid;

	tcp_pair(p);
	pid = fork();
	if (!pid) {
		dup2(p[0], 0);
		dup2(p[0], 1);
		execl(self, self, "child", NULL);
		_exit(98);
	}
	close(p[0]);
	show("to the program", write(p[1], "ping\n", 5));
	show("its answer", read_n(p[1], buf, 10));
	printf("answer: %.9s\n", buf);
	show("its end", read(p[1], buf, 1));
	waitpid(pid, &st, 0);
	printf("status: %x\n", st);
	close(p[1]);
}

static void over_vfork_and_cloexec(char *self)
{
	int p[2], st;
	char buf[4];
	pid_t pid;

	tcp_pair(p); /* dialled with SOCK_CLOEXEC */
	pid = vfork();
	if (!pid) {
		execl(self, self, "sleep", NULL);
		_exit(98);
	}
	fcntl(p[0], F_SETFD, FD_CLOEXEC);
	close(p[0]);
	show("closed on exec", read(p[1], buf, 1));
	kill(pid, SIGKILL);
	waitpid(pid, &st, 0);
	close(p[1]);
}

static void send_fd(int via, int fd)
{
	union {
		struct cmsghdr h;
		char b[CMSG_SPACE(sizeof(int))];
	} u = {.h = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec v = {(char *)"f", 1};
	struct msghdr m = {.msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = u.b,
			   .msg_controllen = sizeof(u.b)};

	memcpy(CMSG_DATA(&u.h), &fd, sizeof(fd));
	if (sendmsg(via, &m, 0) != 1)
		die("sendmsg");
}

static int recv_fd(int via)
{
	union {
		struct cmsghdr h;
		char b[CMSG_SPACE(sizeof(int))];
	} u;
	char c;
	struct iovec v = {&c, 1};
	struct msghdr m = {.msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = u.b,
			   .msg_controllen = sizeof(u.b)};
	int fd = -1;

	if (recvmsg(via, &m, 0) == 1 && m.msg_controllen)
		memcpy(&fd, CMSG_DATA(&u.h), sizeof(fd));
	return fd;
}

static void over_scm_rights(void)
{
	struct sockaddr_in a;
	int l = listener(4, &a), u[2], s, c;
	char buf[8];
	pid_t pid;

	socketpair(AF_UNIX, SOCK_STREAM, 0, u);
	pid = fork();
	if (!pid) {
		close(l);
		l = recv_fd(u[1]);
		s = accept(l, NULL, NULL);
		send_fd(u[1], s);
		_exit(0);
	}
	send_fd(u[0], l);
	close(l);
	c = dial(&a);
	s = recv_fd(u[0]);
	waitpid(pid, NULL, 0);
	show("passed back", s >= 0);
	show("write", write(c, "rights", 6));
	show("read", read_n(s, buf, 6));
	/* a fresh socket passed before its first use */
	l = socket(AF_INET, SOCK_STREAM, 0);
	pid = fork();
	if (!pid) {
		struct sockaddr_in b = loopback(0);

		l = recv_fd(u[1]);
		_exit(bind(l, (void *)&b, sizeof(b)) || listen(l, 1));
	}
	send_fd(u[0], l);
	waitpid(pid, NULL, 0);
	{
		socklen_t n = sizeof(a);

		getsockname(l, (void *)&a, &n);
		printf("bound by another: %d\n", a.sin_port != 0);
	}
	close(l);
	close(s);
	close(c);
}

static void dups(void)
{
	int p[2], d;
	char buf[4];

	tcp_pair(p);
	d = dup(p[0]);
	close(p[0]);
	show("dup writes", write(d, "dup", 3));
	show("read", read_n(p[1], buf, 3));
	p[0] = fcntl(d, F_DUPFD_CLOEXEC, 100);
	close(d);
	show("still open", recv(p[1], buf, 1, MSG_DONTWAIT));
	close(p[0]);
	show("closed", read(p[1], buf, 1));
	close(p[1]);
}

int main(int argc, char **argv)
{
	char buf[16];

	signal(SIGPIPE, SIG_IGN);
	if (argc > 1 && !strcmp(argv[1], "sleep")) {
		sleep_ms(3000);
		return 0;
	}
	if (argc > 1) {
		ssize_t n = read(0, buf, sizeof(buf));

		if (n > 0)
			printf("got: %.*s", (int)n, buf);
		return 0;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	over_fork();
	over_exec(argv[0]);
	over_vfork_and_cloexec(argv[0]);
	over_scm_rights();
	dups();
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* sendto, sendmsg, recvfrom, recvmsg and their flags on TCP; the ioctls. */
#include "guest.h"

#include <linux/sockios.h>

static volatile sig_atomic_t pipes;

static void on_pipe(int sig)
{
	(void)sig;
	pipes++;
}

static void addresses(void)
{
	int p[2];
	struct sockaddr_in a = loopback(1), from;
	socklen_t n = sizeof(from);
	char buf[16];

	tcp_pair(p);
	show("sendto ignores the address",
	     sendto(p[0], "hello", 5, 0, (void *)&a, sizeof(a)));
	await(p[1], POLLIN, 2000);
	memset(&from, 0x55, sizeof(from));
	show("recvfrom", recvfrom(p[1], buf, 3, 0, (void *)&from, &n));
	printf("namelen: %u family %x\n", n, from.sin_family);
	struct iovec v = {buf, sizeof(buf)};
	struct msghdr m = {.msg_name = &from,
			   .msg_namelen = sizeof(from),
			   .msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_flags = 99};
	show("recvmsg", recvmsg(p[1], &m, 0));
	printf("namelen: %u flags %x\n", m.msg_namelen, (unsigned)m.msg_flags);
	n = sizeof(from);
	show("would block",
	     recvfrom(p[1], buf, 3, MSG_DONTWAIT, (void *)&from, &n));
	close(p[0]);
	close(p[1]);
}

static long send_fds(int s, int fd)
{
	char ctl[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec v = {"fd", 2};
	struct msghdr m = {.msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = ctl,
			   .msg_controllen = sizeof(ctl)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(s, &m, 0);
}

static void descriptors(void)
{
	int p[2], pipefd[2];
	char buf[8], ctl[64];
	struct iovec v = {buf, sizeof(buf)};
	struct msghdr m = {.msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = ctl,
			   .msg_controllen = sizeof(ctl)};

	tcp_pair(p);
	if (pipe(pipefd))
		die("pipe");
	show("descriptor is ignored", send_fds(p[0], pipefd[1]));
	show("bad descriptor is ignored", send_fds(p[0], 999));
	close(pipefd[1]);
	show("nobody holds it", read(pipefd[0], buf, 1));
	await(p[1], POLLIN, 2000);
	show("data", recvmsg(p[1], &m, 0) > 0);
	printf("control: %zu\n", m.msg_controllen);
	close(p[0]);
	close(p[1]);
	close(pipefd[0]);
}

static void flags(void)
{
	int p[2], v = -1;
	char buf[16], c;
	struct sockaddr_in from;
	socklen_t n = sizeof(from);
	pid_t pid;

	tcp_pair(p);
	show("send", send(p[0], "0123456789", 10, 0));
	await(p[1], POLLIN, 2000);
	show("FIONREAD", ioctl(p[1], FIONREAD, &v));
	printf("in: %d\n", v);
	show("peek", recvfrom(p[1], buf, 4, MSG_PEEK, (void *)&from, &n));
	show("discard", recv(p[1], NULL, 4, MSG_TRUNC));
	show("recv", recv(p[1], buf, 1, 0));
	printf("byte: %c\n", buf[0]);
	show("errqueue", recvmsg(p[1], &(struct msghdr){0}, MSG_ERRQUEUE));
	pid = fork();
	if (pid == 0) {
		sleep_ms(50);
		send(p[0], "ab", 2, 0);
		sleep_ms(50);
		send(p[0], "cd", 2, 0);
		_exit(0);
	}
	n = sizeof(from);
	show("waitall", recvfrom(p[1], buf, 9, MSG_WAITALL, (void *)&from, &n));
	waitpid(pid, NULL, 0);
	pid = fork();
	if (pid == 0) {
		sleep_ms(50);
		send(p[0], "e", 1, 0);
		_exit(0);
	}
	n = sizeof(from);
	show("recvfrom waits", recvfrom(p[1], buf, 9, 0, (void *)&from, &n));
	waitpid(pid, NULL, 0);
	show("outq", ioctl(p[0], SIOCOUTQ, &v));
	printf("out: %d\n", v);
	show("outqnsd", ioctl(p[0], SIOCOUTQNSD, &v));
	close(p[0]);
	n = sizeof(from);
	show("end", recvfrom(p[1], &c, 1, 0, (void *)&from, &n));
	printf("namelen: %u\n", n);
	close(p[1]);
}

static void urgent(void)
{
	int p[2], v = -1;
	char c = 0, buf[8];

	tcp_pair(p);
	show("none", recv(p[1], &c, 1, MSG_OOB));
	show("oob", send(p[0], "abX", 3, MSG_OOB));
	await(p[1], POLLIN, 2000);
	sleep_ms(50);
	show("urgent", recv(p[1], &c, 1, MSG_OOB));
	printf("urgent byte: %c\n", c);
	show("atmark before", ioctl(p[1], SIOCATMARK, &v));
	show("rest", recv(p[1], buf, sizeof(buf), 0));
	show("twice", recv(p[1], &c, 1, MSG_OOB));
	close(p[0]);
	close(p[1]);
}

static void unconnected(void)
{
	int s = socket(AF_INET, SOCK_STREAM, 0), v = 0;
	struct sockaddr_in a, from;
	socklen_t n = sizeof(from);
	struct iovec iov = {"x", 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	char c;

	signal(SIGPIPE, on_pipe);
	show("sendmsg", sendmsg(s, &m, 0));
	printf("SIGPIPE: %d\n", (int)pipes);
	show("sendmsg nosignal", sendmsg(s, &m, MSG_NOSIGNAL));
	printf("SIGPIPE: %d\n", (int)pipes);
	show("recvmsg", recvmsg(s, &m, 0));
	show("recvfrom", recvfrom(s, &c, 1, 0, (void *)&from, &n));
	show("oob", recv(s, &c, 1, MSG_OOB));
	show("outq", ioctl(s, SIOCOUTQ, &v));
	close(s);
	s = listener(1, &a);
	show("listener sendmsg", sendmsg(s, &m, MSG_NOSIGNAL));
	show("listener recvmsg", recvmsg(s, &m, 0));
	show("listener outq", ioctl(s, SIOCOUTQ, &v));
	close(s);
}

static void after_peer_closed(void)
{
	int p[2];
	struct iovec iov = {"x", 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	tcp_pair(p);
	shutdown(p[0], SHUT_WR);
	pipes = 0;
	show("sendmsg after SHUT_WR", sendmsg(p[0], &m, 0));
	printf("SIGPIPE: %d\n", (int)pipes);
	close(p[0]);
	close(p[1]);
}

static void big(void)
{
	size_t n = 3 << 20;
	char *buf = calloc(1, n);
	struct sockaddr_in a = loopback(1);
	struct iovec v = {buf, n};
	struct msghdr m = {.msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_name = &a,
			   .msg_namelen = sizeof(a)};
	int p[2], st = -1;
	pid_t pid;

	tcp_pair(p);
	pid = fork();
	if (pid == 0) {
		close(p[0]);
		_exit(read_n(p[1], buf, n) != (ssize_t)n);
	}
	show("big addressed sendmsg", sendmsg(p[0], &m, 0));
	waitpid(pid, &st, 0);
	printf("all was read: %d\n", st == 0);
	free(buf);
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	addresses();
	descriptors();
	flags();
	urgent();
	unconnected();
	after_peer_closed();
	big();
	return 0;
}

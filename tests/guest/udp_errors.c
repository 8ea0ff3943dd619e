/* SPDX-License-Identifier: Apache-2.0 */
/* ICMP errors on datagram sockets: pending errors, poll, the error queue. */
#include "guest.h"

#include <linux/errqueue.h>

/* A port of 127.0.0.1 on which nobody listens (for now). */
static struct sockaddr_in dead_port(void)
{
	struct sockaddr_in a = loopback(0);
	socklen_t n = sizeof(a);
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	if (bind(s, (struct sockaddr *)&a, sizeof(a)) ||
	    getsockname(s, (struct sockaddr *)&a, &n))
		die("dead_port");
	close(s);
	return a;
}

static int toward(const struct sockaddr_in *a)
{
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	if (connect(s, (const struct sockaddr *)a, sizeof(*a)))
		die("connect");
	return s;
}

static long send_msg(int s)
{
	struct iovec v = {"ping", 4};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};

	return sendmsg(s, &m, 0);
}

static long recv_msg(int s, int flags)
{
	char buf[64];
	struct iovec v = {buf, sizeof(buf)};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};

	return recvmsg(s, &m, flags | MSG_DONTWAIT);
}

static void refused(void)
{
	struct sockaddr_in a = dead_port();
	int s = toward(&a);

	show("send", send_msg(s));
	show_poll("error shows", s, POLLIN | POLLOUT, 2000);
	show_error("SO_ERROR", s);
	show_error("SO_ERROR again", s);
	show_poll("error gone", s, POLLIN | POLLOUT, 0);
	show("send again", send_msg(s));
	await(s, POLLERR, 2000);
	show("recvmsg tells", recv_msg(s, 0));
	show("recvmsg after", recv_msg(s, 0));
	send_msg(s);
	await(s, POLLERR, 2000);
	show("send tells", send_msg(s));
	await(s, POLLERR, 200);
	show("then goes", send_msg(s));
	close(s);
}

static void native_calls(void)
{
	struct sockaddr_in a = dead_port();
	int s = toward(&a);
	char c;

	show("write", write(s, "x", 1));
	await(s, POLLERR, 2000);
	show("read fails", read(s, &c, 1) < 0);
	show_error("read consumed it", s);
	show("write", write(s, "x", 1));
	await(s, POLLERR, 2000);
	show("write fails", write(s, "x", 1) < 0);
	close(s);
}

static void unconnected(void)
{
	struct sockaddr_in a = dead_port();
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	show("sendto", sendto(s, "x", 1, 0, (void *)&a, sizeof(a)));
	show_poll("no error", s, POLLIN | POLLOUT, 100);
	show_error("none", s);
	show("sendto again", sendto(s, "x", 1, 0, (void *)&a, sizeof(a)));
	close(s);
}

static void blocked(void)
{
	struct sockaddr_in a = dead_port(), from;
	socklen_t n = sizeof(from);
	int s = toward(&a);
	char c;

	pid_t pid = fork();
	if (pid == 0) {
		sleep_ms(100);
		write(s, "x", 1);
		_exit(0);
	}
	show("blocked recvfrom ends",
	     recvfrom(s, &c, 1, 0, (struct sockaddr *)&from, &n));
	waitpid(pid, NULL, 0);
	close(s);
}

static void show_queue(const char *key, int s)
{
	char buf[64], ctl[256];
	struct sockaddr_in name;
	struct iovec v = {buf, sizeof(buf)};
	struct msghdr m = {.msg_name = &name,
			   .msg_namelen = sizeof(name),
			   .msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = ctl,
			   .msg_controllen = sizeof(ctl)};
	struct sock_extended_err ee;
	struct cmsghdr *c;

	if (show(key, recvmsg(s, &m, MSG_ERRQUEUE)) < 0)
		return;
	printf("%s: flags %x namelen %u %s\n", key, (unsigned)m.msg_flags,
	       m.msg_namelen,
	       name.sin_addr.s_addr == htonl(INADDR_LOOPBACK) ? "loopback"
							      : "other");
	for (c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		memcpy(&ee, CMSG_DATA(c), sizeof(ee));
		printf("%s: level %d type %d errno %s origin %d type %d "
		       "code %d info %u\n",
		       key, c->cmsg_level, c->cmsg_type,
		       strerrorname_np((int)ee.ee_errno), ee.ee_origin,
		       ee.ee_type, ee.ee_code, ee.ee_info);
	}
}

static void error_queue(void)
{
	struct sockaddr_in a = dead_port();
	int s = toward(&a), on = 1;

	show("recverr", setsockopt(s, SOL_IP, IP_RECVERR, &on, sizeof(on)));
	show_queue("empty queue", s);
	send_msg(s);
	show_poll("queued", s, POLLIN | POLLOUT, 2000);
	show_queue("queue", s);
	show_queue("queue empty again", s);
	show_error("reading it cleared the error", s);
	send_msg(s);
	await(s, POLLERR, 2000);
	show("recv tells", recv_msg(s, 0));
	show_queue("still queued", s);
	close(s);
}

static void unconnected_queue(void)
{
	struct sockaddr_in a = dead_port();
	int s = socket(AF_INET, SOCK_DGRAM, 0), on = 1;

	setsockopt(s, SOL_IP, IP_RECVERR, &on, sizeof(on));
	show("sendto", sendto(s, "x", 1, 0, (void *)&a, sizeof(a)));
	show_queue("unconnected queue", s);
	sendto(s, "x", 1, 0, (void *)&a, sizeof(a));
	show("sendto tells", sendto(s, "x", 1, 0, (void *)&a, sizeof(a)));
	close(s);
}

int main(void)
{
	refused();
	native_calls();
	unconnected();
	blocked();
	error_queue();
	unconnected_queue();
	return 0;
}

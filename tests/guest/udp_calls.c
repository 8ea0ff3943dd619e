/* SPDX-License-Identifier: Apache-2.0 */
/* Datagram calls on loopback: addresses, lengths, flags, vectors, connect and
 * disconnect, waiting. */
#include "guest.h"

static struct sockaddr_in addr_of(int s)
{
	struct sockaddr_in a;
	socklen_t n = sizeof(a);

	if (getsockname(s, (struct sockaddr *)&a, &n))
		die("getsockname");
	return a;
}

static int bound(void)
{
	struct sockaddr_in a = loopback(0);
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof(a)))
		die("bound");
	return s;
}

static long send_to(int s, const void *p, size_t n, const struct sockaddr_in *a)
{
	return sendto(s, p, n, 0, (const struct sockaddr *)a, sizeof(*a));
}

static const char *who(const struct sockaddr_in *from, int a, int b)
{
	struct sockaddr_in x = addr_of(a), y = addr_of(b);

	if (from->sin_family != AF_INET)
		return "nobody";
	if (from->sin_port == x.sin_port)
		return "first";
	return from->sin_port == y.sin_port ? "second" : "stranger";
}

static void two_senders(void)
{
	int r = bound(), a = bound(), b = bound();
	struct sockaddr_in to = addr_of(r), from;
	char buf[64];

	show("send a", send_to(a, "one", 3, &to));
	show("send b", send_to(b, "three", 5, &to));
	show("send a empty", send_to(a, "", 0, &to));
	show("send b again", send_to(b, "4444", 4, &to));
	for (int i = 0; i < 4; i++) {
		socklen_t n = sizeof(from);

		memset(&from, 0, sizeof(from));
		show("recvfrom", recvfrom(r, buf, sizeof(buf), MSG_DONTWAIT,
					  (struct sockaddr *)&from, &n));
		printf("from: %s %u\n", who(&from, a, b), n);
	}
	show("empty", recvfrom(r, buf, sizeof(buf), MSG_DONTWAIT, NULL, NULL));
	/* natively read ones in between */
	send_to(a, "a", 1, &to);
	send_to(b, "bb", 2, &to);
	send_to(a, "ccc", 3, &to);
	show("read", read(r, buf, sizeof(buf)));
	for (int i = 0; i < 2; i++) {
		socklen_t n = sizeof(from);

		show("recvfrom after read",
		     recvfrom(r, buf, sizeof(buf), 0, (struct sockaddr *)&from,
			      &n));
		printf("from: %s\n", who(&from, a, b));
	}
	close(r);
	close(a);
	close(b);
}

static void peek_and_trunc(void)
{
	int r = bound(), a = bound();
	struct sockaddr_in to = addr_of(r), from;
	socklen_t n = sizeof(from);
	char buf[8];
	int queued = -1;

	send_to(a, "0123456789", 10, &to);
	send_to(a, "abc", 3, &to);
	show("FIONREAD", ioctl(r, FIONREAD, &queued));
	printf("queued: %d\n", queued);
	show("peek", recv(r, buf, 4, MSG_PEEK));
	show("peek trunc", recv(r, buf, 4, MSG_PEEK | MSG_TRUNC));
	show("peek from",
	     recvfrom(r, buf, 4, MSG_PEEK, (struct sockaddr *)&from, &n));
	printf("peeked from: %s\n", who(&from, a, r));
	show("recv cut", recv(r, buf, 4, 0));
	show("recv trunc", recv(r, buf, 2, MSG_TRUNC));
	send_to(a, "xyz", 3, &to);
	show("recv none", recvfrom(r, NULL, 0, 0, NULL, NULL));
	show("then", recv(r, buf, 4, MSG_DONTWAIT));
	close(r);
	close(a);
}

static void bad_addresses(void)
{
	int s = socket(AF_INET, SOCK_DGRAM, 0), r = bound();
	struct sockaddr_in to = addr_of(r), x;
	struct sockaddr *p = (struct sockaddr *)&to;
	char buf[4];
	socklen_t n = sizeof(x), neg = (socklen_t)-1;

	show("no destination", sendto(s, "x", 1, MSG_NOSIGNAL, NULL, 0) < 0);
	show("short address", sendto(s, "x", 1, 0, p, 8));
	show("zero length address", sendto(s, "x", 1, 0, p, 0));
	show("huge length address", sendto(s, "x", 1, 0, p, 4096));
	show("wild address", sendto(s, "x", 1, 0, (void *)8, sizeof(to)));
	show("wild buffer", sendto(s, (void *)8, 1, 0, p, sizeof(to)));
	x = to;
	x.sin_family = AF_INET6;
	show("wrong family", send_to(s, "x", 1, &x));
	x.sin_family = AF_UNSPEC;
	show("unspec family", send_to(s, "x", 1, &x));
	show("is received", recv(r, buf, sizeof(buf), MSG_DONTWAIT));
	x = to;
	x.sin_port = 0;
	show("port 0", send_to(s, "x", 1, &x));
	show("oob", sendto(s, "x", 1, MSG_OOB, p, sizeof(to)));
	x.sin_port = to.sin_port;
	x.sin_addr.s_addr = htonl(INADDR_BROADCAST);
	show("broadcast", send_to(s, "x", 1, &x) < 0);
	send_to(s, "y", 1, &to);
	show("wild from", recvfrom(r, buf, 4, MSG_DONTWAIT, (void *)8, &n));
	send_to(s, "y", 1, &to);
	show("negative from length",
	     recvfrom(r, buf, 4, MSG_DONTWAIT, (struct sockaddr *)&x, &neg));
	send_to(s, "y", 1, &to);
	n = 3;
	show("short from",
	     recvfrom(r, buf, 4, MSG_DONTWAIT, (struct sockaddr *)&x, &n));
	printf("short from length: %u\n", n);
	close(s);
	close(r);
}

static void sizes(void)
{
	int s = socket(AF_INET, SOCK_DGRAM, 0), r = bound();
	struct sockaddr_in to = addr_of(r);
	char *big = calloc(1, 70000);

	show("65507", send_to(s, big, 65507, &to));
	show("received", recv(r, big, 70000, MSG_DONTWAIT));
	show("65508", send_to(s, big, 65508, &to));
	show("70000", send_to(s, big, 70000, &to));
	show("nothing came", recv(r, big, 70000, MSG_DONTWAIT));
	free(big);
	close(s);
	close(r);
}

static void connected(void)
{
	int a = bound(), b = bound(), c = bound();
	struct sockaddr_in to_a = addr_of(a), to_b = addr_of(b), from;
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	socklen_t n = sizeof(from);
	char buf[16];

	show("unconnected peer", getpeername(a, (struct sockaddr *)&from, &n));
	send_to(c, "early", 5, &to_a);
	show("connect", connect(a, (struct sockaddr *)&to_b, sizeof(to_b)));
	show("peer", getpeername(a, (struct sockaddr *)&from, &n));
	printf("peer is: %s\n", who(&from, b, c));
	show("stranger's later", send_to(c, "late", 4, &to_a));
	show("peer's", send_to(b, "peer", 4, &to_a));
	for (int i = 0; i < 2; i++) {
		n = sizeof(from);
		show("got", recvfrom(a, buf, sizeof(buf), MSG_DONTWAIT,
				     (struct sockaddr *)&from, &n));
		printf("from: %s\n", who(&from, b, c));
	}
	show("no more", recv(a, buf, sizeof(buf), MSG_DONTWAIT));
	show("send", send(a, "native", 6, 0));
	show("arrives", (await(b, POLLIN, 2000), recv(b, buf, 16, 0)));
	show("sendto elsewhere",
	     send_to(a, "other", 5,
		     &(struct sockaddr_in){
			 AF_INET, addr_of(c).sin_port, to_a.sin_addr, {0}}));
	show("arrives there", recv(c, buf, sizeof(buf), MSG_DONTWAIT));
	send_to(b, "q1", 2, &to_a);
	send_to(b, "q2", 2, &to_a);
	show("disconnect", connect(a, &none, sizeof(none)));
	show("no peer", getpeername(a, (struct sockaddr *)&from, &n));
	show("stranger again", send_to(c, "now", 3, &to_a));
	for (int i = 0; i < 3; i++) {
		n = sizeof(from);
		show("kept", recvfrom(a, buf, sizeof(buf), MSG_DONTWAIT,
				      (struct sockaddr *)&from, &n));
		printf("from: %s\n", who(&from, b, c));
	}
	show("short unspec", connect(a, &none, 1));
	show("short connect", connect(a, (struct sockaddr *)&to_b, 8));
	close(a);
	close(b);
	close(c);
}

static void vectors(void)
{
	int r = bound(), a = bound();
	struct sockaddr_in to = addr_of(r), from;
	char x[3], y[4], z[8];
	struct iovec out[2] = {{"abc", 3}, {"defgh", 5}};
	struct iovec in[3] = {{x, 3}, {y, 4}, {z, 8}};
	struct msghdr m = {.msg_name = &to,
			   .msg_namelen = sizeof(to),
			   .msg_iov = out,
			   .msg_iovlen = 2};

	show("sendmsg", sendmsg(a, &m, 0));
	m.msg_iovlen = 0;
	show("sendmsg empty", sendmsg(a, &m, 0));
	m.msg_iovlen = 1025;
	show("too many vectors", sendmsg(a, &m, 0));
	m.msg_iov = (void *)8;
	m.msg_iovlen = 1;
	show("wild vectors", sendmsg(a, &m, 0));
	show("wild msghdr", sendmsg(a, (void *)8, 0));
	m = (struct msghdr){.msg_name = &from,
			    .msg_namelen = sizeof(from),
			    .msg_iov = in,
			    .msg_iovlen = 2,
			    .msg_flags = 77};
	show("recvmsg", recvmsg(r, &m, MSG_DONTWAIT));
	printf("recvmsg got: %.3s %.4s flags %x from %s\n", x, y,
	       (unsigned)m.msg_flags, who(&from, a, r));
	show("recvmsg empty", recvmsg(r, &m, MSG_DONTWAIT));
	printf("flags: %x\n", (unsigned)m.msg_flags);
	m.msg_namelen = (socklen_t)-1;
	show("negative namelen", recvmsg(r, &m, MSG_DONTWAIT));
	close(r);
	close(a);
}

static void many(void)
{
	int r = bound(), a = bound();
	struct sockaddr_in to = addr_of(r), from[4];
	char buf[4][8];
	struct iovec out[3] = {{"1", 1}, {"22", 2}, {"333", 3}}, in[4];
	struct mmsghdr o[3] = {0}, m[4] = {0};
	struct timespec ts = {0, 50000000}, bad = {0, -5};
	int n;

	for (int i = 0; i < 3; i++) {
		o[i].msg_hdr.msg_name = &to;
		o[i].msg_hdr.msg_namelen = sizeof(to);
		o[i].msg_hdr.msg_iov = &out[i];
		o[i].msg_hdr.msg_iovlen = 1;
	}
	for (int i = 0; i < 4; i++) {
		in[i] = (struct iovec){buf[i], 8};
		m[i].msg_hdr.msg_name = &from[i];
		m[i].msg_hdr.msg_namelen = sizeof(from[i]);
		m[i].msg_hdr.msg_iov = &in[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	show("sendmmsg", n = sendmmsg(a, o, 3, 0));
	printf("lengths: %u %u %u\n", o[0].msg_len, o[1].msg_len, o[2].msg_len);
	show("recvmmsg dontwait", recvmmsg(r, m, 4, MSG_DONTWAIT, NULL));
	printf("lengths: %u %u %u from %s\n", m[0].msg_len, m[1].msg_len,
	       m[2].msg_len, who(&from[2], a, r));
	show("recvmmsg nothing", recvmmsg(r, m, 4, MSG_DONTWAIT, NULL));
	show("recvmmsg bad time", recvmmsg(r, m, 4, MSG_DONTWAIT, &bad));
	sendmmsg(a, o, 2, 0);
	show("recvmmsg waitforone", recvmmsg(r, m, 4, MSG_WAITFORONE, NULL));
	sendmmsg(a, o, 3, 0);
	show("recvmmsg exact", recvmmsg(r, m, 3, 0, &ts));
	show("sendmmsg none", sendmmsg(a, o, 0, 0));
	o[1].msg_hdr.msg_iov = (void *)8;
	show("sendmmsg second bad", sendmmsg(a, o, 3, 0));
	show("one came", recv(r, buf[0], 8, MSG_DONTWAIT));
	show("no second", recv(r, buf[0], 8, MSG_DONTWAIT));
	close(r);
	close(a);
}

static void waits(void)
{
	int r = bound(), a = bound();
	struct sockaddr_in to = addr_of(r), from;
	struct timeval tv = {0, 100000};
	socklen_t n = sizeof(from);
	char buf[8];
	pid_t pid;

	show_poll("idle", r, POLLIN | POLLOUT, 0);
	setsockopt(r, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	show("recv times out", recv(r, buf, 8, 0));
	show("recvfrom times out",
	     recvfrom(r, buf, 8, 0, (struct sockaddr *)&from, &n));
	tv.tv_sec = 20;
	setsockopt(r, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	pid = fork();
	if (pid == 0) {
		sleep_ms(50);
		send_to(a, "wake", 4, &to);
		sleep_ms(50);
		send_to(a, "again", 5, &to);
		_exit(0);
	}
	n = sizeof(from);
	show("recvfrom wakes",
	     recvfrom(r, buf, 8, 0, (struct sockaddr *)&from, &n));
	printf("from: %s\n", who(&from, a, r));
	show_poll("poll wakes", r, POLLIN, 5000);
	show("recv", recv(r, buf, 8, 0));
	waitpid(pid, NULL, 0);
	close(r);
	close(a);
}

static void gathered(void)
{
	int r = bound(), a = bound();
	struct sockaddr_in to = addr_of(r);
	char buf[16];

	show("more",
	     sendto(a, "ab", 2, MSG_MORE, (struct sockaddr *)&to, sizeof(to)));
	show("nothing yet", recv(r, buf, sizeof(buf), MSG_DONTWAIT));
	show("last", send_to(a, "cd", 2, &to));
	show("one", recv(r, buf, sizeof(buf), MSG_DONTWAIT));
	show("no other", recv(r, buf, sizeof(buf), MSG_DONTWAIT));
	close(r);
	close(a);
}

static void dual_stack(void)
{
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6}, from;
	int s = socket(AF_INET6, SOCK_DGRAM, 0), c = bound();
	struct sockaddr_in to = loopback(0);
	socklen_t n = sizeof(a6);
	char buf[8], text[64];

	show("bind", bind(s, (struct sockaddr *)&a6, sizeof(a6)));
	getsockname(s, (struct sockaddr *)&a6, &n);
	to.sin_port = a6.sin6_port;
	show("from v4", send_to(c, "four", 4, &to));
	n = sizeof(from);
	show("received",
	     recvfrom(s, buf, 8, MSG_DONTWAIT, (struct sockaddr *)&from, &n));
	printf("from: %s %u\n",
	       inet_ntop(AF_INET6, &from.sin6_addr, text, sizeof(text)), n);
	show("reply", sendto(s, "back", 4, 0, (struct sockaddr *)&from, n));
	show("comes", recv(c, buf, 8, MSG_DONTWAIT));
	to = addr_of(c);
	show("v4 address", send_to(s, "plain", 5, &to));
	show("comes too", recv(c, buf, 8, MSG_DONTWAIT));
	show("v4 connect", connect(s, (struct sockaddr *)&to, sizeof(to)));
	close(s);
	close(c);
}

int main(void)
{
	two_senders();
	peek_and_trunc();
	bad_addresses();
	sizes();
	connected();
	vectors();
	many();
	waits();
	gathered();
	dual_stack();
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A TCP socket from socket() to close(): calls in and out of order. */
#include "guest.h"

static void fresh(void)
{
	char buf[8];
	struct sockaddr_in a;
	socklen_t n = sizeof(a);
	int s = socket(AF_INET, SOCK_STREAM, 0);

	show_fd("socket", s);
	show_poll("fresh poll", s, POLLIN | POLLOUT, 0);
	show("fresh listen-less accept", accept(s, NULL, NULL));
	show("fresh getpeername", getpeername(s, (void *)&a, &n));
	n = sizeof(a);
	show("fresh getsockname", getsockname(s, (void *)&a, &n));
	printf("fresh name: %d %d %d\n", a.sin_family, ntohs(a.sin_port),
	       (int)n);
	show("fresh recv", recv(s, buf, 1, MSG_DONTWAIT));
	show("fresh send", send(s, buf, 1, MSG_DONTWAIT | MSG_NOSIGNAL));
	show_error("fresh error", s);
	show("fresh shutdown", shutdown(s, SHUT_RDWR));
	close(s);
}

static void names(void)
{
	struct sockaddr_in a, b;
	socklen_t n = sizeof(b);
	int l = listener(4, &a), c = dial(&a), s;

	s = accept(l, (void *)&b, &n);
	show_fd("accept", s);
	printf("accept name: %d %d\n", b.sin_family, (int)n);
	getsockname(c, (void *)&a, &n);
	printf("peer is client: %d\n", a.sin_port == b.sin_port);
	n = 4;
	show("short getpeername", getpeername(s, (void *)&b, &n));
	printf("short length: %d\n", (int)n);
	n = (socklen_t)-1;
	show("negative length", getpeername(s, (void *)&b, &n));
	show("NULL address", getpeername(s, NULL, &n));
	show("wild address", getpeername(s, (void *)8, &n));
	close(c);
	close(s);
	close(l);
}

static void listening(void)
{
	struct sockaddr_in a, b;
	int l = listener(1, &a), s = socket(AF_INET, SOCK_STREAM, 0);
	char c;

	show_poll("listening poll", l, POLLIN | POLLOUT, 0);
	show("bind in use", bind(s, (void *)&a, sizeof(a)));
	show("connect a listener", connect(l, (void *)&a, sizeof(a)));
	show("bind twice", bind(l, (void *)&a, sizeof(a)));
	show("listen again", listen(l, 5));
	show("read a listener", read(l, &c, 1));
	nonblock(l);
	show("accept empty", accept(l, NULL, NULL));
	b = a;
	b.sin_addr.s_addr = htonl(0x01020304);
	b.sin_port = 0;
	show("bind foreign", bind(s, (void *)&b, sizeof(b)));
	b.sin_family = AF_INET6;
	show("bind wrong family", bind(s, (void *)&b, sizeof(b)));
	show("bind short", bind(s, (void *)&a, 4));
	show("bind wild", bind(s, (void *)8, sizeof(a)));
	close(s);
	s = dial(&a);
	show_poll("ready to accept", l, POLLIN, 1000);
	close(l);
	close(s);
	s = socket(AF_INET, SOCK_STREAM, 0);
	show("connect to closed", connect(s, (void *)&a, sizeof(a)));
	close(s);
}

static void data(void)
{
	int p[2];
	char buf[64];
	struct iovec v[2] = {{(char *)"hello ", 6}, {(char *)"world", 5}};

	tcp_pair(p);
	show_poll("pair poll", p[0], POLLIN | POLLOUT, 0);
	show("second connect", connect(p[0], NULL, 0));
	show("writev", writev(p[0], v, 2));
	show_poll("readable", p[1], POLLIN, 1000);
	show("peek", recv(p[1], buf, 5, MSG_PEEK));
	show("read", read_n(p[1], buf, 11));
	printf("text: %.11s\n", buf);
	show("empty", recv(p[1], buf, 1, MSG_DONTWAIT));
	show("zero send", send(p[0], buf, 0, 0));
	show("shutdown write", shutdown(p[0], SHUT_WR));
	show("write after", send(p[0], buf, 1, MSG_NOSIGNAL));
	show_poll("peer sees EOF", p[1], POLLIN, 1000);
	show("read EOF", read(p[1], buf, 1));
	show("other way", write(p[1], "back", 4));
	show("read back", read_n(p[0], buf, 4));
	close(p[1]);
	show_poll("both closed", p[0], POLLIN, 1000);
	show("end", read(p[0], buf, 1));
	close(p[0]);
}

static void resets(void)
{
	struct linger lin = {1, 0};
	int p[2];
	char buf[8];

	tcp_pair(p);
	setsockopt(p[1], SOL_SOCKET, SO_LINGER, &lin, sizeof(lin));
	close(p[1]);
	await(p[0], POLLIN, 2000);
	show("read after RST", read(p[0], buf, 1));
	show("read again", read(p[0], buf, 1));
	close(p[0]);

	tcp_pair(p);
	(void)!write(p[0], "unread", 6);
	await(p[1], POLLIN, 2000);
	close(p[1]);
	await(p[0], POLLIN, 2000);
	show("closed with unread data", read(p[0], buf, 1));
	close(p[0]);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	fresh();
	names();
	listening();
	data();
	resets();
	return 0;
}

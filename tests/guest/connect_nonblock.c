/* SPDX-License-Identifier: Apache-2.0 */
/* Non-blocking connects: poll, epoll edges, SO_ERROR, again after failure. */
#include "guest.h"

static void succeeds(void)
{
	struct sockaddr_in a;
	int l = listener(4, &a), s = socket(AF_INET, SOCK_STREAM, 0);
	int ep = epoll_create1(0), edges = 0, i;
	struct epoll_event ev = {.events = EPOLLOUT | EPOLLIN | EPOLLET};

	nonblock(s);
	epoll_ctl(ep, EPOLL_CTL_ADD, s, &ev);
	/* a fresh socket reports OUT|HUP once */
	show("fresh edge", epoll_wait(ep, &ev, 1, 0));
	printf("fresh edge bits: %x\n", ev.events);
	show("connect", connect(s, (void *)&a, sizeof(a)));
	for (i = 0; i < 20; i++)
		if (epoll_wait(ep, &ev, 1, 20) == 1)
			edges++;
	printf("edges: %d bits %x\n", edges, ev.events);
	show_error("error", s);
	show("connect again", connect(s, (void *)&a, sizeof(a)));
	show("write", write(s, "x", 1));
	close(ep);
	close(s);
	close(l);
}

static void fails(void)
{
	struct sockaddr_in a;
	int l = listener(4, &a), s = socket(AF_INET, SOCK_STREAM, 0), l2;
	struct sockaddr_in b;

	close(l);
	nonblock(s);
	show("refused connect", connect(s, (void *)&a, sizeof(a)));
	show_poll("refused poll", s, POLLIN | POLLOUT, 2000);
	show_error("refused error", s);
	show_error("error is consumed", s);
	l2 = listener(4, &b);
	show("connect after failure", connect(s, (void *)&b, sizeof(b)));
	show_poll("then", s, POLLOUT, 2000);
	show_error("no error", s);
	show("and works", write(s, "x", 1));
	close(s);
	close(l2);
}

static void fails_blocking(void)
{
	struct sockaddr_in a, b;
	int l = listener(4, &a), s = socket(AF_INET, SOCK_STREAM, 0), l2;

	close(l);
	show("blocking refused", connect(s, (void *)&a, sizeof(a)));
	show("again refused", connect(s, (void *)&a, sizeof(a)));
	show_error("no pending error", s);
	l2 = listener(4, &b);
	show("then elsewhere", connect(s, (void *)&b, sizeof(b)));
	show("is connected", connect(s, (void *)&b, sizeof(b)));
	close(s);
	close(l2);
}

static void unspec(void)
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	struct sockaddr_in a, b;
	socklen_t n = sizeof(b);
	int l = listener(4, &a), s = dial(&a), c = accept(l, NULL, NULL);
	char buf[4];

	show("disconnect", connect(s, &none, sizeof(none)));
	show("no peer", getpeername(s, (void *)&b, &n));
	await(c, POLLIN, 2000);
	show("peer sees a reset", read(c, buf, 1));
	show("connect anew", connect(s, (void *)&a, sizeof(a)));
	close(c);
	c = accept(l, NULL, NULL);
	show("write", write(s, "abc", 3));
	show("read", read_n(c, buf, 3));
	close(s);
	close(c);
	close(l);
}

/* What a connect has left as new may listen. */
static void then_listens(void)
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	struct sockaddr_in a = loopback(9), b;
	int s = socket(AF_INET, SOCK_STREAM, 0), c;
	socklen_t n = sizeof(b);

	show("disconnect a fresh one", connect(s, &none, sizeof(none)));
	show("it listens", listen(s, 1));
	close(s);
	s = socket(AF_INET, SOCK_STREAM, 0);
	show("nobody there", connect(s, (void *)&a, sizeof(a)));
	show("listens then", listen(s, 1));
	getsockname(s, (void *)&b, &n);
	c = dial(&b);
	show_poll("and accepts", s, POLLIN, 1000);
	close(c);
	close(s);
}

static void bad_arguments(void)
{
	struct sockaddr_in a = loopback(1);
	int s = socket(AF_INET, SOCK_STREAM, 0);

	show("short address", connect(s, (void *)&a, 8));
	show("wild address", connect(s, (void *)16, sizeof(a)));
	show("huge length", connect(s, (void *)&a, 1000));
	a.sin_family = AF_INET6;
	show("wrong family", connect(s, (void *)&a, sizeof(a)));
	a.sin_family = 77;
	show("no family", connect(s, (void *)&a, sizeof(a)));
	close(s);
	show("closed fd", connect(s, (void *)&a, sizeof(a)));
	show("not a socket", connect(0, (void *)&a, sizeof(a)));
	show("no such domain", socket(99, SOCK_STREAM, 0));
	show("no such type", socket(AF_INET, 9, 0));
	show("no such protocol", socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
	show("tcp as datagram", socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP));
	show("bad flags", socket(AF_INET, SOCK_STREAM | 0x100000, 0));
	show("seqpacket", socket(AF_INET, SOCK_SEQPACKET, 0));
}

static void select_sees_it(void)
{
	struct sockaddr_in a;
	int l = listener(4, &a), s = socket(AF_INET, SOCK_STREAM, 0);
	struct timeval tv = {2, 0};
	fd_set w;

	nonblock(s);
	show("start", connect(s, (void *)&a, sizeof(a)));
	FD_ZERO(&w);
	FD_SET(s, &w);
	show("select", select(s + 1, NULL, &w, NULL, &tv));
	printf("writable: %d\n", FD_ISSET(s, &w) != 0);
	close(s);
	close(l);
}

static void registered_before_connect(void)
{
	struct sockaddr_in a;
	int l = socket(AF_INET, SOCK_STREAM, 0), ep = epoll_create1(0), s;
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = 7};
	socklen_t n = sizeof(a);

	epoll_ctl(ep, EPOLL_CTL_ADD, l, &ev);
	a = loopback(0);
	bind(l, (void *)&a, sizeof(a));
	show("listen later", listen(l, 4));
	getsockname(l, (void *)&a, &n);
	show("nothing yet", epoll_wait(ep, &ev, 1, 50));
	s = dial(&a);
	show("acceptable", epoll_wait(ep, &ev, 1, 2000));
	printf("data: %u events %x\n", ev.data.u32, ev.events);
	close(s);
	close(l);
	close(ep);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	succeeds();
	fails();
	fails_blocking();
	unspec();
	then_listens();
	bad_arguments();
	select_sees_it();
	registered_before_connect();
	return 0;
}

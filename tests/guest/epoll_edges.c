/* SPDX-License-Identifier: Apache-2.0 */
/* epoll on connections: level, edge, one-shot; EPOLLEXCLUSIVE; many events. */
#include "guest.h"

static int wait1(int ep, int ms)
{
	struct epoll_event ev = {0};
	int n = epoll_wait(ep, &ev, 1, ms);

	return n == 1 ? (int)ev.events : n;
}

static void watch(int ep, int fd, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.fd = fd};

	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}

static void modes(uint32_t flag, const char *name)
{
	int p[2], ep = epoll_create1(0);
	char buf[16];

	tcp_pair(p);
	watch(ep, p[0], EPOLLIN | flag);
	printf("%s idle: %x\n", name, wait1(ep, 20));
	(void)!write(p[1], "abc", 3);
	printf("%s data: %x\n", name, wait1(ep, 1000));
	printf("%s again: %x\n", name, wait1(ep, 20));
	(void)!read(p[0], buf, 1);
	printf("%s partly read: %x\n", name, wait1(ep, 20));
	(void)!read_n(p[0], buf, 2);
	printf("%s empty: %x\n", name, wait1(ep, 20));
	(void)!write(p[1], "d", 1);
	printf("%s more: %x\n", name,
	       wait1(ep, flag & EPOLLONESHOT ? 50 : 1000));
	shutdown(p[1], SHUT_WR);
	sleep_ms(20);
	printf("%s end: %x\n", name, wait1(ep, 50));
	close(p[0]);
	close(p[1]);
	close(ep);
}

static void writable_edge(void)
{
	static char block[65536];
	int p[2], ep = epoll_create1(0);

	tcp_pair(p);
	nonblock(p[0]);
	nonblock(p[1]);
	watch(ep, p[0], EPOLLOUT | EPOLLET);
	printf("first edge: %x\n", wait1(ep, 100));
	while (write(p[0], block, sizeof(block)) > 0 ||
	       (sleep_ms(20), write(p[0], block, 1) > 0))
		;
	wait1(ep, 0);
	printf("full: %x\n", wait1(ep, 50));
	while (read(p[1], block, sizeof(block)) > 0 || await(p[1], POLLIN, 200))
		;
	printf("drained: %x\n", wait1(ep, 1000) & EPOLLOUT);
	close(p[0]);
	close(p[1]);
	close(ep);
}

static void accept_edges(void)
{
	struct sockaddr_in a;
	int l = listener(8, &a), ep = epoll_create1(0), c[3], i;

	watch(ep, l, EPOLLIN | EPOLLET);
	printf("no client: %x\n", wait1(ep, 20));
	for (i = 0; i < 3; i++)
		c[i] = dial(&a);
	printf("clients: %x\n", wait1(ep, 1000));
	nonblock(l);
	for (i = 0; accept(l, NULL, NULL) >= 0; i++)
		;
	printf("accepted: %d\n", i);
	wait1(ep, 0);
	printf("none left: %x\n", wait1(ep, 20));
	i = dial(&a);
	printf("another: %x\n", wait1(ep, 1000));
	close(i);
	for (i = 0; i < 3; i++)
		close(c[i]);
	close(l);
	close(ep);
}

static void exclusive(void)
{
	struct sockaddr_in a;
	int l = listener(8, &a), e[4], i, woken = 0;

	for (i = 0; i < 4; i++) {
		e[i] = epoll_create1(0);
		watch(e[i], l, EPOLLIN | EPOLLEXCLUSIVE);
	}
	i = dial(&a);
	for (int k = 0; k < 4; k++)
		woken += wait1(e[k], 50) == EPOLLIN;
	printf("level-triggered look: %d\n", woken >= 1);
	close(i);
	close(l);
}

int main(void)
{
	modes(0, "level");
	modes(EPOLLET, "edge");
	modes(EPOLLONESHOT, "oneshot");
	modes(EPOLLRDHUP, "rdhup");
	writable_edge();
	accept_edges();
	exclusive();
	return 0;
}

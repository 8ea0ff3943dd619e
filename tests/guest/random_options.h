/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations of random_calls.c that move no data: errors, names, options, what
 * waits unread, epoll. One program includes it.
 */
#ifndef TESTS_GUEST_RANDOM_OPTIONS_H
#define TESTS_GUEST_RANDOM_OPTIONS_H

#include "random_slots.h"

static void op_error(void)
{
	struct slot *s = open_slot();
	int e;

	if (!s)
		return;
	e = so_error(s->fd);
	begin("SO_ERROR", s);
	result(e > 0 ? -1 : e, e);
}

static void op_names(void)
{
	struct slot *s = open_slot();
	struct sockaddr_in a = {0};
	socklen_t n = sizeof(a);
	bool peer = pick(2);
	int r;

	if (!s)
		return;
	r = peer ? getpeername(s->fd, (void *)&a, &n)
		 : getsockname(s->fd, (void *)&a, &n);
	begin(peer ? "peer of" : "name of", s);
	if (r < 0) {
		result(r, errno);
		return;
	}
	printf(": ");
	print_name(&a, n);
	printf("\n");
}

static const struct {
	int level, name;
	const char *text;
} options[] = {
    {SOL_SOCKET, SO_REUSEADDR, "SO_REUSEADDR"},
    {SOL_SOCKET, SO_KEEPALIVE, "SO_KEEPALIVE"},
    {SOL_SOCKET, SO_OOBINLINE, "SO_OOBINLINE"},
    {SOL_SOCKET, SO_REUSEPORT, "SO_REUSEPORT"},
    {IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY"},
    {IPPROTO_IP, IP_TTL, "IP_TTL"},
    {SOL_SOCKET, SO_TYPE, "SO_TYPE"},
    {SOL_SOCKET, SO_PROTOCOL, "SO_PROTOCOL"},
    {SOL_SOCKET, SO_ACCEPTCONN, "SO_ACCEPTCONN"},
};

static void op_setsockopt(void)
{
	struct slot *s = open_slot();
	unsigned i = pick(sizeof(options) / sizeof(options[0]));
	int v = (int)pick(3), r;

	if (!s)
		return;
	r = setsockopt(s->fd, options[i].level, options[i].name, &v, sizeof(v));
	begin("set", s);
	printf(" %s %d", options[i].text, v);
	result(r, errno);
}

static void op_getsockopt(void)
{
	struct slot *s = open_slot();
	unsigned i = pick(sizeof(options) / sizeof(options[0]));
	int v = -1, r;
	socklen_t n = sizeof(v);

	if (!s)
		return;
	r = getsockopt(s->fd, options[i].level, options[i].name, &v, &n);
	begin("get", s);
	printf(" %s", options[i].text);
	result(r < 0 ? r : v, errno);
}

static void op_linger(void)
{
	struct slot *s = open_slot();
	struct linger l = {(int)pick(2), 0};
	int r;

	if (!s)
		return;
	r = setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	begin("linger", s);
	printf(" %d", l.l_onoff);
	result(r, errno);
}

static void op_tcp_state(void)
{
	struct slot *s = open_slot();
	struct tcp_info ti = {0};
	socklen_t n = sizeof(ti);
	int r;

	if (!s || s->udp)
		return;
	r = getsockopt(s->fd, IPPROTO_TCP, TCP_INFO, &ti, &n);
	begin("state of", s);
	/* The ACK of a FIN may be delayed. */
	if (ti.tcpi_state == TCP_FIN_WAIT1)
		ti.tcpi_state = TCP_FIN_WAIT2;
	result(r < 0 ? r : ti.tcpi_state, errno);
}

static void op_unread(void)
{
	struct slot *s = open_slot();
	int v = -1, r;

	if (!s || s->deaf)
		return;
	r = ioctl(s->fd, FIONREAD, &v);
	begin("FIONREAD", s);
	result(r < 0 ? r : v, errno);
}

static void op_nonblock(void)
{
	struct slot *s = open_slot();
	int fl;

	if (!s)
		return;
	fl = fcntl(s->fd, F_GETFL);
	fcntl(s->fd, F_SETFL, fl ^ O_NONBLOCK);
	begin("nonblock", s);
	result(!(fl & O_NONBLOCK), 0);
}

/* Edges of EPOLLOUT are left out: AF_UNIX gives one whenever the other end has
 * read, and a program that waits for one has to bear more of them. */
static void op_epoll_ctl(void)
{
	static const char *const names[] = {"", "add", "del", "mod"};
	static const uint32_t modes[] = {
	    EPOLLIN, EPOLLIN | EPOLLOUT, EPOLLIN | EPOLLET,
	    EPOLLIN | EPOLLRDHUP | EPOLLET, EPOLLIN | EPOLLOUT | EPOLLONESHOT};
	struct slot *s = open_slot();
	unsigned op = pick(4), m = pick(5);
	struct epoll_event ev = {.events = modes[m]};
	int r;

	if (!s)
		return;
	op = op ? op : EPOLL_CTL_ADD;
	ev.data.u32 = (uint32_t)(s - slots);
	r = epoll_ctl(ep, (int)op, s->fd, &ev);
	begin("epoll", s);
	printf(" %s %x", names[op], modes[m]);
	result(r, errno);
}

static void op_epoll_wait(void)
{
	struct epoll_event ev[64];
	uint32_t got[SLOTS] = {0};
	int i, n = epoll_wait(ep, ev, 64, 0);

	for (i = 0; i < n; i++)
		got[ev[i].data.u32] |= ev[i].events;
	begin("epoll wait", NULL);
	printf(": %d", n);
	for (i = 0; i < SLOTS; i++)
		if (got[i])
			printf(" %d=%s", i, bits((int)got[i]));
	printf("\n");
}

#endif

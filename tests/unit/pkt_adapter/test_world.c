/* SPDX-License-Identifier: Apache-2.0 */
/* Time, threads, readiness, options and datagrams through the struct. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/pkt_adapter/peer.h"
#include "tools/packetdrill-adapter/adapter.h"

#define CALL(name, ...) ifc.name(ifc.userdata __VA_OPT__(, ) __VA_ARGS__)

static struct packetdrill_interface ifc;
static struct peer peer;
static struct seg s;

static void start(void)
{
	cr_assert_eq(pkt_netstack_backend(NULL, &ifc), 0);
	peer = (struct peer){.i = &ifc, .seq = 1000};
}

static void end(void)
{
	ifc.free(ifc.userdata);
}

TestSuite(world, .init = start, .fini = end, .timeout = 20);

/* ---- a call in a second thread ---- */

struct call {
	pthread_t thread;
	atomic_int tid;
	ssize_t (*run)(struct call *c);
	int fd;
	char buf[64];
	size_t len;
	int flags;
	ssize_t result;
	int err;
	long long ended;
};

static void *call_main(void *arg)
{
	struct call *c = arg;

	atomic_store(&c->tid, gettid());
	c->result = c->run(c);
	c->err = errno;
	c->ended = peer_now(&peer);
	return NULL;
}

/* As packetdrill does: until /proc says that the thread sleeps. */
static bool sleeps(int tid)
{
	char path[64], line[256], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	f = fopen(path, "r");
	if (!f)
		return false;
	if (fgets(line, sizeof(line), f))
		sscanf(strrchr(line, ')'), ") %c", &state);
	fclose(f);
	return state == 'S';
}

static void begin(struct call *c, ssize_t (*run)(struct call *))
{
	c->run = run;
	pthread_create(&c->thread, NULL, call_main, c);
	while (atomic_load(&c->tid) == 0 || !sleeps(atomic_load(&c->tid)))
		usleep(100);
}

static ssize_t run_accept(struct call *c)
{
	return CALL(accept, c->fd, NULL, NULL);
}

static ssize_t run_recv(struct call *c)
{
	return CALL(recv, c->fd, c->buf, c->len, c->flags);
}

static ssize_t run_close(struct call *c)
{
	return CALL(close, c->fd);
}

static ssize_t run_connect(struct call *c)
{
	struct sockaddr_in to = peer_addr("192.0.2.1", PEER_PORT);

	return CALL(connect, c->fd, (struct sockaddr *)&to, sizeof(to));
}

Test(world, accept_blocks_until_the_handshake)
{
	struct call c = {.fd = peer_listen(&peer, 1)};

	begin(&c, run_accept);
	peer_send(&peer, SYN, NULL, 0);
	cr_assert(peer_take(&peer, &s));
	peer_send(&peer, ACK, NULL, 0);
	pthread_join(c.thread, NULL);
	cr_assert_geq(c.result, 0);
}

Test(world, connect_blocks)
{
	struct call c = {.fd = CALL(socket, AF_INET, SOCK_STREAM, 0)};

	begin(&c, run_connect);
	cr_assert(peer_take(&peer, &s));
	peer.sport = PEER_PORT;
	peer.dport = s.sport;
	peer_send(&peer, SYN | ACK, NULL, 0);
	pthread_join(c.thread, NULL);
	cr_assert_eq(c.result, 0);
}

static ssize_t run_fast_send(struct call *c)
{
	struct sockaddr_in to = peer_addr("192.0.2.1", PEER_PORT);

	return CALL(sendto, c->fd, c->buf, c->len, MSG_FASTOPEN,
		    (struct sockaddr *)&to, sizeof(to));
}

/* What the SYN carried does not count when the peer refuses. */
Test(world, fastopen_blocks_and_is_refused)
{
	struct call c = {.fd = CALL(socket, AF_INET, SOCK_STREAM, 0), .len = 9};
	int on = 1;

	cr_assert_eq(CALL(setsockopt, c.fd, SOL_TCP, TCP_FASTOPEN_NO_COOKIE,
			  &on, sizeof(on)),
		     0);
	begin(&c, run_fast_send);
	cr_assert(peer_take(&peer, &s));
	cr_assert_eq(s.bytes, 9);
	peer.sport = PEER_PORT;
	peer.dport = s.sport;
	peer_send(&peer, RST | ACK, NULL, 0);
	pthread_join(c.thread, NULL);
	cr_assert_eq(c.result, -1);
	cr_assert_eq(c.err, ECONNREFUSED);
}

static ssize_t run_write(struct call *c)
{
	return CALL(write, c->fd, c->buf, c->len);
}

/* A writer waits for the handshake: its bytes leave with the last ACK. */
Test(world, write_blocks_while_connecting)
{
	struct sockaddr_in to = peer_addr("192.0.2.1", PEER_PORT);
	struct call c = {
	    .fd = CALL(socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0),
	    .len = 7};

	CALL(connect, c.fd, (struct sockaddr *)&to, sizeof(to));
	cr_assert_eq(CALL(fcntl, c.fd, F_SETFL, 0L), 0);
	begin(&c, run_write);
	cr_assert(peer_take(&peer, &s));
	peer.sport = PEER_PORT;
	peer.dport = s.sport;
	peer_send(&peer, SYN | ACK, NULL, 0);
	pthread_join(c.thread, NULL);
	cr_assert_eq(c.result, 7);
	cr_assert(peer_take(&peer, &s));
	cr_assert_eq(s.bytes, 7);
}

/* packetdrill ends scripts by cancelling what still waits. */
Test(world, cancelled_in_its_sleep)
{
	struct call c = {.fd = peer_listen(&peer, 1)};

	begin(&c, run_accept);
	pthread_cancel(c.thread);
	pthread_join(c.thread, NULL);
	cr_assert_geq(peer_accept(&peer, c.fd), 0);
	CALL(usleep, 1000);
}

static int established(void)
{
	int fd = peer_accept(&peer, peer_listen(&peer, 5));

	cr_assert_geq(fd, 0);
	return fd;
}

Test(world, recv_waitall)
{
	struct call c = {.fd = established(), .len = 6, .flags = MSG_WAITALL};
	long long t;

	begin(&c, run_recv);
	peer_send(&peer, PSH | ACK, "abc", 3);
	CALL(usleep, 50000);
	t = peer_now(&peer);
	peer_send(&peer, PSH | ACK, "def", 3);
	pthread_join(c.thread, NULL);
	cr_assert_eq(c.result, 6);
	cr_assert_arr_eq(c.buf, "abcdef", 6);
	cr_assert_geq(c.ended, t);
	cr_assert_lt(c.ended, t + 1000);
}

/* Time-outs end in virtual time, at the microsecond. */
Test(world, rcvtimeo)
{
	struct timeval tv = {.tv_usec = 200000};
	struct call c = {.fd = established(), .len = 6};
	long long t;

	cr_assert_eq(
	    CALL(setsockopt, c.fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)),
	    0);
	t = peer_now(&peer);
	begin(&c, run_recv);
	CALL(usleep, 199000);
	cr_assert(sleeps(c.tid));
	CALL(usleep, 2000);
	pthread_join(c.thread, NULL);
	cr_assert_eq(c.result, -1);
	cr_assert_eq(c.err, EAGAIN);
	cr_assert_lt(c.ended - t, 202100);
}

Test(world, close_lingers)
{
	struct linger l = {.l_onoff = 1, .l_linger = 5};
	struct call c = {.fd = established()};

	cr_assert_eq(
	    CALL(setsockopt, c.fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
	cr_assert_eq(CALL(write, c.fd, "abc", 3), 3);
	begin(&c, run_close);
	do
		cr_assert(peer_take(&peer, &s));
	while (!(s.flags & FIN));
	cr_assert(sleeps(c.tid));
	peer_send(&peer, ACK, NULL, 0);
	pthread_join(c.thread, NULL);
	cr_assert_eq(c.result, 0);
}

/* ---- time ---- */

Test(world, the_clock_moves_when_looked_at)
{
	long long a = peer_now(&peer), b = peer_now(&peer);

	cr_assert_eq(b, a + 1);
	CALL(usleep, 1000000);
	cr_assert_eq(peer_now(&peer), b + 1000001);
}

/* A packet's time is when it left, not when it was asked for. */
Test(world, receive_moves_time)
{
	struct sockaddr_in to = peer_addr("192.0.2.1", PEER_PORT);
	int fd = CALL(socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	long long t = peer_now(&peer), first;

	CALL(connect, fd, (struct sockaddr *)&to, sizeof(to));
	CALL(usleep, 500000);
	cr_assert(peer_recv(&peer, &s));
	cr_assert_eq(s.usecs, t);
	first = s.usecs;
	cr_assert(peer_recv(&peer, &s));
	cr_assert_geq(s.usecs, first + 1000000);
	cr_assert_lt(s.usecs, first + 1002000);
	cr_assert_geq(peer_now(&peer), s.usecs);
}

Test(world, receive_until)
{
	struct sockaddr_in to = peer_addr("192.0.2.1", PEER_PORT);
	int fd = CALL(socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	size_t n = sizeof(s.data);
	long long t, when;

	CALL(connect, fd, (struct sockaddr *)&to, sizeof(to));
	cr_assert(peer_recv(&peer, &s));
	t = peer_now(&peer);
	cr_assert_eq(pkt_netstack_receive_until(ifc.userdata, s.data, &n, &when,
						t + 300000),
		     0);
	cr_assert_eq(n, 0);
	cr_assert_eq(peer_now(&peer), t + 300001);
}

Test(world, nothing_to_wait_for)
{
	cr_assert_not(peer_recv(&peer, &s));
}

/* The same flags, the same world: sequence numbers too. */
Test(world, seeded)
{
	struct packetdrill_interface again;
	struct peer q = {.i = &again, .seq = 1000};
	uint32_t isn;

	established();
	isn = peer.ack;
	cr_assert_eq(pkt_netstack_backend("seed=1", &again), 0);
	cr_assert_geq(peer_accept(&q, peer_listen(&q, 5)), 0);
	cr_assert_eq(q.ack, isn);
	again.free(again.userdata);
	cr_assert_eq(pkt_netstack_backend("seed=2", &again), 0);
	q.seq = 1000;
	cr_assert_geq(peer_accept(&q, peer_listen(&q, 5)), 0);
	cr_assert_neq(q.ack, isn);
	again.free(again.userdata);
}

/* ---- flags and settings ---- */

Test(world, flags)
{
	struct packetdrill_interface w;
	char text[64];

	cr_assert_eq(pkt_netstack_backend("mtu=1280,net.ipv4.tcp_sack=0", &w),
		     0);
	cr_assert_eq(
	    pkt_netstack_sysctl_get(w.userdata, "tcp_sack", text, sizeof(text)),
	    0);
	cr_assert_str_eq(text, "0");
	cr_assert_eq(
	    pkt_netstack_sysctl_set(w.userdata, "net.ipv4.tcp_nope", "1"), -1);
	cr_assert_eq(errno, ENOENT);
	w.free(w.userdata);
	cr_assert_eq(pkt_netstack_backend("mtu=1", &w), -1);
	cr_assert_eq(errno, EINVAL);
	cr_assert_eq(pkt_netstack_backend("bogus=1", &w), -1);
	cr_assert_eq(errno, ENOENT);
	cr_assert_eq(pkt_netstack_backend("local=300.1.1.1", &w), -1);
	cr_assert_eq(pkt_netstack_backend("mtu", &w), -1);
	cr_assert_eq(errno, EINVAL);
}

Test(world, mtu_decides_the_mss)
{
	ifc.free(ifc.userdata);
	cr_assert_eq(pkt_netstack_backend("mtu=1280", &ifc), 0);
	peer_listen(&peer, 1);
	peer_send(&peer, SYN, NULL, 0);
	cr_assert(peer_take(&peer, &s));
	cr_assert_eq(s.mss, 1240);
}

/* ---- options ---- */

Test(world, tcp_info)
{
	int fd = established();
	uint8_t v[512];
	socklen_t len = sizeof(v);

	cr_assert_eq(CALL(getsockopt, fd, SOL_TCP, TCP_INFO, v, &len), 0);
	cr_assert_eq(len, 280);
	cr_assert_eq(v[0], TCP_ESTABLISHED);
	len = 1;
	cr_assert_eq(CALL(getsockopt, fd, SOL_TCP, TCP_INFO, v, &len), 0);
	cr_assert_eq(len, 1);
}

Test(world, options)
{
	int fd = CALL(socket, AF_INET, SOCK_STREAM, 0), v = 1;
	struct linger l = {.l_onoff = 1, .l_linger = 7}, l2;
	socklen_t len = sizeof(v);

	cr_assert_eq(CALL(setsockopt, fd, SOL_TCP, TCP_NODELAY, &v, 4), 0);
	v = 0;
	cr_assert_eq(CALL(getsockopt, fd, SOL_TCP, TCP_NODELAY, &v, &len), 0);
	cr_assert_eq(v, 1);
	cr_assert_eq(CALL(setsockopt, fd, SOL_TCP, TCP_NODELAY, &v, 2), -1);
	cr_assert_eq(errno, EINVAL);
	cr_assert_eq(CALL(setsockopt, fd, SOL_TCP, 9999, &v, 4), -1);
	cr_assert_eq(errno, ENOPROTOOPT);
	cr_assert_eq(CALL(setsockopt, fd, SOL_IPV6, 26, &v, 4), -1);
	cr_assert_eq(errno, ENOPROTOOPT);
	v = 5000;
	cr_assert_eq(CALL(setsockopt, fd, SOL_SOCKET, SO_RCVBUF, &v, 4), 0);
	cr_assert_eq(CALL(getsockopt, fd, SOL_SOCKET, SO_RCVBUF, &v, &len), 0);
	cr_assert_eq(v, 10000);
	cr_assert_eq(CALL(setsockopt, fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)),
		     0);
	len = sizeof(l2);
	cr_assert_eq(CALL(getsockopt, fd, SOL_SOCKET, SO_LINGER, &l2, &len), 0);
	cr_assert_eq(l2.l_linger, 7);
}

Test(world, bad_descriptors)
{
	int p[2], v = 0;
	char b;

	cr_assert_eq(CALL(pipe, p), 0);
	cr_assert_eq(CALL(listen, p[0], 1), -1);
	cr_assert_eq(errno, ENOTSOCK);
	cr_assert_eq(CALL(recv, 77, &b, 1, 0), -1);
	cr_assert_eq(errno, EBADF);
	cr_assert_eq(CALL(ioctl, p[0], 0x1234, &v), -1);
	cr_assert_eq(errno, ENOTTY);
	cr_assert_eq(CALL(socket, AF_UNIX, SOCK_STREAM, 0), -1);
	cr_assert_eq(errno, EAFNOSUPPORT);
	cr_assert_eq(CALL(socket, AF_INET, SOCK_SEQPACKET, 0), -1);
	cr_assert_eq(errno, ESOCKTNOSUPPORT);
	cr_assert_eq(CALL(socket, AF_INET, SOCK_STREAM, IPPROTO_UDP), -1);
	cr_assert_eq(errno, EPROTONOSUPPORT);
}

/* ---- epoll ---- */

Test(world, epoll_level_edge_oneshot)
{
	int fd = established(), ep = CALL(epoll_create, 1);
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = 42}, got;
	char b[8];

	cr_assert_eq(CALL(epoll_ctl, ep, EPOLL_CTL_ADD, fd, &ev), 0);
	cr_assert_eq(CALL(epoll_ctl, ep, EPOLL_CTL_ADD, fd, &ev), -1);
	cr_assert_eq(errno, EEXIST);
	cr_assert_eq(CALL(epoll_wait, ep, &got, 1, 0), 0);
	peer_send(&peer, PSH | ACK, "ab", 2);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(CALL(epoll_wait, ep, &got, 1, 0), 1);
	cr_assert_eq(got.data.u64, 42);
	cr_assert_eq(got.events, EPOLLIN);
	ev.events = EPOLLIN | EPOLLET;
	cr_assert_eq(CALL(epoll_ctl, ep, EPOLL_CTL_MOD, fd, &ev), 0);
	cr_assert_eq(CALL(epoll_wait, ep, &got, 1, 0), 1);
	cr_assert_eq(CALL(epoll_wait, ep, &got, 1, 0), 0);
	peer_send(&peer, PSH | ACK, "cd", 2);
	cr_assert_eq(CALL(epoll_wait, ep, &got, 1, 0), 1);
	ev.events = EPOLLIN | EPOLLONESHOT;
	cr_assert_eq(CALL(epoll_ctl, ep, EPOLL_CTL_MOD, fd, &ev), 0);
	cr_assert_eq(CALL(epoll_wait, ep, &got, 1, 0), 1);
	cr_assert_eq(CALL(epoll_wait, ep, &got, 1, 0), 0);
	cr_assert_eq(CALL(read, fd, b, 8), 4);
	cr_assert_eq(CALL(epoll_ctl, ep, EPOLL_CTL_ADD, ep, &ev), -1);
	cr_assert_eq(errno, EINVAL);
	cr_assert_eq(CALL(close, fd), 0);
	cr_assert_eq(CALL(epoll_wait, ep, &got, 1, 0), 0);
}

static ssize_t run_epoll(struct call *c)
{
	struct epoll_event ev;

	return CALL(epoll_wait, c->fd, &ev, 1, 1000);
}

Test(world, epoll_waits_in_virtual_time)
{
	struct call c = {.fd = CALL(epoll_create, 1)};
	long long t = peer_now(&peer);

	begin(&c, run_epoll);
	CALL(usleep, 1500000);
	pthread_join(c.thread, NULL);
	cr_assert_eq(c.result, 0);
	cr_assert_lt(c.ended - t, 1002000);
}

/* ---- pipes ---- */

Test(world, splice_both_ways)
{
	int fd = established(), p[2];
	char b[8];

	cr_assert_eq(CALL(pipe, p), 0);
	cr_assert_eq(CALL(write, p[1], "hello", 5), 5);
	cr_assert_eq(CALL(splice, p[0], NULL, fd, NULL, 5, 0), 5);
	do
		cr_assert(peer_take(&peer, &s));
	while (s.bytes == 0);
	cr_assert_arr_eq(s.data, "hello", 5);
	peer_send(&peer, PSH | ACK, "back", 4);
	cr_assert_eq(CALL(splice, fd, NULL, p[1], NULL, 100, 0), 4);
	cr_assert_eq(CALL(read, p[0], b, 8), 4);
	cr_assert_arr_eq(b, "back", 4);
	cr_assert_eq(CALL(splice, fd, NULL, fd, NULL, 1, 0), -1);
	cr_assert_eq(errno, EINVAL);
	cr_assert_eq(CALL(close, p[0]), 0);
	cr_assert_eq(CALL(write, p[1], "x", 1), -1);
	cr_assert_eq(errno, EPIPE);
}

/* ---- UDP ---- */

Test(world, udp)
{
	int fd = CALL(socket, AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in a = peer_addr("0.0.0.0", OUR_PORT), from;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	socklen_t len = sizeof(from);
	char b[8];

	cr_assert_eq(CALL(bind, fd, (struct sockaddr *)&a, sizeof(a)), 0);
	peer.sport = PEER_PORT;
	peer.dport = OUR_PORT;
	cr_assert_eq(CALL(poll, &p, 1, 0), 0);
	peer_send_udp(&peer, "datagram", 8);
	cr_assert_eq(CALL(poll, &p, 1, 0), 1);
	cr_assert_eq(CALL(recv, fd, b, 4, MSG_PEEK | MSG_TRUNC), 8);
	cr_assert_eq(
	    CALL(recvfrom, fd, b, 8, 0, (struct sockaddr *)&from, &len), 8);
	cr_assert_eq(ntohs(from.sin_port), PEER_PORT);
	cr_assert_eq(CALL(send, fd, "x", 1, 0), -1);
	cr_assert_eq(errno, EDESTADDRREQ);
	cr_assert_eq(
	    CALL(sendto, fd, "reply", 5, 0, (struct sockaddr *)&from, len), 5);
	cr_assert(peer_recv(&peer, &s));
	cr_assert_eq(s.bytes, 5);
	cr_assert_eq(s.dport, PEER_PORT);
}

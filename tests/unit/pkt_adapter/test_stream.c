/* SPDX-License-Identifier: Apache-2.0 */
/* TCP through packetdrill's struct: opening, bytes, closing, errors. Run
 * against the netstack and against the host's kernel. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>

#include "tests/unit/pkt_adapter/backend.h"
#include "tests/unit/pkt_adapter/peer.h"

#define CALL(name, ...) ifc.name(ifc.userdata __VA_OPT__(, ) __VA_ARGS__)

static struct packetdrill_interface ifc;
static struct peer peer;
static struct seg s;

static void start(void)
{
	backend_open(&ifc);
	peer = (struct peer){.i = &ifc, .seq = 1000};
}

static void end(void)
{
	ifc.free(ifc.userdata);
}

TestSuite(stream, .init = start, .fini = end, .timeout = 20);

static int established(void)
{
	int l = peer_listen(&peer, 5), fd;

	cr_assert_geq(l, 0);
	fd = peer_accept(&peer, l);
	cr_assert_geq(fd, 0);
	return fd;
}

Test(stream, passive_open)
{
	int l = peer_listen(&peer, 5);
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	int fd;

	peer_send(&peer, SYN, NULL, 0);
	cr_assert(peer_take(&peer, &s));
	cr_assert_eq(s.flags, SYN | ACK);
	cr_assert_eq(s.ack, 1001);
	cr_assert_eq(s.mss, 1460);
	cr_assert_eq(CALL(fcntl, l, F_SETFL, (long)O_NONBLOCK), 0);
	cr_assert_eq(CALL(accept, l, NULL, NULL), -1);
	cr_assert_eq(errno, EAGAIN);
	peer_send(&peer, ACK, NULL, 0);
	fd = CALL(accept, l, (struct sockaddr *)&a, &len);
	cr_assert_geq(fd, 0);
	cr_assert_eq(len, sizeof(a));
	cr_assert_eq(ntohs(a.sin_port), PEER_PORT);
	cr_assert_eq(CALL(fcntl, fd, F_GETFL, 0L), O_RDWR);
}

Test(stream, active_open)
{
	struct sockaddr_in to = peer_addr("192.0.2.1", PEER_PORT);
	int fd = CALL(socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), err;
	struct pollfd p = {.fd = fd, .events = POLLOUT | POLLIN};
	socklen_t len = sizeof(err);

	cr_assert_eq(CALL(connect, fd, (struct sockaddr *)&to, sizeof(to)), -1);
	cr_assert_eq(errno, EINPROGRESS);
	cr_assert_eq(CALL(poll, &p, 1, 0), 0);
	cr_assert_eq(CALL(connect, fd, (struct sockaddr *)&to, sizeof(to)), -1);
	cr_assert_eq(errno, EALREADY);
	cr_assert(peer_take(&peer, &s));
	cr_assert_eq(s.flags, SYN);
	peer.sport = PEER_PORT;
	peer.dport = s.sport;
	peer_send(&peer, SYN | ACK, NULL, 0);
	cr_assert(peer_take(&peer, &s));
	cr_assert_eq(s.flags, ACK);
	cr_assert_eq(CALL(poll, &p, 1, 0), 1);
	cr_assert_eq(p.revents, POLLOUT);
	cr_assert_eq(CALL(getsockopt, fd, SOL_SOCKET, SO_ERROR, &err, &len), 0);
	cr_assert_eq(err, 0);
	cr_assert_eq(CALL(connect, fd, (struct sockaddr *)&to, sizeof(to)), 0);
	cr_assert_eq(CALL(connect, fd, (struct sockaddr *)&to, sizeof(to)), -1);
	cr_assert_eq(errno, EISCONN);
}

Test(stream, refused)
{
	struct sockaddr_in to = peer_addr("192.0.2.1", PEER_PORT);
	int fd = CALL(socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), err;
	struct pollfd p = {.fd = fd, .events = POLLOUT | POLLIN | POLLRDHUP};
	socklen_t len = sizeof(err);

	cr_assert_eq(CALL(poll, &p, 1, 0), 1);
	cr_assert_eq(p.revents, POLLOUT | POLLHUP, "never connected");
	cr_assert_eq(CALL(connect, fd, (struct sockaddr *)&to, sizeof(to)), -1);
	cr_assert(peer_take(&peer, &s));
	peer.sport = PEER_PORT;
	peer.dport = s.sport;
	peer_send(&peer, RST | ACK, NULL, 0);
	cr_assert_eq(CALL(poll, &p, 1, 0), 1);
	cr_assert_eq(p.revents,
		     POLLOUT | POLLIN | POLLERR | POLLHUP | POLLRDHUP);
	cr_assert_eq(CALL(getsockopt, fd, SOL_SOCKET, SO_ERROR, &err, &len), 0);
	cr_assert_eq(err, ECONNREFUSED);
	cr_assert_eq(CALL(write, fd, "x", 1), -1);
	cr_assert_eq(errno, EPIPE);
}

Test(stream, no_answer_is_etimedout)
{
	struct sockaddr_in to = peer_addr("192.0.2.1", PEER_PORT);
	int fd = CALL(socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), err;
	socklen_t len = sizeof(err);
	int syns = 0;

	if (!backend_is_virtual())
		cr_skip_test("takes two minutes of real time");
	cr_assert_eq(CALL(connect, fd, (struct sockaddr *)&to, sizeof(to)), -1);
	while (peer_recv(&peer, &s))
		syns += s.flags == SYN;
	cr_assert_gt(syns, 3);
	cr_assert_eq(CALL(getsockopt, fd, SOL_SOCKET, SO_ERROR, &err, &len), 0);
	cr_assert_eq(err, ETIMEDOUT);
}

Test(stream, recv_flags)
{
	int fd = established();
	char b[16] = {0};

	peer_send(&peer, PSH | ACK, "abcdef", 6);
	cr_assert_eq(CALL(recv, fd, b, 3, MSG_PEEK), 3);
	cr_assert_arr_eq(b, "abc", 3);
	cr_assert_eq(CALL(recv, fd, NULL, 0, 0), 0);
	cr_assert_eq(CALL(recv, fd, b, 2, MSG_TRUNC), 2, "discarded");
	cr_assert_eq(CALL(recv, fd, b, 16, 0), 4);
	cr_assert_arr_eq(b, "cdef", 4);
	cr_assert_eq(CALL(recv, fd, b, 1, MSG_DONTWAIT), -1);
	cr_assert_eq(errno, EAGAIN);
	cr_assert_eq(CALL(recv, fd, b, 1, MSG_OOB), -1);
	cr_assert_eq(errno, EINVAL);
	cr_assert_eq(CALL(recv, fd, b, 1, MSG_ERRQUEUE), -1);
	cr_assert_eq(errno, EAGAIN);
}

Test(stream, peek_off)
{
	int fd = established(), off = 1;
	char b[8];

	peer_send(&peer, PSH | ACK, "abcdef", 6);
	cr_assert_eq(CALL(setsockopt, fd, SOL_SOCKET, SO_PEEK_OFF, &off, 4), 0);
	cr_assert_eq(CALL(recv, fd, b, 2, MSG_PEEK), 2);
	cr_assert_arr_eq(b, "bc", 2);
	cr_assert_eq(CALL(recv, fd, b, 2, MSG_PEEK), 2);
	cr_assert_arr_eq(b, "de", 2);
	cr_assert_eq(CALL(recv, fd, b, 4, 0), 4);
	cr_assert_arr_eq(b, "abcd", 4);
	cr_assert_eq(CALL(recv, fd, b, 8, MSG_PEEK), 1, "offset is 1 again");
	cr_assert_eq(b[0], 'f');
}

Test(stream, vectors_and_queues)
{
	int fd = established(), n = -1;
	char a[2], b[3];
	struct iovec iov[2] = {{a, sizeof(a)}, {b, sizeof(b)}};

	peer_send(&peer, PSH | ACK, "abcdef", 6);
	cr_assert_eq(CALL(ioctl, fd, FIONREAD, &n), 0);
	cr_assert_eq(n, 6);
	cr_assert_eq(CALL(readv, fd, iov, 2), 5);
	cr_assert_arr_eq(b, "cde", 3);
	cr_assert_eq(CALL(writev, fd, iov, 2), 5);
	cr_assert(peer_take(&peer, &s));
	while (s.bytes == 0)
		cr_assert(peer_take(&peer, &s));
	cr_assert_eq(s.bytes, 5);
	cr_assert_eq(CALL(ioctl, fd, SIOCOUTQ, &n), 0);
	cr_assert_eq(n, 5);
	cr_assert_eq(CALL(ioctl, fd, SIOCOUTQNSD, &n), 0);
	cr_assert_eq(n, 0);
	peer_send(&peer, ACK, NULL, 0);
	cr_assert_eq(CALL(ioctl, fd, SIOCOUTQ, &n), 0);
	cr_assert_eq(n, 0);
}

Test(stream, urgent)
{
	int fd = established(), mark = 0;
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLPRI};
	char b[8];

	peer_send(&peer, URG | PSH | ACK, "abc", 3);
	cr_assert_eq(CALL(poll, &p, 1, 0), 1);
	cr_assert_eq(p.revents, POLLIN | POLLPRI);
	cr_assert_eq(CALL(recv, fd, b, 8, 0), 2);
	cr_assert_eq(CALL(ioctl, fd, SIOCATMARK, &mark), 0);
	cr_assert_eq(mark, 1);
	cr_assert_eq(CALL(recv, fd, b, 8, MSG_OOB), 1);
	cr_assert_eq(b[0], 'c');
	cr_assert_eq(CALL(send, fd, "xy", 2, MSG_OOB), 2);
	do
		cr_assert(peer_take(&peer, &s));
	while (s.bytes == 0);
	cr_assert(s.flags & URG);
}

Test(stream, peer_closes)
{
	int fd = established();
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP};
	char b[8];

	peer_send(&peer, FIN | ACK, NULL, 0);
	cr_assert_eq(CALL(poll, &p, 1, 0), 1);
	cr_assert_eq(p.revents, POLLIN | POLLOUT | POLLRDHUP);
	cr_assert_eq(CALL(read, fd, b, 8), 0);
	cr_assert_eq(CALL(shutdown, fd, SHUT_WR), 0);
	cr_assert_eq(CALL(poll, &p, 1, 0), 1);
	cr_assert_eq(p.revents, POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
	cr_assert_eq(CALL(write, fd, b, 1), -1);
	cr_assert_eq(errno, EPIPE);
}

Test(stream, reset)
{
	int fd = established();
	char b[8];

	peer_send(&peer, RST | ACK, NULL, 0);
	cr_assert_eq(CALL(read, fd, b, 8), -1);
	cr_assert_eq(errno, ECONNRESET);
	cr_assert_eq(CALL(read, fd, b, 8), 0);
	cr_assert_eq(CALL(write, fd, b, 8), -1);
	cr_assert_eq(errno, EPIPE);
	cr_assert_eq(CALL(shutdown, fd, SHUT_WR), -1);
	cr_assert_eq(errno, ENOTCONN);
}

Test(stream, close_sends_fin_or_rst)
{
	int fd = established();
	struct linger l = {.l_onoff = 1};

	cr_assert_eq(CALL(setsockopt, fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)),
		     0);
	cr_assert_eq(CALL(close, fd), 0);
	cr_assert(peer_take(&peer, &s));
	cr_assert(s.flags & RST);
	cr_assert_eq(CALL(close, fd), -1);
	cr_assert_eq(errno, EBADF);
}

Test(stream, dup_keeps_open)
{
	int fd = established(), d = CALL(fcntl, fd, F_DUPFD, 10L);

	cr_assert_geq(d, 10);
	cr_assert_eq(CALL(close, fd), 0);
	cr_assert_eq(CALL(write, d, "x", 1), 1);
	cr_assert(peer_take(&peer, &s));
	cr_assert_eq(s.bytes, 1);
	cr_assert_eq(CALL(close, d), 0);
	cr_assert(peer_take(&peer, &s));
	cr_assert(s.flags & FIN);
}

Test(stream, ipv6)
{
	int fd;

	peer.v6 = true;
	fd = established();
	peer_send(&peer, PSH | ACK, "abc", 3);
	cr_assert_eq(CALL(read, fd, s.data, 8), 3);
	cr_assert_eq(CALL(write, fd, "answer", 6), 6);
	do
		cr_assert(peer_take(&peer, &s));
	while (s.bytes == 0);
	cr_assert_eq(s.bytes, 6);
}

/* An IPv6 socket with an IPv4 peer shows it mapped. */
Test(stream, mapped)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6,
				 .sin6_port = htons(OUR_PORT)};
	int fd, l = CALL(socket, AF_INET6, SOCK_STREAM, 0);
	socklen_t len = sizeof(a);

	cr_assert_eq(CALL(bind, l, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(CALL(listen, l, 1), 0);
	peer.sport = PEER_PORT;
	peer.dport = OUR_PORT;
	peer_send(&peer, SYN, NULL, 0);
	cr_assert(peer_take(&peer, &s));
	peer_send(&peer, ACK, NULL, 0);
	fd = CALL(accept, l, (struct sockaddr *)&a, &len);
	cr_assert_geq(fd, 0);
	cr_assert_eq(len, sizeof(a));
	cr_assert(IN6_IS_ADDR_V4MAPPED(&a.sin6_addr));
}

Test(stream, super_segments_leave_whole)
{
	int fd = established();
	char b[4000] = {0};

	cr_assert_eq(CALL(write, fd, b, sizeof(b)), (ssize_t)sizeof(b));
	cr_assert(peer_take(&peer, &s));
	cr_assert_gt(s.bytes, 1460);
}

Test(stream, inq_cmsg)
{
	int fd = established(), on = 1, inq;
	char b[2], ctl[CMSG_SPACE(sizeof(int))];
	struct iovec v = {b, sizeof(b)};
	struct msghdr m = {.msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = ctl,
			   .msg_controllen = sizeof(ctl)};
	struct cmsghdr *c;

	cr_assert_eq(CALL(setsockopt, fd, SOL_TCP, TCP_INQ, &on, 4), 0);
	peer_send(&peer, PSH | ACK, "abcdef", 6);
	cr_assert_eq(CALL(recvmsg, fd, &m, 0), 2);
	c = CMSG_FIRSTHDR(&m);
	cr_assert(c && c->cmsg_level == SOL_TCP && c->cmsg_type == TCP_CM_INQ);
	memcpy(&inq, CMSG_DATA(c), sizeof(inq));
	cr_assert_eq(inq, 4);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Corners of the socket calls: which errno, which poll mask, in which state.
 * Run against the netstack and against the host's kernel. */
#include <arpa/inet.h>
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
#define ALL (POLLIN | POLLOUT | POLLPRI | POLLRDHUP)
/* An answer that must be -1 with this errno. */
#define FAILS(err, ...)                                                        \
	do {                                                                   \
		cr_assert_eq((__VA_ARGS__), -1);                               \
		cr_assert_eq(errno, err, "errno %d, not %d", errno, err);      \
	} while (0)

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

TestSuite(calls, .init = start, .fini = end, .timeout = 20);

static int established(void)
{
	int fd = peer_accept(&peer, peer_listen(&peer, 5));

	cr_assert_geq(fd, 0);
	cr_assert_eq(CALL(fcntl, fd, F_SETFL, (long)O_NONBLOCK), 0);
	return fd;
}

static int mask(int fd)
{
	struct pollfd p = {.fd = fd, .events = ALL};

	cr_assert_geq(CALL(poll, &p, 1, 0), 0);
	return p.revents;
}

static int get(int fd, int level, int name)
{
	int v = -12345;
	socklen_t len = sizeof(v);

	if (CALL(getsockopt, fd, level, name, &v, &len) != 0)
		return -errno;
	return v;
}

static int set(int fd, int level, int name, int v)
{
	return CALL(setsockopt, fd, level, name, &v, sizeof(v)) ? -errno : 0;
}

Test(calls, fresh_socket)
{
	int fd = CALL(socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), n = 7;
	char b[4];

	cr_assert_eq(mask(fd), POLLOUT | POLLHUP);
	FAILS(ENOTCONN, CALL(read, fd, b, 4));
	FAILS(ENOTCONN, CALL(recv, fd, b, 4, MSG_PEEK));
	FAILS(EINVAL, CALL(recv, fd, b, 1, MSG_OOB));
	FAILS(EPIPE, CALL(send, fd, b, 4, MSG_NOSIGNAL));
	FAILS(ENOTCONN, CALL(shutdown, fd, SHUT_RDWR));
	FAILS(EINVAL, CALL(shutdown, fd, 7));
	FAILS(EINVAL, CALL(accept, fd, NULL, NULL));
	cr_assert_eq(CALL(ioctl, fd, SIOCINQ, &n), 0);
	cr_assert_eq(n, 0);
	cr_assert_eq(CALL(ioctl, fd, SIOCOUTQ, &n), 0);
	cr_assert_eq(CALL(ioctl, fd, SIOCATMARK, &n), 0);
	cr_assert_eq(n, 0);
}

Test(calls, shut_down_before_connect)
{
	struct sockaddr_in a = peer_addr("0.0.0.0", OUR_PORT);
	int fd = CALL(socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	FAILS(ENOTCONN, CALL(shutdown, fd, SHUT_RD));
	cr_assert_eq(mask(fd), POLLIN | POLLOUT | POLLHUP | POLLRDHUP);
	FAILS(ENOTCONN, CALL(shutdown, fd, SHUT_WR));
	cr_assert_eq(mask(fd), POLLIN | POLLOUT | POLLHUP | POLLRDHUP);
	cr_assert_eq(CALL(bind, fd, (struct sockaddr *)&a, sizeof(a)), 0);
	FAILS(EINVAL, CALL(bind, fd, (struct sockaddr *)&a, sizeof(a)));
}

Test(calls, listening_socket)
{
	int fd = peer_listen(&peer, 1), n;
	char b[4];

	cr_assert_eq(CALL(fcntl, fd, F_SETFL, (long)O_NONBLOCK), 0);
	cr_assert_eq(mask(fd), 0);
	FAILS(ENOTCONN, CALL(read, fd, b, 4));
	FAILS(EPIPE, CALL(send, fd, b, 4, MSG_NOSIGNAL));
	FAILS(EINVAL, CALL(ioctl, fd, SIOCINQ, &n));
	FAILS(EINVAL, CALL(ioctl, fd, SIOCOUTQ, &n));
	FAILS(EINVAL, CALL(ioctl, fd, SIOCOUTQNSD, &n));
	cr_assert_eq(get(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
	peer_send(&peer, SYN, NULL, 0);
	cr_assert(peer_take(&peer, &s));
	cr_assert_eq(mask(fd), 0);
	peer_send(&peer, ACK, NULL, 0);
	cr_assert_eq(mask(fd), POLLIN);
	cr_assert_eq(CALL(shutdown, fd, SHUT_RD), 0);
	FAILS(EINVAL, CALL(accept, fd, NULL, NULL));
}

Test(calls, addresses_refused)
{
	struct sockaddr_in a = peer_addr("192.0.2.1", 1), b;
	int fd = CALL(socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	FAILS(EADDRNOTAVAIL, CALL(bind, fd, (struct sockaddr *)&a, sizeof(a)));
	FAILS(EINVAL, CALL(bind, fd, (struct sockaddr *)&a, 4));
	FAILS(EINVAL, CALL(connect, fd, (struct sockaddr *)&a, 4));
	b = a;
	b.sin_family = AF_UNIX;
	FAILS(EAFNOSUPPORT, CALL(bind, fd, (struct sockaddr *)&b, sizeof(b)));
	FAILS(EAFNOSUPPORT,
	      CALL(connect, fd, (struct sockaddr *)&b, sizeof(b)));
	b.sin_family = AF_UNSPEC;
	FAILS(EAFNOSUPPORT, CALL(bind, fd, (struct sockaddr *)&b, sizeof(b)));
	cr_assert_eq(CALL(connect, fd, (struct sockaddr *)&b, sizeof(b)), 0,
		     "AF_UNSPEC on a socket that is not connected");
}

Test(calls, port_in_use)
{
	struct sockaddr_in a = peer_addr("0.0.0.0", OUR_PORT);
	int l = peer_listen(&peer, 1),
	    fd = CALL(socket, AF_INET, SOCK_STREAM, 0);

	cr_assert_geq(l, 0);
	FAILS(EADDRINUSE, CALL(bind, fd, (struct sockaddr *)&a, sizeof(a)));
	FAILS(EISCONN, CALL(connect, l, (struct sockaddr *)&a, sizeof(a)));
}

Test(calls, connecting)
{
	struct sockaddr_in to = peer_addr("192.0.2.1", PEER_PORT);
	int fd = CALL(socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), n;
	char b[4];

	FAILS(EINPROGRESS,
	      CALL(connect, fd, (struct sockaddr *)&to, sizeof(to)));
	cr_assert_eq(mask(fd), 0);
	FAILS(EAGAIN, CALL(read, fd, b, 4));
	FAILS(EAGAIN, CALL(send, fd, b, 4, MSG_NOSIGNAL));
	FAILS(EINVAL, CALL(listen, fd, 1));
	cr_assert_eq(CALL(ioctl, fd, SIOCINQ, &n), 0);
	cr_assert_eq(CALL(shutdown, fd, SHUT_WR), 0);
	cr_assert_eq(get(fd, SOL_SOCKET, SO_ERROR), ECONNRESET);
}

Test(calls, connected_after_disconnect)
{
	struct sockaddr_in to = peer_addr("192.0.2.1", PEER_PORT);
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	int fd = established();

	cr_assert_eq(CALL(connect, fd, &none, sizeof(none)), 0);
	cr_assert(peer_take(&peer, &s));
	cr_assert(s.flags & RST);
	cr_assert_eq(get(fd, SOL_SOCKET, SO_ERROR), ECONNRESET);
	cr_assert_eq(mask(fd), POLLOUT | POLLHUP);
	FAILS(EINPROGRESS,
	      CALL(connect, fd, (struct sockaddr *)&to, sizeof(to)));
}

/* A kernel sends what nobody here asked for whenever it likes: a router
 * solicitation, a report of groups. Here it is a datagram of another family. */
Test(calls, packets_of_others_are_passed_over)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6,
				 .sin6_port = htons(9)};
	int fd, other = CALL(socket, AF_INET6, SOCK_DGRAM, 0);

	cr_assert_eq(inet_pton(AF_INET6, "2001:db8::9", &a.sin6_addr), 1);
	cr_assert_eq(
	    CALL(sendto, other, "x", 1, 0, (struct sockaddr *)&a, sizeof(a)),
	    1);
	fd = established();
	cr_assert_eq(CALL(shutdown, fd, SHUT_WR), 0);
	cr_assert(peer_take(&peer, &s));
	cr_assert(s.flags & FIN);
}

Test(calls, half_closed_by_us)
{
	int fd = established();
	char b[4];

	cr_assert_eq(mask(fd), POLLOUT);
	cr_assert_eq(CALL(shutdown, fd, SHUT_WR), 0);
	cr_assert_eq(mask(fd), POLLOUT);
	FAILS(EPIPE, CALL(send, fd, b, 4, MSG_NOSIGNAL));
	FAILS(EAGAIN, CALL(read, fd, b, 4));
	cr_assert(peer_take(&peer, &s));
	cr_assert(s.flags & FIN);
	peer_send(&peer, PSH | ACK, "late", 4);
	cr_assert_eq(CALL(read, fd, b, 4), 4);
	peer_send(&peer, FIN | ACK, NULL, 0);
	cr_assert_eq(mask(fd), POLLIN | POLLOUT | POLLHUP | POLLRDHUP);
	cr_assert_eq(CALL(read, fd, b, 4), 0);
	FAILS(ENOTCONN, CALL(shutdown, fd, SHUT_WR));
}

Test(calls, shut_for_reading)
{
	int fd = established();
	char b[8];

	peer_send(&peer, PSH | ACK, "abc", 3);
	cr_assert_eq(CALL(shutdown, fd, SHUT_RD), 0);
	cr_assert_eq(mask(fd), POLLIN | POLLOUT | POLLRDHUP);
	cr_assert_eq(CALL(read, fd, b, 8), 3);
	cr_assert_eq(CALL(read, fd, b, 8), 0);
}

Test(calls, reset_with_bytes_unread)
{
	int fd = established();
	char b[8];

	peer_send(&peer, PSH | ACK, "abc", 3);
	peer_send(&peer, RST | ACK, NULL, 0);
	cr_assert_eq(mask(fd),
		     POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP);
	cr_assert_eq(CALL(read, fd, b, 8), 3);
	FAILS(ECONNRESET, CALL(read, fd, b, 8));
	cr_assert_eq(CALL(read, fd, b, 8), 0);
	cr_assert_eq(mask(fd), POLLIN | POLLOUT | POLLHUP | POLLRDHUP);
}

Test(calls, write_tells_the_reset_once)
{
	int fd = established();

	peer_send(&peer, RST | ACK, NULL, 0);
	FAILS(ECONNRESET, CALL(send, fd, "x", 1, MSG_NOSIGNAL));
	FAILS(EPIPE, CALL(send, fd, "x", 1, MSG_NOSIGNAL));
	cr_assert_eq(get(fd, SOL_SOCKET, SO_ERROR), 0);
}

/* A reset after the peer's FIN is EPIPE. */
Test(calls, reset_after_fin)
{
	int fd = established();

	peer_send(&peer, FIN | ACK, NULL, 0);
	peer_send(&peer, RST | ACK, NULL, 0);
	cr_assert_eq(get(fd, SOL_SOCKET, SO_ERROR), EPIPE);
}

Test(calls, low_water_mark)
{
	int fd = established();
	char b[8];

	cr_assert_eq(set(fd, SOL_SOCKET, SO_RCVLOWAT, 4), 0);
	peer_send(&peer, PSH | ACK, "abc", 3);
	cr_assert_eq(mask(fd), POLLOUT);
	cr_assert_eq(CALL(read, fd, b, 8), 3, "what is there, all the same");
	peer_send(&peer, PSH | ACK, "abcd", 4);
	cr_assert_eq(mask(fd), POLLIN | POLLOUT);
	cr_assert_eq(set(fd, SOL_SOCKET, SO_RCVLOWAT, -1), 0);
	cr_assert_eq(set(fd, SOL_SOCKET, SO_RCVLOWAT, 0), 0);
	cr_assert_eq(get(fd, SOL_SOCKET, SO_RCVLOWAT), 1);
}

/* Fin behind bytes: FIONREAD tells bytes only. */
Test(calls, queue_lengths)
{
	int fd = established(), n;

	peer_send(&peer, PSH | ACK, "abc", 3);
	peer_send(&peer, FIN | ACK, NULL, 0);
	cr_assert_eq(CALL(ioctl, fd, FIONREAD, &n), 0);
	cr_assert_eq(n, 3);
	cr_assert_eq(CALL(send, fd, "xy", 2, 0), 2);
	cr_assert_eq(CALL(shutdown, fd, SHUT_WR), 0);
	cr_assert_eq(CALL(ioctl, fd, SIOCOUTQ, &n), 0);
	cr_assert_eq(n, 3, "an unacknowledged FIN counts");
	FAILS(ENOTTY, CALL(ioctl, fd, 0x1234, &n));
}

Test(calls, urgent_inline)
{
	int fd = established(), n;
	char b[8];

	FAILS(EINVAL, CALL(recv, fd, b, 1, MSG_OOB));
	cr_assert_eq(set(fd, SOL_SOCKET, SO_OOBINLINE, 1), 0);
	peer_send(&peer, URG | PSH | ACK, "abc", 3);
	FAILS(EINVAL, CALL(recv, fd, b, 1, MSG_OOB));
	cr_assert_eq(CALL(recv, fd, b, 8, 0), 2, "stops at the mark");
	cr_assert_eq(CALL(ioctl, fd, SIOCATMARK, &n), 0);
	cr_assert_eq(n, 1);
	cr_assert_eq(CALL(recv, fd, b, 8, 0), 1);
	cr_assert_eq(b[0], 'c');
	cr_assert_eq(CALL(ioctl, fd, SIOCATMARK, &n), 0);
	cr_assert_eq(n, 0);
}

Test(calls, urgent_is_read_once)
{
	int fd = established();
	char b[8];

	peer_send(&peer, URG | PSH | ACK, "abc", 3);
	cr_assert_eq(CALL(recv, fd, b, 1, MSG_OOB | MSG_PEEK), 1);
	cr_assert_eq(mask(fd), POLLIN | POLLOUT | POLLPRI);
	cr_assert_eq(CALL(recv, fd, b, 1, MSG_OOB), 1);
	FAILS(EINVAL, CALL(recv, fd, b, 1, MSG_OOB));
	cr_assert_eq(mask(fd), POLLIN | POLLOUT);
	cr_assert_eq(CALL(recv, fd, b, 8, 0), 2);
}

/* ---- data in the SYN, RFC 7413 ---- */

static ssize_t fast_send(int fd, const char *text)
{
	struct sockaddr_in to = peer_addr("192.0.2.1", PEER_PORT);

	return CALL(sendto, fd, text, strlen(text), MSG_FASTOPEN,
		    (struct sockaddr *)&to, sizeof(to));
}

Test(calls, fastopen_asks_for_a_cookie)
{
	int fd = CALL(socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	FAILS(EINVAL, CALL(send, fd, "x", 1, MSG_FASTOPEN));
	FAILS(EINPROGRESS, fast_send(fd, "hello"));
	cr_assert(peer_take(&peer, &s));
	cr_assert_eq(s.flags, SYN);
	cr_assert_eq(s.bytes, 0);
	FAILS(EALREADY, fast_send(fd, "hello"));
	cr_assert_eq(mask(fd), 0);
	FAILS(EISCONN, fast_send(established(), "hello"));
}

Test(calls, fastopen_without_cookies)
{
	int fd = CALL(socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	cr_assert_eq(set(fd, SOL_TCP, TCP_FASTOPEN_NO_COOKIE, 1), 0);
	cr_assert_eq(fast_send(fd, "hello"), 5);
	cr_assert(peer_take(&peer, &s));
	cr_assert_eq(s.flags, SYN);
	cr_assert_eq(s.bytes, 5);
	peer.sport = PEER_PORT;
	peer.dport = s.sport;
	peer_send(&peer, SYN | ACK, NULL, 0);
	cr_assert_eq(mask(fd), POLLOUT);
	cr_assert_eq(get(fd, SOL_SOCKET, SO_ERROR), 0);
}

Test(calls, fastopen_connect)
{
	struct sockaddr_in to = peer_addr("192.0.2.1", PEER_PORT);
	int fd = CALL(socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	cr_assert_eq(set(fd, SOL_TCP, TCP_FASTOPEN_NO_COOKIE, 1), 0);
	cr_assert_eq(set(fd, SOL_TCP, TCP_FASTOPEN_CONNECT, 1), 0);
	cr_assert_eq(CALL(connect, fd, (struct sockaddr *)&to, sizeof(to)), 0);
	cr_assert_eq(mask(fd), POLLOUT);
	FAILS(EISCONN, CALL(connect, fd, (struct sockaddr *)&to, sizeof(to)));
	cr_assert_eq(CALL(write, fd, "hello", 5), 5);
	cr_assert(peer_take(&peer, &s));
	cr_assert_eq(s.flags, SYN);
	cr_assert_eq(s.bytes, 5);
	cr_assert_eq(mask(fd), 0);
	FAILS(EALREADY, CALL(connect, fd, (struct sockaddr *)&to, sizeof(to)));
	FAILS(EAGAIN, CALL(write, fd, "more", 4));
}

Test(calls, fastopen_keys)
{
	int fd = CALL(socket, AF_INET, SOCK_STREAM, 0);
	uint8_t key[32], got[64];
	socklen_t len = sizeof(got);

	for (unsigned i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)i;
	FAILS(EINVAL, CALL(setsockopt, fd, SOL_TCP, TCP_FASTOPEN_KEY, key, 15));
	cr_assert_eq(CALL(setsockopt, fd, SOL_TCP, TCP_FASTOPEN_KEY, key, 32),
		     0);
	cr_assert_eq(CALL(getsockopt, fd, SOL_TCP, TCP_FASTOPEN_KEY, got, &len),
		     0);
	cr_assert_eq(len, 32);
	cr_assert_arr_eq(got, key, 32);
}

/* ---- options ---- */

Test(calls, option_lengths)
{
	int fd = CALL(socket, AF_INET, SOCK_STREAM, 0), v = 1;
	uint8_t b = 1;
	struct timeval tv = {.tv_sec = 1, .tv_usec = 500000}, got;
	struct linger l;
	socklen_t len;

	FAILS(EINVAL, CALL(setsockopt, fd, SOL_SOCKET, SO_REUSEADDR, &b, 1));
	FAILS(EINVAL, CALL(setsockopt, fd, SOL_TCP, TCP_NODELAY, &b, 1));
	FAILS(EINVAL, CALL(setsockopt, fd, SOL_SOCKET, SO_LINGER, &v, 4));
	cr_assert_eq(CALL(setsockopt, fd, SOL_IP, IP_TTL, &b, 1), 0);
	cr_assert_eq(get(fd, SOL_IP, IP_TTL), 1);
	len = 1;
	cr_assert_eq(CALL(getsockopt, fd, SOL_IP, IP_TTL, &b, &len), 0);
	cr_assert_eq(len, 1);
	len = 2;
	cr_assert_eq(CALL(getsockopt, fd, SOL_TCP, TCP_NODELAY, &v, &len), 0);
	cr_assert_eq(len, 2);
	cr_assert_eq(
	    CALL(setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	len = 64;
	cr_assert_eq(CALL(getsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, &got, &len),
		     0);
	cr_assert_eq(len, sizeof(got));
	cr_assert_eq(got.tv_sec * 1000000 + got.tv_usec, 1500000);
	tv.tv_usec = 1000000;
	FAILS(EDOM,
	      CALL(setsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)));
	len = sizeof(l);
	cr_assert_eq(CALL(getsockopt, fd, SOL_SOCKET, SO_LINGER, &l, &len), 0);
	cr_assert_eq(l.l_onoff, 0);
}

Test(calls, option_ranges)
{
	int fd = CALL(socket, AF_INET, SOCK_STREAM, 0);

	cr_assert_eq(set(fd, SOL_TCP, TCP_MAXSEG, 87), -EINVAL);
	cr_assert_eq(set(fd, SOL_TCP, TCP_MAXSEG, 88), 0);
	cr_assert_eq(set(fd, SOL_TCP, TCP_MAXSEG, 32768), -EINVAL);
	cr_assert_eq(set(fd, SOL_TCP, TCP_KEEPIDLE, 0), -EINVAL);
	cr_assert_eq(set(fd, SOL_TCP, TCP_KEEPCNT, 128), -EINVAL);
	cr_assert_eq(set(fd, SOL_TCP, TCP_SYNCNT, 0), -EINVAL);
	cr_assert_eq(set(fd, SOL_TCP, TCP_USER_TIMEOUT, -1), -EINVAL);
	cr_assert_eq(set(fd, SOL_TCP, TCP_INQ, 2), -EINVAL);
	cr_assert_eq(set(fd, SOL_TCP, 9999, 1), -ENOPROTOOPT);
	cr_assert_eq(set(fd, SOL_SOCKET, 9999, 1), -ENOPROTOOPT);
	cr_assert_eq(set(fd, SOL_IPV6, 26, 1), -ENOPROTOOPT);
	cr_assert_eq(get(fd, SOL_IPV6, 26), -EOPNOTSUPP);
	cr_assert_eq(get(fd, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
	cr_assert_eq(get(fd, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
	cr_assert_eq(set(fd, SOL_SOCKET, SO_TYPE, 1), -ENOPROTOOPT);
	cr_assert_eq(get(fd, SOL_TCP, TCP_KEEPIDLE), 7200);
	cr_assert_eq(get(fd, SOL_TCP, TCP_KEEPINTVL), 75);
	cr_assert_eq(get(fd, SOL_TCP, TCP_KEEPCNT), 9);
	cr_assert_eq(get(fd, SOL_TCP, TCP_SYNCNT), 6);
	cr_assert_eq(get(fd, SOL_TCP, TCP_LINGER2), 60);
	cr_assert_eq(get(fd, SOL_TCP, TCP_MAXSEG), 88);
	cr_assert_eq(get(fd, SOL_TCP, TCP_DEFER_ACCEPT), 0);
	cr_assert_eq(get(fd, SOL_SOCKET, SO_RCVLOWAT), 1);
}

Test(calls, congestion_names)
{
	int fd = CALL(socket, AF_INET, SOCK_STREAM, 0);
	char name[32] = {0};
	socklen_t len = sizeof(name);

	cr_assert_eq(CALL(setsockopt, fd, SOL_TCP, TCP_CONGESTION, "reno", 4),
		     0);
	cr_assert_eq(CALL(getsockopt, fd, SOL_TCP, TCP_CONGESTION, name, &len),
		     0);
	cr_assert_eq(len, 16);
	cr_assert_str_eq(name, "reno");
	FAILS(ENOENT, CALL(setsockopt, fd, SOL_TCP, TCP_CONGESTION, "nope", 4));
	len = sizeof(name);
	cr_assert_eq(CALL(getsockopt, fd, SOL_TCP, TCP_CC_INFO, name, &len), 0);
	cr_assert_eq(len, 0);
}

Test(calls, sockets_refused)
{
	FAILS(EAFNOSUPPORT, CALL(socket, 77, SOCK_STREAM, 0));
	FAILS(EINVAL, CALL(socket, AF_INET, 15, 0));
	FAILS(ESOCKTNOSUPPORT, CALL(socket, AF_INET, 7, 0));
	FAILS(EPROTONOSUPPORT, CALL(socket, AF_INET, SOCK_STREAM, IPPROTO_UDP));
	FAILS(EPROTONOSUPPORT, CALL(socket, AF_INET, SOCK_RAW, 0));
	FAILS(EINVAL, CALL(socket, AF_INET, SOCK_STREAM, -1));
}

Test(calls, fcntl_commands)
{
	int fd = CALL(socket, AF_INET, SOCK_STREAM, 0);

	cr_assert_eq(CALL(fcntl, fd, F_GETFL, 0L), O_RDWR);
	cr_assert_eq(CALL(fcntl, fd, F_SETFL, (long)(O_NONBLOCK | O_RDONLY)),
		     0);
	cr_assert_eq(CALL(fcntl, fd, F_GETFL, 0L), O_RDWR | O_NONBLOCK);
	FAILS(EINVAL, CALL(fcntl, fd, 4242, 0L));
	FAILS(EINVAL, CALL(fcntl, fd, F_DUPFD, -1L));
	FAILS(EBADF, CALL(fcntl, 777, F_GETFL, 0L));
}

/* ---- epoll ---- */

static int ready(int ep, uint32_t *events)
{
	struct epoll_event ev[4];
	int n = CALL(epoll_wait, ep, ev, 4, 0);

	if (n > 0)
		*events = ev[0].events;
	return n;
}

Test(calls, epoll_edges)
{
	int fd = established(), ep = CALL(epoll_create, 1);
	struct epoll_event ev = {.events =
				     EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
	uint32_t m;
	char b[8];

	cr_assert_eq(CALL(epoll_ctl, ep, EPOLL_CTL_ADD, fd, &ev), 0);
	cr_assert_eq(ready(ep, &m), 1);
	cr_assert_eq(m, EPOLLOUT);
	cr_assert_eq(ready(ep, &m), 0);
	peer_send(&peer, PSH | ACK, "abc", 3);
	cr_assert_eq(ready(ep, &m), 1);
	cr_assert_eq(m, EPOLLIN | EPOLLOUT);
	cr_assert_eq(CALL(read, fd, b, 1), 1);
	cr_assert_eq(ready(ep, &m), 0, "reading is no edge");
	peer_send(&peer, FIN | ACK, NULL, 0);
	cr_assert_eq(ready(ep, &m), 1);
	cr_assert_eq(m, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
	cr_assert_eq(ready(ep, &m), 0);
	cr_assert_eq(CALL(epoll_ctl, ep, EPOLL_CTL_DEL, fd, NULL), 0);
	FAILS(ENOENT, CALL(epoll_ctl, ep, EPOLL_CTL_DEL, fd, NULL));
}

Test(calls, epoll_before_connect)
{
	struct sockaddr_in to = peer_addr("192.0.2.1", PEER_PORT);
	int fd = CALL(socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int ep = CALL(epoll_create, 1);
	struct epoll_event ev = {.events = EPOLLOUT | EPOLLET};
	uint32_t m;

	cr_assert_eq(CALL(epoll_ctl, ep, EPOLL_CTL_ADD, fd, &ev), 0);
	cr_assert_eq(ready(ep, &m), 1);
	cr_assert_eq(m, EPOLLOUT | EPOLLHUP);
	FAILS(EINPROGRESS,
	      CALL(connect, fd, (struct sockaddr *)&to, sizeof(to)));
	cr_assert_eq(ready(ep, &m), 0);
	cr_assert(peer_take(&peer, &s));
	peer.sport = PEER_PORT;
	peer.dport = s.sport;
	peer_send(&peer, SYN | ACK, NULL, 0);
	cr_assert_eq(ready(ep, &m), 1);
	cr_assert_eq(m, EPOLLOUT);
}

Test(calls, epoll_refusals)
{
	int fd = CALL(socket, AF_INET, SOCK_STREAM, 0);
	int ep = CALL(epoll_create, 1), p[2];
	struct epoll_event ev = {.events = EPOLLIN};

	FAILS(EINVAL, CALL(epoll_create, 0));
	FAILS(EINVAL, CALL(epoll_ctl, ep, 9, fd, &ev));
	FAILS(EBADF, CALL(epoll_ctl, ep, EPOLL_CTL_ADD, 777, &ev));
	FAILS(EBADF, CALL(epoll_ctl, 777, EPOLL_CTL_ADD, fd, &ev));
	FAILS(EINVAL, CALL(epoll_ctl, fd, EPOLL_CTL_ADD, ep, &ev));
	FAILS(ENOENT, CALL(epoll_ctl, ep, EPOLL_CTL_MOD, fd, &ev));
	FAILS(EINVAL, CALL(epoll_wait, ep, &ev, 0, 0));
	FAILS(EINVAL, CALL(epoll_wait, fd, &ev, 1, 0));
	cr_assert_eq(CALL(pipe, p), 0);
	cr_assert_eq(mask(p[0]), 0);
	cr_assert_eq(mask(p[1]), POLLOUT);
	FAILS(EBADF, CALL(read, p[1], &ev, 1));
	FAILS(EBADF, CALL(write, p[0], &ev, 1));
	cr_assert_eq(CALL(close, p[1]), 0);
	cr_assert_eq(mask(p[0]), POLLHUP);
	cr_assert_eq(CALL(read, p[0], &ev, 1), 0);
}

/* ---- UDP ---- */

Test(calls, udp_corners)
{
	struct sockaddr_in to = peer_addr("192.0.2.1", PEER_PORT);
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	int fd = CALL(socket, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), n;
	char b[4];

	cr_assert_eq(mask(fd), POLLOUT);
	FAILS(EDESTADDRREQ, CALL(send, fd, b, 1, 0));
	FAILS(EAGAIN, CALL(read, fd, b, 4));
	FAILS(EOPNOTSUPP, CALL(listen, fd, 1));
	FAILS(EOPNOTSUPP, CALL(accept, fd, NULL, NULL));
	FAILS(ENOTCONN, CALL(shutdown, fd, SHUT_RD));
	cr_assert_eq(CALL(connect, fd, (struct sockaddr *)&to, sizeof(to)), 0);
	cr_assert_eq(CALL(send, fd, b, 0, 0), 0);
	cr_assert(peer_recv(&peer, &s));
	cr_assert_eq(s.bytes, 0);
	peer.sport = PEER_PORT;
	peer.dport = s.sport;
	peer_send_udp(&peer, "ab", 2);
	cr_assert_eq(CALL(ioctl, fd, FIONREAD, &n), 0);
	cr_assert_eq(n, 2);
	cr_assert_eq(CALL(recv, fd, b, 1, MSG_TRUNC), 2);
	cr_assert_eq(CALL(connect, fd, &none, sizeof(none)), 0);
	FAILS(EDESTADDRREQ, CALL(send, fd, b, 1, 0));
}

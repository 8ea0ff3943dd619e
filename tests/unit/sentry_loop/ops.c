/* SPDX-License-Identifier: Apache-2.0 */
/* Each kind of operation: what it delivers, and how it ends. */
#include "tests/unit/sentry_loop/rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

Test(loop_ops, poll_is_multishot_and_edge_like)
{
	struct rig r;
	struct seen s = {.r = &r};
	int fd[2];

	rig_pair(fd);
	rig_start(&r);
	rig_lock(&r);
	s.op = loop_poll(r.l, fd[0], POLLIN, seen_event, &s);
	cr_assert_not_null(s.op);
	rig_unlock(&r);
	for (unsigned i = 1; i <= 200; i++) {
		cr_assert_eq(write(fd[1], "x", 1), 1);
		RIG_WAIT_FOR(&r, s.events == i);
		cr_assert_eq(s.res & POLLIN, POLLIN);
	}
	close(fd[1]);
	RIG_WAIT_FOR(&r, s.events > 200 && (s.res & POLLHUP));
	cr_assert_eq(s.lasts, 0);
	rig_stop(&r);
	close(fd[0]);
}

Test(loop_ops, poll_of_a_bad_fd_ends)
{
	struct rig r;
	struct seen s = {.r = &r};

	rig_start(&r);
	rig_lock(&r);
	s.op = loop_poll(r.l, 900, POLLIN, seen_event, &s);
	rig_unlock(&r);
	RIG_WAIT_FOR(&r, s.lasts);
	cr_assert_eq(s.last_res, -EBADF);
	cr_assert_null(loop_poll(r.l, -1, POLLIN, seen_event, &s));
	rig_stop(&r);
}

static void *writer(void *arg)
{
	static uint8_t buf[40000];
	int fd = *(int *)arg;
	size_t left = 64u << 20;

	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)(i * 7);
	while (left) {
		size_t n = left < sizeof(buf) ? left : sizeof(buf);
		ssize_t w = write(fd, buf, n);

		cr_assert_gt(w, 0);
		left -= (size_t)w;
		/* Keep the pattern aligned with the start of buf. */
		while (w && (size_t)w < n) {
			ssize_t more = write(fd, buf + w, n - (size_t)w);

			cr_assert_gt(more, 0);
			left -= (size_t)more;
			w += more;
		}
	}
	shutdown(fd, SHUT_WR);
	return NULL;
}

static uint64_t writer_sum(void)
{
	uint64_t sum = 0;

	for (size_t at = 0; at < 64u << 20; at++) {
		uint8_t b = (uint8_t)((at % 40000) * 7);

		sum = seen_sum(sum, at, &b, 1);
	}
	return sum;
}

/* More bytes than all provided buffers hold, and some pauses. */
Test(loop_ops, recv_streams_everything_in_order)
{
	struct rig r;
	struct seen s = {.r = &r};
	pthread_t th;
	int fd[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	rig_start(&r);
	rig_lock(&r);
	s.op = loop_recv(r.l, fd[0], false, seen_event, &s);
	rig_unlock(&r);
	pthread_create(&th, NULL, writer, &fd[1]);
	for (int i = 0; i < 50; i++) {
		size_t want = (size_t)(i + 1) << 20;

		RIG_WAIT_FOR(&r, s.bytes >= want || s.lasts);
		rig_lock(&r);
		if (s.op) /* its end may come at any time, even paused */
			loop_recv_pause(s.op, true);
		rig_unlock(&r);
		rig_lock(&r);
		if (s.op)
			loop_recv_pause(s.op, false);
		rig_unlock(&r);
	}
	RIG_WAIT_FOR(&r, s.lasts);
	pthread_join(th, NULL);
	cr_assert_eq(s.last_res, 0);
	cr_assert_eq(s.bytes, 64u << 20);
	cr_assert_eq(s.sum, writer_sum());
	rig_stop(&r);
}

Test(loop_ops, paused_recv_receives_nothing)
{
	struct rig r;
	struct seen s = {.r = &r}, t = {.r = &r};
	int fd[2], other[2];

	rig_pair(fd);
	rig_pair(other);
	rig_make(&r);
	rig_lock(&r);
	s.op = loop_recv(r.l, fd[0], false, seen_event, &s);
	t.op = loop_recv(r.l, other[0], false, seen_event, &t);
	loop_recv_pause(s.op, true);
	rig_unlock(&r);
	rig_launch(&r);
	cr_assert_eq(write(fd[1], "abc", 3), 3);
	/* The other one's events show that the loop has turned since. */
	for (unsigned i = 1; i <= 20; i++) {
		cr_assert_eq(write(other[1], "x", 1), 1);
		RIG_WAIT_FOR(&r, t.bytes == i);
	}
	cr_assert_eq(s.events, 0);
	rig_lock(&r);
	loop_recv_pause(s.op, false);
	rig_unlock(&r);
	RIG_WAIT_FOR(&r, s.bytes == 3);
	rig_stop(&r);
}

static int udp_socket(struct sockaddr_in *sa)
{
	socklen_t len = sizeof(*sa);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	*sa = (struct sockaddr_in){
	    .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	cr_assert_eq(bind(fd, (struct sockaddr *)sa, sizeof(*sa)), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)sa, &len), 0);
	return fd;
}

Test(loop_ops, datagrams_of_every_size_with_source)
{
	static const size_t size[] = {1, 0, 1472, 0, 9000, 65507, 3};
	static uint8_t buf[65536];
	struct sockaddr_in a, b;
	struct rig r;
	struct seen s = {.r = &r};
	int fa = udp_socket(&a), fb = udp_socket(&b);

	rig_start(&r);
	rig_lock(&r);
	s.op = loop_recv(r.l, fa, true, seen_event, &s);
	rig_unlock(&r);
	for (unsigned i = 0; i < 7; i++) {
		cr_assert_eq(sendto(fb, buf, size[i], 0, (struct sockaddr *)&a,
				    sizeof(a)),
			     (ssize_t)size[i]);
		RIG_WAIT_FOR(&r, s.events == i + 1);
		cr_assert_eq((size_t)s.res, size[i]);
		cr_assert_eq(s.port, ntohs(b.sin_port));
	}
	cr_assert_eq(s.lasts, 0);
	rig_stop(&r);
}

Test(loop_ops, icmp_error_does_not_end_a_datagram_receive)
{
	struct sockaddr_in a, b;
	struct rig r;
	struct seen s = {.r = &r};
	int fa = udp_socket(&a), fb = udp_socket(&b);

	close(fb);
	cr_assert_eq(connect(fa, (struct sockaddr *)&b, sizeof(b)), 0);
	rig_start(&r);
	rig_lock(&r);
	s.op = loop_recv(r.l, fa, false, seen_event, &s);
	rig_unlock(&r);
	cr_assert_eq(send(fa, "x", 1, 0), 1);
	RIG_WAIT_FOR(&r, s.events == 1);
	cr_assert_eq(s.res, -ECONNREFUSED);
	cr_assert_eq(s.lasts, 0);
	fb = socket(AF_INET, SOCK_DGRAM, 0);
	cr_assert_eq(bind(fb, (struct sockaddr *)&b, sizeof(b)), 0);
	sendto(fb, "yes", 3, 0, (struct sockaddr *)&a, sizeof(a));
	RIG_WAIT_FOR(&r, s.bytes == 3);
	rig_stop(&r);
}

Test(loop_ops, read_gives_one_event_per_packet)
{
	struct rig r;
	struct seen s = {.r = &r};
	int fd[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fd),
		     0);
	rig_make(&r);
	for (unsigned i = 0; i < 150; i++)
		cr_assert_eq(write(fd[1], "abcd", 4), 4);
	rig_lock(&r);
	s.op = loop_read(r.l, fd[0], seen_event, &s);
	rig_unlock(&r);
	rig_launch(&r);
	RIG_WAIT_FOR(&r, s.events == 150);
	cr_assert_eq(s.bytes, 600);
	close(fd[1]);
	RIG_WAIT_FOR(&r, s.lasts);
	cr_assert_eq(s.last_res, 0);
	rig_stop(&r);
}

Test(loop_ops, connect_and_accept_many)
{
	struct sockaddr_in sa = {
	    .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct rig r;
	struct seen acc = {.r = &r}, con[50];
	uint16_t port;
	int lfd = rig_listen(&port);

	sa.sin_port = htons(port);
	rig_start(&r);
	rig_lock(&r);
	acc.op = loop_accept(r.l, lfd, seen_accept, &acc);
	for (int i = 0; i < 50; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

		con[i] = (struct seen){.r = &r};
		con[i].op = loop_connect(r.l, fd, (struct sockaddr *)&sa,
					 sizeof(sa), seen_event, &con[i]);
	}
	rig_unlock(&r);
	RIG_WAIT_FOR(&r, acc.nfds == 50);
	for (int i = 0; i < 50; i++) {
		RIG_WAIT_FOR(&r, con[i].lasts == 1);
		cr_assert_eq(con[i].last_res, 0);
		cr_assert(fcntl(acc.fds[i], F_GETFL) & O_NONBLOCK);
		cr_assert(fcntl(acc.fds[i], F_GETFD) & FD_CLOEXEC);
	}
	rig_stop(&r);
}

Test(loop_ops, connect_refused)
{
	struct sockaddr_in sa = {
	    .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct rig r;
	struct seen s = {.r = &r};
	uint16_t port;
	int lfd = rig_listen(&port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	close(lfd);
	sa.sin_port = htons(port);
	rig_start(&r);
	rig_lock(&r);
	s.op = loop_connect(r.l, fd, (struct sockaddr *)&sa, sizeof(sa),
			    seen_event, &s);
	rig_unlock(&r);
	RIG_WAIT_FOR(&r, s.lasts);
	cr_assert_eq(s.last_res, -ECONNREFUSED);
	rig_stop(&r);
}

static struct loop_op *unix_connect(struct rig *r, int fd, int lfd,
				    struct seen *s)
{
	struct sockaddr_un sa;
	socklen_t len = sizeof(sa);

	*s = (struct seen){.r = r};
	getsockname(lfd, (struct sockaddr *)&sa, &len);
	rig_lock(r);
	s->op =
	    loop_connect(r->l, fd, (struct sockaddr *)&sa, len, seen_event, s);
	rig_unlock(r);
	return s->op;
}

/* DESIGN 3: a full accept queue gives no event; a blocking connect does. */
Test(loop_ops, unix_connect_waits_for_a_full_queue)
{
	const struct sockaddr_un any = {.sun_family = AF_UNIX};
	struct rig r;
	struct seen s[3];
	int lfd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), c[3];

	bind(lfd, (const struct sockaddr *)&any, sizeof(sa_family_t));
	listen(lfd, 0); /* room for one */
	for (int i = 0; i < 3; i++)
		c[i] = socket(AF_UNIX, SOCK_STREAM, 0);
	rig_start(&r);
	unix_connect(&r, c[0], lfd, &s[0]);
	RIG_WAIT_FOR(&r, s[0].lasts);
	unix_connect(&r, c[1], lfd, &s[1]);
	cr_assert_eq(s[1].lasts, 0);
	cr_assert_geq(accept(lfd, NULL, NULL), 0);
	RIG_WAIT_FOR(&r, s[1].lasts);
	cr_assert_eq(s[1].last_res, 0);
	/* One that waits is cancelled: its worker is interrupted. */
	unix_connect(&r, c[2], lfd, &s[2]);
	rig_lock(&r);
	loop_cancel_close(r.l, s[2].op, c[2]);
	rig_unlock(&r);
	RIG_WAIT_FOR(&r, fcntl(c[2], F_GETFD) < 0);
	cr_assert_eq(s[2].events, 0);
	cr_assert_geq(accept(lfd, NULL, NULL), 0);
	cr_assert_eq(accept(lfd, NULL, NULL), -1);
	cr_assert_eq(errno, EAGAIN);
	rig_stop(&r);
}

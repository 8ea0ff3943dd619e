/* SPDX-License-Identifier: Apache-2.0 */
/* The byte pipe over loopback: data, ends of file, closes, resets. */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/sentry_sock/rig.h"

Test(stream, connect_and_accept_inline)
{
	struct rig r;
	struct rig_pair p;

	rig_init(&r);
	rig_pair(&r, &p);
	cr_assert_eq(rig_revents(p.cfd), POLLOUT);
	cr_assert_eq(rig_revents(p.sfd), POLLOUT);
	close(p.cfd);
	close(p.sfd);
	close(p.lfd);
	rig_fini(&r);
}

Test(stream, bytes_both_ways)
{
	struct rig r;
	struct rig_pair p;
	char buf[16];

	rig_init(&r);
	rig_pair(&r, &p);
	cr_assert_eq(write(p.cfd, "ping", 4), 4);
	rig_pump(&r);
	cr_assert_eq(read(p.sfd, buf, sizeof buf), 4);
	cr_assert_eq(memcmp(buf, "ping", 4), 0);
	cr_assert_eq(write(p.sfd, "pong!", 5), 5);
	rig_pump(&r);
	cr_assert_eq(read(p.cfd, buf, sizeof buf), 5);
	close(p.cfd);
	close(p.sfd);
	close(p.lfd);
	rig_fini(&r);
}

Test(stream, bulk_with_back_pressure)
{
	struct rig r;
	struct rig_pair p;
	static char out[65536], in[65536];
	size_t total = 32u << 20, sent = 0, got = 0;

	rig_init(&r);
	rig_pair(&r, &p);
	while (got < total) {
		for (size_t i = 0; i < sizeof out; i++)
			out[i] = (char)((sent + i) * 2654435761u >> 13);
		size_t left = total - sent;
		ssize_t n = left ? write(p.cfd, out,
					 left < sizeof out ? left : sizeof out)
				 : 0;
		if (n > 0)
			sent += (size_t)n;
		rig_pump(&r);
		n = read(p.sfd, in, 50000);
		for (ssize_t i = 0; i < n; i++, got++)
			cr_assert_eq(in[i], (char)(got * 2654435761u >> 13));
	}
	close(p.cfd);
	close(p.sfd);
	close(p.lfd);
	rig_fini(&r);
}

Test(stream, close_is_end_of_file_after_the_data)
{
	struct rig r;
	struct rig_pair p;
	char buf[16];

	rig_init(&r);
	rig_pair(&r, &p);
	cr_assert_eq(write(p.cfd, "last", 4), 4);
	close(p.cfd);
	rig_pump(&r);
	cr_assert_eq(read(p.sfd, buf, sizeof buf), 4);
	cr_assert_eq(read(p.sfd, buf, sizeof buf), 0);
	cr_assert(rig_revents(p.sfd) & POLLRDHUP);
	/* The other way still takes bytes, as TCP does. */
	cr_assert_eq(write(p.sfd, "x", 1), 1);
	close(p.sfd);
	close(p.lfd);
	rig_fini(&r);
}

Test(stream, close_with_unread_data_resets)
{
	struct rig r;
	struct rig_pair p;
	char buf[16];

	rig_init(&r);
	rig_pair(&r, &p);
	cr_assert_eq(write(p.sfd, "unread", 6), 6);
	rig_pump(&r);
	close(p.cfd);
	rig_pump(&r);
	rig_pump(&r);
	cr_assert(p.server->so_error == ECONNRESET);
	cr_assert_eq(p.server->send_fd, -1);
	/* Without traps there is no dup to inject through: end of file. */
	cr_assert_leq(read(p.sfd, buf, sizeof buf), 0);
	close(p.sfd);
	close(p.lfd);
	rig_fini(&r);
}

Test(stream, both_closed_leaves_nothing)
{
	struct rig r;
	struct rig_pair p;

	rig_init(&r);
	rig_pair(&r, &p);
	close(p.cfd);
	close(p.sfd);
	close(p.lfd);
	rig_pump(&r);
	sock_sweep(&r.sb, false);
	cr_assert_null(sock_next(&r.sb, NULL));
	rig_fini(&r);
}

Test(stream, closing_a_listener_resets_what_waits)
{
	struct rig r;
	struct nst_sockaddr addr;
	struct sock *c;
	int lfd, cfd;

	rig_init(&r);
	(void)rig_listener(&r, 4, &lfd, &addr);
	c = rig_stream(&r, &cfd);
	rig_connect(&r, c, cfd, &addr);
	close(lfd);
	rig_pump(&r);
	rig_pump(&r);
	cr_assert_eq(c->so_error, ECONNRESET);
	sandbox_lock(&r.sb);
	listener_reap(&r.sb, addr.port);
	sandbox_unlock(&r.sb);
	close(cfd);
	rig_fini(&r);
}

/* No descriptor is spent on what was reset before it reached the guest. */
Test(stream, reset_before_the_push_frees_the_end)
{
	struct rig r;
	struct nst_sockaddr addr;
	struct sock *l, *c, *child = NULL;
	int lfd, cfd, max;

	rig_init(&r);
	l = rig_listener(&r, 4, &lfd, &addr);
	c = rig_stream(&r, &cfd);
	sandbox_lock(&r.sb);
	max = r.sb.fds_max;
	c->state = SOCK_PARKED_CONNECT;
	cr_assert_eq(nst_tcp_connect(c->tcp, &addr, sandbox_now(&r.sb)),
		     NST_E_INPROGRESS);
	r.sb.fds_max = 1; /* no child passes */
	sandbox_settle(&r.sb);
	nst_tcp_disconnect(c->tcp, sandbox_now(&r.sb));
	c->state = SOCK_FRESH;
	sandbox_settle(&r.sb);
	r.sb.fds_max = max;
	listener_push(l);
	child = sock_next(&r.sb, NULL);
	cr_assert(child != c && child != l);
	sandbox_unlock(&r.sb);
	rig_pump(&r);
	cr_assert_eq(child->send_fd, -1);
	cr_assert_eq(child->so_error, ECONNRESET);
	close(cfd);
	close(lfd);
	rig_fini(&r);
}

Test(stream, requeued_connection_is_whole)
{
	struct rig r;
	struct rig_pair p;
	char buf[16];
	int again;

	rig_init(&r);
	rig_pair(&r, &p);
	cr_assert_eq(write(p.cfd, "hello", 5), 5);
	rig_pump(&r);
	sandbox_lock(&r.sb);
	listener_requeue(p.listener, p.server, p.sfd);
	sandbox_unlock(&r.sb);
	close(p.sfd);
	again = accept4(p.lfd, NULL, NULL, SOCK_NONBLOCK);
	cr_assert_geq(again, 0);
	cr_assert_eq(read(again, buf, sizeof buf), 5);
	cr_assert_eq(write(p.cfd, "more", 4), 4);
	rig_pump(&r);
	cr_assert_eq(read(again, buf, sizeof buf), 4);
	close(p.cfd);
	close(again);
	close(p.lfd);
	rig_fini(&r);
}

Test(stream, many_connections_leave_memory_where_it_was)
{
	struct rig r;
	struct nst_sockaddr addr;
	struct sock *s;
	int lfd;
	size_t left = 0;

	rig_init(&r);
	(void)rig_listener(&r, 64, &lfd, &addr);
	for (int i = 0; i < 2000; i++) {
		int cfd, sfd;
		struct sock *c = rig_stream(&r, &cfd);

		rig_connect(&r, c, cfd, &addr);
		sfd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK);
		cr_assert_geq(sfd, 0);
		close(cfd);
		rig_pump(&r);
		close(sfd);
		rig_pump(&r);
	}
	for (s = sock_next(&r.sb, NULL); s; s = sock_next(&r.sb, s))
		left++;
	cr_assert_eq(left, 1);
	close(lfd);
	rig_fini(&r);
}

Test(stream, marker_of_a_shutdown_is_never_data)
{
	struct rig r;
	struct rig_pair p;
	char buf[16];

	rig_init(&r);
	rig_pair(&r, &p);
	cr_assert_eq(write(p.cfd, "last", 4), 4);
	sandbox_lock(&r.sb);
	stream_shut_guest(p.client, p.cfd, SHUT_WR);
	cr_assert(p.client->pipe.marker);
	sandbox_unlock(&r.sb);
	rig_pump(&r);
	cr_assert_eq(read(p.sfd, buf, sizeof buf), 4);
	cr_assert_eq(read(p.sfd, buf, sizeof buf), 0);
	/* The other direction goes on. */
	cr_assert_eq(write(p.sfd, "more", 4), 4);
	rig_pump(&r);
	cr_assert_eq(read(p.cfd, buf, sizeof buf), 4);
	close(p.cfd);
	close(p.sfd);
	close(p.lfd);
	rig_fini(&r);
}

Test(stream, reset_after_own_shutdown_is_seen)
{
	struct rig r;
	struct rig_pair p;
	char buf[16];

	rig_init(&r);
	rig_pair(&r, &p);
	sandbox_lock(&r.sb);
	stream_shut_guest(p.client, p.cfd, SHUT_WR);
	sandbox_unlock(&r.sb);
	rig_pump(&r);
	sandbox_lock(&r.sb);
	sock_close(p.server, true);
	sandbox_unlock(&r.sb);
	rig_pump(&r);
	cr_assert_eq(p.client->so_error, ECONNRESET);
	cr_assert_eq(read(p.cfd, buf, sizeof buf), -1);
	cr_assert_eq(errno, ECONNRESET);
	close(p.cfd);
	close(p.sfd);
	close(p.lfd);
	rig_fini(&r);
}

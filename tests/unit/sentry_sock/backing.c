/* SPDX-License-Identifier: Apache-2.0 */
/* Guest ends: what the guest's poll sees in each state, and probes. */
#include <criterion/criterion.h>
#include <poll.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "shim/abi.h"
#include "tests/unit/sentry_sock/rig.h"

Test(backing, fresh_polls_as_an_unconnected_tcp_socket)
{
	struct rig r;
	int g;

	rig_init(&r);
	(void)rig_stream(&r, &g);
	cr_assert_eq(rig_revents(g), POLLOUT | POLLHUP);
	close(g);
	rig_fini(&r);
}

Test(backing, name_is_gone_from_the_directory)
{
	struct rig r;
	int g;

	rig_init(&r);
	(void)rig_stream(&r, &g);
	/* Only an empty directory can be removed. */
	cr_assert_eq(rmdir(r.sb.dir), 0);
	r.sb.dir[0] = '\0';
	close(g);
	rig_fini(&r);
}

Test(backing, alive_until_closed)
{
	struct rig r;
	struct sock *s;
	int g;

	rig_init(&r);
	s = rig_stream(&r, &g);
	cr_assert(backing_alive(s));
	listen(g, 1);
	cr_assert(backing_alive(s));
	close(g);
	cr_assert_not(backing_alive(s));
	sock_sweep(&r.sb, false);
	cr_assert_null(sock_next(&r.sb, NULL));
	rig_fini(&r);
}

Test(backing, prefilled_is_neither_readable_nor_writable)
{
	struct rig r;
	struct sock *s;
	int g;

	rig_init(&r);
	s = rig_stream(&r, &g);
	cr_assert_eq(backing_attach_prefilled(s, g), 0);
	cr_assert_gt(s->pipe.prefill, 0);
	cr_assert_eq(rig_revents(g), 0);
	cr_assert_eq(write(g, "x", 1), -1);
	close(g);
	rig_fini(&r);
}

static int edges(int ep)
{
	struct epoll_event ev;
	int n = 0;

	while (epoll_wait(ep, &ev, 1, 0) == 1)
		n++;
	return n;
}

Test(backing, failed_connect_shows_every_error_bit_in_one_edge)
{
	struct rig r;
	struct sock *s;
	int g, ep = epoll_create1(0);
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLET};

	rig_init(&r);
	s = rig_stream(&r, &g);
	cr_assert_eq(backing_attach_prefilled(s, g), 0);
	epoll_ctl(ep, EPOLL_CTL_ADD, g, &ev);
	cr_assert_eq(edges(ep), 0);
	sandbox_lock(&r.sb);
	stream_connect_failed(s, 111);
	sandbox_unlock(&r.sb);
	cr_assert_eq(edges(ep), 1);
	cr_assert_eq(rig_revents(g),
		     POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP);
	cr_assert_eq(s->so_error, 111);
	close(g);
	close(ep);
	rig_fini(&r);
}

Test(backing, peer_gone_is_exact_after_both_ways_are_shut)
{
	struct rig r;
	struct sock *s;
	int g, known;

	rig_init(&r);
	s = rig_stream(&r, &g);
	cr_assert_eq(backing_attach(s, g), 0);
	known = backing_peer_gone(&r.sb, s->send_fd);
	if (known < 0)
		cr_skip_test("no UNIX_DIAG in this kernel");
	cr_assert_eq(known, 0);
	shutdown(g, SHUT_RDWR);
	cr_assert_eq(backing_peer_gone(&r.sb, s->send_fd), 0);
	close(g);
	cr_assert_eq(backing_peer_gone(&r.sb, s->send_fd), 1);
	rig_fini(&r);
}

Test(backing, adopts_only_fresh_sockets_of_the_right_kind)
{
	struct rig r;
	struct sock *s = NULL;
	int g = socket(AF_UNIX, SOCK_STREAM, 0), sv[2];
	uint64_t reg;

	rig_init(&r);
	r.sb.magic = 0x1234567890;
	reg = shim_adopt(r.sb.magic, socket_cookie(g), 0, SOCK_STREAM, 0);
	sandbox_lock(&r.sb);
	cr_assert_eq(backing_adopt(&r.sb, g, reg ^ (1u << 20), true, &s),
		     -EINVAL);
	cr_assert_eq(backing_adopt(&r.sb, g, reg ^ (3u << 16), true, &s),
		     -EINVAL);
	cr_assert_eq(backing_adopt(&r.sb, g, reg, true, &s), 0);
	cr_assert_eq(sock_by_cookie(&r.sb, socket_cookie(g)), s);
	socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
	reg = shim_adopt(r.sb.magic, socket_cookie(sv[0]), 0, SOCK_STREAM, 0);
	cr_assert_eq(backing_adopt(&r.sb, sv[0], reg, true, &s), -EINVAL);
	sandbox_unlock(&r.sb);
	close(g);
	rig_fini(&r);
}

/* Until it has a name nobody knows whether it lives; then the probe does. */
Test(backing, adopted_stream_is_named_late)
{
	struct rig r;
	struct sock *s = NULL;
	int g = socket(AF_UNIX, SOCK_STREAM, 0);
	uint64_t reg;

	rig_init(&r);
	r.sb.magic = 0x1234567890;
	reg = shim_adopt(r.sb.magic, socket_cookie(g), 0, SOCK_STREAM, 0);
	sandbox_lock(&r.sb);
	cr_assert_eq(backing_adopt(&r.sb, g, reg, false, &s), 0);
	cr_assert_lt(s->name_fd, 0);
	backing_name_late(s, g);
	cr_assert_geq(s->name_fd, 0);
	cr_assert(backing_alive(s));
	close(g);
	cr_assert_not(backing_alive(s));
	sandbox_unlock(&r.sb);
	rig_fini(&r);
}

Test(backing, connected_stream_needs_no_name)
{
	struct rig r;
	struct sock *s = NULL;
	int g = socket(AF_UNIX, SOCK_STREAM, 0);
	uint64_t reg;

	rig_init(&r);
	r.sb.magic = 0x1234567890;
	reg = shim_adopt(r.sb.magic, socket_cookie(g), 0, SOCK_STREAM, 0);
	sandbox_lock(&r.sb);
	cr_assert_eq(backing_adopt(&r.sb, g, reg, false, &s), 0);
	cr_assert_eq(backing_attach(s, g), 0);
	backing_name_late(s, g);
	cr_assert_lt(s->name_fd, 0);
	sandbox_unlock(&r.sb);
	close(g);
	rig_fini(&r);
}

static int lowest_free(const struct sandbox *sb)
{
	int fd = fcntl(sb->dir_fd, F_DUPFD_CLOEXEC, 0);

	cr_assert_geq(fd, 0);
	close(fd);
	return fd;
}

/* What the guest has closed makes room though no event has told of it yet. */
Test(backing, room_is_made_of_closed_connections)
{
	struct rig r;
	struct rig_pair p;
	struct sock *s;
	int fd;

	rig_init(&r);
	rig_pair(&r, &p);
	sandbox_lock(&r.sb);
	s = sock_new(&r.sb, AF_INET, SOCK_STREAM, 0);
	cr_assert_eq(sock_open(s), 0);
	sandbox_unlock(&r.sb);
	r.sb.fds_max = lowest_free(&r.sb);
	close(p.cfd);
	close(p.sfd);
	while ((fd = dup(2)) < r.sb.fds_max)
		; /* the guest's own numbers are not the sentry's to use */
	close(fd);
	sandbox_lock(&r.sb);
	cr_assert_eq(backing_new(s, true), -EMFILE);
	cr_assert(sock_make_room(&r.sb, -EMFILE));
	fd = backing_new(s, true);
	cr_assert_geq(fd, 0, "%s", strerror(-fd));
	sandbox_unlock(&r.sb);
	close(fd);
	close(p.lfd);
	rig_fini(&r);
}

/* A connect is refused before anything is sent. */
Test(backing, reserve_keeps_a_number)
{
	struct rig r;
	struct sock *s;
	int gfd, free_fd;

	rig_init(&r);
	s = rig_stream(&r, &gfd);
	sandbox_lock(&r.sb);
	free_fd = lowest_free(&r.sb);
	r.sb.fds_max = free_fd + 1;
	cr_assert_eq(backing_reserve(s, true), -EMFILE);
	cr_assert_eq(s->spare_fd, -1);
	cr_assert_eq(backing_reserve(s, false), 0);
	cr_assert_eq(s->spare_fd, free_fd);
	cr_assert_eq(backing_attach(s, gfd), 0);
	cr_assert_eq(s->spare_fd, -1);
	cr_assert_eq(s->send_fd, free_fd);
	sandbox_unlock(&r.sb);
	close(gfd);
	rig_fini(&r);
}

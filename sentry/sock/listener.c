/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listeners: completed connections go from the netstack's accept queue into
 * the guest end's, which is the kernel's own, so that prefork servers,
 * EPOLLEXCLUSIVE and descriptor passing are native.
 *
 * The guest's queue being full gives no event. Then one connect is left
 * waiting on a blocking socket in the loop; meanwhile the netstack's queue
 * counts as full, and further handshakes wait as they do on Linux.
 *
 * Everything here runs under the stack lock.
 */
#include "sentry/sock/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sentry/core/fds.h"
#include "sentry/loop/loop.h"
#include "sentry/sock/sock_priv.h"
#include "sentry/sock/unread.h"

/* ---- sentry ends of children ---- */

/* A sentry end for c, bound to its name; -errno. */
static int child_end(const struct sock *c)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un un;
	socklen_t len;

	fd = fds_lasting(c->sb, fd < 0 ? -errno : fd);
	if (fd < 0)
		return fd;
	len = listener_child_name(c, &un);
	if (bind(fd, (struct sockaddr *)&un, len) < 0) {
		int err = -errno;
		close(fd);
		return err;
	}
	backing_sndbuf(fd, c->guest_rcvbuf);
	return fd;
}

static int connect_name(int fd, int name_fd)
{
	struct sockaddr_un un;
	socklen_t len = backing_name_addr(name_fd, &un);

	return connect(fd, (struct sockaddr *)&un, len) < 0 ? -errno : 0;
}

/* What an older end had, before anything new: restored from an image. */
static void give_unread(struct sock *c, int fd)
{
	struct sock_given *given = c->sb->socks->given;
	const struct sock_unread *u =
	    given ? given->of(given, sock_nst(c)) : NULL;
	int rc = u ? sock_unread_put(fd, &u->to_guest) : 0;

	if (rc)
		given->err = rc;
}

/* fd is in the guest's queue: c's channel is open. */
static void child_up(struct sock *c, int fd)
{
	give_unread(c, fd);
	c->send_fd = fd;
	if (stream_start(c) < 0) {
		sock_close(c, true);
		return;
	}
	/* The guest may have taken and closed it by now. */
	sock_get(c);
	stream_pump(c);
	/* Reset while it waited in the netstack's queue: its event is past. */
	if (!c->dead && nst_tcp_state(c->tcp) == NST_TCP_CLOSE)
		stream_events(&c->owner, NST_EV_ERR);
	sock_put(c);
}

/* ---- pushing ---- */

static void set_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	(void)fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

static void on_pushed(void *arg, const struct loop_event *ev)
{
	struct sock *s = arg;
	struct sock *c = s->listen.pushing;
	int fd = s->listen.push_fd;

	s->listen.push_op = NULL;
	s->listen.pushing = NULL;
	s->listen.push_fd = -1;
	nst_tcp_accept_hold(s->tcp, false);
	if (ev->res < 0) {
		close(fd);
		sock_close(c, true);
	} else {
		set_nonblock(fd, true);
		child_up(c, fd);
		trap_kick(s);
	}
	if (ev->res == -ECONNREFUSED)
		sock_close(s, true);
	else
		listener_push(s);
}

static struct loop_op *wait_in_loop(struct sock *s, int fd)
{
	struct sockaddr_un un;
	socklen_t len = backing_name_addr(s->name_fd, &un);

	return loop_connect(s->sb->loop, fd, (struct sockaddr *)&un, len,
			    on_pushed, s);
}

/* The guest's queue is full: waits in the loop. */
static int push_later(struct sock *s, struct sock *c, int fd)
{
	if (!s->sb->loop)
		return -EAGAIN;
	set_nonblock(fd, false);
	s->listen.push_op = wait_in_loop(s, fd);
	if (!s->listen.push_op)
		return -ENOMEM;
	s->listen.pushing = c;
	s->listen.push_fd = fd;
	nst_tcp_accept_hold(s->tcp, true);
	return 0;
}

/* Takes c into the guest's queue. -errno: not done. */
static int push_child(struct sock *s, struct sock *c)
{
	int fd = child_end(c), err;

	if (fd < 0)
		return fd;
	err = connect_name(fd, s->name_fd);
	if (err == 0) {
		child_up(c, fd);
		return 0;
	}
	if (err == -EAGAIN)
		err = push_later(s, c, fd);
	if (err < 0)
		close(fd);
	return err;
}

void listener_resume(struct sock *s)
{
	struct sock *c = s->listen.pushing;

	if (!c) {
		listener_push(s);
		return;
	}
	s->listen.push_op = wait_in_loop(s, s->listen.push_fd);
	nst_tcp_accept_hold(s->tcp, s->listen.push_op != NULL);
	if (s->listen.push_op)
		return;
	close(s->listen.push_fd);
	s->listen.push_fd = -1;
	s->listen.pushing = NULL;
	sock_close(c, true);
}

static struct sock *child_new(struct sock *s, struct nst_tcp *tp)
{
	struct sock *c = sock_new(s->sb, s->domain, SOCK_STREAM, s->proto);

	if (!c)
		return NULL;
	c->tcp = tp;
	c->state = SOCK_CONNECTED;
	c->connect_told = true;
	c->parent = s->id;
	c->guest_rcvbuf = s->guest_rcvbuf;
	c->guest_sndbuf = s->guest_sndbuf;
	nst_sock_set_user(nst_tcp_sock(tp), &c->owner);
	return c;
}

/* Gives the endpoint back: no descriptors now, the sweep tries again. */
static void give_back(struct sock *s, struct sock *c)
{
	struct nst_tcp *tp = c->tcp;

	c->tcp = NULL;
	nst_sock_set_user(nst_tcp_sock(tp), NULL);
	nst_tcp_unaccept(s->tcp, tp);
	sock_close(c, false);
}

/* False: stop pushing. */
static bool push_one(struct sock *s, struct nst_tcp *tp)
{
	struct sock *c = child_new(s, tp);
	int err;

	if (!c) {
		nst_tcp_unaccept(s->tcp, tp);
		return false;
	}
	err = push_child(s, c);
	if (err == 0)
		return true;
	if (err == -ECONNREFUSED || err == -EPIPE) {
		sock_close(c, true); /* the guest has closed the listener */
		sock_close(s, true);
		return false;
	}
	give_back(s, c);
	return false;
}

void listener_push(struct sock *s)
{
	struct nst_tcp *tp;
	bool any = false;

	if (s->state != SOCK_LISTENING)
		return;
	while (!s->dead && !s->listen.pushing &&
	       nst_tcp_accept(s->tcp, &tp) == NST_OK) {
		if (!push_one(s, tp))
			break;
		any = true;
	}
	if (any && !s->dead)
		trap_kick(s);
}

/* Then it is the listener's alone: the guest has no end of it yet. */
bool listener_is_pushing(const struct sock *c)
{
	const struct sock *s = c->sb->socks->listeners;

	while (s && s->listen.pushing != c)
		s = s->listen.next;
	return s != NULL;
}

/* ---- putting back ---- */

/* Everything that already waits in g, the guest end that was taken out. */
static ssize_t unread_of(int g, uint8_t **out)
{
	int bytes = 0;
	uint8_t *buf;
	ssize_t n;

	*out = NULL;
	if (ioctl(g, FIONREAD, &bytes) < 0 || bytes <= 0)
		return 0;
	buf = malloc((size_t)bytes);
	if (!buf)
		return -ENOMEM;
	n = recv(g, buf, (size_t)bytes, MSG_DONTWAIT | MSG_WAITALL);
	*out = buf;
	return n < 0 ? -errno : n;
}

static int requeue(struct sock *s, struct sock *c,
		   const struct sock_bytes *data)
{
	int fd, err;

	stream_drop_end(c);
	sock_set_cookie(c, 0);
	sock_renumber(c);
	fd = child_end(c);
	if (fd < 0)
		return fd;
	err = connect_name(fd, s->name_fd);
	if (err == 0)
		err = sock_unread_put(fd, data);
	if (err < 0) {
		close(fd);
		return err;
	}
	if (c->pipe.eof_to_guest)
		(void)shutdown(fd, SHUT_WR);
	child_up(c, fd);
	trap_kick(s);
	return 0;
}

void listener_requeue(struct sock *s, struct sock *c, int g)
{
	uint8_t *data = NULL;
	ssize_t bytes = unread_of(g, &data);
	const struct sock_bytes all = {data, bytes > 0 ? (size_t)bytes : 0};
	int err = bytes < 0 ? (int)bytes : requeue(s, c, &all);

	free(data);
	if (err < 0)
		sock_close(c, true);
}

/* ---- the list of listeners ---- */

void listener_link(struct sock *s)
{
	struct sock_table *tb = s->sb->socks;

	if (s->listen.pprev)
		return;
	s->listen.next = tb->listeners;
	s->listen.pprev = &tb->listeners;
	if (s->listen.next)
		s->listen.next->listen.pprev = &s->listen.next;
	tb->listeners = s;
}

void listener_unlink(struct sock *s)
{
	struct sock *c = s->listen.pushing;

	if (c) {
		s->listen.pushing = NULL;
		loop_cancel_close(s->sb->loop, s->listen.push_op,
				  s->listen.push_fd);
		s->listen.push_op = NULL;
		s->listen.push_fd = -1;
		nst_tcp_accept_hold(s->tcp, false);
		sock_close(c, true);
	}
	if (!s->listen.pprev)
		return;
	*s->listen.pprev = s->listen.next;
	if (s->listen.next)
		s->listen.next->listen.pprev = s->listen.pprev;
	s->listen.pprev = NULL;
}

void listener_reap(struct sandbox *sb, uint16_t port)
{
	struct sock *s, *next;

	for (s = sb->socks->listeners; s; s = next) {
		struct nst_sockaddr local;

		next = s->listen.next;
		nst_sock_local(nst_tcp_sock(s->tcp), &local);
		if (local.port == port && !backing_alive(s))
			sock_close(s, true);
	}
}

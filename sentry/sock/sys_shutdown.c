/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shutdown(2). LINUX: inet_shutdown is the model. What the guest wrote natively
 * before is drained first; the guest end is then shut down through a dup, and
 * the end of file that follows in the pipe is what sends the FIN, before the
 * call is answered.
 */
#include "sentry/sock/sock.h"

#include <errno.h>
#include <unistd.h>

#include "sentry/core/errmap.h"
#include "sentry/loop/loop.h"

/* how as the kernel's mask: 1 read, 2 write. */
static unsigned mask_of(int how)
{
	return (unsigned)how + 1;
}

static bool is_over(const struct sock *s)
{
	enum nst_tcp_state st = nst_tcp_state(s->tcp);

	return st == NST_TCP_CLOSE || st == NST_TCP_TIME_WAIT;
}

static int shut_connected(struct trap *t, int how)
{
	struct sock *s = t->sock;

	stream_drain_guest(s);
	if (s->dead || is_over(s)) {
		/* LINUX: whoever polls wakes up all the same. */
		if (s->send_fd < 0)
			(void)shutdown(t->gfd, how);
		return ENOTCONN;
	}
	s->connect_told = true;
	stream_shut_guest(s, t->gfd, how);
	if (mask_of(how) & 1)
		(void)!nst_tcp_shutdown(s->tcp, true, false,
					sandbox_now(t->sb));
	stream_pump(s);
	return 0;
}

/* LINUX: in SYN-SENT it is a disconnect, with ECONNRESET pending. */
static int shut_connecting(struct trap *t)
{
	struct sock *s = t->sock;

	nst_tcp_disconnect(s->tcp, sandbox_now(t->sb));
	if (s->state == SOCK_CONNECTING) {
		stream_connect_failed(s, ECONNRESET);
		s->connect_told = true;
	} else {
		s->state = SOCK_FRESH;
		trap_kick(s);
	}
	return 0;
}

static int shut_stream(struct trap *t, int how)
{
	struct sock *s = t->sock;

	switch (s->state) {
	case SOCK_CONNECTED:
		return shut_connected(t, how);
	case SOCK_CONNECTING:
	case SOCK_PARKED_CONNECT:
		return shut_connecting(t);
	case SOCK_FRESH:
		/* LINUX: it is shut down all the same. DEVIATION: a later
		 * connect or listen undoes that. */
		s->used_up = true;
		(void)shutdown(t->gfd, how);
		break;
	case SOCK_FAILED:
		(void)shutdown(t->gfd, how);
		break;
	case SOCK_LISTENING: /* writing only: no effect */
		break;
	}
	return s->state == SOCK_LISTENING ? 0 : ENOTCONN;
}

/* Takes everything out of the guest's queue and resets it. */
static void empty_queue(struct trap *t)
{
	int g;

	while ((g = loop_accept_now(t->sb->loop, t->gfd)) >= 0) {
		struct sock *c;

		sandbox_lock(t->sb);
		c = sock_of_guest_fd(t->sb, g);
		if (c)
			sock_close(c, true);
		sandbox_unlock(t->sb);
		close(g);
	}
}

static enum trap_verdict shut_listener(struct trap *t)
{
	struct sock *s = t->sock;

	sandbox_lock(t->sb);
	if (s->dead || s->state != SOCK_LISTENING) {
		sandbox_unlock(t->sb);
		return trap_answer(t, s->dead ? -EBADF : -ENOTCONN);
	}
	listener_unlink(s);
	nst_tcp_disconnect(s->tcp, sandbox_now(t->sb));
	s->state = SOCK_FRESH;
	s->used_up = true;
	trap_kick(s);
	sandbox_unlock(t->sb);
	empty_queue(t);
	/* Who waits in a native accept wakes up. The socket is as new. */
	(void)shutdown(t->gfd, SHUT_RDWR);
	if (!trap_valid(t))
		return TRAP_DONE;
	(void)!backing_renew(t);
	return trap_answer(t, 0);
}

static int shut_datagram(struct trap *t, int how)
{
	struct sock *s = t->sock;
	unsigned mask = mask_of(how);
	enum nst_err e;

	datagram_drain_guest(s);
	if (s->dead)
		return EBADF;
	/* LINUX: without a peer it says so, and shuts down all the same. */
	e = nst_dgram_shutdown(s->dgram, mask & 1, mask & 2);
	s->shut |= mask;
	(void)shutdown(t->gfd, how);
	return errno_of(e);
}

static int shut_locked(struct trap *t, int how)
{
	if (t->sock->dead)
		return EBADF;
	if (t->sock->type == SOCK_STREAM)
		return shut_stream(t, how);
	return shut_datagram(t, how);
}

enum trap_verdict sys_shutdown(struct trap *t)
{
	int how = trap_int(t, 1), err;
	bool listening;

	if (how < SHUT_RD || how > SHUT_RDWR)
		return trap_answer(t, -EINVAL);
	sandbox_lock(t->sb);
	listening = t->sock->state == SOCK_LISTENING && (mask_of(how) & 1);
	if (listening) {
		sandbox_unlock(t->sb);
		return shut_listener(t);
	}
	err = shut_locked(t, how);
	sandbox_unlock(t->sb);
	return trap_answer(t, -err);
}

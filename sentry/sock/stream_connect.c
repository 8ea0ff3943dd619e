/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a connect ends, as the guest end shows it: the prefill is drained, which
 * is the one EPOLLOUT edge, or the sentry end is closed with it unread, which
 * is every error bit. Under the stack lock.
 */
#include "sentry/sock/sock.h"

#include <errno.h>
#include <poll.h>

#include "sentry/core/errmap.h"

static void drain_prefill(struct sock *s)
{
	char buf[4096];

	while (s->pipe.prefill) {
		size_t want = s->pipe.prefill;
		ssize_t n =
		    recv(s->send_fd, buf, want < sizeof buf ? want : sizeof buf,
			 MSG_DONTWAIT);
		if (n <= 0)
			return;
		s->pipe.prefill -= (uint32_t)n;
	}
}

int stream_established(struct sock *s, int gfd)
{
	int err = 0;

	if (s->state != SOCK_CONNECTING)
		err = backing_attach(s, gfd);
	if (err < 0)
		return err;
	backing_sndbuf(gfd, s->guest_sndbuf);
	drain_prefill(s);
	s->state = SOCK_CONNECTED;
	err = stream_start(s);
	if (err < 0)
		return err;
	trap_kick(s);
	stream_pump(s);
	return 0;
}

void stream_connect_failed(struct sock *s, int err)
{
	s->state = SOCK_FAILED;
	s->used_up = true;
	s->connect_told = false;
	s->so_error = err ? err : ECONNABORTED;
	s->pipe.shown = true;
	stream_drop_end(s);
	trap_kick(s);
}

void stream_job_connected(struct sock *s, int gfd)
{
	if (s->state != SOCK_CONNECTING ||
	    nst_tcp_state(s->tcp) == NST_TCP_CLOSE)
		return; /* a call was faster, or it has failed since */
	if (gfd >= 0) {
		if (stream_established(s, gfd) < 0 && !s->dead)
			sock_close(s, true);
		return;
	}
	/* In flight between processes: small send buffer, but connected. */
	drain_prefill(s);
	s->state = SOCK_CONNECTED;
	trap_kick(s);
	stream_pump(s);
}

/* ---- the pending error ---- */

/* The loop closes the sentry end; until then nothing shows. */
static bool is_closed(int gfd)
{
	struct pollfd p = {.fd = gfd};

	return poll(&p, 1, 0) > 0 && (p.revents & POLLHUP);
}

/* Reading SO_ERROR of the guest end also clears it there. */
static bool taken_natively(struct sock *s, int gfd)
{
	int shown = 0;
	socklen_t len = sizeof shown;

	if (!s->pipe.shown || !is_closed(gfd) ||
	    getsockopt(gfd, SOL_SOCKET, SO_ERROR, &shown, &len) < 0)
		return false;
	s->pipe.shown = false;
	return shown == 0;
}

int stream_error(struct sock *s, int gfd)
{
	if (!s->so_error)
		return errno_of(nst_sock_error(nst_tcp_sock(s->tcp), false));
	if (taken_natively(s, gfd))
		s->so_error = 0;
	return s->so_error;
}

void stream_error_clear(struct sock *s, int gfd)
{
	(void)taken_natively(s, gfd);
	s->so_error = 0;
}

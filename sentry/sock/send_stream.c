/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trapped sends on stream sockets (send.h). The plain ones go natively to the
 * guest end; those that AF_UNIX would take otherwise than TCP does (an address,
 * descriptors, urgent data) are written to the guest end by us, in order with
 * what is already in it.
 */
#include "sentry/sock/send.h"

#include <errno.h>

#include "sentry/core/errmap.h"

/* A pending error first (consumed), then why the state does not allow it. */
static int state_error(const struct trap *t, struct sock *s)
{
	int err;

	if (s->dead)
		return -EBADF;
	switch (s->state) {
	case SOCK_CONNECTED:
		return 0;
	case SOCK_CONNECTING:
	case SOCK_PARKED_CONNECT:
		return -EAGAIN;
	case SOCK_FAILED:
		err = stream_error(s, t->gfd);
		stream_error_clear(s, t->gfd);
		return err ? -err : -EPIPE;
	default:
		return -EPIPE;
	}
}

static int64_t send_urgent(struct trap *t, const uint8_t *p, size_t bytes)
{
	struct sock *s = t->sock;
	ssize_t n = 0;
	enum nst_err e;

	stream_drain_guest(s);
	if (s->dead)
		return -EPIPE;
	/* LINUX: only the last byte of the call is urgent. */
	if (bytes > 1) {
		n = send(t->gfd, p, bytes - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0)
			return -errno;
		stream_drain_guest(s);
		if ((size_t)n < bytes - 1 || s->dead)
			return n;
	}
	e = nst_tcp_snd_urgent(s->tcp, p[bytes - 1], sandbox_now(s->sb));
	if (e == NST_OK)
		return (int64_t)bytes;
	return n > 0 ? n : -errno_of(e);
}

static int64_t send_bytes(struct trap *t, const uint8_t *p, size_t bytes,
			  unsigned flags)
{
	struct sock *s = t->sock;
	int64_t n = state_error(t, s);

	if (n < 0)
		return n;
	if ((flags & MSG_OOB) && bytes > 0)
		return send_urgent(t, p, bytes);
	stream_drain_guest(s);
	n = send(t->gfd, p, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return -errno;
	if (!s->dead)
		stream_drain_guest(s);
	return n;
}

/* Nothing about this call is special: 1. LINUX: TCP looks at SOL_SOCKET
 * control messages only, and ignores descriptors. */
static int is_native(const struct trap *t, const struct msg *m, unsigned flags,
		     struct scratch *sc)
{
	bool fds = false;
	int rc;

	if (m->control != 0 && m->controllen > 0) {
		if (m->controllen > SCRATCH_CTL)
			return -ENOBUFS;
		rc = trap_read(t, m->control, sc->ctl, (size_t)m->controllen);
		if (rc == 0)
			rc = cmsg_parse_stream(sc->ctl, (size_t)m->controllen,
					       &fds);
		if (rc < 0)
			return rc;
	}
	return m->name == 0 && !fds && !(flags & MSG_OOB);
}

static bool connected(const struct trap *t)
{
	bool yes;

	sandbox_lock(t->sb);
	yes = !t->sock->dead && (t->sock->state == SOCK_CONNECTED ||
				 t->sock->state == SOCK_CONNECTING);
	sandbox_unlock(t->sb);
	return yes;
}

int64_t send_stream(struct trap *t, const struct msg *m, unsigned flags,
		    struct scratch *sc, bool may_native)
{
	size_t bytes = m->total;
	int64_t n;
	int rc;

	/* DEVIATION: sendmmsg does not connect. */
	if (flags & MSG_FASTOPEN)
		return -EOPNOTSUPP;
	rc = is_native(t, m, flags, sc);
	if (rc < 0)
		return rc;
	if (rc == 1 && may_native && connected(t))
		return SEND_NATIVE;
	if (bytes > SCRATCH_MOVE) {
		bytes = SCRATCH_MOVE;
		flags &= ~(unsigned)MSG_OOB; /* the last byte is not here */
	}
	n = trap_gather(t, m->iov, m->niov, sc->data, bytes);
	if (n < 0)
		return n;
	if (!trap_valid(t))
		return -EINTR;
	sandbox_lock(t->sb);
	n = send_bytes(t, sc->data, (size_t)n, flags);
	sandbox_unlock(t->sb);
	return n;
}

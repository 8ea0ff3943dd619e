/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trapped receives on stream sockets (recv.h). Those that AF_UNIX answers as
 * TCP does stay native; an address (TCP shows none), MSG_TRUNC (TCP discards)
 * and urgent data are served here.
 */
#include "sentry/sock/recv.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>

#include "sentry/core/errmap.h"

/* 1: bytes may be there, 0: end of file, or -errno. */
static int state_check(const struct trap *t, struct sock *s,
		       struct recv_result *r)
{
	if (s->dead)
		return -EBADF;
	switch (s->state) {
	case SOCK_CONNECTED:
		return 1;
	case SOCK_CONNECTING:
	case SOCK_PARKED_CONNECT:
		return -EAGAIN;
	case SOCK_FAILED:
		r->err = stream_error(s, t->gfd);
		return -r->err;
	default:
		return -ENOTCONN;
	}
}

static int64_t take_urgent(struct trap *t, unsigned flags, struct scratch *sc,
			   struct recv_result *r)
{
	struct sock *s = t->sock;
	enum nst_err e;

	if (s->dead || !s->tcp)
		return -EBADF;
	/* LINUX: no urgent byte comes before not connected. */
	if (s->state != SOCK_CONNECTED)
		return -EINVAL;
	stream_pump(s);
	if (s->dead)
		return -EINVAL;
	e = nst_tcp_rcv_urgent(s->tcp, flags & MSG_PEEK, sc->data);
	if (e != NST_OK)
		return -errno_of(e);
	r->msg_flags |= MSG_OOB;
	return 1;
}

static int64_t take_bytes(struct trap *t, size_t cap, unsigned flags,
			  struct scratch *sc, struct recv_result *r)
{
	struct sock *s = t->sock;
	int64_t n = state_check(t, s, r);

	if (n <= 0)
		return n;
	stream_pump(s);
	n = recv(t->gfd, sc->data, cap, MSG_DONTWAIT | (int)(flags & MSG_PEEK));
	if (n >= 0)
		return n;
	if (errno == ECONNRESET && s->so_error)
		r->err = s->so_error;
	return r->err ? -r->err : -errno;
}

/* LINUX: TCP_INQ: bytes that are left, and one for the peer's FIN. What the
 * guest has not read waits in its own socket, then in the netstack. */
#define NAME_TCP_INQ 36 /* TCP_CM_INQ */

static bool wants_inq(struct sock *s, const struct msg *m)
{
	int64_t on = 0;

	return m->control && s->tcp &&
	       nst_sock_get(nst_tcp_sock(s->tcp), NST_TCP_INQ, &on) == NST_OK &&
	       on;
}

static bool peer_closed(const struct nst_tcp *tp)
{
	switch (nst_tcp_state(tp)) {
	case NST_TCP_CLOSE_WAIT:
	case NST_TCP_LAST_ACK:
	case NST_TCP_CLOSING:
	case NST_TCP_TIME_WAIT:
		return true;
	default:
		return false;
	}
}

static void put_inq(struct trap *t, const struct msg *m, struct recv_result *r)
{
	struct sock *s = t->sock;
	struct nst_iov iov[2];
	size_t niov;
	int left = 0;

	if (s->dead || !wants_inq(s, m))
		return;
	if (ioctl(t->gfd, FIONREAD, &left) < 0)
		left = 0;
	left += (int)nst_tcp_rcv_data(s->tcp, iov, &niov);
	left += peer_closed(s->tcp);
	cmsg_put(&r->ctl, IPPROTO_TCP, NAME_TCP_INQ, &left, sizeof(left));
}

static bool plain(const struct trap *t, const struct msg *m, unsigned flags)
{
	struct sock *s = t->sock;
	bool yes;

	if (m->name || (flags & (MSG_OOB | MSG_TRUNC | MSG_ERRQUEUE)))
		return false;
	sandbox_lock(t->sb);
	yes = !s->dead &&
	      (s->state == SOCK_CONNECTED || s->state == SOCK_CONNECTING) &&
	      !wants_inq(s, m);
	sandbox_unlock(t->sb);
	return yes;
}

/* What is received is consumed at once. A reply that cannot be delivered means
 * that the thread was killed in the middle of the call (WAIT_KILLABLE_RECV);
 * natively too it would have taken the bytes with it. */
int64_t recv_stream(struct trap *t, const struct msg *m, unsigned flags,
		    struct scratch *sc, struct recv_result *r, bool may_native)
{
	size_t cap = m->total < SCRATCH_MOVE ? m->total : SCRATCH_MOVE;
	ssize_t rc = 0;
	int64_t n;

	memset(r, 0, sizeof(*r));
	cmsg_out_init(&r->ctl, m);
	if (may_native && plain(t, m, flags))
		return RECV_NATIVE;
	if (flags & MSG_ERRQUEUE)
		return -EAGAIN;
	if (!trap_valid(t))
		return -EINTR;
	sandbox_lock(t->sb);
	n = flags & MSG_OOB ? take_urgent(t, flags, sc, r)
			    : take_bytes(t, cap, flags, sc, r);
	if (n >= 0)
		put_inq(t, m, r);
	sandbox_unlock(t->sb);
	if (n <= 0 || (flags & MSG_TRUNC))
		return n;
	if (m->total > 0)
		rc = trap_scatter(t, m->iov, m->niov, sc->data, (size_t)n);
	else
		n = 0;
	return rc < 0 ? rc : n;
}

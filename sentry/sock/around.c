/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest ends for endpoints that are older than their sockets: of a stack that
 * was loaded from an image. Under the stack lock.
 */
#include "sentry/sock/around.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "sentry/sock/dgram_priv.h"

static int listen_end(struct sock *s, int fd, int backlog)
{
	/* As sys_listen does. */
	if (listen(fd, backlog > 0 ? backlog - 1 : backlog) < 0)
		return -errno;
	s->state = SOCK_LISTENING;
	s->listen.backlog = backlog;
	nst_tcp_accept_hold(s->tcp, false); /* nothing is under way here */
	listener_link(s);
	listener_push(s);
	return 0;
}

static bool has_sent_fin(enum nst_tcp_state st)
{
	return st == NST_TCP_FIN_WAIT1 || st == NST_TCP_FIN_WAIT2 ||
	       st == NST_TCP_CLOSING || st == NST_TCP_LAST_ACK ||
	       st == NST_TCP_TIME_WAIT;
}

/* The ends with what was in those that the connection had. */
static int attach_with(struct sock *s, int fd, const struct sock_unread *u)
{
	int rc = backing_attach(s, fd);

	backing_sndbuf(fd, s->guest_sndbuf);
	if (rc == 0)
		rc = sock_unread_give(s, fd, u);
	s->state = SOCK_CONNECTING; /* for stream_established: attached */
	return rc;
}

static int connected_end(struct sock *s, int fd, const struct sock_unread *u)
{
	bool shut_wr =
	    has_sent_fin(nst_tcp_state(s->tcp)) || (u->shut & 2) != 0;
	int rc = attach_with(s, fd, u);

	s->connect_told = true;
	if (rc == 0)
		rc = stream_established(s, fd);
	if (rc == 0 && !s->dead && shut_wr)
		stream_shut_guest(s, fd, SHUT_WR);
	if (rc == 0 && !s->dead && u->shut & 1)
		stream_shut_guest(s, fd, SHUT_RD);
	return rc;
}

/* As a non-blocking connect() leaves it. */
static int connecting_end(struct sock *s, int fd)
{
	int rc = backing_attach_prefilled(s, fd);

	s->state = SOCK_CONNECTING;
	return rc ? rc : stream_start(s);
}

/* What there is to read, then why it ended. */
static int ended_end(struct sock *s, int fd, const struct sock_unread *u)
{
	int rc = connected_end(s, fd, u);

	if (rc || s->dead || !nst_sock_error(nst_tcp_sock(s->tcp), false))
		return rc;
	stream_events(&s->owner, NST_EV_ERR);
	/* Here the guest end is at hand, as the job finds it later. */
	stream_job_reset(s, fd);
	return 0;
}

/* Without anything to tell it is as new, bound or not. */
static int closed_end(struct sock *s, int fd, const struct sock_unread *u)
{
	struct nst_iov iov[2];
	size_t n;

	if (nst_sock_error(nst_tcp_sock(s->tcp), false) ||
	    nst_tcp_rcv_data(s->tcp, iov, &n) || u->to_guest.n)
		return ended_end(s, fd, u);
	return 0;
}

static int stream_end(struct sock *s, int fd, const struct sock_shape *shape)
{
	const struct sock_unread *u = &shape->unread;

	switch (nst_tcp_state(s->tcp)) {
	case NST_TCP_LISTEN:
		return listen_end(s, fd, shape->backlog);
	case NST_TCP_CLOSE:
		return closed_end(s, fd, u);
	case NST_TCP_SYN_SENT:
	case NST_TCP_SYN_RCVD:
		/* Held for Fast Open, it is as good as connected. */
		return nst_tcp_deferred(s->tcp) ? connected_end(s, fd, u)
						: connecting_end(s, fd);
	default:
		return connected_end(s, fd, u);
	}
}

/* What the old guest had been given and had not read. */
static int keep_datagrams(struct sock *s, const struct sock_shape *shape)
{
	struct dgram_kept **end = &s->dg.kept;

	for (size_t i = 0; i < shape->ndatagrams; i++) {
		const struct nst_dgram_in *in = &shape->datagrams[i].in;

		*end = dgram_keep(in, in->data, in->bytes);
		if (!*end)
			return -ENOMEM;
		end = &(*end)->next;
	}
	return 0;
}

static int datagram_end(struct sock *s, int fd, const struct sock_shape *shape)
{
	struct nst_sockaddr peer;
	struct sockaddr_un un;
	socklen_t len;
	int rc = keep_datagrams(s, shape);

	if (rc)
		return rc;
	memcpy(s->dg.icmp_filter, shape->icmp_filter, sizeof s->dg.icmp_filter);
	if (nst_sock_remote(nst_dgram_sock(s->dgram), &peer) == NST_OK) {
		len = backing_back_addr(s, &un);
		if (connect(fd, (struct sockaddr *)&un, len) < 0)
			return -errno;
		s->dg.connected = true;
	}
	datagram_options_changed(s);
	datagram_pump(s);
	return 0;
}

static int make_end(struct sock *s, const struct sock_shape *shape)
{
	int fd = backing_new(s, false), rc;

	if (fd < 0)
		return fd;
	if (s->dgram)
		rc = datagram_end(s, fd, shape);
	else
		rc = stream_end(s, fd, shape);
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

int sock_around(struct sandbox *sb, struct nst_sock *ep,
		const struct sock_shape *shape, pid_t tid, int number)
{
	int domain = nst_sock_family(ep) == 6 ? AF_INET6 : AF_INET;
	struct nst_tcp *tp = nst_sock_tcp(ep);
	struct sock *s = sock_new(sb, domain, shape->type, shape->proto);
	int fd;

	if (!s)
		return -ENOMEM;
	s->tcp = tp;
	s->dgram = tp ? NULL : nst_sock_dgram(ep);
	nst_sock_set_user(ep, &s->owner);
	s->hint_tid = tid;
	s->hint_fd = number;
	sock_get(s);
	fd = make_end(s, shape);
	if (fd < 0)
		sock_close(s, true);
	sock_put(s);
	return fd;
}

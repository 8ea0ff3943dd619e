/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest ends for endpoints that are older than their sockets: of a stack that
 * was loaded from an image. Under the stack lock.
 */
#include "sentry/sock/dgram_priv.h"

#include <errno.h>
#include <unistd.h>

static int listen_end(struct sock *s, int fd, int backlog)
{
	/* As sys_listen does. */
	if (listen(fd, backlog > 0 ? backlog - 1 : backlog) < 0)
		return -errno;
	s->state = SOCK_LISTENING;
	s->listen.backlog = backlog;
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

static int connected_end(struct sock *s, int fd)
{
	enum nst_tcp_state st = nst_tcp_state(s->tcp);
	int rc;

	s->connect_told = true;
	rc = stream_established(s, fd);
	if (rc == 0 && !s->dead && has_sent_fin(st))
		stream_shut_guest(s, fd, SHUT_WR);
	return rc;
}

static int datagram_end(struct sock *s, int fd)
{
	struct nst_sockaddr peer;
	struct sockaddr_un un;
	socklen_t len;

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

static int make_end(struct sock *s, int backlog)
{
	int fd = backing_new(s, false), rc;

	if (fd < 0)
		return fd;
	if (s->dgram)
		rc = datagram_end(s, fd);
	else if (nst_tcp_state(s->tcp) == NST_TCP_LISTEN)
		rc = listen_end(s, fd, backlog);
	else
		rc = connected_end(s, fd);
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

int sock_around(struct sandbox *sb, struct nst_sock *ep, int backlog, pid_t tid,
		int number)
{
	int domain = nst_sock_family(ep) == 6 ? AF_INET6 : AF_INET;
	struct nst_tcp *tp = nst_sock_tcp(ep);
	struct sock *s = sock_new(sb, domain, tp ? SOCK_STREAM : SOCK_DGRAM,
				  tp ? IPPROTO_TCP : IPPROTO_UDP);
	int fd;

	if (!s)
		return -ENOMEM;
	s->tcp = tp;
	s->dgram = tp ? NULL : nst_sock_dgram(ep);
	nst_sock_set_user(ep, &s->owner);
	s->hint_tid = tid;
	s->hint_fd = number;
	sock_get(s);
	fd = make_end(s, backlog);
	if (fd < 0)
		sock_close(s, true);
	sock_put(s);
	return fd;
}

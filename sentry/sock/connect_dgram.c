/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connect(2) of datagram and raw sockets: in place, at once. The guest end is
 * connected to the sentry end while the socket has a peer, so that native
 * sends work then and only then.
 */
#include "sentry/sock/dgram_priv.h"
#include "sentry/sock/send.h"

#include <errno.h>
#include <string.h>

#include "sentry/core/errmap.h"

static int reply(struct trap *t, int rc)
{
	return rc < 0 ? trap_reply_err(t, -rc) : trap_reply(t, 0);
}

/* LINUX: AF_INET6 sockets take AF_INET addresses here, V6ONLY ones do not. */
static int parse_peer(const struct sock *s, const struct sockaddr_storage *ss,
		      socklen_t len, struct nst_sockaddr *to)
{
	int64_t only = 0;
	int rc;

	if (len < sizeof(ss->ss_family))
		return -EINVAL;
	if (s->domain != AF_INET6 || ss->ss_family != AF_INET)
		return sockaddr_parse(s->domain, ss, len, to);
	rc = sockaddr_parse(AF_INET, ss, len, to);
	if (rc < 0)
		return rc;
	if (nst_sock_get(nst_dgram_sock(s->dgram), NST_IPV6_V6ONLY, &only) ==
		NST_OK &&
	    only)
		return -EAFNOSUPPORT;
	return 0;
}

static void guest_end_connect(struct sock *s, int gfd)
{
	struct sockaddr_un un;
	socklen_t len = backing_back_addr(s, &un);

	if (sock_make_room(s->sb, s->dg.back_name_fd))
		len = backing_back_addr(s, &un);
	s->dg.connected = connect(gfd, (struct sockaddr *)&un, len) == 0;
}

static void guest_end_disconnect(struct sock *s, int gfd)
{
	struct sockaddr sa = {.sa_family = AF_UNSPEC};

	(void)connect(gfd, &sa, sizeof(sa));
	s->dg.connected = false;
}

/* What is in the guest end came from the old peer: taken back while that is
 * known (and because an AF_UNIX disconnect would purge it). */
static int disconnect_locked(struct sock *s, int gfd)
{
	enum nst_err e;

	datagram_drain_guest(s);
	datagram_reclaim(s, gfd);
	e = nst_dgram_connect(s->dgram, NULL, sandbox_now(s->sb));
	if (e == NST_OK && s->dg.connected)
		guest_end_disconnect(s, gfd);
	datagram_pump(s);
	return e == NST_OK ? 0 : -errno_of(e);
}

static int connect_locked(struct sock *s, int gfd,
			  const struct nst_sockaddr *to)
{
	enum nst_err e;

	if (!dgram_dest_allowed(s, to))
		return -EACCES;
	datagram_drain_guest(s);
	datagram_reclaim(s, gfd);
	e = nst_dgram_connect(s->dgram, to, sandbox_now(s->sb));
	if (e == NST_OK && !s->dg.connected)
		guest_end_connect(s, gfd);
	if (e == NST_OK && !s->dg.connected) {
		e = nst_dgram_connect(s->dgram, NULL, sandbox_now(s->sb));
		e = e == NST_OK ? NST_E_NOBUFS : e;
	}
	datagram_pump(s);
	return e == NST_OK ? 0 : -errno_of(e);
}

enum trap_verdict sys_connect_datagram(struct trap *t)
{
	struct sock *s = t->sock;
	struct sockaddr_storage ss;
	struct nst_sockaddr to = {0};
	socklen_t len = (socklen_t)trap_arg(t, 2);
	int rc = len > sizeof(ss) ? -EINVAL : 0;

	memset(&ss, 0, sizeof(ss));
	if (rc == 0 && len > 0)
		rc = trap_read(t, trap_arg(t, 1), &ss, len);
	if (rc == 0)
		rc = parse_peer(s, &ss, len, &to);
	if (rc < 0 || !trap_valid(t)) {
		(void)reply(t, rc < 0 ? rc : -EINTR);
		return TRAP_DONE;
	}
	if (s->type == SOCK_RAW)
		to.port = 0;
	sandbox_lock(t->sb);
	if (s->dead)
		rc = -EBADF;
	else if (to.addr.family == 0)
		rc = disconnect_locked(s, t->gfd);
	else
		rc = connect_locked(s, t->gfd, &to);
	sandbox_unlock(t->sb);
	(void)reply(t, rc);
	return TRAP_DONE;
}

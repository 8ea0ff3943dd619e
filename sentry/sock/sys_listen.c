/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bind(2) of every socket, listen(2) of streams. A bind only reserves in the
 * netstack. A conflict may be with a socket that the guest has closed already
 * and that nobody noticed: the owners are asked, and the call tried again.
 */
#include "sentry/sock/sock.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "sentry/core/errmap.h"

#define SIN6_LEN_RFC2133 24 /* sockaddr_in6 without its scope */

/* LINUX: bind on AF_INET takes AF_UNSPEC for AF_INET when the address is
 * 0.0.0.0. */
static int unspec_to_any(const struct trap *t, struct nst_sockaddr *a)
{
	struct sockaddr_in in = {0};
	size_t least =
	    t->sock->domain == AF_INET ? sizeof in : SIN6_LEN_RFC2133;

	if ((uint32_t)trap_arg(t, 2) < least)
		return -EINVAL;
	if (t->sock->domain != AF_INET)
		return -EAFNOSUPPORT;
	if (trap_read(t, trap_arg(t, 1), &in, sizeof in) < 0)
		return -EFAULT;
	if (in.sin_addr.s_addr != 0)
		return -EAFNOSUPPORT;
	memset(a, 0, sizeof *a);
	a->addr.family = 4;
	a->port = ntohs(in.sin_port);
	return 0;
}

static int bind_now(struct sock *s, const struct nst_sockaddr *a)
{
	enum nst_err e;

	if (s->dead)
		return EBADF;
	e = nst_sock_bind(sock_nst(s), a);
	if (e == NST_E_ADDRINUSE && a->port && sock_reap_conflicts(s, a->port))
		e = nst_sock_bind(sock_nst(s), a);
	return errno_of(e);
}

enum trap_verdict sys_bind(struct trap *t)
{
	struct nst_sockaddr a = {0};
	int err;

	err = trap_read_sockaddr(t, trap_arg(t, 1), (uint32_t)trap_arg(t, 2),
				 t->sock->domain, &a);
	if (err == 0 && a.addr.family == 0)
		err = unspec_to_any(t, &a);
	if (err == -ESRCH || (err == 0 && !trap_valid(t)))
		return TRAP_DONE;
	if (err < 0)
		return trap_answer(t, err);
	sandbox_lock(t->sb);
	err = bind_now(t->sock, &a);
	sandbox_unlock(t->sb);
	return trap_answer(t, -err);
}

static enum nst_err listen_netstack(struct sock *s, int backlog)
{
	nst_time now = sandbox_now(s->sb);
	struct nst_sockaddr local;
	enum nst_err e = nst_tcp_listen(s->tcp, backlog, now);

	if (e != NST_E_ADDRINUSE)
		return e;
	nst_sock_local(nst_tcp_sock(s->tcp), &local);
	if (local.port && sock_reap_conflicts(s, local.port))
		e = nst_tcp_listen(s->tcp, backlog, now);
	return e;
}

static int listen_now(struct trap *t, int backlog)
{
	struct sock *s = t->sock;
	enum nst_err e;

	if (s->dead)
		return EBADF;
	if (s->state != SOCK_FRESH && s->state != SOCK_LISTENING)
		return EINVAL;
	e = listen_netstack(s, backlog);
	if (e != NST_OK)
		return errno_of(e);
	/* LINUX: both queues take one more than the backlog, and a connection
	 * is in neither while it waits for a place in the guest's.
	 * DEVIATION: two are up at once after listen(0). */
	if (listen(t->gfd, backlog > 0 ? backlog - 1 : backlog) < 0)
		return errno;
	s->state = SOCK_LISTENING;
	s->listen.backlog = backlog;
	listener_link(s);
	return 0;
}

enum trap_verdict sys_listen(struct trap *t)
{
	struct sock *s = t->sock;
	bool renew;
	int err;

	if (s->type != SOCK_STREAM)
		return trap_answer(t, -EOPNOTSUPP);
	sandbox_lock(t->sb);
	renew = s->used_up && (s->state == SOCK_FRESH ||
			       (s->state == SOCK_FAILED && s->connect_told));
	sandbox_unlock(t->sb);
	if (renew && backing_renew(t) < 0)
		return trap_answer(t, -ENOBUFS);
	sandbox_lock(t->sb);
	err = listen_now(t, trap_int(t, 1));
	sandbox_unlock(t->sb);
	return trap_answer(t, -err);
}

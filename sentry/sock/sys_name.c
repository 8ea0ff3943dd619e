/* SPDX-License-Identifier: Apache-2.0 */
/* getsockname(2) and getpeername(2). */
#include "sentry/sock/sock.h"

#include <errno.h>

#include "sentry/core/errmap.h"

static enum trap_verdict write_name(struct trap *t,
				    const struct nst_sockaddr *a)
{
	int rc = trap_write_sockaddr(t, trap_arg(t, 1), trap_arg(t, 2),
				     t->sock->domain, a, false);

	if (rc < 0)
		return trap_answer(t, rc);
	(void)trap_reply(t, 0);
	return TRAP_DONE;
}

enum trap_verdict sys_getsockname(struct trap *t)
{
	struct sock *s = t->sock;
	struct nst_sockaddr a;

	sandbox_lock(t->sb);
	if (s->dead) {
		sandbox_unlock(t->sb);
		return trap_answer(t, -EBADF);
	}
	nst_sock_local(sock_nst(s), &a);
	sandbox_unlock(t->sb);
	/* LINUX: a raw socket's "port" is its protocol. */
	if (s->type == SOCK_RAW)
		a.port = (uint16_t)s->proto;
	return write_name(t, &a);
}

/* LINUX: a stream socket has a peer only while its connection lives; a
 * connecting one (SYN-SENT) has none yet. */
static bool stream_has_peer(const struct sock *s)
{
	switch (nst_tcp_state(s->tcp)) {
	case NST_TCP_CLOSE:
	case NST_TCP_SYN_SENT:
	case NST_TCP_LISTEN:
		return false;
	default:
		return true;
	}
}

enum trap_verdict sys_getpeername(struct trap *t)
{
	struct sock *s = t->sock;
	struct nst_sockaddr a;
	enum nst_err e = NST_E_NOTCONN;

	sandbox_lock(t->sb);
	if (s->dead) {
		sandbox_unlock(t->sb);
		return trap_answer(t, -EBADF);
	}
	if (!s->tcp || stream_has_peer(s))
		e = nst_sock_remote(sock_nst(s), &a);
	sandbox_unlock(t->sb);
	if (e != NST_OK)
		return trap_answer(t, -errno_of(e));
	if (s->type == SOCK_RAW)
		a.port = 0;
	return write_name(t, &a);
}

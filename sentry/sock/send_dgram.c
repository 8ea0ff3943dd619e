/* SPDX-License-Identifier: Apache-2.0 */
/* One datagram from a trapped call into the endpoint (send.h). */
#include "sentry/sock/send.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "sentry/core/errmap.h"
#include "sentry/gateway/policy.h"
#include "sentry/sock/dgram_priv.h"

/* LINUX: the longest UDP or raw payload that is looked at further. */
#define DGRAM_MAX 65535

/* LINUX: udp_sendmsg() takes AF_UNSPEC for AF_INET; udpv6_sendmsg() takes
 * AF_INET too, and AF_UNSPEC as "no address". */
static int parse_dest(const struct sock *s, const struct sockaddr_storage *ss,
		      socklen_t len, struct nst_sockaddr *to)
{
	struct sockaddr_storage v4;

	if (s->domain == AF_INET) {
		v4 = *ss;
		if (len >= sizeof(struct sockaddr_in) &&
		    ss->ss_family == AF_UNSPEC)
			v4.ss_family = AF_INET;
		return sockaddr_parse(AF_INET, &v4, len, to);
	}
	if (len < offsetof(struct sockaddr, sa_data))
		return -EINVAL;
	switch (ss->ss_family) {
	case AF_UNSPEC:
		to->addr.family = 0;
		return 0;
	case AF_INET:
		return sockaddr_parse(AF_INET, ss, len, to);
	case AF_INET6:
		return sockaddr_parse(AF_INET6, ss, len, to);
	default:
		return s->type == SOCK_RAW ? -EAFNOSUPPORT : -EINVAL;
	}
}

static int read_dest(const struct trap *t, const struct msg *m,
		     struct nst_sockaddr *to)
{
	struct sockaddr_storage ss;
	int rc;

	memset(to, 0, sizeof(*to));
	if (m->namelen > sizeof(ss))
		return -EINVAL;
	memset(&ss, 0, sizeof(ss));
	if (m->namelen > 0) {
		rc = trap_read(t, m->name, &ss, m->namelen);
		if (rc < 0)
			return rc;
	}
	rc = parse_dest(t->sock, &ss, m->namelen, to);
	if (!sock_has_ports(t->sock))
		to->port = 0;
	return rc;
}

static int read_control(const struct trap *t, const struct msg *m,
			struct scratch *sc, struct nst_dgram_opts *o)
{
	int rc;

	if (m->control == 0 || m->controllen == 0)
		return 0;
	if (m->controllen > SCRATCH_CTL)
		return -ENOBUFS;
	rc = trap_read(t, m->control, sc->ctl, (size_t)m->controllen);
	if (rc < 0)
		return rc;
	return cmsg_parse(t->sock, sc->ctl, (size_t)m->controllen, o);
}

bool dgram_dest_allowed(const struct sock *s, const struct nst_sockaddr *to)
{
	static const uint8_t any[16];
	size_t n = to->addr.family == 4 ? 4 : 16;

	if (memcmp(to->addr.b, any, n) == 0 ||
	    nst_addr_is_local(s->sb->stack, &to->addr))
		return true;
	return policy_allows(s->sb->opt, (uint8_t)sock_protocol(s), to);
}

/* MSG_MORE gathers one datagram from several calls, as UDP_CORK does. */
static int set_more(struct sock *s, bool more)
{
	struct nst_sock *ns = nst_dgram_sock(s->dgram);
	nst_time now = sandbox_now(s->sb);
	enum nst_err e;

	if (s->dg.more == more)
		return 0;
	e = nst_sock_set(ns, NST_UDP_CORK, more, now);
	if (e != NST_OK)
		return -errno_of(e);
	s->dg.more = more;
	return 0;
}

static bool is_corked(struct sock *s)
{
	int64_t v = 0;

	return nst_sock_get(nst_dgram_sock(s->dgram), NST_UDP_CORK, &v) ==
		   NST_OK &&
	       v != 0;
}

static int check_dest(const struct sock *s, const struct nst_sockaddr *to)
{
	int64_t only = 0;

	if (s->domain == AF_INET6 && to->addr.family == 4 &&
	    nst_sock_get(nst_dgram_sock(s->dgram), NST_IPV6_V6ONLY, &only) ==
		NST_OK &&
	    only)
		return -ENETUNREACH;
	return dgram_dest_allowed(s, to) ? 0 : -EACCES;
}

static int64_t send_locked(struct trap *t, const struct nst_sockaddr *to,
			   const struct nst_iov *iov,
			   const struct nst_dgram_opts *o, unsigned flags)
{
	struct sock *s = t->sock;
	bool more = (flags & MSG_MORE) && sock_has_ports(s);
	enum nst_err e;
	int rc;

	if (s->dead)
		return -EBADF;
	datagram_drain_guest(s);
	rc = datagram_error(s, t->gfd);
	if (rc) {
		datagram_error_clear(s);
		return -rc;
	}
	if (s->dg.unsent)
		return -EAGAIN;
	rc = to ? check_dest(s, to) : 0;
	if (rc == 0 && more && (s->dg.more || !is_corked(s)))
		rc = set_more(s, true);
	if (rc < 0)
		return rc;
	datagram_reap_target(s, to, o);
	e = nst_dgram_send(s->dgram, to, iov, 1, o, sandbox_now(s->sb));
	if (!more && e != NST_E_AGAIN && s->dg.more)
		(void)set_more(s, false);
	if (e == NST_E_AGAIN)
		return -EAGAIN;
	return e == NST_OK ? (int64_t)iov->len : -errno_of(e);
}

int64_t send_datagram(struct trap *t, const struct msg *m, unsigned flags,
		      struct scratch *sc)
{
	struct nst_dgram_opts o = {0};
	struct nst_sockaddr to;
	struct nst_iov iov = {sc->data, 0};
	bool has_to = m->name != 0;
	int64_t n;
	int rc;

	if (m->total > DGRAM_MAX)
		return -EMSGSIZE;
	if (flags & MSG_OOB)
		return -EOPNOTSUPP;
	rc = has_to ? read_dest(t, m, &to) : 0;
	if (rc == 0)
		rc = read_control(t, m, sc, &o);
	if (rc < 0)
		return rc;
	n = trap_gather(t, m->iov, m->niov, sc->data, DGRAM_MAX);
	if (n < 0)
		return n;
	iov.len = (size_t)n;
	o.dontroute = flags & MSG_DONTROUTE;
	o.confirm = flags & MSG_CONFIRM;
	if (!trap_valid(t))
		return -EINTR;
	has_to = has_to && to.addr.family != 0;
	sandbox_lock(t->sb);
	n = send_locked(t, has_to ? &to : NULL, &iov, &o, flags);
	sandbox_unlock(t->sb);
	return n;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socket(2). Creation is always served here and never continued, but for
 * AF_UNIX; a family that the sentry does not serve does not exist. Checks come
 * in the order of LINUX: __sys_socket and inet_create.
 */
#include "sentry/sock/sock.h"

#include <errno.h>
#include <unistd.h>

#define FAMILY_MAX 46     /* LINUX: AF_MAX */
#define TYPE_MASK 0xf     /* LINUX: SOCK_TYPE_MASK */
#define TYPE_MAX 11       /* LINUX: SOCK_MAX */
#define PROTO_MAX 263     /* LINUX: IPPROTO_MAX */
#define RAW_PROTO_MAX 256 /* protocols that fit into an IP header */

/* 0 and the protocol that is meant, or -errno. */
static int proto_of(int domain, int type, int proto)
{
	int ping = domain == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;

	if (proto < 0 || proto >= PROTO_MAX)
		return -EINVAL;
	switch (type) {
	case SOCK_STREAM:
		if (proto != 0 && proto != IPPROTO_TCP)
			return -EPROTONOSUPPORT;
		return IPPROTO_TCP;
	case SOCK_DGRAM:
		if (proto == 0 || proto == IPPROTO_UDP)
			return IPPROTO_UDP;
		return proto == ping ? proto : -EPROTONOSUPPORT;
	case SOCK_RAW:
		if (proto == 0 || proto >= RAW_PROTO_MAX)
			return -EPROTONOSUPPORT;
		return proto;
	default:
		return -ESOCKTNOSUPPORT;
	}
}

/* Makes s and its guest end; returns the end or -errno, s closed. */
static int make_socket(struct trap *t, int type, int proto, struct sock **out)
{
	bool nonblock = trap_int(t, 1) & SOCK_NONBLOCK;
	struct sock *s;
	int fd;

	s = sock_new(t->sb, trap_int(t, 0), type, proto);
	if (!s)
		return -ENOMEM;
	fd = sock_open(s);
	if (fd == 0)
		fd = backing_new(s, nonblock);
	if (fd < 0) {
		sock_close(s, true);
		return fd;
	}
	sock_get(s);
	*out = s;
	return fd;
}

static void install(struct trap *t, struct sock *s, int fd)
{
	int number = trap_reply_fd(t, fd, trap_int(t, 1) & SOCK_CLOEXEC);

	close(fd);
	if (number < 0 && number != -ENOENT)
		(void)trap_reply_err(t, -number);
	sandbox_lock(t->sb);
	if (number < 0) {
		sock_close(s, true);
	} else {
		s->hint_tid = (pid_t)t->n.pid;
		s->hint_fd = number;
	}
	sock_put(s);
	sandbox_unlock(t->sb);
}

static enum trap_verdict refuse(struct trap *t, int err)
{
	(void)trap_reply_err(t, err);
	return TRAP_DONE;
}

enum trap_verdict sys_socket(struct trap *t)
{
	int domain = trap_int(t, 0), type = trap_int(t, 1) & TYPE_MASK;
	int flags = trap_int(t, 1) & ~TYPE_MASK, proto, fd;
	struct sock *s = NULL;

	if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK))
		return refuse(t, EINVAL);
	if (domain == AF_UNIX) {
		(void)trap_reply_continue(t);
		return TRAP_DONE;
	}
	if (domain < 0 || domain >= FAMILY_MAX)
		return refuse(t, EAFNOSUPPORT);
	if (type >= TYPE_MAX)
		return refuse(t, EINVAL);
	if (domain == AF_PACKET ||
	    type == SOCK_PACKET) /* LINUX: needs CAP_NET_RAW */
		return refuse(t, EPERM);
	if (domain != AF_INET && domain != AF_INET6)
		return refuse(t, EAFNOSUPPORT);
	proto = proto_of(domain, type, trap_int(t, 2));
	if (proto < 0)
		return refuse(t, -proto);
	sandbox_lock(t->sb);
	fd = make_socket(t, type, proto, &s);
	if (sock_make_room(t->sb, fd))
		fd = make_socket(t, type, proto, &s);
	sandbox_unlock(t->sb);
	if (fd < 0)
		return refuse(t, -fd);
	install(t, s, fd);
	return TRAP_DONE;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The border between the guest's addresses and the host's: which destinations
 * a guest may reach, and the host sockets that reach them.
 *
 * Stateless. The rule that matters is here and nowhere else: the host's
 * loopback is reached through the gateway's own address (10.0.2.2, fd00::2),
 * and only with --host-loopback. It is checked on the address that is given to
 * the kernel, after mapping, so that no spelling of loopback gets through.
 */
#include "sentry/gateway/gateway_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sentry/core/fds.h"
#include "sentry/core/values.h"
#include "sentry/gateway/policy.h"

void host_addr_from(const struct nst_sockaddr *a, struct host_addr *out)
{
	memset(out, 0, sizeof(*out));
	if (a->addr.family == 4) {
		out->u.in.sin_family = AF_INET;
		out->u.in.sin_port = htons(a->port);
		memcpy(&out->u.in.sin_addr, a->addr.b, 4);
		out->len = sizeof(out->u.in);
		return;
	}
	out->u.in6.sin6_family = AF_INET6;
	out->u.in6.sin6_port = htons(a->port);
	out->u.in6.sin6_scope_id = a->addr.scope;
	memcpy(&out->u.in6.sin6_addr, a->addr.b, 16);
	out->len = sizeof(out->u.in6);
}

bool host_addr_to(const struct sockaddr_storage *ss, struct nst_sockaddr *out)
{
	const union host_sa *u = (const void *)ss;

	memset(out, 0, sizeof(*out));
	if (ss->ss_family == AF_INET) {
		out->addr.family = 4;
		out->port = ntohs(u->in.sin_port);
		memcpy(out->addr.b, &u->in.sin_addr, 4);
		return true;
	}
	if (ss->ss_family != AF_INET6)
		return false;
	out->port = ntohs(u->in6.sin6_port);
	if (IN6_IS_ADDR_V4MAPPED(&u->in6.sin6_addr)) {
		out->addr.family = 4;
		memcpy(out->addr.b, u->in6.sin6_addr.s6_addr + 12, 4);
		return true;
	}
	out->addr.family = 6;
	out->addr.scope = u->in6.sin6_scope_id;
	memcpy(out->addr.b, &u->in6.sin6_addr, 16);
	return true;
}

/* LINUX: connect() to 0.0.0.0 or :: reaches loopback. */
bool host_addr_is_loopback(const struct host_addr *a)
{
	const struct in6_addr *v6 = &a->u.in6.sin6_addr;
	uint8_t first;

	if (a->u.sa.sa_family == AF_INET) {
		memcpy(&first, &a->u.in.sin_addr, 1);
		return first == 0 || first == 127;
	}
	return IN6_IS_ADDR_UNSPECIFIED(v6) || IN6_IS_ADDR_LOOPBACK(v6) ||
	       IN6_IS_ADDR_V4MAPPED(v6);
}

static bool in_prefix(const struct nst_addr *a, const struct nst_addr *net,
		      uint8_t len)
{
	uint8_t mask = (uint8_t)(0xff00 >> (len % 8));

	if (a->family != net->family || len == 0)
		return false;
	if (memcmp(a->b, net->b, len / 8) != 0)
		return false;
	return len % 8 == 0 || ((a->b[len / 8] ^ net->b[len / 8]) & mask) == 0;
}

/* Nobody else lives on the guest's virtual network. A host route (/32) or a
 * prefix of nothing has no such network. */
static bool is_virtual(const struct options *o, const struct nst_addr *a)
{
	if (a->family == 4)
		return in_prefix(a, &o->ip4, o->ip4_len);
	return in_prefix(a, &o->ip6, o->ip6_len);
}

/* Multicast, broadcast, class E; link-local IPv6, which needs an interface. */
static bool must_not_leave(const struct nst_addr *a)
{
	if (a->family == 4)
		return a->b[0] >= 224;
	return a->b[0] == 0xff || (a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80);
}

static void host_loopback(uint8_t family, uint16_t port, struct host_addr *out)
{
	struct nst_sockaddr lo = {.addr.family = family, .port = port};

	if (family == 4) {
		lo.addr.b[0] = 127;
		lo.addr.b[3] = 1;
	} else {
		lo.addr.b[15] = 1;
	}
	host_addr_from(&lo, out);
}

enum nst_err host_map(const struct gateway *gw, uint8_t proto,
		      const struct nst_sockaddr *dst, struct host_addr *out)
{
	const struct options *o = gw->sb->opt;

	if (!policy_allows(o, proto, dst))
		return NST_E_ACCES;
	if (value_addr_eq(&dst->addr, &o->gw4) ||
	    value_addr_eq(&dst->addr, &o->gw6)) {
		if (!o->host_loopback)
			return NST_E_CONNREFUSED;
		host_loopback(dst->addr.family, dst->port, out);
		return NST_OK;
	}
	if (nst_addr_is_local(gw->stack, &dst->addr))
		return NST_E_CONNREFUSED;
	if (must_not_leave(&dst->addr))
		return NST_E_NETUNREACH;
	if (is_virtual(o, &dst->addr))
		return NST_E_HOSTUNREACH;
	host_addr_from(dst, out);
	return host_addr_is_loopback(out) ? NST_E_NETUNREACH : NST_OK;
}

int host_socket(struct gateway *gw, int family, int type, int proto)
{
	int on = 1;
	int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, proto);

	fd = fds_lasting(gw->sb, fd < 0 ? -errno : fd);
	if (fd == -EMFILE || fd == -ENFILE)
		gw->count.NoFds++;
	if (fd < 0)
		return fd;
	if (family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0 &&
	    type != SOCK_RAW) {
		close(fd);
		return -EAFNOSUPPORT;
	}
	return fd;
}

void host_close(struct gateway *gw, struct loop_op *op, int fd)
{
	if (op && fd >= 0)
		loop_cancel_close(gw->sb->loop, op, fd);
	else if (op)
		loop_cancel(gw->sb->loop, op);
	else if (fd >= 0)
		close(fd);
}

size_t host_fd_share(size_t max, size_t part)
{
	struct rlimit rl;
	size_t share;

	if (getrlimit(RLIMIT_NOFILE, &rl) < 0 || rl.rlim_cur == RLIM_INFINITY)
		return max;
	share = (size_t)rl.rlim_cur / part;
	return share < max ? share : max;
}

bool gw_forged_source(struct gateway *gw, const struct nst_addr *src)
{
	if (!nst_addr_is_local(gw->stack, src))
		return false;
	gw->count.BadSource++;
	return true;
}

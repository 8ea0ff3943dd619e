/* SPDX-License-Identifier: Apache-2.0 */
/* Options of SOL_IP, SOL_IPV6 and raw sockets that are more than a number:
 * multicast and filters (sockopt.h). */
#include "sentry/sock/dgram_priv.h"
#include "sentry/sock/sockopt.h"

#include <errno.h>
#include <string.h>

#include "sentry/core/errmap.h"

#define IP_OPTIONS_MAX 40

/* LINUX: taking options off is allowed; putting any on is not served. */
int opt_set_ip_options(struct sock *s, struct opt_io *io)
{
	(void)s;
	if (io->len > IP_OPTIONS_MAX)
		return -EINVAL;
	return io->len == 0 ? 0 : -ENOPROTOOPT;
}

/* ---- which interface ---- */

/* The interface that has this IPv4 address; 0: none. */
static uint32_t nic_of_addr(const struct sock *s, struct in_addr a)
{
	struct nst_ifaddr ifa;

	for (size_t i = 0; nst_addr_at(s->sb->stack, i, &ifa); i++) {
		if (ifa.addr.family == 4 && memcmp(ifa.addr.b, &a, 4) == 0)
			return ifa.ifindex;
	}
	return 0;
}

static bool nic_exists(const struct sock *s, uint32_t ifindex)
{
	struct nst_nic_info info;

	return nst_nic_get(s->sb->stack, ifindex, &info) == NST_OK;
}

/* LINUX: struct ip_mreqn, or struct ip_mreq, or (IP_MULTICAST_IF) the local
 * address alone, by length. */
static int read_mreq(const struct opt_io *io, bool addr_alone,
		     struct ip_mreqn *m)
{
	memset(m, 0, sizeof(*m));
	if (io->len >= sizeof(*m)) {
		memcpy(m, io->v, sizeof(*m));
		return 0;
	}
	if (io->len >= sizeof(struct ip_mreq)) {
		memcpy(m, io->v, sizeof(struct ip_mreq));
		return 0;
	}
	if (!addr_alone || io->len < sizeof(struct in_addr))
		return -EINVAL;
	memcpy(&m->imr_address, io->v, sizeof(struct in_addr));
	return 0;
}

int opt_set_mc_if(struct sock *s, struct opt_io *io)
{
	struct ip_mreqn m;
	uint32_t ifindex;
	enum nst_err e;

	if (s->type == SOCK_STREAM || read_mreq(io, true, &m) < 0)
		return -EINVAL;
	ifindex = (uint32_t)m.imr_ifindex;
	if (ifindex == 0 && m.imr_address.s_addr != INADDR_ANY) {
		ifindex = nic_of_addr(s, m.imr_address);
		if (ifindex == 0)
			return -EADDRNOTAVAIL;
	}
	if (ifindex != 0 && !nic_exists(s, ifindex))
		return -EADDRNOTAVAIL;
	e = nst_sock_set(sock_nst(s), NST_IP_MULTICAST_IF, ifindex,
			 sandbox_now(s->sb));
	if (e == NST_OK)
		s->dg.mc_addr = m.imr_address;
	return -errno_of(e);
}

int opt_get_mc_if(struct sock *s, struct opt_io *io)
{
	memcpy(io->v, &s->dg.mc_addr, sizeof(s->dg.mc_addr));
	io->len = sizeof(s->dg.mc_addr);
	return 0;
}

int opt_set_mc_if6(struct sock *s, struct opt_io *io)
{
	uint32_t ifindex;

	memcpy(&ifindex, io->v, sizeof(ifindex));
	if (ifindex != 0 && !nic_exists(s, ifindex))
		return -ENODEV;
	return -errno_of(nst_sock_set(sock_nst(s), NST_IPV6_MULTICAST_IF,
				      ifindex, sandbox_now(s->sb)));
}

/* LINUX: anyone may ask; only raw sockets may say. */
int opt_get_hdrincl(struct sock *s, struct opt_io *io)
{
	int64_t on = 0;
	int v;

	if (nst_sock_get(sock_nst(s), NST_IP_HDRINCL, &on) != NST_OK)
		on = 0;
	v = (int)on;
	memcpy(io->v, &v, sizeof(v));
	io->len = sizeof(v);
	return 0;
}

/* ---- membership ---- */

static int change(struct sock *s, bool join, const struct nst_addr *group,
		  uint32_t ifindex)
{
	nst_time now = sandbox_now(s->sb);
	enum nst_err e;

	if (join)
		e = nst_dgram_join(s->dgram, group, ifindex, now);
	else
		e = nst_dgram_leave(s->dgram, group, ifindex, now);
	return e == NST_E_EXIST ? -EADDRINUSE : -errno_of(e);
}

static int change4(struct sock *s, bool join, struct in_addr group,
		   struct in_addr local, uint32_t ifindex)
{
	struct nst_addr g = {.family = 4};

	if (!IN_MULTICAST(ntohl(group.s_addr)))
		return join ? -EINVAL : -EADDRNOTAVAIL;
	if (ifindex == 0 && local.s_addr != INADDR_ANY) {
		ifindex = nic_of_addr(s, local);
		if (ifindex == 0)
			return -ENODEV;
	}
	if (ifindex != 0 && !nic_exists(s, ifindex))
		return -ENODEV;
	memcpy(g.b, &group, 4);
	return change(s, join, &g, ifindex);
}

/* LINUX: EPROTO, a stream socket is of another kind. */
int opt_set_membership(struct sock *s, struct opt_io *io)
{
	struct ip_mreqn m;

	if (!s->dgram)
		return -EPROTO;
	if (read_mreq(io, false, &m) < 0)
		return -EINVAL;
	return change4(s, io->o->name == IP_ADD_MEMBERSHIP, m.imr_multiaddr,
		       m.imr_address, (uint32_t)m.imr_ifindex);
}

static int change6(struct sock *s, bool join, const struct in6_addr *group,
		   uint32_t ifindex)
{
	struct nst_addr g = {.family = 6};

	if (!IN6_IS_ADDR_MULTICAST(group))
		return -EINVAL;
	if (ifindex != 0 && !nic_exists(s, ifindex))
		return -ENODEV;
	memcpy(g.b, group, 16);
	if (IN6_IS_ADDR_MC_LINKLOCAL(group))
		g.scope = ifindex;
	return change(s, join, &g, ifindex);
}

int opt_set_membership6(struct sock *s, struct opt_io *io)
{
	struct ipv6_mreq m;

	if (io->len < sizeof(m))
		return -EINVAL;
	if (!s->dgram)
		return -EPROTO;
	memcpy(&m, io->v, sizeof(m));
	return change6(s, io->o->name == IPV6_JOIN_GROUP, &m.ipv6mr_multiaddr,
		       m.ipv6mr_interface);
}

/* MCAST_JOIN_GROUP, MCAST_LEAVE_GROUP at either level (RFC 3678). */
int opt_set_group(struct sock *s, struct opt_io *io)
{
	bool join = io->o->name == MCAST_JOIN_GROUP;
	struct in_addr any = {INADDR_ANY};
	struct group_req g;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (io->len < sizeof(g))
		return -EINVAL;
	if (!s->dgram)
		return -EPROTO;
	memcpy(&g, io->v, sizeof(g));
	if (io->o->level == SOL_IP) {
		memcpy(&in, &g.gr_group, sizeof(in));
		if (in.sin_family != AF_INET)
			return -EINVAL;
		return change4(s, join, in.sin_addr, any, g.gr_interface);
	}
	memcpy(&in6, &g.gr_group, sizeof(in6));
	if (in6.sin6_family != AF_INET6)
		return -EADDRNOTAVAIL;
	return change6(s, join, &in6.sin6_addr, g.gr_interface);
}

/* ---- source filters ---- */

/* What an option of either interface asks for. LINUX: MCAST_BLOCK_SOURCE and
 * its like have one number at both levels, apart from IP_BLOCK_SOURCE's. */
static void source_kind(int name, struct nst_mc_source *q)
{
	q->include = name == IP_ADD_SOURCE_MEMBERSHIP ||
		     name == IP_DROP_SOURCE_MEMBERSHIP ||
		     name == MCAST_JOIN_SOURCE_GROUP ||
		     name == MCAST_LEAVE_SOURCE_GROUP;
	q->add = name == IP_ADD_SOURCE_MEMBERSHIP || name == IP_BLOCK_SOURCE ||
		 name == MCAST_JOIN_SOURCE_GROUP || name == MCAST_BLOCK_SOURCE;
}

static int change_source(struct sock *s, struct opt_io *io,
			 struct nst_mc_source *q)
{
	/* DEVIATION: a TCP socket has no groups at all (LINUX: these options
	 * forget to refuse). */
	if (!s->dgram)
		return -EPROTO;
	if (q->ifindex != 0 && !nic_exists(s, q->ifindex))
		return -ENODEV;
	source_kind(io->o->name, q);
	return -errno_of(nst_dgram_source(s->dgram, q, sandbox_now(s->sb)));
}

int opt_set_source(struct sock *s, struct opt_io *io)
{
	struct nst_mc_source q = {.group.family = 4, .source.family = 4};
	struct ip_mreq_source m;

	if (io->len != sizeof(m))
		return -EINVAL;
	memcpy(&m, io->v, sizeof(m));
	if (!IN_MULTICAST(ntohl(m.imr_multiaddr.s_addr)))
		return -EINVAL;
	if (m.imr_interface.s_addr != INADDR_ANY) {
		q.ifindex = nic_of_addr(s, m.imr_interface);
		if (q.ifindex == 0)
			return -ENODEV;
	}
	memcpy(q.group.b, &m.imr_multiaddr, 4);
	memcpy(q.source.b, &m.imr_sourceaddr, 4);
	return change_source(s, io, &q);
}

/* Of family; false: it is of another. */
static bool get_addr(const struct sockaddr_storage *ss, int family,
		     struct nst_addr *a)
{
	struct sockaddr_in6 six;
	struct sockaddr_in four;

	if (ss->ss_family != family)
		return false;
	if (family == AF_INET) {
		memcpy(&four, ss, sizeof(four));
		a->family = 4;
		memcpy(a->b, &four.sin_addr, 4);
	} else {
		memcpy(&six, ss, sizeof(six));
		a->family = 6;
		memcpy(a->b, &six.sin6_addr, 16);
	}
	return true;
}

/* MCAST_*_SOURCE* at either level (RFC 3678 5.1). */
int opt_set_group_source(struct sock *s, struct opt_io *io)
{
	int family = io->o->level == SOL_IP ? AF_INET : AF_INET6;
	struct nst_mc_source q = {0};
	struct group_source_req g;

	if (io->len < sizeof(g))
		return -EINVAL;
	memcpy(&g, io->v, sizeof(g));
	if (!get_addr(&g.gsr_group, family, &q.group) ||
	    !get_addr(&g.gsr_source, family, &q.source))
		return -EADDRNOTAVAIL;
	q.ifindex = g.gsr_interface;
	if (family == AF_INET6 && q.group.b[0] == 0xff &&
	    (q.group.b[1] & 15) == 2)
		q.group.scope = q.ifindex;
	return change_source(s, io, &q);
}

/* ---- ICMP_FILTER, ICMP6_FILTER ---- */

/* Bytes of the filter; 0: not this kind of socket. */
static uint32_t filter_bytes(const struct sock *s, const struct opt_io *io)
{
	if (io->o->level == SOL_RAW)
		return s->domain == AF_INET && s->proto == IPPROTO_ICMP ? 4 : 0;
	return s->proto == IPPROTO_ICMPV6 ? 32 : 0;
}

int opt_set_icmp_filter(struct sock *s, struct opt_io *io)
{
	uint32_t max = filter_bytes(s, io);

	if (max == 0)
		return -EOPNOTSUPP;
	memcpy(s->dg.icmp_filter, io->v, io->len < max ? io->len : max);
	nst_dgram_icmp_filter(s->dgram, s->dg.icmp_filter);
	return 0;
}

int opt_get_icmp_filter(struct sock *s, struct opt_io *io)
{
	uint32_t max = filter_bytes(s, io);

	if (max == 0)
		return -EOPNOTSUPP;
	memcpy(io->v, s->dg.icmp_filter, max);
	io->len = max;
	return 0;
}

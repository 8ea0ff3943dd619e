/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams of UDP, ping and raw sockets in and out, with control messages.
 * LINUX: udp_sendmsg(), udp_recvmsg(), ip_cmsg_recv_offset(). */
#include "tools/packetdrill-adapter/ad_priv.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sentry/core/errmap.h"
#include "sentry/sock/sockaddr_words.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define DGRAM_MAX 65535

/* ---- sending ---- */

static int cmsg_number(const struct cmsghdr *c, int lo, int hi, uint8_t *out,
		       bool *has)
{
	int v;

	if (c->cmsg_len != CMSG_LEN(sizeof(v)))
		return -EINVAL;
	memcpy(&v, CMSG_DATA(c), sizeof(v));
	if (v < lo || v > hi)
		return -EINVAL;
	*has = v >= 0;
	*out = (uint8_t)v;
	return 0;
}

static int cmsg_v4(const struct cmsghdr *c, struct nst_dgram_opts *o)
{
	struct in_pktinfo pi;

	switch (c->cmsg_type) {
	case IP_TTL:
		return cmsg_number(c, 1, 255, &o->ttl, &o->has_ttl);
	case IP_TOS:
		return cmsg_number(c, 0, 255, &o->tos, &o->has_tos);
	case IP_PKTINFO:
		if (c->cmsg_len != CMSG_LEN(sizeof(pi)))
			return -EINVAL;
		memcpy(&pi, CMSG_DATA(c), sizeof(pi));
		o->ifindex = (uint32_t)pi.ipi_ifindex;
		o->has_src = pi.ipi_spec_dst.s_addr != INADDR_ANY;
		o->src.family = 4;
		memcpy(o->src.b, &pi.ipi_spec_dst, 4);
		return 0;
	default:
		return -EINVAL;
	}
}

static int cmsg_v6(const struct cmsghdr *c, struct nst_dgram_opts *o)
{
	switch (c->cmsg_type) {
	case IPV6_HOPLIMIT:
		return cmsg_number(c, -1, 255, &o->ttl, &o->has_ttl);
	case IPV6_TCLASS:
		return cmsg_number(c, -1, 255, &o->tos, &o->has_tos);
	default:
		return -EINVAL;
	}
}

static int cmsg_in(const struct file *f, const struct msghdr *m,
		   struct nst_dgram_opts *o)
{
	struct cmsghdr *c;
	int rc = 0;

	for (c = CMSG_FIRSTHDR(m); c && rc == 0;
	     c = CMSG_NXTHDR((struct msghdr *)(uintptr_t)m, c)) {
		if (c->cmsg_len < sizeof(*c))
			return -EINVAL;
		if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_SEGMENT &&
		    c->cmsg_len == CMSG_LEN(sizeof(o->gso_size)))
			memcpy(&o->gso_size, CMSG_DATA(c), sizeof(o->gso_size));
		else if (c->cmsg_level == SOL_IP)
			rc = cmsg_v4(c, o);
		else if (c->cmsg_level == SOL_IPV6 && f->domain == AF_INET6)
			rc = cmsg_v6(c, o);
		else
			rc = -EINVAL;
	}
	return rc;
}

static int dest_of(const struct file *f, const struct msghdr *m,
		   struct nst_sockaddr *to, bool *has)
{
	int rc;

	*has = m->msg_name && m->msg_namelen > 0;
	if (!*has)
		return 0;
	rc = sockaddr_parse(f->domain, m->msg_name, m->msg_namelen, to);
	if (rc == 0 && to->addr.family == 0)
		return -EAFNOSUPPORT;
	return rc;
}

ssize_t dgram_send(struct file *f, const struct msghdr *m, int flags)
{
	ssize_t total = iov_bytes(m->msg_iov, m->msg_iovlen);
	nst_time deadline = file_deadline(f, f->sndtimeo);
	struct nst_dgram_opts o = {.dontroute = flags & MSG_DONTROUTE};
	struct nst_sockaddr to;
	struct nst_iov iov;
	enum nst_err e;
	bool has;
	int rc;

	if (total < 0)
		return total;
	if (total > DGRAM_MAX)
		return -EMSGSIZE;
	if (flags & MSG_OOB)
		return -EOPNOTSUPP;
	rc = dest_of(f, m, &to, &has);
	if (rc == 0)
		rc = cmsg_in(f, m, &o);
	if (rc < 0)
		return rc;
	iov.len = (size_t)total;
	iov.p = malloc(iov.len + 1);
	if (!iov.p)
		return -ENOMEM;
	(void)iov_copy_in(m, 0, iov.p, iov.len);
	do {
		e = nst_dgram_send(f->dgram, has ? &to : NULL, &iov, 1, &o,
				   f->w->now);
	} while (e == NST_E_AGAIN && !file_nonblock(f, flags) &&
		 world_wait(f->w, deadline) == 0 && f->dgram);
	free(iov.p);
	return e == NST_OK ? total : -errno_of(e);
}

/* ---- receiving ---- */

static int64_t opt_of(const struct file *f, enum nst_opt opt)
{
	int64_t v = 0;

	return nst_sock_get(file_sock(f), opt, &v) == NST_OK ? v : 0;
}

static void put_stamp(const struct file *f, const struct nst_dgram_in *in,
		      struct msghdr *m, size_t *used)
{
	int64_t mode = opt_of(f, NST_SO_TIMESTAMP);
	struct timespec ts = {.tv_sec = in->when / NST_SEC,
			      .tv_nsec = in->when % NST_SEC};
	struct timeval tv = {.tv_sec = ts.tv_sec, .tv_usec = ts.tv_nsec / 1000};

	if (mode == 1)
		cmsg_add(m, used, SOL_SOCKET, SO_TIMESTAMP, &tv, sizeof(tv));
	else if (mode == 2)
		cmsg_add(m, used, SOL_SOCKET, SO_TIMESTAMPNS, &ts, sizeof(ts));
}

static void put_v4(const struct file *f, const struct nst_dgram_in *in,
		   struct msghdr *m, size_t *used)
{
	struct in_pktinfo pi = {.ipi_ifindex = (int)in->ifindex};
	int ttl = in->ttl;

	if (opt_of(f, NST_IP_PKTINFO)) {
		memcpy(&pi.ipi_spec_dst, in->spec_dst.b, 4);
		memcpy(&pi.ipi_addr, in->dst.addr.b, 4);
		cmsg_add(m, used, SOL_IP, IP_PKTINFO, &pi, sizeof(pi));
	}
	if (opt_of(f, NST_IP_RECVTTL))
		cmsg_add(m, used, SOL_IP, IP_TTL, &ttl, sizeof(ttl));
	if (opt_of(f, NST_IP_RECVTOS))
		cmsg_add(m, used, SOL_IP, IP_TOS, &in->tos, 1);
}

static void put_v6(const struct file *f, const struct nst_dgram_in *in,
		   struct msghdr *m, size_t *used)
{
	struct in6_pktinfo pi = {.ipi6_ifindex = in->ifindex};
	int ttl = in->ttl, tos = in->tos;

	if (opt_of(f, NST_IPV6_RECVPKTINFO)) {
		memcpy(&pi.ipi6_addr, in->dst.addr.b, 16);
		cmsg_add(m, used, SOL_IPV6, IPV6_PKTINFO, &pi, sizeof(pi));
	}
	if (opt_of(f, NST_IPV6_RECVHOPLIMIT))
		cmsg_add(m, used, SOL_IPV6, IPV6_HOPLIMIT, &ttl, sizeof(ttl));
	if (opt_of(f, NST_IPV6_RECVTCLASS))
		cmsg_add(m, used, SOL_IPV6, IPV6_TCLASS, &tos, sizeof(tos));
}

static ssize_t deliver(struct file *f, const struct nst_dgram_in *in,
		       struct msghdr *m, int flags)
{
	size_t n = iov_copy_out(m, 0, in->data, in->bytes), used = 0;
	int gro = in->gro_size;

	if (n < in->bytes)
		m->msg_flags |= MSG_TRUNC;
	addr_out(f->domain, &in->src, m->msg_name, &m->msg_namelen);
	put_stamp(f, in, m, &used);
	if (gro > 0 && opt_of(f, NST_UDP_GRO))
		cmsg_add(m, &used, SOL_UDP, UDP_GRO, &gro, sizeof(gro));
	if (in->dst.addr.family == 4)
		put_v4(f, in, m, &used);
	else
		put_v6(f, in, m, &used);
	m->msg_controllen = used;
	n = flags & MSG_TRUNC ? in->bytes : n;
	if (!(flags & MSG_PEEK))
		nst_dgram_pop(f->dgram);
	return (ssize_t)n;
}

static ssize_t dgram_errqueue(struct file *f, struct msghdr *m)
{
	struct nst_dgram_err e;
	struct nst_sockaddr from = {0};
	struct sockaddr_storage ss;
	bool v6 = f->domain == AF_INET6;
	size_t used = 0, n;
	socklen_t len;
	struct {
		struct sock_extended_err ee;
		struct sockaddr_in6 offender;
	} d;

	if (nst_dgram_err_peek(f->dgram, &e) != NST_OK)
		return -EAGAIN;
	memset(&d, 0, sizeof(d));
	d.ee.ee_errno = (uint32_t)errno_of(e.err);
	d.ee.ee_origin = e.origin;
	d.ee.ee_type = e.type;
	d.ee.ee_code = e.code;
	d.ee.ee_info = e.info;
	from.addr = e.offender;
	len = v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	if (from.addr.family != 0) {
		len = sockaddr_build(f->domain, &from, &ss);
		memcpy(&d.offender, &ss, len);
	}
	n = iov_copy_out(m, 0, e.data, e.bytes);
	if (n < e.bytes)
		m->msg_flags |= MSG_TRUNC;
	addr_out(f->domain, &e.dst, m->msg_name, &m->msg_namelen);
	cmsg_add(m, &used, v6 ? SOL_IPV6 : SOL_IP,
		 v6 ? IPV6_RECVERR : IP_RECVERR, &d, sizeof(d.ee) + len);
	m->msg_controllen = used;
	m->msg_flags |= MSG_ERRQUEUE;
	nst_dgram_err_pop(f->dgram);
	return (ssize_t)n;
}

ssize_t dgram_recv(struct file *f, struct msghdr *m, int flags)
{
	nst_time deadline = file_deadline(f, f->rcvtimeo);
	ssize_t total = iov_bytes(m->msg_iov, m->msg_iovlen);
	struct nst_dgram_in in;
	int err;

	if (total < 0)
		return total;
	m->msg_flags = 0;
	if (flags & MSG_ERRQUEUE)
		return dgram_errqueue(f, m);
	if (flags & MSG_OOB)
		return -EOPNOTSUPP;
	for (;;) {
		err = file_error(f);
		if (err)
			return -err;
		if (nst_dgram_peek(f->dgram, &in) == NST_OK)
			return deliver(f, &in, m, flags);
		if (f->shut_rd)
			return 0;
		if (file_nonblock(f, flags) || world_wait(f->w, deadline) < 0)
			return -EAGAIN;
		if (!f->dgram)
			return -EBADF;
	}
}

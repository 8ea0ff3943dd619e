/* SPDX-License-Identifier: Apache-2.0 */
/* Control messages, both ways (msg.h). */
#include "sentry/sock/msg.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/udp.h>
#include <string.h>
#include <time.h>

#include "sentry/core/errmap.h"

#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef IPV6_ORIGDSTADDR
#define IPV6_ORIGDSTADDR 74
#endif

/* ---- to the guest ---- */

void cmsg_out_init(struct cmsg_out *c, const struct msg *m)
{
	c->used = 0;
	c->flags = 0;
	c->room = m->control ? (size_t)m->controllen : 0;
	if (c->room > sizeof(c->buf))
		c->room = sizeof(c->buf);
}

void cmsg_put(struct cmsg_out *c, int level, int type, const void *data,
	      size_t bytes)
{
	struct cmsghdr h = {.cmsg_len = CMSG_LEN(bytes),
			    .cmsg_level = level,
			    .cmsg_type = type};
	size_t left = c->room - c->used;
	size_t space = CMSG_SPACE(bytes);

	if (left < sizeof(h)) {
		c->flags |= MSG_CTRUNC;
		return;
	}
	if (left < h.cmsg_len) {
		c->flags |= MSG_CTRUNC;
		h.cmsg_len = left;
	}
	memset(c->buf + c->used, 0, left < space ? left : space);
	memcpy(c->buf + c->used, &h, sizeof(h));
	memcpy(c->buf + c->used + sizeof(h), data, h.cmsg_len - sizeof(h));
	c->used += left < space ? left : space;
}

static bool wants(const struct sock *s, enum nst_opt opt)
{
	int64_t v = 0;

	return nst_sock_get(nst_dgram_sock(s->dgram), opt, &v) == NST_OK &&
	       v > 0;
}

static void put_int(struct cmsg_out *c, int level, int type, int v)
{
	cmsg_put(c, level, type, &v, sizeof(v));
}

/* Arrival on the guest's wall clock: `when` is on the stack's. */
static void put_timestamp(const struct sock *s, const struct nst_dgram_in *in,
			  struct cmsg_out *c)
{
	struct timespec ts;
	struct timeval tv;
	int64_t wall, mode = 0;

	if (nst_sock_get(nst_dgram_sock(s->dgram), NST_SO_TIMESTAMP, &mode) !=
		NST_OK ||
	    mode == 0)
		return;
	clock_gettime(CLOCK_REALTIME, &ts);
	wall = ts.tv_sec * NST_SEC + ts.tv_nsec;
	if (in->when > 0)
		wall -= sandbox_now(s->sb) - in->when;
	ts.tv_sec = wall / NST_SEC;
	ts.tv_nsec = wall % NST_SEC;
	if (mode == 2) {
		cmsg_put(c, SOL_SOCKET, SO_TIMESTAMPNS, &ts, sizeof(ts));
		return;
	}
	tv.tv_sec = ts.tv_sec;
	tv.tv_usec = ts.tv_nsec / 1000;
	cmsg_put(c, SOL_SOCKET, SO_TIMESTAMP, &tv, sizeof(tv));
}

/* LINUX: the order of ip_cmsg_recv_offset(). */
static void put_ip4(const struct sock *s, const struct nst_dgram_in *in,
		    struct cmsg_out *c)
{
	struct sockaddr_storage ss;
	struct in_pktinfo pi = {.ipi_ifindex = (int)in->ifindex};

	if (wants(s, NST_IP_PKTINFO)) {
		memcpy(&pi.ipi_spec_dst, in->spec_dst.b, 4);
		memcpy(&pi.ipi_addr, in->dst.addr.b, 4);
		cmsg_put(c, SOL_IP, IP_PKTINFO, &pi, sizeof(pi));
	}
	if (wants(s, NST_IP_RECVTTL))
		put_int(c, SOL_IP, IP_TTL, in->ttl);
	if (wants(s, NST_IP_RECVTOS))
		cmsg_put(c, SOL_IP, IP_TOS, &in->tos, 1);
	if (wants(s, NST_IP_RECVORIGDSTADDR))
		cmsg_put(c, SOL_IP, IP_ORIGDSTADDR, &ss,
			 sockaddr_build(AF_INET, &in->dst, &ss));
}

static void put_pktinfo6(const struct nst_dgram_in *in, struct cmsg_out *c)
{
	struct sockaddr_storage ss;
	struct in6_pktinfo pi = {.ipi6_ifindex = in->ifindex};
	struct sockaddr_in6 in6;

	(void)sockaddr_build(AF_INET6, &in->dst, &ss);
	memcpy(&in6, &ss, sizeof(in6));
	pi.ipi6_addr = in6.sin6_addr;
	cmsg_put(c, SOL_IPV6, IPV6_PKTINFO, &pi, sizeof(pi));
}

static void put_ip6(const struct sock *s, const struct nst_dgram_in *in,
		    struct cmsg_out *c)
{
	struct sockaddr_storage ss;

	if (wants(s, NST_IPV6_RECVPKTINFO))
		put_pktinfo6(in, c);
	if (in->dst.addr.family != 6)
		return;
	if (wants(s, NST_IPV6_RECVHOPLIMIT))
		put_int(c, SOL_IPV6, IPV6_HOPLIMIT, in->ttl);
	if (wants(s, NST_IPV6_RECVTCLASS))
		put_int(c, SOL_IPV6, IPV6_TCLASS, in->tos);
	if (wants(s, NST_IP_RECVORIGDSTADDR))
		cmsg_put(c, SOL_IPV6, IPV6_ORIGDSTADDR, &ss,
			 sockaddr_build(AF_INET6, &in->dst, &ss));
}

void cmsg_of_datagram(const struct sock *s, const struct nst_dgram_in *in,
		      struct cmsg_out *c)
{
	put_timestamp(s, in, c);
	if (in->gro_size > 0 && wants(s, NST_UDP_GRO))
		put_int(c, SOL_UDP, UDP_GRO, in->gro_size);
	if (in->dst.addr.family == 4)
		put_ip4(s, in, c);
	if (s->domain == AF_INET6)
		put_ip6(s, in, c);
}

void cmsg_of_error(const struct sock *s, const struct nst_dgram_err *e,
		   struct cmsg_out *c)
{
	struct nst_sockaddr off = {.addr = e->offender};
	struct sockaddr_storage ss;
	bool v6 = s->domain == AF_INET6;
	struct {
		struct sock_extended_err ee;
		struct sockaddr_in6 offender;
	} d;
	socklen_t len;

	memset(&d, 0, sizeof(d));
	d.ee.ee_errno = (uint32_t)errno_of(e->err);
	d.ee.ee_origin = e->origin;
	d.ee.ee_type = e->type;
	d.ee.ee_code = e->code;
	d.ee.ee_info = e->info;
	len = v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	if (off.addr.family != 0) {
		len = sockaddr_build(v6 ? AF_INET6 : AF_INET, &off, &ss);
		memcpy(&d.offender, &ss, len);
	}
	cmsg_put(c, v6 ? SOL_IPV6 : SOL_IP, v6 ? IPV6_RECVERR : IP_RECVERR, &d,
		 sizeof(d.ee) + len);
}

/* ---- from the guest ---- */

struct cmsg_in {
	int level, type;
	const uint8_t *data;
	size_t bytes;
};

/* The next one; 0: past the last, -EINVAL: malformed. LINUX: CMSG_OK. */
static int next_cmsg(const uint8_t *ctl, size_t bytes, size_t *pos,
		     struct cmsg_in *out)
{
	struct cmsghdr h;

	if (*pos > bytes || bytes - *pos < sizeof(h))
		return 0;
	memcpy(&h, ctl + *pos, sizeof(h));
	if (h.cmsg_len < sizeof(h) || h.cmsg_len > bytes - *pos)
		return -EINVAL;
	out->level = h.cmsg_level;
	out->type = h.cmsg_type;
	out->data = ctl + *pos + sizeof(h);
	out->bytes = h.cmsg_len - sizeof(h);
	*pos += CMSG_ALIGN(h.cmsg_len);
	return 1;
}

static int get_int(const struct cmsg_in *c, int lo, int hi, int *v)
{
	if (c->bytes != sizeof(*v))
		return -EINVAL;
	memcpy(v, c->data, sizeof(*v));
	return *v < lo || *v > hi ? -EINVAL : 0;
}

/* LINUX: __sock_cmsg_send(). Of what it knows, only what needs nothing of the
 * netstack is taken; the rest is refused. */
static int parse_socket(const struct cmsg_in *c)
{
	if (c->type == SCM_RIGHTS || c->type == SCM_CREDENTIALS)
		return 0;
	return c->type == SO_MARK ? -EPERM : -EINVAL;
}

static int parse_ip4(const struct cmsg_in *c, struct nst_dgram_opts *o)
{
	struct in_pktinfo pi;
	int v = 0, rc;

	switch (c->type) {
	case IP_TTL:
		rc = get_int(c, 1, 255, &v);
		o->has_ttl = true;
		o->ttl = (uint8_t)v;
		return rc;
	case IP_TOS:
		o->has_tos = true;
		if (c->bytes == 1) {
			o->tos = c->data[0];
			return 0;
		}
		rc = get_int(c, 0, 255, &v);
		o->tos = (uint8_t)v;
		return rc;
	case IP_PKTINFO:
		if (c->bytes != sizeof(pi))
			return -EINVAL;
		memcpy(&pi, c->data, sizeof(pi));
		o->ifindex = (uint32_t)pi.ipi_ifindex;
		o->has_src = pi.ipi_spec_dst.s_addr != INADDR_ANY;
		o->src.family = 4;
		memcpy(o->src.b, &pi.ipi_spec_dst, 4);
		return 0;
	default:
		return -EINVAL;
	}
}

static int parse_pktinfo6(const struct cmsg_in *c, struct nst_dgram_opts *o)
{
	struct in6_pktinfo pi;

	if (c->bytes < sizeof(pi))
		return -EINVAL;
	memcpy(&pi, c->data, sizeof(pi));
	o->ifindex = pi.ipi6_ifindex;
	o->has_src = !IN6_IS_ADDR_UNSPECIFIED(&pi.ipi6_addr);
	if (IN6_IS_ADDR_V4MAPPED(&pi.ipi6_addr)) {
		o->src.family = 4;
		memcpy(o->src.b, pi.ipi6_addr.s6_addr + 12, 4);
		return 0;
	}
	o->src.family = 6;
	memcpy(o->src.b, &pi.ipi6_addr, 16);
	if (IN6_IS_ADDR_LINKLOCAL(&pi.ipi6_addr))
		o->src.scope = pi.ipi6_ifindex;
	return 0;
}

static int parse_ip6(const struct cmsg_in *c, struct nst_dgram_opts *o)
{
	int v = 0, rc;

	switch (c->type) {
	case IPV6_PKTINFO:
		return parse_pktinfo6(c, o);
	case IPV6_HOPLIMIT:
		rc = get_int(c, -1, 255, &v);
		if (rc == 0 && v >= 0) {
			o->has_ttl = true;
			o->ttl = (uint8_t)v;
		}
		return rc;
	case IPV6_TCLASS:
		rc = get_int(c, -1, 255, &v);
		if (rc == 0 && v >= 0) {
			o->has_tos = true;
			o->tos = (uint8_t)v;
		}
		return rc;
	default:
		return -EINVAL;
	}
}

static int parse_udp(const struct cmsg_in *c, struct nst_dgram_opts *o)
{
	if (c->type != UDP_SEGMENT || c->bytes != sizeof(o->gso_size))
		return -EINVAL;
	memcpy(&o->gso_size, c->data, sizeof(o->gso_size));
	return 0;
}

int cmsg_parse(const struct sock *s, const uint8_t *ctl, size_t bytes,
	       struct nst_dgram_opts *o)
{
	struct cmsg_in c;
	size_t pos = 0;
	int rc;

	while ((rc = next_cmsg(ctl, bytes, &pos, &c)) > 0) {
		if (c.level == SOL_SOCKET)
			rc = parse_socket(&c);
		else if (c.level == SOL_UDP && s->type == SOCK_DGRAM)
			rc = parse_udp(&c, o);
		else if (c.level == SOL_IPV6 && s->domain == AF_INET6)
			rc = parse_ip6(&c, o);
		else if (c.level == SOL_IP)
			rc = parse_ip4(&c, o);
		if (rc < 0)
			return rc;
	}
	return rc;
}

int cmsg_parse_stream(const uint8_t *ctl, size_t bytes, bool *fds)
{
	struct cmsg_in c;
	size_t pos = 0;
	int rc;

	*fds = false;
	while ((rc = next_cmsg(ctl, bytes, &pos, &c)) > 0) {
		if (c.level != SOL_SOCKET)
			continue;
		rc = parse_socket(&c);
		if (rc < 0)
			return rc;
		*fds = true;
	}
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Control messages and vectors: cutting, malformed input, ranges. */
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <string.h>

#include "sentry/sock/msg.h"

static size_t put_one(uint8_t *buf, int level, int type, const void *p,
		      size_t n)
{
	struct cmsghdr h = {
	    .cmsg_len = CMSG_LEN(n), .cmsg_level = level, .cmsg_type = type};

	memset(buf, 0, CMSG_SPACE(n));
	memcpy(buf, &h, sizeof h);
	memcpy(buf + sizeof h, p, n);
	return CMSG_SPACE(n);
}

Test(cmsg, put_cuts_as_the_kernel_does)
{
	struct msg m = {.control = 1, .controllen = 20};
	struct cmsg_out c;
	uint64_t data = 0x1122334455667788;
	struct cmsghdr h;

	cmsg_out_init(&c, &m);
	cmsg_put(&c, 1, 2, &data, sizeof data);
	cr_assert_eq(c.used, 20);
	cr_assert_eq(c.flags, MSG_CTRUNC);
	memcpy(&h, c.buf, sizeof h);
	cr_assert_eq(h.cmsg_len, 20);
	m.controllen = 15;
	cmsg_out_init(&c, &m);
	cmsg_put(&c, 1, 2, &data, sizeof data);
	cr_assert_eq(c.used, 0);
	cr_assert_eq(c.flags, MSG_CTRUNC);
	m.controllen = 1 << 20;
	cmsg_out_init(&c, &m);
	for (int i = 0; i < 100; i++)
		cmsg_put(&c, 1, 2, &data, sizeof data);
	cr_assert_leq(c.used, sizeof c.buf);
	m.control = 0;
	cmsg_out_init(&c, &m);
	cmsg_put(&c, 1, 2, &data, sizeof data);
	cr_assert_eq(c.used, 0);
}

Test(cmsg, parse_takes_what_fits)
{
	struct sock s = {.domain = AF_INET6, .type = SOCK_DGRAM};
	struct nst_dgram_opts o = {0};
	uint8_t buf[256];
	uint16_t gso = 1200;
	int v = 9;
	size_t n = 0;

	n += put_one(buf + n, SOL_IP, IP_TTL, &v, sizeof v);
	n += put_one(buf + n, SOL_UDP, 103, &gso, sizeof gso);
	n += put_one(buf + n, SOL_IPV6, IPV6_TCLASS, &v, sizeof v);
	n += put_one(buf + n, SOL_SOCKET, SCM_RIGHTS, &v, sizeof v);
	n += put_one(buf + n, 4711, 1, &v, sizeof v);
	cr_assert_eq(cmsg_parse(&s, buf, n, &o), 0);
	cr_assert(o.has_ttl && o.ttl == 9);
	cr_assert(o.has_tos && o.tos == 9);
	cr_assert_eq(o.gso_size, 1200);
}

Test(cmsg, parse_refuses_what_does_not)
{
	struct sock s = {.domain = AF_INET, .type = SOCK_DGRAM};
	struct nst_dgram_opts o = {0};
	uint8_t buf[64];
	int v = 0;
	size_t n = put_one(buf, SOL_IP, IP_TTL, &v, sizeof v);
	size_t len;

	cr_assert_eq(cmsg_parse(&s, buf, n, &o), -EINVAL);
	v = 256;
	n = put_one(buf, SOL_IP, IP_TTL, &v, sizeof v);
	cr_assert_eq(cmsg_parse(&s, buf, n, &o), -EINVAL);
	n = put_one(buf, SOL_IP, 99, &v, sizeof v);
	cr_assert_eq(cmsg_parse(&s, buf, n, &o), -EINVAL);
	/* too short to be one: the end; lengths that lie: refused */
	cr_assert_eq(cmsg_parse(&s, buf, 15, &o), 0);
	for (len = 0; len < 16; len++) {
		memcpy(buf, &len, sizeof len);
		cr_assert_eq(cmsg_parse(&s, buf, n, &o), -EINVAL);
	}
	len = SIZE_MAX;
	memcpy(buf, &len, sizeof len);
	cr_assert_eq(cmsg_parse(&s, buf, n, &o), -EINVAL);
	len = n + 1;
	memcpy(buf, &len, sizeof len);
	cr_assert_eq(cmsg_parse(&s, buf, n, &o), -EINVAL);
}

Test(cmsg, streams_ignore_descriptors)
{
	uint8_t buf[64];
	bool fds;
	int v = 3;
	size_t n = put_one(buf, SOL_SOCKET, SCM_RIGHTS, &v, sizeof v);

	cr_assert_eq(cmsg_parse_stream(buf, n, &fds), 0);
	cr_assert(fds);
	n = put_one(buf, SOL_IP, IP_TTL, &v, sizeof v);
	cr_assert_eq(cmsg_parse_stream(buf, n, &fds), 0);
	cr_assert_not(fds);
	n = put_one(buf, SOL_SOCKET, 99, &v, sizeof v);
	cr_assert_eq(cmsg_parse_stream(buf, n, &fds), -EINVAL);
}

Test(msg, advance)
{
	struct iovec v[3] = {
	    {(void *)100, 3}, {(void *)200, 0}, {(void *)300, 5}};
	struct msg m = {.iov = v, .niov = 3, .total = 8};

	msg_advance(&m, 2);
	cr_assert_eq(m.total, 6);
	cr_assert_eq((uintptr_t)m.iov->iov_base, 102);
	msg_advance(&m, 1);
	cr_assert_eq((uintptr_t)m.iov->iov_base, 300);
	cr_assert_eq(m.niov, 1);
	msg_advance(&m, 5);
	cr_assert_eq(m.niov, 0);
	msg_advance(&m, 0);
	cr_assert_eq(m.total, 0);
}

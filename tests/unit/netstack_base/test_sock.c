/* SPDX-License-Identifier: Apache-2.0 */
/* sock.c, sock_opt.c and dgram_opt.c: options as Linux answers them. */
#include <string.h>

#include "tests/unit/netstack_base/kit.h"

static struct kit k;

static void up(void)
{
	kit_up(&k, 0);
}

static void down(void)
{
	kit_down(&k);
}

TestSuite(sock, .init = up, .fini = down);

enum which { U4 = 1, U6 = 2, T4 = 4, T6 = 8, R4 = 16, R6 = 32, P4 = 64 };
#define ALL (U4 | U6 | T4 | T6 | R4 | P4)

struct opt_case {
	int which;
	enum nst_opt opt;
	int64_t set;
	enum nst_err err;
	int64_t get; /* afterwards; NONE: the option cannot be read */
};
#define NONE (-999)
#define OK NST_OK
#define INV NST_E_INVAL
#define NOP NST_E_NOPROTOOPT

/* From a program that asked Linux 6.18, in this order. */
static const struct opt_case cases[] = {
    {U4, NST_SO_SNDBUF, 1, OK, 4608},
    {U4, NST_SO_RCVBUF, 1, OK, 2304},
    {U4, NST_SO_SNDBUF, -1, OK, 2 * SOCK_BUF_MAX},
    {U4, NST_SO_RCVBUF, 1000000000, OK, 2 * SOCK_BUF_MAX},
    {U4, NST_SO_RCVBUF, 5000, OK, 10000},
    {T4, NST_SO_SNDBUF, 0, OK, 4608},
    {T4, NST_SO_RCVBUF, 0, OK, 2304},
    {ALL, NST_SO_REUSEADDR, 7, OK, 1},
    {ALL, NST_SO_REUSEADDR, 0, OK, 0},
    {ALL, NST_SO_REUSEPORT, 1, OK, 1},
    {ALL, NST_SO_BROADCAST, 1, OK, 1},
    {ALL, NST_SO_KEEPALIVE, 5, OK, 1},
    {ALL, NST_SO_OOBINLINE, 5, OK, 1},
    {ALL, NST_SO_LINGER, 30, OK, 30},
    {ALL, NST_SO_LINGER, -1, OK, -1},
    {ALL, NST_SO_PRIORITY, 7, OK, 7},
    {ALL, NST_SO_PRIORITY, -1, OK, -1},
    {ALL, NST_SO_RCVLOWAT, 0, OK, 1},
    {ALL, NST_SO_RCVLOWAT, -5, OK, INT32_MAX},
    {ALL, NST_SO_BUSY_POLL, -1, INV, 0},
    {ALL, NST_SO_BINDTOIFINDEX, 99, OK, 99},
    {ALL, NST_SO_BINDTOIFINDEX, 0, OK, 0},
    {ALL, NST_SO_BINDTOIFINDEX, -1, INV, 0},
    {ALL, NST_SO_INCOMING_CPU, 3, OK, 3},
    {ALL, NST_SO_MAX_PACING_RATE, -1, OK, -1},
    {ALL, NST_SO_MAX_PACING_RATE, 1ll << 40, OK, 1ll << 40},
    {ALL, NST_SO_TIMESTAMP, 3, INV, 0},
    {ALL, NST_SO_TIMESTAMP, 2, OK, 2},
    {ALL, NST_IP_TTL, 0, INV, 64},
    {ALL, NST_IP_TTL, -1, OK, 64},
    {ALL, NST_IP_TTL, 256, INV, 64},
    {ALL, NST_IP_TTL, 7, OK, 7},
    {U4 | U6, NST_IP_TOS, 511, OK, 255},
    {T4 | T6, NST_IP_TOS, 255, OK, 252},
    {ALL, NST_IP_MTU_DISCOVER, 6, INV, 1},
    {ALL, NST_IP_MTU_DISCOVER, 5, OK, 5},
    {ALL, NST_IP_MTU_DISCOVER, -1, INV, 5},
    {T4, NST_IP_MULTICAST_TTL, 3, INV, 1},
    {U4, NST_IP_MULTICAST_TTL, -1, OK, 1},
    {U4, NST_IP_MULTICAST_TTL, 0, OK, 0},
    {U4, NST_IP_MULTICAST_TTL, 256, INV, 0},
    {ALL, NST_IP_MULTICAST_LOOP, 0, OK, 0},
    {ALL, NST_IP_MULTICAST_LOOP, 2, OK, 1},
    {U4, NST_IP_MULTICAST_IF, 77, NST_E_ADDRNOTAVAIL, 0},
    {U4, NST_IP_MULTICAST_IF, 2, OK, 2},
    {T4, NST_IP_MULTICAST_IF, 2, INV, 0},
    {U4 | T4 | R4 | P4, NST_IPV6_V6ONLY, 1, NOP, NONE},
    {U6 | T6, NST_IPV6_V6ONLY, 2, OK, 1},
    {U6 | T6, NST_IPV6_V6ONLY, 0, OK, 0},
    {R6, NST_IPV6_V6ONLY, 1, INV, 0},
    {U6, NST_IPV6_UNICAST_HOPS, 0, OK, 0},
    {U6, NST_IPV6_UNICAST_HOPS, -1, OK, 64},
    {U6, NST_IPV6_UNICAST_HOPS, 256, INV, 64},
    {U6, NST_IPV6_TCLASS, -1, OK, 0},
    {U6, NST_IPV6_TCLASS, 256, INV, 0},
    {U6, NST_IPV6_TCLASS, 255, OK, 255},
    {T6, NST_IPV6_TCLASS, 255, OK, 252},
    {U4, NST_IPV6_TCLASS, 1, NOP, NONE},
    {T6, NST_IPV6_MULTICAST_HOPS, 4, NOP, 1},
    {U6, NST_IPV6_MULTICAST_HOPS, 9, OK, 9},
    {U6, NST_IPV6_MULTICAST_HOPS, -1, OK, 1},
    {U6, NST_IPV6_MULTICAST_HOPS, 0, OK, 0},
    {U6, NST_IPV6_MULTICAST_LOOP, 2, INV, 1},
    {T6, NST_IPV6_MULTICAST_LOOP, 1, OK, 1},
    {U6, NST_IPV6_MULTICAST_IF, 77, NST_E_NODEV, 0},
    {T6, NST_IPV6_MULTICAST_IF, 1, NOP, 0},
    {U6, NST_IPV6_MTU_DISCOVER, 6, INV, 1},
    {U6, NST_IPV6_MTU, 1279, INV, NONE},
    {U6, NST_IPV6_MTU, 1400, OK, NONE},
    {U6, NST_IPV6_DONTFRAG, 3, OK, 1},
    {U6 | T6, NST_IP_TTL, 9, OK, 9},
    {R6, NST_IP_TTL, 5, NOP, NONE},
    {ALL, NST_IP_MTU, 1500, NOP, NONE},
    {U4, NST_UDP_SEGMENT, 70000, INV, 0},
    {U4, NST_UDP_SEGMENT, -1, INV, 0},
    {U4, NST_UDP_SEGMENT, 1400, OK, 1400},
    {U4, NST_UDP_GRO, 2, OK, 1},
    {U4, NST_UDP_CORK, 2, OK, 1},
    {U4, NST_UDP_CORK, 0, OK, 0},
    {T4 | R4 | P4, NST_UDP_CORK, 0, NOP, NONE},
    {U4 | T4 | P4, NST_IP_HDRINCL, 1, NOP, NONE},
    {R4, NST_IP_HDRINCL, 1, OK, 1},
    {R6, NST_IPV6_CHECKSUM, 3, INV, -1},
    {R6, NST_IPV6_CHECKSUM, 4, OK, 4},
    {R6, NST_IPV6_CHECKSUM, -7, OK, -1},
    {U6, NST_IPV6_CHECKSUM, 4, NOP, NONE},
    {U4, NST_TCP_NODELAY, 1, NOP, NONE},
    {U4, NST_OPT_COUNT, 1, NOP, NONE},
    {U4, (enum nst_opt) - 1, 1, NOP, NONE},
};

static void check(struct nst_sock *s, const struct opt_case *c, size_t i)
{
	int64_t v = NONE;
	enum nst_err e = nst_sock_set(s, c->opt, c->set, k.now);

	cr_expect_eq(e, c->err, "case %zu: set says %d", i, e);
	e = nst_sock_get(s, c->opt, &v);
	if (c->get == NONE)
		cr_expect_neq(e, NST_OK, "case %zu: get works", i);
	else
		cr_expect(e == NST_OK && v == c->get,
			  "case %zu: get says %d, %ld", i, e, v);
}

static struct nst_sock *dgram(enum nst_dgram_kind kind, uint8_t family,
			      uint8_t proto)
{
	struct nst_dgram *d;

	cr_assert_eq(nst_dgram_new(k.st, kind, family, proto, NULL, &d),
		     NST_OK);
	return nst_dgram_sock(d);
}

Test(sock, options)
{
	struct fake_tcp *t4 = fake_tcp_new(&k, 4, NULL);
	struct fake_tcp *t6 = fake_tcp_new(&k, 6, NULL);
	struct nst_sock *s[] = {dgram(NST_DGRAM_UDP, 4, 0),
				dgram(NST_DGRAM_UDP, 6, 0),
				&t4->s,
				&t6->s,
				dgram(NST_DGRAM_RAW, 4, 200),
				dgram(NST_DGRAM_RAW, 6, 200),
				dgram(NST_DGRAM_PING, 4, 0)};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		for (int n = 0; n < 7; n++)
			if (cases[i].which >> n & 1)
				check(s[n], &cases[i], i);
	for (int n = 0; n < 7; n++)
		if (nst_sock_dgram(s[n]))
			nst_dgram_close(nst_sock_dgram(s[n]), k.now);
	fake_tcp_free(t4);
	fake_tcp_free(t6);
}

/* Every option's default is what its kind of socket has on Linux. */
Test(sock, defaults)
{
	struct nst_sock *u = dgram(NST_DGRAM_UDP, 6, 0);
	struct nst_sock *icmp6 = dgram(NST_DGRAM_RAW, 6, 58);

	cr_assert_eq(kit_get(u, NST_SO_SNDBUF), 212992);
	cr_assert_eq(kit_get(u, NST_SO_RCVBUF), 212992);
	cr_assert_eq(kit_get(u, NST_SO_RCVLOWAT), 1);
	cr_assert_eq(kit_get(u, NST_SO_LINGER), -1);
	cr_assert_eq(kit_get(u, NST_SO_INCOMING_CPU), -1);
	cr_assert_eq(kit_get(u, NST_IP_MTU_DISCOVER), 1);
	cr_assert_eq(kit_get(u, NST_IP_MULTICAST_TTL), 1);
	cr_assert_eq(kit_get(u, NST_IP_MULTICAST_LOOP), 1);
	cr_assert_eq(kit_get(u, NST_IPV6_UNICAST_HOPS), 64);
	cr_assert_eq(kit_get(u, NST_IPV6_V6ONLY), 0);
	cr_assert_eq(kit_get(icmp6, NST_IPV6_CHECKSUM), 2);
	nst_dgram_close(nst_sock_dgram(u), k.now);
	nst_dgram_close(nst_sock_dgram(icmp6), k.now);
}

Test(sock, v6only_is_fixed_by_bind)
{
	struct nst_sock *s = dgram(NST_DGRAM_UDP, 6, 0);

	cr_assert_eq(kit_bind(s, "::", 5), NST_OK);
	cr_assert_eq(nst_sock_set(s, NST_IPV6_V6ONLY, 1, k.now), NST_E_INVAL);
	nst_dgram_close(nst_sock_dgram(s), k.now);
}

Test(sock, mtu_of_the_path)
{
	struct nst_dgram *d = kit_udp(&k, 4, NULL);
	struct nst_sock *s = nst_dgram_sock(d);
	int64_t v;

	cr_assert_eq(nst_sock_get(s, NST_IP_MTU, &v), NST_E_NOTCONN);
	cr_assert_eq(kit_connect(&k, d, "10.9.9.9", 5), NST_OK);
	cr_assert_eq(kit_get(s, NST_IP_MTU), KIT_MTU);
	nst_dgram_close(d, k.now);
}

Test(sock, enumeration)
{
	struct nst_sock *s[50];
	size_t found = 0;

	for (int i = 0; i < 50; i++)
		s[i] = dgram(NST_DGRAM_UDP, 4, 0);
	for (size_t i = 0; nst_sock_at(k.st, i); i++)
		for (int n = 0; n < 50; n++)
			found += nst_sock_at(k.st, i) == s[n];
	cr_assert_eq(found, 50);
	cr_assert_null(nst_sock_at(k.st, 50));
	cr_assert(nst_sock_at(k.st, 3));
	for (int i = 0; i < 50; i++)
		nst_dgram_close(nst_sock_dgram(s[i]), k.now);
	cr_assert_null(nst_sock_at(k.st, 0));
}

Test(sock, names_and_error)
{
	struct nst_dgram *d = kit_udp(&k, 6, &k);
	struct nst_sock *s = nst_dgram_sock(d);
	struct nst_sockaddr a;

	nst_sock_local(s, &a);
	cr_assert_eq(a.addr.family, 0);
	cr_assert_eq(a.port, 0);
	cr_assert_eq(nst_sock_remote(s, &a), NST_E_NOTCONN);
	cr_assert_eq(nst_sock_family(s), 6);
	cr_assert_eq(nst_sock_user(s), &k);
	nst_sock_set_user(s, NULL);
	cr_assert_null(nst_sock_user(s));
	s->error = NST_E_CONNREFUSED;
	cr_assert_eq(nst_sock_error(s, false), NST_E_CONNREFUSED);
	cr_assert_eq(nst_sock_error(s, true), NST_E_CONNREFUSED);
	cr_assert_eq(nst_sock_error(s, true), NST_OK);
	nst_dgram_close(d, k.now);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* ICMP and ICMPv6: echo, errors out and their limits, errors in. */
#include "tests/unit/netstack_ip/harness.h"

static uint8_t b[70000];

Test(icmp, echo)
{
	struct ipt *t = ipt_new();
	const uint8_t *p;
	uint32_t n;

	n = mk_icmp(b, "10.1.0.9", "10.1.0.1", 8, 0, 0x12340001, "ping!", 5);
	ipt_inject(t, TUN, b, n);
	p = ipt_expect(t, TUN, NULL, &n);
	cr_assert_eq(n, 33);
	cr_assert_eq(p[20], 0);
	cr_assert_eq(wire_get32(p + 24), 0x12340001);
	cr_assert_arr_eq(p + 28, "ping!", 5);
	cr_assert_eq(nst_csum_add(0, p + 20, 13), 0xffff);
	cr_assert(ip4_csum_ok(p, 20));
	n = mk_icmp(b, "fd01::9", "fd01::1", 128, 0, 0x12340002, "ping!", 5);
	ipt_inject(t, TUN, b, n);
	p = ipt_expect(t, TUN, NULL, &n);
	cr_assert_eq(p[40], 129);
	struct nst_addr s = test_addr("fd01::1"), d = test_addr("fd01::9");
	cr_assert_eq(nst_csum_add(ip_pseudo_sum(&s, &d, 58, 13), p + 40, 13),
		     0xffff);
	/* LINUX: not to broadcast; to a group only IPv6. */
	n = mk_icmp(b, "10.1.0.9", "10.1.0.255", 8, 0, 1, NULL, 0);
	ipt_inject(t, TUN, b, n);
	ipt_expect_none(t);
	n = mk_icmp(b, "fd01::9", "ff02::1", 128, 0, 1, NULL, 0);
	ipt_inject(t, TUN, b, n);
	p = ipt_expect(t, TUN, NULL, &n);
	cr_assert_arr_eq(p + 8, s.b, 16);
	/* Our own address, over loopback: the reply comes to ping sockets. */
	n = mk_icmp(b, "10.1.0.9", "10.1.0.1", 0, 0, 1, NULL, 0);
	ipt_inject(t, TUN, b, n);
	cr_assert_eq(t->ngot, 1);
	cr_assert_eq(t->got[0].to, IP_PROTO_ICMP);
	/* A bad sum. */
	n = mk_icmp(b, "10.1.0.9", "10.1.0.1", 8, 0, 1, NULL, 0);
	b[22] ^= 1;
	ipt_inject(t, TUN, b, n);
	cr_assert_eq(ipt_count(t)->IcmpInCsumErrors, 1);
	ipt_expect_none(t);
	ipt_free(t);
}

Test(icmp, large_echo_is_fragmented)
{
	static uint8_t big[1472];
	struct ipt *t = ipt_new();
	uint32_t n;

	n = mk_icmp(b, "10.1.0.9", "10.1.0.1", 8, 0, 1, big, 1472);
	nic_find(t->ip, TUN)->cfg.mtu = 600;
	ipt_inject(t, TUN, b, n);
	cr_assert_eq(t->nframes, 3);
	ipt_free(t);
}

Test(icmp, echo_for_others_goes_to_the_forwarder)
{
	struct nst_addr src = test_addr("8.8.8.8"), dst = test_addr("10.1.0.9");
	struct ipt *t = ipt_new();
	const uint8_t *p;
	uint32_t n;

	nic_find(t->ip, TUN)->cfg.caps |= NST_CAP_ANYCAST_IN | NST_CAP_SPOOF;
	n = mk_icmp(b, "10.1.0.9", "8.8.8.8", 8, 0, 0x00070008, "x", 1);
	ipt_inject(t, TUN, b, n);
	cr_assert_eq(t->nechos, 1);
	cr_assert_eq(t->echo_id, 7);
	cr_assert_eq(t->echo_seq, 8);
	ipt_expect_none(t);
	n = mk_icmp(b, "fd01::9", "2001:db8::8", 128, 0, 0x00090008, "x", 1);
	ipt_inject(t, TUN, b, n);
	cr_assert_eq(t->nechos, 2);
	cr_assert_eq(
	    nst_fwd_echo_reply(t->st, &src, &dst, 7, 8, "x", 1, t->now),
	    NST_OK);
	p = ipt_expect(t, TUN, NULL, &n);
	cr_assert_arr_eq(p + 12, src.b, 4);
	cr_assert_eq(p[20], 0);
	cr_assert_eq(wire_get32(p + 24), 0x00070008);
	ipt_free(t);
}

static void port_unreach(struct ipt *t, const char *src, const char *dst)
{
	uint32_t n = mk_udp(b, src, dst, 1, 9, "data", 4);

	ipt_inject(t, TUN, b, n);
}

Test(icmp, port_unreachable_quotes_the_packet)
{
	struct ipt *t = ipt_new();
	const uint8_t *p;
	uint32_t n;

	port_unreach(t, "10.1.0.9", "10.1.0.1");
	p = ipt_expect(t, TUN, NULL, &n);
	cr_assert_eq(p[1], 0xc0);
	cr_assert_eq(p[20], 3);
	cr_assert_eq(p[21], 3);
	cr_assert_eq(n, 28 + 32);
	cr_assert_arr_eq(p + 28, b, 32);
	cr_assert_eq(nst_csum_add(0, p + 20, n - 20), 0xffff);
	port_unreach(t, "fd01::9", "fd01::1");
	p = ipt_expect(t, TUN, NULL, &n);
	cr_assert_eq(p[40], 1);
	cr_assert_eq(p[41], 4);
	cr_assert_arr_eq(p + 48, b, 52);
	/* RFC 1812 4.3.2.3: no more than 576 bytes; RFC 4443: 1280. */
	static uint8_t big[1400];
	ipt_inject(t, TUN, b,
		   mk_udp(b, "10.1.0.9", "10.1.0.1", 1, 9, big, 1400));
	(void)ipt_expect(t, TUN, NULL, &n);
	cr_assert_eq(n, 576);
	ipt_inject(t, TUN, b, mk_udp(b, "fd01::9", "fd01::1", 1, 9, big, 1400));
	(void)ipt_expect(t, TUN, NULL, &n);
	cr_assert_eq(n, 1280);
	ipt_free(t);
}

Test(icmp, never_about_groups_and_errors)
{
	struct ipt *t = ipt_new();
	struct nst_addr src = test_addr("10.1.0.9"), us = test_addr("10.1.0.1");
	uint8_t l4[8] = {ICMP4_UNREACH};

	port_unreach(t, "10.1.0.9", "10.1.0.255");
	port_unreach(t, "10.1.0.9", "224.0.0.1");
	port_unreach(t, "fd01::9", "ff02::1");
	icmp_send_about(t->st, &src, &us, IP_PROTO_ICMP, l4, 8,
			NST_E_HOSTUNREACH);
	ipt_expect_none(t);
	/* About an echo request they may be. */
	l4[0] = ICMP4_ECHO;
	icmp_send_about(t->st, &src, &us, IP_PROTO_ICMP, l4, 8,
			NST_E_HOSTUNREACH);
	cr_assert_eq(t->nframes, 1);
	/* On Ethernet: not when the frame was a broadcast. */
	uint32_t n = mk_udp(b, "10.0.0.9", "10.0.0.1", 1, 9, "data", 4);
	ipt_clear(t);
	ipt_inject_eth(t, MAC_BCAST, ETH_TYPE_IP4, b, n);
	ipt_expect_none(t);
	ipt_free(t);
}

Test(icmp, what_forwarders_say)
{
	static const struct {
		enum nst_err why;
		uint8_t code4, type6, code6;
	} cases[] = {{NST_E_CONNREFUSED, 3, 1, 4},
		     {NST_E_NETUNREACH, 0, 1, 0},
		     {NST_E_HOSTUNREACH, 1, 1, 3},
		     {NST_E_ACCES, 13, 1, 1},
		     {NST_E_PROTO, 2, 4, 1}};
	struct nst_addr s4 = test_addr("10.1.0.9"), d4 = test_addr("8.8.8.8");
	struct nst_addr s6 = test_addr("fd01::9"), d6 = test_addr("2001::8");
	struct ipt *t = ipt_new();
	uint8_t l4[20] = {1, 2, 3, 4};

	nic_find(t->ip, TUN)->cfg.caps |= NST_CAP_SPOOF;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const uint8_t *p;
		uint32_t n;

		icmp_send_about(t->st, &s4, &d4, 6, l4, 20, cases[i].why);
		p = ipt_expect(t, TUN, NULL, &n);
		cr_assert_eq(p[20], 3);
		cr_assert_eq(p[21], cases[i].code4);
		cr_assert_arr_eq(p + 12, d4.b, 4);
		cr_assert_arr_eq(p + 28 + 20, l4, 20);
		icmp_send_about(t->st, &s6, &d6, 6, l4, 20, cases[i].why);
		p = ipt_expect(t, TUN, NULL, &n);
		cr_assert_eq(p[40], cases[i].type6);
		cr_assert_eq(p[41], cases[i].code6);
		cr_assert_arr_eq(p + 48 + 40, l4, 20);
	}
	ipt_free(t);
}

Test(icmp, rate_limits)
{
	struct ipt *t = ipt_new();
	char text[32];

	for (int i = 0; i < 20; i++)
		port_unreach(t, "10.1.0.9", "10.1.0.1");
	cr_assert_eq(t->nframes, 6);
	cr_assert_eq(ipt_count(t)->IcmpOutRateLimit, 14);
	ipt_advance(t, NST_SEC);
	for (int i = 0; i < 3; i++)
		port_unreach(t, "10.1.0.9", "10.1.0.1");
	cr_assert_eq(t->nframes, 7);
	ipt_advance(t, 100 * NST_SEC);
	ipt_clear(t);
	for (int i = 0; i < 10; i++)
		port_unreach(t, "10.1.0.9", "10.1.0.1");
	cr_assert_eq(t->nframes, 6);
	/* Everybody together: a burst of 50, then 1000 a second. */
	ipt_advance(t, 100 * NST_SEC);
	ipt_clear(t);
	for (int i = 0; i < 200; i++) {
		snprintf(text, sizeof(text), "10.1.0.%d", 10 + i);
		port_unreach(t, text, "10.1.0.1");
	}
	cr_assert_eq(t->nframes, 50);
	ipt_advance(t, NST_MS);
	port_unreach(t, "10.1.0.2", "10.1.0.1");
	port_unreach(t, "10.1.0.3", "10.1.0.1");
	cr_assert_eq(t->nframes, 51);
	/* Echo replies are not limited. */
	ipt_clear(t);
	for (int i = 0; i < 100; i++) {
		uint32_t n = mk_icmp(b, "10.1.0.9", "10.1.0.1", 8, 0, 1, "", 0);

		ipt_inject(t, TUN, b, n);
	}
	cr_assert_eq(t->nframes, 100);
	ipt_free(t);
}

/* ---- errors in ---- */

/* An error about a packet us > far with `l4`. */
static void error_in(struct ipt *t, uint8_t type, uint8_t code, uint32_t rest,
		     uint8_t proto)
{
	static const uint8_t l4[12] = {0x12, 0x34, 0, 80, 1, 2, 3, 4};
	uint8_t q[64];
	uint32_t n = mk_ip4(q, "10.1.0.1", "8.8.8.8", proto, l4, 12);

	n = mk_icmp(b, "10.1.0.254", "10.1.0.1", type, code, rest, q, n);
	ipt_inject(t, TUN, b, n);
}

static void error_in6(struct ipt *t, uint8_t type, uint8_t code, uint32_t rest,
		      uint8_t proto)
{
	static const uint8_t l4[12] = {0x12, 0x34, 0, 80, 1, 2, 3, 4};
	uint8_t q[64];
	uint32_t n = mk_ip6(q, "fd01::1", "2001::8", proto, l4, 12);

	n = mk_icmp(b, "fd01::fe", "fd01::1", type, code, rest, q, n);
	ipt_inject(t, TUN, b, n);
}

Test(icmp, errors_become_what_linux_makes_of_them)
{
	static const struct {
		uint8_t type, code;
		enum nst_err err;
		bool hard;
	} v4[] =
	    {
		{3, 0, NST_E_NETUNREACH, false},
		{3, 1, NST_E_HOSTUNREACH, false},
		{3, 2, NST_E_NOPROTOOPT, true},
		{3, 3, NST_E_CONNREFUSED, true},
		{3, 4, NST_E_MSGSIZE, false},
		{3, 5, NST_E_OPNOTSUPP, false},
		{3, 7, NST_E_HOSTDOWN, true},
		{3, 8, NST_E_NONET, true},
		{3, 10, NST_E_HOSTUNREACH, true},
		{3, 13, NST_E_HOSTUNREACH, true},
		{11, 0, NST_E_HOSTUNREACH, false},
		{12, 0, NST_E_PROTO, true},
	    },
	  v6[] = {
	      {1, 0, NST_E_NETUNREACH, false},
	      {1, 1, NST_E_ACCES, true},
	      {1, 3, NST_E_HOSTUNREACH, false},
	      {1, 4, NST_E_CONNREFUSED, true},
	      {2, 0, NST_E_MSGSIZE, false},
	      {3, 0, NST_E_HOSTUNREACH, false},
	      {4, 1, NST_E_PROTO, true},
	  };
	struct ipt *t = ipt_new();

	for (size_t i = 0; i < sizeof(v4) / sizeof(v4[0]); i++) {
		const struct got_err *g = &t->err[0];

		t->nerr = 0;
		error_in(t, v4[i].type, v4[i].code, 1400, 17);
		cr_assert_eq(t->nerr, 1);
		cr_assert_eq(g->to, 17);
		cr_assert_eq(g->e.err, v4[i].err, "code %d", v4[i].code);
		cr_assert_eq(g->e.hard, v4[i].hard, "code %d", v4[i].code);
		cr_assert_eq(g->e.origin, 2);
		cr_assert_eq(g->e.info, v4[i].err == NST_E_MSGSIZE ? 1400 : 0);
		cr_assert_eq(g->e.l4_bytes, 12);
		cr_assert_eq(g->l4[3], 80);
	}
	for (size_t i = 0; i < sizeof(v6) / sizeof(v6[0]); i++) {
		const struct got_err *g = &t->err[0];

		t->nerr = 0;
		error_in6(t, v6[i].type, v6[i].code, 1400, 6);
		cr_assert_eq(t->nerr, 1);
		cr_assert_eq(g->to, 6);
		cr_assert_eq(g->e.err, v6[i].err, "v6 %zu", i);
		cr_assert_eq(g->e.hard, v6[i].hard, "v6 %zu", i);
		cr_assert_eq(g->e.origin, 3);
	}
	ipt_free(t);
}

/* RFC 5927 7.2: that the flow may exist is not enough. IP tells, and believes
 * only when the transport that knows the flow says so (dgram_err.c, tcp_icmp):
 * netstack_base/test_dgram_err.c, netstack_tcp/test_misc.c. */
Test(icmp, too_big_alone_does_not_lower_the_path_mtu)
{
	static const char *const far[] = {"8.8.8.8", "8.8.8.8", "2001::8"};
	struct ipt *t = ipt_new();
	struct demux_node n = {.key = {.local = test_addr("10.1.0.1"),
				       .remote = test_addr(far[0]),
				       .lport = 0x1234,
				       .rport = 80,
				       .proto = IP_PROTO_TCP}};

	cr_assert_eq(demux_insert(t->st->demux, &n), NST_OK);
	error_in(t, 3, 4, 1400, 6);
	demux_remove(t->st->demux, &n);
	error_in(t, 3, 4, 1400, 17);
	error_in6(t, 2, 0, 1350, 17);
	cr_assert_eq(t->nerr, 3);
	cr_assert_eq(t->err[0].e.info, 1400);
	cr_assert_eq(t->err[2].e.info, 1350);
	for (int i = 0; i < 3; i++) {
		struct nst_addr a = test_addr(far[i]);
		struct ip_path p;

		cr_assert_eq(ip_path_find(t->st, &a, NULL, 0, false, &p),
			     NST_OK);
		cr_assert_eq(p.mtu, 1500);
	}
	ipt_free(t);
}

Test(icmp, hostile_errors)
{
	struct ipt *t = ipt_new();
	uint8_t q[64], l4[12] = {0};
	uint32_t n;

	/* About a packet that was not ours. */
	n = mk_ip4(q, "10.1.0.77", "8.8.8.8", 17, l4, 12);
	n = mk_icmp(b, "10.1.0.254", "10.1.0.1", 3, 3, 0, q, n);
	ipt_inject(t, TUN, b, n);
	cr_assert_eq(ipt_count(t)->IcmpNoMatch, 1);
	/* About a later fragment. */
	n = mk_ip4(q, "10.1.0.1", "8.8.8.8", 17, l4, 12);
	q[7] = 5;
	n = mk_icmp(b, "10.1.0.254", "10.1.0.1", 3, 3, 0, q, n);
	ipt_inject(t, TUN, b, n);
	cr_assert_eq(ipt_count(t)->IcmpInErrors, 1);
	/* Every truncation of the quoted packet. */
	for (uint32_t k = 0; k < 28; k++) {
		mk_ip4(q, "10.1.0.1", "8.8.8.8", 17, l4, 12);
		n = mk_icmp(b, "10.1.0.254", "10.1.0.1", 3, 3, 0, q, k);
		ipt_inject(t, TUN, b, n);
	}
	cr_assert_eq(ipt_count(t)->IcmpInErrors, 29);
	for (uint32_t k = 0; k < 48; k++) {
		mk_ip6(q, "fd01::1", "2001::8", 17, l4, 12);
		n = mk_icmp(b, "fd01::fe", "fd01::1", 1, 4, 0, q, k);
		ipt_inject(t, TUN, b, n);
	}
	cr_assert_eq(ipt_count(t)->IcmpInErrors, 29 + 48);
	/* To a broadcast address. */
	mk_ip4(q, "10.1.0.1", "8.8.8.8", 17, l4, 12);
	n = mk_icmp(b, "10.1.0.254", "10.1.0.255", 3, 3, 0, q, 32);
	ipt_inject(t, TUN, b, n);
	/* RFC 6633: source quench; redirects are not followed. */
	error_in(t, 4, 0, 0, 17);
	error_in(t, 5, 0, 0, 17);
	cr_assert_eq(ipt_count(t)->IcmpInIgnored, 2);
	cr_assert_eq(t->nerr, 0);
	ipt_free(t);
}

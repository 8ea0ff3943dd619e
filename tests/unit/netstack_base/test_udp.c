/* SPDX-License-Identifier: Apache-2.0 */
/* udp_in.c, udp_send.c, dgram.c, dgram_queue.c over loopback and a link. */
#include <string.h>

#include "netstack/ip/ip.h"
#include "netstack/ip/wire.h"
#include "tests/unit/netstack_base/kit.h"

static struct kit k;
static uint8_t big[70000];

static void up(void)
{
	kit_up(&k, 0);
	k.te.env.random(&k.te, big, sizeof(big));
}

static void down(void)
{
	kit_down(&k);
}

TestSuite(udp, .init = up, .fini = down);

static void echo_over(const char *addr)
{
	struct test_user ua = {0}, ub = {0};
	struct nst_dgram *a = kit_bound(&k, addr, 7, &ua);
	struct nst_dgram *b = kit_udp(&k, test_addr(addr).family, &ub);
	struct nst_addr want = test_addr(addr);
	struct nst_dgram_in in;

	cr_assert_eq(nst_dgram_peek(a, &in), NST_E_AGAIN);
	cr_assert_eq(kit_send(&k, b, addr, 7, "hello", 5), NST_OK);
	cr_assert_eq(ua.seen, NST_EV_IN, "delivered when send returns");
	cr_assert_eq(nst_dgram_queued(a), 1);
	cr_assert_eq(nst_dgram_peek(a, &in), NST_OK);
	cr_assert_eq(in.bytes, 5);
	cr_assert_arr_eq(in.data, "hello", 5);
	cr_assert_eq(in.src.port, kit_port(b));
	cr_assert_eq(in.dst.port, 7);
	/* LINUX: all of 127/8 is answered from 127.0.0.1 */
	if (strncmp(addr, "127.", 4) == 0)
		cr_assert_eq(in.src.addr.b[3], 1);
	else
		cr_assert(test_addr_eq(&in.src.addr, &want));
	cr_assert(test_addr_eq(&in.spec_dst, &want));
	cr_assert_eq(in.ttl, 64);
	cr_assert_eq(in.when, k.now);
	cr_assert_eq(nst_dgram_send(a, &in.src, NULL, 0, NULL, k.now), NST_OK);
	nst_dgram_pop(a);
	nst_dgram_pop(a);
	cr_assert_eq(nst_dgram_peek(b, &in), NST_OK);
	cr_assert_eq(in.bytes, 0, "an empty datagram is one");
	nst_dgram_close(a, k.now);
	nst_dgram_close(b, k.now);
}

Test(udp, loopback)
{
	echo_over("127.0.0.1");
	echo_over("127.3.4.5");
	echo_over("::1");
	echo_over(KIT_ADDR4);
	echo_over(KIT_ADDR6);
	cr_assert_eq(k.nout, 0);
}

Test(udp, dual_stack)
{
	struct nst_dgram *six = kit_bound(&k, "::", 7, NULL);
	struct nst_dgram *four = kit_udp(&k, 4, NULL);
	struct nst_dgram_in in;

	cr_assert_eq(kit_send(&k, four, "127.0.0.1", 7, "x", 1), NST_OK);
	cr_assert_eq(nst_dgram_peek(six, &in), NST_OK);
	cr_assert_eq(in.src.addr.family, 4);
	cr_assert_eq(nst_dgram_send(six, &in.src, NULL, 0, NULL, k.now),
		     NST_OK);
	cr_assert_eq(nst_dgram_queued(four), 1);
	cr_assert_eq(kit_send(&k, four, "::1", 7, "x", 1), NST_E_AFNOSUPPORT);
	nst_dgram_close(six, k.now);
	six = kit_udp(&k, 6, NULL);
	kit_set(&k, nst_dgram_sock(six), NST_IPV6_V6ONLY, 1);
	cr_assert_eq(kit_send(&k, six, "127.0.0.1", 7, "x", 1),
		     NST_E_NETUNREACH);
	nst_dgram_close(six, k.now);
	nst_dgram_close(four, k.now);
}

static void sizes(uint8_t family, uint32_t max)
{
	const char *lo = family == 4 ? "127.0.0.1" : "::1";
	struct nst_dgram *a = kit_bound(&k, lo, 9, NULL);
	struct nst_dgram *b = kit_udp(&k, family, NULL);
	const uint32_t size[] = {0, 1, 1471, 1472, 1473, 40001, max};
	struct nst_dgram_in in;

	for (size_t i = 0; i < sizeof(size) / sizeof(*size); i++) {
		cr_assert_eq(kit_send(&k, b, lo, 9, big, size[i]), NST_OK);
		cr_assert_eq(nst_dgram_peek(a, &in), NST_OK);
		cr_assert_eq(in.bytes, size[i]);
		cr_assert_arr_eq(in.data, big, size[i]);
		nst_dgram_pop(a);
	}
	cr_assert_eq(kit_send(&k, b, lo, 9, big, max + 1), NST_E_MSGSIZE);
	cr_assert_eq(kit_send(&k, b, lo, 9, big, 65536), NST_E_MSGSIZE);
	nst_dgram_close(a, k.now);
	nst_dgram_close(b, k.now);
}

Test(udp, sizes)
{
	sizes(4, 65507);
	sizes(6, 65527);
}

Test(udp, bad_sends)
{
	struct nst_dgram *d = kit_udp(&k, 4, NULL);

	cr_assert_eq(kit_send(&k, d, NULL, 0, "x", 1), NST_E_DESTADDRREQ);
	cr_assert_eq(kit_send(&k, d, "127.0.0.1", 0, "x", 1), NST_E_INVAL);
	cr_assert_eq(kit_send(&k, d, "255.255.255.255", 9, "x", 1),
		     NST_E_ACCES);
	cr_assert_eq(kit_send(&k, d, "10.0.2.255", 9, "x", 1), NST_E_ACCES);
	cr_assert_eq(kit_connect(&k, d, "10.0.2.255", 9), NST_E_ACCES);
	kit_set(&k, nst_dgram_sock(d), NST_SO_BROADCAST, 1);
	cr_assert_eq(kit_send(&k, d, "10.0.2.255", 9, "x", 1), NST_OK);
	cr_assert_eq(k.nout, 1);
	kit_drop_out(&k);
	kit_set(&k, nst_dgram_sock(d), NST_SO_DONTROUTE, 1);
	cr_assert_eq(kit_send(&k, d, "10.9.9.9", 9, "x", 1), NST_E_NETUNREACH);
	cr_assert_eq(kit_send(&k, d, "10.0.2.9", 9, "x", 1), NST_OK);
	/* LINUX: ENOTCONN, but sending ends all the same */
	cr_assert_eq(nst_dgram_shutdown(d, false, true), NST_E_NOTCONN);
	cr_assert_eq(kit_send(&k, d, "127.0.0.1", 9, "x", 1), NST_E_PIPE);
	nst_dgram_close(d, k.now);
}

/* LINUX: 256 one-byte, 92 of 1470, 12 of 8192, 3 of 60000 bytes fit. */
Test(udp, queue_bound_as_on_linux)
{
	static const struct {
		uint32_t bytes, fit;
	} c[] = {{1, 256}, {1470, 92}, {8192, 12}, {60000, 3}};
	struct nst_dgram *a = kit_bound(&k, "127.0.0.1", 9, NULL);
	struct nst_dgram *b = kit_udp(&k, 4, NULL);

	for (size_t i = 0; i < sizeof(c) / sizeof(*c); i++) {
		for (int n = 0; n < 300; n++)
			cr_assert_eq(
			    kit_send(&k, b, "127.0.0.1", 9, big, c[i].bytes),
			    NST_OK);
		cr_assert_eq(nst_dgram_queued(a), c[i].fit, "%u: %zu",
			     c[i].bytes, nst_dgram_queued(a));
		while (nst_dgram_queued(a))
			nst_dgram_pop(a);
	}
	cr_assert_eq(nst_counters(k.st)->UdpRcvbufErrors,
		     1200 - 256 - 92 - 12 - 3);
	kit_set(&k, nst_dgram_sock(a), NST_SO_RCVBUF, 0);
	cr_assert_eq(kit_send(&k, b, "127.0.0.1", 9, big, 60000), NST_OK);
	cr_assert_eq(nst_dgram_queued(a), 1, "one always fits");
	nst_dgram_close(a, k.now);
	nst_dgram_close(b, k.now);
}

Test(udp, connect_and_disconnect)
{
	struct nst_dgram *a = kit_bound(&k, "127.0.0.1", 9, NULL);
	struct nst_dgram *b = kit_udp(&k, 4, NULL);
	struct nst_dgram *c = kit_udp(&k, 4, NULL);
	struct nst_sockaddr sa;
	uint16_t port;

	cr_assert_eq(kit_connect(&k, b, "127.0.0.1", 9), NST_OK);
	nst_sock_local(nst_dgram_sock(b), &sa);
	cr_assert_eq(sa.addr.b[0], 127);
	port = sa.port;
	cr_assert_eq(nst_sock_remote(nst_dgram_sock(b), &sa), NST_OK);
	cr_assert_eq(sa.port, 9);
	cr_assert_eq(kit_send(&k, b, NULL, 0, "x", 1), NST_OK);
	cr_assert_eq(kit_send(&k, a, "127.0.0.1", port, "y", 1), NST_OK);
	cr_assert_eq(nst_dgram_queued(b), 1);
	/* Only from the peer */
	cr_assert_eq(kit_send(&k, c, "127.0.0.1", port, "z", 1), NST_OK);
	cr_assert_eq(nst_dgram_queued(b), 1);
	cr_assert_eq(nst_counters(k.st)->UdpNoPorts, 1);
	cr_assert_eq(nst_dgram_connect(b, NULL, k.now), NST_OK);
	nst_sock_local(nst_dgram_sock(b), &sa);
	cr_assert_eq(sa.addr.family, 0);
	cr_assert_eq(sa.port, 0, "the automatic port is given back");
	cr_assert_eq(kit_send(&k, b, NULL, 0, "x", 1), NST_E_DESTADDRREQ);
	nst_dgram_close(a, k.now);
	nst_dgram_close(b, k.now);
	nst_dgram_close(c, k.now);
}

/* LINUX: the source of the first connect stays; from 127.0.0.1 no link is
 * reached. */
Test(udp, source_is_sticky_over_connects)
{
	struct nst_dgram *d = kit_udp(&k, 4, NULL);

	cr_assert_eq(kit_connect(&k, d, "127.0.0.1", 9), NST_OK);
	cr_assert_eq(kit_connect(&k, d, "10.0.2.77", 9), NST_E_INVAL);
	cr_assert_eq(nst_dgram_connect(d, NULL, k.now), NST_OK);
	cr_assert_eq(kit_connect(&k, d, "10.0.2.77", 9), NST_OK);
	nst_dgram_close(d, k.now);
}

Test(udp, families_that_do_not_meet)
{
	struct nst_dgram *d = kit_udp(&k, 6, NULL);

	cr_assert_eq(kit_bind(nst_dgram_sock(d), "127.0.0.1", 0), NST_OK);
	cr_assert_eq(kit_send(&k, d, "::1", 9, "x", 1), NST_E_AFNOSUPPORT);
	cr_assert_eq(kit_connect(&k, d, "::1", 9), NST_E_AFNOSUPPORT);
	cr_assert_eq(kit_send(&k, d, "127.0.0.1", 9, "x", 1), NST_OK);
	nst_dgram_close(d, k.now);
}

Test(udp, explicit_binding_survives_disconnect)
{
	struct nst_dgram *a = kit_bound(&k, "0.0.0.0", 9, NULL);
	struct nst_sockaddr sa;

	cr_assert_eq(kit_connect(&k, a, "10.0.2.2", 5), NST_OK);
	nst_sock_local(nst_dgram_sock(a), &sa);
	cr_assert_eq(sa.addr.b[3], 15);
	cr_assert_eq(nst_dgram_connect(a, NULL, k.now), NST_OK);
	nst_sock_local(nst_dgram_sock(a), &sa);
	cr_assert_eq(sa.port, 9);
	cr_assert(addr_is_any(&sa.addr));
	nst_dgram_close(a, k.now);
}

/* LINUX: two sockets may have the same peer; the flow is not lost when the
 * one in the demux goes. */
Test(udp, two_with_one_peer)
{
	struct nst_dgram *d[2], *peer = kit_bound(&k, "127.0.0.1", 9, NULL);

	for (int i = 0; i < 2; i++) {
		d[i] = kit_udp(&k, 4, NULL);
		kit_set(&k, nst_dgram_sock(d[i]), NST_SO_REUSEADDR, 1);
		cr_assert_eq(kit_bind(nst_dgram_sock(d[i]), "127.0.0.1", 8),
			     NST_OK);
		cr_assert_eq(kit_connect(&k, d[i], "127.0.0.1", 9), NST_OK);
	}
	cr_assert_eq(kit_send(&k, peer, "127.0.0.1", 8, "x", 1), NST_OK);
	cr_assert_eq(nst_dgram_queued(d[0]) + nst_dgram_queued(d[1]), 1);
	nst_dgram_close(d[0], k.now);
	cr_assert_eq(kit_send(&k, peer, "127.0.0.1", 8, "x", 1), NST_OK);
	cr_assert_geq(nst_dgram_queued(d[1]), 1);
	nst_dgram_close(d[1], k.now);
	nst_dgram_close(peer, k.now);
}

/* ---- on the link ---- */

static void check_wire(bool four)
{
	struct nst_dgram *d = kit_udp(&k, four ? 4 : 6, NULL);
	struct nst_pkt *pkt;
	uint32_t hdr = four ? 20 : 40;
	struct nst_addr src = test_addr(four ? KIT_ADDR4 : KIT_ADDR6);
	struct nst_addr dst = test_addr(four ? "10.0.2.7" : "fd00::7");
	struct nst_dgram_opts o = {
	    .has_ttl = true, .ttl = 9, .has_tos = true, .tos = 0x28};
	struct nst_iov iov[2] = {{big, 3}, {big + 3, 6}};
	struct nst_sockaddr to = {dst, 53};
	uint8_t *p;

	cr_assert_eq(nst_dgram_send(d, &to, iov, 2, &o, k.now), NST_OK);
	cr_assert_eq(k.nout, 1);
	pkt = kit_take(&k);
	p = nst_pkt_data(pkt);
	cr_assert_eq(nst_pkt_bytes(pkt), hdr + 17);
	cr_assert_eq(four ? p[8] : p[7], 9);
	cr_assert_eq(four ? p[1] : (wire_get16(p) >> 4 & 0xff), 0x28);
	if (four)
		cr_assert_eq(p[6], 0x40, "DF: path MTU discovery");
	cr_assert_arr_eq(p + hdr + 8, big, 9);
	cr_assert_eq(wire_get16(p + hdr), kit_port(d));
	cr_assert_eq(wire_get16(p + hdr + 4), 17);
	cr_assert_eq(
	    nst_pkt_sum(pkt, hdr, 17, ip_pseudo_sum(&src, &dst, 17, 17)),
	    0xffff);
	nst_pkt_free(pkt);
	nst_dgram_close(d, k.now);
}

Test(udp, wire_format)
{
	check_wire(true);
	check_wire(false);
}

Test(udp, no_checksum_on_request)
{
	struct nst_dgram *d = kit_udp(&k, 4, NULL);
	struct nst_pkt *pkt;

	kit_set(&k, nst_dgram_sock(d), NST_SO_NO_CHECK, 1);
	cr_assert_eq(kit_send(&k, d, "10.0.2.7", 9, "x", 1), NST_OK);
	pkt = kit_take(&k);
	cr_assert_eq(wire_get16(nst_pkt_data(pkt) + 26), 0);
	nst_pkt_free(pkt);
	nst_dgram_close(d, k.now);
}

Test(udp, input_checks)
{
	struct nst_dgram *d = kit_bound(&k, "0.0.0.0", 9, NULL);
	struct nst_dgram *d6 = kit_bound(&k, "::1", 10, NULL);
	const struct nst_counters *c = nst_counters(k.st);
	struct nst_sockaddr src = test_sa("10.0.2.2", 1000);
	struct nst_sockaddr dst = test_sa(KIT_ADDR4, 9);
	uint8_t p[200];
	size_t n = kit_udp_packet(p, &src, &dst, "hello", 5);

	kit_in(&k, p, n);
	cr_assert_eq(c->UdpInDatagrams, 1);
	p[30] ^= 1;
	kit_in(&k, p, n);
	cr_assert_eq(c->UdpInCsumErrors, 1);
	wire_put16(p + 26, 0); /* none given: taken as it is */
	kit_in(&k, p, n);
	cr_assert_eq(c->UdpInDatagrams, 2);
	wire_put16(p + 24, 7); /* shorter than its header */
	kit_in(&k, p, n);
	wire_put16(p + 24, 14); /* longer than the packet */
	kit_in(&k, p, n);
	cr_assert_eq(c->UdpInErrors, 3);
	n = kit_ip_packet(p, &src.addr, &dst.addr, 17, 5);
	kit_in(&k, p, n); /* not even a header */
	cr_assert_eq(c->UdpInErrors, 4);
	cr_assert_eq(nst_dgram_queued(d), 2);
	nst_dgram_close(d, k.now);
	nst_dgram_close(d6, k.now);
}

/* RFC 8200 8.1 */
Test(udp, ipv6_needs_a_checksum)
{
	struct nst_dgram *d = kit_bound(&k, "::", 9, NULL);
	struct nst_sockaddr src = test_sa("fd00::2", 1000);
	struct nst_sockaddr dst = test_sa(KIT_ADDR6, 9);
	uint8_t p[200];
	size_t n = kit_udp_packet(p, &src, &dst, "hello", 5);

	kit_in(&k, p, n);
	cr_assert_eq(nst_dgram_queued(d), 1);
	wire_put16(p + 46, 0);
	kit_in(&k, p, n);
	cr_assert_eq(nst_dgram_queued(d), 1);
	cr_assert_eq(nst_counters(k.st)->UdpInCsumErrors, 1);
	nst_dgram_close(d, k.now);
}

/* Trailing bytes of the IP payload are not data. */
Test(udp, padding_is_cut)
{
	struct nst_dgram *d = kit_bound(&k, "0.0.0.0", 9, NULL);
	struct nst_sockaddr src = test_sa("10.0.2.2", 1000);
	struct nst_sockaddr dst = test_sa(KIT_ADDR4, 9);
	struct nst_dgram_in in;
	uint8_t p[200] = {0};
	size_t n = kit_udp_packet(p, &src, &dst, "hello", 5);

	kit_ip_packet(p, &src.addr, &dst.addr, 17, 8 + 5 + 7);
	kit_in(&k, p, n + 7);
	cr_assert_eq(nst_dgram_peek(d, &in), NST_OK);
	cr_assert_eq(in.bytes, 5);
	cr_assert_eq(in.ttl, 33);
	cr_assert_eq(in.tos, 8);
	cr_assert_eq(in.ifindex, KIT_IF);
	nst_dgram_close(d, k.now);
}

Test(udp, nobody_there_is_told)
{
	struct nst_sockaddr src = test_sa("10.0.2.2", 1000);
	struct nst_sockaddr dst = test_sa(KIT_ADDR4, 9);
	uint8_t p[200], *q;
	size_t n = kit_udp_packet(p, &src, &dst, "hello", 5);
	struct nst_pkt *pkt;

	kit_in(&k, p, n);
	cr_assert_eq(nst_counters(k.st)->UdpNoPorts, 1);
	pkt = kit_take(&k);
	cr_assert(pkt);
	q = nst_pkt_data(pkt);
	cr_assert_eq(q[9], 1);
	cr_assert_eq(q[20], 3);
	cr_assert_eq(q[21], 3);
	cr_assert_arr_eq(q + 48, p + 20, 8);
	nst_pkt_free(pkt);
}

Test(udp, mtu_discovery_modes)
{
	static const struct {
		int mode;
		enum nst_err err;
		size_t packets;
	} c[] = {{0, NST_OK, 2},        {1, NST_OK, 2},
		 {2, NST_E_MSGSIZE, 0}, {3, NST_E_MSGSIZE, 0},
		 {4, NST_E_MSGSIZE, 0}, {5, NST_OK, 2}};
	struct nst_dgram *d4 = kit_udp(&k, 4, NULL), *d6 = kit_udp(&k, 6, NULL);

	for (size_t i = 0; i < 6; i++) {
		kit_set(&k, nst_dgram_sock(d4), NST_IP_MTU_DISCOVER, c[i].mode);
		cr_expect_eq(kit_send(&k, d4, "10.0.2.7", 9, big, 2000),
			     c[i].err, "mode %d", c[i].mode);
		cr_expect_eq(k.nout, c[i].packets);
		kit_drop_out(&k);
		kit_set(&k, nst_dgram_sock(d6), NST_IPV6_MTU_DISCOVER,
			c[i].mode);
		cr_expect_eq(kit_send(&k, d6, "fd00::7", 9, big, 2000),
			     c[i].err, "mode %d, IPv6", c[i].mode);
		cr_expect_eq(k.nout, c[i].packets);
		kit_drop_out(&k);
	}
	kit_set(&k, nst_dgram_sock(d6), NST_IPV6_DONTFRAG, 1);
	cr_assert_eq(kit_send(&k, d6, "fd00::7", 9, big, 2000), NST_E_MSGSIZE);
	nst_dgram_close(d4, k.now);
	nst_dgram_close(d6, k.now);
}

Test(udp, segment)
{
	struct nst_dgram *d = kit_udp(&k, 4, NULL);
	struct nst_dgram *to = kit_bound(&k, "127.0.0.1", 9, NULL);
	struct nst_dgram_in in;

	kit_set(&k, nst_dgram_sock(d), NST_UDP_SEGMENT, 100);
	cr_assert_eq(kit_send(&k, d, "127.0.0.1", 9, big, 250), NST_OK);
	cr_assert_eq(nst_dgram_queued(to), 3);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(nst_dgram_peek(to, &in), NST_OK);
		cr_assert_eq(in.bytes, i < 2 ? 100 : 50);
		cr_assert_arr_eq(in.data, big + i * 100, in.bytes);
		nst_dgram_pop(to);
	}
	cr_assert_eq(kit_send(&k, d, "127.0.0.1", 9, big, 12801), NST_E_INVAL);
	cr_assert_eq(kit_send(&k, d, "127.0.0.1", 9, big, 12800), NST_OK);
	kit_set(&k, nst_dgram_sock(d), NST_UDP_SEGMENT, 1473);
	cr_assert_eq(kit_send(&k, d, "10.0.2.7", 9, big, 2000), NST_E_MSGSIZE);
	kit_set(&k, nst_dgram_sock(d), NST_UDP_SEGMENT, 1472);
	cr_assert_eq(kit_send(&k, d, "10.0.2.7", 9, big, 2000), NST_OK);
	cr_assert_eq(k.nout, 2);
	nst_dgram_close(d, k.now);
	nst_dgram_close(to, k.now);
}

Test(udp, cork)
{
	struct nst_dgram *d = kit_udp(&k, 4, NULL);
	struct nst_dgram *to = kit_bound(&k, "127.0.0.1", 9, NULL);
	struct nst_dgram_in in;

	kit_set(&k, nst_dgram_sock(d), NST_UDP_CORK, 1);
	cr_assert_eq(kit_send(&k, d, "127.0.0.1", 9, "ab", 2), NST_OK);
	cr_assert_eq(kit_send(&k, d, "127.0.0.1", 9, "cd", 2), NST_OK);
	cr_assert_eq(nst_dgram_queued(to), 0);
	kit_set(&k, nst_dgram_sock(d), NST_UDP_CORK, 0);
	cr_assert_eq(nst_dgram_peek(to, &in), NST_OK);
	cr_assert_eq(in.bytes, 4);
	cr_assert_arr_eq(in.data, "abcd", 4);
	kit_set(&k, nst_dgram_sock(d), NST_UDP_CORK, 1);
	cr_assert_eq(kit_send(&k, d, "127.0.0.1", 9, big, 60000), NST_OK);
	cr_assert_eq(kit_send(&k, d, "127.0.0.1", 9, big, 60000),
		     NST_E_MSGSIZE);
	kit_set(&k, nst_dgram_sock(d), NST_UDP_CORK, 0);
	cr_assert_eq(nst_dgram_queued(to), 1, "too much loses all");
	cr_assert_eq(kit_send(&k, d, "127.0.0.1", 9, "ef", 2), NST_OK);
	kit_set(&k, nst_dgram_sock(d), NST_UDP_CORK, 1);
	cr_assert_eq(kit_send(&k, d, "127.0.0.1", 9, "gh", 2), NST_OK);
	nst_dgram_close(d, k.now); /* what is corked goes with it */
	nst_dgram_close(to, k.now);
}

Test(udp, source_choice)
{
	struct nst_dgram *d = kit_udp(&k, 4, NULL);
	struct nst_dgram_opts o = {.has_src = true,
				   .src = test_addr("10.7.7.7")};
	struct nst_sockaddr to = test_sa("127.0.0.1", 9);

	cr_assert_eq(nst_dgram_send(d, &to, NULL, 0, &o, k.now), NST_E_INVAL);
	o.src = test_addr("127.0.0.9");
	cr_assert_eq(nst_dgram_send(d, &to, NULL, 0, &o, k.now), NST_OK);
	o.ifindex = 77;
	cr_assert_neq(nst_dgram_send(d, &to, NULL, 0, &o, k.now), NST_OK);
	nst_dgram_close(d, k.now);
}

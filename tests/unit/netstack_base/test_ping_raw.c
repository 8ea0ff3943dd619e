/* SPDX-License-Identifier: Apache-2.0 */
/* ping.c, raw_in.c, raw_send.c. */
#include <string.h>

#include "netstack/ip/ip.h"
#include "netstack/ip/wire.h"
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

TestSuite(ping, .init = up, .fini = down);
TestSuite(raw, .init = up, .fini = down);

static struct nst_dgram *make(enum nst_dgram_kind kind, uint8_t family,
			      uint8_t proto, void *user)
{
	struct nst_dgram *d;

	cr_assert_eq(nst_dgram_new(k.st, kind, family, proto, user, &d),
		     NST_OK);
	return d;
}

static void ping(uint8_t family, const char *to, uint8_t request, uint8_t reply)
{
	struct test_user u = {0};
	struct nst_dgram *d = make(NST_DGRAM_PING, family, 0, &u);
	uint8_t msg[12] = {request, 0, 9, 9, 9, 9, 0, 5, 'd', 'a', 't', 'a'};
	struct nst_dgram_in in;

	cr_assert_eq(kit_send(&k, d, to, 0, msg, sizeof(msg)), NST_OK);
	cr_assert_eq(u.seen, NST_EV_IN);
	cr_assert_eq(nst_dgram_peek(d, &in), NST_OK);
	cr_assert_eq(in.bytes, sizeof(msg));
	cr_assert_eq(in.data[0], reply);
	cr_assert_eq(wire_get16(in.data + 4), kit_port(d), "id is ours");
	cr_assert_arr_eq(in.data + 6, msg + 6, 6);
	msg[0] = 13;
	cr_assert_eq(kit_send(&k, d, to, 0, msg, sizeof(msg)), NST_E_INVAL);
	msg[0] = request;
	msg[1] = 1;
	cr_assert_eq(kit_send(&k, d, to, 0, msg, sizeof(msg)), NST_E_INVAL);
	cr_assert_eq(kit_send(&k, d, to, 0, msg, 7), NST_E_INVAL);
	nst_dgram_close(d, k.now);
}

Test(ping, loopback4)
{
	ping(4, "127.0.0.1", 8, 0);
}

Test(ping, loopback6)
{
	ping(6, "::1", 128, 129);
}

Test(ping, ids_are_exclusive)
{
	struct nst_dgram *a = make(NST_DGRAM_PING, 4, 0, NULL);
	struct nst_dgram *b = make(NST_DGRAM_PING, 4, 0, NULL);

	cr_assert_eq(kit_bind(nst_dgram_sock(a), "127.0.0.1", 77), NST_OK);
	cr_assert_eq(kit_bind(nst_dgram_sock(b), "127.0.0.2", 77),
		     NST_E_ADDRINUSE);
	cr_assert_eq(kit_bind(nst_dgram_sock(b), "127.0.0.2", 78), NST_OK);
	nst_dgram_close(a, k.now);
	nst_dgram_close(b, k.now);
}

Test(ping, reply_for_nobody_is_counted)
{
	struct nst_addr from = test_addr("10.0.2.2"), to = test_addr(KIT_ADDR4);
	uint8_t p[40] = {0};

	wire_put16(p + 24, 4242);
	wire_put_csum(p + 22, nst_csum_add_ref(0, p + 20, 8));
	kit_in(&k, p, kit_ip_packet(p, &from, &to, 1, 8));
	cr_assert_eq(nst_counters(k.st)->PingNoSocket, 1);
}

Test(raw, sees_header_and_all_of_its_protocol)
{
	struct nst_dgram *icmp = make(NST_DGRAM_RAW, 4, 1, NULL);
	struct nst_dgram *other = make(NST_DGRAM_RAW, 4, 200, NULL);
	uint8_t msg[9] = {8, 0, 0, 0, 1, 2, 0, 1, 'x'};
	struct nst_dgram_in in;
	struct nst_sockaddr a;

	wire_put_csum(msg + 2, nst_csum_add_ref(0, msg, 9));
	cr_assert_eq(kit_send(&k, icmp, "127.0.0.1", 0, msg, 9), NST_OK);
	cr_assert_eq(nst_dgram_queued(icmp), 2, "request and reply");
	cr_assert_eq(nst_dgram_queued(other), 0);
	cr_assert_eq(nst_dgram_peek(icmp, &in), NST_OK);
	cr_assert_eq(in.bytes, 29);
	cr_assert_eq(in.data[0], 0x45);
	cr_assert_arr_eq(in.data + 20, msg, 9);
	nst_sock_local(nst_dgram_sock(icmp), &a);
	cr_assert_eq(a.port, 1, "LINUX: the protocol");
	nst_dgram_close(icmp, k.now);
	nst_dgram_close(other, k.now);
}

Test(raw, filter)
{
	struct nst_dgram *icmp = make(NST_DGRAM_RAW, 4, 1, NULL);
	uint8_t msg[8] = {8, 0, 0xf7, 0xff};
	uint32_t blocked[8] = {1u << 8};
	struct nst_dgram_in in;

	nst_dgram_icmp_filter(icmp, blocked);
	cr_assert_eq(kit_send(&k, icmp, "127.0.0.1", 0, msg, 8), NST_OK);
	cr_assert_eq(nst_dgram_queued(icmp), 1);
	cr_assert_eq(nst_dgram_peek(icmp, &in), NST_OK);
	cr_assert_eq(in.data[20], 0);
	nst_dgram_close(icmp, k.now);
}

Test(raw, bound_and_connected_see_less)
{
	struct nst_dgram *d[3];
	static const char *const names[] = {"127.0.0.2", "127.0.0.1", NULL};

	for (int i = 0; i < 3; i++)
		d[i] = make(NST_DGRAM_RAW, 4, 200, NULL);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(kit_bind(nst_dgram_sock(d[i]), names[i], 0),
			     NST_OK);
	cr_assert_eq(kit_connect(&k, d[2], "127.0.0.2", 0), NST_OK);
	cr_assert_eq(kit_send(&k, d[1], "127.0.0.1", 0, "x", 1), NST_OK);
	cr_assert_eq(nst_dgram_queued(d[0]), 0);
	cr_assert_eq(nst_dgram_queued(d[1]), 1);
	cr_assert_eq(nst_dgram_queued(d[2]), 0);
	for (int i = 0; i < 3; i++)
		nst_dgram_close(d[i], k.now);
}

Test(raw, ipv6_has_no_header_and_checksums_itself)
{
	struct nst_dgram *d = make(NST_DGRAM_RAW, 6, 58, NULL);
	uint8_t msg[9] = {128, 0, 0, 0, 1, 2, 0, 1, 'x'};
	struct nst_dgram_in in;

	cr_assert_eq(kit_send(&k, d, "::1", 0, msg, 9), NST_OK);
	cr_assert_eq(nst_dgram_queued(d), 2);
	cr_assert_eq(nst_dgram_peek(d, &in), NST_OK);
	cr_assert_eq(in.bytes, 9);
	cr_assert_eq(in.data[0], 128);
	cr_assert_neq(wire_get16(in.data + 2), 0);
	cr_assert_eq(kit_send(&k, d, "::1", 0, msg, 3), NST_E_INVAL,
		     "no room for the checksum");
	nst_dgram_close(d, k.now);
}

Test(raw, hdrincl)
{
	struct nst_dgram *d = make(NST_DGRAM_RAW, 4, 255, NULL);
	struct nst_addr any = test_addr("0.0.0.0"), dst = test_addr("10.0.2.7");
	uint8_t p[30] = {0}, *q;
	static uint8_t big[2000];
	struct nst_pkt *pkt;
	size_t n = kit_ip_packet(p, &any, &dst, 200, 10);

	wire_put16(p + 2, 9999);
	cr_assert_eq(kit_send(&k, d, "10.0.2.7", 0, p, n), NST_OK);
	pkt = kit_take(&k);
	q = nst_pkt_data(pkt);
	cr_assert_eq(wire_get16(q + 2), 30, "length is ours");
	cr_assert_neq(wire_get16(q + 4), 0);
	cr_assert_eq(q[15], 15, "and the source, where it is zero");
	cr_assert_eq(q[9], 200);
	cr_assert(ip4_csum_ok(q, 20));
	nst_pkt_free(pkt);
	cr_assert_eq(kit_send(&k, d, "10.0.2.7", 0, p, 19), NST_E_INVAL);
	p[0] = 0x4f;
	cr_assert_eq(kit_send(&k, d, "10.0.2.7", 0, p, n), NST_E_INVAL);
	p[0] = 0x44;
	cr_assert_eq(kit_send(&k, d, "10.0.2.7", 0, p, n), NST_E_INVAL);
	cr_assert_eq(kit_send(&k, d, "10.0.2.7", 0, big, 1501), NST_E_MSGSIZE);
	nst_dgram_close(d, k.now);
}

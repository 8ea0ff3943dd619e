/* SPDX-License-Identifier: Apache-2.0 */
/* dgram_err.c, udp_icmp: who is told of errors, and how. */
#include <string.h>

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

TestSuite(dgram_err, .init = up, .fini = down);

/* LINUX: a refused send fails the next call, once. */
Test(dgram_err, connected_socket_is_refused_once)
{
	struct test_user u = {0};
	struct nst_dgram *d = kit_udp(&k, 4, &u);

	cr_assert_eq(kit_connect(&k, d, "127.0.0.1", 4), NST_OK);
	cr_assert_eq(kit_send(&k, d, NULL, 0, "x", 1), NST_OK);
	cr_assert_eq(u.seen, NST_EV_ERR);
	cr_assert_eq(kit_send(&k, d, NULL, 0, "x", 1), NST_E_CONNREFUSED);
	cr_assert_eq(kit_send(&k, d, NULL, 0, "x", 1), NST_OK);
	cr_assert_eq(nst_sock_error(nst_dgram_sock(d), true),
		     NST_E_CONNREFUSED);
	nst_dgram_close(d, k.now);
}

Test(dgram_err, ipv6_too)
{
	struct nst_dgram *d = kit_udp(&k, 6, NULL);

	cr_assert_eq(kit_connect(&k, d, "::1", 4), NST_OK);
	cr_assert_eq(kit_send(&k, d, NULL, 0, "x", 1), NST_OK);
	cr_assert_eq(nst_sock_error(nst_dgram_sock(d), true),
		     NST_E_CONNREFUSED);
	nst_dgram_close(d, k.now);
}

Test(dgram_err, unconnected_socket_hears_nothing)
{
	struct test_user u = {0};
	struct nst_dgram *d = kit_udp(&k, 4, &u);

	for (int i = 0; i < 3; i++)
		cr_assert_eq(kit_send(&k, d, "127.0.0.1", 4, "x", 1), NST_OK);
	cr_assert_eq(u.seen, 0);
	nst_dgram_close(d, k.now);
}

Test(dgram_err, queue_with_recverr)
{
	struct test_user u = {0};
	struct nst_dgram *d = kit_udp(&k, 4, &u);
	struct nst_dgram_err e;

	kit_set(&k, nst_dgram_sock(d), NST_IP_RECVERR, 1);
	cr_assert_eq(nst_dgram_err_peek(d, &e), NST_E_AGAIN);
	cr_assert_eq(kit_send(&k, d, "127.0.0.1", 4, "abc", 3), NST_OK);
	cr_assert_eq(nst_sock_error(nst_dgram_sock(d), true),
		     NST_E_CONNREFUSED);
	cr_assert_eq(kit_send(&k, d, "127.0.0.1", 5, "de", 2), NST_OK);
	cr_assert_eq(nst_dgram_err_peek(d, &e), NST_OK);
	cr_assert_eq(e.err, NST_E_CONNREFUSED);
	cr_assert_eq(e.origin, 2);
	cr_assert_eq(e.type, 3);
	cr_assert_eq(e.code, 3);
	cr_assert_eq(e.dst.port, 4);
	cr_assert_eq(e.dst.addr.b[0], 127);
	cr_assert_eq(e.offender.b[0], 127);
	cr_assert_eq(e.bytes, 3);
	cr_assert_arr_eq(e.data, "abc", 3);
	nst_dgram_err_pop(d);
	/* LINUX: SO_ERROR follows the queue's head */
	cr_assert_eq(nst_sock_error(nst_dgram_sock(d), false),
		     NST_E_CONNREFUSED);
	cr_assert_eq(nst_dgram_err_peek(d, &e), NST_OK);
	cr_assert_eq(e.dst.port, 5);
	nst_dgram_err_pop(d);
	nst_dgram_err_pop(d);
	cr_assert_eq(nst_sock_error(nst_dgram_sock(d), false), NST_OK);
	nst_dgram_close(d, k.now);
}

Test(dgram_err, queue_is_bounded_and_purged)
{
	struct nst_dgram *d = kit_udp(&k, 4, NULL);
	struct nst_dgram_err e;
	uint64_t full = 0;

	kit_set(&k, nst_dgram_sock(d), NST_IP_RECVERR, 1);
	kit_set(&k, nst_dgram_sock(d), NST_SO_RCVBUF, 0);
	for (int i = 0; i < 10; i++) {
		nst_sock_error(nst_dgram_sock(d), true);
		cr_assert_eq(kit_send(&k, d, "127.0.0.1", 4, "abc", 3), NST_OK);
		full = nst_counters(k.st)->DgramErrQueueFull;
	}
	cr_assert_gt(full, 0);
	kit_set(&k, nst_dgram_sock(d), NST_IP_RECVERR, 0);
	cr_assert_eq(nst_dgram_err_peek(d, &e), NST_E_AGAIN);
	nst_dgram_close(d, k.now);
}

Test(dgram_err, own_msgsize_is_queued)
{
	struct nst_dgram *d = kit_udp(&k, 4, NULL);
	static uint8_t big[2000];
	struct nst_dgram_err e;

	kit_set(&k, nst_dgram_sock(d), NST_IP_RECVERR, 1);
	kit_set(&k, nst_dgram_sock(d), NST_IP_MTU_DISCOVER, 2);
	cr_assert_eq(kit_send(&k, d, "10.0.2.9", 4, big, 2000), NST_E_MSGSIZE);
	cr_assert_eq(nst_dgram_err_peek(d, &e), NST_OK);
	cr_assert_eq(e.err, NST_E_MSGSIZE);
	cr_assert_eq(e.origin, 1);
	cr_assert_eq(e.info, KIT_MTU);
	nst_dgram_close(d, k.now);
}

/* An ICMP error from the link about a datagram of ours. */
static void icmp_in(uint8_t type, uint8_t code, uint16_t mtu, struct nst_pkt *q)
{
	struct nst_addr from = test_addr("10.0.2.2"), to = test_addr(KIT_ADDR4);
	uint8_t p[200] = {0}, *h = p + 20;

	h[0] = type;
	h[1] = code;
	wire_put16(h + 6, mtu);
	nst_pkt_copy(q, 0, h + 8, 28);
	wire_put_csum(h + 2, nst_csum_add_ref(0, h, 36));
	kit_in(&k, p, kit_ip_packet(p, &from, &to, 1, 36));
}

Test(dgram_err, soft_errors_only_with_recverr)
{
	struct nst_dgram *d = kit_udp(&k, 4, NULL);
	struct nst_pkt *q;

	cr_assert_eq(kit_connect(&k, d, "10.9.9.9", 4), NST_OK);
	cr_assert_eq(kit_send(&k, d, NULL, 0, "x", 1), NST_OK);
	q = kit_take(&k);
	icmp_in(3, 1, 0, q); /* host unreachable */
	cr_assert_eq(nst_sock_error(nst_dgram_sock(d), true), NST_OK);
	icmp_in(3, 3, 0, q);
	cr_assert_eq(nst_sock_error(nst_dgram_sock(d), true),
		     NST_E_CONNREFUSED);
	kit_set(&k, nst_dgram_sock(d), NST_IP_RECVERR, 1);
	icmp_in(3, 1, 0, q);
	cr_assert_eq(nst_sock_error(nst_dgram_sock(d), true),
		     NST_E_HOSTUNREACH);
	nst_pkt_free(q);
	nst_dgram_close(d, k.now);
}

Test(dgram_err, path_mtu_from_icmp)
{
	struct nst_dgram *d = kit_udp(&k, 4, NULL);
	static uint8_t big[1400];
	struct nst_pkt *q;

	cr_assert_eq(kit_connect(&k, d, "10.9.9.9", 4), NST_OK);
	cr_assert_eq(kit_send(&k, d, NULL, 0, big, 1400), NST_OK);
	q = kit_take(&k);
	icmp_in(3, 4, 1000, q);
	cr_assert_eq(nst_sock_error(nst_dgram_sock(d), true), NST_E_MSGSIZE);
	cr_assert_eq(kit_get(nst_dgram_sock(d), NST_IP_MTU), 1000);
	cr_assert_eq(kit_send(&k, d, NULL, 0, big, 1400), NST_OK);
	cr_assert_eq(k.nout, 2, "in fragments now");
	kit_set(&k, nst_dgram_sock(d), NST_IP_MTU_DISCOVER, 0);
	icmp_in(3, 4, 900, q);
	cr_assert_eq(nst_sock_error(nst_dgram_sock(d), true), NST_OK);
	nst_pkt_free(q);
	nst_dgram_close(d, k.now);
}

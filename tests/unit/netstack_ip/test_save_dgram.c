/* SPDX-License-Identifier: Apache-2.0 */
/* Datagram endpoints with all they can have, over a save: see save_world.h. */
#include "tests/unit/netstack_ip/save_world.h"

static void udp(struct sw *w, size_t i, const char *addr, uint16_t port)
{
	sw_sock(w, i, NST_DGRAM_UDP, test_addr(addr).family, 0);
	sw_bind(w, i, addr, port);
}

static void unreach(struct sw *w, const char *from)
{
	uint8_t b[256];

	sw_in(w, TUN, b, mk_icmp(b, from, "10.1.0.1", 3, 3, 0, w->last, 60));
}

static void queues(struct sw *w)
{
	udp(w, 0, "10.1.0.1", 1000);
	udp(w, 1, "127.0.0.1", 1001);
	udp(w, 2, "fd01::1", 1002);
	sw_set(w, 0, NST_IP_RECVERR, 1);
	sw_set(w, 0, NST_SO_RCVBUF, 10000);
	for (size_t i = 0; i < 5; i++) {
		sw_send(w, 1, "10.1.0.1", 1000, i * 700);
		sw_send(w, 0, "192.0.2.7", 9, 100 + i);
		unreach(w, "192.0.2.7");
		sw_send(w, 2, "fd01::1", 1002, 10 * i);
		sw_advance(w, 1234567);
	}
	sw_set(w, 0, NST_SO_RCVBUF, 3000);
	sw_send(w, 1, "10.1.0.1", 1000, 10); /* dropped */
	cr_assert_geq(nst_dgram_queued(w->d[0]), 3);
}

Test(save_dgram, queues)
{
	sw_run(queues);
}

static void corked(struct sw *w)
{
	udp(w, 0, "10.1.0.1", 1000);
	sw_sock(w, 1, NST_DGRAM_UDP, 6, 0);
	sw_connect(w, 1, "fd01::99", 77);
	sw_set(w, 0, NST_UDP_CORK, 1);
	sw_set(w, 1, NST_UDP_CORK, 1);
	sw_set(w, 0, NST_IP_TOS, 0x20);
	sw_send(w, 0, "10.1.0.9", 5, 700);
	sw_send(w, 1, NULL, 0, 0);
	sw_send(w, 0, "10.1.0.9", 5, 1700);
	sw_advance(w, NST_SEC);
	cr_assert_eq(w->nsent, 0);
	sw_set(w, 0, NST_UDP_CORK, 0);
	sw_set(w, 1, NST_UDP_CORK, 0);
	cr_assert_eq(w->nsent, 3);
}

Test(save_dgram, cork)
{
	sw_run(corked);
}

/* Who hears what: flows, ports that are shared, raw sockets in their order. */
static void names(struct sw *w)
{
	static const uint32_t blocked[8] = {1u << 8};
	uint8_t b[256];

	udp(w, 0, "10.1.0.1", 1000);
	sw_connect(w, 0, "10.1.0.9", 5);
	sw_sock(w, 1, NST_DGRAM_UDP, 4, 0);
	sw_sock(w, 2, NST_DGRAM_UDP, 4, 0);
	for (size_t i = 1; i <= 2; i++) {
		sw_set(w, i, NST_SO_REUSEADDR, 1);
		sw_bind(w, i, "0.0.0.0", 2000);
	}
	sw_sock(w, 3, NST_DGRAM_RAW, 4, 1);
	sw_sock(w, 4, NST_DGRAM_RAW, 4, 17);
	sw_sock(w, 5, NST_DGRAM_PING, 4, 0);
	sw_sock(w, 6, NST_DGRAM_RAW, 6, 58);
	nst_dgram_icmp_filter(w->d[3], blocked);
	sw_connect(w, 5, "10.1.0.9", 0);
	sw_send(w, 2, "10.1.0.9", 7, 20); /* already bound */
	for (uint16_t p = 1000; p <= 2000; p += 1000)
		sw_in(w, TUN, b,
		      mk_udp(b, "10.1.0.9", "10.1.0.1", 5, p, "hello", 5));
	sw_in(w, TUN, b,
	      mk_icmp(b, "10.1.0.9", "10.1.0.1", 8, 0, 0x10001, "x", 1));
	sw_in(w, TUN, b,
	      mk_icmp(b, "fd01::9", "fd01::1", 128, 0, 0x10001, "x", 1));
	sw_sock(w, 7, NST_DGRAM_UDP, 4, 0);
	sw_send(w, 7, "10.1.0.9", 7, 20); /* a port is chosen */
	cr_assert_eq(nst_dgram_queued(w->d[0]), 1);
	cr_assert_eq(nst_dgram_queued(w->d[2]), 1);
	cr_assert_eq(nst_dgram_queued(w->d[3]), 0);
	cr_assert_eq(nst_dgram_queued(w->d[4]), 2);
	cr_assert_eq(nst_dgram_queued(w->d[6]), 1);
}

Test(save_dgram, names)
{
	sw_run(names);
}

static void members(struct sw *w)
{
	uint8_t b[128];

	udp(w, 0, "0.0.0.0", 3000);
	sw_sock(w, 1, NST_DGRAM_UDP, 4, 0);
	sw_join(w, 0, "239.9.9.9", TUN);
	sw_join(w, 1, "239.9.9.9", TUN);
	sw_join(w, 1, "239.9.9.8", TUN);
	sw_leave(w, 1, "239.9.9.9", TUN);
	sw_in(w, TUN, b,
	      mk_udp(b, "10.1.0.9", "239.9.9.9", 5, 3000, "hello", 5));
	sw_leave(w, 0, "239.9.9.9", TUN);
	sw_in(w, TUN, b,
	      mk_udp(b, "10.1.0.9", "239.9.9.9", 5, 3000, "hello", 5));
	cr_assert_eq(nst_dgram_queued(w->d[0]), 1);
}

Test(save_dgram, members)
{
	sw_run(members);
}

/* From .9 and .10 to the group. */
static void group_in(struct sw *w)
{
	uint8_t b[128];

	sw_in(w, TUN, b,
	      mk_udp(b, "10.1.0.9", "239.9.9.9", 5, 3000, "hello", 5));
	sw_in(w, TUN, b,
	      mk_udp(b, "10.1.0.10", "239.9.9.9", 5, 3000, "hello", 5));
}

/* Socket 0 includes, 1 excludes, 2 is no member, 3 hears its own groups. */
static void sources(struct sw *w)
{
	for (size_t i = 0; i < 4; i++) {
		sw_sock(w, i, NST_DGRAM_UDP, 4, 0);
		sw_set(w, i, NST_SO_REUSEADDR, 1);
		sw_bind(w, i, "0.0.0.0", 3000);
	}
	sw_set(w, 3, NST_IP_MULTICAST_ALL, 0);
	sw_source(w, 0, "239.9.9.9", "10.1.0.9", TUN, true, true);
	group_in(w);
	cr_assert_eq(nst_dgram_queued(w->d[0]), 1);
	cr_assert_eq(nst_dgram_queued(w->d[2]), 1);
	sw_source(w, 0, "239.9.9.9", "10.1.0.10", TUN, true, true);
	sw_join(w, 1, "239.9.9.9", TUN);
	sw_source(w, 1, "239.9.9.9", "10.1.0.9", TUN, false, true);
	group_in(w);
	cr_assert_eq(nst_dgram_queued(w->d[0]), 3);
	cr_assert_eq(nst_dgram_queued(w->d[1]), 2);
	cr_assert_eq(nst_dgram_queued(w->d[2]), 3);
	/* An empty list keeps its kind. */
	sw_source(w, 1, "239.9.9.9", "10.1.0.9", TUN, false, false);
	sw_source(w, 0, "239.9.9.9", "10.1.0.10", TUN, true, false);
	sw_source(w, 0, "239.9.9.9", "10.1.0.9", TUN, true, false);
	group_in(w);
	cr_assert_eq(nst_dgram_queued(w->d[0]), 5);
	cr_assert_eq(nst_dgram_queued(w->d[1]), 4);
	cr_assert_eq(nst_dgram_queued(w->d[3]), 0);
}

Test(save_dgram, sources)
{
	sw_run(sources);
}

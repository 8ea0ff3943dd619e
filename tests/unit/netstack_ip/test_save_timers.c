/* SPDX-License-Identifier: Apache-2.0 */
/* Every timer of the IP layer fires at the same time in a stack that was saved
 * and made anew, whenever that was: see save_world.h. */
#include "tests/unit/netstack_ip/save_world.h"

static void udp(struct sw *w, size_t i, const char *addr, uint16_t port)
{
	sw_sock(w, i, NST_DGRAM_UDP, test_addr(addr).family, 0);
	sw_bind(w, i, addr, port);
}

static void arp_reply(struct sw *w, const char *peer)
{
	uint8_t b[64];

	sw_in_eth(w, ETH_TYPE_ARP, b, mk_arp(b, ARP_REPLY, peer, "10.0.0.1"));
}

static void na(struct sw *w, const char *peer)
{
	uint8_t b[128];

	sw_in_eth(w, ETH_TYPE_IP6, b,
		  mk_nd(b, ICMP6_NA, peer, "fd00::1", peer,
			ND_FLAG_SOLICITED | ND_FLAG_OVERRIDE, true));
}

/* Nobody answers: three questions, then the senders hear of it. */
static void unanswered(struct sw *w)
{
	udp(w, 0, "10.0.0.1", 1000);
	udp(w, 1, "fd00::1", 1001);
	sw_set(w, 0, NST_IP_RECVERR, 1);
	sw_set(w, 1, NST_IPV6_RECVERR, 1);
	for (int i = 0; i < 3; i++) {
		sw_send(w, 0, "10.0.0.77", 9, 100);
		sw_send(w, 1, "fd00::77", 9, 3000); /* fragments wait */
		sw_advance(w, 300 * NST_MS);
	}
	sw_advance(w, 10 * NST_SEC);
	cr_assert_eq(nst_counters(w->st)->NeighFailed, 2);
}

Test(save_timers, neighbour_solicit)
{
	sw_run(unanswered);
}

/* More packets than may wait, then the answer: all go, in order. */
static void answered_late(struct sw *w)
{
	udp(w, 0, "10.0.0.1", 1000);
	udp(w, 1, "fd00::1", 1001);
	for (size_t i = 0; i < LIMIT_NEIGH_PENDING + 3; i++) {
		sw_send(w, 0, "10.0.0.77", 9, 100 + i);
		sw_send(w, 1, "fd00::77", 9, 100 + i);
	}
	sw_advance(w, 1500 * NST_MS);
	arp_reply(w, "10.0.0.77");
	na(w, "fd00::77");
	sw_advance(w, 100 * NST_SEC);
	cr_assert_geq(w->nsent, 2u * LIMIT_NEIGH_PENDING);
}

Test(save_timers, neighbour_pending)
{
	sw_run(answered_late);
}

/* REACHABLE, STALE, DELAY, PROBE, FAILED. */
static void unreachable_later(struct sw *w)
{
	udp(w, 0, "10.0.0.1", 1000);
	udp(w, 1, "fd00::1", 1001);
	sw_send(w, 0, "10.0.0.77", 9, 100);
	sw_send(w, 1, "fd00::77", 9, 100);
	arp_reply(w, "10.0.0.77");
	na(w, "fd00::77");
	for (int i = 0; i < 12; i++) {
		sw_advance(w, 4 * NST_SEC);
		sw_send(w, 0, "10.0.0.77", 9, 50);
	}
	sw_advance(w, 60 * NST_SEC);
	sw_send(w, 1, "fd00::77", 9, 50);
	sw_advance(w, 20 * NST_SEC);
	cr_assert_geq(nst_counters(w->st)->NeighFailed, 2);
}

Test(save_timers, neighbour_unreachable)
{
	sw_run(unreachable_later);
}

static void fragment4(struct sw *w, uint16_t id, uint32_t off, bool more,
		      uint8_t tos)
{
	uint8_t b[256], data[64];
	uint32_t n;

	memset(data, (int)off + 1, sizeof(data));
	if (!off) {
		wire_put16(data, 5);
		wire_put16(data + 2, 1000);
		wire_put16(data + 4, 128);
		wire_put16(data + 6, 0);
	}
	n = mk_ip4(b, "10.1.0.9", "10.1.0.1", 17, data, sizeof(data));
	b[1] = tos;
	wire_put16(b + 4, id);
	wire_put16(b + 6, off / 8 | (more ? 0x2000u : 0));
	fix4(b);
	sw_in(w, TUN, b, n);
}

static void fragment6(struct sw *w, uint32_t id, uint32_t off, bool more)
{
	uint8_t b[256], data[8 + 64];
	struct ip6_frag_repr f = {
	    .id = id, .off = (uint16_t)off, .next = 59, .more = more};

	memset(data, (int)off + 3, sizeof(data));
	ip6_frag_emit(&f, data);
	sw_in(w, TUN, b,
	      mk_ip6(b, "fd01::9", "fd01::1", 44, data, sizeof(data)));
}

/* Incomplete ones time out, with an error if the first part came; one is
 * completed. */
static void fragments(struct sw *w)
{
	udp(w, 0, "10.1.0.1", 1000);
	fragment4(w, 1, 0, true, 0);
	sw_advance(w, NST_SEC);
	fragment4(w, 2, 64, false, 0);
	fragment6(w, 3, 0, true);
	fragment4(w, 4, 0, true, 2);
	sw_advance(w, NST_SEC / 3);
	fragment6(w, 5, 64, true);
	fragment4(w, 6, 64, true, 0);
	fragment4(w, 6, 192, true, 0);
	sw_advance(w, 5 * NST_SEC);
	fragment4(w, 4, 64, false, 3); /* complete, CE */
	cr_assert_eq(nst_counters(w->st)->IpReasmOKs, 1);
	cr_assert_eq(nst_dgram_queued(w->d[0]), 1);
	fragment4(w, 6, 100, true, 0); /* overlaps: gone */
	sw_advance(w, 70 * NST_SEC);
	cr_assert_eq(nst_counters(w->st)->IpReasmTimeout, 4);
	cr_assert_eq(w->nsent, 2);
}

Test(save_timers, reassembly)
{
	sw_run(fragments);
}

/* Timers of the same moment: their order is no accident of tables. */
static void at_once(struct sw *w)
{
	char a4[16] = "10.0.0.90", a6[16] = "fd00::90";

	udp(w, 0, "10.1.0.1", 1000);
	udp(w, 1, "10.0.0.1", 1001);
	udp(w, 2, "fd00::1", 1002);
	for (uint16_t i = 0; i < 10; i++) {
		fragment4(w, (uint16_t)(100 + 7 * i), 0, true, 0);
		fragment6(w, 900u - i, 0, true);
		a4[8] = a6[7] = (char)('9' - i);
		sw_send(w, 1, a4, 9, 100 + i);
		sw_send(w, 2, a6, 9, 100 + i);
	}
	sw_advance(w, 70 * NST_SEC);
	cr_assert_eq(nst_counters(w->st)->IpReasmTimeout, 20);
	cr_assert_eq(nst_counters(w->st)->NeighFailed, 20);
}

Test(save_timers, of_the_same_moment)
{
	sw_run(at_once);
}

static void igmp(struct sw *w, uint8_t type, uint8_t code, const char *group)
{
	struct nst_addr g = test_addr(group);
	uint8_t b[64], m[8] = {type, code};

	memcpy(m + 4, g.b, 4);
	wire_put_csum(m + 2, nst_csum_add(0, m, 8));
	sw_in_eth(w, ETH_TYPE_IP4, b,
		  mk_ip4(b, "10.0.0.9", "224.0.0.1", 2, m, 8));
}

static void groups(struct sw *w)
{
	sw_sock(w, 0, NST_DGRAM_UDP, 4, 0);
	sw_sock(w, 1, NST_DGRAM_UDP, 6, 0);
	sw_sock(w, 2, NST_DGRAM_UDP, 4, 0);
	sw_join(w, 0, "239.1.2.3", ETH);
	sw_join(w, 0, "239.1.2.4", ETH);
	sw_join(w, 2, "239.1.2.4", ETH);
	sw_join(w, 1, "ff05::7", ETH);
	sw_join(w, 0, "239.1.2.5", TUN);
	sw_advance(w, 20 * NST_SEC);
	igmp(w, 0x11, 100, "0.0.0.0");
	sw_advance(w, NST_SEC / 10);
	igmp(w, 0x11, 20, "239.1.2.3"); /* sooner */
	igmp(w, 0x16, 0, "239.1.2.4");  /* another member was first */
	sw_advance(w, 20 * NST_SEC);
	sw_leave(w, 0, "239.1.2.4", ETH);
	sw_leave(w, 2, "239.1.2.4", ETH);
	sw_leave(w, 0, "239.1.2.3", ETH);
	sw_leave(w, 1, "ff05::7", ETH);
	cr_assert_geq(w->nsent, 9);
}

Test(save_timers, groups)
{
	sw_run(groups);
}

static void too_big(struct sw *w, uint32_t mtu)
{
	uint8_t b[256];

	sw_in(w, TUN, b,
	      mk_icmp(b, "10.1.0.254", "10.1.0.1", 3, 4, mtu, w->last, 60));
}

/* Believed for 600 s, and not a moment longer. */
static void path_mtus(struct sw *w)
{
	udp(w, 0, "10.1.0.1", 1000);
	sw_set(w, 0, NST_IP_MTU_DISCOVER, 2);
	for (int i = 0; i < 3; i++) {
		char peer[16];

		snprintf(peer, sizeof(peer), "192.0.2.%d", i + 1);
		sw_send(w, 0, peer, 9, 1400);
		too_big(w, i == 2 ? 300 : 1000 + (uint32_t)i);
		sw_advance(w, NST_SEC);
	}
	nst_sock_error(nst_dgram_sock(w->d[0]), true);
	cr_assert_eq(sw_send(w, 0, "192.0.2.1", 9, 1400), NST_E_MSGSIZE);
	sw_advance(w, 597 * NST_SEC - 1);
	cr_assert_eq(sw_send(w, 0, "192.0.2.1", 9, 1400), NST_E_MSGSIZE);
	sw_advance(w, 1);
	cr_assert_eq(sw_send(w, 0, "192.0.2.1", 9, 1400), NST_OK);
	cr_assert_eq(sw_send(w, 0, "192.0.2.2", 9, 1400), NST_E_MSGSIZE);
}

Test(save_timers, path_mtu)
{
	sw_run(path_mtus);
}

/* Errors are sent until the credit is used up; time gives new credit. */
static void limits(struct sw *w)
{
	uint8_t b[128];

	for (int i = 0; i < 20; i++) {
		sw_in(w, TUN, b,
		      mk_udp(b, i % 3 ? "10.1.0.9" : "10.1.0.10", "10.1.0.1", 5,
			     4000, "hello", 5));
		sw_in(w, TUN, b,
		      mk_udp(b, "fd01::9", "fd01::1", 5, 4000, "hello", 5));
		sw_advance(w, 270 * NST_MS);
	}
	cr_assert_gt(nst_counters(w->st)->IcmpOutRateLimit, 5);
	cr_assert_gt(w->nsent, 15);
}

Test(save_timers, icmp_limits)
{
	sw_run(limits);
}

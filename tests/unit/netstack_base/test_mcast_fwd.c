/* SPDX-License-Identifier: Apache-2.0 */
/* dgram_mcast.c, delivery to many, and udp_fwd.c. */
#include <string.h>

#include "netstack/ip/wire.h"
#include "tests/unit/netstack_base/kit.h"

static struct kit k;

static void up(void)
{
	kit_up(&k, NST_CAP_ANYCAST_IN | NST_CAP_SPOOF);
}

static void down(void)
{
	kit_down(&k);
}

TestSuite(mcast, .init = up, .fini = down);
TestSuite(udp_fwd, .init = up, .fini = down);

static void group_in(const char *group, uint16_t port)
{
	struct nst_sockaddr dst = test_sa(group, port);
	struct nst_sockaddr src =
	    test_sa(dst.addr.family == 4 ? "10.0.2.2" : "fd00::2", 1000);
	uint8_t p[200];

	kit_in(&k, p, kit_udp_packet(p, &src, &dst, "hello", 5));
}

Test(mcast, membership)
{
	struct nst_addr g = test_addr("224.1.2.3"), u = test_addr("10.0.2.2");
	struct nst_addr g6 = test_addr("ff02::77");
	struct nst_dgram *d = kit_bound(&k, "0.0.0.0", 9, NULL);

	cr_assert_eq(nst_dgram_join(d, &u, 0, k.now), NST_E_INVAL);
	cr_assert_eq(nst_dgram_join(d, &g6, KIT_IF, k.now), NST_E_AFNOSUPPORT);
	cr_assert_eq(nst_dgram_join(d, &g, 99, k.now), NST_E_NODEV);
	cr_assert_eq(nst_dgram_leave(d, &g, 0, k.now), NST_E_ADDRNOTAVAIL);
	group_in("224.1.2.3", 9);
	cr_assert_eq(nst_dgram_queued(d), 0);
	cr_assert_eq(nst_dgram_join(d, &g, 0, k.now), NST_OK);
	cr_assert_eq(nst_dgram_join(d, &g, KIT_IF, k.now), NST_E_EXIST);
	group_in("224.1.2.3", 9);
	cr_assert_eq(nst_dgram_queued(d), 1);
	cr_assert_eq(nst_dgram_leave(d, &g, 0, k.now), NST_OK);
	group_in("224.1.2.3", 9);
	cr_assert_eq(nst_dgram_queued(d), 1);
	cr_assert_eq(nst_dgram_join(d, &g, 0, k.now), NST_OK);
	nst_dgram_close(d, k.now); /* leaves */
	kit_drop_out(&k);
}

Test(mcast, no_more_than_the_limit)
{
	struct nst_dgram *d = kit_udp(&k, 4, NULL);
	struct nst_addr g = test_addr("224.1.2.0");

	for (uint8_t i = 0; i < LIMIT_MEMBERSHIPS; i++) {
		g.b[3] = i;
		cr_assert_eq(nst_dgram_join(d, &g, KIT_IF, k.now), NST_OK);
	}
	g.b[3] = 200;
	cr_assert_eq(nst_dgram_join(d, &g, KIT_IF, k.now), NST_E_NOBUFS);
	nst_dgram_close(d, k.now);
	kit_drop_out(&k);
}

static enum nst_err source(struct nst_dgram *d, const char *group,
			   const char *from, bool include, bool add)
{
	struct nst_mc_source q = {.group = test_addr(group),
				  .source = test_addr(from),
				  .include = include,
				  .add = add};

	return nst_dgram_source(d, &q, k.now);
}

Test(mcast, sources_listed)
{
	struct nst_dgram *d = kit_bound(&k, "0.0.0.0", 9, NULL);

	cr_assert_eq(source(d, "10.0.2.2", "10.0.2.2", true, true),
		     NST_E_INVAL);
	cr_assert_eq(source(d, "ff05::7", "fd00::2", true, true),
		     NST_E_AFNOSUPPORT);
	cr_assert_eq(source(d, "224.1.2.3", "fd00::2", true, true),
		     NST_E_ADDRNOTAVAIL);
	cr_assert_eq(source(d, "224.1.2.3", "10.0.2.2", true, false),
		     NST_E_INVAL);
	cr_assert_eq(source(d, "224.1.2.3", "10.0.2.3", true, true), NST_OK);
	group_in("224.1.2.3", 9);
	cr_assert_eq(nst_dgram_queued(d), 0);
	cr_assert_eq(nst_counters(k.st)->UdpIgnoredMulti, 1);
	cr_assert_eq(source(d, "224.1.2.3", "10.0.2.2", true, true), NST_OK);
	cr_assert_eq(source(d, "224.1.2.3", "10.0.2.2", true, true),
		     NST_E_ADDRNOTAVAIL);
	group_in("224.1.2.3", 9);
	cr_assert_eq(nst_dgram_queued(d), 1);
	cr_assert_eq(source(d, "224.1.2.3", "10.0.2.2", false, true),
		     NST_E_INVAL);
	nst_dgram_close(d, k.now);
	cr_assert(nst_stack_check(k.st));
	kit_drop_out(&k);
}

Test(mcast, sources_of_ipv6)
{
	struct nst_dgram *d = kit_bound(&k, "::", 9, NULL);

	cr_assert_eq(source(d, "ff05::7", "fd00::2", true, true), NST_OK);
	group_in("ff05::7", 9);
	cr_assert_eq(nst_dgram_queued(d), 1);
	cr_assert_eq(source(d, "ff05::7", "fd00::2", true, false), NST_OK);
	group_in("ff05::7", 9);
	cr_assert_eq(nst_dgram_queued(d), 1);
	cr_assert_eq(source(d, "ff05::7", "fd00::2", false, true), NST_E_INVAL);
	nst_dgram_close(d, k.now);
	kit_drop_out(&k);
}

/* LINUX: inet6_create() */
Test(mcast, an_ipv6_socket_hears_groups_of_ipv4_it_has_joined)
{
	struct nst_addr g = test_addr("224.1.2.3");
	struct nst_dgram *six = kit_bound(&k, "::", 9, NULL);
	struct nst_dgram *four = kit_udp(&k, 4, NULL);

	cr_assert_eq(nst_dgram_join(four, &g, KIT_IF, k.now), NST_OK);
	group_in("224.1.2.3", 9);
	cr_assert_eq(nst_dgram_queued(six), 0);
	cr_assert_eq(nst_dgram_join(six, &g, KIT_IF, k.now), NST_OK);
	group_in("224.1.2.3", 9);
	cr_assert_eq(nst_dgram_queued(six), 1);
	nst_dgram_close(six, k.now);
	nst_dgram_close(four, k.now);
	kit_drop_out(&k);
}

Test(mcast, every_matching_socket_gets_a_copy)
{
	struct nst_addr g = test_addr("224.1.2.3");
	static const char *const name[] = {"0.0.0.0", "224.1.2.3", "10.0.2.15",
					   "0.0.0.0"};
	static const size_t want[] = {1, 1, 0, 0};
	struct nst_dgram *d[4];

	for (int i = 0; i < 4; i++) {
		d[i] = kit_udp(&k, 4, NULL);
		kit_set(&k, nst_dgram_sock(d[i]), NST_SO_REUSEADDR, 1);
		cr_assert_eq(kit_bind(nst_dgram_sock(d[i]), name[i], 9),
			     NST_OK);
	}
	cr_assert_eq(kit_connect(&k, d[3], "10.0.2.77", 5), NST_OK);
	cr_assert_eq(nst_dgram_join(d[2], &g, KIT_IF, k.now), NST_OK);
	group_in("224.1.2.3", 9);
	for (int i = 0; i < 4; i++)
		cr_expect_eq(nst_dgram_queued(d[i]), want[i], "socket %d", i);
	group_in("224.1.2.3", 10);
	cr_assert_eq(nst_counters(k.st)->UdpIgnoredMulti, 1);
	for (int i = 0; i < 4; i++)
		nst_dgram_close(d[i], k.now);
	kit_drop_out(&k);
}

Test(mcast, own_members_hear_unless_told_not_to)
{
	struct nst_addr g = test_addr("224.1.2.3");
	struct nst_dgram *d = kit_bound(&k, "0.0.0.0", 9, NULL);
	struct nst_dgram *s = kit_udp(&k, 4, NULL);
	struct nst_dgram_in in;
	struct nst_pkt *pkt;

	cr_assert_eq(nst_dgram_join(d, &g, KIT_IF, k.now), NST_OK);
	kit_drop_out(&k);
	kit_set(&k, nst_dgram_sock(s), NST_IP_MULTICAST_IF, KIT_IF);
	cr_assert_eq(kit_send(&k, s, "224.1.2.3", 9, "x", 1), NST_OK);
	cr_assert_eq(nst_dgram_peek(d, &in), NST_OK);
	cr_assert_eq(in.spec_dst.b[3], 15, "where a reply would come from");
	cr_assert_eq(k.nout, 1);
	pkt = kit_take(&k);
	cr_assert_eq(nst_pkt_data(pkt)[8], 1, "TTL 1");
	nst_pkt_free(pkt);
	kit_set(&k, nst_dgram_sock(s), NST_IP_MULTICAST_LOOP, 0);
	cr_assert_eq(kit_send(&k, s, "224.1.2.3", 9, "x", 1), NST_OK);
	cr_assert_eq(nst_dgram_queued(d), 1);
	cr_assert_eq(k.nout, 1);
	/* TTL 0: never leaves the host */
	kit_set(&k, nst_dgram_sock(s), NST_IP_MULTICAST_LOOP, 1);
	kit_set(&k, nst_dgram_sock(s), NST_IP_MULTICAST_TTL, 0);
	cr_assert_eq(kit_send(&k, s, "224.1.2.3", 9, "x", 1), NST_OK);
	cr_assert_eq(k.nout, 1);
	cr_assert_eq(nst_dgram_queued(d), 2);
	nst_dgram_close(d, k.now);
	nst_dgram_close(s, k.now);
	kit_drop_out(&k);
}

Test(mcast, ipv6)
{
	struct nst_addr g = test_addr("ff02::77");
	struct nst_dgram *d = kit_bound(&k, "::", 9, NULL);

	cr_assert_eq(nst_dgram_join(d, &g, KIT_IF, k.now), NST_OK);
	group_in("ff02::77", 9);
	cr_assert_eq(nst_dgram_queued(d), 1);
	nst_dgram_close(d, k.now);
	kit_drop_out(&k);
}

Test(mcast, broadcast)
{
	struct nst_dgram *d = kit_bound(&k, "0.0.0.0", 9, NULL);

	group_in("10.0.2.255", 9);
	group_in("255.255.255.255", 9);
	cr_assert_eq(nst_dgram_queued(d), 2);
	nst_dgram_close(d, k.now);
}

/* ---- forwarder ---- */

struct seen {
	struct nst_sockaddr src, dst;
	char data[16];
	size_t bytes, calls;
};

static void fwd_udp(void *ctx, const struct nst_sockaddr *src,
		    const struct nst_sockaddr *dst, const struct nst_iov *iov,
		    size_t niov)
{
	struct seen *s = ctx;

	s->src = *src;
	s->dst = *dst;
	s->calls++;
	s->bytes = 0;
	for (size_t i = 0; i < niov; i++) {
		memcpy(s->data + s->bytes, iov[i].p, iov[i].len);
		s->bytes += iov[i].len;
	}
}

Test(udp_fwd, sees_what_no_socket_takes)
{
	struct seen s = {0};
	struct nst_forwarder f = {.ctx = &s, .udp = fwd_udp};
	struct nst_dgram *d = kit_bound(&k, "0.0.0.0", 9, NULL);

	nst_set_forwarder(k.st, &f);
	group_in(KIT_ADDR4, 9);
	cr_assert_eq(s.calls, 0);
	group_in("93.184.216.34", 53);
	cr_assert_eq(s.calls, 1);
	cr_assert_eq(s.bytes, 5);
	cr_assert_arr_eq(s.data, "hello", 5);
	cr_assert_eq(s.dst.port, 53);
	cr_assert_eq(s.dst.addr.b[0], 93);
	cr_assert_eq(s.src.port, 1000);
	nst_set_forwarder(k.st, NULL);
	group_in("93.184.216.34", 53);
	cr_assert_eq(s.calls, 1);
	nst_dgram_close(d, k.now);
	kit_drop_out(&k);
}

Test(udp_fwd, answers_from_any_address)
{
	struct nst_sockaddr from = test_sa("93.184.216.34", 53);
	struct nst_sockaddr to = test_sa("10.0.2.2", 1000);
	struct nst_sockaddr six = test_sa("fd00::2", 1);
	struct nst_pkt *pkt;
	static uint8_t big[65536];
	uint8_t *p;

	cr_assert_eq(nst_fwd_udp_send(k.st, &from, &to, "ok", 2, k.now),
		     NST_OK);
	pkt = kit_take(&k);
	p = nst_pkt_data(pkt);
	cr_assert_eq(p[12], 93);
	cr_assert_eq(wire_get16(p + 20), 53);
	cr_assert_eq(wire_get16(p + 22), 1000);
	cr_assert_arr_eq(p + 28, "ok", 2);
	nst_pkt_free(pkt);
	cr_assert_eq(nst_fwd_udp_send(k.st, &from, &six, "ok", 2, k.now),
		     NST_E_AFNOSUPPORT);
	cr_assert_eq(nst_fwd_udp_send(k.st, &from, &to, big, 65508, k.now),
		     NST_E_MSGSIZE);
	cr_assert_eq(nst_fwd_udp_send(k.st, &from, &to, big, 65536, k.now),
		     NST_E_MSGSIZE);
	cr_assert_eq(nst_fwd_udp_send(k.st, &from, &to, big, 3000, k.now),
		     NST_OK);
	cr_assert_eq(k.nout, 3, "in fragments");
}

Test(udp_fwd, unreachable)
{
	struct nst_sockaddr src = test_sa("10.0.2.2", 1000);
	struct nst_sockaddr dst = test_sa("93.184.216.34", 53);
	struct nst_pkt *pkt;
	uint8_t *p;

	nst_fwd_udp_unreach(k.st, &src, &dst, NST_E_CONNREFUSED, k.now);
	pkt = kit_take(&k);
	cr_assert(pkt);
	p = nst_pkt_data(pkt);
	cr_assert_eq(p[20], 3);
	cr_assert_eq(p[21], 3);
	cr_assert_eq(wire_get16(p + 48), 1000);
	cr_assert_eq(wire_get16(p + 50), 53);
	nst_pkt_free(pkt);
}

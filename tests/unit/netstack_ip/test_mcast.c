/* SPDX-License-Identifier: Apache-2.0 */
/* Groups: membership, IGMPv2 (RFC 2236), MLDv1 (RFC 2710), loop copies. */
#include "tests/unit/netstack_ip/harness.h"

static const uint8_t *expect_igmp(struct ipt *t, uint8_t type, const char *dst,
				  const char *group)
{
	const uint8_t *p;
	uint16_t etype;
	uint32_t n;

	p = ipt_expect(t, ETH, &etype, &n);
	cr_assert_eq(etype, ETH_TYPE_IP4);
	cr_assert_eq(p[0], 0x46);
	cr_assert_eq(p[8], 1);
	cr_assert_eq(p[9], 2);
	cr_assert_arr_eq(p + 16, test_addr(dst).b, 4);
	cr_assert(ip4_csum_ok(p, 24));
	cr_assert_eq(wire_get32(p + 20), 0x94040000);
	cr_assert_eq(p[24], type);
	cr_assert_arr_eq(p + 28, test_addr(group).b, 4);
	cr_assert_eq(nst_csum_add(0, p + 24, 8), 0xffff);
	return p;
}

static void expect_mld(struct ipt *t, uint8_t type, const char *dst,
		       const char *group)
{
	struct nst_addr s, d = test_addr(dst);
	const uint8_t *p;
	uint16_t etype;
	uint32_t n;

	p = ipt_expect(t, ETH, &etype, &n);
	cr_assert_eq(etype, ETH_TYPE_IP6);
	cr_assert_eq(p[6], 0);
	cr_assert_eq(p[7], 1);
	addr6_set(&s, p + 8);
	cr_assert(addr_is_linklocal6(&s));
	cr_assert_arr_eq(p + 24, d.b, 16);
	cr_assert_eq(p[48], type);
	cr_assert_arr_eq(p + 56, test_addr(group).b, 16);
	cr_assert_eq(nst_csum_add(ip_pseudo_sum(&s, &d, 58, 24), p + 48, 24),
		     0xffff);
}

Test(mcast, igmp_life)
{
	struct nst_addr g = test_addr("239.1.2.3");
	struct ipt *t = ipt_new();

	cr_assert_eq(ip_mcast_join(t->st, &g, 0), NST_OK);
	expect_igmp(t, 0x16, "239.1.2.3", "239.1.2.3");
	cr_assert_arr_eq(t->frame[0].p, "\x01\x00\x5e\x01\x02\x03", 6);
	ipt_expect_none(t);
	ipt_advance(t, 11 * NST_SEC);
	expect_igmp(t, 0x16, "239.1.2.3", "239.1.2.3");
	cr_assert_eq(ip_mcast_join(t->st, &g, ETH), NST_OK);
	ipt_expect_none(t); /* counted: the second says nothing */
	ip_mcast_leave(t->st, &g, ETH);
	ipt_expect_none(t);
	ip_mcast_leave(t->st, &g, ETH);
	expect_igmp(t, 0x17, "224.0.0.2", "239.1.2.3");
	ip_mcast_leave(t->st, &g, ETH); /* nothing left */
	ipt_expect_none(t);
	ipt_free(t);
}

/* Another one may have its place (sentry/save): that is not left. */
Test(mcast, a_stack_that_is_freed_leaves_nothing)
{
	struct nst_addr g = test_addr("239.1.2.3");
	struct ipt *t = ipt_new();

	cr_assert_eq(ip_mcast_join(t->st, &g, ETH), NST_OK);
	expect_igmp(t, 0x16, "239.1.2.3", "239.1.2.3");
	t->st->ending = true; /* as nst_stack_free() begins */
	ip_mcast_leave(t->st, &g, ETH);
	ipt_expect_none(t);
	ipt_free(t);
}

Test(mcast, mld_life)
{
	struct nst_addr g = test_addr("ff0e::99");
	struct ipt *t = ipt_new();

	cr_assert_eq(ip_mcast_join(t->st, &g, ETH), NST_OK);
	expect_mld(t, 131, "ff0e::99", "ff0e::99");
	ipt_advance(t, 11 * NST_SEC);
	expect_mld(t, 131, "ff0e::99", "ff0e::99");
	ip_mcast_leave(t->st, &g, ETH);
	expect_mld(t, 132, "ff02::2", "ff0e::99");
	ipt_expect_none(t);
	ipt_free(t);
}

static void igmp_msg(struct ipt *t, const char *dst, uint8_t type, uint8_t max,
		     const char *group)
{
	uint8_t b[64], m[8] = {type, max};

	memcpy(m + 4, test_addr(group).b, 4);
	wire_put_csum(m + 2, nst_csum_add(0, m, 8));
	ipt_inject_eth(t, (uint8_t[6]){1, 0, 0x5e, 0, 0, 1}, ETH_TYPE_IP4, b,
		       mk_ip4(b, "10.0.0.9", dst, 2, m, 8));
}

Test(mcast, queries_are_answered_and_suppressed)
{
	struct nst_addr g = test_addr("239.1.2.3"), h = test_addr("239.9.9.9");
	struct ipt *t = ipt_new();

	cr_assert_eq(ip_mcast_join(t->st, &g, ETH), NST_OK);
	cr_assert_eq(ip_mcast_join(t->st, &h, ETH), NST_OK);
	ipt_advance(t, 11 * NST_SEC);
	ipt_clear(t);
	igmp_msg(t, "224.0.0.1", 0x11, 20, "0.0.0.0");
	ipt_expect_none(t);
	igmp_msg(t, "239.9.9.9", 0x16, 0, "239.9.9.9"); /* another member */
	ipt_advance(t, 2 * NST_SEC);
	expect_igmp(t, 0x16, "239.1.2.3", "239.1.2.3");
	ipt_expect_none(t);
	/* Not the last reporter: leaves silently. */
	ip_mcast_leave(t->st, &h, ETH);
	ipt_expect_none(t);
	igmp_msg(t, "239.1.2.3", 0x11, 10, "239.1.2.3");
	ipt_advance(t, NST_SEC);
	expect_igmp(t, 0x16, "239.1.2.3", "239.1.2.3");
	ipt_expect_none(t);
	ipt_free(t);
}

Test(mcast, delivery_and_loop_copy)
{
	struct nst_addr g = test_addr("239.1.2.3");
	struct ip_out o = {.proto = IP_PROTO_UDP};
	struct ipt *t = ipt_new();
	uint8_t b[64];
	uint32_t n;

	n = mk_udp(b, "10.1.0.9", "239.1.2.3", 1, 2, "x", 1);
	ipt_inject(t, TUN, b, n);
	cr_assert_eq(t->ngot, 0);
	cr_assert_eq(ip_mcast_join(t->st, &g, TUN), NST_OK);
	ipt_expect_none(t); /* no reports on a link without Ethernet */
	ipt_inject(t, TUN, b, n);
	cr_assert_eq(t->ngot, 1);
	cr_assert(t->got[0].in.mcast);
	/* Sent out of eth0, where we are not a member: no copy. */
	cr_assert_eq(ipt_send(t, NULL, "239.1.2.3", &o, "y", 1), NST_OK);
	cr_assert_eq(t->ngot, 1);
	cr_assert_eq(ip_mcast_join(t->st, &g, ETH), NST_OK);
	ipt_clear(t);
	cr_assert_eq(ipt_send(t, NULL, "239.1.2.3", &o, "y", 1), NST_OK);
	cr_assert_eq(t->ngot, 1);
	cr_assert_eq(t->got[0].in.ifindex, ETH);
	cr_assert_eq(t->nframes, 1);
	o.no_mc_loop = true;
	cr_assert_eq(ipt_send(t, NULL, "239.1.2.3", &o, "y", 1), NST_OK);
	cr_assert_eq(t->ngot, 1);
	/* Broadcasts are heard at home too. */
	o.no_mc_loop = false;
	cr_assert_eq(ipt_send(t, NULL, "10.0.0.255", &o, "y", 1), NST_OK);
	cr_assert_eq(t->ngot, 2);
	cr_assert(t->got[1].in.bcast);
	ipt_free(t);
}

Test(mcast, refusals_and_bounds)
{
	struct nst_addr g = test_addr("10.0.0.9");
	struct ipt *t = ipt_new();
	uint32_t i;

	cr_assert_eq(ip_mcast_join(t->st, &g, ETH), NST_E_INVAL);
	g = test_addr("239.0.0.1");
	cr_assert_eq(ip_mcast_join(t->st, &g, 9), NST_E_NODEV);
	for (i = 0; i < LIMIT_GROUPS; i++) {
		wire_put32(g.b, 0xef000000u + i);
		if (ip_mcast_join(t->st, &g, TUN) != NST_OK)
			break;
	}
	cr_assert_eq(ip_mcast_join(t->st, &g, TUN), NST_E_NOBUFS);
	cr_assert_eq(ipt_count(t)->McastGroupLimit, 2);
	igmp_msg(t, "224.0.0.1", 0x99, 0, "0.0.0.0");
	cr_assert_eq(ipt_count(t)->IcmpInIgnored, 1);
	ipt_free(t);
}

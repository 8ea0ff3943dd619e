/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses, routes, source selection (RFC 6724), path MTU (RFC 1191, 8201). */
#include "tests/unit/netstack_ip/harness.h"

static enum nst_err find(struct ipt *t, const char *dst, const char *src,
			 uint32_t ifindex, struct ip_path *p)
{
	struct nst_addr d = test_addr(dst), s = {0};

	if (src)
		s = test_addr(src);
	return ip_path_find(t->st, &d, &s, ifindex, false, p);
}

static void expect_src(struct ipt *t, const char *dst, const char *src)
{
	struct nst_addr want = test_addr(src);
	struct ip_path p;

	cr_assert_eq(find(t, dst, NULL, 0, &p), NST_OK, "%s", dst);
	cr_assert(addr_same(&p.src, &want), "to %s", dst);
}

static enum nst_err add_addr(struct ipt *t, const char *a, uint8_t plen,
			     uint32_t ifindex)
{
	struct nst_ifaddr e = {test_addr(a), plen, ifindex};

	return nst_addr_add(t->st, &e, t->now);
}

static enum nst_err add_route(struct ipt *t, const char *dst, uint8_t plen,
			      const char *gw, uint32_t ifindex, uint32_t metric)
{
	struct nst_route r = {.dst = test_addr(dst),
			      .prefix_len = plen,
			      .ifindex = ifindex,
			      .metric = metric};

	if (gw)
		r.gw = test_addr(gw);
	return nst_route_add(t->st, &r);
}

Test(path, kinds_of_destination)
{
	static const struct {
		const char *dst;
		uint32_t ifindex;
		bool loopback, bcast, mcast;
		const char *src;
	} want[] = {
	    {"127.0.0.1", 1, true, false, false, "127.0.0.1"},
	    {"127.9.9.9", 1, true, false, false, "127.0.0.1"},
	    {"0.0.0.0", 1, true, false, false, "127.0.0.1"},
	    {"::", 1, true, false, false, "::1"},
	    {"::1", 1, true, false, false, "::1"},
	    {"10.0.0.1", 1, true, false, false, "10.0.0.1"},
	    {"fd01::1", 1, true, false, false, "fd01::1"},
	    {"10.0.0.9", ETH, false, false, false, "10.0.0.1"},
	    {"10.1.0.9", TUN, false, false, false, "10.1.0.1"},
	    {"8.8.8.8", ETH, false, false, false, "10.0.0.1"},
	    {"10.0.0.255", ETH, false, true, false, "10.0.0.1"},
	    {"255.255.255.255", ETH, false, true, false, "10.0.0.1"},
	    {"239.1.2.3", ETH, false, false, true, "10.0.0.1"},
	    {"2001:db8::1", ETH, false, false, false, "fd00::1"},
	    {"ff02::1", ETH, false, false, true, "fe80::ff:fe00:1"},
	    {"ff0e::1", ETH, false, false, true, "fd00::1"},
	};
	struct ipt *t = ipt_new();

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct ip_path p;

		cr_assert_eq(find(t, want[i].dst, NULL, 0, &p), NST_OK, "%s",
			     want[i].dst);
		cr_assert_eq(p.ifindex, want[i].ifindex, "%s", want[i].dst);
		cr_assert_eq(p.loopback, want[i].loopback, "%s", want[i].dst);
		cr_assert_eq(p.bcast, want[i].bcast, "%s", want[i].dst);
		cr_assert_eq(p.mcast, want[i].mcast, "%s", want[i].dst);
		expect_src(t, want[i].dst, want[i].src);
	}
	ipt_free(t);
}

Test(path, refusals)
{
	struct ipt *t = ipt_new();
	struct ip_path p;

	cr_assert_eq(find(t, "10.0.0.9", "10.9.9.9", 0, &p),
		     NST_E_ADDRNOTAVAIL);
	cr_assert_eq(find(t, "10.0.0.9", "127.0.0.1", 0, &p), NST_E_INVAL);
	cr_assert_eq(find(t, "10.0.0.9", "224.0.0.1", 0, &p), NST_E_INVAL);
	cr_assert_eq(find(t, "10.0.0.9", "fd00::1", 0, &p), NST_E_INVAL);
	cr_assert_eq(find(t, "10.0.0.9", NULL, 99, &p), NST_E_NODEV);
	cr_assert_eq(find(t, "8.8.8.8", NULL, TUN, &p), NST_E_NETUNREACH);
	cr_assert_eq(find(t, "fe80::9", NULL, 0, &p), NST_E_INVAL);
	cr_assert_eq(find(t, "fe80::9", NULL, ETH, &p), NST_OK);
	cr_assert_eq(p.dst.scope, ETH);
	cr_assert_eq(p.src.scope, ETH);
	nic_find(t->ip, ETH)->up = false;
	cr_assert_eq(find(t, "10.0.0.9", NULL, 0, &p), NST_E_NETDOWN);
	/* A gateway's NIC lets its sockets speak for anybody. */
	nic_find(t->ip, TUN)->cfg.caps |= NST_CAP_SPOOF;
	cr_assert_eq(find(t, "10.1.0.9", "8.8.8.8", 0, &p), NST_OK);
	ipt_free(t);
}

Test(path, mtu_and_caps)
{
	struct ipt *t = ipt_new();
	struct ip_path p;

	cr_assert_eq(find(t, "127.0.0.1", NULL, 0, &p), NST_OK);
	cr_assert_eq(p.mtu, 65535);
	cr_assert_eq(p.link_caps, NST_CAP_TSO | NST_CAP_TX_CSUM);
	cr_assert_eq(find(t, "::1", NULL, 0, &p), NST_OK);
	cr_assert_eq(p.mtu, 65536);
	cr_assert_eq(find(t, "8.8.8.8", NULL, 0, &p), NST_OK);
	cr_assert_eq(p.mtu, 1500);
	cr_assert_eq(nst_nic_set_mtu(t->st, ETH, 9000), NST_OK);
	cr_assert_eq(find(t, "8.8.8.8", NULL, 0, &p), NST_OK);
	cr_assert_eq(p.mtu, 9000);
	ipt_free(t);
}

Test(path, pmtu_is_lowered_bounded_and_forgotten)
{
	struct nst_addr far = test_addr("8.8.8.8"), far6 = test_addr("2001::1");
	struct ipt *t = ipt_new();
	struct ip_path p;

	ip_pmtu_update(t->st, &far, 1400);
	ip_pmtu_update(t->st, &far6, 100);
	cr_assert_eq(find(t, "8.8.8.8", NULL, 0, &p), NST_OK);
	cr_assert_eq(p.mtu, 1400);
	cr_assert_eq(find(t, "8.8.4.4", NULL, 0, &p), NST_OK);
	cr_assert_eq(p.mtu, 1500);
	cr_assert_eq(find(t, "2001::1", NULL, 0, &p), NST_OK);
	cr_assert_eq(p.mtu, 1280);
	ip_pmtu_update(t->st, &far, 1450); /* never raised */
	cr_assert_eq(find(t, "8.8.8.8", NULL, 0, &p), NST_OK);
	cr_assert_eq(p.mtu, 1400);
	ip_pmtu_update(t->st, &far, 0);
	cr_assert_eq(find(t, "8.8.8.8", NULL, 0, &p), NST_OK);
	cr_assert_eq(p.mtu, 552);
	ipt_advance(t, 600 * NST_SEC);
	cr_assert_eq(find(t, "8.8.8.8", NULL, 0, &p), NST_OK);
	cr_assert_eq(p.mtu, 1500);
	/* Many destinations cost no more than the table. */
	for (uint32_t i = 0; i < 5000; i++) {
		wire_put32(far.b, 0x08000000u + i * 7919);
		ip_pmtu_update(t->st, &far, 1300);
	}
	ipt_free(t);
}

/* Longest prefix, then metric, against a model that knows only that. */
Test(path, routes_against_a_naive_model)
{
	struct ipt *t = ipt_new();
	struct nst_route all[200];
	size_t n = 0;

	while (n < 200) {
		struct nst_route r = {.ifindex = TUN};

		r.dst.family = 4;
		wire_put32(r.dst.b, testenv_below(&t->te, 4) << 30 |
					testenv_below(&t->te, 1 << 12) << 4);
		r.prefix_len = (uint8_t)testenv_below(&t->te, 33);
		r.metric = testenv_below(&t->te, 3);
		r.ifindex = testenv_below(&t->te, 2) ? TUN : ETH;
		addr_mask(&r.dst, r.prefix_len);
		if (nst_route_add(t->st, &r) == NST_OK)
			all[n++] = r;
	}
	for (int k = 0; k < 20000; k++) {
		struct nst_addr a = {.family = 4};
		const struct nst_route *best = NULL, *got;

		wire_put32(a.b, testenv_below(&t->te, 4) << 30 |
				    testenv_below(&t->te, 1 << 16));
		for (size_t i = 0; i < n; i++) {
			const struct nst_route *r = &all[i];

			if (!addr_in_prefix(&a, &r->dst, r->prefix_len))
				continue;
			if (!best || r->prefix_len > best->prefix_len ||
			    (r->prefix_len == best->prefix_len &&
			     r->metric < best->metric))
				best = r;
		}
		got = route_find(t->ip, &a, 0);
		cr_assert_not_null(got);
		if (!best)
			continue; /* one of the harness's own */
		cr_assert_eq(got->prefix_len, best->prefix_len);
		cr_assert_eq(got->metric, best->metric);
	}
	ipt_free(t);
}

Test(path, bad_routes_and_addresses)
{
	struct ipt *t = ipt_new();
	struct nst_route r;
	char text[32];
	int i;

	cr_assert_eq(add_route(t, "10.5.0.1", 16, NULL, ETH, 0), NST_E_INVAL);
	cr_assert_eq(add_route(t, "10.5.0.0", 33, NULL, ETH, 0), NST_E_INVAL);
	cr_assert_eq(add_route(t, "10.5.0.0", 16, NULL, 9, 0), NST_E_NODEV);
	cr_assert_eq(add_route(t, "10.5.0.0", 16, "fd00::9", ETH, 0),
		     NST_E_INVAL);
	cr_assert_eq(add_route(t, "10.5.0.0", 16, "10.7.0.1", ETH, 0),
		     NST_E_NETUNREACH);
	cr_assert_eq(add_route(t, "10.5.0.0", 16, "10.0.0.1", ETH, 0),
		     NST_E_NETUNREACH);
	cr_assert_eq(add_route(t, "10.5.0.0", 16, "10.0.0.2", ETH, 0), NST_OK);
	cr_assert_eq(add_route(t, "10.5.0.0", 16, "10.0.0.3", ETH, 0),
		     NST_E_EXIST);
	for (i = 0; i < LIMIT_ROUTES; i++) {
		snprintf(text, sizeof(text), "11.%d.%d.0", i / 256, i % 256);
		if (add_route(t, text, 24, NULL, TUN, 0) != NST_OK)
			break;
	}
	cr_assert_eq(add_route(t, text, 24, NULL, TUN, 0), NST_E_NOBUFS);
	cr_assert(nst_route_at(t->st, LIMIT_ROUTES - 1, &r));
	cr_assert_not(nst_route_at(t->st, LIMIT_ROUTES, &r));

	cr_assert_eq(add_addr(t, "10.0.0.1", 24, ETH), NST_E_EXIST);
	cr_assert_eq(add_addr(t, "10.0.0.2", 33, ETH), NST_E_INVAL);
	cr_assert_eq(add_addr(t, "224.0.0.2", 24, ETH), NST_E_INVAL);
	cr_assert_eq(add_addr(t, "ff02::2", 64, ETH), NST_E_INVAL);
	cr_assert_eq(add_addr(t, "0.0.0.0", 24, ETH), NST_E_INVAL);
	cr_assert_eq(add_addr(t, "10.0.0.2", 24, 7), NST_E_NODEV);
	/* No room for its route: the address is not there either. */
	cr_assert_eq(add_addr(t, "172.16.0.1", 24, ETH), NST_E_NOBUFS);
	cr_assert_not(nst_addr_is_local(
	    t->st, &(struct nst_addr){4, {172, 16, 0, 1}, 0}));
	for (i = 2; i < 2 * LIMIT_ADDRS; i++) {
		snprintf(text, sizeof(text), "10.0.0.%d", i);
		if (add_addr(t, text, 24, ETH) != NST_OK)
			break;
	}
	cr_assert_eq(add_addr(t, text, 24, ETH), NST_E_NOBUFS);
	ipt_free(t);
}

Test(path, ipv4_source_follows_the_next_hop)
{
	struct ipt *t = ipt_new();

	cr_assert_eq(add_addr(t, "10.0.9.1", 24, ETH), NST_OK);
	expect_src(t, "10.0.9.7", "10.0.9.1");
	expect_src(t, "10.0.0.7", "10.0.0.1");
	expect_src(t, "9.9.9.9", "10.0.0.1");
	cr_assert_eq(add_route(t, "77.0.0.0", 8, "10.0.9.254", ETH, 0), NST_OK);
	expect_src(t, "77.1.1.1", "10.0.9.1");
	ipt_free(t);
}

Test(path, rfc6724_source_selection)
{
	struct ipt *t = ipt_new();

	/* Rule 1: the address itself. */
	expect_src(t, "fd00::1", "fd00::1");
	/* Rule 2: scope: link-local for link-local, else global. */
	expect_src(t, "ff02::5", "fe80::ff:fe00:1");
	/* Rule 6: matching label; fd00::/8 is 13, 2001:db8:: 1, 2002:: 2. */
	cr_assert_eq(add_addr(t, "2001:db8::1", 64, ETH), NST_OK);
	expect_src(t, "2001:4860::8888", "2001:db8::1");
	expect_src(t, "fd77::1", "fd00::1");
	cr_assert_eq(add_addr(t, "2002:c633:6401::1", 64, ETH), NST_OK);
	expect_src(t, "2002:836b:4179::2", "2002:c633:6401::1");
	/* Rule 8: longest matching prefix. */
	cr_assert_eq(add_addr(t, "2001:db8:5::1", 64, ETH), NST_OK);
	expect_src(t, "2001:db8:5::99", "2001:db8:5::1");
	expect_src(t, "2001:db8:5:1::9", "2001:db8:5::1");
	/* Rule 5: the outgoing interface's. */
	expect_src(t, "fd01::9", "fd01::1");
	ipt_free(t);
}

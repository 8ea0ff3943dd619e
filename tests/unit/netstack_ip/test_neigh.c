/* SPDX-License-Identifier: Apache-2.0 */
/* ARP (RFC 826), NDP (RFC 4861) and the neighbour state machine. */
#include "tests/unit/netstack_ip/harness.h"

static const struct ip_out udp = {.proto = IP_PROTO_UDP};

static enum nst_neigh_state state_of(struct ipt *t, const char *addr)
{
	struct nst_addr a = test_addr(addr);
	struct nst_neigh_info e;

	for (size_t i = 0; nst_neigh_at(t->st, i, &e); i++) {
		if (e.ifindex == ETH && !memcmp(e.addr.b, a.b, 16) &&
		    e.addr.family == a.family)
			return e.state;
	}
	return NST_NEIGH_FAILED + 1;
}

static void expect_arp(struct ipt *t, uint16_t op, const char *target,
		       bool unicast)
{
	struct nst_addr want = test_addr(target);
	const uint8_t *p;
	struct arp_repr r;
	uint16_t type;
	uint32_t n;

	p = ipt_expect(t, ETH, &type, &n);
	cr_assert_eq(type, ETH_TYPE_ARP);
	cr_assert(arp_parse(p, n, &r));
	cr_assert_eq(r.op, op);
	cr_assert_arr_eq(r.tpa.b, want.b, 4);
	cr_assert_arr_eq(r.sha, MAC_US, 6);
	cr_assert_arr_eq(p - 14, unicast ? MAC_PEER : MAC_BCAST, 6);
}

static void expect_ns(struct ipt *t, const char *target, bool unicast)
{
	struct nst_addr want = test_addr(target);
	struct nd_repr nd;
	const uint8_t *p;
	uint16_t type;
	uint32_t n;

	p = ipt_expect(t, ETH, &type, &n);
	cr_assert_eq(type, ETH_TYPE_IP6);
	cr_assert_eq(p[6], IP_PROTO_ICMP6);
	cr_assert_eq(p[7], 255);
	cr_assert_eq(p[40], ICMP6_NS);
	cr_assert(nd_parse(p + 40, n - 40, ICMP6_NS, &nd));
	cr_assert_arr_eq(nd.target.b, want.b, 16);
	cr_assert(nd.has_lladdr);
	if (unicast)
		cr_assert_arr_eq(p - 14, MAC_PEER, 6);
	else
		cr_assert_eq(p[24], 0xff);
}

Test(neigh, arp_resolves_and_flushes_in_order)
{
	struct ipt *t = ipt_new();
	uint8_t b[64];
	uint32_t n;

	for (int i = 0; i < 3; i++) {
		char c = (char)('a' + i);

		cr_assert_eq(ipt_send(t, NULL, "10.0.0.7", &udp, &c, 1),
			     NST_OK);
	}
	expect_arp(t, ARP_REQUEST, "10.0.0.7", false);
	ipt_expect_none(t);
	n = mk_arp(b, ARP_REPLY, "10.0.0.7", "10.0.0.1");
	ipt_inject_eth(t, MAC_US, ETH_TYPE_ARP, b, n);
	for (int i = 0; i < 3; i++) {
		uint16_t type;
		const uint8_t *p = ipt_expect(t, ETH, &type, &n);

		cr_assert_eq(type, ETH_TYPE_IP4);
		cr_assert_eq(n, 29);
		cr_assert_eq(p[28], 'a' + i);
		cr_assert_arr_eq(p - 14, MAC_PEER, 6);
	}
	ipt_expect_none(t);
	cr_assert_eq(state_of(t, "10.0.0.7"), NST_NEIGH_REACHABLE);
	ipt_free(t);
}

/* The packet references memory that changes after the event: it was copied. */
Test(neigh, pending_packets_own_their_bytes)
{
	struct ipt *t = ipt_new();
	char ring[4] = "abcd";
	const uint8_t *p;
	uint8_t b[64];
	uint32_t n;

	cr_assert_eq(ipt_send(t, NULL, "10.0.0.7", &udp, ring, 4), NST_OK);
	memcpy(ring, "XXXX", 4);
	ipt_clear(t);
	n = mk_arp(b, ARP_REPLY, "10.0.0.7", "10.0.0.1");
	ipt_inject_eth(t, MAC_US, ETH_TYPE_ARP, b, n);
	p = ipt_expect(t, ETH, NULL, &n);
	cr_assert_arr_eq(p + 28, "abcd", 4);
	ipt_free(t);
}

static void fails_after_3s(const char *dst, const char *us, uint8_t origin)
{
	struct ipt *t = ipt_new();
	bool v6 = origin == 3;

	cr_assert_eq(ipt_send(t, NULL, dst, &udp, "x", 1), NST_OK);
	for (int i = 0; i < 3; i++) {
		if (v6)
			expect_ns(t, dst, false);
		else
			expect_arp(t, ARP_REQUEST, dst, false);
		ipt_expect_none(t);
		cr_assert_eq(t->nerr, 0);
		ipt_advance(t, NST_SEC - 1);
		ipt_expect_none(t);
		ipt_advance(t, 1);
	}
	ipt_expect_none(t);
	cr_assert_eq(t->nerr, 1);
	cr_assert_eq(t->err[0].to, IP_PROTO_UDP);
	cr_assert_eq(t->err[0].e.err, NST_E_HOSTUNREACH);
	cr_assert_eq(t->err[0].e.hard, false);
	cr_assert_eq(t->err[0].e.origin, origin);
	cr_assert_eq(t->err[0].e.type, v6 ? 1 : 3);
	cr_assert_eq(t->err[0].e.code, v6 ? 3 : 1);
	struct nst_addr src = test_addr(us), to = test_addr(dst);
	cr_assert(addr_same(&t->err[0].e.src, &src));
	cr_assert(addr_same(&t->err[0].e.dst, &to));
	cr_assert(addr_same(&t->err[0].e.offender, &src));
	cr_assert_arr_eq(t->err[0].l4, "\x04\xd2\x16\x2e", 4);
	cr_assert_eq(state_of(t, dst), NST_NEIGH_FAILED);
	cr_assert_eq(ipt_count(t)->NeighFailed, 1);
	/* The next packet asks anew. */
	cr_assert_eq(ipt_send(t, NULL, dst, &udp, "x", 1), NST_OK);
	cr_assert_eq(state_of(t, dst), NST_NEIGH_INCOMPLETE);
	ipt_free(t);
}

Test(neigh, arp_failure_is_host_unreachable)
{
	fails_after_3s("10.0.0.7", "10.0.0.1", 2);
}

Test(neigh, ndp_failure_is_host_unreachable)
{
	fails_after_3s("fd00::7", "fd00::1", 3);
}

Test(neigh, through_the_gateway)
{
	struct ipt *t = ipt_new();

	cr_assert_eq(ipt_send(t, NULL, "192.0.2.1", &udp, "x", 1), NST_OK);
	expect_arp(t, ARP_REQUEST, "10.0.0.254", false);
	cr_assert_eq(ipt_send(t, NULL, "2001:db8::1", &udp, "x", 1), NST_OK);
	expect_ns(t, "fd00::fe", false);
	ipt_expect_none(t);
	ipt_free(t);
}

Test(neigh, pending_is_bounded_and_drops_the_oldest)
{
	struct ipt *t = ipt_new();
	uint8_t b[64];
	uint32_t n;

	for (int i = 0; i < LIMIT_NEIGH_PENDING + 5; i++) {
		char c = (char)i;

		cr_assert_eq(ipt_send(t, NULL, "10.0.0.7", &udp, &c, 1),
			     NST_OK);
	}
	cr_assert_eq(ipt_count(t)->NeighUnresolvedDrops, 5);
	ipt_clear(t);
	n = mk_arp(b, ARP_REPLY, "10.0.0.7", "10.0.0.1");
	ipt_inject_eth(t, MAC_US, ETH_TYPE_ARP, b, n);
	for (int i = 0; i < LIMIT_NEIGH_PENDING; i++)
		cr_assert_eq(ipt_expect(t, ETH, NULL, &n)[28], i + 5);
	ipt_expect_none(t);
	ipt_free(t);
}

/* RFC 4861 7.3.2: REACHABLE, STALE, DELAY 5 s, three unicast probes. */
Test(neigh, unreachability_detection)
{
	struct ipt *t = ipt_new();
	uint32_t n;

	ipt_resolve(t, "10.0.0.7");
	cr_assert_eq(state_of(t, "10.0.0.7"), NST_NEIGH_REACHABLE);
	ipt_advance(t, 15 * NST_SEC - 1);
	cr_assert_eq(state_of(t, "10.0.0.7"), NST_NEIGH_REACHABLE);
	ipt_advance(t, 31 * NST_SEC);
	cr_assert_eq(state_of(t, "10.0.0.7"), NST_NEIGH_STALE);
	cr_assert_eq(ipt_send(t, NULL, "10.0.0.7", &udp, "x", 1), NST_OK);
	cr_assert_eq(state_of(t, "10.0.0.7"), NST_NEIGH_DELAY);
	(void)ipt_expect(t, ETH, NULL, &n);
	ipt_expect_none(t);
	ipt_advance(t, 5 * NST_SEC);
	cr_assert_eq(state_of(t, "10.0.0.7"), NST_NEIGH_PROBE);
	expect_arp(t, ARP_REQUEST, "10.0.0.7", true);
	ipt_advance(t, NST_SEC);
	expect_arp(t, ARP_REQUEST, "10.0.0.7", true);
	ipt_advance(t, NST_SEC);
	expect_arp(t, ARP_REQUEST, "10.0.0.7", true);
	ipt_advance(t, NST_SEC);
	cr_assert_eq(state_of(t, "10.0.0.7"), NST_NEIGH_FAILED);
	cr_assert_eq(t->nerr, 0);
	ipt_free(t);
}

Test(neigh, confirmation_from_above_ends_delay)
{
	struct ipt *t = ipt_new();
	struct nst_addr a = test_addr("10.0.0.7"), far = test_addr("1.2.3.4");

	ipt_resolve(t, "10.0.0.7");
	ipt_resolve(t, "10.0.0.254");
	ipt_advance(t, 50 * NST_SEC);
	cr_assert_eq(ipt_send(t, NULL, "10.0.0.7", &udp, "x", 1), NST_OK);
	cr_assert_eq(ipt_send(t, NULL, "1.2.3.4", &udp, "x", 1), NST_OK);
	ip_confirm(t->st, &a, ETH);
	cr_assert_eq(state_of(t, "10.0.0.7"), NST_NEIGH_REACHABLE);
	/* It is the next hop that was heard. */
	ip_confirm(t->st, &far, ETH);
	cr_assert_eq(state_of(t, "10.0.0.254"), NST_NEIGH_REACHABLE);
	ipt_free(t);
}

Test(neigh, answers_arp_for_our_addresses_only)
{
	struct ipt *t = ipt_new();
	uint8_t b[64];

	mk_arp(b, ARP_REQUEST, "10.0.0.7", "10.0.0.1");
	ipt_inject_eth(t, MAC_BCAST, ETH_TYPE_ARP, b, ARP_BYTES);
	expect_arp(t, ARP_REPLY, "10.0.0.7", true);
	cr_assert_eq(state_of(t, "10.0.0.7"), NST_NEIGH_STALE);
	mk_arp(b, ARP_REQUEST, "10.0.0.8", "10.0.0.2");
	ipt_inject_eth(t, MAC_BCAST, ETH_TYPE_ARP, b, ARP_BYTES);
	ipt_expect_none(t);
	cr_assert_eq(state_of(t, "10.0.0.8"), NST_NEIGH_FAILED + 1);
	/* A probe (RFC 5227) is answered and teaches nothing. */
	mk_arp(b, ARP_REQUEST, "0.0.0.0", "10.0.0.1");
	ipt_inject_eth(t, MAC_BCAST, ETH_TYPE_ARP, b, ARP_BYTES);
	expect_arp(t, ARP_REPLY, "0.0.0.0", true);
	ipt_free(t);
}

Test(neigh, gratuitous_arp_updates_what_exists)
{
	struct ipt *t = ipt_new();
	struct nst_neigh_info e;
	uint8_t b[64];

	ipt_resolve(t, "10.0.0.7");
	mk_arp(b, ARP_REQUEST, "10.0.0.7", "10.0.0.7");
	b[13] = 0x55; /* moved */
	ipt_inject_eth(t, MAC_BCAST, ETH_TYPE_ARP, b, ARP_BYTES);
	cr_assert(nst_neigh_at(t->st, 0, &e));
	cr_assert_eq(e.mac[5], 0x55);
	cr_assert_eq(e.state, NST_NEIGH_STALE);
	/* Of a stranger: no entry. */
	mk_arp(b, ARP_REPLY, "10.0.0.9", "10.0.0.9");
	ipt_inject_eth(t, MAC_BCAST, ETH_TYPE_ARP, b, ARP_BYTES);
	cr_assert_eq(state_of(t, "10.0.0.9"), NST_NEIGH_FAILED + 1);
	/* Of our own address: a conflict. */
	mk_arp(b, ARP_REPLY, "10.0.0.1", "10.0.0.1");
	ipt_inject_eth(t, MAC_BCAST, ETH_TYPE_ARP, b, ARP_BYTES);
	cr_assert_eq(ipt_count(t)->ArpConflicts, 1);
	ipt_expect_none(t);
	ipt_free(t);
}

Test(neigh, malformed_arp)
{
	static const struct {
		int at;
		uint8_t v;
	} bad[] = {{1, 6}, {2, 9},    {4, 8},    {5, 16},   {7, 3},
		   {8, 1}, {14, 224}, {14, 127}, {24, 239}, {24, 127}};
	struct ipt *t = ipt_new();
	uint8_t b[64];
	uint64_t want = 0;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		mk_arp(b, ARP_REQUEST, "10.0.0.7", "10.0.0.1");
		b[bad[i].at] = bad[i].v;
		ipt_inject_eth(t, MAC_BCAST, ETH_TYPE_ARP, b, ARP_BYTES);
		cr_assert_eq(ipt_count(t)->ArpInMalformed, ++want, "%zu", i);
	}
	mk_arp(b, ARP_REQUEST, "10.0.0.7", "10.0.0.1");
	for (size_t n = 0; n < ARP_BYTES; n++)
		ipt_inject_eth(t, MAC_BCAST, ETH_TYPE_ARP, b, n);
	cr_assert_eq(ipt_count(t)->ArpInMalformed, want + ARP_BYTES);
	ipt_expect_none(t);
	ipt_free(t);
}

Test(neigh, ndp_resolves)
{
	struct ipt *t = ipt_new();
	const uint8_t *p;
	uint8_t b[128];
	uint16_t type;
	uint32_t n;

	cr_assert_eq(ipt_send(t, NULL, "fd00::7", &udp, "hi", 2), NST_OK);
	expect_ns(t, "fd00::7", false);
	/* To the solicited-node group's MAC address. */
	cr_assert_arr_eq(t->frame[0].p, "\x33\x33\xff\x00\x00\x07", 6);
	n = mk_nd(b, ICMP6_NA, "fd00::7", "fd00::1", "fd00::7",
		  ND_FLAG_SOLICITED | ND_FLAG_OVERRIDE, true);
	ipt_inject_eth(t, MAC_US, ETH_TYPE_IP6, b, n);
	p = ipt_expect(t, ETH, &type, &n);
	cr_assert_arr_eq(p + 48, "hi", 2);
	cr_assert_eq(state_of(t, "fd00::7"), NST_NEIGH_REACHABLE);
	ipt_free(t);
}

static const uint8_t *answer_of(struct ipt *t, const char *src, const char *dst,
				const char *target, struct nd_repr *nd)
{
	const uint8_t *p;
	uint8_t b[128];
	uint16_t type;
	uint32_t n;

	n = mk_nd(b, ICMP6_NS, src, dst, target, 0, strcmp(src, "::") != 0);
	ipt_inject_eth(t, (uint8_t[6]){0x33, 0x33, 0xff, 0, 0, 1}, ETH_TYPE_IP6,
		       b, n);
	if (t->next == t->nframes)
		return NULL;
	p = ipt_expect(t, ETH, &type, &n);
	cr_assert_eq(p[40], ICMP6_NA);
	cr_assert(nd_parse(p + 40, n - 40, ICMP6_NA, nd));
	cr_assert_arr_eq(nd->lladdr, MAC_US, 6);
	return p;
}

Test(neigh, answers_solicitations)
{
	struct ipt *t = ipt_new();
	struct nd_repr nd;
	const uint8_t *p;

	p = answer_of(t, "fd00::7", "ff02::1:ff00:1", "fd00::1", &nd);
	cr_assert_not_null(p);
	cr_assert_eq(nd.flags, ND_FLAG_SOLICITED | ND_FLAG_OVERRIDE);
	cr_assert_arr_eq(p - 14, MAC_PEER, 6);
	/* The solicitation taught us (STALE); answering was use of it. */
	cr_assert_eq(state_of(t, "fd00::7"), NST_NEIGH_DELAY);
	/* Duplicate address detection of another: to all nodes. */
	p = answer_of(t, "::", "ff02::1:ff00:1", "fd00::1", &nd);
	cr_assert_not_null(p);
	cr_assert_eq(nd.flags, ND_FLAG_OVERRIDE);
	cr_assert_arr_eq(p - 14, "\x33\x33\0\0\0\x01", 6);
	/* Our link-local address. */
	p = answer_of(t, "fe80::7", "ff02::1:ff00:1", "fe80::ff:fe00:1", &nd);
	cr_assert_not_null(p);
	/* Not ours, though in the same solicited-node group. */
	cr_assert_null(
	    answer_of(t, "fd00::7", "ff02::1:ff00:1", "fd00:0:0:0:1::1", &nd));
	ipt_free(t);
}

Test(neigh, malformed_ndp)
{
	struct ipt *t = ipt_new();
	uint64_t *malformed = &t->st->count.NdpInMalformed;
	uint8_t b[128];
	uint32_t n;

	n = mk_nd(b, ICMP6_NS, "fd00::7", "fd00::1", "fd00::1", 0, true);
	b[7] = 254;
	ipt_inject_eth(t, MAC_US, ETH_TYPE_IP6, b, n);
	cr_assert_eq(ipt_count(t)->NdpInHopLimit, 1);
	n = mk_nd(b, ICMP6_NS, "fd00::7", "fd00::1", "ff02::1", 0, true);
	ipt_inject_eth(t, MAC_US, ETH_TYPE_IP6, b, n);
	cr_assert_eq(*malformed, 1);
	/* From :: with a source address option, or not to the group. */
	n = mk_nd(b, ICMP6_NS, "::", "ff02::1:ff00:1", "fd00::1", 0, true);
	ipt_inject_eth(t, MAC_US, ETH_TYPE_IP6, b, n);
	cr_assert_eq(*malformed, 2);
	n = mk_nd(b, ICMP6_NS, "::", "ff02::1", "fd00::1", 0, false);
	ipt_inject_eth(t, MAC_US, ETH_TYPE_IP6, b, n);
	cr_assert_eq(*malformed, 3);
	/* A solicited advertisement to a group. */
	n = mk_nd(b, ICMP6_NA, "fd00::7", "ff02::1", "fd00::7",
		  ND_FLAG_SOLICITED, true);
	ipt_inject_eth(t, MAC_US, ETH_TYPE_IP6, b, n);
	cr_assert_eq(*malformed, 4);
	/* An option of length zero. */
	uint8_t body[28] = {0};
	memcpy(body + 4, test_addr("fd00::1").b, 16);
	body[20] = 1;
	n = mk_icmp(b, "fd00::7", "fd00::1", ICMP6_NS, 0, 0, body + 4, 24);
	b[7] = 255;
	ipt_inject_eth(t, MAC_US, ETH_TYPE_IP6, b, n);
	cr_assert_eq(*malformed, 5);
	/* Router advertisements are counted. */
	n = mk_icmp(b, "fe80::7", "ff02::1", ICMP6_RA, 0, 0, body, 8);
	b[7] = 255;
	ipt_inject_eth(t, MAC_US, ETH_TYPE_IP6, b, n);
	cr_assert_eq(ipt_count(t)->NdpInIgnored, 1);
	ipt_expect_none(t);
	ipt_free(t);
}

/* RFC 4861 7.2.5: without the override flag another address is not taken. */
Test(neigh, advertisement_without_override)
{
	struct ipt *t = ipt_new();
	struct nst_neigh_info e;
	uint8_t b[128];
	uint32_t n;

	ipt_resolve(t, "fd00::7");
	n = mk_nd(b, ICMP6_NA, "fd00::7", "ff02::1", "fd00::7", 0, true);
	b[40 + 24 + 7] ^= 0xff; /* last byte of the option's address */
	b[42] = b[43] = 0;
	struct nst_addr s = test_addr("fd00::7"), d = test_addr("ff02::1");
	wire_put_csum(b + 42, nst_csum_add(ip_pseudo_sum(&s, &d, 58, n - 40),
					   b + 40, n - 40));
	ipt_inject_eth(t, MAC_BCAST, ETH_TYPE_IP6, b, n);
	cr_assert(nst_neigh_at(t->st, 0, &e));
	cr_assert_arr_eq(e.mac, MAC_PEER, 6);
	cr_assert_eq(e.state, NST_NEIGH_STALE);
	ipt_free(t);
}

Test(neigh, table_is_bounded)
{
	struct ipt *t = ipt_new();
	char text[32];

	for (int i = 0; i < LIMIT_NEIGHS + 10; i++) {
		snprintf(text, sizeof(text), "fd00::%x", i + 0x100);
		cr_assert_eq(ipt_send(t, NULL, text, &udp, "x", 1), NST_OK);
	}
	cr_assert_eq(t->ip->nneighs, LIMIT_NEIGHS);
	cr_assert_eq(ipt_count(t)->NeighTableFull, 10);
	/* Once they failed, they make room. */
	ipt_advance(t, 4 * NST_SEC);
	cr_assert_eq(ipt_send(t, NULL, "fd00::1:1", &udp, "x", 1), NST_OK);
	cr_assert_eq(state_of(t, "fd00::1:1"), NST_NEIGH_INCOMPLETE);
	cr_assert_eq(ipt_count(t)->NeighTableFull, 10);
	ipt_free(t);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What comes in: headers, martians, options, extension headers, delivery. */
#include "tests/unit/netstack_ip/harness.h"

static uint32_t udp4(uint8_t *b)
{
	return mk_udp(b, "10.1.0.9", "10.1.0.1", 1234, 5678, "hello", 5);
}
static uint32_t udp6(uint8_t *b)
{
	return mk_udp(b, "fd01::9", "fd01::1", 1234, 5678, "hello", 5);
}

Test(in, delivers_both_families_on_both_links)
{
	struct ipt *t = ipt_new();
	uint8_t b[256];
	uint32_t n = udp4(b);

	ipt_inject(t, TUN, b, n);
	cr_assert_eq(t->ngot, 1);
	cr_assert_eq(t->got[0].to, IP_PROTO_UDP);
	cr_assert_eq(t->got[0].bytes, 13);
	cr_assert_eq(t->got[0].in.ttl, 61);
	cr_assert_eq(t->got[0].in.ifindex, TUN);
	cr_assert(t->got[0].in.local);
	n = udp6(b);
	ipt_inject(t, TUN, b, n);
	cr_assert_eq(t->ngot, 2);
	/* Ethernet pads short frames. */
	n = mk_udp(b, "10.0.0.9", "10.0.0.1", 1, 2, "x", 1);
	memset(b + n, 0xee, 20);
	ipt_inject_eth(t, MAC_US, ETH_TYPE_IP4, b, n + 20);
	cr_assert_eq(t->ngot, 3);
	cr_assert_eq(t->got[2].bytes, 9);
	cr_assert_eq(t->raw_seen, 3);
	ipt_free(t);
}

Test(in, ethernet_filter)
{
	static const uint8_t other[6] = {2, 0, 0, 0, 0, 5};
	struct ipt *t = ipt_new();
	uint8_t b[256] = {0};
	uint32_t n = mk_udp(b, "10.0.0.9", "10.0.0.1", 1, 2, "x", 1);

	ipt_inject_eth(t, other, ETH_TYPE_IP4, b, n);
	cr_assert_eq(ipt_count(t)->LinkRxNotForUs, 1);
	ipt_inject_eth(t, MAC_US, 0x88cc, b, n);
	cr_assert_eq(ipt_count(t)->LinkRxUnknownProto, 1);
	for (size_t i = 0; i < 14; i++)
		ipt_inject(t, ETH, b, i);
	cr_assert_eq(ipt_count(t)->LinkRxMalformed, 14);
	b[6] = 1; /* a group as the source */
	ipt_inject(t, ETH, b, 60);
	cr_assert_eq(ipt_count(t)->LinkRxMalformed, 15);
	ipt_inject(t, 1, b, n); /* lo takes nothing from outside */
	ipt_inject(t, 77, b, n);
	cr_assert_eq(ipt_count(t)->LinkRxNotForUs, 3);
	cr_assert_eq(t->ngot, 0);
	ipt_free(t);
}

Test(in, every_truncation_is_dropped)
{
	struct ipt *t = ipt_new();
	uint8_t b[256];
	uint32_t n = udp4(b);

	for (uint32_t i = 0; i < n; i++)
		ipt_inject(t, TUN, b, i);
	n = udp6(b);
	for (uint32_t i = 0; i < n; i++)
		ipt_inject(t, TUN, b, i);
	cr_assert_eq(t->ngot, 0);
	cr_assert_eq(t->nframes, 0);
	cr_assert_eq(ipt_count(t)->IpInTruncatedPkts +
			 ipt_count(t)->Ip6InTruncatedPkts +
			 ipt_count(t)->LinkRxUnknownProto,
		     33 + 53);
	ipt_free(t);
}

Test(in, ipv4_header_faults)
{
	struct ipt *t = ipt_new();
	const struct nst_counters *c = ipt_count(t);
	uint8_t b[256];
	uint32_t n = udp4(b);

	b[0] = 0x44; /* header of 16 bytes */
	ipt_inject(t, TUN, b, n);
	cr_assert_eq(c->IpInHdrErrors, 1);
	n = udp4(b);
	wire_put16(b + 2, 19); /* total below the header */
	fix4(b);
	ipt_inject(t, TUN, b, n);
	cr_assert_eq(c->IpInHdrErrors, 2);
	n = udp4(b);
	wire_put16(b + 2, 500);
	fix4(b);
	ipt_inject(t, TUN, b, n);
	cr_assert_eq(c->IpInTruncatedPkts, 1);
	n = udp4(b);
	b[10] ^= 1;
	ipt_inject(t, TUN, b, n);
	cr_assert_eq(c->IpInCsumErrors, 1);
	b[0] = 0x75;
	ipt_inject(t, TUN, b, n);
	cr_assert_eq(c->LinkRxUnknownProto, 1);
	cr_assert_eq(t->ngot, 0);
	ipt_free(t);
}

Test(in, martians)
{
	static const struct {
		const char *src, *dst;
		bool martian; /* else: not for us */
	} bad[] = {
	    {"224.0.0.5", "10.1.0.1", true},
	    {"255.255.255.255", "10.1.0.1", true},
	    {"10.1.0.255", "10.1.0.1", true},
	    {"127.0.0.1", "10.1.0.1", true},
	    {"10.1.0.1", "10.1.0.1", true},
	    {"10.0.0.1", "10.1.0.1", true},
	    {"0.0.0.0", "10.1.0.1", true},
	    {"0.1.2.3", "10.1.0.1", true},
	    {"10.1.0.9", "127.0.0.1", true},
	    {"10.1.0.9", "0.0.0.0", false},
	    {"10.1.0.9", "10.1.0.2", false},
	    {"10.1.0.9", "8.8.8.8", false},
	    {"10.1.0.9", "239.1.1.1", false},
	    {"ff02::9", "fd01::1", true},
	    {"::1", "fd01::1", true},
	    {"fd01::1", "fd01::1", true},
	    {"::ffff:1.2.3.4", "fd01::1", true},
	    {"fd01::9", "::1", true},
	    {"fd01::9", "ff01::1", true},
	    {"fd01::9", "::", false},
	    {"fd01::9", "2001:db8::5", false},
	    {"fd01::9", "ff0e::77", false},
	};
	struct ipt *t = ipt_new();
	uint64_t martians = 0, errors = 0;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct nst_counters *c = ipt_count(t);
		uint8_t b[128], l4[16] = {0};
		uint32_t n;

		if (strchr(bad[i].dst, ':')) {
			n = mk_ip6(b, "fd01::9", bad[i].dst, 17, l4, 16);
			if (!strncmp(bad[i].src, "::ffff", 6))
				memcpy(b + 8,
				       "\0\0\0\0\0\0\0\0\0\0\xff\xff"
				       "\1\2\3\4",
				       16);
			else
				memcpy(b + 8, test_addr(bad[i].src).b, 16);
		} else {
			n = mk_ip4(b, bad[i].src, bad[i].dst, 17, l4, 16);
		}
		ipt_inject(t, TUN, b, n);
		martians += bad[i].martian;
		errors += !bad[i].martian;
		cr_assert_eq(c->IpInMartians, martians, "%s > %s", bad[i].src,
			     bad[i].dst);
		cr_assert_eq(c->IpInAddrErrors + c->Ip6InAddrErrors, errors,
			     "%s > %s", bad[i].src, bad[i].dst);
	}
	cr_assert_eq(t->ngot, 0);
	cr_assert_eq(t->nframes, 0);
	ipt_free(t);
}

Test(in, broadcast_and_dhcp)
{
	struct ipt *t = ipt_new();
	uint8_t b[128];
	uint32_t n = mk_udp(b, "10.1.0.9", "10.1.0.255", 1, 2, "x", 1);

	ipt_inject(t, TUN, b, n);
	cr_assert_eq(t->ngot, 1);
	cr_assert(t->got[0].in.bcast);
	cr_assert_not(t->got[0].in.local);
	n = mk_udp(b, "0.0.0.0", "255.255.255.255", 68, 67, "x", 1);
	ipt_inject(t, TUN, b, n);
	cr_assert_eq(t->ngot, 2);
	ipt_free(t);
}

Test(in, anycast_nic_takes_everything)
{
	struct ipt *t = ipt_new();
	uint8_t b[128];
	uint32_t n = mk_udp(b, "10.1.0.9", "8.8.8.8", 1, 2, "x", 1);

	nic_find(t->ip, TUN)->cfg.caps |= NST_CAP_ANYCAST_IN | NST_CAP_SPOOF;
	ipt_inject(t, TUN, b, n);
	cr_assert_eq(t->ngot, 1);
	cr_assert_not(t->got[0].in.local);
	n = mk_udp(b, "fd01::9", "2001:db8::8", 1, 2, "x", 1);
	ipt_inject(t, TUN, b, n);
	cr_assert_eq(t->ngot, 2);
	cr_assert_not(t->got[1].in.local);
	ipt_free(t);
}

static uint32_t with_option(uint8_t *b, const uint8_t *opt, uint32_t n)
{
	uint32_t all = udp4(b);

	memmove(b + 20 + n, b + 20, all - 20);
	memcpy(b + 20, opt, n);
	b[0] = (uint8_t)(0x45 + n / 4);
	wire_put16(b + 2, all + n);
	fix4(b);
	return all + n;
}

Test(in, ipv4_options)
{
	static const uint8_t nops[4] = {1, 1, 1, 0};
	static const uint8_t record[8] = {7, 7, 4, 0, 0, 0, 0, 0};
	static const uint8_t lsrr[8] = {131, 7, 4, 8, 8, 8, 8, 0};
	static const uint8_t ssrr[8] = {137, 7, 4, 8, 8, 8, 8, 0};
	static const uint8_t beyond[4] = {1, 7, 7, 0};
	static const uint8_t zero[4] = {7, 0, 0, 0};
	struct ipt *t = ipt_new();
	const uint8_t *p;
	uint8_t b[256];
	uint32_t n;

	ipt_inject(t, TUN, b, with_option(b, nops, 4));
	ipt_inject(t, TUN, b, with_option(b, record, 8));
	cr_assert_eq(t->ngot, 2);
	cr_assert_eq(t->got[1].in.hdr_bytes, 28);
	ipt_inject(t, TUN, b, with_option(b, lsrr, 8));
	ipt_inject(t, TUN, b, with_option(b, ssrr, 8));
	cr_assert_eq(ipt_count(t)->IpInSourceRoutes, 2);
	ipt_expect_none(t);
	ipt_inject(t, TUN, b, with_option(b, beyond, 4));
	cr_assert_eq(ipt_count(t)->IpInHdrErrors, 1);
	p = ipt_expect(t, TUN, NULL, &n);
	cr_assert_eq(p[20], ICMP4_PARAM);
	cr_assert_eq(p[24], 21);
	ipt_inject(t, TUN, b, with_option(b, zero, 4));
	cr_assert_eq(ipt_count(t)->IpInHdrErrors, 2);
	cr_assert_eq(t->ngot, 2);
	ipt_free(t);
}

Test(in, unknown_protocol)
{
	struct ipt *t = ipt_new();
	uint8_t b[128], l4[16] = {0};
	const uint8_t *p;
	uint32_t n = mk_ip4(b, "10.1.0.9", "10.1.0.1", 99, l4, 16);

	ipt_inject(t, TUN, b, n);
	p = ipt_expect(t, TUN, NULL, &n);
	cr_assert_eq(p[20], ICMP4_UNREACH);
	cr_assert_eq(p[21], 2);
	cr_assert_arr_eq(p + 28, b, 36);
	n = mk_ip6(b, "fd01::9", "fd01::1", 99, l4, 16);
	ipt_inject(t, TUN, b, n);
	p = ipt_expect(t, TUN, NULL, &n);
	cr_assert_eq(p[40], ICMP6_PARAM);
	cr_assert_eq(p[41], 1);
	cr_assert_eq(wire_get32(p + 44), 6);
	/* A raw socket that takes it silences that. */
	t->raw_takes = true;
	ipt_inject(t, TUN, b, mk_ip6(b, "fd01::9", "fd01::1", 99, l4, 16));
	ipt_inject(t, TUN, b, mk_ip4(b, "10.1.0.9", "10.1.0.1", 99, l4, 16));
	ipt_expect_none(t);
	cr_assert_eq(ipt_count(t)->IpInUnknownProtos, 1);
	cr_assert_eq(ipt_count(t)->Ip6InUnknownProtos, 1);
	/* No next header: nothing to say. */
	t->raw_takes = false;
	ipt_inject(t, TUN, b, mk_ip6(b, "fd01::9", "fd01::1", 59, l4, 0));
	ipt_expect_none(t);
	ipt_free(t);
}

/* ---- extension headers ---- */

/* Header `ext` (n bytes, its first naming UDP) in front of a datagram. */
static uint32_t with_ext(uint8_t *b, uint8_t type, const uint8_t *ext,
			 uint32_t n)
{
	uint32_t all = udp6(b);

	memmove(b + 40 + n, b + 40, all - 40);
	memcpy(b + 40, ext, n);
	b[6] = type;
	wire_put16(b + 4, all - 40 + n);
	return all + n;
}

Test(in, extension_headers)
{
	static const struct {
		uint8_t type;
		uint8_t ext[8];
		bool pass;
		int icmp; /* parameter problem code, or -1 */
		uint32_t ptr;
	} cases[] = {
	    {0, {17, 0, 1, 4, 0, 0, 0, 0}, true, -1, 0},
	    {60, {17, 0, 1, 4, 0, 0, 0, 0}, true, -1, 0},
	    {60, {17, 0, 0, 0, 0, 0, 0, 0}, true, -1, 0},
	    {0, {17, 0, 5, 2, 0, 0, 1, 0}, true, -1, 0},     /* router alert */
	    {0, {17, 0, 0x3e, 4, 0, 0, 0, 0}, true, -1, 0},  /* skip */
	    {0, {17, 0, 0x7e, 4, 0, 0, 0, 0}, false, -1, 0}, /* discard */
	    {0, {17, 0, 0xbe, 4, 0, 0, 0, 0}, false, 2, 42},
	    {60, {17, 0, 0xfe, 4, 0, 0, 0, 0}, false, 2, 42},
	    {0, {17, 0, 1, 5, 0, 0, 0, 0}, false, -1, 0}, /* too long */
	    {0, {17, 1, 1, 4, 0, 0, 0, 0}, false, -1, 0}, /* swallows UDP */
	    {43, {17, 0, 0, 0, 0, 0, 0, 0}, true, -1, 0},
	    {43, {17, 0, 0, 1, 0, 0, 0, 0}, false, 0, 42}, /* RFC 5095 */
	    {43, {17, 0, 4, 1, 0, 0, 0, 0}, false, 0, 42},
	    {44, {17, 0, 0, 0, 1, 2, 3, 4}, true, -1, 0}, /* atomic */
	    {60, {0, 0, 1, 4, 0, 0, 0, 0}, false, 1, 40}, /* hbh 2nd */
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ipt *t = ipt_new();
		const uint8_t *p;
		uint8_t b[256];
		uint32_t n;

		n = with_ext(b, cases[i].type, cases[i].ext, 8);
		ipt_inject(t, TUN, b, n);
		cr_assert_eq(t->ngot, cases[i].pass, "case %zu", i);
		if (cases[i].pass)
			cr_assert_eq(t->got[0].in.hdr_bytes, 48);
		if (cases[i].icmp >= 0) {
			p = ipt_expect(t, TUN, NULL, &n);
			cr_assert_eq(p[40], ICMP6_PARAM, "case %zu", i);
			cr_assert_eq(p[41], cases[i].icmp, "case %zu", i);
			cr_assert_eq(wire_get32(p + 44), cases[i].ptr,
				     "case %zu", i);
		}
		if (i != 9) /* its protocol number is accidental */
			ipt_expect_none(t);
		ipt_free(t);
	}
}

Test(in, extension_chain_is_bounded)
{
	struct ipt *t = ipt_new();
	uint8_t b[1500], ext[8 * 20] = {0};

	for (int i = 0; i < 20; i++) {
		ext[i * 8] = 60;
		ext[i * 8 + 2] = 1;
		ext[i * 8 + 3] = 4;
	}
	ext[7 * 8] = 17;
	ipt_inject(t, TUN, b, with_ext(b, 60, ext, 8 * 8));
	cr_assert_eq(t->ngot, 1);
	ext[7 * 8] = 60;
	ext[8 * 8] = 17;
	ipt_inject(t, TUN, b, with_ext(b, 60, ext, 9 * 8));
	cr_assert_eq(t->ngot, 1);
	cr_assert_eq(ipt_count(t)->Ip6InExtErrors, 1);
	ipt_free(t);
}

Test(in, loopback_is_synchronous_and_trusts_partial_sums)
{
	static char data[60000];
	const struct ip_out o = {.proto = IP_PROTO_UDP};
	struct ipt *t = ipt_new();

	cr_assert_eq(ipt_send(t, NULL, "10.0.0.1", &o, data, 60000), NST_OK);
	cr_assert_eq(t->ngot, 1);
	cr_assert_eq(t->got[0].bytes, 60008);
	cr_assert_eq(t->got[0].in.ifindex, 1);
	cr_assert(t->got[0].in.local);
	cr_assert_eq(ipt_send(t, NULL, "::1", &o, data, 60000), NST_OK);
	cr_assert_eq(t->ngot, 2);
	cr_assert_eq(ipt_send(t, NULL, "127.0.0.1", &o, data, 60000), NST_OK);
	cr_assert_eq(t->ngot, 3);
	cr_assert_eq(t->nframes, 0);
	/* Our link-local address keeps its interface. */
	struct nst_addr ll = test_addr("fe80::ff:fe00:1");
	struct ip_path p;
	ll.scope = ETH;
	cr_assert_eq(ip_path_find(t->st, &ll, NULL, 0, false, &p), NST_OK);
	cr_assert(p.loopback);
	cr_assert_eq(p.src.scope, ETH);
	ipt_free(t);
}

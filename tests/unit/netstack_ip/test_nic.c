/* SPDX-License-Identifier: Apache-2.0 */
/* Interfaces and the transmit edge: GSO, checksums, headroom. */
#include "tests/unit/netstack_ip/harness.h"

static void no_transmit(void *link, struct nst_pkt *pkt)
{
	(void)link;
	nst_pkt_free(pkt);
}

static const struct nst_link_ops ops = {no_transmit};

Test(nic, configuration_is_checked)
{
	struct nst_nic_config good = {.name = "x0",
				      .kind = NST_LINK_ETHER,
				      .mtu = 1500,
				      .mac = {2, 0, 0, 0, 0, 9},
				      .ops = &ops};
	struct ipt *t = ipt_new();
	struct nst_nic_config c;
	struct nst_nic_info info;
	uint32_t ifindex;

#define REFUSED(change, err)                                                   \
	do {                                                                   \
		c = good;                                                      \
		change;                                                        \
		cr_assert_eq(nst_nic_add(t->st, &c, &ifindex), err);           \
	} while (0)
	REFUSED(c.name[0] = 0, NST_E_INVAL);
	REFUSED(memset(c.name, 'x', 16), NST_E_INVAL);
	REFUSED(strcpy(c.name, "lo"), NST_E_EXIST);
	REFUSED(c.mtu = 67, NST_E_INVAL);
	REFUSED(c.mtu = 65536, NST_E_INVAL);
	REFUSED(c.mac[0] = 1, NST_E_INVAL);
	REFUSED(memset(c.mac, 0, 6), NST_E_INVAL);
	REFUSED(c.ops = NULL, NST_E_INVAL);
	REFUSED(c.kind = NST_LINK_LOOPBACK, NST_E_INVAL);
	for (int i = 4; i <= LIMIT_NICS; i++) {
		snprintf(good.name, 16, "x%d", i);
		cr_assert_eq(nst_nic_add(t->st, &good, &ifindex), NST_OK);
		cr_assert_eq(ifindex, i);
	}
	REFUSED(strcpy(c.name, "y"), NST_E_NOBUFS);
	cr_assert_eq(nst_nic_get(t->st, 1, &info), NST_OK);
	cr_assert_str_eq(info.name, "lo");
	cr_assert_eq(info.mtu, 65536);
	cr_assert_eq(nst_nic_get(t->st, 0, &info), NST_E_NODEV);
	cr_assert_eq(nst_nic_get(t->st, 17, &info), NST_E_NODEV);
	cr_assert_eq(nst_nic_next(t->st, 0), 1);
	cr_assert_eq(nst_nic_next(t->st, 16), 0);
	cr_assert_eq(nst_nic_set_mtu(t->st, ETH, 10), NST_E_INVAL);
	ipt_free(t);
}

static struct nst_pkt *super(struct ipt *t, const struct ip_path *path,
			     const void *data, uint32_t n)
{
	struct nst_pkt *pkt = nst_pkt_new(&t->te.env, NST_PKT_HEADROOM, 20);
	uint8_t *p = nst_pkt_put(pkt, 20);

	memset(p, 0, 20);
	p[12] = 0x50;
	p[13] = 0x18;
	wire_put16(p + 16, ip_pseudo_sum(&path->src, &path->dst, 6, 20 + n));
	cr_assert(nst_pkt_ref(pkt, data, n));
	pkt->l4_off = pkt->csum_start = (uint16_t)pkt->off;
	pkt->csum_off = 16;
	pkt->csum = NST_CSUM_PARTIAL;
	pkt->gso = path->dst.family == 6 ? NST_GSO_TCP6 : NST_GSO_TCP4;
	pkt->gso_size = 1400;
	return pkt;
}

static void send_super(struct ipt *t, const char *dst, const void *data,
		       uint32_t n, enum nst_err want)
{
	struct ip_out o = {
	    .proto = IP_PROTO_TCP, .df = true, .no_local_frag = true};
	struct nst_addr d = test_addr(dst);
	struct ip_path path;

	cr_assert_eq(ip_path_find(t->st, &d, NULL, 0, false, &path), NST_OK);
	stack_enter(t->st, t->now);
	cr_assert_eq(ip_send(t->st, &path, &o, super(t, &path, data, n)), want);
	stack_leave(t->st);
}

static void expect_segments(struct ipt *t, uint32_t ifindex, uint32_t n,
			    bool v6)
{
	uint32_t hdr = v6 ? 40 : 20, at = 0;

	while (at < n) {
		struct nst_addr s, d;
		uint32_t bytes, l4;
		const uint8_t *p = ipt_expect(t, ifindex, NULL, &bytes);

		l4 = bytes - hdr;
		if (v6) {
			addr6_set(&s, p + 8);
			addr6_set(&d, p + 24);
		} else {
			addr4_set(&s, p + 12);
			addr4_set(&d, p + 16);
			cr_assert(ip4_csum_ok(p, 20));
			cr_assert_eq(wire_get16(p + 2), bytes);
		}
		cr_assert_eq(
		    nst_csum_add(ip_pseudo_sum(&s, &d, 6, l4), p + hdr, l4),
		    0xffff);
		cr_assert_eq(wire_get32(p + hdr + 4), at);
		at += l4 - 20;
	}
	cr_assert_eq(at, n);
	ipt_expect_none(t);
}

Test(nic, super_segments_are_cut_at_the_edge)
{
	static uint8_t data[60001];
	struct ipt *t = ipt_new();

	memset(data, 0xa5, sizeof(data));
	ipt_resolve(t, "10.0.0.9");
	send_super(t, "10.0.0.9", data, 60001, NST_OK);
	expect_segments(t, ETH, 60001, false);
	send_super(t, "fd01::9", data, 60001, NST_OK);
	expect_segments(t, TUN, 60001, true);
	/* While the address is being resolved the whole waits, copied. */
	ipt_clear(t);
	send_super(t, "10.0.0.8", data, 5000, NST_OK);
	memset(data, 0, 5000);
	ipt_clear(t);
	uint8_t b[64];
	ipt_inject_eth(t, MAC_US, ETH_TYPE_ARP, b,
		       mk_arp(b, ARP_REPLY, "10.0.0.8", "10.0.0.1"));
	cr_assert_eq(t->frame[0].p[14 + 40], 0xa5);
	expect_segments(t, ETH, 5000, false);
	ipt_free(t);
}

Test(nic, a_link_that_cuts_gets_it_whole)
{
	static uint8_t data[30000];
	struct ipt *t = ipt_new();
	uint32_t n;

	nic_find(t->ip, TUN)->cfg.caps = NST_CAP_TSO | NST_CAP_TX_CSUM;
	send_super(t, "10.1.0.9", data, 30000, NST_OK);
	cr_assert_eq(t->frame[0].csum, NST_CSUM_PARTIAL);
	(void)ipt_expect(t, TUN, NULL, &n);
	cr_assert_eq(n, 30040);
	ipt_expect_none(t);
	/* Segments that would not fit the path are refused. */
	nic_find(t->ip, TUN)->cfg.mtu = 1300;
	send_super(t, "10.1.0.9", data, 30000, NST_E_MSGSIZE);
	ipt_free(t);
}

Test(nic, header_included)
{
	struct nst_addr d = test_addr("10.1.0.9");
	struct ipt *t = ipt_new();
	struct ip_path path;
	const uint8_t *p;
	uint8_t b[64];
	uint32_t n;

	cr_assert_eq(ip_path_find(t->st, &d, NULL, 0, false, &path), NST_OK);
	for (uint32_t k = 0; k <= 33; k++) {
		struct nst_pkt *pkt = nst_pkt_new(&t->te.env, 64, k);

		mk_udp(b, "10.1.0.1", "10.1.0.9", 1, 2, "hello", 5);
		memset(b + 12, 0, 4); /* source: to be filled in */
		wire_put16(b + 4, 0);
		memcpy(nst_pkt_put(pkt, k), b, k);
		cr_assert_eq(ip_send_hdrincl(t->st, &path, pkt),
			     k < 20 ? NST_E_INVAL : NST_OK, "%u bytes", k);
	}
	cr_assert_eq(t->nframes, 14);
	t->next = 13;
	p = ipt_expect(t, TUN, NULL, &n);
	cr_assert_eq(n, 33);
	cr_assert(ip4_csum_ok(p, 20));
	cr_assert_arr_eq(p + 12, test_addr("10.1.0.1").b, 4);
	ipt_free(t);
}

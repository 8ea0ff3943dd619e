/* SPDX-License-Identifier: Apache-2.0 */
/* pkt_segment.c: super-segments cut for links without offload. */
#include <string.h>

#include "netstack/ip/ip.h"
#include "netstack/ip/wire.h"
#include "tests/unit/netstack_base/kit.h"

#define PAYLOAD 3500
#define MSS 1000

static struct testenv te;
static uint8_t payload[PAYLOAD];

static void up(void)
{
	testenv_init(&te, testenv_seed(4));
	te.env.random(&te, payload, sizeof(payload));
}

static void down(void)
{
	cr_assert_eq(testenv_leaks(&te), 0);
}

TestSuite(segment, .init = up, .fini = down);

/* TCP over IPv4 or IPv6, flags CWR ACK PSH FIN, payload in two fragments */
static struct nst_pkt *tcp_super(bool four)
{
	struct nst_pkt *pkt = nst_pkt_new(&te.env, NST_PKT_HEADROOM, 80);
	size_t ip_bytes = four ? 20 : 40;
	struct nst_addr src = test_addr(four ? "10.0.0.1" : "fd00::1");
	struct nst_addr dst = test_addr(four ? "10.0.0.2" : "fd00::2");
	uint8_t *p = nst_pkt_put(pkt, (uint32_t)ip_bytes + 32), *tcp;

	pkt->l3_off = (uint16_t)pkt->off;
	pkt->l4_off = (uint16_t)(pkt->off + ip_bytes);
	kit_ip_packet(p, &src, &dst, 6, 32 + PAYLOAD);
	if (four) {
		wire_put16(p + 4, 0xffff);
		ip4_fix_csum(p, 20);
	}
	tcp = p + ip_bytes;
	memset(tcp, 0x11, 32);
	wire_put32(tcp + 4, 0xfffffc00);
	tcp[12] = 0x80;
	tcp[13] = 0x80 | 0x10 | 0x08 | 0x01;
	cr_assert(nst_pkt_ref(pkt, payload, 1700));
	cr_assert(nst_pkt_ref(pkt, payload + 1700, PAYLOAD - 1700));
	pkt->gso = four ? NST_GSO_TCP4 : NST_GSO_TCP6;
	pkt->gso_size = MSS;
	pkt->csum = NST_CSUM_PARTIAL;
	return pkt;
}

static void check_tcp(struct nst_pkt *seg, bool four, unsigned i, unsigned n)
{
	size_t hdr = four ? 20 : 40;
	uint8_t *p = nst_pkt_data(seg), *tcp = p + hdr;
	uint32_t bytes = i + 1 < n ? MSS : PAYLOAD - i * MSS;
	struct nst_addr src = test_addr(four ? "10.0.0.1" : "fd00::1");
	struct nst_addr dst = test_addr(four ? "10.0.0.2" : "fd00::2");

	cr_assert_eq(nst_pkt_bytes(seg), hdr + 32 + bytes);
	if (four) {
		cr_assert(ip4_csum_ok(p, 20));
		cr_assert_eq(wire_get16(p + 2), 20 + 32 + bytes);
		cr_assert_eq(wire_get16(p + 4), (uint16_t)(0xffff + i));
	} else {
		cr_assert_eq(wire_get16(p + 4), 32 + bytes);
	}
	cr_assert_eq(wire_get32(tcp + 4), 0xfffffc00 + i * MSS);
	cr_assert_eq(tcp[13], 0x10 | (i ? 0 : 0x80) | (i + 1 == n ? 9 : 0));
	cr_assert_arr_eq(tcp + 32, payload + i * MSS, bytes);
	cr_assert_eq(nst_pkt_sum(seg, (uint32_t)hdr, 32 + bytes,
				 ip_pseudo_sum(&src, &dst, 6, 32 + bytes)),
		     0xffff);
	cr_assert_eq(seg->csum, NST_CSUM_NONE);
	cr_assert_eq(seg->gso, NST_GSO_NONE);
	cr_assert_eq(seg->head + seg->l4_off, tcp);
}

static void cut_tcp(bool four)
{
	struct nst_pkt *list = nst_pkt_segment(tcp_super(four)), *next;
	unsigned n = 0;

	for (; list; list = next, n++) {
		next = list->next;
		check_tcp(list, four, n, 4);
		nst_pkt_free(list);
	}
	cr_assert_eq(n, 4);
}

Test(segment, tcp4)
{
	cut_tcp(true);
}

Test(segment, tcp6)
{
	cut_tcp(false);
}

Test(segment, udp4)
{
	struct nst_pkt *pkt = nst_pkt_new(&te.env, 64, PAYLOAD + 28), *next;
	struct nst_sockaddr a = test_sa("10.0.0.1", 1),
			    b = test_sa("10.0.0.2", 2);
	unsigned n = 0;

	kit_udp_packet(nst_pkt_put(pkt, PAYLOAD + 28), &a, &b, payload,
		       PAYLOAD);
	pkt->l4_off = 64 + 20;
	pkt->gso = NST_GSO_UDP;
	pkt->gso_size = MSS;
	for (pkt = nst_pkt_segment(pkt); pkt; pkt = next, n++) {
		uint8_t *p = nst_pkt_data(pkt);
		uint32_t bytes = nst_pkt_bytes(pkt) - 20;

		next = pkt->next;
		cr_assert_eq(wire_get16(p + 24), bytes);
		cr_assert_arr_eq(p + 28, payload + n * MSS, bytes - 8);
		cr_assert_eq(
		    nst_pkt_sum(pkt, 20, bytes,
				ip_pseudo_sum(&a.addr, &b.addr, 17, bytes)),
		    0xffff);
		nst_pkt_free(pkt);
	}
	cr_assert_eq(n, 4);
}

Test(segment, ordinary_packet_is_itself)
{
	struct nst_pkt *pkt = nst_pkt_new(&te.env, 0, 10);

	cr_assert_eq(nst_pkt_segment(pkt), pkt);
	nst_pkt_free(pkt);
}

Test(segment, nonsense_is_refused)
{
	struct nst_pkt *pkt = tcp_super(true);

	pkt->l4_off = 3;
	cr_assert_null(nst_pkt_segment(pkt));
	pkt = tcp_super(true);
	pkt->gso_size = 0;
	cr_assert_null(nst_pkt_segment(pkt));
	pkt = tcp_super(true);
	nst_pkt_data(pkt)[20 + 12] =
	    0xf0; /* header longer than what is there */
	cr_assert_null(nst_pkt_segment(pkt));
	pkt = tcp_super(true);
	nst_pkt_data(pkt)[20 + 12] = 0x10;
	cr_assert_null(nst_pkt_segment(pkt));
}

Test(segment, no_memory_leaves_nothing)
{
	for (uint64_t i = 0; i < 4; i++) {
		struct nst_pkt *pkt = tcp_super(true);

		testenv_fail_nth(&te, i);
		cr_assert_null(nst_pkt_segment(pkt));
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ECN's parts that scripts on the wire do not show one by one: how the AccECN
 * option fits (RFC 9768 3.2.3.3), its counters at their limits, and what a
 * super-segment makes of CWR (RFC 3168 6.1.2, RFC 9768 3.2.2).
 */
#include "tests/unit/netstack_tcp/harness.h"

static struct wire w;

static void up(void)
{
	w_init(&w);
}

static void down(void)
{
	w_drain(&w);
	w_fini(&w);
}

TestSuite(ecn, .init = up, .fini = down);

static void accurate(void)
{
	w_connect(&w, O_ALL);
	w.tp->ecn.mode = TCP_ECN_ACCURATE;
	w.tp->ecn.opt_seen = TCP_ECN_OPT_COUNTERS;
	w.tp->ecn.acked_before = w.tp->bytes_acked;
}

/* Announced in tcp_cur_mss and emitted must be the same, and fit. */
Test(ecn, option_bytes_are_announced)
{
	accurate();
	for (uint32_t i = 0; i < 2u * 5 * 4; i++) {
		struct tcp_out_hdr h = {.flags = A};
		uint8_t blocks = (uint8_t)(i / 2 % 5);
		uint32_t plain;
		int32_t said;

		w.tp->ts_on = h.ts = i & 1;
		h.nsack = h.ts && blocks > 3 ? 3 : blocks;
		w.tp->ecn.opt_min = (uint8_t)(i / 10);
		plain = tcp_hdr_bytes(&h);
		said = tcp_accecn_opt_bytes(w.tp, h.nsack);
		tcp_ecn_out(w.tp, &h, 0);
		cr_assert_eq((int32_t)tcp_hdr_bytes(&h) - (int32_t)plain, said,
			     "case %u: %d", i, said);
		cr_assert_leq(tcp_hdr_bytes(&h), 60);
	}
}

static struct tcp_seg option(uint8_t n, uint32_t a, uint32_t b, uint32_t c)
{
	struct tcp_seg seg = {.flags = A, .ack = w.tp->snd_una};

	seg.accecn = (struct tcp_accecn_opt){true, true, n, {a, b, c}};
	return seg;
}

/* 24 bits wrap; a counter that goes back was guessed too high. */
Test(ecn, counters_wrap)
{
	struct tcp_seg seg;

	accurate();
	w.tp->ecn.bytes_out[ECN_ECT1 - 1] = 0xfffff0;
	seg = option(1, 0x11, 0, 0);
	tcp_accecn_ack(w.tp, &seg, 1, 0);
	cr_assert_eq(w.tp->ecn.bytes_out[ECN_ECT1 - 1], 0x1000010);
	seg = option(1, 0x01, 0, 0);
	tcp_accecn_ack(w.tp, &seg, 1, 0);
	cr_assert_eq(w.tp->ecn.bytes_out[ECN_ECT1 - 1], 0x1000000);
}

/* RFC 9768 3.2.3.2.4: counters that were zeroed are not believed again. */
Test(ecn, zeroed_option)
{
	struct tcp_seg seg;

	accurate();
	w.tp->ecn.opt_seen = TCP_ECN_OPT_NONE;
	seg = option(3, 0, 0, 0);
	tcp_accecn_ack(w.tp, &seg, 1, 100);
	cr_assert_eq(w.tp->ecn.opt_seen, TCP_ECN_OPT_ZEROED);
	cr_assert(w.tp->ecn.fail & TCP_ECN_OPT_RECV);
	seg = option(3, 5000, 0, 1);
	tcp_accecn_ack(w.tp, &seg, 1, 100);
	cr_assert_eq(w.tp->ecn.bytes_out[ECN_ECT1 - 1], 0);
}

/* RFC 9768 A.2: with the CE byte counter wraps of ACE are told apart. */
Test(ecn, ace_wraps)
{
	static const struct {
		uint32_t pkts, bytes, ceb;
		uint8_t ace;
		uint32_t want;
	} list[] = {
	    {10, 10000, 0, 5, 0},      /* no CE bytes: no wrap */
	    {10, 10000, 8000, 5, 8},   /* that many bytes: one wrap */
	    {10, 10000, 1000, 6, 1},   /* as ACE says */
	    {40, 40000, 20000, 1, 20}, /* estimated: 4 + 16 */
	    {40, 40000, 40000, 5, 40}, /* all of them */
	};

	accurate();
	w.tp->mss = 1000;
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		struct tcp_seg seg = option(2, 1, list[i].ceb, 0);
		uint32_t got;

		w.tp->delivered_ce = 0;
		w.tp->bytes_acked = w.tp->ecn.acked_before = 5000;
		w.tp->ecn.guess = ECN_CE;
		w.tp->ecn.bytes_out[ECN_CE - 1] = 0;
		seg.ae = list[i].ace & 4;
		seg.flags |= (list[i].ace & 2 ? TCP_CWR : 0) |
			     (list[i].ace & 1 ? TCP_ECE : 0);
		got = tcp_accecn_ack(w.tp, &seg, list[i].pkts, list[i].bytes);
		cr_assert_eq(got, list[i].want, "case %zu: %u", i, got);
	}
}

/* ---- super-segments ---- */

static uint32_t with_cwr(uint8_t gso_ace)
{
	struct tcp_out_hdr h = {.flags = A | TCP_CWR};
	struct nst_pkt *pkt = nst_pkt_new(&w.te.env, 0, 20 + 20 + 3000), *next;
	uint8_t *p = nst_pkt_put(pkt, 20 + 20 + 3000);
	uint32_t n = 0;

	memset(p, 0, 20);
	p[0] = 0x45;
	p[2] = 3040 >> 8;
	p[3] = 3040 & 0xff;
	p[9] = 6;
	tcp_hdr_emit(&h, p + 20);
	pkt->l4_off = (uint16_t)(pkt->off + 20);
	pkt->csum = NST_CSUM_PARTIAL;
	pkt->csum_start = pkt->l4_off;
	pkt->csum_off = 16;
	pkt->gso = NST_GSO_TCP4;
	pkt->gso_size = 1000;
	pkt->gso_ace = gso_ace;
	for (pkt = nst_pkt_segment(pkt); pkt; pkt = next) {
		next = pkt->next;
		n += !!(nst_pkt_data(pkt)[20 + 13] & TCP_CWR);
		nst_pkt_free(pkt);
	}
	return n;
}

Test(ecn, cwr_of_a_super_segment)
{
	cr_assert_eq(with_cwr(0), 1, "CWR means once");
	cr_assert_eq(with_cwr(1), 3, "a digit of ACE is in all");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Fragmentation and reassembly: RFC 791, 8200 4.5, 5722, 6946, 7112. */
#include "tests/unit/netstack_ip/harness.h"

static uint8_t payload[66000];

/* One fragment of a datagram whose bytes after the IP header are `payload`. */
static uint32_t frag4(uint8_t *b, uint16_t id, uint32_t off, uint32_t n,
		      bool more)
{
	uint32_t all = mk_ip4(b, "10.1.0.9", "10.1.0.1", 17, payload + off, n);

	wire_put16(b + 4, id);
	wire_put16(b + 6, (more ? 0x2000u : 0) | off / 8);
	fix4(b);
	return all;
}

static uint32_t frag6(uint8_t *b, uint32_t id, uint32_t off, uint32_t n,
		      bool more)
{
	struct ip6_frag_repr f = {id, (uint16_t)off, 17, more};
	uint8_t x[2048];

	ip6_frag_emit(&f, x);
	memcpy(x + 8, payload + off, n);
	return mk_ip6(b, "fd01::9", "fd01::1", 44, x, n + 8);
}

static void inject(struct ipt *t, bool v6, uint16_t id, uint32_t off,
		   uint32_t n, bool more)
{
	uint8_t b[2200];

	n = v6 ? frag6(b, id, off, n, more) : frag4(b, id, off, n, more);
	ipt_inject(t, TUN, b, n);
}

static void fill(void)
{
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 7 + (i >> 8));
}

static void expect_whole(struct ipt *t, size_t nth, uint32_t n)
{
	cr_assert_eq(t->ngot, nth);
	cr_assert_eq(t->last_bytes, n);
	cr_assert_arr_eq(t->last, payload, n);
	cr_assert_eq(t->ip->nreasm, 0);
	cr_assert_eq(t->ip->reasm_bytes, 0);
}

Test(frag, reassembles_in_any_order, .init = fill)
{
	struct ipt *t = ipt_new();
	size_t nth = 0;

	for (int v6 = 0; v6 < 2; v6++) {
		for (uint16_t round = 0; round < 50; round++) {
			uint32_t order[30], total = 30 * 96 - 5;

			for (uint32_t i = 0; i < 30; i++)
				order[i] = i;
			for (uint32_t i = 29; i > 0; i--) {
				uint32_t k = testenv_below(&t->te, i + 1);
				uint32_t x = order[i];

				order[i] = order[k];
				order[k] = x;
			}
			for (uint32_t i = 0; i < 30; i++) {
				uint32_t off = order[i] * 96;
				bool last = order[i] == 29;

				inject(t, v6, round, off,
				       last ? total - off : 96, !last);
				if (i == 3) /* repetitions do no harm */
					inject(t, v6, round, off,
					       last ? total - off : 96, !last);
			}
			expect_whole(t, ++nth, total);
			cr_assert_eq(t->got[(nth - 1) % GOT_MAX].in.hdr_bytes,
				     v6 ? 40 : 20);
		}
	}
	cr_assert_eq(ipt_count(t)->IpReasmOKs, 100);
	ipt_free(t);
}

Test(frag, the_largest_datagram, .init = fill)
{
	struct ipt *t = ipt_new();

	for (uint32_t off = 0; off < 65512; off += 1480)
		inject(t, false, 1, off,
		       off + 1480 < 65512 ? 1480 : 65512 - off,
		       off + 1480 < 65512);
	expect_whole(t, 1, 65512);
	/* One byte more than IPv4 can say: ping of death. */
	inject(t, false, 2, 65504, 100, false);
	cr_assert_eq(t->ip->nreasm, 0);
	inject(t, true, 2, 65528, 100, false);
	cr_assert_eq(t->ip->nreasm, 0);
	ipt_free(t);
}

Test(frag, overlap_drops_the_datagram, .init = fill)
{
	struct ipt *t = ipt_new();

	for (int v6 = 0; v6 < 2; v6++) {
		inject(t, v6, 1, 0, 80, true);
		inject(t, v6, 1, 72, 80, true);
		cr_assert_eq(t->ip->nreasm, 0);
		cr_assert_eq(ipt_count(t)->IpReasmOverlaps,
			     1 + 2u * (unsigned)v6);
		inject(t, v6, 2, 72, 80, true);
		inject(t, v6, 2, 0, 80, true);
		cr_assert_eq(ipt_count(t)->IpReasmOverlaps,
			     2 + 2u * (unsigned)v6);
		cr_assert_eq(t->ip->nreasm, 0);
	}
	cr_assert_eq(t->ngot, 0);
	ipt_free(t);
}

Test(frag, contradictions_drop_the_datagram, .init = fill)
{
	struct ipt *t = ipt_new();

	/* Two different ends. */
	inject(t, false, 1, 80, 80, false);
	inject(t, false, 1, 240, 80, false);
	cr_assert_eq(t->ip->nreasm, 0);
	/* Bytes beyond the end, before and after it is known. */
	inject(t, false, 2, 80, 80, false);
	inject(t, false, 2, 160, 80, true);
	cr_assert_eq(t->ip->nreasm, 0);
	inject(t, false, 3, 160, 80, true);
	inject(t, false, 3, 80, 80, false);
	cr_assert_eq(t->ip->nreasm, 0);
	/* Nothing in it. */
	inject(t, false, 4, 0, 4, true);
	cr_assert_eq(t->ip->nreasm, 0);
	cr_assert_eq(ipt_count(t)->IpReasmFails, 4);
	ipt_free(t);
}

Test(frag, odd_ipv6_fragment_is_a_parameter_problem, .init = fill)
{
	struct ipt *t = ipt_new();
	const uint8_t *p;
	uint32_t n;

	inject(t, true, 1, 0, 83, true);
	p = ipt_expect(t, TUN, NULL, &n);
	cr_assert_eq(p[40], ICMP6_PARAM);
	cr_assert_eq(p[41], 0);
	cr_assert_eq(wire_get32(p + 44), 4);
	/* RFC 7112: the transport header is not in the first fragment. */
	inject(t, true, 2, 0, 0, true);
	p = ipt_expect(t, TUN, NULL, &n);
	cr_assert_eq(p[40], ICMP6_PARAM);
	cr_assert_eq(p[41], 3);
	ipt_free(t);
}

Test(frag, timeout_and_its_message, .init = fill)
{
	struct ipt *t = ipt_new();
	const uint8_t *p;
	uint32_t n;

	inject(t, false, 1, 0, 80, true);
	inject(t, false, 2, 80, 80, true); /* without the first */
	inject(t, true, 3, 0, 80, true);
	ipt_advance(t, 30 * NST_SEC - 1);
	cr_assert_eq(t->ip->nreasm, 3);
	ipt_expect_none(t);
	ipt_advance(t, 1);
	cr_assert_eq(t->ip->nreasm, 1);
	p = ipt_expect(t, TUN, NULL, &n);
	cr_assert_eq(p[20], ICMP4_TIME_EXCEEDED);
	cr_assert_eq(p[21], 1);
	cr_assert_eq(n, 28 + 20 + 80);
	ipt_expect_none(t);
	ipt_advance(t, 30 * NST_SEC);
	p = ipt_expect(t, TUN, NULL, &n);
	cr_assert_eq(p[40], ICMP6_TIME_EXCEEDED);
	cr_assert_eq(p[41], 1);
	cr_assert_eq(ipt_count(t)->IpReasmTimeout, 3);
	cr_assert_eq(t->ip->nreasm, 0);
	ipt_free(t);
}

Test(frag, limits, .init = fill)
{
	struct ipt *t = ipt_new();

	for (uint32_t i = 0; i < LIMIT_REASM_DATAGRAMS + 20; i++)
		inject(t, false, (uint16_t)i, 8, 8, true);
	cr_assert_eq(t->ip->nreasm, LIMIT_REASM_DATAGRAMS);
	cr_assert_eq(ipt_count(t)->IpReasmLimit, 20);
	ipt_advance(t, 31 * NST_SEC);
	for (uint32_t i = 0; i <= LIMIT_REASM_FRAGS; i++)
		inject(t, false, 1, 8 + i * 16, 8, true);
	cr_assert_eq(t->ip->nreasm, 0);
	cr_assert_eq(ipt_count(t)->IpReasmLimit, 21);
	for (uint32_t i = 0; t->ip->reasm_bytes < LIMIT_REASM_BYTES - 4096; i++)
		inject(t, false, (uint16_t)(i / 40), 8 + (i % 40) * 1480, 1480,
		       true);
	for (uint32_t i = 0; i < 100; i++)
		inject(t, false, (uint16_t)(1000 + i), 8, 1480, true);
	cr_assert_leq(t->ip->reasm_bytes, LIMIT_REASM_BYTES);
	ipt_free(t);
}

/* RFC 3168 5.3 */
Test(frag, ecn_of_the_parts, .init = fill)
{
	static const struct {
		uint8_t a, b;
		int whole;
	} cases[] = {{0, 0, 0}, {2, 2, 2},  {2, 3, 3},
		     {1, 1, 1}, {0, 3, -1}, {0, 2, -1}};
	struct ipt *t = ipt_new();
	size_t want = 0;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t b[256];
		uint32_t n = frag4(b, 9, 0, 80, true);

		b[1] = cases[i].a;
		fix4(b);
		ipt_inject(t, TUN, b, n);
		n = frag4(b, 9, 80, 80, false);
		b[1] = cases[i].b;
		fix4(b);
		ipt_inject(t, TUN, b, n);
		want += cases[i].whole >= 0;
		cr_assert_eq(t->ngot, want, "case %zu", i);
		if (cases[i].whole >= 0)
			cr_assert_eq(t->got[want - 1].in.tos, cases[i].whole);
	}
	ipt_free(t);
}

/* What we cut, we can put together: out through tun0, back in reversed. */
static void out_and_in(const char *dst, bool v6, uint32_t n)
{
	const struct ip_out o = {.proto = IP_PROTO_UDP};
	struct ipt *t = ipt_new();
	uint32_t at = 0;

	cr_assert_eq(ipt_send(t, NULL, dst, &o, payload, n), NST_OK);
	cr_assert_gt(t->nframes, 1);
	for (size_t i = t->nframes; i-- > 0;) {
		struct frame *f = &t->frame[i];
		uint8_t *p = f->p;

		cr_assert_leq(f->bytes, 1500);
		at += f->bytes - (v6 ? 48 : 20);
		if (v6) {
			memcpy(p + 8, test_addr("fd01::9").b, 16);
			memcpy(p + 24, test_addr("fd01::1").b, 16);
		} else {
			memcpy(p + 12, test_addr("10.1.0.9").b, 4);
			memcpy(p + 16, test_addr("10.1.0.1").b, 4);
			fix4(p);
		}
		ipt_inject(t, TUN, p, f->bytes);
	}
	cr_assert_eq(at, n + 8);
	cr_assert_eq(t->ngot, 1);
	cr_assert_eq(t->last_bytes, n + 8);
	cr_assert_arr_eq(t->last + 8, payload, n);
	ipt_free(t);
}

Test(frag, round_trip, .init = fill)
{
	for (uint32_t n = 1480; n < 65000; n += 7777) {
		out_and_in("10.1.0.9", false, n);
		out_and_in("fd01::9", true, n);
	}
}

Test(frag, refused_with_df, .init = fill)
{
	struct ip_out o = {
	    .proto = IP_PROTO_UDP, .df = true, .no_local_frag = true};
	struct ipt *t = ipt_new();

	cr_assert_eq(ipt_send(t, NULL, "10.1.0.9", &o, payload, 1473),
		     NST_E_MSGSIZE);
	cr_assert_eq(ipt_send(t, NULL, "fd01::9", &o, payload, 1453),
		     NST_E_MSGSIZE);
	cr_assert_eq(ipt_send(t, NULL, "10.1.0.9", &o, payload, 1472), NST_OK);
	cr_assert_eq(ipt_send(t, NULL, "fd01::9", &o, payload, 1452), NST_OK);
	cr_assert_eq(t->nframes, 2);
	o.df = false;
	cr_assert_eq(ipt_send(t, NULL, "10.1.0.9", &o, payload, 65508),
		     NST_E_MSGSIZE);
	ipt_free(t);
}

Test(frag, memory_exhausted_sends_nothing, .init = fill)
{
	const struct ip_out o = {.proto = IP_PROTO_UDP};

	for (uint64_t nth = 1; nth < 8; nth++) {
		struct ipt *t = ipt_new();

		testenv_fail_nth(&t->te, nth);
		cr_assert_eq(ipt_send(t, NULL, "10.1.0.9", &o, payload, 9000),
			     NST_E_NOMEM);
		ipt_expect_none(t);
		testenv_fail_never(&t->te);
		ipt_free(t);
	}
}

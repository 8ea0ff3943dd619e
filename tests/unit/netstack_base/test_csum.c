/* SPDX-License-Identifier: Apache-2.0 */
/* csum.c: the wide sum against the reference, RFC 1071. */
#include <string.h>

#include "tests/unit/netstack_base/kit.h"

Test(csum, rfc1071_example)
{
	const uint8_t p[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};

	cr_assert_eq(nst_csum_add(0, p, sizeof(p)), 0xddf2);
	cr_assert_eq(nst_csum_add_ref(0, p, sizeof(p)), 0xddf2);
	cr_assert_eq(nst_csum_add(0, p, 0), 0);
	cr_assert_eq(nst_csum_add(0x1234, p, 0), 0x1234);
	cr_assert_eq(nst_csum_add(0, p, 3), 0xf201);
}

Test(csum, wide_equals_reference)
{
	static uint8_t buf[70000];
	struct testenv te;

	testenv_init(&te, testenv_seed(1));
	for (int round = 0; round < 3000; round++) {
		uint32_t len = testenv_below(&te, round % 10 ? 700 : 66000);
		uint32_t at = testenv_below(&te, 70);
		uint16_t start = (uint16_t)testenv_rand(&te);

		te.env.random(&te, buf + at, len);
		if (round % 7 == 0)
			memset(buf + at, 0xff, len);
		cr_assert_eq(nst_csum_add(start, buf + at, len),
			     nst_csum_add_ref(start, buf + at, len),
			     "len %u at %u seed %lu", len, at, te.seed);
	}
}

Test(csum, packet_with_odd_pieces)
{
	uint8_t flat[600];
	struct testenv te;

	testenv_init(&te, testenv_seed(2));
	for (int round = 0; round < 2000; round++) {
		struct nst_pkt *pkt = nst_pkt_new(&te.env, 10, 300);
		uint32_t n[4], at = 0, from, len;

		te.env.random(&te, flat, sizeof(flat));
		for (int i = 0; i < 4; i++)
			n[i] = testenv_below(&te, 130);
		memcpy(nst_pkt_put(pkt, n[0]), flat, n[0]);
		at = n[0];
		for (int i = 1; i < 4; i++) {
			cr_assert(nst_pkt_ref(pkt, flat + at, n[i]));
			at += n[i];
		}
		from = testenv_below(&te, at + 1);
		len = testenv_below(&te, at - from + 1);
		cr_assert_eq(nst_pkt_sum(pkt, from, len, 77),
			     nst_csum_add_ref(77, flat + from, len));
		/* Beyond the end there is nothing */
		cr_assert_eq(nst_pkt_sum(pkt, from, 5000, 0),
			     nst_csum_add_ref(0, flat + from, at - from));
		nst_pkt_free(pkt);
	}
	cr_assert_eq(testenv_leaks(&te), 0);
}

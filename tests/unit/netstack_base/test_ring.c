/* SPDX-License-Identifier: Apache-2.0 */
/* ring.c: positions that wrap, also past 2^32. */
#include <string.h>

#include "netstack/base/ring.h"
#include "tests/unit/netstack_base/kit.h"

Test(ring, span_wraps)
{
	uint8_t mem[16];
	struct ring r;
	struct nst_iov iov[2];

	ring_init(&r, mem, 16);
	cr_assert_eq(ring_free(&r), 16);
	cr_assert_eq(ring_span(&r, 0, 0, iov), 0);
	cr_assert_eq(ring_span(&r, 5, 11, iov), 1);
	cr_assert_eq(iov[0].p, mem + 5);
	cr_assert_eq(iov[0].len, 11);
	cr_assert_eq(ring_span(&r, (1ull << 40) + 12, 8, iov), 2);
	cr_assert_eq(iov[0].p, mem + 12);
	cr_assert_eq(iov[0].len, 4);
	cr_assert_eq(iov[1].p, mem);
	cr_assert_eq(iov[1].len, 4);
	ring_init(&r, NULL, 0);
	cr_assert_eq(ring_span(&r, 3, 8, iov), 0);
	cr_assert_eq(ring_free(&r), 0);
}

Test(ring, bytes_come_out_as_they_went_in)
{
	uint8_t mem[256], src[200], dst[200];
	struct testenv te;
	struct ring r;
	uint64_t pos = (1ull << 32) - 1000;

	testenv_init(&te, testenv_seed(6));
	ring_init(&r, mem, sizeof(mem));
	for (int i = 0; i < 1000; i++) {
		uint32_t n = testenv_below(&te, sizeof(src) + 1);

		te.env.random(&te, src, sizeof(src));
		r.head = pos;
		ring_write_at(&r, pos, src, n);
		r.tail = pos + n;
		cr_assert_eq(ring_used(&r), n);
		cr_assert_eq(ring_free(&r), 256 - n);
		ring_read_at(&r, pos, dst, n);
		cr_assert_arr_eq(src, dst, n);
		pos += n;
	}
}

Test(ring, moves_with_what_came_out_of_order)
{
	uint8_t small[64], large[256], src[64], dst[64];
	struct ring r;

	for (int i = 0; i < 64; i++)
		src[i] = (uint8_t)i;
	ring_init(&r, small, 64);
	r.head = r.tail = 1000;
	ring_write_at(&r, 1000, src, 64);
	r.tail = 1020; /* 20 in order, a gap or more behind */
	ring_move(&r, large, 256, 1064);
	cr_assert_eq(r.size, 256);
	cr_assert_eq(r.head, 1000);
	cr_assert_eq(r.tail, 1020);
	ring_read_at(&r, 1000, dst, 64);
	cr_assert_arr_eq(src, dst, 64);
}

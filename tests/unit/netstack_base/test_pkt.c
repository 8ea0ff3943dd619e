/* SPDX-License-Identifier: Apache-2.0 */
/* pkt.c: buffers, fragments, ownership. */
#include <string.h>

#include "tests/unit/netstack_base/kit.h"

static struct testenv te;
static uint8_t ring_mem[256];

static void up(void)
{
	testenv_init(&te, testenv_seed(3));
	for (size_t i = 0; i < sizeof(ring_mem); i++)
		ring_mem[i] = (uint8_t)i;
}

static void down(void)
{
	cr_assert_eq(testenv_leaks(&te), 0);
}

TestSuite(pkt, .init = up, .fini = down);

/* 10 linear bytes 200.., then fragments of ring_mem: 0..99 and 150..199 */
static struct nst_pkt *sample(void)
{
	struct nst_pkt *pkt = nst_pkt_new(&te.env, 20, 10);
	uint8_t *p = nst_pkt_put(pkt, 10);

	for (int i = 0; i < 10; i++)
		p[i] = (uint8_t)(200 + i);
	cr_assert(nst_pkt_ref(pkt, ring_mem, 100));
	cr_assert(nst_pkt_ref(pkt, ring_mem + 150, 50));
	return pkt;
}

static void sample_flat(uint8_t flat[160])
{
	for (int i = 0; i < 10; i++)
		flat[i] = (uint8_t)(200 + i);
	memcpy(flat + 10, ring_mem, 100);
	memcpy(flat + 110, ring_mem + 150, 50);
}

Test(pkt, room)
{
	struct nst_pkt *pkt = nst_pkt_new(&te.env, 16, 8);

	cr_assert_eq(nst_pkt_bytes(pkt), 0);
	cr_assert(nst_pkt_put(pkt, 8));
	cr_assert_null(nst_pkt_put(pkt, 1));
	cr_assert(nst_pkt_push(pkt, 16));
	cr_assert_null(nst_pkt_push(pkt, 1));
	cr_assert_eq(nst_pkt_bytes(pkt), 24);
	cr_assert_not(nst_pkt_pull(pkt, 25));
	cr_assert(nst_pkt_pull(pkt, 24));
	cr_assert_eq(nst_pkt_bytes(pkt), 0);
	nst_pkt_free(pkt);
	nst_pkt_free(NULL);
}

Test(pkt, absurd_sizes_are_refused)
{
	cr_assert_null(nst_pkt_new(&te.env, UINT32_MAX, 10));
	cr_assert_null(nst_pkt_new(&te.env, 10, UINT32_MAX - 5));
	testenv_fail_nth(&te, 0);
	cr_assert_null(nst_pkt_new(&te.env, 10, 10));
}

Test(pkt, fragments)
{
	struct nst_pkt *pkt = sample();

	cr_assert_eq(nst_pkt_bytes(pkt), 160);
	cr_assert_null(nst_pkt_put(pkt, 0 + 1));
	cr_assert(nst_pkt_ref(pkt, ring_mem, 0));
	cr_assert_eq(pkt->nfrags, 2);
	cr_assert(nst_pkt_ref(pkt, ring_mem, 1));
	cr_assert(nst_pkt_ref(pkt, ring_mem, 1));
	cr_assert_not(nst_pkt_ref(pkt, ring_mem, 1));
	nst_pkt_free(pkt);
}

Test(pkt, copy_any_range)
{
	struct nst_pkt *pkt = sample();
	uint8_t flat[160], got[160];

	sample_flat(flat);
	for (uint32_t from = 0; from <= 160; from++)
		for (uint32_t n = 0; from + n <= 160; n += 13) {
			nst_pkt_copy(pkt, from, got, n);
			cr_assert_arr_eq(got, flat + from, n);
		}
	nst_pkt_free(pkt);
}

Test(pkt, trim_any_length)
{
	uint8_t flat[160], got[160];

	sample_flat(flat);
	for (uint32_t n = 0; n <= 170; n++) {
		struct nst_pkt *pkt = sample();
		uint32_t want = n < 160 ? n : 160, sum = pkt->len;

		nst_pkt_trim(pkt, n);
		cr_assert_eq(nst_pkt_bytes(pkt), want);
		sum = pkt->len;
		for (int i = 0; i < pkt->nfrags; i++) {
			cr_assert_gt(pkt->frag[i].len, 0);
			sum += pkt->frag[i].len;
		}
		cr_assert_eq(sum, want);
		nst_pkt_copy(pkt, 0, got, want);
		cr_assert_arr_eq(got, flat, want);
		nst_pkt_free(pkt);
	}
}

Test(pkt, linear_any_length)
{
	uint8_t flat[160], got[160];

	sample_flat(flat);
	for (uint32_t n = 0; n <= 160; n++) {
		struct nst_pkt *pkt = sample();

		pkt->l4_off = 20;
		cr_assert(nst_pkt_linear(pkt, n));
		cr_assert_geq(pkt->len, n);
		cr_assert_eq(nst_pkt_bytes(pkt), 160);
		nst_pkt_copy(pkt, 0, got, 160);
		cr_assert_arr_eq(got, flat, 160);
		cr_assert_arr_eq(nst_pkt_data(pkt), flat, n);
		cr_assert_arr_eq(pkt->head + pkt->l4_off, flat, 10);
		nst_pkt_free(pkt);
	}
}

Test(pkt, linear_refuses)
{
	struct nst_pkt *pkt = sample();

	cr_assert_not(nst_pkt_linear(pkt, 161));
	testenv_fail_nth(&te, 0);
	cr_assert_not(nst_pkt_linear(pkt, 50));
	cr_assert_eq(nst_pkt_bytes(pkt), 160);
	cr_assert_eq(pkt->nfrags, 2);
	cr_assert(nst_pkt_linear(pkt, 50));
	cr_assert(nst_pkt_linear(pkt, 120));
	nst_pkt_free(pkt);
}

Test(pkt, own_outlives_its_memory)
{
	struct nst_pkt *pkt = sample();
	uint8_t flat[160];

	sample_flat(flat);
	cr_assert(nst_pkt_own(pkt));
	memset(ring_mem, 0, sizeof(ring_mem));
	cr_assert_eq(pkt->nfrags, 0);
	cr_assert_arr_eq(nst_pkt_data(pkt), flat, 160);
	nst_pkt_free(pkt);
}

Test(pkt, clone_keeps_headers_in_front)
{
	struct nst_pkt *pkt = sample(), *copy;
	uint8_t flat[160];

	sample_flat(flat);
	pkt->l3_off = 20;
	pkt->ifindex = 7;
	cr_assert(nst_pkt_pull(pkt, 4));
	pkt->next = pkt;
	testenv_fail_nth(&te, 0);
	cr_assert_null(nst_pkt_clone(pkt));
	copy = nst_pkt_clone(pkt);
	nst_pkt_free(pkt);
	memset(ring_mem, 0, sizeof(ring_mem));
	cr_assert_null(copy->next);
	cr_assert_eq(copy->ifindex, 7);
	cr_assert_eq(nst_pkt_bytes(copy), 156);
	cr_assert_arr_eq(nst_pkt_data(copy), flat + 4, 156);
	cr_assert_arr_eq(copy->head + copy->l3_off, flat, 10);
	nst_pkt_free(copy);
}

Test(pkt, partial_checksum_is_finished)
{
	struct nst_pkt *pkt = sample();
	uint8_t flat[160];
	uint16_t sum;

	sample_flat(flat);
	memset(nst_pkt_data(pkt) + 6, 0, 2);
	memset(flat + 6, 0, 2);
	nst_pkt_data(pkt)[6] = 0x12; /* the pseudo header's sum */
	pkt->csum = NST_CSUM_PARTIAL;
	pkt->csum_start = 20;
	pkt->csum_off = 6;
	nst_pkt_csum_finish(pkt);
	sum = (uint16_t)~nst_csum_add_ref(0x1200, flat, 160);
	cr_assert_eq(nst_pkt_data(pkt)[6], sum >> 8);
	cr_assert_eq(nst_pkt_data(pkt)[7], sum & 0xff);
	cr_assert_eq(pkt->csum, NST_CSUM_NONE);
	nst_pkt_csum_finish(pkt); /* once */
	cr_assert_eq(nst_pkt_data(pkt)[6], sum >> 8);
	nst_pkt_free(pkt);
}

/* RFC 768: a sum of zero is sent as all ones. */
Test(pkt, partial_udp_zero_becomes_ones)
{
	struct nst_pkt *pkt = nst_pkt_new(&te.env, 0, 8);

	memset(nst_pkt_put(pkt, 8), 0, 8);
	memset(nst_pkt_data(pkt), 0xff, 2);
	pkt->csum = NST_CSUM_PARTIAL;
	pkt->csum_off = 6;
	nst_pkt_csum_finish(pkt);
	cr_assert_eq(nst_pkt_data(pkt)[6], 0xff);
	cr_assert_eq(nst_pkt_data(pkt)[7], 0xff);
	nst_pkt_free(pkt);
}

Test(pkt, partial_offsets_outside_are_ignored)
{
	struct nst_pkt *pkt = sample();

	pkt->csum = NST_CSUM_PARTIAL;
	pkt->csum_start = 25;
	pkt->csum_off = 5;
	nst_pkt_csum_finish(pkt);
	cr_assert_eq(nst_pkt_data(pkt)[9], 209);
	pkt->csum = NST_CSUM_PARTIAL;
	pkt->csum_start = 3;
	pkt->csum_off = 0;
	nst_pkt_csum_finish(pkt);
	cr_assert_eq(nst_pkt_data(pkt)[0], 200);
	nst_pkt_free(pkt);
}

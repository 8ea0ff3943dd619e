/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "netstack/ip/wire.h"
#include "netstack/netem/netem_priv.h"
#include "tests/unit/testenv.h"

static struct testenv te;

static const uint8_t addrs[8] = {10, 0, 0, 1, 10, 0, 0, 2};

/* IPv4 or IPv6 and TCP, behind l2 bytes of link header. */
static struct nst_pkt *make(int v, uint32_t l2, uint32_t payload, uint8_t ecn)
{
	uint32_t ip = v == 4 ? 20 : 40, n = l2 + ip + 20 + payload;
	struct nst_pkt *pkt = nst_pkt_new(&te.env, 0, n);
	uint8_t *p = nst_pkt_put(pkt, n), *h = p + l2;

	for (uint32_t i = 0; i < l2; i++)
		p[i] = (uint8_t)(0x10 + i);
	if (l2)
		wire_put16(p + l2 - 2, v == 4 ? 0x0800 : 0x86dd);
	h[0] = v == 4 ? 0x45 : 0x60;
	if (v == 4) {
		h[1] = ecn;
		wire_put16(h + 2, n - l2);
		h[6] = 0x40;
		h[8] = 64;
		h[9] = 6;
		memcpy(h + 12, addrs, 8);
		ip4_fix_csum(h, 20);
	} else {
		h[1] = (uint8_t)(ecn << 4);
		wire_put16(h + 4, n - l2 - 40);
		h[6] = 6;
		h[7] = 64;
		h[8] = h[24] = 0xfd;
		h[23] = 1;
		h[39] = 2;
	}
	h[ip + 12] = 5 << 4;
	h[ip + 13] = 0x18;
	for (uint32_t i = 0; i < payload; i++)
		h[ip + 20 + i] = (uint8_t)i;
	pkt->l4_off = (uint16_t)(pkt->off + l2 + ip);
	return pkt;
}

static void none_left(void)
{
	cr_assert_eq(testenv_leaks(&te), 0);
}

TestSuite(netem_pkt, .fini = none_left);

static void start(void)
{
	testenv_init(&te, 3);
}

/* RFC 3168 5: ECT becomes CE, nothing else does. */
Test(netem_pkt, marks, .init = start)
{
	for (int v = 4; v <= 6; v += 2) {
		for (uint8_t ecn = 0; ecn < 4; ecn++) {
			for (uint32_t l2 = 0; l2 <= 14; l2 += 14) {
				struct nst_pkt *p = make(v, l2, 10, ecn);
				const uint8_t *h = nst_pkt_data(p) + l2;
				bool ect = ecn == 1 || ecn == 2;

				cr_assert_eq(netem_pkt_mark(p, l2), ect);
				cr_assert_eq(v == 4 ? h[1] & 3 : h[1] >> 4 & 3,
					     ect ? 3 : ecn);
				cr_assert(v == 6 || ip4_csum_ok(h, 20));
				nst_pkt_free(p);
			}
		}
	}
}

Test(netem_pkt, other_frames_are_not_marked, .init = start)
{
	struct nst_pkt *p = make(4, 14, 10, 1);

	wire_put16(nst_pkt_data(p) + 12, 0x0806);
	cr_assert_not(netem_pkt_mark(p, 14));
	nst_pkt_trim(p, 20);
	cr_assert_not(netem_pkt_mark(p, 14));
	nst_pkt_free(p);
}

Test(netem_pkt, flips_one_bit_behind_the_link_header, .init = start)
{
	for (uint64_t r = 0; r < 1000; r++) {
		struct nst_pkt *p = make(4, 14, 10, 0);
		struct nst_pkt *was = nst_pkt_clone(p);
		int bits = 0;

		p->csum = NST_CSUM_VALID;
		netem_pkt_flip(p, 14, r);
		for (uint32_t i = 0; i < p->len; i++) {
			uint8_t d = nst_pkt_data(p)[i] ^ nst_pkt_data(was)[i];

			cr_assert(!d || i >= 14);
			bits += __builtin_popcount(d);
		}
		cr_assert_eq(bits, 1);
		cr_assert_eq(p->csum, NST_CSUM_NONE);
		nst_pkt_free(p);
		nst_pkt_free(was);
	}
}

Test(netem_pkt, splits_frames, .init = start)
{
	for (uint32_t l2 = 0; l2 <= 14; l2 += 14) {
		struct nst_pkt *p = make(4, l2, 3500, 0), *list, *next;
		uint32_t n = 0, got = 0;

		p->gso = NST_GSO_TCP4;
		p->gso_size = 1000;
		p->csum = NST_CSUM_PARTIAL;
		p->csum_start = (uint16_t)(p->off + l2 + 20);
		p->csum_off = 16;
		p->l4_off = 0; /* as from a device */
		list = netem_pkt_split(p, l2);
		for (; list; list = next, n++) {
			uint8_t *h = nst_pkt_data(list) + l2;

			next = list->next;
			cr_assert(!l2 || wire_get16(h - 2) == 0x0800);
			cr_assert(ip4_csum_ok(h, 20));
			cr_assert_eq(wire_get16(h + 2), list->len - l2);
			got += list->len - l2 - 40;
			nst_pkt_free(list);
		}
		cr_assert_eq(n, 4);
		cr_assert_eq(got, 3500);
	}
}

Test(netem_pkt, split_without_memory, .init = start)
{
	for (uint64_t nth = 0; nth < 3; nth++) {
		struct nst_pkt *p = make(4, 0, 3500, 0);

		p->gso = NST_GSO_TCP4;
		p->gso_size = 1000;
		testenv_fail_nth(&te, nth);
		cr_assert_null(netem_pkt_split(p, 0));
		testenv_fail_never(&te);
		cr_assert_eq(testenv_leaks(&te), 0);
	}
}

/* RFC 1191 4: the next hop's MTU, back to the source; the quotation whole. */
Test(netem_pkt, too_big_4, .init = start)
{
	struct nst_pkt *p = make(4, 14, 1400, 0), *e;
	const uint8_t *h = nst_pkt_data(p) + 14, *i;

	e = netem_too_big(p, 14, 1000);
	cr_assert_not_null(e);
	i = nst_pkt_data(e) + 14;
	cr_assert_eq(e->len, 14 + 576);
	cr_assert_arr_eq(nst_pkt_data(e), nst_pkt_data(p) + 6, 6);
	cr_assert_arr_eq(nst_pkt_data(e) + 6, nst_pkt_data(p), 6);
	cr_assert(ip4_csum_ok(i, 20));
	cr_assert_arr_eq(i + 12, h + 16, 4);
	cr_assert_arr_eq(i + 16, h + 12, 4);
	cr_assert(i[20] == 3 && i[21] == 4);
	cr_assert_eq(wire_get16(i + 26), 1000);
	cr_assert_eq(nst_csum_add(0, i + 20, 556), 0xffff);
	cr_assert_arr_eq(i + 28, h, 548);
	nst_pkt_free(e);
	nst_pkt_free(p);
}

/* RFC 8201 3, RFC 4443 3.2 */
Test(netem_pkt, too_big_6, .init = start)
{
	struct nst_pkt *p = make(6, 0, 1400, 0), *e = netem_too_big(p, 0, 1280);
	const uint8_t *i = nst_pkt_data(e);
	uint8_t rest[4] = {0, 0, 0, 58}, len[2];
	uint16_t sum;

	cr_assert_eq(e->len, 1280);
	cr_assert(i[40] == 2 && i[41] == 0);
	cr_assert_eq(wire_get32(i + 44), 1280);
	wire_put16(len, 1240);
	sum = nst_csum_add(nst_csum_add(0, i + 8, 32), rest, 4);
	sum = nst_csum_add(sum, len, 2);
	cr_assert_eq(nst_csum_add(sum, i + 40, 1240), 0xffff);
	cr_assert_arr_eq(i + 48, nst_pkt_data(p), 1232);
	nst_pkt_free(e);
	nst_pkt_free(p);
}

/* RFC 1122 3.2.2: not for groups, errors, or what may be fragmented. */
Test(netem_pkt, too_big_not_answered, .init = start)
{
	struct nst_pkt *p = make(4, 0, 1400, 0);
	uint8_t *h = nst_pkt_data(p);

	h[6] = 0;
	cr_assert_null(netem_too_big(p, 0, 1000));
	h[6] = 0x40;
	h[16] = 224;
	cr_assert_null(netem_too_big(p, 0, 1000));
	h[16] = 10;
	h[9] = 1;
	h[20] = 3;
	cr_assert_null(netem_too_big(p, 0, 1000));
	h[20] = 8; /* an echo request is no error */
	nst_pkt_free(netem_too_big(p, 0, 1000));
	h[0] = 0x75;
	cr_assert_null(netem_too_big(p, 0, 1000));
	nst_pkt_free(p);
}

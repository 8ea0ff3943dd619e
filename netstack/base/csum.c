/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Internet checksum, RFC 1071. The sum of 16-bit words with end-around
 * carry does not depend on how many words are added at once nor, but for one
 * final swap, on byte order (RFC 1071 2): so long runs are added as vectors of
 * 32-bit halves in 64-bit lanes, the rest in 64-bit and smaller words.
 */
#include "netstack/base/mem.h"
#include "netstack/nst_pkt.h"

/* 32 bytes: one AVX2 register or two of SSE2 or NEON, as the target has. */
typedef uint64_t lanes __attribute__((vector_size(32)));

#define BLOCK (2 * sizeof(lanes))

/* Adds whole blocks; a lane takes 2^32 halves before it can overflow. */
static uint64_t add_blocks(const uint8_t *p, size_t blocks)
{
	lanes low = {0}, high = {0}, a, b;

	for (; blocks; blocks--, p += BLOCK) {
		memcpy(&a, p, sizeof(a));
		memcpy(&b, p + sizeof(a), sizeof(b));
		low += (a & 0xffffffffu) + (b & 0xffffffffu);
		high += (a >> 32) + (b >> 32);
	}
	low = (low & 0xffffffffu) + (low >> 32) + (high & 0xffffffffu) +
	      (high >> 32);
	return low[0] + low[1] + low[2] + low[3];
}

/* The words that are left, in memory order; acc stays below 2^45. */
static uint64_t add_words(const uint8_t *p, size_t bytes)
{
	uint64_t acc = 0, w = 0;

	for (; bytes >= 8; bytes -= 8, p += 8) {
		memcpy(&w, p, 8);
		acc += (w & 0xffffffffu) + (w >> 32);
	}
	if (!bytes)
		return acc;
	w = 0;
	for (size_t i = 0; i < bytes; i++)
		w |= (uint64_t)p[i] << (8 * i);
	return acc + (w & 0xffffffffu) + (w >> 32);
}

static uint16_t fold(uint64_t acc)
{
	acc = (acc & 0xffffffffu) + (acc >> 32);
	acc = (acc & 0xffffffffu) + (acc >> 32);
	acc = (acc & 0xffff) + (acc >> 16);
	acc = (acc & 0xffff) + (acc >> 16);
	return (uint16_t)acc;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "sums are swapped at the end, and be16_from() swaps always");

uint16_t nst_csum_add(uint16_t sum, const void *p, size_t bytes)
{
	const uint8_t *q = p;
	size_t blocks = bytes >= 2 * BLOCK ? bytes / BLOCK : 0;
	uint64_t acc = 0;

	if (blocks)
		acc = add_blocks(q, blocks);
	acc += add_words(q + blocks * BLOCK, bytes - blocks * BLOCK);
	return fold((uint64_t)__builtin_bswap16(fold(acc)) + sum);
}

uint16_t nst_csum_add_ref(uint16_t sum, const void *p, size_t bytes)
{
	const uint8_t *q = p;
	uint32_t acc = sum;

	for (; bytes >= 2; bytes -= 2, q += 2) {
		acc += (uint32_t)q[0] << 8 | q[1];
		acc = (acc & 0xffff) + (acc >> 16);
	}
	if (bytes)
		acc += (uint32_t)q[0] << 8;
	return (uint16_t)((acc & 0xffff) + (acc >> 16));
}

struct sum_run {
	uint16_t sum;
	bool odd; /* an odd number of bytes was added so far */
};

/* RFC 1071 2 (B): a piece at an odd offset contributes its swapped sum. */
static void run_add(struct sum_run *r, const uint8_t *p, uint32_t bytes)
{
	uint16_t s = nst_csum_add(0, p, bytes);

	if (r->odd)
		s = __builtin_bswap16(s);
	r->sum = fold((uint64_t)r->sum + s);
	r->odd ^= bytes & 1;
}

uint16_t nst_pkt_sum(const struct nst_pkt *pkt, uint32_t from, uint32_t bytes,
		     uint16_t sum)
{
	struct sum_run r = {sum, false};
	struct nst_frag piece = {nst_pkt_data(pkt), pkt->len};

	for (unsigned i = 0; bytes; piece = pkt->frag[i++]) {
		if (from < piece.len) {
			uint32_t n = piece.len - from;

			n = n < bytes ? n : bytes;
			run_add(&r, piece.p + from, n);
			bytes -= n;
			from = 0;
		} else {
			from -= piece.len;
		}
		if (i == pkt->nfrags)
			break;
	}
	return r.sum;
}

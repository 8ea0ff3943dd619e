/* SPDX-License-Identifier: Apache-2.0 */
/* Fields on the wire. Hostile input. */
#include "netstack/save/save_priv.h"

#define MARKS 0x8080808080808080u /* clear in a number's last byte */

/* Numbers of up to eight bytes, without a branch for each: pairs of seven bits
 * become fourteen, those twenty-eight. */
static struct save_number varint_of_8(const uint8_t *p)
{
	uint64_t v = save_load64(p), last = ~v & MARKS;

	if (!last)
		return (struct save_number){NULL, 0};
	last &= 0 - last;
	v &= (last - 1) & ~MARKS;
	v = (v & 0x007f007f007f007f) | (v & 0x7f007f007f007f00) >> 1;
	v = (v & 0x00003fff00003fff) | (v & 0x3fff00003fff0000) >> 2;
	v = (v & 0x000000000fffffff) | (v & 0x0fffffff00000000) >> 4;
	return (struct save_number){p + __builtin_ctzll(last) / 8 + 1, v};
}

struct save_number save_varint_long(const uint8_t *p, const uint8_t *end)
{
	struct save_number n = {NULL, 0};
	uint64_t v = 0;

	if (end - p >= 8)
		n = varint_of_8(p);
	if (n.behind)
		return n;
	for (unsigned shift = 0; shift < 64 && p < end; shift += 7) {
		v |= (uint64_t)(*p & 0x7f) << shift;
		if (!(*p++ & 0x80))
			return (struct save_number){p, v};
	}
	return (struct save_number){NULL, 0};
}

const uint8_t *save_token(uint32_t key, const uint8_t *p, const uint8_t *end,
			  struct save_token *out)
{
	struct save_number n;

	out->key = key;
	if ((key & 7) != SAVE_WT_LEN) {
		n = save_number(p, end, key & 7);
		out->value = n.v;
		return n.behind;
	}
	n = save_varint(p, end);
	if (!n.behind || n.v > (uint64_t)(end - n.behind))
		return NULL;
	out->data = n.behind;
	out->bytes = (size_t)n.v;
	return n.behind + n.v;
}

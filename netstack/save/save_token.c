/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers on the wire. Hostile input. */
#include "netstack/save/save_priv.h"

bool save_varint_long(const uint8_t **at, const uint8_t *end, uint64_t *out)
{
	const uint8_t *p = *at;
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64 && p < end; shift += 7) {
		v |= (uint64_t)(*p & 0x7f) << shift;
		if (!(*p++ & 0x80)) {
			*at = p;
			*out = v;
			return true;
		}
	}
	return false;
}

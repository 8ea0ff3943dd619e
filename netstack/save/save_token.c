/* SPDX-License-Identifier: Apache-2.0 */
/* Protobuf's wire format, a field at a time. Hostile input. */
#include "netstack/save/save_priv.h"

bool save_varint(const uint8_t **at, const uint8_t *end, uint64_t *out)
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

bool save_get_le(const uint8_t **at, const uint8_t *end, unsigned bytes,
		 uint64_t *out)
{
	const uint8_t *p = *at;
	uint64_t v = 0;

	if ((size_t)(end - p) < bytes)
		return false;
	for (unsigned i = 0; i < bytes; i++)
		v |= (uint64_t)p[i] << (8 * i);
	*at = p + bytes;
	*out = v;
	return true;
}

bool save_token(const uint8_t **p, const uint8_t *end, struct save_token *out)
{
	uint64_t v;

	if (!save_varint(p, end, &v) || v > UINT32_MAX || v < 8)
		return false;
	out->key = (uint32_t)v;
	out->data = NULL;
	out->bytes = 0;
	switch (v & 7) {
	case SAVE_WT_VARINT:
		return save_varint(p, end, &out->value);
	case SAVE_WT_64:
		return save_get_le(p, end, 8, &out->value);
	case SAVE_WT_32:
		return save_get_le(p, end, 4, &out->value);
	case SAVE_WT_LEN:
		if (!save_varint(p, end, &v) || v > (uint64_t)(end - *p))
			return false;
		out->data = *p;
		out->bytes = (size_t)v;
		*p += v;
		return true;
	default:
		return false;
	}
}

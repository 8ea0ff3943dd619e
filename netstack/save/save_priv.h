/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share: members of structs as numbers, and the
 * wire format of protobuf. */
#ifndef NETSTACK_SAVE_SAVE_PRIV_H
#define NETSTACK_SAVE_SAVE_PRIV_H

#include "netstack/base/mem.h"
#include "netstack/save/save.h"

/* Addresses are bytes: the family, 4 or 16 bytes, and with IPv6 the scope,
 * little endian. */
#define SAVE_ADDR4_BYTES 5
#define SAVE_ADDR6_BYTES 21

union save_value {
	uint64_t u;
	int64_t i;
};

static inline union save_value save_member_get(const struct save_field *f,
					       const void *p)
{
	union save_value v = {0};

	switch (f->member) {
	case SAVE_C_BOOL:
		v.u = *(const bool *)p;
		break;
	case SAVE_C_U8:
		v.u = *(const uint8_t *)p;
		break;
	case SAVE_C_U16:
		v.u = *(const uint16_t *)p;
		break;
	case SAVE_C_U32:
		v.u = *(const uint32_t *)p;
		break;
	case SAVE_C_U64:
		v.u = *(const uint64_t *)p;
		break;
	case SAVE_C_I16:
		v.i = *(const int16_t *)p;
		break;
	case SAVE_C_I32:
		v.i = *(const int32_t *)p;
		break;
	case SAVE_C_I64:
		v.i = *(const int64_t *)p;
		break;
	default:
		break;
	}
	return v;
}

/* False: it does not fit. */
static inline bool save_member_set(const struct save_field *f, void *p,
				   union save_value v)
{
	switch (f->member) {
	case SAVE_C_BOOL:
		*(bool *)p = v.u != 0;
		return v.u <= 1;
	case SAVE_C_U8:
		*(uint8_t *)p = (uint8_t)v.u;
		return v.u <= UINT8_MAX;
	case SAVE_C_U16:
		*(uint16_t *)p = (uint16_t)v.u;
		return v.u <= UINT16_MAX;
	case SAVE_C_U32:
		*(uint32_t *)p = (uint32_t)v.u;
		return v.u <= UINT32_MAX;
	case SAVE_C_U64:
		*(uint64_t *)p = v.u;
		return true;
	case SAVE_C_I16:
		*(int16_t *)p = (int16_t)v.i;
		return v.i >= INT16_MIN && v.i <= INT16_MAX;
	case SAVE_C_I32:
		*(int32_t *)p = (int32_t)v.i;
		return v.i >= INT32_MIN && v.i <= INT32_MAX;
	case SAVE_C_I64:
		*(int64_t *)p = v.i;
		return true;
	default:
		return false;
	}
}

/* ---- save_fields.c ---- */
NST_MUST_CHECK bool save_bytes_from(struct save_in *in,
				    const struct save_field *f,
				    const uint8_t *data, size_t bytes, void *p);
/* The same for a string, which need not end in a zero. */
NST_MUST_CHECK bool save_text_from(struct save_in *in,
				   const struct save_field *f,
				   const uint8_t *data, size_t bytes, void *p);

/* ---- save_wire.c ---- */
/* The table's members of *obj, encoded behind what is in w. False: no memory.
 */
NST_MUST_CHECK bool save_encode(struct save_buf *w, const struct save_type *t,
				const void *obj);
/* Room for `bytes` more. */
NST_MUST_CHECK bool save_wire_room(struct save_buf *w, size_t bytes);
void save_wire_varint(struct save_buf *w, uint64_t v); /* there is room */
/* A length-prefixed field of tag `key >> 3`, whose length is not known yet.
 * Returns where its contents begin, for close; 0: no memory. */
size_t save_wire_open(struct save_buf *w, uint32_t key);
NST_MUST_CHECK bool save_wire_close(struct save_buf *w, size_t from);

/* ---- save_unwire.c ---- */
/* A varint at *p, which moves behind it. False: it is cut short. */
NST_MUST_CHECK bool save_varint(const uint8_t **p, const uint8_t *end,
				uint64_t *out);
/* Sets members of *obj that are there; all of them were zero. */
NST_MUST_CHECK bool save_decode(struct save_in *in, const struct save_type *t,
				const uint8_t *p, const uint8_t *end,
				void *obj);
/*
 * Message `t` at [p, end) written anew into w: what the table does not know as
 * it is, and what it knows as one field SAVE_RAW_TAG, so that protobuf-c
 * parses only what is made by hand. False: broken, or no memory.
 */
#define SAVE_RAW_TAG 0x1ffffffeu
NST_MUST_CHECK bool save_split(struct save_in *in, const struct save_type *t,
			       const uint8_t *p, const uint8_t *end,
			       struct save_buf *w);

#define SAVE_WT_VARINT 0u
#define SAVE_WT_64 1u
#define SAVE_WT_LEN 2u
#define SAVE_WT_32 5u

#endif

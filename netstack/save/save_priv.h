/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share: members of structs as numbers, and the
 * wire format of protobuf. */
#ifndef NETSTACK_SAVE_SAVE_PRIV_H
#define NETSTACK_SAVE_SAVE_PRIV_H

#include "netstack/base/mem.h"
#include "netstack/save/save.h"
#include "netstack/save/save_code.h"

/* Addresses are bytes: the family, 4 or 16 bytes, and with IPv6 the scope,
 * little endian. */
#define SAVE_ADDR4_BYTES 5
#define SAVE_ADDR6_BYTES 21

#define SAVE_WT_VARINT 0u
#define SAVE_WT_64 1u
#define SAVE_WT_LEN 2u
#define SAVE_WT_32 5u

union save_value {
	uint64_t u;
	int64_t i;
};

static inline uint64_t save_zigzag(uint64_t v)
{
	return (v << 1) ^ (0 - (v >> 63));
}

static inline uint64_t save_unzigzag(uint64_t v)
{
	return (v >> 1) ^ (0 - (v & 1));
}

/* ---- fields of messages ---- */
static inline uint32_t save_wire_type(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_SFIXED32:
		return SAVE_WT_32;
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
		return SAVE_WT_64;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		return SAVE_WT_LEN;
	default:
		return SAVE_WT_VARINT;
	}
}

/* Of a number in a message. */
static inline size_t save_number_bytes(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
		return 4;
	default:
		return 8;
	}
}

/*
 * A message knows its bytes by the member where protobuf-c would note fields
 * it does not know; it is told of none (n_unknown_fields is 0).
 */
struct save_raw {
	ProtobufCMessageUnknownField field; /* data, len */
	const struct save_type *type;       /* when saving */
};

static inline struct save_raw *save_raw_of(const void *m)
{
	return (struct save_raw *)(void *)((const ProtobufCMessage *)m)
	    ->unknown_fields;
}

/* ---- save_wire.c ---- */
void save_wire_varint(struct save_buf *w, uint64_t v); /* there is room */
/* A length-prefixed field, whose length is not known yet. Returns where its
 * contents begin, for close; 0: no memory. */
size_t save_wire_open(struct save_buf *w, uint32_t key);
NST_MUST_CHECK bool save_wire_close(struct save_buf *w, size_t from);
NST_MUST_CHECK bool save_wire_bytes(struct save_buf *w, uint32_t key,
				    const void *p, size_t n);

/* ---- save_pack.c ---- */
/* The message to w: what its save_raw has, then what is made; all of it if it
 * has none. False: no memory. */
NST_MUST_CHECK bool save_pack(struct save_buf *w, const void *m);

/* ---- save_token.c ---- */
/* A field on the wire. */
struct save_token {
	uint32_t key;
	uint64_t value;      /* of a number */
	const uint8_t *data; /* of a length-prefixed one */
	size_t bytes;
};
/* Numbers at *p, which moves behind them. False: cut short. */
NST_MUST_CHECK bool save_varint_long(const uint8_t **p, const uint8_t *end,
				     uint64_t *out);
NST_MUST_CHECK bool save_get_le(const uint8_t **p, const uint8_t *end,
				unsigned bytes, uint64_t *out);

static inline bool save_varint(const uint8_t **p, const uint8_t *end,
			       uint64_t *out)
{
	const uint8_t *at = *p;

	if (end - at >= 2 && at[0] & 0x80 && !(at[1] & 0x80)) {
		*out = (at[0] & 0x7fu) | (uint64_t)at[1] << 7;
		*p = at + 2;
		return true;
	}
	if (at == end || (*at & 0x80))
		return save_varint_long(p, end, out);
	*out = *at;
	*p = at + 1;
	return true;
}

/* The next field. False: it is none. */
static inline bool save_token(const uint8_t **p, const uint8_t *end,
			      struct save_token *out)
{
	uint64_t v;

	if (!save_varint(p, end, &v) || v > UINT32_MAX || v < 8)
		return false;
	out->key = (uint32_t)v;
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

/* ---- save_parse.c ---- */
/*
 * The message at [p, end), and those in it, in the arena. Without a type all
 * fields are in it; with one, those made by hand. NULL: in->err.
 */
void *save_unpack(struct save_in *in, const ProtobufCMessageDescriptor *d,
		  const struct save_type *t, const uint8_t *p,
		  const uint8_t *end);

#endif

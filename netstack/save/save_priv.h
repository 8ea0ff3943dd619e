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

/* Of enum save_code. */
static inline uint32_t save_code_wire(uint8_t code)
{
	return code == SAVE_E_FIXED32   ? SAVE_WT_32
	       : code == SAVE_E_FIXED64 ? SAVE_WT_64
					: SAVE_WT_VARINT;
}

/* Of an element in a message. */
static inline size_t save_element_bytes(ProtobufCType type)
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
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
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
/* A number of that wire type: behind it. There is room. */
uint8_t *save_put_number(uint8_t *p, uint32_t wt, uint64_t v);
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

/* ---- save_unwire.c ---- */
/* A field of the table that is no number. */
NST_MUST_CHECK bool save_take(struct save_get *g, const struct save_field *f,
			      const struct save_token *k, void *obj);

/* ---- save_parse.c ---- */
/*
 * The message at [p, end), and those in it, in the arena. Without a type all
 * fields are in it; with one, those made by hand. NULL: in->err.
 */
void *save_unpack(struct save_in *in, const ProtobufCMessageDescriptor *d,
		  const struct save_type *t, const uint8_t *p,
		  const uint8_t *end);
/* The message of what is made by hand; the rest to *obj. NULL as above. */
void *save_get_object(struct save_in *in, const struct save_type *t,
		      const uint8_t *p, const uint8_t *end, void *obj);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages into protobuf's wire format. protobuf-c's own walks over every field
 * of a message twice; here what a table has is there already, and only what is
 * made by hand is looked at.
 */
#include "netstack/save/save_priv.h"

/* As it is on the wire. */
static uint64_t number_of(ProtobufCType type, const uint8_t *p)
{
	switch (type) {
	case PROTOBUF_C_TYPE_BOOL:
		return *(const protobuf_c_boolean *)(const void *)p != 0;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_SFIXED32:
		return *(const uint32_t *)(const void *)p;
	case PROTOBUF_C_TYPE_INT32:
		return (uint64_t)(int64_t) * (const int32_t *)(const void *)p;
	case PROTOBUF_C_TYPE_SINT32:
		return save_zigzag((uint64_t)(int64_t) *
				   (const int32_t *)(const void *)p);
	case PROTOBUF_C_TYPE_SINT64:
		return save_zigzag(*(const uint64_t *)(const void *)p);
	default:
		return *(const uint64_t *)(const void *)p;
	}
}

static void put_number(struct save_buf *w, uint32_t wt, uint64_t v)
{
	w->n = (size_t)(save_put_number(w->p + w->n, wt, v) - w->p);
}

static bool pack_message(struct save_buf *w, uint32_t key, const void *m)
{
	size_t from = save_wire_open(w, key);

	return from && save_pack(w, m) && save_wire_close(w, from);
}

static size_t text_bytes(const char *s)
{
	size_t n = 0;

	while (s && s[n])
		n++;
	return n;
}

static bool append(struct save_buf *w, const void *p, size_t n)
{
	if (!n)
		return true;
	if (!save_wire_room(w, n))
		return false;
	memcpy(w->p + w->n, p, n);
	w->n += n;
	return true;
}

/* Messages, bytes or texts: each has its key. */
static bool pack_each(struct save_buf *w, const ProtobufCFieldDescriptor *d,
		      const uint8_t *p, size_t n)
{
	uint32_t key = d->id << 3 | SAVE_WT_LEN;
	bool ok = true;

	for (; ok && n; n--, p += save_element_bytes(d->type)) {
		const void *at = p, *pointer = *(void *const *)at;
		const ProtobufCBinaryData *b = at;
		size_t from;

		if (d->type == PROTOBUF_C_TYPE_MESSAGE) {
			ok = pack_message(w, key, pointer);
			continue;
		}
		from = save_wire_open(w, key); /* also what is empty */
		ok = from &&
		     (d->type == PROTOBUF_C_TYPE_BYTES
			  ? append(w, b->data, b->len)
			  : append(w, pointer, text_bytes(pointer))) &&
		     save_wire_close(w, from);
	}
	return ok;
}

static bool pack_array(struct save_buf *w, const ProtobufCFieldDescriptor *d,
		       const uint8_t *m)
{
	size_t n = *(const size_t *)(const void *)(m + d->quantifier_offset);
	uint32_t wt = save_wire_type(d->type);
	const uint8_t *p;
	size_t from;

	if (!n)
		return true;
	p = *(uint8_t *const *)(const void *)(m + d->offset);
	if (wt == SAVE_WT_LEN)
		return pack_each(w, d, p, n);
	from = save_wire_open(w, d->id << 3 | SAVE_WT_LEN);
	if (!from || !save_wire_room(w, n * 10))
		return false;
	for (; n; n--, p += save_element_bytes(d->type))
		put_number(w, wt, number_of(d->type, p));
	return save_wire_close(w, from);
}

static bool pack_field(struct save_buf *w, const ProtobufCFieldDescriptor *d,
		       const uint8_t *m)
{
	const void *at = m + d->offset;
	uint32_t wt = save_wire_type(d->type), key = d->id << 3 | wt;
	const ProtobufCBinaryData *b = at;
	const void *const *pointer = at;
	uint64_t v;

	switch (d->type) {
	case PROTOBUF_C_TYPE_MESSAGE:
		return !*pointer || pack_message(w, key, *pointer);
	case PROTOBUF_C_TYPE_BYTES:
		return save_wire_bytes(w, key, b->data, b->len);
	case PROTOBUF_C_TYPE_STRING:
		return save_wire_bytes(w, key, *pointer, text_bytes(*pointer));
	default:
		break;
	}
	v = number_of(d->type, at);
	if (!v)
		return true;
	if (!save_wire_room(w, SAVE_NUMBER_BYTES))
		return false;
	save_wire_varint(w, key);
	put_number(w, wt, v);
	return true;
}

static bool pack_any(struct save_buf *w, const ProtobufCFieldDescriptor *d,
		     const uint8_t *m)
{
	return d->label == PROTOBUF_C_LABEL_REPEATED ? pack_array(w, d, m)
						     : pack_field(w, d, m);
}

bool save_pack(struct save_buf *w, const void *m)
{
	const ProtobufCMessageDescriptor *d =
	    ((const ProtobufCMessage *)m)->descriptor;
	const struct save_raw *raw = save_raw_of(m);

	if (!raw) {
		for (unsigned i = 0; i < d->n_fields; i++)
			if (!pack_any(w, &d->fields[i], m))
				return false;
		return true;
	}
	if (!append(w, raw->field.data, raw->field.len))
		return false;
	for (uint32_t i = 0; i < raw->type->nmade; i++)
		if (!pack_any(w, &d->fields[raw->type->made[i].index], m))
			return false;
	return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Protobuf's wire format straight into members of a struct. Hostile input. */
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

static bool get_le(const uint8_t **at, const uint8_t *end, unsigned bytes,
		   uint64_t *out)
{
	if ((size_t)(end - *at) < bytes)
		return false;
	*out = 0;
	for (unsigned i = 0; i < bytes; i++)
		*out |= (uint64_t) * (*at)++ << (8 * i);
	return true;
}

/* The next field: its key, its value. False: it is no field. */
struct token {
	uint32_t key;
	uint64_t value;      /* of a number */
	const uint8_t *data; /* of a length-prefixed one */
	size_t bytes;
};

static bool next_token(const uint8_t **p, const uint8_t *end, struct token *out)
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
		return get_le(p, end, 8, &out->value);
	case SAVE_WT_32:
		return get_le(p, end, 4, &out->value);
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

/* Fields come in order: the next one is mostly at or right behind *at. */
static const struct save_field *row(const struct save_type *t, uint32_t *at,
				    uint32_t tag)
{
	for (uint32_t n = 0; n < t->nfields; n++) {
		const struct save_field *f = &t->fields[*at];

		if (f->key >> 3 == tag)
			return f;
		/* Sorted: it can only be before. */
		if (f->key >> 3 > tag && (!*at || f[-1].key >> 3 < tag))
			return NULL;
		*at = *at + 1 < t->nfields ? *at + 1 : 0;
	}
	return NULL;
}

static union save_value number(const struct save_field *f, uint64_t v)
{
	if (f->code == SAVE_E_ZIGZAG)
		v = (v >> 1) ^ (0 - (v & 1));
	else if (f->wire == SAVE_M_I32 && f->code == SAVE_E_FIXED32)
		v = (uint64_t)(int64_t)(int32_t)v;
	return (union save_value){.u = v};
}

static bool take_packed(struct save_in *in, const struct save_field *f,
			const struct token *k, uint32_t *n, uint8_t *to)
{
	const uint8_t *p = k->data, *end = p + k->bytes;
	uint64_t v;

	while (p < end) {
		bool ok = f->code == SAVE_E_FIXED32 ? get_le(&p, end, 4, &v)
			  : f->code == SAVE_E_FIXED64
			      ? get_le(&p, end, 8, &v)
			      : save_varint(&p, end, &v);

		if (!ok)
			return save_bad(in, f->name, "is cut short");
		if (*n >= f->count)
			return save_bad(in, f->name, "has too many elements");
		if (!save_member_set(f, to + (size_t)*n * f->stride,
				     number(f, v)))
			return save_bad(in, f->name, "is out of range");
		++*n;
	}
	return true;
}

static bool take(struct save_in *in, const struct save_field *f,
		 const struct token *k, uint32_t *n, uint8_t *to)
{
	if (k->key != f->key)
		return save_bad(in, f->name, "is of another type");
	if (f->wire == SAVE_M_MESSAGE) {
		if (*n >= (f->repeated ? f->count : UINT32_MAX))
			return save_bad(in, f->name, "has too many elements");
		to += f->repeated ? (size_t)*n * f->stride : 0;
		++*n;
		return save_decode(in, f->sub, k->data, k->data + k->bytes, to);
	}
	if (f->repeated)
		return take_packed(in, f, k, n, to);
	if (f->wire == SAVE_M_BYTES)
		return save_bytes_from(in, f, k->data, k->bytes, to);
	if (f->wire == SAVE_M_STRING)
		return save_text_from(in, f, k->data, k->bytes, to);
	if (save_member_set(f, to, number(f, k->value)))
		return true;
	return save_bad(in, f->name, "is out of range");
}

bool save_decode(struct save_in *in, const struct save_type *t,
		 const uint8_t *p, const uint8_t *end, void *obj)
{
	const struct save_field *last = NULL, *f;
	struct token k;
	uint32_t at = 0, n = 0;

	while (p < end) {
		if (!next_token(&p, end, &k))
			return save_bad(in, t->name, "is cut short");
		f = row(t, &at, k.key >> 3);
		if (!f)
			return save_bad(in, t->name, "has a field too many");
		if (f != last)
			n = 0;
		last = f;
		if (!take(in, f, &k, &n, (uint8_t *)obj + f->at))
			return false;
	}
	return true;
}

/* ---- split ---- */

static const struct save_made *made(const struct save_type *t, uint32_t key)
{
	for (uint32_t i = 0; i < t->nmade; i++)
		if (t->made[i].key == key)
			return &t->made[i];
	return NULL;
}

static bool append(struct save_buf *w, const uint8_t *p, size_t n)
{
	if (!save_wire_room(w, n))
		return false;
	memcpy(w->p + w->n, p, n);
	w->n += n;
	return true;
}

static bool split_field(struct save_in *in, const struct save_type *t,
			const struct token *k, const uint8_t *from,
			const uint8_t *to, uint32_t *at, struct save_buf *w)
{
	const struct save_type *sub;
	const struct save_field *f;
	const struct save_made *m;
	size_t open;

	f = row(t, at, k->key >> 3);
	if (f && (!f->sub || !f->sub->mixed))
		return append(&in->raw, from, (size_t)(to - from));
	m = f ? NULL : made(t, k->key);
	sub = f ? f->sub : m ? m->sub : NULL;
	if (!sub || (k->key & 7) != SAVE_WT_LEN)
		return append(w, from, (size_t)(to - from));
	open = save_wire_open(w, k->key);
	return open && save_split(in, sub, k->data, k->data + k->bytes, w) &&
	       save_wire_close(w, open);
}

bool save_split(struct save_in *in, const struct save_type *t, const uint8_t *p,
		const uint8_t *end, struct save_buf *w)
{
	size_t raw = in->raw.n, n;
	struct token k;
	uint32_t at = 0;

	while (p < end) {
		const uint8_t *from = p;

		if (!next_token(&p, end, &k) || k.key >> 3 == SAVE_RAW_TAG)
			return save_bad(in, t->name, "is broken");
		if (!split_field(in, t, &k, from, p, &at, w))
			return save_fail(in, NST_E_NOMEM, "no memory");
	}
	n = in->raw.n - raw;
	if (n) {
		size_t open =
		    save_wire_open(w, SAVE_RAW_TAG << 3 | SAVE_WT_LEN);

		if (!open || !append(w, in->raw.p + raw, n) ||
		    !save_wire_close(w, open))
			return save_fail(in, NST_E_NOMEM, "no memory");
	}
	in->raw.n = raw;
	return true;
}

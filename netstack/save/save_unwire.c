/* SPDX-License-Identifier: Apache-2.0 */
/* Protobuf's wire format straight into members of a struct, by table. Hostile
 * input. */
#include "netstack/save/save_priv.h"

/* False: it does not fit. */
static bool set_member(const struct save_field *f, void *p,
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

static union save_value number(const struct save_field *f, uint64_t v)
{
	if (f->code == SAVE_E_ZIGZAG)
		v = save_unzigzag(v);
	else if (f->wire == SAVE_M_I32 && f->code == SAVE_E_FIXED32)
		v = (uint64_t)(int64_t)(int32_t)v;
	return (union save_value){.u = v};
}

static bool take_addr(struct save_in *in, const struct save_field *f,
		      const struct save_token *k, struct nst_addr *a)
{
	const uint8_t *data = k->data;

	*a = (struct nst_addr){0};
	if (!k->bytes)
		return true;
	if ((k->bytes != SAVE_ADDR4_BYTES || data[0] != 4) &&
	    (k->bytes != SAVE_ADDR6_BYTES || data[0] != 6))
		return save_bad(in, f->name, "is not an address");
	a->family = data[0];
	memcpy(a->b, data + 1, a->family == 4 ? 4 : 16);
	for (int i = 0; i < 4 && a->family == 6; i++)
		a->scope |= (uint32_t)data[17 + i] << (8 * i);
	return true;
}

static bool take_bytes(struct save_in *in, const struct save_field *f,
		       const struct save_token *k, void *p)
{
	if (f->member == SAVE_C_ADDR)
		return take_addr(in, f, k, p);
	if (k->bytes && k->bytes != f->count)
		return save_bad(in, f->name, "has the wrong length");
	if (k->bytes)
		memcpy(p, k->data, k->bytes);
	return true;
}

static bool take_text(struct save_in *in, const struct save_field *f,
		      const struct save_token *k, void *p)
{
	if (k->bytes >= f->count)
		return save_bad(in, f->name, "is too long");
	for (size_t i = 0; i < k->bytes; i++)
		if (!k->data[i])
			return save_bad(in, f->name, "is no text");
	memset(p, 0, f->count);
	if (k->bytes)
		memcpy(p, k->data, k->bytes);
	return true;
}

static bool decode(struct save_in *in, const struct save_type *t,
		   const uint8_t *p, const uint8_t *end, void *obj);

static bool take_packed(struct save_in *in, const struct save_field *f,
			const struct save_token *k, uint32_t *n, uint8_t *to)
{
	const uint8_t *p = k->data, *end = p + k->bytes;
	uint64_t v;

	while (p < end) {
		bool ok = f->code == SAVE_E_FIXED32 ? save_get_le(&p, end, 4, &v)
			  : f->code == SAVE_E_FIXED64
			      ? save_get_le(&p, end, 8, &v)
			      : save_varint(&p, end, &v);

		if (!ok)
			return save_bad(in, f->name, "is cut short");
		if (*n >= f->count)
			return save_bad(in, f->name, "has too many elements");
		if (!set_member(f, to + (size_t)*n * f->stride,
				     number(f, v)))
			return save_bad(in, f->name, "is out of range");
		++*n;
	}
	return true;
}

static bool take(struct save_in *in, const struct save_field *f,
		 const struct save_token *k, uint32_t *n, uint8_t *to)
{
	if (k->key != f->key)
		return save_bad(in, f->name, "is of another type");
	if ((k->key & 7) != SAVE_WT_LEN)
		return set_member(f, to, number(f, k->value)) ||
		       save_bad(in, f->name, "is out of range");
	if (f->wire == SAVE_M_MESSAGE) {
		if (*n >= (f->repeated ? f->count : UINT32_MAX))
			return save_bad(in, f->name, "has too many elements");
		to += f->repeated ? (size_t)*n * f->stride : 0;
		++*n;
		return decode(in, f->sub, k->data, k->data + k->bytes, to);
	}
	if (f->repeated)
		return take_packed(in, f, k, n, to);
	if (f->wire == SAVE_M_BYTES)
		return take_bytes(in, f, k, to);
	return take_text(in, f, k, to);
}

/* The row of a tag; NULL: made by hand, or unknown. */
static const struct save_field *row(const struct save_type *t, uint32_t tag)
{
	uint32_t i = tag < t->ntags ? t->index[tag] : 0;

	return i && i < SAVE_INDEX_MADE ? &t->fields[i - 1] : NULL;
}

static bool is_made(const struct save_type *t, uint32_t tag)
{
	return tag < t->ntags && t->index[tag] >= SAVE_INDEX_MADE;
}

/* Sets members of *obj that are there; all of them were zero. */
static bool decode(struct save_in *in, const struct save_type *t,
		   const uint8_t *p, const uint8_t *end, void *obj)
{
	const struct save_field *last = NULL, *f;
	struct save_token k;
	uint32_t n = 0;

	while (p < end) {
		if (!save_token(&p, end, &k))
			return save_bad(in, t->name, "is cut short");
		f = row(t, k.key >> 3);
		if (!f && is_made(t, k.key >> 3))
			continue;
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

bool save_restore(struct save_in *in, const struct save_type *t, const void *m,
		  void *obj)
{
	const struct save_raw *raw = m ? save_raw_of(m) : NULL;

	if (!t->zero || (m && !raw)) /* never: m is of save_unpack() */
		return save_bad(in, t->name, "is no struct's");
	t->zero(obj);
	return !raw || decode(in, t, raw->field.data,
			      raw->field.data + raw->field.len, obj);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Protobuf's wire format straight into members of a struct, by table, for what
 * is no number (those are set by functions that saved.py makes). Hostile input.
 */
#include "netstack/save/save_priv.h"

static bool set_element(uint8_t member, void *p, uint64_t v)
{
	switch (member) {
	case SAVE_C_BOOL:
		return save_set_bool(p, v);
	case SAVE_C_U8:
		return save_set_u8(p, v);
	case SAVE_C_U16:
		return save_set_u16(p, v);
	case SAVE_C_U32:
		return save_set_u32(p, v);
	case SAVE_C_U64:
		return save_set_u64(p, v);
	case SAVE_C_I16:
		return save_set_i16(p, v);
	case SAVE_C_I32:
		return save_set_i32(p, v);
	case SAVE_C_I64:
		return save_set_i64(p, v);
	default:
		return false;
	}
}

static uint64_t element(const struct save_field *f, uint64_t v)
{
	if (f->code == SAVE_E_ZIGZAG)
		return save_unzigzag(v);
	if (f->wire == SAVE_M_I32 && f->code == SAVE_E_FIXED32)
		return SAVE_FROM_fixed32(v, true);
	return v;
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
	if (a->family == 6)
		a->scope = save_load32(data + 17);
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

static bool take_packed(struct save_in *in, const struct save_field *f,
			const struct save_token *k, uint32_t *n, uint8_t *to)
{
	const uint8_t *p = k->data, *end = p + k->bytes;
	uint32_t wt = save_code_wire(f->code);

	while (p < end) {
		struct save_number v = save_number(p, end, wt);

		if (!v.behind)
			return save_bad(in, f->name, "is cut short");
		if (*n >= f->count)
			return save_bad(in, f->name, "has too many elements");
		if (!set_element(f->member, to + (size_t)*n * f->stride,
				 element(f, v.v)))
			return save_bad(in, f->name, "is out of range");
		p = v.behind;
		++*n;
	}
	return true;
}

static bool take_message(struct save_get *g, const struct save_field *f,
			 const struct save_token *k, uint8_t *to)
{
	struct save_get sub = {.in = g->in, .t = f->sub};

	if (g->n >= (f->repeated ? f->count : UINT32_MAX))
		return save_bad(g->in, f->name, "has too many elements");
	to += f->repeated ? (size_t)g->n * f->stride : 0;
	g->n++;
	return f->sub->get(&sub, k->data, k->data + k->bytes, to);
}

bool save_take(struct save_get *g, const struct save_field *f,
	       const struct save_token *k, void *obj)
{
	uint8_t *to = (uint8_t *)obj + f->at;

	if (k->key != f->key)
		return save_bad(g->in, f->name, "is of another type");
	if (f != g->last)
		g->n = 0;
	g->last = f;
	if (f->wire == SAVE_M_MESSAGE)
		return take_message(g, f, k, to);
	if (f->repeated)
		return take_packed(g->in, f, k, &g->n, to);
	if (f->wire == SAVE_M_BYTES)
		return take_bytes(g->in, f, k, to);
	return take_text(g->in, f, k, to);
}

bool save_get_cut(const struct save_get *g)
{
	return save_bad(g->in, g->t->name, "is cut short");
}

bool save_get_range(const struct save_get *g, const char *name)
{
	return save_bad(g->in, name, "is out of range");
}

bool save_restore(struct save_in *in, const struct save_type *t, const void *m,
		  void *obj)
{
	const struct save_raw *raw = m ? save_raw_of(m) : NULL;
	struct save_get g = {.in = in, .t = t};

	if (!t->get || (m && !raw)) /* never: m is of save_unpack() */
		return save_bad(in, t->name, "is no struct's");
	t->zero(obj);
	return !raw || !raw->field.len ||
	       t->get(&g, raw->field.data, raw->field.data + raw->field.len,
		      obj);
}

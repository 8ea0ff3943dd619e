/* SPDX-License-Identifier: Apache-2.0 */
/* Between a struct and its message, by table. */
#include "netstack/save/save_priv.h"

static size_t wire_bytes(const struct save_field *f)
{
	switch (f->wire) {
	case SAVE_M_BOOL:
		return sizeof(protobuf_c_boolean);
	case SAVE_M_U32:
	case SAVE_M_I32:
		return 4;
	case SAVE_M_MESSAGE:
		return sizeof(void *);
	default:
		return 8;
	}
}

static union save_value wire_get(const struct save_field *f, const void *p)
{
	switch (f->wire) {
	case SAVE_M_BOOL:
		return (union save_value){.u = *(const protobuf_c_boolean *)p !=
					       0};
	case SAVE_M_U32:
		return (union save_value){.u = *(const uint32_t *)p};
	case SAVE_M_I32:
		return (union save_value){.i = *(const int32_t *)p};
	default:
		return (union save_value){.u = *(const uint64_t *)p};
	}
}

/* ---- message to struct ---- */

static bool addr_from(struct save_in *in, const struct save_field *f,
		      const uint8_t *data, size_t bytes, struct nst_addr *a)
{
	*a = (struct nst_addr){0};
	if (!bytes)
		return true;
	if ((bytes != SAVE_ADDR4_BYTES || data[0] != 4) &&
	    (bytes != SAVE_ADDR6_BYTES || data[0] != 6))
		return save_bad(in, f->name, "is not an address");
	a->family = data[0];
	memcpy(a->b, data + 1, a->family == 4 ? 4 : 16);
	for (int i = 0; i < 4 && a->family == 6; i++)
		a->scope |= (uint32_t)data[17 + i] << (8 * i);
	return true;
}

bool save_bytes_from(struct save_in *in, const struct save_field *f,
		     const uint8_t *data, size_t bytes, void *p)
{
	if (f->member == SAVE_C_ADDR)
		return addr_from(in, f, data, bytes, p);
	memset(p, 0, f->count);
	if (!bytes)
		return true;
	if (bytes != f->count)
		return save_bad(in, f->name, "has the wrong length");
	memcpy(p, data, bytes);
	return true;
}

bool save_text_from(struct save_in *in, const struct save_field *f,
		    const uint8_t *data, size_t bytes, void *p)
{
	if (bytes >= f->count)
		return save_bad(in, f->name, "is too long");
	for (size_t i = 0; i < bytes; i++)
		if (!data[i])
			return save_bad(in, f->name, "is no text");
	memset(p, 0, f->count);
	if (bytes)
		memcpy(p, data, bytes);
	return true;
}

static bool string_from(struct save_in *in, const struct save_field *f,
			const char *s, void *p)
{
	size_t n = 0;

	while (s && s[n])
		n++;
	return save_text_from(in, f, (const uint8_t *)s, n, p);
}

static bool array_from(struct save_in *in, const struct save_field *f,
		       const uint8_t *m, uint8_t *p)
{
	size_t n = m ? *(const size_t *)(m + f->n_field) : 0;
	size_t each = wire_bytes(f);
	const uint8_t *v = n ? *(void *const *)(m + f->field) : NULL;

	if (n > f->count)
		return save_bad(in, f->name, "has too many elements");
	for (size_t i = 0; i < f->count; i++, p += f->stride) {
		bool have = i < n;

		if (f->wire == SAVE_M_MESSAGE) {
			const void *sub =
			    have ? ((void *const *)(const void *)v)[i] : NULL;

			if (!save_restore(in, f->sub, sub, p))
				return false;
		} else if (!save_member_set(f, p,
					    have ? wire_get(f, v + i * each)
						 : (union save_value){0})) {
			return save_bad(in, f->name, "is out of range");
		}
	}
	return true;
}

static bool field_from(struct save_in *in, const struct save_field *f,
		       const uint8_t *m, void *p)
{
	static const ProtobufCBinaryData none;
	const void *at = m ? m + f->field : NULL;
	const ProtobufCBinaryData *b;

	if (f->repeated)
		return array_from(in, f, m, p);
	switch (f->wire) {
	case SAVE_M_BYTES:
		b = at ? at : &none;
		return save_bytes_from(in, f, b->data, b->len, p);
	case SAVE_M_STRING:
		return string_from(in, f, at ? *(char *const *)at : NULL, p);
	case SAVE_M_MESSAGE:
		return save_restore(in, f->sub, at ? *(void *const *)at : NULL,
				    p);
	default:
		if (save_member_set(
			f, p, at ? wire_get(f, at) : (union save_value){0}))
			return true;
		return save_bad(in, f->name, "is out of range");
	}
}

/* What save_split() left for save_decode(): [*p, *end). False: nothing. */
static bool raw_of(const ProtobufCMessage *m, const uint8_t **p,
		   const uint8_t **end)
{
	for (unsigned i = 0; m && i < m->n_unknown_fields; i++) {
		const ProtobufCMessageUnknownField *u = &m->unknown_fields[i];
		uint64_t n;

		if (u->tag != SAVE_RAW_TAG)
			continue;
		*p = u->data;
		*end = *p + u->len;
		return save_varint(p, *end, &n) && n == (uint64_t)(*end - *p);
	}
	return false;
}

bool save_restore(struct save_in *in, const struct save_type *t, const void *m,
		  void *obj)
{
	const uint8_t *p, *end;
	bool split = raw_of(m, &p, &end);

	if (!t) /* never: saved.py gives each message member its table */
		return save_bad(in, "table", "is missing");
	for (uint32_t i = 0; i < t->nfields; i++) {
		const struct save_field *f = &t->fields[i];
		bool mixed = f->sub && f->sub->mixed;

		if (!field_from(in, f, split && !mixed ? NULL : m,
				(uint8_t *)obj + f->at))
			return false;
	}
	return !split || save_decode(in, t, p, end, obj);
}

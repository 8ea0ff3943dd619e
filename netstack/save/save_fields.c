/* SPDX-License-Identifier: Apache-2.0 */
/* Between a struct and its message, by table. */
#include "netstack/base/mem.h"
#include "netstack/save/save.h"

/* What protobuf-c puts in messages. */
union value {
	uint64_t u;
	int64_t i;
};

static union value member_get(const struct save_field *f, const void *p)
{
	union value v = {0};

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
static bool member_set(const struct save_field *f, void *p, union value v)
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

static void wire_put(const struct save_field *f, void *p, union value v)
{
	switch (f->wire) {
	case SAVE_M_BOOL:
		*(protobuf_c_boolean *)p = v.u != 0;
		break;
	case SAVE_M_U32:
	case SAVE_M_I32:
		*(uint32_t *)p = (uint32_t)v.u;
		break;
	default:
		*(uint64_t *)p = v.u;
		break;
	}
}

static union value wire_get(const struct save_field *f, const void *p)
{
	switch (f->wire) {
	case SAVE_M_BOOL:
		return (union value){.u = *(const protobuf_c_boolean *)p != 0};
	case SAVE_M_U32:
		return (union value){.u = *(const uint32_t *)p};
	case SAVE_M_I32:
		return (union value){.i = *(const int32_t *)p};
	default:
		return (union value){.u = *(const uint64_t *)p};
	}
}

/* ---- struct to message; what is all zero is left out ---- */

static void *to_message(struct save_out *o, const struct save_type *t,
			const void *obj, bool *any);

static bool all_zero(const uint8_t *p, size_t n)
{
	while (n && !*p) {
		p++;
		n--;
	}
	return n == 0;
}

ProtobufCBinaryData save_borrow(const void *p, size_t bytes)
{
	union {
		const void *in;
		void *out;
	} u = {.in = p};

	return (ProtobufCBinaryData){.len = bytes,
				     .data = bytes ? u.out : NULL};
}

char *save_text(const char *s)
{
	union {
		const char *in;
		char *out;
	} u = {.in = s};

	return u.out;
}

static bool bytes_to(const void *p, size_t n, void *to)
{
	ProtobufCBinaryData *b = to;

	if (all_zero(p, n))
		return false;
	*b = save_borrow(p, n);
	return true;
}

/* Family, bytes, and with IPv6 the scope, little endian. */
#define ADDR4_BYTES 5
#define ADDR6_BYTES 21

static bool addr_to(struct save_out *o, const struct nst_addr *a, void *to)
{
	ProtobufCBinaryData *b = to;
	uint8_t *p = a->family ? save_memory(o, ADDR6_BYTES) : NULL;

	if (!p)
		return false;
	p[0] = a->family;
	memcpy(p + 1, a->b, 16);
	for (int i = 0; i < 4; i++)
		p[17 + i] = (uint8_t)(a->scope >> (8 * i));
	b->data = p;
	b->len = a->family == 4 ? ADDR4_BYTES : ADDR6_BYTES;
	return true;
}

static bool string_to(struct save_out *o, const struct save_field *f,
		      const char *p, void *to)
{
	uint32_t n = 0;
	char *s;

	while (n < f->count && p[n])
		n++;
	if (!n)
		return false;
	s = save_memory(o, n + 1);
	if (!s)
		return false;
	memcpy(s, p, n);
	s[n] = '\0';
	*(char **)to = s;
	return true;
}

/* Arrays lose the zeros at their end. */
static bool array_to(struct save_out *o, const struct save_field *f,
		     const uint8_t *p, uint8_t *m)
{
	size_t n = f->count, each = wire_bytes(f);
	uint8_t *v;

	while (n && all_zero(p + (n - 1) * f->stride, f->stride))
		n--;
	if (!n)
		return false;
	v = save_memory(o, n * each);
	if (!v)
		return false;
	for (size_t i = 0; i < n; i++, p += f->stride) {
		bool any = false;

		if (f->wire == SAVE_M_MESSAGE)
			((void **)v)[i] = to_message(o, f->sub, p, &any);
		else
			wire_put(f, v + i * each, member_get(f, p));
		if (o->failed)
			return false;
	}
	*(void **)(m + f->field) = v;
	*(size_t *)(m + f->n_field) = n;
	return true;
}

static bool field_to(struct save_out *o, const struct save_field *f,
		     const uint8_t *p, uint8_t *m)
{
	union value v;
	void *sub;
	bool any = false;

	if (f->repeated)
		return array_to(o, f, p, m);
	switch (f->wire) {
	case SAVE_M_BYTES:
		if (f->member == SAVE_C_ADDR)
			return addr_to(o, (const void *)p, m + f->field);
		return bytes_to(p, f->count, m + f->field);
	case SAVE_M_STRING:
		return string_to(o, f, (const char *)p, m + f->field);
	case SAVE_M_MESSAGE:
		sub = to_message(o, f->sub, p, &any);
		if (any)
			*(void **)(m + f->field) = sub;
		return any;
	default:
		v = member_get(f, p);
		wire_put(f, m + f->field, v);
		return v.u != 0;
	}
}

static void *to_message(struct save_out *o, const struct save_type *t,
			const void *obj, bool *any)
{
	uint8_t *m = save_message(o, t->desc);

	if (!m)
		return NULL;
	for (uint32_t i = 0; i < t->nfields; i++) {
		const struct save_field *f = &t->fields[i];

		*any |= field_to(o, f, (const uint8_t *)obj + f->at, m);
	}
	return o->failed ? NULL : m;
}

void *save_object(struct save_out *o, const struct save_type *t,
		  const void *obj)
{
	bool any = false;

	return to_message(o, t, obj, &any);
}

/* ---- message to struct ---- */

static bool bytes_from(struct save_in *in, const struct save_field *f,
		       const ProtobufCBinaryData *b, void *p, size_t n)
{
	memset(p, 0, n);
	if (!b->len)
		return true;
	if (b->len != n)
		return save_bad(in, f->name, "has the wrong length");
	memcpy(p, b->data, n);
	return true;
}

static bool addr_from(struct save_in *in, const struct save_field *f,
		      const ProtobufCBinaryData *b, struct nst_addr *a)
{
	*a = (struct nst_addr){0};
	if (!b->len)
		return true;
	if ((b->len != ADDR4_BYTES || b->data[0] != 4) &&
	    (b->len != ADDR6_BYTES || b->data[0] != 6))
		return save_bad(in, f->name, "is not an address");
	a->family = b->data[0];
	memcpy(a->b, b->data + 1, a->family == 4 ? 4 : 16);
	for (int i = 0; i < 4 && a->family == 6; i++)
		a->scope |= (uint32_t)b->data[17 + i] << (8 * i);
	return true;
}

static bool string_from(struct save_in *in, const struct save_field *f,
			const char *s, char *p)
{
	uint32_t n = 0;

	memset(p, 0, f->count);
	while (s && s[n]) {
		if (n + 1 >= f->count)
			return save_bad(in, f->name, "is too long");
		p[n] = s[n];
		n++;
	}
	return true;
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
		} else if (!member_set(f, p,
				       have ? wire_get(f, v + i * each)
					    : (union value){0})) {
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

	if (f->repeated)
		return array_from(in, f, m, p);
	switch (f->wire) {
	case SAVE_M_BYTES:
		if (f->member == SAVE_C_ADDR)
			return addr_from(in, f, at ? at : &none, p);
		return bytes_from(in, f, at ? at : &none, p, f->count);
	case SAVE_M_STRING:
		return string_from(in, f, at ? *(char *const *)at : NULL, p);
	case SAVE_M_MESSAGE:
		return save_restore(in, f->sub, at ? *(void *const *)at : NULL,
				    p);
	default:
		if (member_set(f, p, at ? wire_get(f, at) : (union value){0}))
			return true;
		return save_bad(in, f->name, "is out of range");
	}
}

bool save_restore(struct save_in *in, const struct save_type *t, const void *m,
		  void *obj)
{
	for (uint32_t i = 0; i < t->nfields; i++) {
		const struct save_field *f = &t->fields[i];

		if (!field_from(in, f, m, (uint8_t *)obj + f->at))
			return false;
	}
	return true;
}

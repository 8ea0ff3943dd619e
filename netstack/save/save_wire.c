/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members of a struct straight into protobuf's wire format: messages in between
 * would cost three walks over hundreds of fields for each connection. What is
 * all zero is left out, as proto3 has it.
 */
#include "netstack/save/save_priv.h"

#define SCALAR_BYTES 20 /* a key and a number, at most */
#define WIRE_LEAST 4096

bool save_wire_room(struct save_buf *w, size_t bytes)
{
	size_t cap = w->cap;
	uint8_t *p;

	if (bytes <= cap - w->n)
		return true;
	if (bytes > SIZE_MAX / 4 - w->n)
		return false;
	cap = cap ? cap : WIRE_LEAST;
	while (cap - w->n < bytes)
		cap *= 2;
	p = w->env->alloc_raw ? w->env->alloc_raw(w->env->ctx, cap)
			      : w->env->alloc(w->env->ctx, cap);
	if (!p)
		return false;
	if (w->n)
		memcpy(p, w->p, w->n);
	if (w->p)
		w->env->free(w->env->ctx, w->p, w->cap);
	w->p = p;
	w->cap = cap;
	return true;
}

void save_wire_fini(struct save_buf *w)
{
	if (w->p)
		w->env->free(w->env->ctx, w->p, w->cap);
	w->p = NULL;
	w->n = w->cap = 0;
}

void save_wire_varint(struct save_buf *w, uint64_t v)
{
	while (v >= 0x80) {
		w->p[w->n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	w->p[w->n++] = (uint8_t)v;
}

static void put_le(struct save_buf *w, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		w->p[w->n++] = (uint8_t)(v >> (8 * i));
}

static void put_number(struct save_buf *w, const struct save_field *f,
		       union save_value v)
{
	switch (f->code) {
	case SAVE_E_ZIGZAG:
		save_wire_varint(w, (v.u << 1) ^ (0 - (v.u >> 63)));
		break;
	case SAVE_E_FIXED32:
		put_le(w, v.u, 4);
		break;
	case SAVE_E_FIXED64:
		put_le(w, v.u, 8);
		break;
	default:
		save_wire_varint(w, v.u);
		break;
	}
}

size_t save_wire_open(struct save_buf *w, uint32_t key)
{
	if (!save_wire_room(w, SCALAR_BYTES))
		return 0;
	save_wire_varint(w, key);
	w->p[w->n++] = 0; /* most are short: a length of one byte */
	return w->n;
}

bool save_wire_close(struct save_buf *w, size_t from)
{
	size_t n = w->n - from;
	unsigned more = 0;

	for (size_t v = n; v >= 0x80; v >>= 7)
		more++;
	if (!save_wire_room(w, more))
		return false;
	if (more)
		memmove(w->p + from + more, w->p + from, n);
	w->n = from - 1;
	save_wire_varint(w, n);
	w->n += n;
	return true;
}

static bool all_zero(const uint8_t *p, size_t n)
{
	while (n && !*p) {
		p++;
		n--;
	}
	return n == 0;
}

static bool put_bytes(struct save_buf *w, const struct save_field *f,
		      const void *p, size_t n)
{
	if (!n)
		return true;
	if (!save_wire_room(w, SCALAR_BYTES + n))
		return false;
	save_wire_varint(w, f->key);
	save_wire_varint(w, n);
	memcpy(w->p + w->n, p, n);
	w->n += n;
	return true;
}

static bool put_addr(struct save_buf *w, const struct save_field *f,
		     const struct nst_addr *a)
{
	uint8_t b[SAVE_ADDR6_BYTES];

	b[0] = a->family;
	memcpy(b + 1, a->b, 16);
	for (int i = 0; i < 4; i++)
		b[17 + i] = (uint8_t)(a->scope >> (8 * i));
	if (!a->family)
		return true;
	return put_bytes(w, f, b,
			 a->family == 4 ? SAVE_ADDR4_BYTES : sizeof(b));
}

static bool put_string(struct save_buf *w, const struct save_field *f,
		       const char *p)
{
	uint32_t n = 0;

	while (n < f->count && p[n])
		n++;
	return put_bytes(w, f, p, n);
}

static bool put_message(struct save_buf *w, const struct save_field *f,
			const void *p, bool empty_too)
{
	size_t before = w->n, from = save_wire_open(w, f->key);

	if (!from || !save_encode(w, f->sub, p))
		return false;
	if (w->n == from && !empty_too) {
		w->n = before;
		return true;
	}
	return save_wire_close(w, from);
}

/* Arrays lose the zeros at their end; numbers are packed. */
static bool put_array(struct save_buf *w, const struct save_field *f,
		      const uint8_t *p)
{
	size_t n = f->count, from;

	while (n && all_zero(p + (n - 1) * f->stride, f->stride))
		n--;
	if (!n)
		return true;
	if (f->wire == SAVE_M_MESSAGE) {
		for (; n; n--, p += f->stride)
			if (!put_message(w, f, p, true))
				return false;
		return true;
	}
	from = save_wire_open(w, f->key);
	if (!from || !save_wire_room(w, n * 10))
		return false;
	for (; n; n--, p += f->stride)
		put_number(w, f, save_member_get(f, p));
	return save_wire_close(w, from);
}

static bool put_field(struct save_buf *w, const struct save_field *f,
		      const uint8_t *p)
{
	union save_value v;

	if (f->repeated)
		return put_array(w, f, p);
	switch (f->wire) {
	case SAVE_M_BYTES:
		if (f->member == SAVE_C_ADDR)
			return put_addr(w, f, (const void *)p);
		return all_zero(p, f->count) || put_bytes(w, f, p, f->count);
	case SAVE_M_STRING:
		return put_string(w, f, (const char *)p);
	case SAVE_M_MESSAGE:
		return put_message(w, f, p, false);
	default:
		break;
	}
	v = save_member_get(f, p);
	if (!v.u)
		return true;
	if (!save_wire_room(w, SCALAR_BYTES))
		return false;
	save_wire_varint(w, f->key);
	put_number(w, f, v);
	return true;
}

bool save_encode(struct save_buf *w, const struct save_type *t, const void *obj)
{
	if (!t) /* never: saved.py gives each message member its table */
		return false;
	for (uint32_t i = 0; i < t->nfields; i++) {
		const struct save_field *f = &t->fields[i];

		if (f->sub && f->sub->mixed)
			continue; /* save_object() makes messages of these */
		if (!put_field(w, f, (const uint8_t *)obj + f->at))
			return false;
	}
	return true;
}

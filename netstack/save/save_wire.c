/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members of a struct straight into protobuf's wire format: messages in between
 * would cost three walks over hundreds of fields for each connection. Numbers
 * are written by functions that saved.py makes, the rest here by table. What is
 * all zero is left out, as proto3 has it.
 */
#include "netstack/save/save_priv.h"

#define WIRE_LEAST 4096

bool save_wire_grow(struct save_buf *w, size_t bytes)
{
	size_t cap = w->cap;
	uint8_t *p;

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

static uint8_t *put_varint(uint8_t *p, uint64_t v)
{
	while (v >= 0x80) {
		*p++ = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	*p++ = (uint8_t)v;
	return p;
}

static uint8_t *put_le(uint8_t *p, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> (8 * i));
	return p + bytes;
}

uint8_t *save_put_number(uint8_t *p, uint32_t wt, uint64_t v)
{
	return wt == SAVE_WT_VARINT ? put_varint(p, v)
				    : put_le(p, v, wt == SAVE_WT_32 ? 4 : 8);
}

uint8_t *save_put_varint(uint8_t *p, uint32_t key, uint64_t v)
{
	return put_varint(put_varint(p, key), v);
}

uint8_t *save_put_zigzag(uint8_t *p, uint32_t key, uint64_t v)
{
	return save_put_varint(p, key, save_zigzag(v));
}

uint8_t *save_put_fixed32(uint8_t *p, uint32_t key, uint64_t v)
{
	return put_le(put_varint(p, key), v, 4);
}

uint8_t *save_put_fixed64(uint8_t *p, uint32_t key, uint64_t v)
{
	return put_le(put_varint(p, key), v, 8);
}

void save_wire_varint(struct save_buf *w, uint64_t v)
{
	w->n = (size_t)(put_varint(w->p + w->n, v) - w->p);
}

size_t save_wire_open(struct save_buf *w, uint32_t key)
{
	if (!save_wire_room(w, SAVE_NUMBER_BYTES))
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

bool save_wire_bytes(struct save_buf *w, uint32_t key, const void *p, size_t n)
{
	if (!n)
		return true;
	if (!save_wire_room(w, SAVE_NUMBER_BYTES + n))
		return false;
	save_wire_varint(w, key);
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
	(void)put_le(b + 17, a->scope, 4);
	if (!a->family)
		return true;
	return save_wire_bytes(w, f->key, b,
			       a->family == 4 ? SAVE_ADDR4_BYTES : sizeof(b));
}

static bool put_string(struct save_buf *w, const struct save_field *f,
		       const char *p)
{
	uint32_t n = 0;

	while (n < f->count && p[n])
		n++;
	return save_wire_bytes(w, f->key, p, n);
}

static bool put_message(struct save_buf *w, const struct save_field *f,
			const void *p, bool empty_too)
{
	size_t before = w->n, from = save_wire_open(w, f->key);

	if (!from || !f->sub->put(w, p))
		return false;
	if (w->n == from && !empty_too) {
		w->n = before;
		return true;
	}
	return save_wire_close(w, from);
}

static uint64_t member_of(const struct save_field *f, const void *p)
{
	switch (f->member) {
	case SAVE_C_BOOL:
		return *(const bool *)p;
	case SAVE_C_U8:
		return *(const uint8_t *)p;
	case SAVE_C_U16:
		return *(const uint16_t *)p;
	case SAVE_C_U32:
		return *(const uint32_t *)p;
	case SAVE_C_I16:
		return (uint64_t) * (const int16_t *)p;
	case SAVE_C_I32:
		return (uint64_t) * (const int32_t *)p;
	default:
		return *(const uint64_t *)p;
	}
}

/* Arrays lose the zeros at their end; numbers are packed. */
static bool put_array(struct save_buf *w, const struct save_field *f,
		      const uint8_t *p)
{
	size_t n = f->count, from;
	uint32_t wt = save_code_wire(f->code);
	uint8_t *to;

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
	if (!from || !save_wire_room(w, n * SAVE_NUMBER_BYTES))
		return false;
	for (to = w->p + w->n; n; n--, p += f->stride) {
		uint64_t v = member_of(f, p);

		to = save_put_number(
		    to, wt, f->code == SAVE_E_ZIGZAG ? save_zigzag(v) : v);
	}
	w->n = (size_t)(to - w->p);
	return save_wire_close(w, from);
}

bool save_put_field(struct save_buf *w, const struct save_field *f,
		    const void *p)
{
	if (f->repeated)
		return put_array(w, f, p);
	switch (f->wire) {
	case SAVE_M_BYTES:
		if (f->member == SAVE_C_ADDR)
			return put_addr(w, f, p);
		return all_zero(p, f->count) ||
		       save_wire_bytes(w, f->key, p, f->count);
	case SAVE_M_STRING:
		return put_string(w, f, p);
	case SAVE_M_MESSAGE:
		return put_message(w, f, p, false);
	default:
		return false; /* never: numbers are SAVE_PUT()'s */
	}
}

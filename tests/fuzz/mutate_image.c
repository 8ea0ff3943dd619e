/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How libFuzzer changes images: a record is parsed, one field somewhere in it
 * changed, and it is packed again; or records are left out, doubled, moved, put
 * in from another input; or bytes change, as ever.
 */
#include <stdlib.h>
#include <string.h>

#include "sentry/image/image.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
			       unsigned seed);

#define RECORDS_MAX 256

typedef ProtobufCFieldDescriptor Field;

struct rec {
	uint32_t type, len;
	const uint8_t *p;
};

static uint64_t state;

static uint64_t draw(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static size_t below(size_t n)
{
	return n ? (size_t)(draw() % n) : 0;
}

static size_t split(const uint8_t *p, size_t size, struct rec *r)
{
	size_t n = 0;

	while (size >= 8 && n < RECORDS_MAX) {
		memcpy(&r[n].type, p, 4);
		memcpy(&r[n].len, p + 4, 4);
		if (r[n].len > size - 8)
			break;
		r[n].p = p + 8;
		p += 8 + r[n].len;
		size -= 8 + r[n].len;
		n++;
	}
	return n;
}

/* ---- values ---- */

static uint64_t new_value(uint64_t v)
{
	static const uint64_t odd[] = {
	    0,          1,         2,
	    7,          14,        15,
	    31,         32,        64,
	    127,        128,       255,
	    256,        536,       0xffff,
	    0x10000,    INT32_MAX, 0x80000000u,
	    UINT32_MAX, INT64_MAX, (uint64_t)INT64_MIN,
	    UINT64_MAX};

	switch (below(6)) {
	case 0:
		return odd[below(sizeof odd / sizeof *odd)];
	case 1:
		return v + 1 + below(4);
	case 2:
		return v - 1 - below(4);
	case 3:
		return v ^ (uint64_t)1 << below(64);
	case 4:
		return v << below(20);
	default:
		return draw() >> below(64);
	}
}

static void mutate_bytes(ProtobufCBinaryData *b)
{
	size_t room = b->len + 16;
	uint8_t *p = malloc(room);

	if (b->len)
		memcpy(p, b->data, b->len);
	b->len =
	    LLVMFuzzerMutate(p, b->len, below(4) ? b->len + !b->len : room);
	free(b->data);
	b->data = p;
}

static void mutate_message(ProtobufCMessage *m, int depth);

static void mutate_one(const Field *f, void *at, int depth)
{
	char *s;

	switch (f->type) {
	case PROTOBUF_C_TYPE_BOOL:
		*(protobuf_c_boolean *)at = !*(protobuf_c_boolean *)at;
		break;
	case PROTOBUF_C_TYPE_BYTES:
		mutate_bytes(at);
		break;
	case PROTOBUF_C_TYPE_STRING:
		s = *(char **)at;
		if (s && *s)
			s[below(strlen(s))] ^= (char)(1 << below(7));
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		if (*(void **)at)
			mutate_message(*(ProtobufCMessage **)at, depth + 1);
		break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		*(uint64_t *)at = new_value(*(uint64_t *)at);
		break;
	default:
		*(uint32_t *)at = (uint32_t)new_value(*(uint32_t *)at);
		break;
	}
}

static size_t element_bytes(const Field *f)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_ENUM:
	case PROTOBUF_C_TYPE_FLOAT:
		return 4;
	default:
		return 8;
	}
}

static bool owns(const Field *f)
{
	return f->type == PROTOBUF_C_TYPE_MESSAGE ||
	       f->type == PROTOBUF_C_TYPE_BYTES ||
	       f->type == PROTOBUF_C_TYPE_STRING;
}

/* An element is changed, exchanged with another, or a number is added. */
static void mutate_list(const Field *f, uint8_t **list, size_t *n, int depth)
{
	size_t each = element_bytes(f), i = below(*n), k = below(*n);
	uint8_t tmp[sizeof(ProtobufCBinaryData)];

	if (!owns(f) && (!*n || below(4) == 0)) {
		*list = realloc(*list, (*n + 1) * each);
		memset(*list + *n * each, 0, each);
		mutate_one(f, *list + *n * each, depth);
		++*n;
	} else if (*n && below(4) == 0) {
		memcpy(tmp, *list + i * each, each);
		memcpy(*list + i * each, *list + k * each, each);
		memcpy(*list + k * each, tmp, each);
	} else if (*n && !owns(f) && below(4) == 0) {
		--*n;
	} else if (*n) {
		mutate_one(f, *list + i * each, depth);
	}
}

static void mutate_message(ProtobufCMessage *m, int depth)
{
	const ProtobufCMessageDescriptor *d = m->descriptor;
	const Field *f;
	uint8_t *at, *n;

	if (!d->n_fields || depth > 8)
		return;
	f = &d->fields[below(d->n_fields)];
	/* What is in the image more often than what is not. */
	for (int i = 0; i < 8; i++) {
		at = (uint8_t *)m + f->offset;
		if (f->type != PROTOBUF_C_TYPE_MESSAGE || *(void **)at)
			break;
		f = &d->fields[below(d->n_fields)];
	}
	at = (uint8_t *)m + f->offset;
	n = (uint8_t *)m + f->quantifier_offset;
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		mutate_list(f, (uint8_t **)at, (size_t *)n, depth);
	else
		mutate_one(f, at, depth);
}

/* ---- records ---- */

static size_t put(uint8_t *to, size_t at, size_t max, const struct rec *r)
{
	if (at + 8 + r->len > max)
		return at;
	memcpy(to + at, &r->type, 4);
	memcpy(to + at + 4, &r->len, 4);
	memcpy(to + at + 8, r->p, r->len);
	return at + 8 + r->len;
}

/* The record with a field changed; its bytes are the caller's to free. */
static bool mutate_record(struct rec *r)
{
	const struct image_type *t = image_type_of(r->type);
	ProtobufCMessage *m =
	    t ? protobuf_c_message_unpack(t->desc, NULL, r->len, r->p) : NULL;
	uint8_t *p;

	if (!m)
		return false;
	for (size_t i = below(3) + 1; i; i--)
		mutate_message(m, 0);
	r->len = (uint32_t)protobuf_c_message_get_packed_size(m);
	p = malloc(r->len + 1);
	protobuf_c_message_pack(m, p);
	protobuf_c_message_free_unpacked(m, NULL);
	r->p = p;
	return true;
}

static void move_records(struct rec *r, size_t *n)
{
	size_t i = below(*n), k = below(*n);
	struct rec tmp = r[i];

	switch (below(3)) {
	case 0:
		r[i] = r[k];
		r[k] = tmp;
		break;
	case 1:
		memmove(r + i, r + i + 1, (*n - i - 1) * sizeof *r);
		--*n;
		break;
	default:
		if (*n == RECORDS_MAX)
			break;
		memmove(r + k + 1, r + k, (*n - k) * sizeof *r);
		r[k] = tmp;
		++*n;
		break;
	}
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
			       unsigned seed)
{
	static struct rec r[RECORDS_MAX];
	size_t n, i, at = 0;
	uint8_t *copy, how = size ? data[size - 1] : 0;
	bool owned = false;

	state = seed;
	copy = malloc(size + 1);
	memcpy(copy, data, size);
	n = split(copy, size, r);
	if (!n || below(10) == 0) {
		free(copy);
		return LLVMFuzzerMutate(data, size, max);
	}
	i = below(n);
	if (below(8) == 0)
		move_records(r, &n);
	else
		owned = mutate_record(&r[i]);
	for (size_t k = 0; k < n; k++)
		at = put(data, at, max, &r[k]);
	if (at < max)
		data[at++] = below(8) ? how : (uint8_t)draw();
	if (owned)
		free((void *)(uintptr_t)r[i].p);
	free(copy);
	return at;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Records: type and length, 32 bits each, little endian, then the message. */
#include "netstack/save/save_priv.h"

#define HEADER_BYTES 8
/* What the messages of one record may take: a few empty bytes on the wire can
 * stand for a struct each. */
#define PARSE_FACTOR 64u
#define PARSE_LEAST (1u << 20)

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static uint32_t get32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	       (uint32_t)p[3] << 24;
}

/* ---- out ---- */

void save_out_init(struct save_out *o, const struct nst_env *env,
		   const struct nst_save_sink *sink)
{
	*o = (struct save_out){.env = env, .sink = sink, .wire = {.env = env}};
	save_arena_init(&o->arena, env);
}

void save_out_fini(struct save_out *o)
{
	save_wire_fini(&o->wire);
	save_arena_fini(&o->arena);
}

void *save_memory(struct save_out *o, size_t bytes)
{
	void *p = o->failed ? NULL : save_arena_take(&o->arena, bytes);

	if (!p)
		o->failed = true;
	return p;
}

void *save_message(struct save_out *o, const ProtobufCMessageDescriptor *d)
{
	void *m = save_memory(o, d->sizeof_message);

	if (m)
		d->message_init(m);
	return m;
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

/* Encoded bytes become one unknown field: the first one's key, and as its
 * value all that follows, which protobuf-c copies as it is. */
static void attach(struct save_out *o, ProtobufCMessage *m)
{
	ProtobufCMessageUnknownField *u;
	const uint8_t *p = o->wire.p, *end = p + o->wire.n;
	uint64_t key;

	if (!save_varint(&p, end, &key)) {
		o->failed = true; /* never: save_encode() began with it */
		return;
	}
	u = save_memory(o, sizeof(*u) + (size_t)(end - p));
	if (!u)
		return;
	*u = (ProtobufCMessageUnknownField){
	    .tag = (uint32_t)(key >> 3),
	    .wire_type = (ProtobufCWireType)(key & 7),
	    .len = (size_t)(end - p),
	    .data = (uint8_t *)(u + 1),
	};
	memcpy(u->data, p, u->len);
	m->unknown_fields = u;
	m->n_unknown_fields = 1;
}

static void *object(struct save_out *o, const struct save_type *t,
		    const void *obj, bool *any);

/* Of a member whose message is partly made by hand there is a message. */
static void mixed(struct save_out *o, const struct save_field *f,
		  const uint8_t *p, uint8_t *m, bool *any)
{
	size_t n = 0;
	void **v;

	if (!f->repeated) {
		bool some = false;
		void *sub = object(o, f->sub, p, &some);

		if (some)
			*(void **)(void *)(m + f->field) = sub;
		*any |= some;
		return;
	}
	v = save_memory(o, f->count * sizeof(*v));
	for (uint32_t i = 0; v && i < f->count; i++, p += f->stride) {
		bool some = false;

		v[i] = object(o, f->sub, p, &some);
		n = some ? i + 1 : n;
	}
	if (!v || !n)
		return;
	*(void ***)(void *)(m + f->field) = v;
	*(size_t *)(void *)(m + f->n_field) = n;
	*any = true;
}

static void *object(struct save_out *o, const struct save_type *t,
		    const void *obj, bool *any)
{
	void *m = save_message(o, t->desc);

	if (!m)
		return NULL;
	o->wire.n = 0;
	if (!save_encode(&o->wire, t, obj))
		o->failed = true;
	else if (o->wire.n)
		attach(o, m);
	*any |= o->wire.n != 0;
	for (uint32_t i = 0; t->mixed && i < t->nfields; i++) {
		const struct save_field *f = &t->fields[i];

		if (f->sub && f->sub->mixed)
			mixed(o, f, (const uint8_t *)obj + f->at, m, any);
	}
	return o->failed ? NULL : m;
}

void *save_object(struct save_out *o, const struct save_type *t,
		  const void *obj)
{
	bool any = false;

	return object(o, t, obj, &any);
}

void save_record(struct save_out *o, enum nst_save_record type, const void *m)
{
	const ProtobufCMessage *msg = m;
	size_t n;
	uint8_t *p;

	if (!m || o->failed)
		return;
	n = protobuf_c_message_get_packed_size(msg);
	p = n <= NST_SAVE_RECORD_MAX ? save_memory(o, HEADER_BYTES + n) : NULL;
	if (p) {
		put32(p, type);
		put32(p + 4, (uint32_t)n);
		protobuf_c_message_pack(msg, p + HEADER_BYTES);
		n += HEADER_BYTES;
		o->failed = !o->sink->put(o->sink->ctx, p, n);
	} else {
		o->failed = true;
	}
	save_arena_reset(&o->arena);
}

/* ---- in ---- */

static void *parse_alloc(void *ctx, size_t bytes)
{
	return save_arena_take(ctx, bytes);
}

static void parse_free(void *ctx, void *p)
{
	(void)ctx;
	(void)p;
}

void save_in_init(struct save_in *in, const struct nst_env *env,
		  const void *image, size_t bytes, char *why)
{
	*in = (struct save_in){.env = env,
			       .p = image,
			       .end = (const uint8_t *)image + bytes,
			       .why = why,
			       .wire = {.env = env},
			       .raw = {.env = env}};
	why[0] = '\0';
	save_arena_init(&in->arena, env);
}

void save_in_fini(struct save_in *in)
{
	save_wire_fini(&in->wire);
	save_wire_fini(&in->raw);
	save_arena_fini(&in->arena);
}

static void append(char *to, size_t *at, const char *text)
{
	while (*text && *at + 1 < NST_SAVE_WHY)
		to[(*at)++] = *text++;
	to[*at] = '\0';
}

static void append_number(char *to, size_t *at, uint64_t v)
{
	char digits[24];
	size_t i = sizeof(digits);

	digits[--i] = '\0';
	do {
		digits[--i] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	append(to, at, digits + i);
}

bool save_fail(struct save_in *in, enum nst_err err, const char *what)
{
	size_t at = 0;

	if (in->err)
		return false;
	in->err = err;
	if (in->nrecords) {
		append(in->why, &at, "record ");
		append_number(in->why, &at, in->nrecords);
		append(in->why, &at, " (type ");
		append_number(in->why, &at, in->type);
		append(in->why, &at, "): ");
	}
	append(in->why, &at, what);
	return false;
}

bool save_bad(struct save_in *in, const char *name, const char *what)
{
	char text[NST_SAVE_WHY];
	size_t at = 0;

	append(text, &at, name);
	append(text, &at, " ");
	append(text, &at, what);
	return save_fail(in, NST_E_INVAL, text);
}

bool save_next(struct save_in *in)
{
	size_t left = (size_t)(in->end - in->p);

	save_arena_reset(&in->arena);
	if (in->err || !left)
		return false;
	in->nrecords++;
	if (left < HEADER_BYTES)
		return save_fail(in, NST_E_INVAL, "the image is cut short");
	in->type = get32(in->p);
	in->bytes = get32(in->p + 4);
	if (in->bytes > NST_SAVE_RECORD_MAX)
		return save_fail(in, NST_E_INVAL, "the record is too long");
	if (in->bytes > left - HEADER_BYTES)
		return save_fail(in, NST_E_INVAL, "the image is cut short");
	in->data = in->p + HEADER_BYTES;
	in->p = in->data + in->bytes;
	return true;
}

static void *unpack(struct save_in *in, const ProtobufCMessageDescriptor *d,
		    const uint8_t *data, size_t bytes)
{
	ProtobufCAllocator a = {parse_alloc, parse_free, &in->arena};
	void *m;

	in->arena.limit = PARSE_LEAST + in->arena.bytes + bytes * PARSE_FACTOR;
	m = protobuf_c_message_unpack(d, &a, bytes, data);
	if (!m && in->arena.no_memory)
		save_fail(in, NST_E_NOMEM, "no memory");
	else if (!m)
		save_fail(in, NST_E_INVAL, "it is not the message it must be");
	return m;
}

void *save_parse(struct save_in *in, const ProtobufCMessageDescriptor *d)
{
	return unpack(in, d, in->data, in->bytes);
}

void *save_parse_object(struct save_in *in, const struct save_type *t)
{
	in->wire.n = in->raw.n = 0;
	if (!save_split(in, t, in->data, in->data + in->bytes, &in->wire))
		return NULL;
	return unpack(in, t->desc, in->wire.p, in->wire.n);
}

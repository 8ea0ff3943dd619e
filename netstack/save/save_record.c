/* SPDX-License-Identifier: Apache-2.0 */
/* Records: type and length, 32 bits each, little endian, then the message. */
#include "netstack/save/save_priv.h"

#define HEADER_BYTES 8
/* What the messages of one record may take: a few empty bytes on the wire can
 * stand for a struct each. */
#define PARSE_FACTOR 64u
#define PARSE_LEAST (1u << 20)

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

static void *object(struct save_out *o, const struct save_type *t,
		    const void *obj, bool *any);

/* Of a member whose message is partly made by hand there is a message: field d
 * of m. */
static void mixed(struct save_out *o, const struct save_field *f,
		  const ProtobufCFieldDescriptor *d, const void *obj,
		  uint8_t *m, bool *any)
{
	const uint8_t *p = (const uint8_t *)obj + f->at;
	size_t n = 0;
	void **v;

	if (!f->repeated) {
		bool some = false;
		void *sub = object(o, f->sub, p, &some);

		if (some)
			*(void **)(void *)(m + d->offset) = sub;
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
	*(void ***)(void *)(m + d->offset) = v;
	*(size_t *)(void *)(m + d->quantifier_offset) = n;
	*any = true;
}

/* What the table has of it is encoded at once, and the message knows where. */
static bool attach(struct save_out *o, const struct save_type *t,
		   const void *obj, ProtobufCMessage *m)
{
	struct save_raw *raw;

	o->wire.n = 0;
	if (t->put && !t->put(&o->wire, obj))
		return false;
	raw = save_memory(o, sizeof(*raw) + o->wire.n);
	if (!raw)
		return false;
	raw->type = t;
	raw->field = (ProtobufCMessageUnknownField){
	    .len = o->wire.n, .data = (uint8_t *)(raw + 1)};
	if (o->wire.n)
		memcpy(raw->field.data, o->wire.p, o->wire.n);
	m->unknown_fields = &raw->field;
	return true;
}

static void *object(struct save_out *o, const struct save_type *t,
		    const void *obj, bool *any)
{
	void *m = save_message(o, t->desc);

	if (!m || !attach(o, t, obj, m)) {
		o->failed = true;
		return NULL;
	}
	*any |= o->wire.n != 0;
	for (uint32_t i = 0; i < t->nmade; i++) {
		const ProtobufCFieldDescriptor *d =
		    &t->desc->fields[t->made[i].index];
		uint32_t at = t->index[d->id];

		if (at < SAVE_INDEX_MADE)
			mixed(o, &t->fields[at - 1], d, obj, m, any);
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
	struct save_buf *w = &o->wire;

	if (!m || o->failed)
		return;
	w->n = 0;
	if (save_wire_room(w, HEADER_BYTES)) {
		w->n = HEADER_BYTES;
		o->failed = !save_pack(w, m) ||
			    w->n - HEADER_BYTES > NST_SAVE_RECORD_MAX;
	} else {
		o->failed = true;
	}
	if (!o->failed) {
		save_put_number(w->p, SAVE_WT_32, type);
		save_put_number(w->p + 4, SAVE_WT_32, w->n - HEADER_BYTES);
		o->failed = !o->sink->put(o->sink->ctx, w->p, w->n);
	}
	save_arena_reset(&o->arena);
}

/* ---- in ---- */

void save_in_init(struct save_in *in, const struct nst_env *env,
		  const void *image, size_t bytes, char *why)
{
	*in = (struct save_in){.env = env,
			       .p = image,
			       .end = (const uint8_t *)image + bytes,
			       .why = why};
	why[0] = '\0';
	save_arena_init(&in->arena, env);
}

void save_in_fini(struct save_in *in)
{
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
	in->type = save_load32(in->p);
	in->bytes = save_load32(in->p + 4);
	if (in->bytes > NST_SAVE_RECORD_MAX)
		return save_fail(in, NST_E_INVAL, "the record is too long");
	if (in->bytes > left - HEADER_BYTES)
		return save_fail(in, NST_E_INVAL, "the image is cut short");
	in->data = in->p + HEADER_BYTES;
	in->p = in->data + in->bytes;
	return true;
}

static void bound(struct save_in *in)
{
	in->arena.limit =
	    PARSE_LEAST + in->arena.bytes + (size_t)in->bytes * PARSE_FACTOR;
}

void *save_parse(struct save_in *in, const ProtobufCMessageDescriptor *d)
{
	bound(in);
	return save_unpack(in, d, NULL, in->data, in->data + in->bytes);
}

void *save_parse_object(struct save_in *in, const struct save_type *t,
			void *obj)
{
	bound(in);
	return save_get_object(in, t, in->data, in->data + in->bytes, obj);
}

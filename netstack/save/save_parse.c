/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protobuf's wire format into messages. Hostile input. Unlike protobuf-c's own:
 * a message knows where its bytes are (for save_restore), bytes are borrowed
 * and not copied, and fields that a table reads need not be in it at all.
 */
#include "netstack/save/save_priv.h"

/* Which fields of a message are wanted in it. */
struct unpack {
	struct save_in *in;
	const ProtobufCMessageDescriptor *d;
	const struct save_type *t; /* NULL: all */
	uint8_t *m;
};

static bool number_from(ProtobufCType type, uint64_t v, uint8_t *to)
{
	int64_t i = (int64_t)v;

	switch (type) {
	case PROTOBUF_C_TYPE_BOOL:
		*(protobuf_c_boolean *)(void *)to = v != 0;
		return v <= 1;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_SFIXED32:
		*(uint32_t *)(void *)to = (uint32_t)v;
		return v <= UINT32_MAX;
	case PROTOBUF_C_TYPE_SINT32:
		i = (int64_t)save_unzigzag(v);
		/* fall through */
	case PROTOBUF_C_TYPE_INT32:
		*(int32_t *)(void *)to = (int32_t)i;
		return i >= INT32_MIN && i <= INT32_MAX;
	case PROTOBUF_C_TYPE_SINT64:
		*(uint64_t *)(void *)to = save_unzigzag(v);
		return true;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
		*(uint64_t *)(void *)to = v;
		return true;
	default:
		return false;
	}
}

static bool bad(struct save_in *in, const ProtobufCFieldDescriptor *d,
		const char *what)
{
	return save_bad(in, d->name, what);
}

static void *take(struct save_in *in, size_t bytes)
{
	void *p = save_arena_take(&in->arena, bytes);

	if (!p && in->arena.no_memory)
		save_fail(in, NST_E_NOMEM, "no memory");
	else if (!p)
		save_fail(in, NST_E_INVAL, "more than a record can hold");
	return p;
}

/* ---- arrays ---- */

/* Room for `more` elements behind the `n` that there are; of `each` bytes. */
static uint8_t *extend(struct save_in *in, void **at, size_t n, size_t more,
		       size_t each)
{
	uint8_t *p = take(in, (n + more) * each);

	if (!p)
		return NULL;
	if (n)
		memcpy(p, *at, n * each);
	*at = p;
	return p + n * each;
}

/* One more, of those that come one by one: the array doubles. */
static void *append(struct save_in *in, void **at, size_t *n, size_t each)
{
	size_t room = *n ? *n : 4;

	if ((!*n || (*n >= 4 && !(*n & (*n - 1)))) &&
	    !extend(in, at, *n, room, each))
		return NULL;
	return (uint8_t *)*at + (*n)++ * each;
}

/* Fewer bytes than elements there are none. */
static size_t count_of(const struct save_token *k, uint32_t wt)
{
	size_t n = 0;

	if (wt == SAVE_WT_32)
		return k->bytes / 4;
	if (wt == SAVE_WT_64)
		return k->bytes / 8;
	for (size_t i = 0; i < k->bytes; i++)
		n += !(k->data[i] & 0x80);
	return n;
}

static bool append_numbers(struct save_in *in,
			   const ProtobufCFieldDescriptor *d,
			   const struct save_token *k, void **at, size_t *n)
{
	const uint8_t *p = k->data, *end = p + k->bytes;
	uint32_t wt = save_wire_type(d->type);
	size_t each = save_element_bytes(d->type), more = count_of(k, wt);
	uint8_t *to;

	if (!k->bytes)
		return true;
	to = extend(in, at, *n, more, each);
	for (; to && p < end && more; more--, ++*n, to += each) {
		struct save_number v = save_number(p, end, wt);

		if (!v.behind)
			return bad(in, d, "is cut short");
		if (!number_from(d->type, v.v, to))
			return bad(in, d, "is out of range");
		p = v.behind;
	}
	return to && (p == end || bad(in, d, "is cut short"));
}

/* ---- fields ---- */

static bool text_from(struct save_in *in, const ProtobufCFieldDescriptor *d,
		      const struct save_token *k, char **to)
{
	char *p = take(in, k->bytes + 1);

	if (!p)
		return false;
	for (size_t i = 0; i < k->bytes; i++) {
		p[i] = (char)k->data[i];
		if (!p[i])
			return bad(in, d, "is no text");
	}
	p[k->bytes] = '\0';
	*to = p;
	return true;
}

static bool message_from(struct unpack *u, const ProtobufCFieldDescriptor *d,
			 const struct save_type *t, const struct save_token *k)
{
	void **at = (void **)(void *)(u->m + d->offset), *sub;

	if (d->label != PROTOBUF_C_LABEL_REPEATED && *at)
		return bad(u->in, d, "is there twice");
	sub = save_unpack(u->in, d->descriptor, t, k->data, k->data + k->bytes);
	if (!sub)
		return false;
	if (d->label == PROTOBUF_C_LABEL_REPEATED)
		at = append(u->in, at,
			    (size_t *)(void *)(u->m + d->quantifier_offset),
			    sizeof(void *));
	if (at)
		*at = sub;
	return at != NULL;
}

static bool field_from(struct unpack *u, const ProtobufCFieldDescriptor *d,
		       const struct save_type *t, const struct save_token *k)
{
	bool repeated = d->label == PROTOBUF_C_LABEL_REPEATED;
	uint32_t wt = save_wire_type(d->type);
	size_t *n = (size_t *)(void *)(u->m + d->quantifier_offset);
	void *at = u->m + d->offset;

	if ((k->key & 7) != (repeated ? SAVE_WT_LEN : wt))
		return bad(u->in, d, "is of another type");
	if (d->type == PROTOBUF_C_TYPE_MESSAGE)
		return message_from(u, d, t, k);
	if (repeated && wt != SAVE_WT_LEN)
		return append_numbers(u->in, d, k, at, n);
	if (repeated)
		at = append(u->in, at, n, save_element_bytes(d->type));
	if (!at)
		return false;
	if (d->type == PROTOBUF_C_TYPE_STRING)
		return text_from(u->in, d, k, at);
	if (d->type == PROTOBUF_C_TYPE_BYTES)
		*(ProtobufCBinaryData *)at = save_borrow(k->data, k->bytes);
	else if (!number_from(d->type, k->value, at))
		return bad(u->in, d, "is out of range");
	return true;
}

/* ---- messages ---- */

/* What a tag of a type with a table stands for: a row, something made by hand,
 * or both. Both NULL: nothing. */
static void look(const struct save_type *t, uint32_t tag,
		 const struct save_field **f, const struct save_made **made)
{
	uint32_t i = tag < t->ntags ? t->index[tag] : 0;

	*f = NULL;
	*made = NULL;
	if (i >= SAVE_INDEX_MADE) {
		*made = &t->made[i - SAVE_INDEX_MADE];
		return;
	}
	if (!i)
		return;
	*f = &t->fields[i - 1];
	if ((*f)->mixed)
		*made = &t->made[(*f)->mixed - 1];
}

/* What a tag stands for. False: nothing. *d is NULL: nothing for a message. */
static bool find(const struct unpack *u, uint32_t tag,
		 const ProtobufCFieldDescriptor **d,
		 const struct save_type **sub)
{
	const struct save_field *f;
	const struct save_made *made;

	if (!u->t) {
		*sub = NULL;
		*d = protobuf_c_message_descriptor_get_field(u->d, tag);
		return *d != NULL;
	}
	look(u->t, tag, &f, &made);
	*sub = made ? made->sub : NULL;
	*d = made ? &u->d->fields[made->index] : NULL;
	return f || made;
}

static bool unpack(struct unpack *u, const uint8_t *p, const uint8_t *end)
{
	const ProtobufCFieldDescriptor *d;
	const struct save_type *sub;
	struct save_token k;

	while (p < end) {
		struct save_number key = save_key(p, end);

		p = key.behind
			? save_token((uint32_t)key.v, key.behind, end, &k)
			: NULL;
		if (!p)
			return save_bad(u->in, u->d->short_name,
					"is cut short");
		if (!find(u, k.key >> 3, &d, &sub))
			return save_bad(u->in, u->d->short_name,
					"has a field too many");
		if (d && !field_from(u, d, sub, &k))
			return false;
	}
	return true;
}

/* Empty, with its bytes. */
static void *new_message(struct save_in *in,
			 const ProtobufCMessageDescriptor *d, const uint8_t *p,
			 const uint8_t *end)
{
	ProtobufCMessage *m = take(in, d->sizeof_message);
	struct save_raw *raw = m ? take(in, sizeof(*raw)) : NULL;

	if (!raw)
		return NULL;
	d->message_init(m);
	raw->field = (ProtobufCMessageUnknownField){
	    .data = save_borrow(p, (size_t)(end - p)).data,
	    .len = (size_t)(end - p)};
	raw->type = NULL;
	m->unknown_fields = &raw->field;
	return m;
}

void *save_unpack(struct save_in *in, const ProtobufCMessageDescriptor *d,
		  const struct save_type *t, const uint8_t *p,
		  const uint8_t *end)
{
	struct unpack u = {in, d, t, new_message(in, d, p, end)};

	return u.m && unpack(&u, p, end) ? u.m : NULL;
}

/* ---- a message and a struct in one go ---- */

/* A message for the made part of a member's. No schema repeats such a one. */
static bool get_mixed(struct save_get *g, const struct save_field *f,
		      const ProtobufCFieldDescriptor *d,
		      const struct save_token *k, uint8_t *to)
{
	const uint8_t *end;
	struct save_get sub = {.in = g->in, .t = f->sub};
	uint8_t *m = g->m;
	void **at = (void **)(void *)(m + d->offset);

	if (k->key != f->key)
		return bad(g->in, d, "is of another type");
	if (d->label == PROTOBUF_C_LABEL_REPEATED || *at)
		return bad(g->in, d, "is there twice");
	end = k->data + k->bytes;
	sub.m = new_message(g->in, f->sub->desc, k->data, end);
	*at = sub.m;
	return sub.m && f->sub->get(&sub, k->data, end, to);
}

static bool get_field(struct save_get *g, const struct save_token *k, void *obj)
{
	const ProtobufCMessageDescriptor *d = g->t->desc;
	const struct save_field *f;
	const struct save_made *made;
	struct unpack u = {g->in, d, g->t, g->m};

	look(g->t, k->key >> 3, &f, &made);
	if (made && f && g->m)
		return get_mixed(g, f, &d->fields[made->index], k,
				 (uint8_t *)obj + f->at);
	if (f)
		return save_take(g, f, k, obj);
	if (!made)
		return save_bad(g->in, g->t->name, "has a field too many");
	return !g->m || field_from(&u, &d->fields[made->index], made->sub, k);
}

const uint8_t *save_get_field(struct save_get *g, uint32_t key,
			      const uint8_t *p, const uint8_t *end, void *obj)
{
	struct save_token k;

	p = save_token(key, p, end, &k);
	if (!p)
		(void)save_get_cut(g);
	return p && get_field(g, &k, obj) ? p : NULL;
}

void *save_get_object(struct save_in *in, const struct save_type *t,
		      const uint8_t *p, const uint8_t *end, void *obj)
{
	struct save_get g = {.in = in, .t = t};

	g.m = new_message(in, t->desc, p, end);
	t->zero(obj);
	return g.m && t->get(&g, p, end, obj) ? g.m : NULL;
}

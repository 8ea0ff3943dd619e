/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the functions that tools/lib/saved.py makes are made of. A struct's
 * numbers are written in runs: with room for a whole run, and a cursor that
 * stays in a register; most are zero, and left out. They are read by a case for
 * each.
 */
#ifndef NETSTACK_SAVE_SAVE_CODE_H
#define NETSTACK_SAVE_SAVE_CODE_H

#include "netstack/base/mem.h"
#include "netstack/save/save.h"

#define SAVE_NUMBER_BYTES 15 /* a key and a number, at most */

/* Room for `bytes` more. False: no memory. */
NST_MUST_CHECK bool save_wire_grow(struct save_buf *w, size_t bytes);
NST_MUST_CHECK static inline bool save_wire_room(struct save_buf *w,
						 size_t bytes)
{
	return bytes <= w->cap - w->n || save_wire_grow(w, bytes);
}

/* One field that is no number, or an array. False: no memory. */
NST_MUST_CHECK bool save_put_field(struct save_buf *w,
				   const struct save_field *f, const void *p);
/* A number that is not zero: behind it. There is room. */
uint8_t *save_put_varint(uint8_t *p, uint32_t key, uint64_t v);
uint8_t *save_put_zigzag(uint8_t *p, uint32_t key, uint64_t v);
uint8_t *save_put_fixed32(uint8_t *p, uint32_t key, uint64_t v);
uint8_t *save_put_fixed64(uint8_t *p, uint32_t key, uint64_t v);

static inline uint64_t save_of_seq(struct seq s)
{
	return s.v;
}

static inline uint64_t save_of_unsigned(uint64_t v)
{
	return v;
}

static inline uint64_t save_of_signed(int64_t v)
{
	return (uint64_t)v;
}

#define SAVE_NUMBER(x)                                                         \
	_Generic((x), struct seq                                               \
		 : save_of_seq, int16_t                                        \
		 : save_of_signed, int32_t                                     \
		 : save_of_signed, int64_t                                     \
		 : save_of_signed, default                                     \
		 : save_of_unsigned)(x)

/* `p` is the cursor. */
#define SAVE_PUT(code, key, member)                                            \
	do {                                                                   \
		uint64_t v_ = SAVE_NUMBER(member);                             \
		if (v_)                                                        \
			p = save_put_##code(p, key, v_);                       \
	} while (0)
#define SAVE_ZERO(member) memset(&(member), 0, sizeof(member))

/* ---- the other way; hostile input ---- */

#define SAVE_WT_VARINT 0u
#define SAVE_WT_64 1u
#define SAVE_WT_LEN 2u
#define SAVE_WT_32 5u

static inline uint64_t save_zigzag(uint64_t v)
{
	return (v << 1) ^ (0 - (v >> 63));
}

static inline uint64_t save_unzigzag(uint64_t v)
{
	return (v >> 1) ^ (0 - (v & 1));
}

/* A number, and what is behind it; NULL: it is cut short. */
struct save_number {
	const uint8_t *behind;
	uint64_t v;
};

struct save_number save_varint_long(const uint8_t *p, const uint8_t *end);
static inline struct save_number save_varint(const uint8_t *p,
					     const uint8_t *end)
{
	if (p < end && !(*p & 0x80))
		return (struct save_number){p + 1, *p};
	if (end - p >= 2 && !(p[1] & 0x80))
		return (struct save_number){p + 2, (p[0] & 0x7fu) |
						       (uint64_t)p[1] << 7};
	return save_varint_long(p, end);
}

/* Little endian; a single load, in a form that compilers know. */
static inline uint32_t save_load32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	       (uint32_t)p[3] << 24;
}

static inline uint64_t save_load64(const uint8_t *p)
{
	return save_load32(p) | (uint64_t)save_load32(p + 4) << 32;
}

static inline struct save_number save_le32(const uint8_t *p, const uint8_t *end)
{
	if (end - p < 4)
		return (struct save_number){NULL, 0};
	return (struct save_number){p + 4, save_load32(p)};
}

static inline struct save_number save_le64(const uint8_t *p, const uint8_t *end)
{
	if (end - p < 8)
		return (struct save_number){NULL, 0};
	return (struct save_number){p + 8, save_load64(p)};
}

/* Of that wire type; of no number's type there is none. */
static inline struct save_number save_number(const uint8_t *p,
					     const uint8_t *end, uint32_t wt)
{
	switch (wt) {
	case SAVE_WT_VARINT:
		return save_varint(p, end);
	case SAVE_WT_64:
		return save_le64(p, end);
	case SAVE_WT_32:
		return save_le32(p, end);
	default:
		return (struct save_number){NULL, 0};
	}
}

/* The key of the next field. */
static inline struct save_number save_key(const uint8_t *p, const uint8_t *end)
{
	struct save_number n = save_varint(p, end);

	if (n.v > UINT32_MAX || n.v < 8)
		n.behind = NULL;
	return n;
}

/* A field on the wire. */
struct save_token {
	uint32_t key;
	uint64_t value;      /* of a number */
	const uint8_t *data; /* of a length-prefixed one */
	size_t bytes;
};
/* The field whose key is in front of p. What is behind it; NULL: cut short. */
const uint8_t *save_token(uint32_t key, const uint8_t *p, const uint8_t *end,
			  struct save_token *out);

/* Where a message goes, whose fields come one after the other. */
struct save_get {
	struct save_in *in;
	const struct save_type *t;
	void *m; /* gets what is made by hand; NULL: that is skipped */
	const struct save_field *last; /* that came, and how many of it */
	uint32_t n;
};

/* Of a field that is no number, whose key is in front of p: in the table, made
 * by hand, or unknown. What is behind it; NULL, and so noted: it is not as it
 * must be. */
NST_MUST_CHECK const uint8_t *save_get_field(struct save_get *g, uint32_t key,
					     const uint8_t *p,
					     const uint8_t *end, void *obj);
/* These note what is wrong, and return false. */
bool save_get_cut(const struct save_get *g);
bool save_get_range(const struct save_get *g, const char *name);

#define SAVE_SET(name, type, most)                                             \
	static inline bool save_set_##name(type *p, uint64_t v)                \
	{                                                                      \
		*p = (type)v;                                                  \
		return v <= (most);                                            \
	}
#define SAVE_SET_SIGNED(name, type, least, most)                               \
	static inline bool save_set_##name(type *p, uint64_t v)                \
	{                                                                      \
		*p = (type)v;                                                  \
		return (int64_t)v >= (least) && (int64_t)v <= (most);          \
	}
SAVE_SET(u8, uint8_t, UINT8_MAX)
SAVE_SET(u16, uint16_t, UINT16_MAX)
SAVE_SET(u32, uint32_t, UINT32_MAX)
SAVE_SET(u64, uint64_t, UINT64_MAX)
SAVE_SET(ull, unsigned long long, UINT64_MAX)
SAVE_SET_SIGNED(i16, int16_t, INT16_MIN, INT16_MAX)
SAVE_SET_SIGNED(i32, int32_t, INT32_MIN, INT32_MAX)
SAVE_SET_SIGNED(i64, int64_t, INT64_MIN, INT64_MAX)

static inline bool save_set_atomic(_Atomic int64_t *p, uint64_t v)
{
	*p = (int64_t)v;
	return true;
}

static inline bool save_set_bool(bool *p, uint64_t v)
{
	*p = v != 0;
	return v <= 1;
}

static inline bool save_set_seq(struct seq *p, uint64_t v)
{
	return save_set_u32(&p->v, v);
}

#define SAVE_SET_MEMBER(p, v)                                                  \
	_Generic((p), bool *                                                   \
		 : save_set_bool, uint8_t *                                    \
		 : save_set_u8, uint16_t *                                     \
		 : save_set_u16, uint32_t *                                    \
		 : save_set_u32, uint64_t *                                    \
		 : save_set_u64, unsigned long long *                          \
		 : save_set_ull, int16_t *                                     \
		 : save_set_i16, int32_t *                                     \
		 : save_set_i32, int64_t *                                     \
		 : save_set_i64, _Atomic int64_t *                             \
		 : save_set_atomic, struct seq *                               \
		 : save_set_seq)(p, v)

#define SAVE_FROM_varint(v, i32) (v)
#define SAVE_FROM_zigzag(v, i32) save_unzigzag(v)
#define SAVE_FROM_fixed32(v, i32)                                              \
	((i32) ? (uint64_t)(int64_t)(int32_t)(uint32_t)(v) : (v))
#define SAVE_FROM_fixed64(v, i32) (v)
#define SAVE_TAKE_varint save_varint(p, end)
#define SAVE_TAKE_zigzag save_varint(p, end)
#define SAVE_TAKE_fixed32 save_le32(p, end)
#define SAVE_TAKE_fixed64 save_le64(p, end)
/* `p` is the cursor; `end`, `g`, `n` and `o` are there, too. */
#define SAVE_GET(code, i32, key_, member)                                      \
	case key_:                                                             \
		n = SAVE_TAKE_##code;                                          \
		if (!n.behind)                                                 \
			return save_get_cut(g);                                \
		if (!SAVE_SET_MEMBER(&o->member, SAVE_FROM_##code(n.v, i32)))  \
			return save_get_range(g, #member);                     \
		p = n.behind;                                                  \
		break

#endif

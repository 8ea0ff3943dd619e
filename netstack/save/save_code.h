/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the functions that tools/lib/saved.py makes are made of. Each writes a
 * struct's numbers in runs: with room for a whole run, and a cursor that stays
 * in a register; most are zero, and left out.
 */
#ifndef NETSTACK_SAVE_SAVE_CODE_H
#define NETSTACK_SAVE_SAVE_CODE_H

#include "netstack/base/mem.h"
#include "netstack/save/save.h"

#define SAVE_NUMBER_BYTES 15 /* a key and a number, at most */

/* Room for `bytes` more. */
NST_MUST_CHECK bool save_wire_room(struct save_buf *w, size_t bytes);

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

#endif

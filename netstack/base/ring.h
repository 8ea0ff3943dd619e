/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A byte ring over memory that somebody else provides; size a power of two.
 * Positions run freely (64 bits): head is where bytes are taken, tail where
 * they are added; offset in memory is position & (size - 1).
 */
#ifndef NETSTACK_BASE_RING_H
#define NETSTACK_BASE_RING_H

#include "netstack/nst_types.h"

struct ring {
	uint8_t *mem;
	uint32_t size; /* power of two, or 0 while there is no memory */
	uint64_t head, tail;
};

static inline uint32_t ring_used(const struct ring *r)
{
	return (uint32_t)(r->tail - r->head);
}
static inline uint32_t ring_free(const struct ring *r)
{
	return r->size - ring_used(r);
}
void ring_init(struct ring *r, void *mem, uint32_t size);
/* Up to two pieces that cover `bytes` from position pos; returns pieces. */
size_t ring_span(const struct ring *r, uint64_t pos, uint32_t bytes,
		 struct nst_iov iov[2]);
/* Copies in at an absolute position (pos - head + bytes <= size). */
void ring_write_at(struct ring *r, uint64_t pos, const void *src,
		   uint32_t bytes);
void ring_read_at(const struct ring *r, uint64_t pos, void *dst,
		  uint32_t bytes);
/* Moves the contents, [head, limit), to larger memory; the caller frees the
 * old. limit >= tail: bytes past the tail (out of order data) move too. */
void ring_move(struct ring *r, void *mem, uint32_t size, uint64_t limit);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "netstack/base/ring.h"

#include "netstack/base/mem.h"

void ring_init(struct ring *r, void *mem, uint32_t size)
{
	*r = (struct ring){.mem = mem, .size = size};
}

size_t ring_span(const struct ring *r, uint64_t pos, uint32_t bytes,
		 struct nst_iov iov[2])
{
	uint32_t at, first;

	if (!bytes || !r->size)
		return 0;
	if (bytes > r->size)
		bytes = r->size;
	at = (uint32_t)pos & (r->size - 1);
	first = r->size - at;
	if (bytes <= first) {
		iov[0] = (struct nst_iov){r->mem + at, bytes};
		return 1;
	}
	iov[0] = (struct nst_iov){r->mem + at, first};
	iov[1] = (struct nst_iov){r->mem, bytes - first};
	return 2;
}

void ring_write_at(struct ring *r, uint64_t pos, const void *src,
		   uint32_t bytes)
{
	struct nst_iov iov[2];
	size_t n = ring_span(r, pos, bytes, iov);

	for (size_t i = 0; i < n; i++) {
		memcpy(iov[i].p, src, iov[i].len);
		src = (const uint8_t *)src + iov[i].len;
	}
}

void ring_read_at(const struct ring *r, uint64_t pos, void *dst, uint32_t bytes)
{
	struct nst_iov iov[2];
	size_t n = ring_span(r, pos, bytes, iov);

	for (size_t i = 0; i < n; i++) {
		memcpy(dst, iov[i].p, iov[i].len);
		dst = (uint8_t *)dst + iov[i].len;
	}
}

void ring_move(struct ring *r, void *mem, uint32_t size, uint64_t limit)
{
	struct ring to = {mem, size, r->head, r->tail};
	struct nst_iov iov[2];
	uint64_t pos = r->head;
	size_t n = ring_span(r, pos, (uint32_t)(limit - pos), iov);

	for (size_t i = 0; i < n; i++) {
		ring_write_at(&to, pos, iov[i].p, (uint32_t)iov[i].len);
		pos += iov[i].len;
	}
	*r = to;
}

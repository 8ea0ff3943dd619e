/* SPDX-License-Identifier: Apache-2.0 */
#include "netstack/nst_pkt.h"

#include "netstack/base/mem.h"
#include "netstack/base/stack_priv.h"

/* More than any packet of ours: a bound on what callers may ask for. */
#define PKT_MAX_BYTES (1u << 20)

/* Offset of the checksum field in a UDP header: tells UDP's from others. */
#define UDP_CSUM_OFF 6

struct nst_pkt *nst_pkt_new(const struct nst_env *env, uint32_t headroom,
			    uint32_t bytes)
{
	struct nst_pkt *pkt;
	uint32_t cap;

	if (headroom > PKT_MAX_BYTES || bytes > PKT_MAX_BYTES)
		return NULL;
	cap = headroom + bytes;
	pkt = nst_alloc(env, sizeof(*pkt) + cap);
	if (!pkt)
		return NULL;
	pkt->env = env;
	pkt->head = (uint8_t *)(pkt + 1);
	pkt->cap = pkt->room = cap;
	pkt->off = headroom;
	return pkt;
}

/* The linear buffer moved away from the struct it was allocated with. */
static bool moved(const struct nst_pkt *pkt)
{
	return pkt->head != (const uint8_t *)(pkt + 1);
}

void nst_pkt_free(struct nst_pkt *pkt)
{
	if (!pkt)
		return;
	if (moved(pkt))
		nst_release(pkt->env, pkt->head, pkt->cap);
	nst_release(pkt->env, pkt, sizeof(*pkt) + pkt->room);
}

uint8_t *nst_pkt_push(struct nst_pkt *pkt, uint32_t bytes)
{
	if (bytes > pkt->off)
		return NULL;
	pkt->off -= bytes;
	pkt->len += bytes;
	return nst_pkt_data(pkt);
}

bool nst_pkt_pull(struct nst_pkt *pkt, uint32_t bytes)
{
	if (bytes > pkt->len)
		return false;
	pkt->off += bytes;
	pkt->len -= bytes;
	return true;
}

uint8_t *nst_pkt_put(struct nst_pkt *pkt, uint32_t bytes)
{
	uint8_t *tail = nst_pkt_data(pkt) + pkt->len;

	if (pkt->nfrags || bytes > pkt->cap - pkt->off - pkt->len)
		return NULL;
	pkt->len += bytes;
	return tail;
}

bool nst_pkt_ref(struct nst_pkt *pkt, const void *p, uint32_t bytes)
{
	if (!bytes)
		return true;
	if (pkt->nfrags == NST_PKT_FRAGS)
		return false;
	pkt->frag[pkt->nfrags++] = (struct nst_frag){p, bytes};
	pkt->frag_bytes += bytes;
	return true;
}

void nst_pkt_trim(struct nst_pkt *pkt, uint32_t bytes)
{
	uint32_t left;

	if (bytes >= nst_pkt_bytes(pkt))
		return;
	if (bytes < pkt->len)
		pkt->len = bytes;
	left = bytes - pkt->len;
	pkt->frag_bytes = left;
	for (unsigned i = 0; i < pkt->nfrags; i++) {
		if (!left) {
			pkt->nfrags = (uint8_t)i;
			return;
		}
		if (pkt->frag[i].len > left)
			pkt->frag[i].len = left;
		left -= pkt->frag[i].len;
	}
}

void nst_pkt_copy(const struct nst_pkt *pkt, uint32_t from, void *dst,
		  uint32_t bytes)
{
	struct nst_frag piece = {nst_pkt_data(pkt), pkt->len};
	uint8_t *out = dst;

	for (unsigned i = 0; bytes; piece = pkt->frag[i++]) {
		if (from < piece.len) {
			uint32_t n = piece.len - from;

			n = n < bytes ? n : bytes;
			memcpy(out, piece.p + from, n);
			out += n;
			bytes -= n;
			from = 0;
		} else {
			from -= piece.len;
		}
		if (i == pkt->nfrags)
			return;
	}
}

/* A larger linear buffer; every offset from head stays valid. */
static bool grow(struct nst_pkt *pkt, uint32_t cap)
{
	uint8_t *head;

	if (cap > 2 * PKT_MAX_BYTES)
		return false;
	head = nst_alloc_raw(pkt->env, cap);
	if (!head)
		return false;
	memcpy(head, pkt->head, pkt->off + pkt->len);
	if (moved(pkt))
		nst_release(pkt->env, pkt->head, pkt->cap);
	pkt->head = head;
	pkt->cap = cap;
	return true;
}

/* Drops `bytes` from the front of the fragments; they have been copied. */
static void drop_frags(struct nst_pkt *pkt, uint32_t bytes)
{
	unsigned gone = 0;

	pkt->frag_bytes -= bytes;
	while (gone < pkt->nfrags && bytes >= pkt->frag[gone].len)
		bytes -= pkt->frag[gone++].len;
	pkt->nfrags = (uint8_t)(pkt->nfrags - gone);
	memmove(pkt->frag, pkt->frag + gone, pkt->nfrags * sizeof(*pkt->frag));
	if (pkt->nfrags) {
		pkt->frag[0].p += bytes;
		pkt->frag[0].len -= bytes;
	}
}

bool nst_pkt_linear(struct nst_pkt *pkt, uint32_t bytes)
{
	uint32_t more;

	if (bytes <= pkt->len)
		return true;
	if (bytes > nst_pkt_bytes(pkt))
		return false;
	if (bytes > pkt->cap - pkt->off && !grow(pkt, pkt->off + bytes))
		return false;
	more = bytes - pkt->len;
	nst_pkt_copy(pkt, pkt->len, nst_pkt_data(pkt) + pkt->len, more);
	pkt->len = bytes;
	drop_frags(pkt, more);
	return true;
}

bool nst_pkt_own(struct nst_pkt *pkt)
{
	return nst_pkt_linear(pkt, nst_pkt_bytes(pkt));
}

struct nst_pkt *nst_pkt_clone(const struct nst_pkt *pkt)
{
	uint32_t bytes = nst_pkt_bytes(pkt);
	struct nst_pkt *copy = nst_pkt_new(pkt->env, pkt->off, bytes);
	uint8_t *head;
	uint32_t cap;

	if (!copy)
		return NULL;
	head = copy->head;
	cap = copy->cap;
	*copy = *pkt;
	copy->next = NULL;
	copy->head = head;
	copy->cap = copy->room = cap;
	copy->len = bytes;
	copy->nfrags = 0;
	copy->frag_bytes = 0;
	/* What is in front of the data too: headers already pulled. */
	memcpy(head, pkt->head, pkt->off);
	nst_pkt_copy(pkt, 0, head + pkt->off, bytes);
	return copy;
}

void nst_pkt_csum_finish(struct nst_pkt *pkt)
{
	uint32_t start, field = (uint32_t)pkt->csum_start + pkt->csum_off;
	struct be16 sum;

	if (pkt->csum != NST_CSUM_PARTIAL)
		return;
	pkt->csum = NST_CSUM_NONE;
	if (pkt->csum_start < pkt->off || field + 2 > pkt->off + pkt->len)
		return;
	start = pkt->csum_start - pkt->off;
	/* The field holds the pseudo-header's sum: it is added with the rest */
	sum = be16_from(
	    (uint16_t)~nst_pkt_sum(pkt, start, nst_pkt_bytes(pkt) - start, 0));
	if (!sum.v && pkt->csum_off == UDP_CSUM_OFF)
		sum.v = 0xffff; /* RFC 768: zero means no checksum */
	memcpy(pkt->head + field, &sum, 2);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "netstack/base/mem.h"
#include "netstack/save/save.h"

#define BLOCK_BYTES (64u << 10)
#define ALIGN 16u

struct save_block {
	struct save_block *next;
	size_t size, used; /* of the bytes behind this header */
};
#define HEADER ((sizeof(struct save_block) + ALIGN - 1) / ALIGN * ALIGN)

void save_arena_init(struct save_arena *a, const struct nst_env *env)
{
	*a = (struct save_arena){.env = env};
}

static struct save_block *add_block(struct save_arena *a, size_t bytes)
{
	size_t size = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
	struct save_block *b;

	b = a->env->alloc_raw ? a->env->alloc_raw(a->env->ctx, HEADER + size)
			      : a->env->alloc(a->env->ctx, HEADER + size);
	a->no_memory = !b;
	if (!b)
		return NULL;
	*b = (struct save_block){.next = a->blocks, .size = size};
	a->blocks = b;
	return b;
}

void *save_arena_take(struct save_arena *a, size_t bytes)
{
	struct save_block *b = a->blocks;
	size_t want;

	if (bytes > SIZE_MAX / 2)
		return NULL;
	want = (bytes + ALIGN - 1) / ALIGN * ALIGN;
	if (a->limit && want > a->limit - a->bytes)
		return NULL;
	if (!b || b->size - b->used < want)
		b = add_block(a, want);
	if (!b)
		return NULL;
	a->bytes += want;
	b->used += want;
	return (uint8_t *)b + HEADER + b->used - want;
}

static void free_block(struct save_arena *a, struct save_block *b)
{
	a->env->free(a->env->ctx, b, HEADER + b->size);
}

void save_arena_reset(struct save_arena *a)
{
	struct save_block *keep = NULL, *b;

	while ((b = a->blocks)) {
		a->blocks = b->next;
		if (keep || b->size > BLOCK_BYTES)
			free_block(a, b);
		else
			keep = b;
	}
	if (keep) {
		keep->next = NULL;
		keep->used = 0;
	}
	a->blocks = keep;
	a->bytes = 0;
}

void save_arena_fini(struct save_arena *a)
{
	struct save_block *b;

	while ((b = a->blocks)) {
		a->blocks = b->next;
		free_block(a, b);
	}
}

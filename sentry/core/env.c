/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the sentry lends to its netstacks: env_plain()'s, with memory that can
 * be poisoned, random bytes in blocks and events to the dirty list.
 *
 * Random bytes are drawn in blocks (one system call per block, not per port
 * or sequence number) and wiped as they are handed out. The block is guarded
 * by the stack lock, as every call of netstack is.
 */
#include "sentry/core/sandbox.h"

#include <limits.h>
#include <malloc.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sentry/core/env_plain.h"

#define RANDOM_BLOCK_BYTES 1024

#define KEEP_BYTES (8 << 20)
#define TOP_PAD_BYTES (256 << 10)
#define MMAP_BYTES (1 << 20)
#define MMAPS 65536 /* as glibc has it */
#define HUGE_BYTES ((size_t)2 << 20)

#define POISON 0xdb
#if defined(__SANITIZE_ADDRESS__) || !defined(__OPTIMIZE__)
#define POISON_ALWAYS 1
#else
#define POISON_ALWAYS 0
#endif

static uint8_t random_block[RANDOM_BLOCK_BYTES];
static size_t random_left;

static _Thread_local bool apart;

/* What sandbox_env_expected() has to undo. */
static atomic_bool expecting;

/* What still uses it shall not find what it looks for. */
static void env_free(void *ctx, void *p, size_t bytes)
{
	const struct sandbox *sb = ctx;

	if (POISON_ALWAYS || sb->poison)
		memset(p, POISON, bytes);
	free(p);
}

static void env_random(void *ctx, void *buf, size_t bytes)
{
	(void)ctx;
	if (bytes > sizeof random_block) {
		randombytes_buf(buf, bytes);
		return;
	}
	if (random_left < bytes) {
		randombytes_buf(random_block, sizeof random_block);
		random_left = sizeof random_block;
	}
	random_left -= bytes;
	memcpy(buf, random_block + random_left, bytes);
	memset(random_block + random_left, 0, bytes);
}

/* user is NULL for endpoints nobody has accepted yet. */
static void env_event(void *ctx, void *user, uint32_t events)
{
	if (user)
		owner_mark(ctx, user, events);
}

/*
 * Rings come and go with connections. What glibc does by itself (a heap for
 * each thread, trimmed at 128 KiB, larger pieces mapped and unmapped) costs a
 * page fault for each 4 KiB of them, every time.
 */
static void keep_memory(void)
{
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_TRIM_THRESHOLD, KEEP_BYTES);
	mallopt(M_TOP_PAD, TOP_PAD_BYTES);
	mallopt(M_MMAP_THRESHOLD, MMAP_BYTES);
}

/* The heap grows by all of it at once, in huge pages where there are any, and
 * keeps it: what is freed at its end joins the rest of the heap. */
void sandbox_env_expect(size_t bytes, bool now)
{
	uintptr_t from, to;
	void *p;

	if (bytes < 2 * HUGE_BYTES)
		return;
	expecting = true;
	mallopt(M_TRIM_THRESHOLD, INT_MAX);
	mallopt(M_MMAP_MAX, 0);
	p = malloc(bytes);
	if (!p)
		return;
	from = ((uintptr_t)p + HUGE_BYTES - 1) & ~(uintptr_t)(HUGE_BYTES - 1);
	to = ((uintptr_t)p + bytes) & ~(uintptr_t)(HUGE_BYTES - 1);
	if (from < to)
		(void)madvise((void *)from, to - from, MADV_HUGEPAGE);
	if (from < to && now)
		(void)madvise((void *)from, to - from, MADV_POPULATE_WRITE);
	free(p);
}

/* Each mallopt() tidies up the whole heap. */
void sandbox_env_expected(void)
{
	if (!atomic_exchange(&expecting, false))
		return;
	mallopt(M_TRIM_THRESHOLD, KEEP_BYTES);
	mallopt(M_MMAP_MAX, MMAPS);
}

void sandbox_env_apart(void)
{
	apart = true;
}

bool sandbox_env_is_apart(void)
{
	return apart;
}

void sandbox_env_init(struct sandbox *sb)
{
	keep_memory();
	sb->env = *env_plain();
	sb->env.ctx = sb;
	sb->env.free = env_free;
	sb->env.random = env_random;
	sb->env.event = env_event;
}

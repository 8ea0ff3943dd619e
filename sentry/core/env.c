/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the sentry lends to its netstacks: memory from malloc, random bytes
 * and SipHash-2-4 from libsodium, events to the dirty list.
 *
 * Random bytes are drawn in blocks (one system call per block, not per port
 * or sequence number) and wiped as they are handed out. The block is guarded
 * by the stack lock, as every call of netstack is.
 */
#include "sentry/core/sandbox.h"

#include <malloc.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define RANDOM_BLOCK_BYTES 1024

#define KEEP_BYTES (8 << 20)
#define TOP_PAD_BYTES (256 << 10)
#define MMAP_BYTES (1 << 20)

#define POISON 0xdb
#if defined(__SANITIZE_ADDRESS__) || !defined(__OPTIMIZE__)
#define POISON_ALWAYS 1
#else
#define POISON_ALWAYS 0
#endif

static uint8_t random_block[RANDOM_BLOCK_BYTES];
static size_t random_left;

static void *env_alloc(void *ctx, size_t bytes)
{
	(void)ctx;
	return calloc(1, bytes);
}

static void *env_alloc_raw(void *ctx, size_t bytes)
{
	(void)ctx;
	return malloc(bytes);
}

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

static uint64_t env_hash(void *ctx, const uint8_t key[16], const void *data,
			 size_t bytes)
{
	uint64_t h;

	(void)ctx;
	_Static_assert(crypto_shorthash_BYTES == sizeof h, "SipHash-2-4");
	_Static_assert(crypto_shorthash_KEYBYTES == 16, "SipHash-2-4");
	crypto_shorthash((unsigned char *)&h, data, bytes, key);
	return h;
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

void sandbox_env_init(struct sandbox *sb)
{
	keep_memory();
	sb->env = (struct nst_env){
	    .ctx = sb,
	    .alloc = env_alloc,
	    .alloc_raw = env_alloc_raw,
	    .free = env_free,
	    .random = env_random,
	    .hash = env_hash,
	    .event = env_event,
	};
}

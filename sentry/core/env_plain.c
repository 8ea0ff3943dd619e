/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/core/env_plain.h"

#include <sodium.h>
#include <stdlib.h>

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

static void env_free(void *ctx, void *p, size_t bytes)
{
	(void)ctx;
	(void)bytes;
	free(p);
}

static void env_random(void *ctx, void *buf, size_t bytes)
{
	(void)ctx;
	randombytes_buf(buf, bytes);
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

static void env_event(void *ctx, void *user, uint32_t events)
{
	(void)ctx;
	(void)user;
	(void)events;
}

const struct nst_env *env_plain(void)
{
	static const struct nst_env env = {
	    .alloc = env_alloc,
	    .alloc_raw = env_alloc_raw,
	    .free = env_free,
	    .random = env_random,
	    .hash = env_hash,
	    .event = env_event,
	};

	return &env;
}

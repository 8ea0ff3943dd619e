/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/testenv.h"

#include <arpa/inet.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In front of each block: its size, to check what is passed back to free. */
#define BLOCK_HEADER 16

uint64_t testenv_rand(struct testenv *te)
{
	uint64_t z = te->rng += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

uint32_t testenv_below(struct testenv *te, uint32_t n)
{
	return (uint32_t)(testenv_rand(te) % n);
}

static bool must_fail(struct testenv *te, size_t bytes)
{
	uint64_t nth = te->allocs++;

	if (nth == te->fail_at || (te->fail_on && nth > te->fail_at))
		return true;
	return te->max_bytes && te->live_bytes + bytes > te->max_bytes;
}

static void *env_alloc(void *ctx, size_t bytes)
{
	struct testenv *te = ctx;
	uint8_t *p;

	if (must_fail(te, bytes)) {
		te->failed++;
		return NULL;
	}
	p = calloc(1, bytes + BLOCK_HEADER);
	if (!p)
		return NULL;
	memcpy(p, &bytes, sizeof(bytes));
	te->live_blocks++;
	te->live_bytes += bytes;
	if (te->live_bytes > te->peak_bytes)
		te->peak_bytes = te->live_bytes;
	return p + BLOCK_HEADER;
}

/* Nothing may rely on zeros. */
static void *env_alloc_raw(void *ctx, size_t bytes)
{
	void *p = env_alloc(ctx, bytes);

	if (p)
		memset(p, 0xcd, bytes);
	return p;
}

static void env_free(void *ctx, void *p, size_t bytes)
{
	struct testenv *te = ctx;
	uint8_t *block = p;
	size_t was;

	if (!p)
		return;
	block -= BLOCK_HEADER;
	memcpy(&was, block, sizeof(was));
	if (was != bytes) {
		fprintf(stderr, "free of %zu bytes, allocated as %zu\n", bytes,
			was);
		abort();
	}
	te->live_blocks--;
	te->live_bytes -= bytes;
	memset(block, 0xdd, bytes + BLOCK_HEADER);
	free(block);
}

static void env_random(void *ctx, void *buf, size_t bytes)
{
	uint8_t *p = buf;

	while (bytes--)
		*p++ = (uint8_t)testenv_rand(ctx);
}

static uint64_t env_hash(void *ctx, const uint8_t key[16], const void *data,
			 size_t bytes)
{
	uint64_t out;

	(void)ctx;
	_Static_assert(crypto_shorthash_BYTES == sizeof(out), "SipHash-2-4");
	crypto_shorthash((unsigned char *)&out, data, bytes, key);
	return out;
}

static void env_event(void *ctx, void *user, uint32_t events)
{
	struct testenv *te = ctx;
	struct test_user *u = user;

	te->events++;
	if (te->on_event) {
		te->on_event(te, user, events);
		return;
	}
	if (!u)
		return;
	u->seen |= events;
	u->calls++;
	if (events & NST_EV_IN)
		u->in_n++;
}

void testenv_init(struct testenv *te, uint64_t seed)
{
	memset(te, 0, sizeof(*te));
	te->rng = te->seed = seed;
	te->fail_at = UINT64_MAX;
	te->env = (struct nst_env){
	    .ctx = te,
	    .alloc = env_alloc,
	    .alloc_raw = env_alloc_raw,
	    .free = env_free,
	    .random = env_random,
	    .hash = env_hash,
	    .event = env_event,
	};
}

uint64_t testenv_seed(uint64_t fallback)
{
	const char *s = getenv("NST_TEST_SEED");

	return s ? strtoull(s, NULL, 0) : fallback;
}

void testenv_fail_nth(struct testenv *te, uint64_t n)
{
	te->fail_at = te->allocs + n;
	te->fail_on = false;
}

void testenv_fail_from(struct testenv *te, uint64_t n)
{
	te->fail_at = te->allocs + n;
	te->fail_on = true;
}

void testenv_fail_never(struct testenv *te)
{
	te->fail_at = UINT64_MAX;
	te->fail_on = false;
}

size_t testenv_leaks(const struct testenv *te)
{
	return te->live_blocks;
}

struct nst_addr test_addr(const char *text)
{
	struct nst_addr a = {0};

	if (inet_pton(AF_INET, text, a.b) == 1) {
		a.family = 4;
	} else if (inet_pton(AF_INET6, text, a.b) == 1) {
		a.family = 6;
	} else {
		fprintf(stderr, "not an address: %s\n", text);
		abort();
	}
	return a;
}

struct nst_sockaddr test_sa(const char *text, uint16_t port)
{
	return (struct nst_sockaddr){test_addr(text), port};
}

bool test_addr_eq(const struct nst_addr *a, const struct nst_addr *b)
{
	return a->family == b->family && a->scope == b->scope &&
	       memcmp(a->b, b->b, a->family == 4 ? 4 : 16) == 0;
}

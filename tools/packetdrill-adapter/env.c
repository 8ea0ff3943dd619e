/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The netstack's world: memory of the process, seeded randomness (splitmix64),
 * SipHash-2-4 (Aumasson and Bernstein, 2012) of our own so that the shared
 * object needs no library, and events that are only noted.
 */
#include "tools/packetdrill-adapter/ad_priv.h"

#include <stdlib.h>
#include <string.h>

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
	const struct world *w = ctx;

	if (w->poison && p)
		memset(p, 0xdd, bytes);
	free(p);
}

static uint64_t splitmix(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static void env_random(void *ctx, void *buf, size_t bytes)
{
	struct world *w = ctx;
	uint8_t *p = buf;

	while (bytes > 0) {
		uint64_t r = splitmix(&w->rng);
		size_t n = bytes < sizeof(r) ? bytes : sizeof(r);

		memcpy(p, &r, n);
		p += n;
		bytes -= n;
	}
}

/* ---- SipHash ---- */

struct sip {
	uint64_t a, b, c, d;
};

static uint64_t rotl(uint64_t v, unsigned n)
{
	return v << n | v >> (64 - n);
}

static void sip_rounds(struct sip *s, unsigned n)
{
	while (n-- > 0) {
		s->a += s->b;
		s->c += s->d;
		s->b = rotl(s->b, 13) ^ s->a;
		s->d = rotl(s->d, 16) ^ s->c;
		s->a = rotl(s->a, 32) + s->d;
		s->c += s->b;
		s->d = rotl(s->d, 21) ^ s->a;
		s->b = rotl(s->b, 17) ^ s->c;
		s->c = rotl(s->c, 32);
	}
}

static void sip_word(struct sip *s, uint64_t m)
{
	s->d ^= m;
	sip_rounds(s, 2);
	s->a ^= m;
}

static uint64_t env_hash(void *ctx, const uint8_t key[16], const void *data,
			 size_t bytes)
{
	const uint8_t *p = data;
	uint64_t k[2], m, last = (uint64_t)bytes << 56;
	struct sip s;

	(void)ctx;
	memcpy(k, key, sizeof(k));
	s = (struct sip){k[0] ^ 0x736f6d6570736575u, k[1] ^ 0x646f72616e646f6du,
			 k[0] ^ 0x6c7967656e657261u,
			 k[1] ^ 0x7465646279746573u};
	for (; bytes >= sizeof(m); bytes -= sizeof(m), p += sizeof(m)) {
		memcpy(&m, p, sizeof(m));
		sip_word(&s, m);
	}
	for (size_t i = 0; i < bytes; i++)
		last |= (uint64_t)p[i] << (8 * i);
	sip_word(&s, last);
	s.c ^= 0xff;
	sip_rounds(&s, 4);
	return s.a ^ s.b ^ s.c ^ s.d;
}

/* ---- events ---- */

static void env_event(void *ctx, void *user, uint32_t events)
{
	struct world *w = ctx;

	w->events = true;
	if (user)
		epoll_note(user, events);
}

void env_init(struct world *w, uint64_t seed)
{
	w->rng = seed;
	w->env = (struct nst_env){
	    .ctx = w,
	    .alloc = env_alloc,
	    .alloc_raw = env_alloc_raw,
	    .free = env_free,
	    .random = env_random,
	    .hash = env_hash,
	    .event = env_event,
	};
}

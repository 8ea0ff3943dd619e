/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The world as the unit tests give it to a netstack: a struct nst_env with
 * seeded randomness, SipHash, an allocator that counts and can be told to
 * fail, and a record of the events of each socket.
 *
 * One testenv per test; not shared between threads. testenv_init() takes no
 * memory; testenv_leaks() must be 0 at the end of every test.
 */
#ifndef TESTS_UNIT_TESTENV_H
#define TESTS_UNIT_TESTENV_H

#include "netstack/nst_env.h"

/*
 * What a socket's `user` pointer points to in tests (or NULL): the events that
 * it was given. A test clears `seen` when it wants to see them anew. Tests with
 * users of their own set testenv.on_event instead.
 */
struct test_user {
	uint32_t seen;  /* enum nst_event, or-ed together */
	uint32_t in_n;  /* how often NST_EV_IN was told */
	uint32_t calls; /* how often anything was told */
};

struct testenv {
	struct nst_env env; /* lend this to nst_stack_new() */
	uint64_t rng;       /* state of the generator */
	uint64_t seed;      /* as given, for messages */
	size_t live_blocks, live_bytes, peak_bytes;
	uint64_t allocs; /* successful and failed ones */
	uint64_t failed; /* refused because of fail_at */
	/* The allocation that fails, counted in `allocs`; UINT64_MAX: none. */
	uint64_t fail_at;
	bool fail_on;     /* every later allocation fails too */
	size_t max_bytes; /* refuse beyond this many live bytes; 0: no limit */
	uint64_t events;  /* events told, to anybody */
	/* If set, called instead of recording into struct test_user. */
	void (*on_event)(struct testenv *te, void *user, uint32_t events);
	void *priv; /* for on_event */
};

void testenv_init(struct testenv *te, uint64_t seed);
/* Seed from the environment variable NST_TEST_SEED, else `fallback`. */
uint64_t testenv_seed(uint64_t fallback);
/* The n-th allocation from now on fails (0: the next one), once. */
void testenv_fail_nth(struct testenv *te, uint64_t n);
/* Every allocation from the n-th on fails. */
void testenv_fail_from(struct testenv *te, uint64_t n);
void testenv_fail_never(struct testenv *te);
/* Blocks not given back. */
size_t testenv_leaks(const struct testenv *te);

/* The same generator for the test's own choices (splitmix64). */
uint64_t testenv_rand(struct testenv *te);
/* Uniform in [0, n); n > 0. */
uint32_t testenv_below(struct testenv *te, uint32_t n);

/* Addresses from text ("10.0.2.15", "fe80::1"); abort the test when wrong. */
struct nst_addr test_addr(const char *text);
struct nst_sockaddr test_sa(const char *text, uint16_t port);
/* Do two addresses say the same (family, bytes, scope)? */
bool test_addr_eq(const struct nst_addr *a, const struct nst_addr *b);

#endif

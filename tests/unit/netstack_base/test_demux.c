/* SPDX-License-Identifier: Apache-2.0 */
/* demux.c: growth, shrinking, lookups at every moment of them. */
#include <string.h>

#include "tests/unit/netstack_base/kit.h"

static struct testenv te;
static struct demux *d;

static void up(void)
{
	testenv_init(&te, testenv_seed(7));
	d = demux_new(&te.env);
}

static void down(void)
{
	demux_free(d);
	cr_assert_eq(testenv_leaks(&te), 0);
}

TestSuite(demux, .init = up, .fini = down);

static struct flow_key key_of(uint32_t i)
{
	struct flow_key k = {.proto = 6, .lport = 80};

	k.local = test_addr(i & 1 ? "10.0.0.1" : "fd00::1");
	k.remote = test_addr(i & 1 ? "10.1.0.0" : "fd00:1::");
	memcpy(k.remote.b + 2, &i, 2);
	k.rport = (uint16_t)(i >> 16);
	return k;
}

Test(demux, twice_the_same_is_refused)
{
	struct demux_node a = {.key = key_of(1)}, b = {.key = key_of(1)};

	cr_assert_eq(demux_insert(d, &a), NST_OK);
	cr_assert_eq(demux_insert(d, &b), NST_E_ADDRNOTAVAIL);
	cr_assert_null(b.pprev);
	demux_remove(d, &b); /* not in it: nothing happens */
	cr_assert_eq(demux_count(d), 1);
	demux_remove(d, &a);
	demux_remove(d, &a);
	cr_assert_eq(demux_count(d), 0);
	cr_assert_eq(demux_insert(d, &b), NST_OK);
	demux_remove(d, &b);
}

Test(demux, everything_in_a_key_counts)
{
	struct demux_node n = {.key = key_of(2)};
	struct flow_key k = n.key;

	cr_assert_eq(demux_insert(d, &n), NST_OK);
	cr_assert_eq(demux_find(d, &k), &n);
	k.proto = 17;
	cr_assert_null(demux_find(d, &k));
	k = n.key;
	k.lport++;
	cr_assert_null(demux_find(d, &k));
	k = n.key;
	k.rport++;
	cr_assert_null(demux_find(d, &k));
	k = n.key;
	k.local.b[15]++;
	cr_assert_null(demux_find(d, &k));
	k = n.key;
	k.remote.scope = 3;
	cr_assert_null(demux_find(d, &k));
	k = n.key;
	k.remote.family = 4;
	cr_assert_null(demux_find(d, &k));
	demux_remove(d, &n);
}

Test(demux, grows_and_shrinks)
{
	enum { MANY = 20000 };
	struct demux_node *n = calloc(MANY, sizeof(*n));

	for (uint32_t i = 0; i < MANY; i++) {
		uint32_t probe = testenv_below(&te, i + 1);

		n[i].key = key_of(i);
		cr_assert_eq(demux_insert(d, &n[i]), NST_OK);
		cr_assert_eq(demux_find(d, &n[probe].key), &n[probe]);
		if (i % 3000 == 0)
			cr_assert(demux_check(d));
	}
	cr_assert_eq(demux_count(d), MANY);
	cr_assert_lt(te.live_bytes, MANY * 40);
	for (uint32_t i = 0; i < MANY; i++) {
		demux_remove(d, &n[i]);
		cr_assert_null(demux_find(d, &n[i].key));
		if (i + 1 < MANY)
			cr_assert_eq(demux_find(d, &n[MANY - 1].key),
				     &n[MANY - 1]);
		if (i % 3000 == 0)
			cr_assert(demux_check(d));
	}
	cr_assert_lt(te.live_bytes, 8192, "the table went back");
	free(n);
}

/* Growth that fails is put off: no insertion fails for it. */
Test(demux, works_without_memory)
{
	enum { MANY = 1000 };
	struct demux_node *n = calloc(MANY, sizeof(*n));

	testenv_fail_from(&te, 0);
	for (uint32_t i = 0; i < MANY; i++) {
		n[i].key = key_of(i);
		cr_assert_eq(demux_insert(d, &n[i]), NST_OK);
	}
	for (uint32_t i = 0; i < MANY; i++)
		cr_assert_eq(demux_find(d, &n[i].key), &n[i]);
	cr_assert(demux_check(d));
	for (uint32_t i = 0; i < MANY; i++)
		demux_remove(d, &n[i]);
	free(n);
}

static void remove_it(struct demux_node *n, void *arg)
{
	++*(uint32_t *)arg;
	demux_remove(d, n);
}

/* In the middle of growth, each node is seen once and may go. */
Test(demux, each_may_remove)
{
	struct demux_node n[70];
	uint32_t seen = 0;

	memset(n, 0, sizeof(n));
	for (uint32_t i = 0; i < 70; i++) {
		n[i].key = key_of(i);
		cr_assert_eq(demux_insert(d, &n[i]), NST_OK);
	}
	demux_each(d, remove_it, &seen);
	cr_assert_eq(seen, 70);
	cr_assert_eq(demux_count(d), 0);
	cr_assert(demux_check(d));
}

Test(demux, no_memory_at_birth)
{
	for (uint64_t i = 0; i < 2; i++) {
		testenv_fail_nth(&te, i);
		cr_assert_null(demux_new(&te.env));
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images that are cut short, changed, or loaded when memory runs out: refused
 * with a reason, or a stack that is consistent and lives. Never more.
 */
#include <stdlib.h>

#include "netstack/save/save.h"
#include "tests/unit/netstack_ip/save_world.h"

/* A stack with something of everything. */
static struct sw *full(void)
{
	struct sw *w = sw_new();
	uint8_t b[256], data[64] = {0, 5, 3, 232, 0, 128};

	sw_sock(w, 0, NST_DGRAM_UDP, 4, 0);
	sw_bind(w, 0, "10.1.0.1", 1000);
	sw_set(w, 0, NST_IP_RECVERR, 1);
	sw_connect(w, 0, "192.0.2.7", 9);
	sw_send(w, 0, NULL, 0, 50);
	sw_in(w, TUN, b,
	      mk_icmp(b, "192.0.2.7", "10.1.0.1", 3, 3, 0, w->last, 60));
	sw_sock(w, 1, NST_DGRAM_UDP, 6, 0);
	sw_bind(w, 1, "fd00::1", 1001);
	sw_send(w, 1, "fd00::1", 1001, 30);
	sw_send(w, 1, "fd00::77", 9, 20);
	sw_join(w, 1, "ff05::7", ETH);
	sw_source(w, 1, "ff05::7", "fd00::77", ETH, false, true);
	sw_set(w, 1, NST_UDP_CORK, 1);
	sw_send(w, 1, "fd00::77", 9, 20);
	sw_sock(w, 2, NST_DGRAM_RAW, 4, 89);
	sw_sock(w, 3, NST_DGRAM_PING, 4, 0);
	sw_send(w, 3, "10.0.0.88", 0, 12);
	mk_ip4(b, "10.1.0.9", "10.1.0.1", 17, data, 64);
	wire_put16(b + 6, 0x2000);
	fix4(b);
	sw_in(w, TUN, b, 84);
	sw_in(w, TUN, b,
	      mk_udp(b, "10.1.0.9", "10.1.0.1", 5, 4000, "hello", 5));
	sw_in(w, TUN, b,
	      mk_icmp(b, "10.1.0.254", "10.1.0.1", 3, 4, 1000, w->last, 60));
	return w;
}

/* Lets it live: whatever it does is fine, as long as it stays consistent. */
static void live(struct sw *w)
{
	uint8_t b[128];

	for (int i = 0; i < 20; i++) {
		nst_time at = nst_next_deadline(w->st);

		if (at == NST_NEVER)
			break;
		if (at > w->now)
			w->now = at;
		nst_run_timers(w->st, w->now);
		cr_assert(nst_stack_check(w->st));
	}
	for (size_t i = 0; i < SW_SOCKS; i++)
		if (w->d[i])
			sw_send(w, i, "10.1.0.9", 9, 40);
	sw_in_eth(w, ETH_TYPE_IP6, b,
		  mk_nd(b, ICMP6_NA, "fd00::77", "fd00::1", "fd00::77",
			ND_FLAG_SOLICITED | ND_FLAG_OVERRIDE, true));
	sw_in(w, TUN, b,
	      mk_udp(b, "10.1.0.9", "10.1.0.1", 5, 1000, "hello", 5));
	w->log.bytes = 0;
}

/* Loads; true: there is a stack, and it lived. */
static bool try(struct sw *w, const struct sw_image *image)
{
	char why[NST_SAVE_WHY];
	enum nst_err e = sw_load(w, image, false, why);

	cr_assert(e == NST_OK || e == NST_E_INVAL, "%d", e);
	if (e)
		cr_assert_eq(testenv_leaks(&w->te), 0);
	else {
		w->now = nst_stack_now(w->st);
		live(w);
	}
	return e == NST_OK;
}

Test(save_hostile, cut_short, .timeout = 300)
{
	struct sw *w = full();
	struct sw_image image, part;

	sw_save(w, &image);
	for (size_t n = 0; n < image.bytes; n++) {
		part = (struct sw_image){malloc(n ? n : 1), n, n};
		memcpy(part.p, image.p, n);
		cr_assert_not(try(w, &part));
		sw_image_free(&part);
	}
	cr_assert(try(w, &image));
	sw_image_free(&image);
	sw_free(w);
}

Test(save_hostile, flipped, .timeout = 600)
{
	static const uint8_t flips[] = {0x01, 0x80, 0xff};
	struct sw *w = full();
	struct sw_image image;
	size_t lived = 0;

	sw_save(w, &image);
	for (size_t n = 0; n < image.bytes * 3; n++) {
		image.p[n / 3] ^= flips[n % 3];
		lived += try(w, &image);
		image.p[n / 3] ^= flips[n % 3];
	}
	cr_assert_gt(lived, 0);
	cr_assert_lt(lived, image.bytes * 3);
	cr_assert(try(w, &image));
	sw_image_free(&image);
	sw_free(w);
}

/* Many bytes at random places, and records in another order. */
Test(save_hostile, scrambled, .timeout = 600)
{
	struct sw *w = full();
	struct sw_image image, bad;

	sw_save(w, &image);
	bad = (struct sw_image){malloc(image.bytes), image.bytes, image.bytes};
	for (int round = 0; round < 20000; round++) {
		memcpy(bad.p, image.p, image.bytes);
		for (uint32_t k = 1 + testenv_below(&w->te, 6); k--;) {
			size_t at = testenv_below(&w->te, (uint32_t)bad.bytes);

			bad.p[at] = (uint8_t)testenv_rand(&w->te);
		}
		(void)try(w, &bad);
	}
	sw_image_free(&bad);
	sw_image_free(&image);
	sw_free(w);
}

static size_t record_bytes(const uint8_t *p)
{
	return 8 + (p[4] | (size_t)p[5] << 8 | (size_t)p[6] << 16);
}

/* Each record moved to each place. */
Test(save_hostile, reordered, .timeout = 600)
{
	struct sw *w = full();
	struct sw_image image, bad;

	sw_save(w, &image);
	bad = (struct sw_image){malloc(image.bytes), image.bytes, image.bytes};
	for (size_t a = 0; a < image.bytes; a += record_bytes(image.p + a)) {
		size_t n = record_bytes(image.p + a);

		for (size_t b = 0; b < a; b += record_bytes(image.p + b)) {
			memcpy(bad.p, image.p, b);
			memcpy(bad.p + b, image.p + a, n);
			memcpy(bad.p + b + n, image.p + b, a - b);
			memcpy(bad.p + a + n, image.p + a + n,
			       image.bytes - a - n);
			(void)try(w, &bad);
		}
	}
	sw_image_free(&bad);
	sw_image_free(&image);
	sw_free(w);
}

/* Each record twice, and each left out. */
Test(save_hostile, doubled, .timeout = 600)
{
	struct sw *w = full();
	struct sw_image image, bad;

	sw_save(w, &image);
	bad = (struct sw_image){malloc(2 * image.bytes), 0, 2 * image.bytes};
	for (size_t a = 0; a < image.bytes; a += record_bytes(image.p + a)) {
		size_t n = record_bytes(image.p + a);

		for (int times = 0; times <= 2; times += 2) {
			bad.bytes = 0;
			sw_put(&bad, image.p, a);
			for (int i = 0; i < times; i++)
				sw_put(&bad, image.p + a, n);
			sw_put(&bad, image.p + a + n, image.bytes - a - n);
			(void)try(w, &bad);
		}
	}
	sw_image_free(&bad);
	sw_image_free(&image);
	sw_free(w);
}

Test(save_hostile, no_memory, .timeout = 300)
{
	struct sw *w = full();
	struct sw_image image;
	char why[NST_SAVE_WHY];
	enum nst_err e;

	sw_save(w, &image);
	for (uint64_t n = 0;; n++) {
		testenv_fail_nth(&w->te, n);
		e = sw_load(w, &image, false, why);
		testenv_fail_never(&w->te);
		if (!e)
			break;
		cr_assert_eq(e, NST_E_NOMEM, "%s", why);
		cr_assert_eq(testenv_leaks(&w->te), 0);
	}
	live(w);
	sw_image_free(&image);
	sw_free(w);
}

Test(save_hostile, saving_without_memory)
{
	struct sw *w = full();
	struct sw_image image, part;
	struct nst_save_sink sink = {&part, sw_put};
	enum nst_err e = NST_E_NOMEM;

	sw_save(w, &image);
	for (uint64_t n = 0; e; n++) {
		part = (struct sw_image){0};
		testenv_fail_nth(&w->te, n);
		e = nst_stack_save(w->st, &sink);
		testenv_fail_never(&w->te);
		cr_assert(e == NST_OK || e == NST_E_NOMEM);
		if (!e)
			cr_assert_eq(part.bytes, image.bytes);
		sw_image_free(&part);
	}
	sw_image_free(&image);
	sw_free(w);
}

/* A copy has secrets of its own, and is otherwise the same. */
Test(save_hostile, clone)
{
	struct sw *w = full();
	struct sw_image image;
	uint8_t key[16];
	char why[NST_SAVE_WHY];

	sw_save(w, &image);
	memcpy(key, w->st->key, sizeof(key));
	cr_assert_eq(sw_load(w, &image, true, why), NST_OK, "%s", why);
	cr_assert_neq(memcmp(key, w->st->key, sizeof(key)), 0);
	cr_assert(nst_stack_check(w->st));
	cr_assert_eq(nst_dgram_queued(w->d[1]), 1);
	live(w);
	sw_image_free(&image);
	sw_free(w);
}

static bool no_nic(void *ctx, struct nst_nic_config *cfg)
{
	(void)ctx;
	(void)cfg;
	return false;
}

Test(save_hostile, nobody_carries)
{
	struct sw *w = full();
	struct nst_load how = {.env = &w->te.env, .nic = no_nic};
	struct sw_image image;
	const uint8_t *p;
	char why[NST_SAVE_WHY];
	struct nst_stack *st;

	sw_save(w, &image);
	p = image.p;
	cr_assert_eq(nst_stack_load(&how, &p, p + image.bytes, &st, why),
		     NST_E_NODEV);
	cr_assert_null(st);
	cr_assert(strstr(why, "interface"), "%s", why);
	sw_image_free(&image);
	sw_free(w);
}

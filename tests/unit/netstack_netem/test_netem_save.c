/* SPDX-License-Identifier: Apache-2.0 */
/* A link that is saved in the middle of its work goes on as if nothing had
 * happened: same packets, same fate, same times. */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "netstack/netem/netem_save.h"
#include "tests/unit/testenv.h"

#define PKTS 300

struct image {
	uint8_t *p;
	size_t bytes;
};

static struct testenv te;
static struct netem *nm;

static void start(void)
{
	testenv_init(&te, 5);
}

static void stop(void)
{
	netem_free(nm);
	nm = NULL;
	cr_assert_eq(testenv_leaks(&te), 0);
}

TestSuite(netem_save, .init = start, .fini = stop);

static const char *const CONFS[] = {
    "delay=20ms,jitter=5ms,dist=normal,jitter-corr=30%,loss=3%,loss-corr=20%",
    "rate=2mbit,limit=20p,bucket=3kb,ecn=10p,delay=5ms,dup=5%,corrupt=5%",
    "delay=10ms,reorder=20%,by=5p,gap=3,loss=1%,slot=1ms-4ms",
    "delay=3ms,ge=5%:30%:80%:1%,down=100ms+50ms/300ms,mtu=900,rate=10mbit",
};

static bool put(void *ctx, const void *p, size_t n)
{
	struct image *i = ctx;

	i->p = realloc(i->p, i->bytes + n);
	memcpy(i->p + i->bytes, p, n);
	i->bytes += n;
	return true;
}

static struct image saved(void)
{
	struct image i = {0};
	struct nst_save_sink sink = {&i, put};

	cr_assert_eq(netem_save(nm, &sink), NST_OK);
	return i;
}

static enum nst_err load(const struct image *i)
{
	const uint8_t *p = i->p;
	char why[NST_SAVE_WHY];
	enum nst_err e;

	netem_free(nm);
	nm = NULL;
	e = netem_load(&te.env, &p, i->p + i->bytes, &nm, why);
	cr_assert((e == NST_OK) == (nm != NULL));
	cr_assert(e == NST_OK || why[0]);
	if (!e)
		cr_assert(netem_check(nm));
	return e;
}

/* Also: what is loaded saves to the same image. */
static void reborn(void)
{
	struct image a = saved(), b;

	cr_assert_eq(load(&a), NST_OK);
	b = saved();
	cr_assert_eq(a.bytes, b.bytes);
	cr_assert_eq(memcmp(a.p, b.p, a.bytes), 0);
	free(a.p);
	free(b.p);
}

static void send_one(uint32_t i, nst_time now)
{
	uint32_t bytes = 60 + i * 37 % 1200;
	struct nst_pkt *p = nst_pkt_new(&te.env, 0, bytes);

	memset(nst_pkt_put(p, bytes), (int)i, bytes);
	nst_pkt_data(p)[0] = 0x45;
	nst_pkt_data(p)[1] = 2; /* ECT(0) */
	p->flow = i;
	netem_in(nm, p, now);
}

static void take(nst_time until, struct image *log)
{
	nst_time at;

	while ((at = netem_next(nm)) <= until) {
		struct nst_pkt *p = netem_out(nm, at);

		put(log, &at, sizeof(at));
		if (!p)
			continue;
		put(log, &p->flow, sizeof(p->flow));
		put(log, nst_pkt_data(p), p->len);
		nst_pkt_free(p);
	}
}

static void make(const char *text)
{
	struct netem_conf c;
	struct netem_error err = {0};

	cr_assert_eq(netem_parse(text, &c, &err), NST_OK, "%s: %s", text,
		     err.what);
	cr_assert_eq(netem_new(&te.env, &c, 0, 0, &nm), NST_OK);
}

/* every: reborn after so many packets; 0: never. */
static struct image run(const char *text, uint32_t every)
{
	struct image log = {0};

	make(text);
	for (uint32_t i = 0; i < PKTS; i++) {
		nst_time now = (nst_time)i * 1700 * NST_US;

		send_one(i, now);
		if (every && i % every == 0)
			reborn();
		take(now, &log);
	}
	take(NST_NEVER - 1, &log);
	put(&log, netem_stats(nm), sizeof(struct netem_stats));
	netem_free(nm);
	nm = NULL;
	return log;
}

Test(netem_save, goes_on)
{
	static const uint32_t every[] = {1, 7, 100};

	for (size_t c = 0; c < sizeof(CONFS) / sizeof(*CONFS); c++) {
		struct image want = run(CONFS[c], 0);

		cr_assert_gt(want.bytes, 10000);
		for (size_t k = 0; k < 3; k++) {
			struct image got = run(CONFS[c], every[k]);

			cr_assert_eq(want.bytes, got.bytes, "%s", CONFS[c]);
			cr_assert_eq(memcmp(want.p, got.p, want.bytes), 0);
			free(got.p);
		}
		free(want.p);
	}
}

/* An image with packets on the line, in the queue, and held back. */
static struct image full(size_t c)
{
	make(CONFS[c]);
	for (uint32_t i = 0; i < 12; i++)
		send_one(i, i);
	return saved();
}

static void live(void)
{
	struct image log = {0};
	nst_time from = netem_next(nm);

	if (from == NST_NEVER)
		from = 0;
	for (uint32_t i = 0; i < 20; i++)
		send_one(i, from + i);
	for (uint32_t i = 0; i < 50 && netem_next(nm) != NST_NEVER; i++)
		take(netem_next(nm), &log);
	cr_assert(netem_check(nm));
	free(log.p);
}

Test(netem_save, hostile, .timeout = 120)
{
	for (size_t c = 0; c < sizeof(CONFS) / sizeof(*CONFS); c++) {
		struct image i = full(c), part = i;

		for (part.bytes = 0; part.bytes < i.bytes; part.bytes++)
			cr_assert_eq(load(&part), NST_E_INVAL);
		for (size_t n = 0; n < i.bytes * 3; n++) {
			uint8_t flip = n % 3 ? n % 3 == 1 ? 0x80 : 0xff : 1;
			enum nst_err e;

			i.p[n / 3] ^= flip;
			e = load(&i);
			i.p[n / 3] ^= flip;
			cr_assert(e == NST_OK || e == NST_E_INVAL ||
				  e == NST_E_NOMEM);
			if (!e)
				live();
		}
		free(i.p);
		netem_free(nm);
		nm = NULL;
	}
}

Test(netem_save, no_memory)
{
	struct image i = full(2);

	for (uint64_t n = 0;; n++) {
		enum nst_err e;

		testenv_fail_nth(&te, n);
		e = load(&i);
		testenv_fail_never(&te);
		if (!e)
			break;
		cr_assert_eq(e, NST_E_NOMEM);
		cr_assert_eq(testenv_leaks(&te), 0);
	}
	free(i.p);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A sink on another thread: all records, whole, in order; refusals come back.
 */
#include <criterion/criterion.h>
#include <string.h>
#include <time.h>

#include "sentry/save/apart.h"

#define RECORDS 20000u
#define LONG_BYTES (300u << 10)

/* A record: its number and its length, then bytes that follow from both. */
struct record {
	uint32_t number, bytes;
	uint8_t data[LONG_BYTES];
};
#define HEADER offsetof(struct record, data)

struct reader {
	uint32_t next, puts;
	uint32_t refuse_at; /* 0: never */
	uint32_t after;     /* puts that came although it had refused */
	bool wrong, slow;
};

static struct record out, in;

/* Most are short, some longer than all the buffers' size. */
static uint32_t bytes_of(uint32_t number)
{
	return number % 4000 == 7 ? LONG_BYTES : number * 37 % 900;
}

static void fill(struct record *r, uint32_t number)
{
	r->number = number;
	r->bytes = bytes_of(number);
	memset(r->data, (int)(number % 251), r->bytes);
}

static bool is_right(const struct record *r, uint32_t number)
{
	uint8_t want = (uint8_t)(number % 251);

	if (r->number != number || r->bytes != bytes_of(number))
		return false;
	return !r->bytes ||
	       (r->data[0] == want && r->data[r->bytes - 1] == want);
}

static bool take(void *ctx, const void *records, size_t bytes)
{
	struct reader *r = ctx;
	const uint8_t *p = records, *end = p + bytes;

	r->puts++;
	if (r->refuse_at && r->next > r->refuse_at)
		r->after++;
	if (r->slow)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	while (p < end && !r->wrong) {
		memcpy(&in, p, HEADER);
		r->wrong = in.bytes > sizeof in.data ||
			   (size_t)(end - p) < HEADER + in.bytes;
		if (r->wrong)
			break;
		memcpy(in.data, p + HEADER, in.bytes);
		p += HEADER + in.bytes;
		r->wrong = !is_right(&in, r->next++);
	}
	return !r->wrong && !(r->refuse_at && r->next > r->refuse_at);
}

/* How many were taken before it said no. */
static uint32_t put_all(struct apart *a)
{
	for (uint32_t i = 0; i < RECORDS; i++) {
		fill(&out, i);
		if (!apart_put(a, &out, HEADER + out.bytes))
			return i;
	}
	return RECORDS;
}

static struct apart *begin(struct reader *r)
{
	struct apart *a =
	    apart_begin(&(struct nst_save_sink){.ctx = r, .put = take});

	cr_assert_not_null(a);
	return a;
}

Test(apart, all_records_come_whole_and_in_order)
{
	struct reader r = {0};
	struct apart *a = begin(&r);
	nst_time cpu = 1;

	cr_assert_eq(put_all(a), RECORDS);
	cr_assert(apart_end(a, &cpu));
	cr_assert_eq(r.next, RECORDS);
	cr_assert_not(r.wrong);
	cr_assert_lt(r.puts, RECORDS / 20, "not each by itself: %u", r.puts);
	cr_assert_gt(cpu, 1);
}

Test(apart, who_writes_waits_for_a_slow_reader)
{
	struct reader r = {.slow = true};
	struct apart *a = begin(&r);
	nst_time cpu = 0;

	cr_assert_eq(put_all(a), RECORDS);
	cr_assert_gt(r.next, RECORDS / 2, "few are held: %u", r.next);
	cr_assert(apart_end(a, &cpu));
	cr_assert_eq(r.next, RECORDS);
}

Test(apart, a_refusal_comes_back)
{
	struct reader r = {.refuse_at = 5000};
	struct apart *a = begin(&r);
	nst_time cpu = 0;

	cr_assert_lt(put_all(a), RECORDS);
	cr_assert_not(apart_end(a, &cpu));
	cr_assert_eq(r.after, 0);
	cr_assert_not(r.wrong);
}

Test(apart, a_refusal_of_the_last_comes_back)
{
	struct reader r = {.refuse_at = RECORDS - 1};
	struct apart *a = begin(&r);
	nst_time cpu = 0;

	cr_assert_eq(put_all(a), RECORDS);
	cr_assert_not(apart_end(a, &cpu));
}

Test(apart, nothing_at_all)
{
	struct reader r = {0};
	nst_time cpu = 0;

	cr_assert(apart_end(begin(&r), &cpu));
	cr_assert_eq(r.puts, 0);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The filter as a table: which calls are not native, and when.
 *
 * A line says: this call, if every listed comparison holds, gets this verdict.
 * Lines of one call are alternatives. What no line names is allowed, so that
 * the kernel caches it as a constant. Conditions are chosen so that no two
 * lines with different verdicts can hold for the same arguments.
 */
#ifndef SENTRY_FILTER_FILTER_TABLE_H
#define SENTRY_FILTER_FILTER_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum filter_verdict {
	FILTER_NOTIFY, /* delivered to the sentry */
	FILTER_ERRNO,  /* answered with `err` by the kernel */
};

enum filter_test {
	FILTER_LOW_EQ, /* (uint32_t)arg & mask == value: int arguments */
	FILTER_NE,     /* all 64 bits differ from value: pointers, exact ints */
	FILTER_LT,     /* as 64 bits, unsigned */
	FILTER_GT,
	FILTER_BITS_EQ, /* all 64 bits, masked, equal value */
};

struct filter_cond {
	uint8_t arg;
	uint8_t test; /* enum filter_test */
	uint64_t mask, value;
};

#define FILTER_CONDS 1

struct filter_line {
	int nr; /* x86-64 number, or libseccomp's pseudo number */
	enum filter_verdict verdict;
	int err;
	size_t nconds;
	struct filter_cond conds[FILTER_CONDS];
	/* Also: the sixth argument is not the sandbox's magic (shim/abi.h). */
	bool unless_magic;
};

/* Lines of the native architecture; ends with nr == FILTER_END. */
extern const struct filter_line filter_native[];
/* Lines of i386 entry, whose socket calls cannot be served. */
extern const struct filter_line filter_i386[];
#define FILTER_END INT32_MIN

#endif

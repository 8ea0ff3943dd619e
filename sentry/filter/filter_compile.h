/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table's way through libseccomp, at build time: it takes a millisecond or
 * two, which every start of a guest would wait for.
 */
#ifndef SENTRY_FILTER_FILTER_COMPILE_H
#define SENTRY_FILTER_FILTER_COMPILE_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What stands in the built-in program for the sandbox's magic, which no other
 * word of it may equal: filter_gen sees to that. */
#define FILTER_MARK_HIGH 0x5ec0ba5eu
#define FILTER_MARK_LOW 0xc04d0a71u
#define FILTER_MARK ((uint64_t)FILTER_MARK_HIGH << 32 | FILTER_MARK_LOW)

/* Builds the program; *out is malloc'ed (free out->filter). -errno. */
int filter_compile(uint64_t magic, struct sock_fprog *out);

/* Puts the magic where the marks are. */
static inline void filter_patch(struct sock_filter *f, size_t n, uint64_t magic)
{
	for (size_t i = 0; i < n; i++) {
		if (f[i].code != (BPF_JMP | BPF_JEQ | BPF_K))
			continue;
		if (f[i].k == FILTER_MARK_HIGH)
			f[i].k = (uint32_t)(magic >> 32);
		else if (f[i].k == FILTER_MARK_LOW)
			f[i].k = (uint32_t)magic;
	}
}

#endif

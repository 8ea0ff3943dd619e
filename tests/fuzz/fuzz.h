/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the fuzz targets share: a reader of the input's bytes, and a world of
 * one stack with one bare-IP interface under virtual time. A target defines
 * LLVMFuzzerTestOneInput; replay.c runs it over a corpus without libFuzzer.
 * Whatever is wrong aborts.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netstack/nst_stack.h"
#include "tests/unit/testenv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Aborts with a message unless `cond`. */
#define FUZZ_CHECK(cond)                                                       \
	do {                                                                   \
		if (!(cond))                                                   \
			fuzz_fail(__FILE__, __LINE__, #cond);                  \
	} while (0)
_Noreturn void fuzz_fail(const char *file, int line, const char *what);

/* Input; past its end everything reads as 0. */
struct fuzz_in {
	const uint8_t *p, *end;
};
uint8_t fuzz_u8(struct fuzz_in *in);
uint16_t fuzz_u16(struct fuzz_in *in);
uint32_t fuzz_u32(struct fuzz_in *in);
static inline bool fuzz_end(const struct fuzz_in *in)
{
	return in->p >= in->end;
}

struct fuzz_world {
	struct testenv te;
	struct nst_stack *st;
	nst_time now;
	uint32_t ifindex;
	/* Each packet that leaves, before it is freed; may be NULL. */
	void (*on_out)(void *arg, const struct nst_pkt *pkt);
	void *arg;
};

#define FUZZ_LOCAL4 "10.0.2.15"
#define FUZZ_PEER4 "10.0.2.2"
#define FUZZ_LOCAL6 "fd00::15"
#define FUZZ_PEER6 "fd00::2"

void fuzz_open(struct fuzz_world *w);
void fuzz_close(struct fuzz_world *w); /* checks that nothing leaked */
void fuzz_check(const struct fuzz_world *w);
/* Lets time pass, each timer at its moment. */
void fuzz_pass(struct fuzz_world *w, nst_time dt);
/* A packet of these bytes arrives; `checked`: checksums need not be right. */
void fuzz_arrive(struct fuzz_world *w, const uint8_t *p, uint32_t bytes,
		 bool checked);

#endif

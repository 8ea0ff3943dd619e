/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Run by the build: prints the program with marks for the magic, as rows of C.
 * Refuses to, if a program with its marks replaced would not be the one that
 * libseccomp builds for that magic.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/filter/filter_compile.h"

static void compile(uint64_t magic, struct sock_fprog *p)
{
	int rc = filter_compile(magic, p);

	if (!rc)
		return;
	fprintf(stderr, "filter_gen: %s\n", strerror(-rc));
	exit(1);
}

static void check(const struct sock_fprog *marked, uint64_t magic)
{
	size_t bytes = marked->len * sizeof(*marked->filter);
	struct sock_filter *f = malloc(bytes);
	struct sock_fprog real;

	compile(magic, &real);
	if (f) {
		memcpy(f, marked->filter, bytes);
		filter_patch(f, marked->len, magic);
	}
	if (!f || real.len != marked->len ||
	    memcmp(f, real.filter, bytes) != 0) {
		fprintf(stderr,
			"filter_gen: the program depends on the magic "
			"%llx in another way than by its value\n",
			(unsigned long long)magic);
		exit(1);
	}
	free(f);
	free(real.filter);
}

int main(void)
{
	const uint64_t magics[] = {0x0123456789abcdef, 0xfedcba9876543210, 1,
				   0xffffffff00000000, UINT64_MAX};
	struct sock_fprog p;

	compile(FILTER_MARK, &p);
	for (size_t i = 0; i < sizeof magics / sizeof *magics; i++)
		check(&p, magics[i]);
	for (size_t i = 0; i < p.len; i++)
		printf("{0x%x, %u, %u, 0x%x},\n", p.filter[i].code,
		       p.filter[i].jt, p.filter[i].jf, p.filter[i].k);
	free(p.filter);
	return fflush(stdout) || ferror(stdout);
}

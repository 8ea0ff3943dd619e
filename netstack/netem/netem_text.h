/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers with units, out of a piece of text. Pure; nothing is kept. Functions
 * that return bool leave *out undefined when they return false. */
#ifndef NETSTACK_NETEM_NETEM_TEXT_H
#define NETSTACK_NETEM_NETEM_TEXT_H

#include "netstack/netem/netem.h"

/* s[at..end) */
struct text {
	const char *s;
	size_t at, end;
};

struct text_number {
	uint64_t whole, frac; /* frac in 10^-9 */
};

/* Is all of t this word? */
bool text_is(const struct text *t, const char *word);
/* Decimal, at most nine digits before and after the point; t moves on. */
bool text_number(struct text *t, struct text_number *out);
/* n * unit; unit <= 2^33. */
uint64_t text_scaled(const struct text_number *n, uint64_t unit);
/* 50ms: up to NETEM_TIME_MAX. */
bool text_time(struct text t, nst_time *out);
/* 100mbit, in bits per second. */
bool text_rate(struct text t, uint64_t *out);
/* 32kb, in bytes. */
bool text_size(struct text t, uint64_t max, uint64_t *out);
/* A whole number and exactly this unit. */
bool text_count(struct text t, const char *unit, uint64_t max, uint64_t *out);
/* 0.1%, as a share of NETEM_ONE, up to it. */
bool text_share(struct text t, uint64_t *out);
/* Cuts t at the first `c`: t is what stands before. False: there is none. */
bool text_cut(struct text *t, char c, struct text *rest);

#endif

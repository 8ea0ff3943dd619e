/* SPDX-License-Identifier: Apache-2.0 */
#include "netstack/netem/netem_text.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define NUMBER_DIGITS 9
#define FRACTION 1000000000ull

bool text_is(const struct text *t, const char *word)
{
	size_t i = 0;

	while (word[i] && t->at + i < t->end && t->s[t->at + i] == word[i])
		i++;
	return !word[i] && t->at + i == t->end;
}

/* ---- numbers and units ---- */

static bool is_digit(const struct text *t)
{
	return t->at < t->end && t->s[t->at] >= '0' && t->s[t->at] <= '9';
}

static uint64_t digits(struct text *t, size_t *n)
{
	uint64_t v = 0;

	for (*n = 0; *n <= NUMBER_DIGITS && is_digit(t); (*n)++)
		v = v * 10 + (uint64_t)(t->s[t->at++] - '0');
	return v;
}

bool text_number(struct text *t, struct text_number *out)
{
	size_t n, m = 0;

	out->whole = digits(t, &n);
	out->frac = 0;
	if (t->at < t->end && t->s[t->at] == '.') {
		t->at++;
		out->frac = digits(t, &m);
		if (!m)
			return false;
		for (size_t i = m; i < NUMBER_DIGITS; i++)
			out->frac *= 10;
	}
	return n && n <= NUMBER_DIGITS && m <= NUMBER_DIGITS;
}

uint64_t text_scaled(const struct text_number *n, uint64_t unit)
{
	return n->whole * unit + n->frac * unit / FRACTION;
}

struct unit {
	const char *name;
	uint64_t n;
};

static const struct unit times[] = {
    {"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}};
static const struct unit rates[] = {
    {"bit", 1}, {"kbit", 1000}, {"mbit", 1000000}, {"gbit", 1000000000}};
static const struct unit sizes[] = {
    {"b", 1}, {"kb", 1000}, {"mb", 1000000}, {"kib", 1024}, {"mib", 1048576}};

static uint64_t unit_of(const struct text *t, const struct unit *u, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (text_is(t, u[i].name))
			return u[i].n;
	return 0;
}

/* A number with one of these units; false: neither. 0 needs none. */
static bool with_unit(struct text t, const struct unit *u, size_t count,
		      uint64_t *out)
{
	struct text_number n;
	uint64_t unit;

	if (!text_number(&t, &n))
		return false;
	unit = unit_of(&t, u, count);
	*out = text_scaled(&n, unit ? unit : 1);
	return unit || (t.at == t.end && !n.whole && !n.frac);
}

bool text_time(struct text t, nst_time *out)
{
	uint64_t v;

	if (!with_unit(t, times, COUNT_OF(times), &v) ||
	    v > (uint64_t)NETEM_TIME_MAX)
		return false;
	*out = (nst_time)v;
	return true;
}

bool text_rate(struct text t, uint64_t *out)
{
	return with_unit(t, rates, COUNT_OF(rates), out);
}

bool text_size(struct text t, uint64_t max, uint64_t *out)
{
	return with_unit(t, sizes, COUNT_OF(sizes), out) && *out <= max;
}

bool text_count(struct text t, const char *unit, uint64_t max, uint64_t *out)
{
	struct text_number n;

	if (!text_number(&t, &n) || n.frac || n.whole > max ||
	    !text_is(&t, unit))
		return false;
	*out = n.whole;
	return true;
}

bool text_share(struct text t, uint64_t *out)
{
	struct text_number n;

	if (!text_number(&t, &n) || !text_is(&t, "%"))
		return false;
	*out = text_scaled(&n, NETEM_ONE) / 100;
	return *out <= NETEM_ONE;
}

bool text_cut(struct text *t, char c, struct text *rest)
{
	for (size_t i = t->at; i < t->end; i++) {
		if (t->s[i] != c)
			continue;
		*rest = (struct text){t->s, i + 1, t->end};
		t->end = i;
		return true;
	}
	return false;
}

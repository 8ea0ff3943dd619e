/* SPDX-License-Identifier: Apache-2.0 */
/* Settings by name: what Linux shows under /proc/sys/net. */
#include "netstack/base/mem.h"
#include "netstack/tcp/tcp_priv.h"

struct row {
	const char *name;
	size_t off;
	int32_t min, max;
};

static const struct row rows[] = {
#define ROW(name, def, min, max)                                               \
	{#name, offsetof(struct tcp_sysctl, name), min, max},
    TCP_SYSCTLS(ROW)
#undef ROW
};

struct triple_row {
	const char *name;
	size_t off;
};

static const struct triple_row triples[] = {
    {"tcp_rmem", offsetof(struct tcp_sysctl, tcp_rmem)},
    {"tcp_wmem", offsetof(struct tcp_sysctl, tcp_wmem)},
};

void tcp_sysctl_init(struct tcp_sysctl *ctl)
{
	static const uint32_t rmem[3] = {4096, 131072, TCP_RCV_LIMIT_MAX};
	static const uint32_t wmem[3] = {4096, 16384, TCP_SND_LIMIT_MAX};

	memset(ctl, 0, sizeof(*ctl));
#define DEFAULT(name, def, min, max) ctl->name = (def);
	TCP_SYSCTLS(DEFAULT)
#undef DEFAULT
	memcpy(ctl->tcp_rmem, rmem, sizeof(rmem));
	memcpy(ctl->tcp_wmem, wmem, sizeof(wmem));
	ctl->cc = tcp_cc_find(TCP_CC_DEFAULT);
}

/* ---- text ---- */

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

static bool space(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
}

/* One number, decimal or 0x; false: none or too large. Moves *p behind it. */
static bool number(const char **p, int64_t *out)
{
	const char *s = *p;
	bool neg = false;
	int64_t v = 0;
	int base = 10;

	while (space(*s))
		s++;
	if (*s == '-') {
		neg = true;
		s++;
	}
	if (*s < '0' || *s > '9')
		return false;
	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X') && digit(s[2]) < 16) {
		base = 16; /* LINUX: as strtoul reads it */
		s += 2;
	}
	for (; digit(*s) < base; s++) {
		if (v > UINT32_MAX)
			return false;
		v = v * base + digit(*s);
	}
	*out = neg ? -v : v;
	*p = s;
	return true;
}

static bool at_end(const char *p)
{
	while (space(*p))
		p++;
	return !*p;
}

struct text {
	char *p;
	size_t cap, n;
};

static void put_char(struct text *t, char c)
{
	if (t->n + 1 < t->cap)
		t->p[t->n] = c;
	t->n++;
}

static void put_number(struct text *t, int64_t v)
{
	char digits[20];
	size_t n = 0;
	uint64_t u = v < 0 ? (uint64_t)-v : (uint64_t)v;

	if (v < 0)
		put_char(t, '-');
	do
		digits[n++] = (char)('0' + u % 10);
	while (u /= 10);
	while (n)
		put_char(t, digits[--n]);
}

static enum nst_err text_end(struct text *t)
{
	if (t->n >= t->cap)
		return NST_E_INVAL;
	t->p[t->n] = '\0';
	return NST_OK;
}

/* ---- the table ---- */

static const char *plain_name(const char *name)
{
	static const char *const prefixes[] = {"net.ipv4.", "net.core.",
					       "net/ipv4/", "net/core/"};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		const char *a = prefixes[i], *b = name;

		while (*a && *a == *b) {
			a++;
			b++;
		}
		if (!*a)
			return b;
	}
	return name;
}

static enum nst_err set_int(struct tcp_sysctl *ctl, const struct row *r,
			    const char *value)
{
	int64_t v;

	if (!number(&value, &v) || !at_end(value))
		return NST_E_INVAL;
	/* LINUX: this one is unsigned, and all ones by default. */
	if (v == UINT32_MAX && same(r->name, "tcp_notsent_lowat"))
		v = INT_MAX;
	if (v < r->min || v > r->max)
		return NST_E_INVAL;
	*(int32_t *)(void *)((uint8_t *)ctl + r->off) = (int32_t)v;
	return NST_OK;
}

/* LINUX: proc_dointvec: fewer numbers change only the first ones. */
static enum nst_err set_triple(struct tcp_sysctl *ctl,
			       const struct triple_row *r, const char *value)
{
	uint32_t *at = (uint32_t *)(void *)((uint8_t *)ctl + r->off);
	uint32_t v[3] = {at[0], at[1], at[2]};
	int64_t x;

	for (int i = 0; i < 3 && !at_end(value); i++) {
		if (!number(&value, &x) || x < 1 || x > INT_MAX)
			return NST_E_INVAL;
		v[i] = (uint32_t)x;
	}
	if (!at_end(value))
		return NST_E_INVAL;
	memcpy(at, v, sizeof(v));
	return NST_OK;
}

const char *tcp_sysctl_name(size_t i)
{
	size_t n = sizeof(rows) / sizeof(rows[0]);

	if (i < n)
		return rows[i].name;
	i -= n;
	n = sizeof(triples) / sizeof(triples[0]);
	if (i < n)
		return triples[i].name;
	return i == n ? "tcp_congestion_control" : NULL;
}

enum nst_err nst_sysctl_set(struct nst_stack *st, const char *name,
			    const char *value)
{
	struct tcp_sysctl *ctl = &st->tcp->ctl;
	const struct tcp_cc *cc;

	name = plain_name(name);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (same(rows[i].name, name))
			return set_int(ctl, &rows[i], value);
	}
	for (size_t i = 0; i < sizeof(triples) / sizeof(triples[0]); i++) {
		if (same(triples[i].name, name))
			return set_triple(ctl, &triples[i], value);
	}
	if (same(name, "tcp_fastopen_key"))
		return tcp_fo_key_parse(ctl, value);
	if (!same(name, "tcp_congestion_control"))
		return NST_E_NOENT;
	cc = tcp_cc_find(value);
	if (!cc)
		return NST_E_NOENT;
	ctl->cc = cc;
	return NST_OK;
}

enum nst_err nst_sysctl_get(const struct nst_stack *st, const char *name,
			    char *out, size_t cap)
{
	const struct tcp_sysctl *ctl = &st->tcp->ctl;
	const uint8_t *base = (const uint8_t *)ctl;
	struct text t = {.p = out, .cap = cap};

	name = plain_name(name);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!same(rows[i].name, name))
			continue;
		put_number(
		    &t, *(const int32_t *)(const void *)(base + rows[i].off));
		return text_end(&t);
	}
	for (size_t i = 0; i < sizeof(triples) / sizeof(triples[0]); i++) {
		const uint32_t *v =
		    (const uint32_t *)(const void *)(base + triples[i].off);

		if (!same(triples[i].name, name))
			continue;
		for (int k = 0; k < 3; k++) {
			if (k)
				put_char(&t, '\t');
			put_number(&t, v[k]);
		}
		return text_end(&t);
	}
	if (same(name, "tcp_fastopen_key"))
		return tcp_fo_key_print(ctl, out, cap);
	if (!same(name, "tcp_congestion_control"))
		return NST_E_NOENT;
	for (const char *c = ctl->cc->name; *c; c++)
		put_char(&t, *c);
	return text_end(&t);
}

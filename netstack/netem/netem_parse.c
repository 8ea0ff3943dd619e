/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings as text: "word=value,word=value". One table says which word is what
 * kind of value and where it goes; what hangs on several words is put together
 * at the end, so that their order does not matter.
 */
#include "netstack/base/mem.h"
#include "netstack/netem/netem.h"
#include "netstack/netem/netem_text.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define LIMIT_BYTES_MAX (1u << 30)
#define QUEUE_DEFAULT 1000 /* LINUX: packets, as txqueuelen */

/* What has been read, before words are put together. */
struct raw {
	struct netem_conf c;
	nst_time rtt;
	uint64_t burst;     /* mean length of a burst of losses, 2^-16 */
	uint64_t limit_bdp; /* 2^-16 */
	bool delay_given, limit_given, ecn_given;
};

struct parse {
	struct raw raw;
	struct netem_error *err;
	struct text v; /* the value in hand */
	uint64_t seen; /* words, by index in the table */
};

static enum nst_err fail(struct parse *p, const char *what)
{
	p->err->what = what;
	p->err->at = p->v.at;
	p->err->len = p->v.end - p->v.at;
	return NST_E_INVAL;
}

/* ---- kinds of values; `to` is where it goes ---- */

typedef enum nst_err (*value_fn)(struct parse *p, void *to);

static enum nst_err v_time(struct parse *p, void *to)
{
	if (text_time(p->v, to))
		return NST_OK;
	return fail(p, "not a time up to 1000s, as in 50ms (ns, us, ms, s)");
}

static enum nst_err v_delay(struct parse *p, void *to)
{
	p->raw.delay_given = true;
	return v_time(p, to);
}

static enum nst_err v_chance(struct parse *p, void *to)
{
	if (text_share(p->v, to))
		return NST_OK;
	return fail(p, "not a share from 0% to 100%, as in 0.1%");
}

static enum nst_err v_corr(struct parse *p, void *to)
{
	if (text_share(p->v, to) && *(uint64_t *)to < NETEM_ONE)
		return NST_OK;
	return fail(p, "not a correlation from 0% to below 100%");
}

static enum nst_err v_rate(struct parse *p, void *to)
{
	uint64_t *bits = to;

	if (text_rate(p->v, bits) && *bits >= 1000 && *bits <= 1000000000000)
		return NST_OK;
	return fail(p, "not a rate from 1kbit to 1000gbit, as in 100mbit");
}

static enum nst_err v_bytes(struct parse *p, void *to)
{
	uint64_t v;

	if (!text_size(p->v, LIMIT_BYTES_MAX, &v))
		return fail(p, "not a size, as in 32kb (b, kb, mb, kib, mib)");
	*(uint32_t *)to = (uint32_t)v;
	return NST_OK;
}

static enum nst_err v_mtu(struct parse *p, void *to)
{
	uint64_t v;

	if (!text_count(p->v, "", 65535, &v) || v < NETEM_MTU_MIN)
		return fail(p, "not an MTU from 68 to 65535");
	*(uint32_t *)to = (uint32_t)v;
	return NST_OK;
}

static enum nst_err v_count(struct parse *p, void *to)
{
	uint64_t v;

	if (!text_count(p->v, "", 1000, &v))
		return fail(p, "not a number up to 1000");
	*(uint32_t *)to = (uint32_t)v;
	return NST_OK;
}

static enum nst_err v_seed(struct parse *p, void *to)
{
	size_t at = p->v.at;
	uint64_t v = 0;

	if (p->v.end - at > 18)
		return fail(p, "not a number of at most 18 digits");
	for (; at < p->v.end; at++) {
		char c = p->v.s[at];

		if (c < '0' || c > '9')
			return fail(p, "not a number");
		v = v * 10 + (uint64_t)(c - '0');
	}
	*(uint64_t *)to = v;
	return NST_OK;
}

static enum nst_err v_dist(struct parse *p, void *to)
{
	bool normal = text_is(&p->v, "normal");

	if (!normal && !text_is(&p->v, "uniform"))
		return fail(p, "not a distribution: uniform or normal");
	*(uint8_t *)to = normal ? NETEM_NORMAL : NETEM_UNIFORM;
	return NST_OK;
}

static enum nst_err v_order(struct parse *p, void *to)
{
	*(bool *)to = text_is(&p->v, "keep");
	if (*(bool *)to || text_is(&p->v, "free"))
		return NST_OK;
	return fail(p, "not keep or free");
}

/* 3p, or a time. */
static enum nst_err v_by(struct parse *p, void *to)
{
	uint64_t v;

	(void)to;
	if (text_count(p->v, "p", 1000, &v) && v)
		p->raw.c.by_pkts = (uint32_t)v;
	else if (!text_time(p->v, &p->raw.c.by_time))
		return fail(p, "neither packets, as in 3p, nor a time");
	return NST_OK;
}

/* A number of at least 1 (burst), or of BDPs. */
static bool get_fixed(struct text t, const char *unit, uint64_t *out)
{
	struct text_number n;

	if (!text_number(&t, &n) || !text_is(&t, unit) || n.whole > 100000)
		return false;
	*out = text_scaled(&n, 65536);
	return *out > 0;
}

static enum nst_err v_burst(struct parse *p, void *to)
{
	if (get_fixed(p->v, "", to) && *(uint64_t *)to >= 65536)
		return NST_OK;
	return fail(p, "not a mean length of bursts (packets, 1 or more)");
}

static enum nst_err v_limit(struct parse *p, void *to)
{
	uint64_t v;

	(void)to;
	p->raw.limit_given = true;
	if (get_fixed(p->v, "bdp", &p->raw.limit_bdp))
		return NST_OK;
	if (text_count(p->v, "p", NETEM_QUEUE_PKTS, &v) && v) {
		p->raw.c.limit_pkts = (uint32_t)v;
		return NST_OK;
	}
	if (text_size(p->v, LIMIT_BYTES_MAX, &p->raw.c.limit_bytes) &&
	    p->raw.c.limit_bytes)
		return NST_OK;
	return fail(p, "not a queue, as in 1bdp, 625000b or 430p");
}

static enum nst_err v_ecn(struct parse *p, void *to)
{
	uint64_t v;

	(void)to;
	p->raw.ecn_given = true;
	if (text_count(p->v, "p", NETEM_QUEUE_PKTS, &v) && v) {
		p->raw.c.ecn_pkts = (uint32_t)v;
		return NST_OK;
	}
	if (text_time(p->v, &p->raw.c.ecn_time) && p->raw.c.ecn_time)
		return NST_OK;
	if (text_size(p->v, LIMIT_BYTES_MAX, &p->raw.c.ecn_bytes) &&
	    p->raw.c.ecn_bytes)
		return NST_OK;
	return fail(p, "not a threshold, as in 5ms, 30kb or 20p");
}

/* p:r:bad:good, shares. */
static enum nst_err v_ge(struct parse *p, void *to)
{
	struct netem_conf *c = to;
	uint64_t *out[4] = {&c->ge_p, &c->ge_r, &c->ge_bad, &c->ge_good};
	struct text t = p->v, rest = t;
	bool more = true;
	size_t i;

	for (i = 0; i < 4 && more; i++, t = rest) {
		more = text_cut(&t, ':', &rest);
		if (!text_share(t, out[i]))
			break;
	}
	c->ge = true;
	if (i == 4 && !more)
		return NST_OK;
	return fail(p, "not P:R:BAD:GOOD in percent, as in 1%:25%:100%:0%");
}

static enum nst_err v_slot(struct parse *p, void *to)
{
	struct netem_conf *c = to;
	struct text t = p->v, rest = t;

	if (!text_cut(&t, '-', &rest))
		rest = t;
	if (text_time(t, &c->slot_min) && text_time(rest, &c->slot_max) &&
	    c->slot_min >= NST_US && c->slot_min <= c->slot_max)
		return NST_OK;
	return fail(p, "not a time from 1us, or MIN-MAX, as in 5ms-10ms");
}

static enum nst_err v_down(struct parse *p, void *to)
{
	struct netem_conf *c = to;
	struct text from = p->v, len, every;
	bool ok;

	if (text_cut(&from, '+', &len)) {
		ok = !text_cut(&len, '/', &every) ||
		     text_time(every, &c->down_every);
		if (ok && text_time(from, &c->down_from) &&
		    text_time(len, &c->down_for))
			return NST_OK;
	}
	return fail(p, "not FROM+LENGTH[/EVERY], as in 2s+500ms/10s");
}

/* ---- the table ---- */

#define RAW(field) offsetof(struct raw, field)

static const struct word {
	const char *name;
	value_fn take;
	size_t to;
} words[] = {
    {"delay", v_delay, RAW(c.delay)},
    {"rtt", v_time, RAW(rtt)},
    {"jitter", v_time, RAW(c.jitter)},
    {"jitter-corr", v_corr, RAW(c.jitter_corr)},
    {"dist", v_dist, RAW(c.dist)},
    {"order", v_order, RAW(c.keep_order)},
    {"loss", v_chance, RAW(c.loss.p)},
    {"loss-corr", v_corr, RAW(c.loss.corr)},
    {"burst", v_burst, RAW(burst)},
    {"ge", v_ge, RAW(c)},
    {"dup", v_chance, RAW(c.dup.p)},
    {"dup-corr", v_corr, RAW(c.dup.corr)},
    {"reorder", v_chance, RAW(c.reorder.p)},
    {"reorder-corr", v_corr, RAW(c.reorder.corr)},
    {"gap", v_count, RAW(c.gap)},
    {"by", v_by, RAW(c)},
    {"corrupt", v_chance, RAW(c.corrupt.p)},
    {"corrupt-corr", v_corr, RAW(c.corrupt.corr)},
    {"flips", v_count, RAW(c.flips)},
    {"mark", v_chance, RAW(c.mark.p)},
    {"rate", v_rate, RAW(c.rate_bits)},
    {"overhead", v_bytes, RAW(c.overhead)},
    {"bucket", v_bytes, RAW(c.bucket)},
    {"limit", v_limit, RAW(c)},
    {"ecn", v_ecn, RAW(c)},
    {"slot", v_slot, RAW(c)},
    {"down", v_down, RAW(c)},
    {"mtu", v_mtu, RAW(c.mtu)},
    {"seed", v_seed, RAW(c.seed)},
};

_Static_assert(COUNT_OF(words) <= 64, "parse.seen has a bit for each");

static enum nst_err take_word(struct parse *p, struct text word)
{
	struct text value = {word.s, word.end, word.end};
	bool has = text_cut(&word, '=', &value);

	p->v = word;
	if (word.at == word.end)
		return fail(p, "a setting is missing");
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		if (!text_is(&word, words[i].name))
			continue;
		if (!has || value.at == value.end)
			return fail(p, "has no value");
		if (p->seen >> i & 1)
			return fail(p, "is given twice");
		p->seen |= 1ull << i;
		p->v = value;
		return words[i].take(p, (char *)&p->raw + words[i].to);
	}
	return fail(p, "unknown setting");
}

/* ---- what hangs on several words ---- */

/* The simple Gilbert model: all is lost in the bad state, whose mean length
 * is `burst`; as much of the time is bad as shall be lost. */
static enum nst_err join_burst(struct parse *p)
{
	struct netem_conf *c = &p->raw.c;

	if (!p->raw.burst)
		return NST_OK;
	if (!c->loss.p || c->loss.p == NETEM_ONE)
		return fail(p, "burst needs a loss below 100%");
	if (c->loss.corr || c->ge)
		return fail(p, "burst, loss-corr and ge exclude each other");
	c->ge = true;
	c->ge_r = (NETEM_ONE << 16) / p->raw.burst;
	c->ge_p = (c->ge_r * (c->loss.p >> 2) / (NETEM_ONE - c->loss.p)) << 2;
	if (c->ge_p > NETEM_ONE)
		return fail(p, "burst is too short for so much loss");
	c->ge_bad = NETEM_ONE;
	c->ge_good = 0;
	c->loss.p = 0;
	return NST_OK;
}

static enum nst_err join_rtt(struct parse *p)
{
	if (!p->raw.rtt)
		return NST_OK;
	if (p->raw.delay_given)
		return fail(p, "delay and rtt exclude each other");
	p->raw.c.delay = p->raw.rtt / 2;
	return NST_OK;
}

/* One bandwidth-delay product is of the rtt, if it was given as such. */
static enum nst_err join_limit(struct parse *p)
{
	struct netem_conf *c = &p->raw.c;
	nst_time t = p->raw.rtt ? p->raw.rtt : c->delay;
	uint64_t v;

	if (!c->rate_bits && (p->raw.limit_given || p->raw.ecn_given ||
			      c->overhead || c->bucket))
		return fail(p, "limit, ecn, overhead and bucket need a rate");
	if (c->rate_bits && !p->raw.limit_given)
		c->limit_pkts = QUEUE_DEFAULT;
	if (!p->raw.limit_bdp)
		return NST_OK;
	if (!t)
		return fail(p, "a limit in bdp needs a delay or rtt");
	if (__builtin_mul_overflow(c->rate_bits / 8, (uint64_t)t / 1000, &v) ||
	    __builtin_mul_overflow(v / 1000000, p->raw.limit_bdp, &v) ||
	    v / 65536 > LIMIT_BYTES_MAX)
		return fail(p, "limit is more than 1 GiB");
	c->limit_bytes = v / 65536 ? v / 65536 : 1;
	return NST_OK;
}

static enum nst_err join_rest(struct parse *p)
{
	struct netem_conf *c = &p->raw.c;

	if (!c->reorder.p && (c->gap || c->by_pkts || c->by_time))
		return fail(p, "gap and by need reorder");
	if (c->reorder.p && !c->by_pkts && !c->by_time && !c->delay)
		return fail(p, "reorder without by needs a delay to skip");
	if (c->down_every && c->down_every <= c->down_for)
		return fail(p, "down: the link would never be up");
	return NST_OK;
}

enum nst_err netem_parse(const char *text, struct netem_conf *out,
			 struct netem_error *err)
{
	struct parse p = {.err = err, .raw.c.seed = 1};
	struct text all = {text, 0, 0}, rest;
	enum nst_err e = NST_OK;
	bool more = true;

	while (text[all.end])
		all.end++;
	while (more && !e) {
		more = text_cut(&all, ',', &rest);
		e = take_word(&p, all);
		all = rest;
	}
	if (e)
		return e;
	p.v = (struct text){text, 0, 0};
	if (join_rtt(&p) || join_burst(&p) || join_limit(&p) || join_rest(&p))
		return NST_E_INVAL;
	*out = p.raw.c;
	return NST_OK;
}

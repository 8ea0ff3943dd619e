/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/tape.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim_priv.h"

#define AROUND 4 /* packets shown on each side of a difference */

/* ---- writing ---- */

/* FNV-1a, a word at a time. */
uint64_t tape_mix(uint64_t h, const void *data, size_t n)
{
	const uint8_t *p = data;
	uint64_t w;

	for (; n >= sizeof(w); n -= sizeof(w), p += sizeof(w)) {
		memcpy(&w, p, sizeof(w));
		h = (h ^ w) * 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
	}
	for (; n; n--, p++)
		h = (h ^ *p) * 0x100000001b3u;
	return h;
}

static struct tape_entry *add(struct tape *t)
{
	if (t->n == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 1024;
		struct tape_entry *v = realloc(t->v, cap * sizeof(*v));

		if (!v) {
			t->failed = true;
			return NULL;
		}
		t->v = v;
		t->cap = cap;
	}
	memset(&t->v[t->n], 0, sizeof(t->v[0]));
	return &t->v[t->n++];
}

static uint64_t packet_hash(const struct nst_pkt *pkt, uint32_t bytes)
{
	static _Thread_local uint8_t buf[65536 + 256];
	uint32_t at, m;
	uint64_t h = 0;

	for (at = 0; at < bytes; at += m) {
		m = bytes - at < sizeof(buf) ? bytes - at : sizeof(buf);
		nst_pkt_copy(pkt, at, buf, m);
		h = tape_mix(h, buf, m);
	}
	return h ^ pkt->csum ^ (uint64_t)pkt->gso << 8 ^
	       (uint64_t)pkt->gso_size << 32;
}

void tape_packet(struct sim_host *h, const struct nst_pkt *pkt)
{
	struct tape *t = h->sim->tape;
	struct tape_entry *e = t ? add(t) : NULL;
	uint32_t n = nst_pkt_bytes(pkt);

	if (!e)
		return;
	e->at = h->sim->now;
	e->host = (uint8_t)h->i;
	e->bytes = n;
	e->gso = pkt->gso_size;
	e->hash = packet_hash(pkt, n);
	e->head_bytes = (uint8_t)(n < TAPE_HEAD ? n : TAPE_HEAD);
	nst_pkt_copy(pkt, 0, e->head, e->head_bytes);
	t->hash = tape_mix(t->hash, &e->at, sizeof(e->at));
	t->hash = tape_mix(t->hash, &e->hash, sizeof(e->hash));
}

static void result(struct tape *t, uint64_t value, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void result(struct tape *t, uint64_t value, const char *fmt, ...)
{
	struct tape_result *v =
	    realloc(t->results, (t->nresults + 1) * sizeof(*v));
	va_list ap;

	if (!v) {
		t->failed = true;
		return;
	}
	t->results = v;
	v += t->nresults++;
	v->value = value;
	va_start(ap, fmt);
	vsnprintf(v->name, sizeof(v->name), fmt, ap);
	va_end(ap);
}

static void talk_results(struct tape *t, const struct sim *s, uint32_t i)
{
	struct sim_talk_result r;

	sim_talk_result(s, i, &r);
	for (int k = 0; k < 2; k++) {
		result(t, r.got[k], "talk %u side %d: got", i, k);
		result(t, r.errors[k], "talk %u side %d: errors", i, k);
		result(t, r.digest[k], "talk %u side %d: contents", i, k);
	}
}

void tape_results(struct tape *t, const struct sim *s)
{
	const char *name;
	uint64_t v;

	for (uint32_t i = 0; i < s->conf.nflows; i++) {
		struct sim_flow_result r;

		sim_result(s, i, &r);
		for (int k = 0; k < 2; k++) {
			result(t, r.got[k], "flow %u side %d: got", i, k);
			result(t, (uint64_t)r.last[k],
			       "flow %u side %d: last read", i, k);
			result(t, r.digest[k], "flow %u side %d: reads", i, k);
			result(t, tape_mix(0, &r.info[k], sizeof(r.info[k])),
			       "flow %u side %d: TCP_INFO", i, k);
		}
	}
	for (uint32_t i = 0; i < s->conf.ntalks; i++)
		talk_results(t, s, i);
	for (int k = 0; k < 2; k++)
		result(t,
		       tape_mix(0, sim_link_stats(s, k),
				sizeof(struct netem_stats)),
		       "%s link", k ? "backward" : "forward");
	for (uint32_t i = 0; i < s->nhosts; i++) {
		const uint8_t *c = (const uint8_t *)sim_counters(s, i);

		result(t, sim_events(s, i), "host %u: events told", i);
		for (size_t k = 0; (name = nst_counter_name(k)); k++) {
			memcpy(&v, c + k * sizeof(v), sizeof(v));
			result(t, v, "host %u: %s", i, name);
		}
	}
}

void tape_free(struct tape *t)
{
	free(t->v);
	free(t->results);
	*t = (struct tape){0};
}

/* ---- reading ---- */

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

static void print_tcp(FILE *f, const struct tape_entry *e, uint32_t l4)
{
	const uint8_t *p = e->head + l4;
	uint32_t hdr = (uint32_t)(p[12] >> 4) * 4;

	fprintf(f, "%u > %u flags %03x seq %u ack %u win %u len %u",
		p[0] << 8 | p[1], p[2] << 8 | p[3],
		(unsigned)(p[12] & 1) << 8 | p[13], be32(p + 4), be32(p + 8),
		p[14] << 8 | p[15], e->bytes - l4 - hdr);
	for (uint32_t i = 20; i < hdr && l4 + i < e->head_bytes; i++)
		fprintf(f, "%s%02x", i == 20 ? " opt " : "", p[i]);
}

static void print_entry(FILE *f, char mark, const struct tape_entry *e)
{
	bool v4 = e->head[0] >> 4 == 4;
	uint32_t l4 = v4 ? 20 : 40, proto = e->head[v4 ? 9 : 6];

	fprintf(f, "  %c %.9f host %u %s", mark,
		(double)(e->at - SIM_START) / 1e9, e->host, v4 ? "v4 " : "v6 ");
	if (proto == 6 && e->head_bytes >= l4 + 20)
		print_tcp(f, e, l4);
	else
		fprintf(f, "protocol %u, %u bytes", proto, e->bytes);
	fprintf(f, " tos %02x hash %016llx\n",
		v4 ? e->head[1] : (e->head[0] << 4 | e->head[1] >> 4) & 0xff,
		(unsigned long long)e->hash);
}

static void print_around(FILE *f, char mark, const struct tape *t, size_t at)
{
	size_t from = at > AROUND ? at - AROUND : 0;

	for (size_t i = from; i < t->n && i <= at + AROUND; i++)
		print_entry(f, i == at ? mark : ' ', &t->v[i]);
}

static bool results_differ(FILE *f, const struct tape *a, const struct tape *b)
{
	bool differ = a->nresults != b->nresults;

	for (size_t i = 0; i < a->nresults && i < b->nresults; i++) {
		const struct tape_result *x = &a->results[i];
		const struct tape_result *y = &b->results[i];

		if (x->value == y->value)
			continue;
		differ = true;
		fprintf(f, "%s: %llu undisturbed, %llu with saves\n", x->name,
			(unsigned long long)x->value,
			(unsigned long long)y->value);
	}
	return differ;
}

static bool packets_differ(FILE *f, const struct tape *a, const struct tape *b)
{
	size_t at = 0;

	if (a->hash == b->hash && a->n == b->n)
		return false;
	while (at < a->n && at < b->n &&
	       memcmp(&a->v[at], &b->v[at], sizeof(a->v[0])) == 0)
		at++;
	fprintf(f, "packet %zu (of %zu and %zu) differs\n", at, a->n, b->n);
	fprintf(f, " undisturbed:\n");
	print_around(f, '-', a, at);
	fprintf(f, " with saves:\n");
	print_around(f, '+', b, at);
	return true;
}

char *tape_diff(const struct tape *a, const struct tape *b)
{
	char *text = NULL;
	bool differ;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		abort();
	differ = packets_differ(f, a, b) || results_differ(f, a, b);
	if (a->failed || b->failed) {
		fprintf(f, "no memory for a tape\n");
		differ = true;
	}
	fclose(f);
	if (differ)
		return text;
	free(text);
	return NULL;
}

/* ---- twice ---- */

static char *text_of(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));
static char *text_of(const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	return text;
}

static char *run_once(const struct sim_conf *conf, struct tape *t)
{
	struct sim_conf c = *conf;
	char *why = NULL;
	struct sim *s;
	bool ok;

	c.tape = t;
	s = sim_new(&c);
	if (!s)
		return text_of("cannot be set up");
	ok = sim_run(s);
	tape_results(t, s);
	t->saves = sim_saves(s);
	memcpy(t->last_save, sim_last_save(s), sizeof(t->last_save));
	ok = sim_close(s) && ok;
	if (!ok)
		why = text_of(
		    "%s: %s (at %.9f s)", c.save ? "with saves" : "undisturbed",
		    sim_failed(s), (double)(sim_now(s) - SIM_START) / 1e9);
	sim_free(s);
	return why;
}

/* NULL: it was well, and as `a`. */
static char *run_against(const struct sim_conf *conf, const struct tape *a,
			 struct tape *b)
{
	char *why = run_once(conf, b), *more = tape_diff(a, b), *both;

	if (!why || !more)
		return why ? why : more;
	both = text_of("%s\n%s", why, more);
	free(why);
	free(more);
	return both;
}

/* The first of `saves` that does it, in words: so many are done before. */
static char *find_culprit(const struct sim_conf *conf, const struct tape *a,
			  uint64_t saves)
{
	uint64_t lo = 0, hi = saves; /* lo: alike, hi: not */
	struct sim_conf c = *conf;
	char *text = text_of("the last save");

	c.trace = NULL;
	while (hi - lo > 1) {
		struct tape b = {0};
		char *why;

		c.save_most = lo + (hi - lo) / 2;
		why = run_against(&c, a, &b);
		if (why) {
			hi = c.save_most;
			free(text);
			text = text_of("save %llu: %s", (unsigned long long)hi,
				       b.last_save);
		} else {
			lo = c.save_most;
		}
		free(why);
		tape_free(&b);
	}
	return text;
}

char *sim_same(const struct sim_conf *conf, uint64_t *saves)
{
	struct sim_conf plain = *conf;
	struct tape a = {0}, b = {0};
	char *why, *who, *all;

	plain.save = SIM_SAVE_NEVER;
	plain.trace = NULL;
	why = run_once(&plain, &a);
	if (!why) {
		why = run_against(conf, &a, &b);
		if (why && b.saves && !conf->lost_bytes) {
			who = find_culprit(conf, &a, b.saves);
			all = text_of("%s%s", why, who);
			free(why);
			free(who);
			why = all;
		}
	}
	if (saves)
		*saves = b.saves;
	tape_free(&a);
	tape_free(&b);
	return why;
}

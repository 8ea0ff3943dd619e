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
static uint64_t mix(uint64_t h, const void *data, size_t n)
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
		h = mix(h, buf, m);
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
	t->hash = mix(t->hash, &e->at, sizeof(e->at));
	t->hash = mix(t->hash, &e->hash, sizeof(e->hash));
}

void tape_results(struct tape *t, const struct sim *s)
{
	for (uint32_t i = 0; i < s->conf.nflows; i++) {
		struct sim_flow_result r;

		sim_result(s, i, &r);
		for (int k = 0; k < 2; k++) {
			t->hash = mix(t->hash, &r.got[k], sizeof(r.got[k]));
			t->hash = mix(t->hash, &r.last[k], sizeof(r.last[k]));
			t->hash = mix(t->hash, &r.info[k], sizeof(r.info[k]));
		}
	}
	for (uint32_t i = 0; i < s->nhosts; i++)
		t->hash = mix(t->hash, sim_counters(s, i),
			      sizeof(struct nst_counters));
}

void tape_free(struct tape *t)
{
	free(t->v);
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

char *tape_diff(const struct tape *a, const struct tape *b)
{
	char *text = NULL;
	size_t at = 0, size;
	FILE *f;

	if (a->hash == b->hash && a->n == b->n && !a->failed && !b->failed)
		return NULL;
	f = open_memstream(&text, &size);
	if (!f)
		abort();
	while (at < a->n && at < b->n &&
	       memcmp(&a->v[at], &b->v[at], sizeof(a->v[0])) == 0)
		at++;
	if (at == a->n && at == b->n) {
		fprintf(f, "%zu packets alike; results or counters differ", at);
	} else {
		fprintf(f, "packet %zu (of %zu and %zu) differs\n", at, a->n,
			b->n);
		fprintf(f, " undisturbed:\n");
		print_around(f, '-', a, at);
		fprintf(f, " with saves:\n");
		print_around(f, '+', b, at);
	}
	fclose(f);
	return text;
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
	ok = sim_close(s) && ok;
	if (!ok)
		why = text_of(
		    "%s: %s (at %.9f s)", c.save ? "with saves" : "undisturbed",
		    sim_failed(s), (double)(sim_now(s) - SIM_START) / 1e9);
	sim_free(s);
	return why;
}

char *sim_same(const struct sim_conf *conf, uint64_t *saves)
{
	struct sim_conf plain = *conf;
	struct tape a = {0}, b = {0};
	char *why, *more;

	plain.save = SIM_SAVE_NEVER;
	plain.trace = NULL;
	why = run_once(&plain, &a);
	if (!why) {
		why = run_once(conf, &b);
		more = tape_diff(&a, &b);
		if (why && more) {
			char *both = text_of("%s\n%s", why, more);

			free(why);
			free(more);
			why = both;
		} else if (more) {
			why = more;
		}
	}
	if (saves)
		*saves = b.saves;
	tape_free(&a);
	tape_free(&b);
	return why;
}

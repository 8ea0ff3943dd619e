/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images. An input that begins with the magic of a file is read as one. Any
 * other is the records of a stack: it is loaded; what could be loaded must be
 * consistent, live on for a while (timers that end, no leak), and be saved and
 * loaded again. And it is shown, from within a file with a proper hash. The
 * last byte chooses how.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/nst_save.h"
#include "sentry/image/image.h"
#include "sentry/image/json.h"
#include "tests/fuzz/fuzz.h"

#define INPUT_MAX 65536
#define LIVE_MAX ((size_t)256 << 20)
#define OUT_MAX ((size_t)4 << 20)

enum { CLONE = 1, OUTAGE = 2, FAIL = 4, SHOW = 8 };

static void drop(void *link, struct nst_pkt *pkt)
{
	(void)link;
	nst_pkt_free(pkt);
}

static bool take_nic(void *ctx, struct nst_nic_config *cfg)
{
	static const struct nst_link_ops ops = {drop};

	(void)ctx;
	cfg->ops = &ops;
	return true;
}

static enum nst_err load(struct fuzz_world *w, const uint8_t *p,
			 const uint8_t *end, uint8_t how, char *why)
{
	struct nst_load l = {.env = &w->te.env,
			     .nic = take_nic,
			     .clone = how & CLONE,
			     .outage = how & OUTAGE ? 10 * NST_SEC : 0};
	enum nst_err e = nst_stack_load(&l, &p, end, &w->st, why);

	FUZZ_CHECK(!e == !!w->st);
	FUZZ_CHECK(!e || why[0]);
	if (!e)
		w->now = nst_stack_now(w->st);
	return e;
}

/* ---- saved again ---- */

struct out {
	uint8_t *p;
	size_t used;
};

static bool put(void *ctx, const void *data, size_t bytes)
{
	struct out *o = ctx;

	if (o->used + bytes > OUT_MAX)
		return false;
	memcpy(o->p + o->used, data, bytes);
	o->used += bytes;
	return true;
}

static void again(struct fuzz_world *w, uint8_t how)
{
	struct out o = {.p = malloc(OUT_MAX)};
	char why[NST_SAVE_WHY];
	const struct nst_save_sink sink = {&o, put};
	enum nst_err e = nst_stack_save(w->st, &sink);

	nst_stack_free(w->st);
	w->st = NULL;
	if (!e && load(w, o.p, o.p + o.used, how & CLONE, why))
		fuzz_fail(__FILE__, __LINE__, why);
	free(o.p);
}

static void live(struct fuzz_world *w, uint8_t how)
{
	fuzz_check(w);
	again(w, how);
	if (!w->st)
		return;
	fuzz_check(w);
	if (how & OUTAGE)
		nst_stack_resumed(w->st, w->now);
	fuzz_pass(w, 10 * NST_SEC);
}

static void load_records(const uint8_t *p, const uint8_t *end, uint8_t how)
{
	struct fuzz_world w = {0};
	char why[NST_SAVE_WHY];

	testenv_init(&w.te, 1);
	w.te.max_bytes = LIVE_MAX;
	if (how & FAIL)
		testenv_fail_nth(&w.te, how >> 4);
	if (!load(&w, p, end, how, why)) {
		testenv_fail_never(&w.te);
		live(&w, how);
	}
	nst_stack_free(w.st);
	FUZZ_CHECK(testenv_leaks(&w.te) == 0);
}

/* ---- files ---- */

static void walk(const struct image *im)
{
	struct image_walk k;

	image_walk_init(&k, im);
	while (image_walk_next(&k)) {
		const ProtobufCMessage *m =
		    k.known ? image_walk_message(&k) : NULL;
		struct json_object *o = m ? image_json(m, false) : NULL;

		FUZZ_CHECK(!m || json_object_to_json_string(o));
		json_object_put(o);
		if (k.in.err)
			break;
	}
	image_walk_fini(&k);
}

static void read_file(const uint8_t *p, size_t bytes)
{
	char why[IMAGE_WHY] = "";
	struct image im;

	if (image_parse(&im, p, bytes, why)) {
		FUZZ_CHECK(why[0]);
		return;
	}
	walk(&im);
	image_free(&im);
}

static size_t put_record(uint8_t *to, uint32_t type, const ProtobufCMessage *m)
{
	size_t n = protobuf_c_message_pack(m, to + IMAGE_RECORD_BYTES);

	memcpy(to, &type, 4);
	memcpy(to + 4, &(uint32_t){(uint32_t)n}, 4);
	return IMAGE_RECORD_BYTES + n;
}

/* The records as the one part of a file. */
static void show_records(const uint8_t *p, size_t bytes)
{
	static char kind[] = IMAGE_PART_GUEST;
	Cordon__ImagePart part = CORDON__IMAGE_PART__INIT, *list = &part;
	Cordon__ImageHeader h = CORDON__IMAGE_HEADER__INIT;
	Cordon__ImageTail tail = CORDON__IMAGE_TAIL__INIT;
	uint8_t hash[IMAGE_HASH_BYTES], *buf = malloc(bytes + 1024);
	size_t n = IMAGE_PREAMBLE_BYTES;

	for (size_t at = 0; at + 8 <= bytes; part.records++) {
		uint32_t len;

		memcpy(&len, p + at + 4, 4);
		if (len > bytes - at - 8)
			break;
		at += 8 + len;
		part.bytes = at;
	}
	part.kind = kind;
	h.parts = &list;
	h.n_parts = 1;
	memset(buf, 0, n);
	memcpy(buf, IMAGE_MAGIC, IMAGE_MAGIC_BYTES);
	buf[12] = IMAGE_FORMAT;
	n += put_record(buf + n, IMAGE_HEADER, &h.base);
	memcpy(buf + n, p, part.bytes);
	n += part.bytes;
	crypto_generichash(hash, sizeof hash, buf, n, NULL, 0);
	tail.blake2b = (ProtobufCBinaryData){sizeof hash, hash};
	n += put_record(buf + n, IMAGE_TAIL, &tail.base);
	read_file(buf, n);
	free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	uint8_t how = bytes ? data[bytes - 1] : 0;

	if (bytes > INPUT_MAX)
		return 0;
	if (bytes >= IMAGE_MAGIC_BYTES &&
	    !memcmp(data, IMAGE_MAGIC, IMAGE_MAGIC_BYTES)) {
		read_file(data, bytes);
		return 0;
	}
	load_records(data, data + bytes, how);
	if (how & SHOW)
		show_records(data, bytes);
	return 0;
}

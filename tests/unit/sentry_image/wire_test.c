/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netstack/save reads and writes protobuf's wire format by itself; protobuf-c
 * is the judge: every record of the fuzzer's corpus, and a message with all
 * that a schema here may have, must be the same by both.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/core/env_plain.h"
#include "sentry/image/image.h"

#define RECORD_BYTES 8
#define FILE_MOST (1u << 20)

struct text {
	uint8_t *p;
	size_t n;
};

static struct text pack(const ProtobufCMessage *m)
{
	struct text t = {malloc(protobuf_c_message_get_packed_size(m) + 1), 0};

	t.n = protobuf_c_message_pack(m, t.p);
	return t;
}

static bool keep(void *ctx, const void *data, size_t bytes)
{
	struct text *t = ctx;

	t->n = bytes - RECORD_BYTES;
	t->p = malloc(t->n + 1);
	memcpy(t->p, (const uint8_t *)data + RECORD_BYTES, t->n);
	return true;
}

static struct text pack_ours(const ProtobufCMessage *m)
{
	struct text t = {NULL, 0};
	const struct nst_save_sink sink = {&t, keep};
	struct save_out o;

	save_out_init(&o, env_plain(), &sink);
	save_record(&o, NST_SAVE_STACK, m);
	cr_assert_not(o.failed);
	save_out_fini(&o);
	return t;
}

static void same(struct text a, struct text b, const char *what)
{
	cr_assert_eq(a.n, b.n, "%s: %zu, %zu bytes", what, a.n, b.n);
	cr_assert_eq(memcmp(a.p, b.p, a.n), 0, "%s", what);
	free(a.p);
	free(b.p);
}

/* What protobuf-c refuses is refused; what both take is the same. */
static bool agree(struct save_in *in, const ProtobufCMessageDescriptor *d)
{
	ProtobufCMessage *theirs =
	    protobuf_c_message_unpack(d, NULL, in->bytes, in->data);
	const ProtobufCMessage *ours = save_parse(in, d);

	cr_assert(theirs || !ours, "%s", d->name);
	if (ours) {
		same(pack(ours), pack(theirs), d->name);
		same(pack_ours(theirs), pack(theirs), d->name);
	}
	if (theirs)
		protobuf_c_message_free_unpacked(theirs, NULL);
	return ours != NULL;
}

static size_t corpus_file(const char *path)
{
	static uint8_t data[FILE_MOST];
	char why[NST_SAVE_WHY];
	struct save_in in;
	size_t n = 0, bytes;
	FILE *f = fopen(path, "rb");

	cr_assert(f, "%s", path);
	bytes = fread(data, 1, sizeof data, f);
	fclose(f);
	save_in_init(&in, env_plain(), data, bytes, why);
	while (save_next(&in)) {
		const struct image_type *t = image_type_of(in.type);

		n += t && agree(&in, t->desc);
	}
	save_in_fini(&in);
	return n;
}

Test(wire, records_of_the_corpus)
{
	DIR *dir = opendir(CORPUS);
	struct dirent *e;
	char path[512];
	size_t n = 0;

	cr_assert(dir, CORPUS);
	while ((e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, CORPUS "/%.200s", e->d_name);
		n += corpus_file(path);
	}
	closedir(dir);
	cr_assert_gt(n, 300, "%zu records", n);
}

/* Texts, bytes, messages and numbers, alone and repeated, also empty ones. */
Test(wire, every_kind_of_field)
{
	Cordon__ImageHeader h = CORDON__IMAGE_HEADER__INIT;
	Cordon__ImagePart part[9], *parts[9];
	char text[] = "1.2", none[] = "";
	uint8_t bytes[] = {0, 255};
	ProtobufCBinaryData argv[] = {{2, bytes}, {0, NULL}, {1, bytes}};
	char why[NST_SAVE_WHY];
	struct save_in in;
	struct text t;

	h.cordon = text;
	h.kernel = none;
	h.saved_at = -5;
	h.clone = true;
	h.argv = argv;
	h.n_argv = 3;
	h.parts = parts;
	h.n_parts = 9;
	for (size_t i = 0; i < 9; i++) {
		part[i] = (Cordon__ImagePart)CORDON__IMAGE_PART__INIT;
		part[i].records = i ? UINT64_MAX >> (7 * i) : 0;
		parts[i] = &part[i];
	}
	t = pack_ours(&h.base);
	same(t, pack(&h.base), "header");
	t = pack(&h.base);
	save_in_init(&in, env_plain(), NULL, 0, why);
	in.data = t.p;
	in.bytes = (uint32_t)t.n;
	cr_assert(agree(&in, h.base.descriptor));
	for (in.bytes = 0; in.bytes < t.n; in.bytes++) /* cut anywhere */
		(void)agree(&in, h.base.descriptor);
	save_in_fini(&in);
	free(t.p);
}

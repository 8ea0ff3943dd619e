/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image files: docs/IMAGE.md has the format. A file is read whole and verified
 * whole before anything of it is used; it is written beside the old one,
 * synced, and takes its name at the end, or leaves the old one as it was.
 *
 * What an image says is hostile input also when its hash is right: a hash shows
 * damage, not who wrote it.
 *
 * Errors: -errno, with the reason for people in `why` (IMAGE_WHY bytes), which
 * does not name the file. -EBADMSG: not an image, or a damaged one; -ENOTSUP:
 * of another version. No locking: an image belongs to one thread.
 */
#ifndef SENTRY_IMAGE_IMAGE_H
#define SENTRY_IMAGE_IMAGE_H

#include "netstack/save/save.h"
#include "sentry/image/image.pb-c.h"

#define IMAGE_WHY 320
#define IMAGE_FORMAT 1u
#define IMAGE_MAGIC "CORDONIMG"
#define IMAGE_MAGIC_BYTES 9u
#define IMAGE_PREAMBLE_BYTES 16u /* magic, zeros, format */
#define IMAGE_RECORD_BYTES 8u    /* type and length of a record */
#define IMAGE_HASH_BYTES 32u
/* Its record, whole: type, length, one field. */
#define IMAGE_TAIL_BYTES (IMAGE_RECORD_BYTES + 2 + IMAGE_HASH_BYTES)
#define IMAGE_BYTES_MAX ((uint64_t)8 << 30)

/* Beyond those of netstack and sentry. */
enum image_record {
	IMAGE_HEADER = 1000,
	IMAGE_TAIL = 1001,
};

/* Kinds of parts. A kind that is not known is an error only for who restores
 * it. "process" is kept free for the guest's process image. */
#define IMAGE_PART_GUEST "guest-stack"
#define IMAGE_PART_GATEWAY_STACK "gateway-stack"
#define IMAGE_PART_GATEWAY "gateway"
/* What is between the guest's sockets and the netstack. */
#define IMAGE_PART_UNREAD "unread"
/* What is on its way through --netem, as the guest sees it. */
#define IMAGE_PART_NETEM_OUT "netem-out"
#define IMAGE_PART_NETEM_IN "netem-in"

/* ---- reading ---- */
struct image {
	const uint8_t *data; /* the file */
	size_t bytes;
	uint8_t *owned; /* data, if image_read took the memory */
	uint32_t format;
	struct save_in head; /* has the header's memory */
	const Cordon__ImageHeader *header;
	const uint8_t *records, *end; /* between header and tail */
	uint8_t hash[IMAGE_HASH_BYTES];
};

/* Verifies bytes in memory, which are borrowed until image_free. */
int image_parse(struct image *im, const uint8_t *data, size_t bytes, char *why);
/* Reads and verifies a file. */
int image_read(struct image *im, const char *path, char *why);
void image_free(struct image *im);

/* ---- records, one after the other (walk.c) ---- */
struct image_type {
	uint32_t type;
	const char *name; /* for people */
	const ProtobufCMessageDescriptor *desc;
};
/* NULL: not known. */
const struct image_type *image_type_of(uint32_t type);

struct image_walk {
	const struct image *im;
	struct save_in in;
	char why[NST_SAVE_WHY];
	size_t part;     /* index of the record's part in the header */
	uint64_t left;   /* records of it that are still to come */
	uint64_t number; /* of the record in the file, from 0 */
	uint32_t type;
	const struct image_type *known; /* or NULL */
};
void image_walk_init(struct image_walk *w, const struct image *im);
/* False: no more. */
bool image_walk_next(struct image_walk *w);
/* The record's message until the next one; NULL: unknown, or broken (why). */
const ProtobufCMessage *image_walk_message(struct image_walk *w);
/* "guest-stack", ...; "" outside of any. */
const char *image_walk_part(const struct image_walk *w);
void image_walk_fini(struct image_walk *w);

/* ---- writing ---- */
/*
 * Writes header, the bytes of `records` (a descriptor of a file, read from its
 * start) and tail to `path`: all or nothing. The header's modules are filled in
 * here.
 */
int image_write(const char *path, const Cordon__ImageHeader *header,
		int records, uint64_t bytes, char *why);

/* The versions of records that this program reads and writes; the end has no
 * name. */
struct image_version {
	const char *name;
	uint32_t version;
};
extern const struct image_version image_modules[];

/* Sets the reason; returns err. */
int image_fail(char *why, int err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif

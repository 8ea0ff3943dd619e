/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading. The order of the checks makes the reason clear: what is no image at
 * all, what is of a newer format, what was cut, what was changed, and only
 * then whether this program knows what is in it.
 */
#include "sentry/image/image.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sentry/core/env_plain.h"

static uint32_t get32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	       (uint32_t)p[3] << 24;
}

/* ---- the frame ---- */

static int check_preamble(const uint8_t *p, size_t n, uint32_t *format,
			  char *why)
{
	static const uint8_t start[IMAGE_PREAMBLE_BYTES - 4] = IMAGE_MAGIC;
	size_t have = n < sizeof start ? n : sizeof start;

	if (!n)
		return image_fail(why, -EBADMSG, "is empty");
	if (memcmp(p, start, have) != 0)
		return image_fail(why, -EBADMSG, "is not an image of cordon");
	if (n < IMAGE_PREAMBLE_BYTES)
		return image_fail(why, -EBADMSG, "is cut short");
	*format = get32(p + sizeof start);
	if (*format > IMAGE_FORMAT)
		return image_fail(why, -ENOTSUP,
				  "is of format %u, made by a newer cordon; "
				  "this one reads up to %u",
				  *format, IMAGE_FORMAT);
	if (!*format)
		return image_fail(why, -EBADMSG, "is of no known format");
	return 0;
}

static bool is_tail(const uint8_t *p)
{
	return get32(p) == IMAGE_TAIL &&
	       get32(p + 4) == IMAGE_TAIL_BYTES - IMAGE_RECORD_BYTES;
}

/* It has no proper end; but if one is where it should be, something before it
 * was changed. */
static int no_end(const struct image *im, char *why)
{
	if (im->bytes >= IMAGE_PREAMBLE_BYTES + IMAGE_TAIL_BYTES &&
	    is_tail(im->data + im->bytes - IMAGE_TAIL_BYTES))
		return image_fail(why, -EBADMSG, "is damaged");
	return image_fail(why, -EBADMSG, "is cut short");
}

/* From record to record, up to the tail, which must be the end. */
static int find_tail(struct image *im, char *why)
{
	const uint8_t *p = im->data + IMAGE_PREAMBLE_BYTES;
	const uint8_t *stop = im->data + im->bytes;

	while (stop - p >= (ptrdiff_t)IMAGE_RECORD_BYTES) {
		uint32_t n = get32(p + 4);

		if (n > (size_t)(stop - p) - IMAGE_RECORD_BYTES)
			break;
		if (is_tail(p)) {
			im->end = p;
			p += IMAGE_TAIL_BYTES;
			if (p == stop)
				return 0;
			return image_fail(why, -EBADMSG,
					  "has %zu bytes behind its end",
					  (size_t)(stop - p));
		}
		p += IMAGE_RECORD_BYTES + n;
	}
	return no_end(im, why);
}

static int check_hash(struct image *im, char *why)
{
	const uint8_t *tail = im->end + IMAGE_RECORD_BYTES;

	/* Field 1, bytes, as long as a hash is. */
	if (tail[0] != 0x0a || tail[1] != IMAGE_HASH_BYTES)
		return image_fail(why, -EBADMSG, "is damaged at its end");
	crypto_generichash(im->hash, sizeof im->hash, im->data,
			   (size_t)(im->end - im->data), NULL, 0);
	if (!memcmp(im->hash, tail + 2, sizeof im->hash))
		return 0;
	return image_fail(why, -EBADMSG,
			  "is damaged: its BLAKE2b hash does not match");
}

/* ---- the header ---- */

static uint32_t version_of(const char *module)
{
	for (const struct image_version *m = image_modules; m->name; m++)
		if (!strcmp(m->name, module))
			return m->version;
	return 0;
}

static int check_modules(const Cordon__ImageHeader *h, char *why)
{
	for (size_t i = 0; i < h->n_modules; i++) {
		const Cordon__ImageModule *m = h->modules[i];
		uint32_t ours = version_of(m->name);

		if (!ours)
			return image_fail(why, -ENOTSUP,
					  "has records of %.32s, which this "
					  "cordon does not know",
					  m->name);
		if (m->version != ours)
			return image_fail(why, -ENOTSUP,
					  "was saved by cordon %.32s: its "
					  "records of %.32s are of version %u, "
					  "this one reads %u",
					  h->cordon, m->name, m->version, ours);
	}
	return 0;
}

/* Each part is so many whole records and bytes; together they are all. */
static int check_parts(const struct image *im, char *why)
{
	const Cordon__ImageHeader *h = im->header;
	const uint8_t *p = im->records;

	for (size_t i = 0; i < h->n_parts; i++) {
		const uint8_t *start = p;
		uint64_t n = 0;

		for (; n < h->parts[i]->records && p < im->end; n++)
			p += IMAGE_RECORD_BYTES + get32(p + 4);
		if (n != h->parts[i]->records ||
		    (uint64_t)(p - start) != h->parts[i]->bytes)
			return image_fail(why, -EBADMSG,
					  "contradicts itself: part %.32s is "
					  "not as its header says",
					  h->parts[i]->kind);
	}
	if (p == im->end)
		return 0;
	return image_fail(why, -EBADMSG,
			  "contradicts itself: records in no part");
}

static int check_header(struct image *im, char *why)
{
	char text[NST_SAVE_WHY];
	int rc;

	save_in_init(&im->head, env_plain(), im->data + IMAGE_PREAMBLE_BYTES,
		     (size_t)(im->end - im->data) - IMAGE_PREAMBLE_BYTES, text);
	if (save_next(&im->head) && im->head.type == IMAGE_HEADER)
		im->header =
		    save_parse(&im->head, &cordon__image_header__descriptor);
	im->head.why = NULL;
	if (!im->header)
		return image_fail(why, -EBADMSG, "has no proper header");
	im->records = im->head.p;
	rc = check_modules(im->header, why);
	return rc ? rc : check_parts(im, why);
}

int image_parse(struct image *im, const uint8_t *data, size_t bytes, char *why)
{
	int rc;

	*im = (struct image){.data = data, .bytes = bytes};
	save_arena_init(&im->head.arena, env_plain());
	rc = check_preamble(data, bytes, &im->format, why);
	if (!rc)
		rc = find_tail(im, why);
	if (!rc)
		rc = check_hash(im, why);
	if (!rc)
		rc = check_header(im, why);
	if (rc)
		image_free(im);
	return rc;
}

/* ---- files ---- */

static int read_all(int fd, uint8_t *p, size_t bytes, char *why)
{
	for (size_t at = 0; at < bytes;) {
		ssize_t n = read(fd, p + at, bytes - at);

		if (n > 0)
			at += (size_t)n;
		else if (n == 0)
			return image_fail(why, -EBADMSG,
					  "became shorter while it was read");
		else if (errno != EINTR)
			return image_fail(why, -errno, "cannot be read: %s",
					  strerror(errno));
	}
	return 0;
}

/* Something that is no image is not read as a whole to find that out. */
static int check_start(int fd, size_t bytes, char *why)
{
	uint8_t start[IMAGE_PREAMBLE_BYTES];
	size_t want = bytes < sizeof start ? bytes : sizeof start;
	uint32_t format;
	int rc = read_all(fd, start, want, why);

	if (!rc)
		rc = check_preamble(start, want, &format, why);
	if (!rc && lseek(fd, 0, SEEK_SET) < 0)
		rc = image_fail(why, -errno, "cannot be read: %s",
				strerror(errno));
	return rc;
}

static int read_fd(struct image *im, int fd, char *why)
{
	struct stat st;
	uint8_t *p;
	int rc;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return image_fail(why, -EINVAL, "is not a regular file");
	if ((uint64_t)st.st_size > IMAGE_BYTES_MAX)
		return image_fail(why, -EFBIG, "is too long for an image");
	rc = check_start(fd, (size_t)st.st_size, why);
	if (rc)
		return rc;
	p = malloc((size_t)st.st_size);
	if (!p)
		return image_fail(why, -ENOMEM, "is too long for the memory");
	rc = read_all(fd, p, (size_t)st.st_size, why);
	if (!rc)
		rc = image_parse(im, p, (size_t)st.st_size, why);
	if (rc)
		free(p);
	else
		im->owned = p;
	return rc;
}

int image_read(struct image *im, const char *path, char *why)
{
	/* Not to wait for somebody at the other end of a FIFO. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int rc;

	*im = (struct image){0};
	if (fd < 0)
		return image_fail(why, -errno, "cannot be opened: %s",
				  strerror(errno));
	rc = read_fd(im, fd, why);
	close(fd);
	return rc;
}

void image_free(struct image *im)
{
	if (im->head.arena.env)
		save_in_fini(&im->head);
	free(im->owned);
	*im = (struct image){0};
}

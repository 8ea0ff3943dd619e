/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing: a file without a name (O_TMPFILE; where the file system has none of
 * these, one of a random name), synced, then renamed over the old one, then the
 * directory synced. Until the rename nothing has happened; a signal leaves
 * nothing behind.
 */
#include "sentry/image/image.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netstack/save/save.h"

#define CHUNK_BYTES ((size_t)1 << 20)
#define NAME_TRIES 16

struct target {
	char *dir_path;           /* strdup'ed, as `name` a piece of the path */
	char name[NAME_MAX - 15]; /* `temp` is longer */
	int dir, fd;
	bool named; /* fd is a file of the name `temp` */
	char temp[NAME_MAX + 1];
	crypto_generichash_state hash;
	uint8_t *chunk;
};

/* ---- names ---- */

static int split(struct target *t, const char *path, char *why)
{
	char *a = strdup(path), *b = strdup(path);
	const char *name = b ? basename(b) : "";
	bool fits = *path && strlen(name) < sizeof t->name;
	struct stat st;

	t->dir_path = a && b ? strdup(dirname(a)) : NULL;
	if (fits)
		memcpy(t->name, name, strlen(name) + 1);
	free(a);
	free(b);
	if (!t->dir_path)
		return image_fail(why, -ENOMEM, "out of memory");
	if (!fits)
		return image_fail(why, -EINVAL, "is not a name of a file");
	t->dir = open(t->dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->dir < 0)
		return image_fail(why, -errno, "cannot be written: %s: %s",
				  t->dir_path, strerror(errno));
	/* A device or a directory is not to be replaced. */
	if (!fstatat(t->dir, t->name, &st, AT_SYMLINK_NOFOLLOW) &&
	    !S_ISREG(st.st_mode))
		return image_fail(why, -EINVAL, "is not a regular file");
	return 0;
}

static void random_name(struct target *t)
{
	snprintf(t->temp, sizeof t->temp, ".%s.%08x", t->name,
		 randombytes_random());
}

static bool no_tmpfile(int err)
{
	return err == EOPNOTSUPP || err == EISDIR || err == ENOENT ||
	       err == EINVAL;
}

static int open_file(struct target *t, char *why)
{
	t->fd = openat(t->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	for (int i = 0; t->fd < 0 && i < NAME_TRIES; i++) {
		if (i == 0 ? !no_tmpfile(errno) : errno != EEXIST)
			break;
		random_name(t);
		t->fd = openat(t->dir, t->temp,
			       O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		t->named = t->fd >= 0;
	}
	if (t->fd >= 0)
		return 0;
	return image_fail(why, -errno, "cannot be written: %s: %s", t->dir_path,
			  strerror(errno));
}

/* A name beside the old one: link(2) does not replace. */
static int give_name(struct target *t)
{
	char path[32];

	snprintf(path, sizeof path, "/proc/self/fd/%d", t->fd);
	for (int i = 0; !t->named && i < NAME_TRIES; i++) {
		random_name(t);
		t->named =
		    !linkat(AT_FDCWD, path, t->dir, t->temp, AT_SYMLINK_FOLLOW);
		if (!t->named && errno != EEXIST)
			return -errno;
	}
	return t->named ? 0 : -EEXIST;
}

static int commit(struct target *t, char *why)
{
	int rc = fsync(t->fd) ? -errno : give_name(t);

	if (!rc && renameat(t->dir, t->temp, t->dir, t->name))
		rc = -errno;
	if (rc)
		return image_fail(why, rc, "cannot be written: %s",
				  strerror(-rc));
	t->named = false;
	if (fsync(t->dir))
		return image_fail(why, -errno,
				  "is written, but %s cannot be synced: %s",
				  t->dir_path, strerror(errno));
	return 0;
}

/* ---- contents ---- */

static int put(struct target *t, const void *data, size_t bytes)
{
	const uint8_t *p = data;

	crypto_generichash_update(&t->hash, p, bytes);
	while (bytes) {
		ssize_t n = write(t->fd, p, bytes);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			p += n;
			bytes -= (size_t)n;
		}
	}
	return 0;
}

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static int put_preamble(struct target *t)
{
	uint8_t p[IMAGE_PREAMBLE_BYTES] = IMAGE_MAGIC;

	put32(p + IMAGE_PREAMBLE_BYTES - 4, IMAGE_FORMAT);
	return put(t, p, sizeof p);
}

static int put_message(struct target *t, uint32_t type,
		       const ProtobufCMessage *m)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *p =
	    n > NST_SAVE_RECORD_MAX ? NULL : malloc(IMAGE_RECORD_BYTES + n);
	int rc;

	if (!p)
		return -ENOMEM;
	put32(p, type);
	put32(p + 4, (uint32_t)n);
	protobuf_c_message_pack(m, p + IMAGE_RECORD_BYTES);
	rc = put(t, p, IMAGE_RECORD_BYTES + n);
	free(p);
	return rc;
}

static int put_header(struct target *t, const Cordon__ImageHeader *header)
{
	Cordon__ImageModule mods[8], *list[8];
	Cordon__ImageHeader h = *header;
	size_t n = 0;

	for (; n < 8 && image_modules[n].name; n++) {
		cordon__image_module__init(&mods[n]);
		mods[n].name = save_text(image_modules[n].name);
		mods[n].version = image_modules[n].version;
		list[n] = &mods[n];
	}
	h.modules = list;
	h.n_modules = n;
	return put_message(t, IMAGE_HEADER, &h.base);
}

static int put_records(struct target *t, int from, uint64_t bytes)
{
	for (uint64_t at = 0; at < bytes;) {
		ssize_t n = pread(from, t->chunk, CHUNK_BYTES, (off_t)at);
		int rc;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		if ((uint64_t)n > bytes - at)
			n = (ssize_t)(bytes - at);
		rc = put(t, t->chunk, (size_t)n);
		if (rc)
			return rc;
		at += (uint64_t)n;
	}
	return 0;
}

static int put_tail(struct target *t)
{
	uint8_t hash[IMAGE_HASH_BYTES];
	Cordon__ImageTail m = CORDON__IMAGE_TAIL__INIT;

	crypto_generichash_final(&t->hash, hash, sizeof hash);
	crypto_generichash_init(&t->hash, NULL, 0, sizeof hash);
	m.blake2b = (ProtobufCBinaryData){sizeof hash, hash};
	return put_message(t, IMAGE_TAIL, &m.base);
}

static int put_all(struct target *t, const Cordon__ImageHeader *header,
		   int records, uint64_t bytes, char *why)
{
	int rc = put_preamble(t);

	if (!rc)
		rc = put_header(t, header);
	if (!rc)
		rc = put_records(t, records, bytes);
	if (!rc)
		rc = put_tail(t);
	if (!rc)
		return 0;
	return image_fail(why, rc, "cannot be written: %s", strerror(-rc));
}

static int write_target(struct target *t, const char *path,
			const Cordon__ImageHeader *header, int records,
			uint64_t bytes, char *why)
{
	int rc = split(t, path, why);

	if (!rc)
		rc = open_file(t, why);
	if (rc)
		return rc;
	t->chunk = malloc(CHUNK_BYTES);
	if (!t->chunk)
		return image_fail(why, -ENOMEM, "out of memory");
	crypto_generichash_init(&t->hash, NULL, 0, IMAGE_HASH_BYTES);
	rc = put_all(t, header, records, bytes, why);
	return rc ? rc : commit(t, why);
}

int image_write(const char *path, const Cordon__ImageHeader *header,
		int records, uint64_t bytes, char *why)
{
	struct target t = {.dir = -1, .fd = -1};
	/* A limit on the size of files is an error like others. */
	struct sigaction ign = {.sa_handler = SIG_IGN}, old;
	int rc;

	sigaction(SIGXFSZ, &ign, &old);
	rc = write_target(&t, path, header, records, bytes, why);
	if (t.named)
		(void)unlinkat(t.dir, t.temp, 0);
	if (t.fd >= 0)
		close(t.fd);
	if (t.dir >= 0)
		close(t.dir);
	free(t.dir_path);
	free(t.chunk);
	sigaction(SIGXFSZ, &old, NULL);
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Files of images: written and read; cut, changed and of another version. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netstack/nst_tcp.h"
#include "sentry/core/env_plain.h"
#include "sentry/image/image.h"
#include "sentry/image/json.h"
#include "sentry/image/trial.h"
#include "tests/unit/testenv.h"

struct rig {
	char dir[32], path[64], why[IMAGE_WHY];
	int records; /* a memory file */
	uint64_t n, bytes;
	uint8_t *data; /* of the file */
	size_t size;
};

static bool put(void *ctx, const void *data, size_t bytes)
{
	struct rig *r = ctx;

	r->n++;
	r->bytes += bytes;
	return write(r->records, data, bytes) == (ssize_t)bytes;
}

/* A listener, a connection over loopback with data unread, both ends. */
static void fill_stack(struct nst_stack *st)
{
	struct nst_sockaddr a = test_sa("127.0.0.1", 80);
	struct nst_tcp *l, *c;
	struct nst_iov iov[2];
	size_t n;

	cr_assert(!nst_tcp_new(st, 4, NULL, NST_SEC, &l));
	cr_assert(!nst_sock_bind(nst_tcp_sock(l), &a));
	cr_assert(!nst_tcp_listen(l, 4, NST_SEC));
	cr_assert(!nst_tcp_new(st, 4, NULL, NST_SEC, &c));
	cr_assert_eq(nst_tcp_connect(c, &a, NST_SEC), NST_E_INPROGRESS);
	cr_assert_geq(nst_tcp_snd_space(c, iov, &n), 5);
	memcpy(iov[0].p, "hello", 5);
	nst_tcp_snd_commit(c, 5, 0, NST_SEC);
}

static void save_stack(struct rig *r)
{
	const struct nst_save_sink sink = {r, put};
	struct testenv te;
	struct nst_stack *st;

	testenv_init(&te, 1);
	cr_assert(!nst_stack_new(&te.env, NST_SEC, &st));
	fill_stack(st);
	r->records = memfd_create("records", MFD_CLOEXEC);
	cr_assert(!nst_stack_save(st, &sink));
	nst_stack_free(st);
	cr_assert_eq(testenv_leaks(&te), 0);
}

static int write_image(struct rig *r, const char *path, uint64_t bytes)
{
	static char cordon[] = "0.0", id[] = "box", kind[] = IMAGE_PART_GUEST;
	Cordon__ImageHeader h = CORDON__IMAGE_HEADER__INIT;
	Cordon__ImagePart part = CORDON__IMAGE_PART__INIT, *list = &part;

	h.cordon = cordon;
	h.sandbox = id;
	h.parts = &list;
	h.n_parts = 1;
	part.kind = kind;
	part.records = r->n;
	part.bytes = bytes;
	return image_write(path, &h, r->records, r->bytes, r->why);
}

static void slurp(struct rig *r)
{
	struct stat st;
	int fd = open(r->path, O_RDONLY);

	cr_assert(!fstat(fd, &st));
	r->size = (size_t)st.st_size;
	r->data = malloc(r->size);
	cr_assert_eq(read(fd, r->data, r->size), (ssize_t)r->size);
	close(fd);
}

static void rig_open(struct rig *r)
{
	*r = (struct rig){.dir = "/tmp/image-test.XXXXXX"};
	cr_assert(sodium_init() >= 0);
	cr_assert(mkdtemp(r->dir));
	snprintf(r->path, sizeof r->path, "%s/file", r->dir);
	save_stack(r);
	cr_assert(!write_image(r, r->path, r->bytes), "%s", r->why);
	slurp(r);
}

static void rig_close(struct rig *r)
{
	close(r->records);
	free(r->data);
	unlink(r->path);
	cr_assert(!rmdir(r->dir), "something is left in the directory");
}

static int parse(struct rig *r, const uint8_t *p, size_t n)
{
	struct image im;
	int rc;

	r->why[0] = '\0';
	rc = image_parse(&im, p, n, r->why);
	cr_assert(!rc || r->why[0]);
	image_free(&im);
	return rc;
}

static void expect(struct rig *r, size_t n, int rc, const char *text)
{
	cr_assert_eq(parse(r, r->data, n), rc, "%s", r->why);
	cr_assert(strstr(r->why, text), "%s, not: %s", r->why, text);
}

Test(image, is_written_and_read)
{
	struct image_trial t = {0};
	struct image im;
	struct stat st;
	const uint8_t *p;
	struct rig r;

	rig_open(&r);
	cr_assert(!image_read(&im, r.path, r.why), "%s", r.why);
	cr_assert(!stat(r.path, &st));
	cr_assert_eq(st.st_mode & 07777, 0600);
	cr_assert_str_eq(im.header->sandbox, "box");
	cr_assert_str_eq(im.header->modules[0]->name, "netstack");
	p = im.records;
	cr_assert(!image_trial(&t, env_plain(), &p, im.end, false, r.why), "%s",
		  r.why);
	cr_assert_eq(p, im.end);
	cr_assert_eq(t.tcp[NST_TCP_LISTEN], 1);
	cr_assert_eq(t.tcp[NST_TCP_ESTABLISHED], 2);
	cr_assert_eq(t.unread_bytes, 5);
	image_free(&im);
	rig_close(&r);
}

Test(image, cut_at_every_byte)
{
	struct rig r;

	rig_open(&r);
	expect(&r, 0, -EBADMSG, "is empty");
	for (size_t n = 1; n < r.size; n++)
		expect(&r, n, -EBADMSG, "is cut short");
	cr_assert(!parse(&r, r.data, r.size));
	rig_close(&r);
}

/* Each bit, so as not to take forever, of every seventh byte, and of all that
 * are in front and at the end. */
Test(image, every_flipped_bit_is_seen, .timeout = 120)
{
	struct rig r;

	rig_open(&r);
	for (size_t i = 0; i < r.size; i++) {
		if (i > 200 && i + 64 < r.size && i % 7)
			continue;
		for (int bit = 0; bit < 8; bit++) {
			r.data[i] ^= (uint8_t)(1 << bit);
			cr_assert(parse(&r, r.data, r.size) < 0, "byte %zu", i);
			r.data[i] ^= (uint8_t)(1 << bit);
		}
	}
	r.data[r.size / 2] ^= 1;
	expect(&r, r.size, -EBADMSG, "damaged");
	rig_close(&r);
}

Test(image, more_than_there_should_be)
{
	struct rig r;

	rig_open(&r);
	r.data = realloc(r.data, r.size + 3);
	memset(r.data + r.size, 0, 3);
	expect(&r, r.size + 3, -EBADMSG, "3 bytes behind its end");
	rig_close(&r);
}

Test(image, of_another_format)
{
	struct rig r;

	rig_open(&r);
	r.data[IMAGE_PREAMBLE_BYTES - 4] = IMAGE_FORMAT + 1;
	expect(&r, r.size, -ENOTSUP, "made by a newer cordon");
	r.data[IMAGE_PREAMBLE_BYTES - 4] = 0;
	expect(&r, r.size, -EBADMSG, "no known format");
	r.data[0] = 'X';
	expect(&r, r.size, -EBADMSG, "not an image");
	rig_close(&r);
}

/* Puts the right hash under what was changed. */
static void rehash(struct rig *r)
{
	crypto_generichash(r->data + r->size - IMAGE_HASH_BYTES,
			   IMAGE_HASH_BYTES, r->data,
			   r->size - IMAGE_TAIL_BYTES, NULL, 0);
}

static uint8_t *find(struct rig *r, const char *text)
{
	uint8_t *p = memmem(r->data, r->size, text, strlen(text));

	cr_assert(p);
	return p;
}

Test(image, of_other_modules)
{
	struct rig r;
	uint8_t *p;

	rig_open(&r);
	p = find(&r, "netstack");
	cr_assert_eq(p[9], NST_SAVE_VERSION); /* a tag is between */
	p[9]++;
	rehash(&r);
	expect(&r, r.size, -ENOTSUP, "records of netstack are of version");
	p[9]--;
	p[0] = 'N';
	rehash(&r);
	expect(&r, r.size, -ENOTSUP, "records of Netstack, which");
	p[0] = 'n';
	rehash(&r);
	cr_assert(!parse(&r, r.data, r.size), "%s", r.why);
	rig_close(&r);
}

Test(image, parts_are_as_the_header_says)
{
	struct rig r;

	rig_open(&r);
	cr_assert(!write_image(&r, r.path, r.bytes - 1));
	free(r.data);
	slurp(&r);
	expect(&r, r.size, -EBADMSG, "contradicts itself");
	rig_close(&r);
}

static void refused(struct rig *r, const char *path, const char *text)
{
	struct image im;

	cr_assert(image_read(&im, path, r->why) < 0);
	cr_assert(strstr(r->why, text), "%s", r->why);
	image_free(&im);
}

Test(image, only_regular_files)
{
	char fifo[64];
	struct rig r;

	rig_open(&r);
	snprintf(fifo, sizeof fifo, "%s/fifo", r.dir);
	cr_assert(!mkfifo(fifo, 0600));
	refused(&r, fifo, "not a regular file");
	refused(&r, r.dir, "not a regular file");
	refused(&r, "/dev/zero", "not a regular file");
	refused(&r, "/nowhere", "No such file");
	cr_assert_eq(write_image(&r, fifo, r.bytes), -EINVAL);
	cr_assert_eq(write_image(&r, r.dir, r.bytes), -EINVAL);
	cr_assert_eq(write_image(&r, "/nowhere/x", r.bytes), -ENOENT);
	cr_assert_eq(write_image(&r, "", r.bytes), -EINVAL);
	unlink(fifo);
	rig_close(&r);
}

/* The old file stays as it was, and nothing else is left behind. */
Test(image, a_failure_leaves_the_old_file)
{
	struct rlimit old, small;
	struct image im;
	struct rig r;

	rig_open(&r);
	getrlimit(RLIMIT_FSIZE, &old);
	small = old;
	small.rlim_cur = r.size / 2;
	setrlimit(RLIMIT_FSIZE, &small);
	cr_assert_eq(write_image(&r, r.path, r.bytes), -EFBIG, "%s", r.why);
	setrlimit(RLIMIT_FSIZE, &old);
	cr_assert(!image_read(&im, r.path, r.why), "%s", r.why);
	image_free(&im);
	rig_close(&r);
}

Test(image, fields_as_text)
{
	struct image_walk w;
	struct json_object *o;
	const char *text = NULL;
	struct image im;
	struct rig r;

	rig_open(&r);
	cr_assert(!image_parse(&im, r.data, r.size, r.why));
	image_walk_init(&w, &im);
	while (image_walk_next(&w) && w.type != NST_SAVE_TCP)
		;
	o = image_json(image_walk_message(&w), false);
	text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
	cr_assert(strstr(text, "\"addr\":\"127.0.0.1\""), "%s", text);
	cr_assert(strstr(text, "\"state\":\"ESTABLISHED\""), "%s", text);
	cr_assert(strstr(text, "\"since\":1.000000000") ||
		      strstr(text, ":1.000000000"),
		  "%s", text);
	json_object_put(o);
	image_walk_fini(&w);
	image_free(&im);
	rig_close(&r);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* `cordon save ID FILE`: asks the sentry for records, makes a file of them. */
#include "sentry/image/cli.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "netstack/save/save.h"
#include "sentry/control/client.h"
#include "sentry/core/log.h"
#include "sentry/core/run.h"
#include "sentry/image/image.h"
#include "sentry/save/command.h"

#define PARTS_MAX 16
#define ARGS_MAX 4096

static const char usage[] =
    "Usage: cordon save [--pause] [--clone] ID FILE\n"
    "       cordon save --in-place ID\n"
    "Saves the network of a running sandbox to a file: all of it as it was at\n"
    "one moment, or nothing; an older file of that name is then replaced.\n"
    "  --pause  the program is stopped meanwhile\n"
    "  --clone  what is restored draws its own secrets: it is a copy beside\n"
    "           the sandbox, which goes on\n"
    "  --in-place  saves to memory and restores at once, under the running\n"
    "           program: a test; prints how long the network stood still\n";

struct save_args {
	const char *id, *file;
	bool pause, clone;
};

/* What the header borrows from the reply. */
struct header {
	Cordon__ImageHeader h;
	Cordon__ImagePart part[PARTS_MAX], *parts[PARTS_MAX];
	ProtobufCBinaryData *argv;
	struct utsname uts;
};

static struct json_object *member(struct json_object *o, const char *name)
{
	struct json_object *v;

	return json_object_object_get_ex(o, name, &v) ? v : NULL;
}

/* Text that the object lends; "" if there is none. */
static char *text_in(struct json_object *o, const char *name)
{
	static char none[1];
	const char *s = json_object_get_string(member(o, name));

	return s ? save_text(s) : none;
}

static size_t length(struct json_object *list, size_t max)
{
	size_t n = json_object_is_type(list, json_type_array)
		       ? json_object_array_length(list)
		       : 0;

	return n < max ? n : max;
}

static void fill_parts(struct header *h, struct json_object *list)
{
	h->h.n_parts = length(list, PARTS_MAX);
	h->h.parts = h->parts;
	for (size_t i = 0; i < h->h.n_parts; i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		Cordon__ImagePart *p = h->parts[i] = &h->part[i];

		cordon__image_part__init(p);
		p->kind = text_in(o, "kind");
		p->records = json_object_get_uint64(member(o, "records"));
		p->bytes = json_object_get_uint64(member(o, "bytes"));
	}
}

static void fill_argv(struct header *h, struct json_object *list)
{
	size_t n = length(list, ARGS_MAX);

	h->argv = calloc(n + 1, sizeof *h->argv);
	h->h.argv = h->argv;
	for (size_t i = 0; h->argv && i < n; i++) {
		const char *s =
		    json_object_get_string(json_object_array_get_idx(list, i));

		h->argv[i] = save_borrow(s, s ? strlen(s) : 0);
		h->h.n_argv = i + 1;
	}
}

static void fill(struct header *h, struct json_object *reply,
		 const struct save_args *a)
{
	cordon__image_header__init(&h->h);
	uname(&h->uts);
	h->h.cordon = text_in(reply, "cordon");
	h->h.sandbox = text_in(reply, "id");
	h->h.saved_at = json_object_get_int64(member(reply, "saved_at"));
	h->h.kernel = h->uts.release;
	h->h.clone = a->clone;
	fill_parts(h, member(reply, "parts"));
	fill_argv(h, member(reply, "argv"));
}

static int save_reply(const struct save_args *a, struct json_object *reply,
		      int fd)
{
	uint64_t bytes = json_object_get_uint64(member(reply, "bytes"));
	char why[IMAGE_WHY];
	struct header h = {0};
	struct stat st;
	int rc;

	if (fstat(fd, &st) || (uint64_t)st.st_size != bytes) {
		log_error("%s: the answer made no sense", a->id);
		return -EPROTO;
	}
	fill(&h, reply, a);
	rc = image_write(a->file, &h.h, fd, bytes, why);
	free(h.argv);
	if (rc)
		log_error("%s %s", a->file, why);
	return rc;
}

/* They are in a message, or in a queue of the kernel's that is full. */
static void say_missed(const struct save_args *a, struct json_object *reply)
{
	int64_t n = json_object_get_int64(member(reply, "missed"));

	if (n)
		log_error("%s: what %" PRId64 " sockets have to read is not in "
			  "the file: no process holds them",
			  a->id, n);
}

static int save(const struct save_args *a)
{
	struct json_object *request = control_request("save"), *reply;
	struct control_fds fds = {.n = 0};
	int rc;

	if (request)
		json_object_object_add(request, "pause",
				       json_object_new_boolean(a->pause));
	rc = control_call(a->id, request, CONTROL_FOREVER, &reply, &fds);
	if (rc)
		return rc;
	if (fds.n == 1) {
		rc = save_reply(a, reply, fds.fd[0]);
		if (!rc)
			say_missed(a, reply);
	} else {
		log_error("%s: the answer made no sense", a->id);
		rc = -EPROTO;
	}
	control_fds_close(&fds);
	json_object_put(reply);
	return rc;
}

static bool parse(struct save_args *a, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (!strcmp(argv[i], "--pause"))
			a->pause = true;
		else if (!strcmp(argv[i], "--clone"))
			a->clone = true;
		else if (argv[i][0] == '-' || a->file)
			return false;
		else if (!a->id)
			a->id = argv[i];
		else
			a->file = argv[i];
	}
	return a->file && value_id_ok(a->id);
}

int cordon_save(int argc, char **argv)
{
	struct save_args a = {0};

	if (argc == 1 &&
	    (!strcmp(argv[0], "--help") || !strcmp(argv[0], "-h"))) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc && !strcmp(argv[0], "--in-place"))
		return cordon_save_in_place(argc - 1, argv + 1);
	if (sodium_init() < 0 || !parse(&a, argc, argv)) {
		log_error("save needs an id, or its beginning, and a file; see "
			  "cordon save --help");
		return EXIT_CORDON_FAILED;
	}
	return save(&a) ? EXIT_CORDON_FAILED : 0;
}

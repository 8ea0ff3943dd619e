/* SPDX-License-Identifier: Apache-2.0 */
/* `cordon image show`: one JSON object, each record a line of it. */
#include "sentry/image/cli.h"

#include <sodium.h>
#include <stdio.h>

#include "sentry/core/log.h"
#include "sentry/core/run.h"
#include "sentry/image/image.h"
#include "sentry/image/json.h"

static bool print(struct json_object *o)
{
	const char *text =
	    o ? json_object_to_json_string_ext(
		    o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
	      : NULL;

	if (text)
		fputs(text, stdout);
	json_object_put(o);
	return text;
}

static struct json_object *record(struct image_walk *w, bool full)
{
	struct json_object *o = json_object_new_object();
	const ProtobufCMessage *m = w->known ? image_walk_message(w) : NULL;

	json_object_object_add(o, "number", json_object_new_uint64(w->number));
	json_object_object_add(o, "part",
			       json_object_new_string(image_walk_part(w)));
	json_object_object_add(o, "type", json_object_new_int64(w->type));
	if (w->known)
		json_object_object_add(o, "record",
				       json_object_new_string(w->known->name));
	if (m)
		json_object_object_add(
		    o, "message",
		    json_object_new_string(m->descriptor->short_name));
	json_object_object_add(
	    o, "fields",
	    m ? image_json(m, full)
	      : image_json_bytes(w->in.data, w->in.bytes, full));
	return o;
}

static bool show_records(const struct image *im, bool full,
			 struct image_walk *w)
{
	bool first = true;

	image_walk_init(w, im);
	while (image_walk_next(w)) {
		fputs(first ? "\n" : ",\n", stdout);
		first = false;
		if (!print(record(w, full)))
			return false;
	}
	return true;
}

int image_show(const char *path, bool full)
{
	struct image im;
	struct image_walk w;
	char why[IMAGE_WHY];
	bool ok;

	if (image_read(&im, path, why)) {
		log_error("%s %s", path, why);
		return EXIT_CORDON_FAILED;
	}
	printf("{\"format\":%u,\n\"header\":", im.format);
	ok = print(image_json(&im.header->base, full));
	fputs(",\n\"blake2b\":", stdout);
	ok &= print(image_json_bytes(im.hash, sizeof im.hash, true));
	fputs(",\n\"records\":[", stdout);
	ok &= show_records(&im, full, &w);
	fputs("]}\n", stdout);
	if (w.in.err)
		log_error("%s: %s", path, w.why);
	else if (!ok)
		log_error("out of memory");
	ok &= !w.in.err;
	image_walk_fini(&w);
	image_free(&im);
	return ok ? 0 : EXIT_CORDON_FAILED;
}

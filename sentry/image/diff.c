/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cordon image diff`: what differs between two images' records, by object and
 * path of the field. Objects are matched by what they are called (id, or
 * address), not by their place; headers are not compared.
 */
#include "sentry/image/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/core/log.h"
#include "sentry/image/image.h"
#include "sentry/image/json.h"

#define KEY_BYTES 256
#define PATH_BYTES 512

#define EXIT_DIFFERENT 1
#define EXIT_TROUBLE 2

/* ---- names of objects ---- */

static const char *text_of(struct json_object *o, const char *name)
{
	struct json_object *v;

	return json_object_object_get_ex(o, name, &v)
		   ? json_object_get_string(v)
		   : NULL;
}

/* The first of these members that there are. */
static void append(char *key, struct json_object *o, const char *const *names)
{
	for (; *names; names++) {
		const char *v = text_of(o, *names);
		size_t at = strlen(key);

		if (v)
			snprintf(key + at, KEY_BYTES - at, " %s", v);
	}
}

static void key_of(const struct image_walk *w, struct json_object *o,
		   char key[KEY_BYTES])
{
	static const char *const ids[] = {"id", "owner", NULL};
	static const char *const flow[] = {"local", "lport", "remote", "rport",
					   NULL};
	static const char *const others[] = {"ifindex", "addr", "src", "dst",
					     NULL};
	struct json_object *sub;

	snprintf(key, KEY_BYTES, "%s/%s", image_walk_part(w),
		 w->known ? w->known->name : "unknown");
	if (json_object_object_get_ex(o, "sk", &sub) ||
	    json_object_object_get_ex(o, "s", &sub))
		append(key, sub, ids);
	else if (json_object_object_get_ex(o, "key", &sub) &&
		 json_object_is_type(sub, json_type_object))
		append(key, sub, flow);
	else if (text_of(o, "id") || text_of(o, "owner"))
		append(key, o, ids);
	else
		append(key, o, others);
}

/* Adds it; a name that is there already gets a number. */
static void add_object(struct json_object *all, const char *name,
		       struct json_object *o)
{
	char numbered[KEY_BYTES + 24];
	struct json_object *n;
	uint64_t i;

	if (!json_object_object_get_ex(all, name, NULL)) {
		json_object_object_add(all, name, o);
		return;
	}
	/* The count is kept beside, under a name that no object has. */
	snprintf(numbered, sizeof numbered, "#%s", name);
	i = json_object_object_get_ex(all, numbered, &n)
		? json_object_get_uint64(n) + 1
		: 2;
	json_object_object_add(all, numbered, json_object_new_uint64(i));
	snprintf(numbered, sizeof numbered, "%s #%llu", name,
		 (unsigned long long)i);
	json_object_object_add(all, numbered, o);
}

static struct json_object *objects(const struct image *im, char *why)
{
	struct json_object *all = json_object_new_object();
	struct image_walk w;
	char key[KEY_BYTES];

	image_walk_init(&w, im);
	while (all && image_walk_next(&w)) {
		const ProtobufCMessage *m =
		    w.known ? image_walk_message(&w) : NULL;
		struct json_object *o;

		if (w.in.err)
			break;
		o = m ? image_json(m, false)
		      : image_json_bytes(w.in.data, w.in.bytes, false);
		key_of(&w, o, key);
		add_object(all, key, o);
	}
	if (w.in.err) {
		image_fail(why, 0, "is broken: %s", w.why);
		json_object_put(all);
		all = NULL;
	}
	image_walk_fini(&w);
	return all;
}

static struct json_object *read_objects(const char *path)
{
	char why[IMAGE_WHY] = "is too long for the memory";
	struct json_object *all = NULL;
	struct image im;

	if (!image_read(&im, path, why))
		all = objects(&im, why);
	image_free(&im);
	if (!all)
		log_error("%s %s", path, why);
	return all;
}

/* ---- comparing ---- */

struct diff {
	struct json_object *list;
	const char *object;
	char path[PATH_BYTES];
};

static void note(struct diff *d, struct json_object *a, struct json_object *b)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "object", json_object_new_string(d->object));
	if (d->path[0])
		json_object_object_add(o, "path",
				       json_object_new_string(d->path));
	if (a)
		json_object_object_add(o, "a", json_object_get(a));
	if (b)
		json_object_object_add(o, "b", json_object_get(b));
	json_object_array_add(d->list, o);
}

static void compare(struct diff *d, struct json_object *a,
		    struct json_object *b);

/* A member or an element of both, one of which may be missing. */
static void descend(struct diff *d, const char *step, struct json_object *a,
		    struct json_object *b)
{
	size_t at = strlen(d->path);

	snprintf(d->path + at, sizeof d->path - at, "%s%s",
		 at && *step != '[' ? "." : "", step);
	if (a && b)
		compare(d, a, b);
	else
		note(d, a, b);
	d->path[at] = '\0';
}

static void compare_arrays(struct diff *d, struct json_object *a,
			   struct json_object *b)
{
	size_t na = json_object_array_length(a);
	size_t nb = json_object_array_length(b);
	char step[24];

	for (size_t i = 0; i < na || i < nb; i++) {
		snprintf(step, sizeof step, "[%zu]", i);
		descend(d, step,
			i < na ? json_object_array_get_idx(a, i) : NULL,
			i < nb ? json_object_array_get_idx(b, i) : NULL);
	}
}

static void compare_objects(struct diff *d, struct json_object *a,
			    struct json_object *b)
{
	struct json_object *other;

	json_object_object_foreach(a, name, v)
	{
		if (!json_object_object_get_ex(b, name, &other))
			other = NULL;
		descend(d, name, v, other);
	}
	json_object_object_foreach(b, name2, v2)
	{
		if (!json_object_object_get_ex(a, name2, NULL))
			descend(d, name2, NULL, v2);
	}
}

static void compare(struct diff *d, struct json_object *a,
		    struct json_object *b)
{
	enum json_type type = json_object_get_type(a);

	if (type != json_object_get_type(b))
		note(d, a, b);
	else if (type == json_type_object)
		compare_objects(d, a, b);
	else if (type == json_type_array)
		compare_arrays(d, a, b);
	else if (strcmp(json_object_get_string(a), json_object_get_string(b)) !=
		 0)
		note(d, a, b);
}

static void missing(struct json_object *list, const char *object,
		    const char *only)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "object", json_object_new_string(object));
	json_object_object_add(o, "only", json_object_new_string(only));
	json_object_array_add(list, o);
}

static struct json_object *differences(struct json_object *a,
				       struct json_object *b)
{
	struct diff d = {.list = json_object_new_array()};
	struct json_object *other;

	json_object_object_foreach(a, name, v)
	{
		d.object = name;
		if (*name == '#')
			continue;
		if (json_object_object_get_ex(b, name, &other))
			compare(&d, v, other);
		else
			missing(d.list, name, "a");
	}
	json_object_object_foreach(b, name2, v2)
	{
		(void)v2;
		if (*name2 != '#' && !json_object_object_get_ex(a, name2, NULL))
			missing(d.list, name2, "b");
	}
	return d.list;
}

int image_diff(const char *a, const char *b)
{
	struct json_object *ja = read_objects(a);
	struct json_object *jb = ja ? read_objects(b) : NULL;
	int code = EXIT_TROUBLE;

	if (jb) {
		struct json_object *list = differences(ja, jb);

		code = json_object_array_length(list) ? EXIT_DIFFERENT : 0;
		puts(json_object_to_json_string_ext(
		    list,
		    JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
		json_object_put(list);
	}
	json_object_put(ja);
	json_object_put(jb);
	return code;
}

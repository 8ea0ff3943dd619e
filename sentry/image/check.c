/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cordon image check`: the file is whole, every record is the message it must
 * be, and every stack in it can be loaded.
 */
#include "sentry/image/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sentry/core/env_plain.h"
#include "sentry/core/log.h"
#include "sentry/core/run.h"
#include "sentry/image/image.h"
#include "sentry/image/json.h"
#include "sentry/image/trial.h"

struct check {
	struct image im;
	struct image_trial trial;
	struct json_object *records; /* how many of each type */
	char why[IMAGE_WHY];
};

static void add(struct json_object *o, const char *name, uint64_t v)
{
	json_object_object_add(o, name, json_object_new_uint64(v));
}

static void count_record(struct check *c, const char *name)
{
	struct json_object *n;

	if (json_object_object_get_ex(c->records, name, &n))
		json_object_set_uint64(n, json_object_get_uint64(n) + 1);
	else
		add(c->records, name, 1);
}

static int check_record(struct check *c, struct image_walk *w)
{
	const uint8_t *p = w->in.data - IMAGE_RECORD_BYTES;

	if (!w->known)
		return image_fail(c->why, -ENOTSUP,
				  "has a record of unknown type %u", w->type);
	count_record(c, w->known->name);
	if (!image_walk_message(w))
		return -EBADMSG;
	if (w->type == NST_SAVE_NETEM)
		return image_trial_netem(env_plain(), &p, c->im.end, c->why);
	if (w->type != NST_SAVE_STACK)
		return 0;
	return image_trial(&c->trial, env_plain(), &p, c->im.end, false,
			   c->why);
}

static int check_records(struct check *c)
{
	struct image_walk w;
	int rc = 0;

	image_walk_init(&w, &c->im);
	while (!rc && image_walk_next(&w))
		rc = check_record(c, &w);
	if (w.in.err)
		rc = image_fail(c->why, -EBADMSG, "is broken: %s", w.why);
	image_walk_fini(&w);
	return rc;
}

static struct json_object *sockets(const struct image_trial *t)
{
	struct json_object *o = json_object_new_object();

	for (uint32_t i = 0; i < TRIAL_STATES; i++)
		if (t->tcp[i] && image_tcp_state(i))
			add(o, image_tcp_state(i), t->tcp[i]);
	if (t->datagram)
		add(o, "datagram", t->datagram);
	return o;
}

static void report(struct check *c, const char *path)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "file", json_object_new_string(path));
	add(o, "bytes", c->im.bytes);
	add(o, "format", c->im.format);
	json_object_object_add(o, "header",
			       image_json(&c->im.header->base, false));
	json_object_object_add(
	    o, "blake2b",
	    image_json_bytes(c->im.hash, sizeof c->im.hash, true));
	json_object_object_add(o, "records", json_object_get(c->records));
	add(o, "stacks", c->trial.stacks);
	json_object_object_add(o, "sockets", sockets(&c->trial));
	add(o, "tcp_bytes_to_send", c->trial.unsent_bytes);
	add(o, "tcp_bytes_to_read", c->trial.unread_bytes);
	puts(json_object_to_json_string_ext(
	    o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

int image_check(const char *path)
{
	struct check c = {.records = json_object_new_object()};
	int rc = image_read(&c.im, path, c.why);

	if (!rc)
		rc = check_records(&c);
	if (rc)
		log_error("%s %s", path, c.why);
	else
		report(&c, path);
	image_free(&c.im);
	json_object_put(c.records);
	return rc ? IMAGE_EXIT_BAD : 0;
}

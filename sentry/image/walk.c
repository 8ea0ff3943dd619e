/* SPDX-License-Identifier: Apache-2.0 */
/* From record to record. */
#include "sentry/image/image.h"

#include <string.h>

#include "sentry/core/env_plain.h"

void image_walk_init(struct image_walk *w, const struct image *im)
{
	*w = (struct image_walk){.im = im};
	save_in_init(&w->in, env_plain(), im->records,
		     (size_t)(im->end - im->records), w->why);
	if (im->header->n_parts)
		w->left = im->header->parts[0]->records;
}

bool image_walk_next(struct image_walk *w)
{
	const Cordon__ImageHeader *h = w->im->header;

	if (!save_next(&w->in))
		return false;
	w->type = w->in.type;
	w->known = image_type_of(w->type);
	w->number = w->in.nrecords;
	while (!w->left && w->part + 1 < h->n_parts)
		w->left = h->parts[++w->part]->records;
	w->left--;
	return true;
}

const ProtobufCMessage *image_walk_message(struct image_walk *w)
{
	if (w->known)
		return save_parse(&w->in, w->known->desc);
	save_fail(&w->in, NST_E_INVAL, "unknown type");
	return NULL;
}

const char *image_walk_part(const struct image_walk *w)
{
	return w->part < w->im->header->n_parts
		   ? w->im->header->parts[w->part]->kind
		   : "";
}

void image_walk_fini(struct image_walk *w)
{
	save_in_fini(&w->in);
}

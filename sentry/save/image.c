/* SPDX-License-Identifier: Apache-2.0 */
/* An image in memory. */
#include <stdlib.h>
#include <string.h>

#include "sentry/save/save_priv.h"

#define IMAGE_FIRST_BYTES (64u << 10)

bool save_image_put(void *ctx, const void *data, size_t bytes)
{
	struct save_image *im = ctx;
	size_t size = im->size ? im->size : IMAGE_FIRST_BYTES;
	uint8_t *p;

	if (bytes > SIZE_MAX / 4 - im->used)
		return false;
	while (size - im->used < bytes || size < im->used)
		size *= 2;
	if (size != im->size) {
		p = realloc(im->p, size);
		if (!p)
			return false;
		im->p = p;
		im->size = size;
	}
	memcpy(im->p + im->used, data, bytes);
	im->used += bytes;
	return true;
}

void save_image_reset(struct save_image *im)
{
	if (im->size > SAVES_KEEP_BYTES)
		save_image_fini(im);
	im->used = 0;
}

void save_image_fini(struct save_image *im)
{
	free(im->p);
	im->p = NULL;
	im->size = im->used = 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* How readers and writers of images say what is wrong. */
#include <stdarg.h>
#include <stdio.h>

#include "sentry/image/image.h"

int image_fail(char *why, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, IMAGE_WHY, fmt, ap);
	va_end(ap);
	return err;
}

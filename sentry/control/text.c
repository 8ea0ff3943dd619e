/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/control/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

/* Bytes of the UTF-8 sequence (RFC 3629 4) that begins here; 0: none does. */
static size_t sequence(const unsigned char *s)
{
	unsigned char lo = 0x80, hi = 0xbf;
	size_t n;

	if (*s < 0x80)
		return 1;
	if (*s < 0xc2 || *s > 0xf4)
		return 0;
	n = *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : 4;
	/* Overlong forms, surrogates, beyond U+10FFFF. */
	if (*s == 0xe0)
		lo = 0xa0;
	else if (*s == 0xed)
		hi = 0x9f;
	else if (*s == 0xf0)
		lo = 0x90;
	else if (*s == 0xf4)
		hi = 0x8f;
	for (size_t i = 1; i < n; i++) {
		if (s[i] < lo || s[i] > hi)
			return 0;
		lo = 0x80;
		hi = 0xbf;
	}
	return n;
}

struct json_object *text_to_json(const char *bytes)
{
	const unsigned char *s = (const unsigned char *)bytes;
	char *out = malloc(strlen(bytes) * 3 + 1);
	size_t at = 0;

	if (!out)
		return NULL;
	while (*s) {
		size_t n = sequence(s);

		memcpy(out + at, n ? (const char *)s : replacement, n ? n : 3);
		at += n ? n : 3;
		s += n ? n : 1;
	}
	struct json_object *o = json_object_new_string_len(out, (int)at);
	free(out);
	return o;
}

/* C0, DEL, C1 (as UTF-8 C2 80 to C2 9F), or no UTF-8 at all. */
static bool is_control(const unsigned char *s, size_t n)
{
	return n == 0 || *s < 0x20 || *s == 0x7f ||
	       (n == 2 && *s == 0xc2 && s[1] < 0xa0);
}

void text_for_terminal(char *out, size_t size, const char *utf8, size_t columns)
{
	const unsigned char *s = (const unsigned char *)utf8;
	size_t at = strlen(out);

	for (; *s && columns && at + 8 < size; columns--) {
		size_t n = sequence(s);

		if (is_control(s, n)) {
			out[at++] = '?';
			s += n ? n : 1;
			continue;
		}
		memcpy(out + at, s, n);
		at += n;
		s += n;
	}
	snprintf(out + at, size - at, "%s", *s ? "..." : "");
}

void text_of_seconds(char out[24], long long s)
{
	if (s < 120)
		snprintf(out, 24, "%llds", s);
	else if (s < 120 * 60)
		snprintf(out, 24, "%lldm", s / 60);
	else if (s < 48 * 3600)
		snprintf(out, 24, "%lldh", s / 3600);
	else
		snprintf(out, 24, "%lldd", s / 86400);
}

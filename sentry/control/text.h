/* SPDX-License-Identifier: Apache-2.0 */
/* Text of guests, on its way to JSON and to terminals. */
#ifndef SENTRY_CONTROL_TEXT_H
#define SENTRY_CONTROL_TEXT_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

/* A JSON string of bytes that may not be UTF-8: what is not becomes U+FFFD.
 * NULL without memory. */
struct json_object *text_to_json(const char *bytes);
/* Appends at most `columns` characters of UTF-8 to out, which has room for
 * size bytes; control characters become '?'. What is cut off ends in "...". */
void text_for_terminal(char *out, size_t size, const char *utf8,
		       size_t columns);
/* "3s", "12m", "5h", "2d". */
void text_of_seconds(char out[24], long long seconds);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any message as JSON, by its descriptor: field names as in the schema,
 * addresses and times as people write them, some numbers by name. What is zero
 * or empty is left out.
 */
#ifndef SENTRY_IMAGE_JSON_H
#define SENTRY_IMAGE_JSON_H

#include <json-c/json.h>
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

/* full: bytes whole; else long ones are their beginning, length and hash. NULL
 * without memory. */
struct json_object *image_json(const ProtobufCMessage *m, bool full);
/* Bytes as hexadecimal text. */
struct json_object *image_json_bytes(const void *data, size_t n, bool full);
/* Of an enum nst_tcp_state; NULL: none. */
const char *image_tcp_state(uint32_t state);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/image/json.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/control/text.h"
#include "sentry/core/errmap.h"
#include "sentry/core/values.h"

/* Longer ones are cut to this, unless all is asked for. */
#define CUT_BYTES 32
#define DIGEST_BYTES 16

typedef ProtobufCFieldDescriptor Field;

/* ---- numbers that have names ---- */

static const char *const tcp_states[] = {
    NULL,        "ESTABLISHED", "SYN_SENT", "SYN_RECV",   "FIN_WAIT1",
    "FIN_WAIT2", "TIME_WAIT",   "CLOSE",    "CLOSE_WAIT", "LAST_ACK",
    "LISTEN",    "CLOSING",     NULL};
static const char *const ca_states[] = {"open",     "disorder", "cwr",
					"recovery", "loss",     NULL};
static const char *const sock_kinds[] = {"tcp", "udp", "ping", "raw", NULL};
static const char *const link_kinds[] = {"loopback", "ether", "ip", NULL};
static const char *const neigh_states[] = {
    "incomplete", "reachable", "stale", "delay", "probe", "failed", NULL};

/* From `first` on, up to the NULL behind the first name. */
static const struct names {
	const char *message, *field;
	uint32_t first;
	const char *const *list;
} named[] = {
    {"NstTcp", "state", 1, tcp_states},
    {"NstTcp", "ca_state", 0, ca_states},
    {"NstSock", "kind", 0, sock_kinds},
    {"NstNicConfig", "kind", 0, link_kinds},
    {"Neigh", "state", 0, neigh_states},
};

static const char *name_in(const struct names *n, uint32_t v)
{
	for (uint32_t i = n->first; i <= v; i++)
		if (!n->list[i])
			return NULL;
	return v < n->first ? NULL : n->list[v];
}

const char *image_tcp_state(uint32_t state)
{
	return name_in(&named[0], state);
}

static bool is_error(const Field *f)
{
	return !strcmp(f->name, "error") || !strcmp(f->name, "err") ||
	       !strcmp(f->name, "err_soft");
}

static struct json_object *number(const ProtobufCMessageDescriptor *d,
				  const Field *f, uint32_t v)
{
	if (is_error(f) && v < NST_E_COUNT)
		return json_object_new_string(
		    v ? strerrorname_np(errno_of((enum nst_err)v)) : "0");
	for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
		const struct names *n = &named[i];
		const char *text;

		if (strcmp(n->message, d->short_name) != 0 ||
		    strcmp(n->field, f->name) != 0)
			continue;
		text = name_in(n, v);
		if (text)
			return json_object_new_string(text);
	}
	return json_object_new_int64(v);
}

/* ---- times: all signed 64-bit fields are ns ---- */

static struct json_object *seconds(int64_t ns)
{
	uint64_t u = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
	char text[40];

	if (ns == NST_NEVER)
		return json_object_new_string("never");
	snprintf(text, sizeof text, "%s%" PRIu64 ".%09" PRIu64,
		 ns < 0 ? "-" : "", u / 1000000000, u % 1000000000);
	return json_object_new_double_s((double)ns / 1e9, text);
}

/* ---- bytes ---- */

struct json_object *image_json_bytes(const void *data, size_t n, bool full)
{
	size_t show = full || n <= CUT_BYTES ? n : CUT_BYTES;
	unsigned char digest[DIGEST_BYTES];
	char hex[DIGEST_BYTES * 2 + 1], *text = malloc(show * 2 + 128);
	struct json_object *o;

	if (!text)
		return NULL;
	sodium_bin2hex(text, show * 2 + 1, data, show);
	if (show < n) {
		crypto_generichash(digest, sizeof digest, data, n, NULL, 0);
		sodium_bin2hex(hex, sizeof hex, digest, sizeof digest);
		snprintf(text + show * 2, 128, "... %zu bytes, blake2b %s", n,
			 hex);
	}
	o = json_object_new_string(text);
	free(text);
	return o;
}

/* As addresses are put into messages: family, bytes, and a scope with IPv6. */
static bool as_addr(const ProtobufCBinaryData *b, char out[VALUE_TEXT_BYTES])
{
	struct nst_addr a = {0};
	uint32_t scope;
	size_t n;

	if (!(b->len == 5 && b->data[0] == 4) &&
	    !(b->len == 21 && b->data[0] == 6))
		return false;
	a.family = b->data[0];
	memcpy(a.b, b->data + 1, a.family == 4 ? 4 : 16);
	value_addr_text(&a, out);
	if (a.family == 4)
		return true;
	scope = b->data[17] | (uint32_t)b->data[18] << 8 |
		(uint32_t)b->data[19] << 16 | (uint32_t)b->data[20] << 24;
	n = strlen(out);
	if (scope)
		snprintf(out + n, VALUE_TEXT_BYTES - n, "%%%" PRIu32, scope);
	return true;
}

static bool as_mac(const Field *f, const ProtobufCBinaryData *b,
		   char out[VALUE_TEXT_BYTES])
{
	const uint8_t *m = b->data;

	if (b->len != 6 || strcmp(f->name, "mac") != 0)
		return false;
	snprintf(out, VALUE_TEXT_BYTES, "%02x:%02x:%02x:%02x:%02x:%02x", m[0],
		 m[1], m[2], m[3], m[4], m[5]);
	return true;
}

/* Bytes that are text: of programs' arguments, which need not be UTF-8. */
static struct json_object *as_text(const ProtobufCBinaryData *b)
{
	char *text = strndup((const char *)b->data, b->len);
	struct json_object *o = text ? text_to_json(text) : NULL;

	free(text);
	return o;
}

static struct json_object *bytes(const Field *f, const ProtobufCBinaryData *b,
				 bool full)
{
	char text[VALUE_TEXT_BYTES];

	if (!strcmp(f->name, "argv"))
		return as_text(b);
	if (strcmp(f->name, "data") != 0 &&
	    (as_addr(b, text) || as_mac(f, b, text)))
		return json_object_new_string(text);
	return image_json_bytes(b->data, b->len, full);
}

/* ---- fields ---- */

static struct json_object *value(const ProtobufCMessageDescriptor *d,
				 const Field *f, const void *at, bool full)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_BOOL:
		return json_object_new_boolean(*(const protobuf_c_boolean *)at);
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_ENUM:
		return number(d, f, *(const uint32_t *)at);
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		return json_object_new_int64(*(const int32_t *)at);
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		return json_object_new_uint64(*(const uint64_t *)at);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		return seconds(*(const int64_t *)at);
	case PROTOBUF_C_TYPE_FLOAT:
		return json_object_new_double((double)*(const float *)at);
	case PROTOBUF_C_TYPE_DOUBLE:
		return json_object_new_double(*(const double *)at);
	case PROTOBUF_C_TYPE_STRING:
		return text_to_json(*(char *const *)at);
	case PROTOBUF_C_TYPE_BYTES:
		return bytes(f, at, full);
	case PROTOBUF_C_TYPE_MESSAGE:
		return image_json(*(ProtobufCMessage *const *)at, full);
	}
	return NULL;
}

static size_t element_bytes(const Field *f)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_ENUM:
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return 4;
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	default:
		return 8;
	}
}

/* Zero, empty or not there. */
static bool absent(const Field *f, const void *at)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING: {
		const char *s = *(char *const *)at;

		return !s || !*s;
	}
	case PROTOBUF_C_TYPE_BYTES:
		return !((const ProtobufCBinaryData *)at)->len;
	case PROTOBUF_C_TYPE_MESSAGE:
		return !*(void *const *)at;
	default:
		return sodium_is_zero(at, element_bytes(f));
	}
}

static struct json_object *array(const ProtobufCMessageDescriptor *d,
				 const Field *f, const uint8_t *v, size_t n,
				 bool full)
{
	struct json_object *a = json_object_new_array();

	for (size_t i = 0; a && i < n; i++)
		json_object_array_add(
		    a, value(d, f, v + i * element_bytes(f), full));
	return a;
}

static bool is_named(const ProtobufCMessageDescriptor *d, const Field *f)
{
	for (size_t i = 0; i < sizeof named / sizeof *named; i++)
		if (!strcmp(named[i].message, d->short_name) &&
		    !strcmp(named[i].field, f->name))
			return true;
	return false;
}

struct json_object *image_json(const ProtobufCMessage *m, bool full)
{
	const ProtobufCMessageDescriptor *d = m->descriptor;
	struct json_object *o = json_object_new_object();

	for (unsigned i = 0; o && i < d->n_fields; i++) {
		const Field *f = &d->fields[i];
		const uint8_t *at = (const uint8_t *)m + f->offset;
		struct json_object *v;

		if (f->label == PROTOBUF_C_LABEL_REPEATED) {
			size_t n = *(const size_t *)((const uint8_t *)m +
						     f->quantifier_offset);

			if (!n)
				continue;
			v = array(d, f, *(uint8_t *const *)at, n, full);
		} else if (absent(f, at) && !is_named(d, f)) {
			continue;
		} else {
			v = value(d, f, at, full);
		}
		json_object_object_add(o, f->name, v);
	}
	return o;
}

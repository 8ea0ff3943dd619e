/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/gateway/dns_msg.h"

#include <string.h>

#define QR 0x80     /* byte 2: response */
#define OPCODE 0x78 /* byte 2 */
#define RD 0x01     /* byte 2: recursion desired, copied to answers */
#define RA 0x80     /* byte 3: recursion available */
#define LABEL_MAX 63
#define NAME_MAX_BYTES 255

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

bool dns_msg_is_query(const uint8_t *msg, size_t bytes)
{
	return bytes >= DNS_HEADER && !(msg[2] & QR);
}

uint16_t dns_msg_id(const uint8_t *msg)
{
	return get16(msg);
}

void dns_msg_set_id(uint8_t *msg, uint16_t id)
{
	msg[0] = (uint8_t)(id >> 8);
	msg[1] = (uint8_t)id;
}

uint8_t dns_msg_rcode(const uint8_t *msg)
{
	return msg[3] & 15;
}

size_t dns_msg_question_end(const uint8_t *msg, size_t bytes)
{
	size_t at = DNS_HEADER;

	if (bytes < DNS_HEADER || get16(msg + 4) != 1)
		return 0;
	while (at < bytes && msg[at] != 0) {
		if (msg[at] > LABEL_MAX)
			return 0;
		at += 1u + msg[at];
	}
	/* The root's zero, type and class. */
	if (at - DNS_HEADER >= NAME_MAX_BYTES || at + 5 > bytes)
		return 0;
	return at + 5;
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

/* Length bytes are below 64 and so not changed by lower(). */
static bool same_question(const uint8_t *a, const uint8_t *b, size_t end)
{
	size_t at = DNS_HEADER;

	for (; at < end - 4; at++) {
		if (lower(a[at]) != lower(b[at]))
			return false;
	}
	return memcmp(a + at, b + at, 4) == 0;
}

bool dns_msg_answers(const uint8_t *reply, size_t bytes, const uint8_t *query,
		     size_t query_bytes)
{
	size_t asked, echoed;

	if (bytes < DNS_HEADER || !(reply[2] & QR))
		return false;
	if (memcmp(reply, query, 2) != 0)
		return false;
	if ((reply[2] & OPCODE) != (query[2] & OPCODE))
		return false;
	asked = dns_msg_question_end(query, query_bytes);
	if (asked == 0 || get16(reply + 4) == 0)
		return true;
	echoed = dns_msg_question_end(reply, bytes);
	return echoed == asked && same_question(reply, query, asked);
}

size_t dns_msg_fail(uint8_t *query, size_t bytes, uint8_t rcode)
{
	size_t end = dns_msg_question_end(query, bytes);

	query[2] = (uint8_t)(QR | (query[2] & (OPCODE | RD)));
	query[3] = (uint8_t)(RA | (rcode & 15));
	memset(query + 4, 0, 8);
	if (end == 0)
		return DNS_HEADER;
	query[5] = 1; /* QDCOUNT */
	return end;
}

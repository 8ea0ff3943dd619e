/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As much of a DNS message (RFC 1035 4.1) as a forwarder must understand: the
 * header, and how far the question reaches. Every byte is somebody else's:
 * nothing is read beyond `bytes`, and nothing is followed (no compression
 * pointers are allowed in a question).
 */
#ifndef SENTRY_GATEWAY_DNS_MSG_H
#define SENTRY_GATEWAY_DNS_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_HEADER 12
#define DNS_RCODE_SERVFAIL 2
#define DNS_RCODE_REFUSED 5

/* A query a client may ask: a whole header, not a response. */
bool dns_msg_is_query(const uint8_t *msg, size_t bytes);
uint16_t dns_msg_id(const uint8_t *msg);
void dns_msg_set_id(uint8_t *msg, uint16_t id);
uint8_t dns_msg_rcode(const uint8_t *msg);
/* Bytes of header and the only question; 0: none, more than one, malformed. */
size_t dns_msg_question_end(const uint8_t *msg, size_t bytes);
/*
 * Is `reply` an answer to `query`? Same id, QR set, same opcode, and the same
 * question, names compared without case (RFC 1035 2.3.3), unless the server
 * left the question out (as it may in an error) or the query has none.
 */
bool dns_msg_answers(const uint8_t *reply, size_t bytes, const uint8_t *query,
		     size_t query_bytes);
/* Turns a query into an answer without records, in place; its new length. */
size_t dns_msg_fail(uint8_t *query, size_t bytes, uint8_t rcode);

#endif

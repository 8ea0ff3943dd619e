/* SPDX-License-Identifier: Apache-2.0 */
/* sentry/gateway/dns_msg.c, resolvers.c: what a forwarder reads of messages
 * and of resolv.conf, the malformed ones first. */
#include "sentry/gateway/dns_msg.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/gateway/resolvers.h"

#define ARRAY(a) (sizeof(a) / sizeof(*(a)))

/* id 0x1234, RD, one question: www.Example.com A IN */
static const uint8_t query[] = {0x12, 0x34, 0x01, 0x00, 0,   1,   0,   0,   0,
				0,    0,    0,    3,    'w', 'w', 'w', 7,   'E',
				'x',  'a',  'm',  'p',  'l', 'e', 3,   'c', 'o',
				'm',  0,    0,    1,    0,   1};

/* A copy on the heap, exactly as long, so that a sanitizer sees overreads. */
static uint8_t *exact(const uint8_t *p, size_t bytes)
{
	uint8_t *copy = malloc(bytes ? bytes : 1);

	memcpy(copy, p, bytes);
	return copy;
}

Test(dns_msg, question_end)
{
	cr_assert_eq(dns_msg_question_end(query, sizeof(query)), sizeof(query));
	/* What follows (EDNS) does not matter. */
	uint8_t longer[sizeof(query) + 11] = {0};
	memcpy(longer, query, sizeof(query));
	cr_assert_eq(dns_msg_question_end(longer, sizeof(longer)),
		     sizeof(query));
}

Test(dns_msg, every_truncation_is_refused)
{
	for (size_t n = 0; n < sizeof(query); n++) {
		uint8_t *p = exact(query, n);

		cr_assert_eq(dns_msg_question_end(p, n), 0, "%zu", n);
		cr_assert_eq(dns_msg_is_query(p, n), n >= DNS_HEADER);
		free(p);
	}
}

Test(dns_msg, hostile_names)
{
	uint8_t m[600] = {[5] = 1};
	uint8_t *p;

	/* A compression pointer in a question, to itself. */
	m[12] = 0xc0;
	m[13] = 12;
	cr_assert_eq(dns_msg_question_end(m, sizeof(m)), 0);
	/* The reserved label types. */
	m[12] = 0x40;
	cr_assert_eq(dns_msg_question_end(m, sizeof(m)), 0);
	m[12] = 0x80;
	cr_assert_eq(dns_msg_question_end(m, sizeof(m)), 0);
	/* A name longer than 255 bytes. */
	for (size_t i = 12; i + 64 < sizeof(m); i += 64)
		m[i] = 63;
	cr_assert_eq(dns_msg_question_end(m, sizeof(m)), 0);
	/* A label that reaches past the end. */
	memset(m, 0, sizeof(m));
	m[5] = 1;
	m[12] = 63;
	p = exact(m, 40);
	cr_assert_eq(dns_msg_question_end(p, 40), 0);
	free(p);
	/* No question, two questions, 65535 questions. */
	m[12] = 0;
	m[5] = 0;
	cr_assert_eq(dns_msg_question_end(m, sizeof(m)), 0);
	m[5] = 2;
	cr_assert_eq(dns_msg_question_end(m, sizeof(m)), 0);
	m[4] = m[5] = 0xff;
	cr_assert_eq(dns_msg_question_end(m, sizeof(m)), 0);
}

static size_t make_reply(uint8_t *r)
{
	memcpy(r, query, sizeof(query));
	r[2] |= 0x80;
	r[3] |= 0x80;
	return sizeof(query);
}

Test(dns_msg, answers)
{
	uint8_t r[sizeof(query)];
	size_t n = make_reply(r);

	cr_assert(dns_msg_answers(r, n, query, sizeof(query)));
	/* 0x20: a server that changes case is still answering. */
	r[17] = 'e';
	cr_assert(dns_msg_answers(r, n, query, sizeof(query)));
	/* An error without the question. */
	r[5] = 0;
	cr_assert(dns_msg_answers(r, DNS_HEADER, query, sizeof(query)));
}

static const struct {
	size_t at;
	uint8_t value;
} forged[] = {
    {0, 0x13}, {1, 0x35}, {2, 0x01}, /* no response */
    {2, 0xa9},                       /* another opcode */
    {13, 'x'}, {24, 2},   {30, 28},  {32, 3}, {5, 2},
};

Test(dns_msg, does_not_answer)
{
	uint8_t r[sizeof(query)];

	for (size_t i = 0; i < ARRAY(forged); i++) {
		size_t n = make_reply(r);

		r[forged[i].at] = forged[i].value;
		cr_assert_not(dns_msg_answers(r, n, query, sizeof(query)),
			      "%zu", i);
	}
	for (size_t n = make_reply(r); n-- > 0;) {
		uint8_t *p = exact(r, n);

		cr_assert_not(dns_msg_answers(p, n, query, sizeof(query)));
		free(p);
	}
}

Test(dns_msg, failure)
{
	uint8_t m[sizeof(query) + 30] = {0};
	size_t n;

	memcpy(m, query, sizeof(query));
	m[11] = 1; /* an additional record: EDNS */
	n = dns_msg_fail(m, sizeof(m), DNS_RCODE_SERVFAIL);
	cr_assert_eq(n, sizeof(query));
	cr_assert_eq(dns_msg_id(m), 0x1234);
	cr_assert_eq(m[2], 0x81);
	cr_assert_eq(m[3], 0x82);
	cr_assert_eq(m[5], 1);
	cr_assert_eq(m[11], 0);
	cr_assert(dns_msg_answers(m, n, query, sizeof(query)));
	m[5] = 7;
	cr_assert_eq(dns_msg_fail(m, sizeof(m), DNS_RCODE_REFUSED), DNS_HEADER);
	cr_assert_eq(dns_msg_rcode(m), DNS_RCODE_REFUSED);
	cr_assert_eq(m[5], 0);
}

/* ---- resolv.conf ---- */

static const struct {
	const char *text;
	const char *list[RESOLVERS_MAX + 1];
} confs[] = {
    {"", {"127.0.0.1"}},
    {"# nameserver 1.1.1.1\n;nameserver 2.2.2.2\n", {"127.0.0.1"}},
    {"nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch lan\n",
     {"127.0.0.53"}},
    {"domain x\nnameserver\t192.0.2.1 \r\nnameserver  ::1",
     {"192.0.2.1", "::1"}},
    {"nameserver\nnameserver host\nnameservers 1.1.1.1\n nameserver 9.9.9.9\n",
     {"9.9.9.9"}},
    {"nameserver fe80::1%lo\n", {"fe80::1"}},
    {"nameserver 1.1.1.1\nnameserver 1.1.1.2\nnameserver 1.1.1.3\n"
     "nameserver 1.1.1.4\nnameserver 1.1.1.5\nnameserver 1.1.1.6\n"
     "nameserver 1.1.1.7\nnameserver 1.1.1.8\nnameserver 1.1.1.9\n",
     {"1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4", "1.1.1.5", "1.1.1.6",
      "1.1.1.7", "1.1.1.8"}},
    {"nameserver 1.1.1.1 000000000000000000000000000000000000000000000000000000"
     "0000000000000000000000000000000000000000000000000000000000000000000000000"
     "\nnameserver 1.1.1.2",
     {"1.1.1.2"}},
};

Test(resolvers, parses)
{
	for (size_t i = 0; i < ARRAY(confs); i++) {
		struct resolvers rs;
		size_t n = 0;

		resolvers_init(&rs, NULL);
		resolvers_parse(&rs, confs[i].text);
		for (; n < RESOLVERS_MAX && confs[i].list[n]; n++) {
			struct host_addr *h = &rs.list[n];
			char text[64];

			cr_assert_lt(n, rs.count, "conf %zu", i);
			if (h->u.sa.sa_family == AF_INET)
				inet_ntop(AF_INET, &h->u.in.sin_addr, text, 64);
			else
				inet_ntop(AF_INET6, &h->u.in6.sin6_addr, text,
					  64);
			cr_assert_str_eq(text, confs[i].list[n]);
			cr_assert_eq(ntohs(h->u.in.sin_port), 53);
		}
		cr_assert_eq(rs.count, n, "conf %zu", i);
	}
}

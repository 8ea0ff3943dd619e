/* SPDX-License-Identifier: Apache-2.0 */
/* TCP options of a packet line. */
#include "tests/pkt/parse_priv.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_SACK_BLOCKS = 4 };

struct opt_buf {
	uint8_t *bytes; /* TCP_OPTIONS_MAX */
	size_t len;
};

static uint8_t *room(struct parser *p, struct opt_buf *b, size_t n)
{
	uint8_t *at = b->bytes + b->len;

	if (b->len + n > TCP_OPTIONS_MAX)
		parse_fail(p, "TCP option list too long");
	b->len += n;
	return at;
}

static uint8_t *start(struct parser *p, struct opt_buf *b, uint8_t kind,
		      size_t len)
{
	uint8_t *o = room(p, b, len);

	o[0] = kind;
	if (len > 1)
		o[1] = (uint8_t)len;
	return o + 2;
}

static void parse_sack(struct parser *p, struct opt_buf *b)
{
	uint8_t *o = room(p, b, 2), *edge;
	size_t blocks = 0;

	while (p->t.kind == T_INT && blocks++ < MAX_SACK_BLOCKS) {
		edge = room(p, b, 8);
		put32(edge,
		      (uint32_t)parse_int(p, 0, UINT32_MAX, "SACK left edge"));
		parse_expect(p, ':');
		put32(edge + 4,
		      (uint32_t)parse_int(p, 0, UINT32_MAX, "SACK right edge"));
	}
	if (blocks == 0)
		parse_fail(p, "syntax error: sack without a block");
	o[0] = OPT_SACK;
	o[1] = (uint8_t)(2 + blocks * 8);
}

static void parse_timestamp(struct parser *p, struct opt_buf *b)
{
	uint8_t *o = start(p, b, OPT_TS, 10);

	if (!parse_accept_word(p, "val"))
		parse_fail(p, "syntax error: expected val");
	put32(o, (uint32_t)parse_int(p, 0, UINT32_MAX, "ts val"));
	if (!parse_accept_word(p, "ecr"))
		parse_fail(p, "syntax error: expected ecr");
	put32(o + 4, (uint32_t)parse_int(p, 0, UINT32_MAX, "ecr val"));
}

/* Hexadecimal bytes behind `head` ones; there may be none. */
static void parse_blob(struct parser *p, struct opt_buf *b, uint8_t kind,
		       size_t head)
{
	const char *hex = "";
	size_t n, i;
	uint8_t *o;

	if (p->t.kind == T_WORD || p->t.kind == T_INT) {
		hex = p->t.text;
		parse_step(p);
	}
	n = strlen(hex);
	if (n % 2 != 0 || strspn(hex, "0123456789abcdefABCDEF") != n)
		parse_fail(p, "syntax error: expected hexadecimal bytes");
	o = start(p, b, kind, 2 + head + n / 2);
	if (kind == OPT_EXP)
		put16(o, FASTOPEN_MAGIC);
	for (i = 0; i < n / 2; i++) {
		char digits[3] = {hex[2 * i], hex[2 * i + 1], '\0'};

		o[head + i] = (uint8_t)strtoul(digits, NULL, 16);
	}
}

/*
 * ECN e1b N ceb N e0b N: the counters of RFC 9768 3.2.3.  The first one
 * says which of the two orders, and so which option kind, it is.
 */
static void parse_accecn(struct parser *p, struct opt_buf *b)
{
	static const char *const ORDER[2][3] = {{"e0b", "ceb", "e1b"},
						{"e1b", "ceb", "e0b"}};
	int kind1 = parse_is_word(p, "e1b") || p->t.kind != T_WORD;
	uint8_t *o = room(p, b, 2), *v;
	long long n;
	size_t i;

	for (i = 0; i < 3 && parse_accept_word(p, ORDER[kind1][i]); i++) {
		n = parse_int(p, 0, 0xffffff, "AccECN counter");
		v = room(p, b, 3);
		v[0] = (uint8_t)(n >> 16);
		put16(v + 1, (uint32_t)n);
	}
	o[0] = kind1 ? OPT_ACCECN1 : OPT_ACCECN0;
	o[1] = (uint8_t)(2 + i * 3);
}

static void parse_wscale(struct parser *p, struct opt_buf *b,
			 struct packet *marks)
{
	uint8_t *o = start(p, b, OPT_WSCALE, 3);

	if (parse_accept(p, '*'))
		marks->any_wscale = true;
	else
		o[0] = (uint8_t)parse_int(p, 0, 255, "window scale");
}

static void parse_option(struct parser *p, struct opt_buf *b,
			 struct packet *marks)
{
	if (parse_accept_word(p, "nop"))
		start(p, b, OPT_NOP, 1);
	else if (parse_accept_word(p, "eol"))
		start(p, b, OPT_EOL, 1);
	else if (parse_accept_word(p, "mss"))
		put16(start(p, b, OPT_MSS, 4),
		      (uint32_t)parse_int(p, 0, 65535, "mss"));
	else if (parse_accept_word(p, "wscale"))
		parse_wscale(p, b, marks);
	else if (parse_accept_word(p, "sackOK"))
		start(p, b, OPT_SACK_OK, 2);
	else if (parse_accept_word(p, "sack"))
		parse_sack(p, b);
	else if (parse_accept_word(p, "TS"))
		parse_timestamp(p, b);
	else if (parse_accept_word(p, "md5"))
		parse_blob(p, b, OPT_MD5, 0);
	else if (parse_accept_word(p, "FO"))
		parse_blob(p, b, OPT_FASTOPEN, 0);
	else if (parse_accept_word(p, "FOEXP"))
		parse_blob(p, b, OPT_EXP, 2);
	else if (parse_accept_word(p, "ECN"))
		parse_accecn(p, b);
	else
		parse_fail(p, "syntax error: unknown TCP option");
}

void parse_tcp_options(struct parser *p, struct tcp_spec *t,
		       struct packet *marks)
{
	struct opt_buf b = {arena_alloc(p->arena, TCP_OPTIONS_MAX), 0};

	if (p->t.kind == T_ELLIPSIS) {
		parse_step(p);
		marks->any_options = true;
	} else {
		do
			parse_option(p, &b, marks);
		while (parse_accept(p, ','));
	}
	if (b.len % 4 != 0)
		parse_fail(p, "TCP options are not padded to 4 bytes");
	parse_expect(p, '>');
	t->options = b.bytes;
	t->options_len = b.len;
}

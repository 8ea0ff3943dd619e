/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser's parts: one recursive descent over the tokens of lex.h.  Only
 * parse*.c include this.  Every function either succeeds or ends the parse
 * through lex_fail().
 */
#ifndef CORDON_TESTS_PKT_PARSE_PRIV_H
#define CORDON_TESTS_PKT_PARSE_PRIV_H

#include "tests/pkt/lex.h"
#include "tests/pkt/script.h"

struct parser {
	struct lexer lx;
	struct token t; /* the one to look at */
	struct arena *arena;
	struct config *conf;
};

/* To the next token. */
void parse_step(struct parser *p);
bool parse_is(const struct parser *p, char ch);
bool parse_is_word(const struct parser *p, const char *word);
/* Consumes it if it is there. */
bool parse_accept(struct parser *p, char ch);
bool parse_accept_word(struct parser *p, const char *word);
/* Consumes it or fails. */
void parse_expect(struct parser *p, char ch);
/* A decimal number in [min, max]; `what` names it in the message. */
long long parse_int(struct parser *p, long long min, long long max,
		    const char *what);
void parse_fail(struct parser *p, const char *what) __attribute__((noreturn));

/* parse_expr.c */
struct expr *parse_expr(struct parser *p);
/* a, b, c up to `close`, which is consumed. */
struct expr *parse_list(struct parser *p, char close);

/* parse_packet.c: behind the < or >. */
struct packet *parse_packet(struct parser *p, enum direction dir);

/* parse_tcpopt.c: behind the <; consumes the >. */
void parse_tcp_options(struct parser *p, struct tcp_spec *t,
		       struct packet *marks);

#endif /* CORDON_TESTS_PKT_PARSE_PRIV_H */

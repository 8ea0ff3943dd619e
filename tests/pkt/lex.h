/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of the packetdrill language.
 *
 * Comments are C's two kinds and, at the start of a line, '#'.  A word that
 * was defined (-D NAME=VALUE) gives its value: "text" a string, `text` a
 * command, anything else another word.
 *
 * A token's text lives in the arena of the lexer.  Errors end the parse:
 * lex_fail() jumps to `bail` after it wrote the message with file and line.
 */
#ifndef CORDON_TESTS_PKT_LEX_H
#define CORDON_TESTS_PKT_LEX_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>

#include "tests/pkt/arena.h"

enum token_kind {
	T_END,
	T_WORD,       /* letters, digits, underscores */
	T_INT,        /* decimal, maybe with a minus */
	T_HEX,        /* 0x... */
	T_FLOAT,      /* digits, point, digits */
	T_STRING,     /* "...": text without the quotes, escapes as written */
	T_BACKQUOTED, /* `...` */
	T_CODE,       /* %{ ... }%: text without the marks */
	T_OPTION,     /* --name: text is the name */
	T_ELLIPSIS,
	T_IPV4,
	T_IPV6,
	T_PUNCT, /* one character, in `ch` */
};

struct token {
	enum token_kind kind;
	int line;
	const char *start; /* in the script, where the token begins */
	const char *text;
	long long num; /* T_INT, T_HEX */
	double fp;     /* T_FLOAT, T_INT */
	char ch;       /* T_PUNCT */
};

/* One -D NAME=VALUE. */
struct define {
	const char *name, *value;
	const struct define *next;
};

struct lexer {
	struct arena *arena;
	const char *file;
	const char *pos, *end;
	int line;
	const struct define *const *defines;
	char *err;
	size_t err_size;
	jmp_buf *bail;
};

/* The next token.  T_END at the end, again and again. */
struct token lex_next(struct lexer *lx);
/* Puts `t` back: the next lex_next() gives it once more. */
void lex_back(struct lexer *lx, const struct token *t);
/* The characters from here to the next blank or `stop`, as they are. */
char *lex_raw_word(struct lexer *lx);
/* What is between here and the next ')', which is consumed. */
char *lex_raw_to_paren(struct lexer *lx);
/* Writes "file:line: message" and jumps. */
void lex_fail(struct lexer *lx, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4), noreturn));

#endif /* CORDON_TESTS_PKT_LEX_H */

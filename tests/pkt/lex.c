/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/pkt/lex.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ADDRESS_ROOM = 64 };

void lex_fail(struct lexer *lx, int line, const char *fmt, ...)
{
	va_list ap;
	int n = snprintf(lx->err, lx->err_size, "%s:%d: ", lx->file, line);

	if (n < 0 || (size_t)n >= lx->err_size)
		n = 0;
	va_start(ap, fmt);
	vsnprintf(lx->err + n, lx->err_size - (size_t)n, fmt, ap);
	va_end(ap);
	longjmp(*lx->bail, 1);
}

static bool at(const struct lexer *lx, const char *s)
{
	size_t n = strlen(s);

	return (size_t)(lx->end - lx->pos) >= n && memcmp(lx->pos, s, n) == 0;
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* How many characters from `p` on are of a kind. */
static size_t span(const struct lexer *lx, const char *p, bool (*kind)(char))
{
	const char *q = p;

	while (q < lx->end && kind(*q))
		q++;
	return (size_t)(q - p);
}

static void skip_to_eol(struct lexer *lx)
{
	while (lx->pos < lx->end && *lx->pos != '\n')
		lx->pos++;
}

static void skip_c_comment(struct lexer *lx)
{
	int line = lx->line;

	lx->pos += 2;
	while (lx->pos < lx->end && !at(lx, "*/"))
		lx->line += *lx->pos++ == '\n';
	if (lx->pos >= lx->end)
		lex_fail(lx, line, "comment without an end");
	lx->pos += 2;
}

static void skip_blanks(struct lexer *lx)
{
	bool fresh = false; /* only blanks since the start of the line */

	while (lx->pos < lx->end) {
		if (*lx->pos == '\n') {
			lx->line++;
			fresh = true;
			lx->pos++;
		} else if (isspace((unsigned char)*lx->pos)) {
			lx->pos++;
		} else if (at(lx, "//")) {
			skip_to_eol(lx);
		} else if (*lx->pos == '#' && (fresh || lx->line == 1)) {
			skip_to_eol(lx);
		} else if (at(lx, "/*")) {
			skip_c_comment(lx);
		} else {
			break;
		}
	}
}

/* Text up to an unescaped `quote`; `pos` is behind the opening one. */
static char *quoted(struct lexer *lx, char quote)
{
	const char *from = lx->pos;
	int line = lx->line;

	while (lx->pos < lx->end && *lx->pos != quote) {
		if (*lx->pos == '\\' && lx->pos + 1 < lx->end)
			lx->line += *lx->pos++ == '\n';
		lx->line += *lx->pos++ == '\n';
	}
	if (lx->pos >= lx->end)
		lex_fail(lx, line, "no closing %c", quote);
	return arena_strndup(lx->arena, from, (size_t)(lx->pos++ - from));
}

/* Python cares about leading blanks, so both ends are trimmed. */
static char *code(struct lexer *lx)
{
	const char *from, *to;
	int line = lx->line;

	lx->pos += 2;
	from = lx->pos;
	while (lx->pos < lx->end && !at(lx, "}%"))
		lx->line += *lx->pos++ == '\n';
	if (lx->pos >= lx->end)
		lex_fail(lx, line, "%%{ without }%%");
	to = lx->pos;
	lx->pos += 2;
	while (from < to && (*from == ' ' || *from == '\t'))
		from++;
	while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
		to--;
	return arena_strndup(lx->arena, from, (size_t)(to - from));
}

static bool is_v4_char(char c)
{
	return is_digit(c) || c == '.';
}

static bool is_v6_char(char c)
{
	return isxdigit((unsigned char)c) || c == ':' || c == '.';
}

/*
 * An address, if one is here.  Sequence numbers look like IPv6 addresses
 * ("1:1001"), so one of those must have "::" or all seven colons, which
 * inet_pton() sees to.
 */
static bool address(struct lexer *lx, struct token *t)
{
	char buf[ADDRESS_ROOM];
	unsigned char bin[16];
	size_t n4 = span(lx, lx->pos, is_v4_char);
	size_t n6 = span(lx, lx->pos, is_v6_char);

	if (n6 > n4 && n6 < sizeof(buf)) {
		memcpy(buf, lx->pos, n6);
		buf[n6] = '\0';
		if (inet_pton(AF_INET6, buf, bin) == 1) {
			t->kind = T_IPV6;
			t->text = arena_strdup(lx->arena, buf);
			lx->pos += n6;
			return true;
		}
	}
	if (n4 == 0 || n4 >= sizeof(buf))
		return false;
	memcpy(buf, lx->pos, n4);
	buf[n4] = '\0';
	if (inet_pton(AF_INET, buf, bin) != 1)
		return false;
	t->kind = T_IPV4;
	t->text = arena_strdup(lx->arena, buf);
	lx->pos += n4;
	return true;
}

/* [-]digits[.digits], where "0...1" is 0 and then an ellipsis. */
static bool number(struct lexer *lx, struct token *t)
{
	const char *p = lx->pos;
	size_t whole, part = 0;

	if (*p == '-')
		p++;
	whole = span(lx, p, is_digit);
	if (p + whole < lx->end && p[whole] == '.')
		part = span(lx, p + whole + 1, is_digit);
	if (whole == 0 && part == 0)
		return false;
	if (part == 0 && whole < span(lx, p, is_word))
		return false; /* a word that begins with digits */
	p += part > 0 ? whole + 1 + part : whole;
	t->text = arena_strndup(lx->arena, lx->pos, (size_t)(p - lx->pos));
	t->kind = part > 0 ? T_FLOAT : T_INT;
	t->fp = strtod(t->text, NULL);
	errno = 0;
	t->num = part > 0 ? 0 : strtoll(t->text, NULL, 10);
	if (errno != 0)
		lex_fail(lx, lx->line, "number out of range: %s", t->text);
	lx->pos = p;
	return true;
}

static bool is_hex(char c)
{
	return isxdigit((unsigned char)c) != 0;
}

static bool hexadecimal(struct lexer *lx, struct token *t)
{
	size_t n;

	if (!at(lx, "0x"))
		return false;
	n = span(lx, lx->pos + 2, is_hex);
	if (n == 0 || n != span(lx, lx->pos + 2, is_word))
		return false;
	t->kind = T_HEX;
	t->text = arena_strndup(lx->arena, lx->pos, n + 2);
	errno = 0;
	t->num = (long long)strtoull(t->text, NULL, 16);
	if (errno != 0)
		lex_fail(lx, lx->line, "number out of range: %s", t->text);
	lx->pos += n + 2;
	return true;
}

/* A word, or what it was defined as. */
static void word(struct lexer *lx, struct token *t)
{
	size_t n = span(lx, lx->pos, is_word);
	const struct define *d;

	t->kind = T_WORD;
	t->text = arena_strndup(lx->arena, lx->pos, n);
	lx->pos += n;
	for (d = lx->defines != NULL ? *lx->defines : NULL; d; d = d->next) {
		size_t len = strlen(d->value);
		char q = d->value[0];

		if (strcmp(d->name, t->text) != 0)
			continue;
		t->text = d->value;
		if (*d->value != '\0' &&
		    strspn(d->value, "0123456789") == len) {
			t->kind = T_INT;
			t->num = strtoll(d->value, NULL, 10);
			return;
		}
		if (len < 2 || (q != '"' && q != '`'))
			return;
		t->kind = q == '"' ? T_STRING : T_BACKQUOTED;
		t->text = arena_strndup(lx->arena, d->value + 1, len - 2);
		return;
	}
}

static bool option(struct lexer *lx, struct token *t)
{
	size_t n;

	if (!at(lx, "--"))
		return false;
	n = span(lx, lx->pos + 2, is_word);
	if (n == 0)
		return false;
	t->kind = T_OPTION;
	t->text = arena_strndup(lx->arena, lx->pos + 2, n);
	lx->pos += n + 2;
	return true;
}

struct token lex_next(struct lexer *lx)
{
	struct token t = {.kind = T_END};

	skip_blanks(lx);
	t.line = lx->line;
	t.start = lx->pos;
	t.text = "";
	if (lx->pos >= lx->end)
		return t;
	if (at(lx, "...")) {
		t.kind = T_ELLIPSIS;
		lx->pos += 3;
	} else if (*lx->pos == '"' || *lx->pos == '`') {
		char quote = *lx->pos++;

		t.kind = quote == '"' ? T_STRING : T_BACKQUOTED;
		t.text = quoted(lx, quote);
	} else if (at(lx, "%{")) {
		t.kind = T_CODE;
		t.text = code(lx);
	} else if (option(lx, &t) || hexadecimal(lx, &t) || address(lx, &t) ||
		   number(lx, &t)) {
		return t;
	} else if (is_word(*lx->pos)) {
		word(lx, &t);
	} else {
		t.kind = T_PUNCT;
		t.ch = *lx->pos++;
		t.text = arena_strndup(lx->arena, &t.ch, 1);
	}
	return t;
}

void lex_back(struct lexer *lx, const struct token *t)
{
	lx->pos = t->start;
	lx->line = t->line;
}

char *lex_raw_word(struct lexer *lx)
{
	const char *from;

	skip_blanks(lx);
	from = lx->pos;
	while (lx->pos < lx->end && !isspace((unsigned char)*lx->pos))
		lx->pos++;
	return arena_strndup(lx->arena, from, (size_t)(lx->pos - from));
}

char *lex_raw_to_paren(struct lexer *lx)
{
	const char *from = lx->pos;

	while (lx->pos < lx->end && *lx->pos != ')' && *lx->pos != '\n')
		lx->pos++;
	if (lx->pos >= lx->end || *lx->pos != ')')
		lex_fail(lx, lx->line, "no closing )");
	return arena_strndup(lx->arena, from, (size_t)(lx->pos++ - from));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments and results of system calls. */
#include "tests/pkt/parse_priv.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "tests/pkt/symbols.h"

enum { MAX_ITEMS = 256, MAX_FIELDS = 6 };

/* The fields of each struct, in the order they are written. */
static const struct {
	const char *fields[MAX_FIELDS + 1];
	size_t needed; /* the rest may be left out */
} SHAPES[SHAPE_COUNT] = {
    [SHAPE_POLLFD] = {{"fd", "events", "revents"}, 2},
    [SHAPE_EPOLL_FD] = {{"events", "fd"}, 2},
    [SHAPE_EPOLL_PTR] = {{"events", "ptr"}, 2},
    [SHAPE_EPOLL_U32] = {{"events", "u32"}, 2},
    [SHAPE_EPOLL_U64] = {{"events", "u64"}, 2},
    [SHAPE_LINGER] = {{"onoff", "linger"}, 2},
    [SHAPE_MSGHDR] = {{"msg_name", "msg_iov", "msg_flags", "msg_control"}, 3},
    [SHAPE_CMSG] = {{"cmsg_level", "cmsg_type", "cmsg_data"}, 3},
    [SHAPE_SCM] = {{"scm_sec", "scm_nsec"}, 2},
    [SHAPE_EE] = {{"ee_errno", "ee_origin", "ee_type", "ee_code", "ee_info",
		   "ee_data"},
		  6},
    [SHAPE_SOCKADDR] = {{"sa_family", "sin_port", "sin_addr"}, 3},
};

static struct expr *new_expr(struct parser *p, enum expr_kind kind)
{
	struct expr *e = arena_alloc(p->arena, sizeof(*e));

	e->kind = kind;
	e->line = p->t.line;
	return e;
}

static void add_item(struct parser *p, struct expr *e, struct expr *item)
{
	if (e->items == NULL)
		e->items =
		    arena_alloc(p->arena, MAX_ITEMS * sizeof(e->items[0]));
	if (e->n_items == MAX_ITEMS)
		parse_fail(p, "list too long");
	e->items[e->n_items++] = item;
}

static size_t unescape_number(const char *s, int base, size_t max, char *out)
{
	char digits[4] = "";
	size_t n = 0;

	while (n < max && (base == 16 ? isxdigit((unsigned char)s[n])
				      : s[n] >= '0' && s[n] <= '7')) {
		digits[n] = s[n];
		n++;
	}
	*out = (char)strtoul(digits, NULL, base);
	return n;
}

/* C's escapes; `s` is behind the backslash.  How much of it was used. */
static size_t unescape_one(const char *s, char *out)
{
	static const char FROM[] = "abfnrtv", TO[] = "\a\b\f\n\r\t\v";
	const char *hit = strchr(FROM, *s);

	if (*s == 'x') {
		size_t n = unescape_number(s + 1, 16, 2, out);

		return n + 1;
	}
	if (*s >= '0' && *s <= '7')
		return unescape_number(s, 8, 3, out);
	*out = hit != NULL ? TO[hit - FROM] : *s;
	return 1;
}

static struct expr *parse_string(struct parser *p)
{
	struct expr *e = new_expr(p, EXPR_STRING);
	const char *s = p->t.text;
	char *out = arena_alloc(p->arena, strlen(s) + 1);

	e->text = out;
	while (*s != '\0') {
		if (*s != '\\' || s[1] == '\0') {
			*out++ = *s++;
			continue;
		}
		s++;
		s += unescape_one(s, out++);
	}
	e->len = (size_t)(out - e->text);
	parse_step(p);
	if (p->t.kind == T_ELLIPSIS)
		parse_step(p);
	return e;
}

/* inet_addr("..."), inet6_addr("..."), htons(N). */
static struct expr *parse_function(struct parser *p, const char *name)
{
	struct expr *e = new_expr(p, EXPR_INT);
	struct in_addr v4;

	parse_expect(p, '(');
	if (strcmp(name, "htons") == 0) {
		e->num = htons((uint16_t)parse_int(p, 0, 65535, "port"));
	} else if (p->t.kind != T_STRING) {
		parse_fail(p, "syntax error: expected an address");
	} else if (strcmp(name, "inet_addr") == 0) {
		if (inet_pton(AF_INET, p->t.text, &v4) != 1)
			parse_fail(p, "invalid IPv4 address");
		e->num = v4.s_addr;
		e->text = p->t.text;
		parse_step(p);
	} else {
		e->kind = EXPR_IN6;
		if (inet_pton(AF_INET6, p->t.text, &e->in6) != 1)
			parse_fail(p, "invalid IPv6 address");
		parse_step(p);
	}
	parse_expect(p, ')');
	return e;
}

static struct expr *parse_word(struct parser *p)
{
	const char *name = p->t.text;
	struct expr *e = new_expr(p, EXPR_INT), *value;
	bool known = symbol_value(name, &e->num);
	int line = p->t.line;

	parse_step(p);
	if (strcmp(name, "inet_addr") == 0 || strcmp(name, "htons") == 0 ||
	    strcmp(name, "inet6_addr") == 0)
		return parse_function(p, name);
	if (!known)
		lex_fail(&p->lx, line, "unknown symbol: '%s'", name);
	if (!parse_accept(p, '='))
		return e;
	e->kind = EXPR_PAIR;
	value = parse_expr(p);
	add_item(p, e, value);
	return e;
}

/* {..., N} */
static struct expr *parse_iovec(struct parser *p)
{
	struct expr *e = new_expr(p, EXPR_IOVEC);

	parse_step(p);
	parse_expect(p, ',');
	e->num = parse_int(p, 0, INT32_MAX, "iovec length");
	parse_expect(p, '}');
	return e;
}

/* One field: name=value, msg_name(...)=value or msg_iov(N)=value. */
static struct expr *parse_field(struct parser *p, struct expr *whole,
				const char **name)
{
	*name = p->t.text;
	parse_step(p);
	if (parse_accept(p, '(')) {
		if (p->t.kind == T_ELLIPSIS)
			parse_step(p);
		else
			whole->msg_iovlen =
			    parse_int(p, 0, 1024, "iovec count");
		parse_expect(p, ')');
	}
	parse_expect(p, '=');
	return parse_expr(p);
}

static bool shape_fits(enum expr_shape s, const char **names, size_t n)
{
	size_t i;

	if (n < SHAPES[s].needed || n > MAX_FIELDS)
		return false;
	for (i = 0; i < n; i++)
		if (SHAPES[s].fields[i] == NULL ||
		    strcmp(SHAPES[s].fields[i], names[i]) != 0)
			return false;
	return true;
}

static bool is_field(const char *name)
{
	for (int s = 0; s < SHAPE_COUNT; s++)
		for (int i = 0; SHAPES[s].fields[i] != NULL; i++)
			if (strcmp(SHAPES[s].fields[i], name) == 0)
				return true;
	return false;
}

static struct expr *parse_struct(struct parser *p)
{
	struct expr *e = new_expr(p, EXPR_STRUCT);
	const char *names[MAX_FIELDS + 1];

	do {
		if (e->n_items == MAX_FIELDS || p->t.kind != T_WORD)
			parse_fail(p, "syntax error in a struct");
		add_item(p, e, parse_field(p, e, &names[e->n_items]));
	} while (parse_accept(p, ','));
	parse_expect(p, '}');
	for (int s = 0; s < SHAPE_COUNT; s++) {
		if (!shape_fits((enum expr_shape)s, names, e->n_items))
			continue;
		e->shape = (enum expr_shape)s;
		return e;
	}
	lex_fail(&p->lx, e->line, "unknown struct: {%s%s%s...}", names[0],
		 e->n_items > 1 ? ", " : "", e->n_items > 1 ? names[1] : "");
}

static struct expr *parse_primary(struct parser *p)
{
	struct expr *e;

	if (parse_accept(p, '['))
		return parse_list(p, ']');
	if (parse_accept(p, '{')) {
		if (p->t.kind == T_ELLIPSIS)
			return parse_iovec(p);
		if (p->t.kind == T_WORD && is_field(p->t.text))
			return parse_struct(p);
		return parse_list(p, '}');
	}
	switch (p->t.kind) {
	case T_ELLIPSIS:
		e = new_expr(p, EXPR_ELLIPSIS);
		break;
	case T_INT:
	case T_HEX:
		e = new_expr(p, EXPR_INT);
		e->num = p->t.num;
		break;
	case T_STRING:
		return parse_string(p);
	case T_WORD:
		return parse_word(p);
	default:
		parse_fail(p, "syntax error: expected a value");
	}
	parse_step(p);
	return e;
}

struct expr *parse_expr(struct parser *p)
{
	struct expr *e = parse_primary(p), *rhs;

	while (parse_is(p, '|')) {
		parse_step(p);
		rhs = parse_primary(p);
		if (e->kind != EXPR_INT || rhs->kind != EXPR_INT)
			parse_fail(p, "| joins numbers only");
		e->num |= rhs->num;
	}
	return e;
}

struct expr *parse_list(struct parser *p, char close)
{
	struct expr *e = new_expr(p, EXPR_LIST);

	if (parse_accept(p, close))
		return e;
	do
		add_item(p, e, parse_expr(p));
	while (parse_accept(p, ','));
	parse_expect(p, close);
	return e;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Options, events and their times. */
#include "tests/pkt/parse_priv.h"

#include <stdio.h>
#include <string.h>

#include "tests/pkt/symbols.h"

enum { USECS = 1000000 };

void parse_step(struct parser *p)
{
	p->t = lex_next(&p->lx);
}

bool parse_is(const struct parser *p, char ch)
{
	return p->t.kind == T_PUNCT && p->t.ch == ch;
}

bool parse_is_word(const struct parser *p, const char *word)
{
	return p->t.kind == T_WORD && strcmp(p->t.text, word) == 0;
}

bool parse_accept(struct parser *p, char ch)
{
	if (!parse_is(p, ch))
		return false;
	parse_step(p);
	return true;
}

bool parse_accept_word(struct parser *p, const char *word)
{
	if (!parse_is_word(p, word))
		return false;
	parse_step(p);
	return true;
}

void parse_fail(struct parser *p, const char *what)
{
	lex_fail(&p->lx, p->t.line, "%s near '%.20s'", what,
		 p->t.kind == T_END ? "the end" : p->t.start);
}

void parse_expect(struct parser *p, char ch)
{
	char what[] = "syntax error: expected 'x'";

	what[sizeof(what) - 3] = ch;
	if (!parse_accept(p, ch))
		parse_fail(p, what);
}

long long parse_int(struct parser *p, long long min, long long max,
		    const char *what)
{
	long long n = p->t.num;

	if (p->t.kind != T_INT)
		parse_fail(p, what);
	if (n < min || n > max)
		lex_fail(&p->lx, p->t.line, "%s out of range: %lld", what, n);
	parse_step(p);
	return n;
}

static long long parse_time(struct parser *p)
{
	double secs = p->t.fp;

	if (p->t.kind != T_FLOAT && p->t.kind != T_INT)
		parse_fail(p, "syntax error: expected a time");
	if (secs < 0)
		parse_fail(p, "negative time");
	parse_step(p);
	return (long long)(secs * USECS + 0.5);
}

static void parse_event_time(struct parser *p, struct event *e)
{
	bool relative;

	e->line = p->t.line;
	if (parse_accept(p, '*')) {
		e->time = TIME_ANY;
		return;
	}
	relative = parse_accept(p, '+');
	e->line = p->t.line;
	e->time = relative ? TIME_RELATIVE : TIME_ABSOLUTE;
	e->usecs = parse_time(p);
	if (!parse_accept(p, '~'))
		return;
	if (relative)
		parse_expect(p, '+');
	e->time = relative ? TIME_RELATIVE_RANGE : TIME_ABSOLUTE_RANGE;
	e->usecs_end = parse_time(p);
	if (e->usecs_end < e->usecs)
		lex_fail(&p->lx, e->line, "time range is backwards");
}

/* "(Connection refused)": for the reader only. */
static bool parse_note(struct parser *p)
{
	if (!parse_is(p, '('))
		return false;
	lex_raw_to_paren(&p->lx);
	parse_step(p);
	return true;
}

static struct syscall_spec *parse_syscall(struct parser *p)
{
	struct syscall_spec *s = arena_alloc(p->arena, sizeof(*s));
	long long num;

	if (p->t.kind == T_ELLIPSIS) {
		parse_step(p);
		(void)parse_accept(p, '+');
		s->blocking = true;
		s->end_usecs = parse_time(p);
	}
	if (p->t.kind != T_WORD)
		parse_fail(p, "syntax error: expected a system call");
	s->name = p->t.text;
	parse_step(p);
	parse_expect(p, '(');
	s->args = parse_list(p, ')');
	parse_expect(p, '=');
	s->result = parse_expr(p);
	if (p->t.kind == T_WORD) {
		s->err_name = p->t.text;
		if (!symbol_value(s->err_name, &num))
			parse_fail(p, "unknown errno");
		s->err_num = (int)num;
		parse_step(p);
		if (!parse_note(p))
			parse_fail(p, "syntax error: expected (error text)");
	}
	parse_note(p);
	return s;
}

static void parse_action(struct parser *p, struct event *e)
{
	if (parse_is(p, '<') || parse_is(p, '>')) {
		enum direction dir = parse_is(p, '<') ? DIR_IN : DIR_OUT;

		e->kind = EVENT_PACKET;
		parse_step(p);
		e->packet = parse_packet(p, dir);
	} else if (p->t.kind == T_BACKQUOTED || p->t.kind == T_CODE) {
		e->kind = p->t.kind == T_CODE ? EVENT_CODE : EVENT_COMMAND;
		e->line = p->t.line;
		e->text = p->t.text;
		parse_step(p);
	} else {
		e->kind = EVENT_SYSCALL;
		e->call = parse_syscall(p);
	}
}

static struct event *parse_event(struct parser *p)
{
	struct event *e = arena_alloc(p->arena, sizeof(*e));
	bool out;

	parse_event_time(p, e);
	parse_action(p, e);
	out = e->kind == EVENT_PACKET && e->packet->dir == DIR_OUT;
	if (!out && e->time == TIME_ANY)
		lex_fail(&p->lx, e->line,
			 "time * can only be used with outbound packets");
	if (!out && e->time >= TIME_ABSOLUTE_RANGE)
		lex_fail(&p->lx, e->line,
			 "a time range can only be used with outbound "
			 "packets");
	return e;
}

/* --name or --name=value, where the value goes to the next blank. */
static void parse_option(struct parser *p)
{
	const char *name = p->t.text;
	char err[256], *value = NULL;
	int line = p->t.line;
	struct token after;

	after = lex_next(&p->lx);
	if (after.kind == T_PUNCT && after.ch == '=') {
		size_t n;

		value = lex_raw_word(&p->lx);
		n = strlen(value);
		if (n >= 2 && value[0] == '"' && value[n - 1] == '"') {
			value[n - 1] = '\0';
			value++;
		}
	} else {
		lex_back(&p->lx, &after);
	}
	if (config_set(p->conf, name, value, err, sizeof(err)) != 0)
		lex_fail(&p->lx, line, "%s", err);
	parse_step(p);
}

static void parse_events(struct parser *p, struct script *s)
{
	struct event **tail = &s->events;

	while (p->t.kind != T_END && p->t.kind != T_BACKQUOTED) {
		*tail = parse_event(p);
		tail = &(*tail)->next;
	}
	if (s->events == NULL)
		parse_fail(p, "syntax error: no events");
	if (p->t.kind != T_BACKQUOTED)
		return;
	s->cleanup_command = p->t.text;
	s->cleanup_line = p->t.line;
	parse_step(p);
	if (p->t.kind != T_END)
		parse_fail(p, "syntax error: a command without a time must "
			      "be the first or the last thing");
}

static void parse_whole(struct parser *p, struct script *s,
			int (*again)(void *, struct config *), void *ctx)
{
	char err[512];

	parse_step(p);
	while (p->t.kind == T_OPTION)
		parse_option(p);
	if (again != NULL && again(ctx, p->conf) != 0)
		lex_fail(&p->lx, 1, "bad command line");
	if (config_finish(p->conf, err, sizeof(err)) != 0)
		lex_fail(&p->lx, 1, "%s", err);
	/* The first word behind the options was read before the defines. */
	lex_back(&p->lx, &p->t);
	parse_step(p);
	if (p->t.kind == T_BACKQUOTED) {
		s->init_command = p->t.text;
		s->init_line = p->t.line;
		parse_step(p);
	}
	parse_events(p, s);
}

int script_parse(struct script *s, struct config *conf, struct arena *arena,
		 const char *path, const char *text, size_t len,
		 int (*again)(void *ctx, struct config *conf), void *ctx,
		 char *err, size_t err_size)
{
	jmp_buf bail;
	struct parser p = {
	    .lx = {.arena = arena,
		   .file = path,
		   .pos = text,
		   .end = text + len,
		   .line = 1,
		   .defines = &conf->defines,
		   .err = err,
		   .err_size = err_size,
		   .bail = &bail},
	    .arena = arena,
	    .conf = conf,
	};

	memset(s, 0, sizeof(*s));
	s->path = arena_strdup(arena, path);
	if (setjmp(bail) != 0)
		return -1;
	parse_whole(&p, s, again, ctx);
	return 0;
}

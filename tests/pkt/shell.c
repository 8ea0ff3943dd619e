/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/pkt/shell.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_ROOM = 4096 };

struct cursor {
	struct arena *arena;
	const char *p;
	struct shell_command *cmd;
	char word[WORD_ROOM];
	size_t len;
	bool in_word;
};

static void fail(struct cursor *c, const char *what)
{
	if (c->cmd->error == NULL)
		c->cmd->error = arena_strdup(c->arena, what);
}

static void put(struct cursor *c, char ch)
{
	if (c->len + 1 >= sizeof(c->word)) {
		fail(c, "word too long");
		return;
	}
	c->word[c->len++] = ch;
	c->in_word = true;
}

static void end_word(struct cursor *c)
{
	if (!c->in_word)
		return;
	if (c->cmd->n == SHELL_MAX_WORDS)
		fail(c, "too many words");
	else
		c->cmd->words[c->cmd->n++] =
		    arena_strndup(c->arena, c->word, c->len);
	c->len = 0;
	c->in_word = false;
}

static void skip_spaces(const char **p)
{
	while (**p == ' ' || **p == '\t')
		(*p)++;
}

static long long product(const char **p)
{
	char *end;
	long long v = strtoll(*p, &end, 0), w;
	char op;

	*p = end;
	for (skip_spaces(p); **p == '*' || **p == '/'; skip_spaces(p)) {
		op = *(*p)++;
		w = strtoll(*p, &end, 0);
		*p = end;
		if (op == '*')
			v *= w;
		else if (w != 0)
			v /= w;
	}
	return v;
}

/* $((1024*1024)): sums of products. */
static void arithmetic(struct cursor *c)
{
	const char *p = c->p + 3;
	char text[32];
	long long v = product(&p);

	while (*p == '+' || *p == '-') {
		char op = *p++;
		long long w = product(&p);

		v = op == '+' ? v + w : v - w;
	}
	if (strncmp(p, "))", 2) != 0) {
		fail(c, "arithmetic is of numbers with + - * / only");
		c->p += strlen(c->p);
		return;
	}
	c->p = p + 2;
	snprintf(text, sizeof(text), "%lld", v);
	for (p = text; *p != '\0'; p++)
		put(c, *p);
}

static void dollar(struct cursor *c)
{
	if (strncmp(c->p, "$((", 3) == 0) {
		arithmetic(c);
		return;
	}
	/* ${PPID} and $$ only ever name a file that is ours to ignore. */
	put(c, *c->p++);
}

static void quotes(struct cursor *c)
{
	char q = *c->p++;

	c->in_word = true;
	while (*c->p != '\0' && *c->p != q) {
		if (q == '"' && *c->p == '$') {
			dollar(c);
			continue;
		}
		if (q == '"' && *c->p == '\\' && c->p[1] != '\0')
			c->p++;
		put(c, *c->p++);
	}
	if (*c->p == '\0')
		fail(c, "no closing quote");
	else
		c->p++;
}

/* >file, >>file, 2>&1: the file of the first is kept. */
static void redirect(struct cursor *c)
{
	const char *from;
	bool is_err = c->in_word && c->len == 1 && c->word[0] == '2';

	if (is_err || (c->in_word && c->len == 1 && c->word[0] == '1')) {
		c->len = 0;
		c->in_word = false;
	}
	end_word(c);
	while (*c->p == '>' || *c->p == '&')
		c->p++;
	skip_spaces(&c->p);
	from = c->p;
	while (*c->p != '\0' && !isspace((unsigned char)*c->p) &&
	       strchr(";&|<>", *c->p) == NULL)
		c->p++;
	if (!is_err && c->cmd->out == NULL)
		c->cmd->out =
		    arena_strndup(c->arena, from, (size_t)(c->p - from));
}

static void skip_comment(struct cursor *c)
{
	while (*c->p != '\0' && *c->p != '\n')
		c->p++;
}

/* "|| true" and the like change nothing here; pipes cannot be done. */
static void bar(struct cursor *c)
{
	if (c->p[1] != '|') {
		fail(c, "pipes are not supported");
		c->p++;
		return;
	}
	while (*c->p != '\0' && *c->p != '\n' && *c->p != ';')
		c->p++;
}

/* One character or construct; true: the command is over. */
static bool step(struct cursor *c)
{
	if (*c->p == '\\' && c->p[1] == '\n') {
		c->p += 2;
	} else if (*c->p == '\\' && c->p[1] != '\0') {
		put(c, c->p[1]);
		c->p += 2;
	} else if (*c->p == '\n' || *c->p == ';') {
		c->p++;
		return true;
	} else if (strncmp(c->p, "&&", 2) == 0) {
		c->p += 2;
		return true;
	} else if (*c->p == ' ' || *c->p == '\t' || *c->p == '\r') {
		end_word(c);
		c->p++;
	} else if (*c->p == '#' && !c->in_word) {
		skip_comment(c);
	} else if (*c->p == '"' || *c->p == '\'') {
		quotes(c);
	} else if (*c->p == '$') {
		dollar(c);
	} else if (*c->p == '>') {
		redirect(c);
	} else if (*c->p == '|') {
		bar(c);
	} else if (*c->p == '&') {
		fail(c, "background commands are not supported");
		c->p++;
	} else {
		put(c, *c->p++);
	}
	return false;
}

bool shell_next(struct arena *a, const char **text, struct shell_command *cmd)
{
	struct cursor c = {.arena = a, .p = *text, .cmd = cmd};

	memset(cmd, 0, sizeof(*cmd));
	while (*c.p != '\0') {
		bool over = step(&c);

		if (!over && *c.p != '\0')
			continue;
		end_word(&c);
		if (cmd->n > 0 || cmd->error != NULL)
			break;
	}
	*text = c.p;
	return cmd->n > 0 || cmd->error != NULL;
}

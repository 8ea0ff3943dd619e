/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As much of the shell's language as scripts use for setting things up:
 * simple commands between newlines, ';' and '&&', quotes, comments, $((...))
 * of numbers, and redirections, of which only the file is kept.
 *
 * For stacks that no real command can reach; with the kernel, sh runs them.
 */
#ifndef CORDON_TESTS_PKT_SHELL_H
#define CORDON_TESTS_PKT_SHELL_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/pkt/arena.h"

enum { SHELL_MAX_WORDS = 64 };

struct shell_command {
	char *words[SHELL_MAX_WORDS + 1]; /* ends with NULL */
	size_t n;
	char *out;   /* file behind '>', or NULL */
	char *error; /* what is not understood, or NULL */
};

/*
 * The next command of *text, which is moved behind it.  false: no more.
 */
bool shell_next(struct arena *a, const char **text, struct shell_command *cmd);

#endif /* CORDON_TESTS_PKT_SHELL_H */

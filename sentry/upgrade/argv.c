/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/upgrade/argv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_BYTES 16

char **upgrade_argv(const struct upgrade *up, const char *word, int image_fd)
{
	size_t n = (size_t)up->argc + UPGRADE_WORDS + 1;
	char **argv = calloc(1, n * sizeof *argv + NUMBER_BYTES);
	char *number;

	if (!argv)
		return NULL;
	number = (char *)(argv + n);
	snprintf(number, NUMBER_BYTES, "%d", image_fd);
	argv[0] = (char *)(uintptr_t) "cordon";
	argv[1] = (char *)(uintptr_t)word;
	argv[2] = number;
	for (int i = 0; i < up->argc; i++)
		argv[UPGRADE_WORDS + i] = up->argv[i];
	return argv;
}

void upgrade_argv_free(char **argv)
{
	free(argv);
}

/* ---- the process that comes ---- */

/* The bytes of all words, as the kernel has laid them out; 0: not one behind
 * the other. */
static size_t laid_out(int argc, char **argv)
{
	char *at = argv[0];

	for (int i = 0; i < argc; i++) {
		if (argv[i] != at)
			return 0;
		at += strlen(at) + 1;
	}
	return (size_t)(at - argv[0]);
}

static char *put(char *to, const char *word)
{
	size_t n = strlen(word) + 1;

	memcpy(to, word, n);
	return to + n;
}

/* Never longer: "run" instead of "upgrade-run" and a number. */
static void rewrite(int argc, char **argv, char **words)
{
	size_t bytes = laid_out(argc, argv);
	char *start = argv[0], *at = start + (bytes ? strlen(start) + 1 : 0);

	if (!bytes)
		return;
	at = put(at, "run");
	for (int i = 0; i < argc - UPGRADE_WORDS; i++)
		at = put(at, words[i]);
	memset(at, 0, bytes - (size_t)(at - start));
}

static char **copy(int n, char **from)
{
	char **words = calloc((size_t)n + 1, sizeof *words);
	int i = 0;

	while (words && i < n && (words[i] = strdup(from[i])))
		i++;
	if (words && i == n)
		return words;
	while (words && i-- > 0)
		free(words[i]);
	free(words);
	return NULL;
}

char **upgrade_words(int argc, char **argv)
{
	char **words = copy(argc - UPGRADE_WORDS, argv + UPGRADE_WORDS);

	if (words)
		rewrite(argc, argv, words);
	return words;
}

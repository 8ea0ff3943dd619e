/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/upgrade/argv.h"

#include <stdio.h>
#include <stdlib.h>

#define NUMBER_BYTES 16

char **upgrade_argv(const struct upgrade *up, const char *word, int image_fd)
{
	size_t n = (size_t)up->argc + 4;
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
		argv[3 + i] = up->argv[i];
	return argv;
}

void upgrade_argv_free(char **argv)
{
	free(argv);
}

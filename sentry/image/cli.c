/* SPDX-License-Identifier: Apache-2.0 */
/* `cordon image ...`: words to calls. */
#include "sentry/image/cli.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "sentry/core/log.h"
#include "sentry/core/run.h"

static const char usage[] =
    "Usage: cordon image show [--full] FILE\n"
    "       cordon image check FILE\n"
    "       cordon image diff FILE FILE\n"
    "Shows what is in a file of cordon save, as JSON; checks that it is whole\n"
    "and can be loaded (exit code 1 if not); lists what differs between two\n"
    "(exit code 0 same, 1 different, 2 trouble).\n"
    "  --full   bytes whole, not only their beginning\n";

static int misuse(void)
{
	log_error("image: needs show, check or diff, and files; see cordon "
		  "image --help");
	return EXIT_CORDON_FAILED;
}

int cordon_image(int argc, char **argv)
{
	const char *word = argc ? argv[0] : "";
	bool full = argc == 3 && !strcmp(argv[1], "--full");

	if (!strcmp(word, "--help") || !strcmp(word, "-h")) {
		fputs(usage, stdout);
		return 0;
	}
	if (sodium_init() < 0)
		return misuse();
	if (!strcmp(word, "show") && (full || argc == 2))
		return image_show(argv[argc - 1], full);
	if (!strcmp(word, "check") && argc == 2)
		return image_check(argv[1]);
	if (!strcmp(word, "diff") && argc == 3)
		return image_diff(argv[1], argv[2]);
	return misuse();
}

/* SPDX-License-Identifier: Apache-2.0 */
/* `cordon restore FILE ...`: reads the image, then runs as `cordon run` does.
 */
#include "sentry/image/cli.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "sentry/core/log.h"
#include "sentry/core/run.h"
#include "sentry/image/restore.h"

static const char usage[] =
    "Usage: cordon restore [--clone] [--reset-lost] FILE [OPTIONS] [--] "
    "PROGRAM [ARGUMENTS]\n"
    "Runs a program in a sandbox that begins with the network that cordon "
    "save\n"
    "has saved. The program inherits its sockets from descriptor 3 on. "
    "CORDON_FDS in\n"
    "its environment says which they are, as JSON; CORDON_FDS_FD is the "
    "number of a\n"
    "descriptor from which the same can be read. Addresses and routes are "
    "those that\n"
    "were saved. OPTIONS are those of cordon run; give --net tap:NAME for "
    "what was\n"
    "saved on a tap.\n"
    "  --clone       new secrets: the saved sandbox, or another copy, goes "
    "on\n"
    "  --reset-lost  connections that ended in the gateway of --net nat are "
    "reset;\n"
    "                without it an image that has some is refused\n";

/* How many words it took. */
static int parse(int argc, char **argv, struct restore_how *how)
{
	int i = 0;

	for (; i < argc; i++) {
		if (!strcmp(argv[i], "--clone"))
			how->clone = true;
		else if (!strcmp(argv[i], "--reset-lost"))
			how->reset_lost = true;
		else
			break;
	}
	return i;
}

int cordon_restore(int argc, char **argv, int *term_signal)
{
	struct restore_how how = {false, false};
	struct restore *rs;
	int code = EXIT_CORDON_FAILED, taken;

	*term_signal = 0;
	if (argc == 1 &&
	    (!strcmp(argv[0], "--help") || !strcmp(argv[0], "-h"))) {
		fputs(usage, stdout);
		return 0;
	}
	taken = parse(argc, argv, &how);
	argc -= taken;
	argv += taken;
	if (sodium_init() < 0 || argc < 2 || argv[0][0] == '-') {
		log_error("restore needs a file and a program; see cordon "
			  "restore --help");
		return code;
	}
	if (!restore_open(argv[0], &how, &rs))
		code = cordon_run_restored(rs, argc - 1, argv + 1, term_signal);
	restore_free(rs);
	return code;
}

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
    "Usage: cordon restore [--clone] FILE [OPTIONS] [--] PROGRAM [ARGUMENTS]\n"
    "Runs a program in a sandbox that begins with the network that cordon "
    "save\n"
    "has saved. The program inherits its sockets from descriptor 3 on:\n"
    "connections whose other end is not in the sandbox, listeners, UDP "
    "sockets.\n"
    "CORDON_FDS in its environment says which they are, as JSON. Addresses "
    "and\n"
    "routes are those that were saved. OPTIONS are those of cordon run; give\n"
    "--net tap:NAME for what was saved on a tap.\n"
    "  --clone  new secrets: the saved sandbox, or another copy, goes on\n";

int cordon_restore(int argc, char **argv, int *term_signal)
{
	bool clone = argc && !strcmp(argv[0], "--clone");
	struct restore *rs;
	int code = EXIT_CORDON_FAILED;

	*term_signal = 0;
	if (argc == 1 &&
	    (!strcmp(argv[0], "--help") || !strcmp(argv[0], "-h"))) {
		fputs(usage, stdout);
		return 0;
	}
	argc -= clone;
	argv += clone;
	if (sodium_init() < 0 || argc < 2 || argv[0][0] == '-') {
		log_error("restore needs a file and a program; see cordon "
			  "restore --help");
		return code;
	}
	if (!restore_open(argv[0], clone, &rs))
		code = cordon_run_restored(rs, argc - 1, argv + 1, term_signal);
	restore_free(rs);
	return code;
}

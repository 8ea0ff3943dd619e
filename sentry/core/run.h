/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cordon run`: builds a sandbox from its parts, runs the guest in it, takes it
 * apart again.
 */
#ifndef SENTRY_CORE_RUN_H
#define SENTRY_CORE_RUN_H

#define EXIT_CORDON_FAILED 125
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127

/*
 * argv[0] is the first word after "run". Returns the exit code; *term_signal is
 * the signal that the guest died of (0: none), for the caller to die of too.
 * Called once, on the main thread, before any other thread exists.
 */
int cordon_run(int argc, char **argv, int *term_signal);
/* The same, beginning with a saved stack: sentry/image/restore.h. Lends. */
struct restore;
int cordon_run_restored(struct restore *rs, int argc, char **argv,
			int *term_signal);

/*
 * What an upgrade runs (sentry/upgrade): argv[0] is the number of a descriptor,
 * the rest the words behind "run". Run goes on with the sandbox of the image
 * there; probe tells on stdout, and by 0, whether it could. Otherwise as above.
 */
int cordon_upgrade_run(int argc, char **argv, int *term_signal);
int cordon_upgrade_probe(int argc, char **argv);

#endif

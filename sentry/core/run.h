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

#endif

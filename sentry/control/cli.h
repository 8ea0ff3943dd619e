/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The subcommands that speak to running sandboxes. argv[0] is the first word
 * after the command; the exit code is returned.
 */
#ifndef SENTRY_CONTROL_CLI_H
#define SENTRY_CONTROL_CLI_H

/* cordon ps [--json] */
int cordon_ps(int argc, char **argv);
/* cordon pause ID, cordon resume ID */
int cordon_pause(int argc, char **argv);
int cordon_resume(int argc, char **argv);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* cordon upgrade ID [--binary PATH]; argv[0] is the first word after the
 * command, the exit code is returned. */
#ifndef SENTRY_UPGRADE_CLI_H
#define SENTRY_UPGRADE_CLI_H

int cordon_upgrade(int argc, char **argv);

#endif

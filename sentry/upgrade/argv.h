/* SPDX-License-Identifier: Apache-2.0 */
/* The words of the program that comes: {"cordon", word, image, those that
 * were behind "run"}. What they become there: upgrade_words. */
#ifndef SENTRY_UPGRADE_ARGV_H
#define SENTRY_UPGRADE_ARGV_H

#include "sentry/upgrade/upgrade_priv.h"

/* NULL: no memory. */
char **upgrade_argv(const struct upgrade *up, const char *word, int image_fd);
void upgrade_argv_free(char **argv);

#endif

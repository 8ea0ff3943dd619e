/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The subcommands about image files. argv[0] is the first word after the
 * command; the exit code is returned.
 */
#ifndef SENTRY_IMAGE_CLI_H
#define SENTRY_IMAGE_CLI_H

#include <stdbool.h>

/* cordon image show|check|diff */
int cordon_image(int argc, char **argv);
/* cordon save ID FILE */
int cordon_save(int argc, char **argv);
/* cordon restore FILE; as cordon_run. */
int cordon_restore(int argc, char **argv, int *term_signal);

/* ---- what `cordon image` is made of: each returns its exit code ---- */
#define IMAGE_EXIT_BAD 1 /* check: the image is refused */
int image_show(const char *path, bool full);
int image_check(const char *path);
/* 0 same, 1 different, 2 trouble. */
int image_diff(const char *a, const char *b);

#endif

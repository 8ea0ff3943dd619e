/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What cordon says to its user: one line on the sentry's stderr, prefixed
 * "cordon: ". Nothing is printed on the guest's streams unless asked (-v) or
 * when cordon itself fails. Async-signal-unsafe; any thread.
 */
#ifndef SENTRY_CORE_LOG_H
#define SENTRY_CORE_LOG_H

#include <stdarg.h>

/* "cordon: ..." for failures and advice. */
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A line of -v output; no prefix, goes to --log or stderr. */
void log_trace(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Redirects log_trace; -errno. */
int log_open(const char *path);
/* The same, behind what is in the file. */
int log_continue(const char *path);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The names that scripts use for numbers: Linux's own constants. */
#ifndef CORDON_TESTS_PKT_SYMBOLS_H
#define CORDON_TESTS_PKT_SYMBOLS_H

#include <stdbool.h>

/* The number of `name`; false: no such name. */
bool symbol_value(const char *name, long long *value);
/* "POLLIN|POLLOUT" of a poll mask; owned by the caller. */
char *symbol_poll_mask(unsigned mask);

#endif /* CORDON_TESTS_PKT_SYMBOLS_H */

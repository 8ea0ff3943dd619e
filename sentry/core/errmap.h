/* SPDX-License-Identifier: Apache-2.0 */
/* The one table that maps netstack's errors to errno values and back. */
#ifndef SENTRY_CORE_ERRMAP_H
#define SENTRY_CORE_ERRMAP_H

#include "netstack/nst_types.h"

/* Positive errno; 0 for NST_OK. */
int errno_of(enum nst_err e);
/* The nearest nst_err for a host errno (gateway: what the host said). */
enum nst_err err_of_errno(int e);

#endif

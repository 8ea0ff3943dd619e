/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's netstack, as the options want it. */
#ifndef SENTRY_CORE_STACK_START_H
#define SENTRY_CORE_STACK_START_H

#include "sentry/core/sandbox.h"

/* Sets sb->stack. -errno after one line on stderr. */
int stack_start(struct sandbox *sb);

#endif

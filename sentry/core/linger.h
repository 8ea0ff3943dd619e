/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest wrote before it exited still arrives: its kernel would go on
 * sending after the process is gone, so the sentry stays until it has been
 * acknowledged, or no progress was made for LINGER_PATIENCE.
 */
#ifndef SENTRY_CORE_LINGER_H
#define SENTRY_CORE_LINGER_H

#include "sentry/core/sandbox.h"

#define LINGER_PATIENCE (10 * NST_SEC)

/*
 * All guest processes are gone. Returns when nothing is left to send; `stop`
 * (asked every few milliseconds) ends it early: the user wants to go. Takes the
 * lock.
 */
void linger(struct sandbox *sb, bool (*stop)(void *arg), void *arg);

#endif

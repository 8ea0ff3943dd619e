/* SPDX-License-Identifier: Apache-2.0 */
/* What saving and loading the table share. */
#ifndef SENTRY_SOCK_SOCK_SAVE_PRIV_H
#define SENTRY_SOCK_SOCK_SAVE_PRIV_H

#include "sentry/sock/dgram_priv.h"
#include "sentry/sock/sock.fields.h"
#include "sentry/sock/sock_priv.h"
#include "sentry/sock/sock_save.h"

/* Raised with every change of what a field means. */
#define SOCK_VERSION 1u

#endif

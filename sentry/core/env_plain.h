/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SENTRY_CORE_ENV_PLAIN_H
#define SENTRY_CORE_ENV_PLAIN_H

#include "netstack/nst_env.h"

/* What any embedder here lends to netstack: memory from malloc, random bytes
 * and SipHash-2-4 from libsodium; events go nowhere. Usable by any thread. */
const struct nst_env *env_plain(void);

#endif

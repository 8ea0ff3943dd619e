/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The egress policy: --allow and --deny rules, first match decides; with no
 * match the answer is deny if any --allow was given, else allow. Checked by
 * connect/send handlers and again by the gateway. Loopback inside the sandbox
 * is never subject to it.
 */
#ifndef SENTRY_GATEWAY_POLICY_H
#define SENTRY_GATEWAY_POLICY_H

#include "sentry/core/options.h"

/* proto: IP protocol number. */
bool policy_allows(const struct options *o, uint8_t proto,
		   const struct nst_sockaddr *to);
/*
 * Parses RULE = [PROTO:]ADDR[/LEN][:PORT[-PORT]] | PROTO | * ; IPv6 addresses
 * in brackets when a port follows. -EINVAL with a reason in *why.
 */
int policy_parse(const char *text, bool allow, struct opt_rule *out,
		 const char **why);

#endif

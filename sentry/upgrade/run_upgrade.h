/* SPDX-License-Identifier: Apache-2.0 */
/* The sentry's side of `cordon upgrade`. */
#ifndef SENTRY_UPGRADE_RUN_UPGRADE_H
#define SENTRY_UPGRADE_RUN_UPGRADE_H

#include "sentry/control/command.h"

/*
 * Command "upgrade" of the control socket, with the program's descriptor
 * (O_PATH; none: the sandbox's own, as it is on disk now). It returns only if
 * that fails; else the new program replies, on the same connection: "stall_us",
 * "upgrades", "cordon".
 */
int upgrade_run(struct sandbox *sb, struct json_object *request,
		struct control_reply *reply);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The sentry's side of `cordon save`. */
#ifndef SENTRY_IMAGE_RUN_SAVE_H
#define SENTRY_IMAGE_RUN_SAVE_H

#include "sentry/control/command.h"

/*
 * Command "save" of the control socket: {"pause": bool}. The records go into a
 * memory file, which is the reply's descriptor; the client makes a file of
 * them, so that no disk is waited for here. Replies with what the file's header
 * says, and "stall_us": for so long the stack lock was held.
 */
int image_run_save(struct sandbox *sb, struct json_object *request,
		   struct control_reply *reply);

#endif

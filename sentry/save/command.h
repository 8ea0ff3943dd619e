/* SPDX-License-Identifier: Apache-2.0 */
/* cordon save --in-place ID: both ends of it. */
#ifndef SENTRY_SAVE_COMMAND_H
#define SENTRY_SAVE_COMMAND_H

#include "sentry/control/command.h"

/* The command "save-in-place" of the control socket (sentry/control/commands.c)
 * Replies with stall_us, image_bytes, connections, endpoints. */
int save_run_in_place(struct sandbox *sb, struct json_object *request,
		      struct control_reply *reply);

/* The words behind --in-place. Returns the exit code. */
int cordon_save_in_place(int argc, char **argv);

#endif

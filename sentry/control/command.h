/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a command of the control socket is. They are in one table, commands.c;
 * what a command does belongs to the folder it is about. It runs on the control
 * thread, without the stack lock: what looks at netstack or sockets takes it
 * (sandbox_lock_turn), and not for long.
 */
#ifndef SENTRY_CONTROL_COMMAND_H
#define SENTRY_CONTROL_COMMAND_H

#include "sentry/control/wire.h"
#include "sentry/core/sandbox.h"

struct control_reply {
	struct json_object *body; /* members are added here */
	struct control_fds fds;   /* sent with it, then closed */
	struct control_fds got;   /* came with the request; closed unless the
				     command took one and left -1 */
	int client;               /* who asks; borrowed */
	char error[256];          /* "": as the errno says */
};

struct control_command {
	const char *name;
	/* 0, or -errno for a reply that says "error". The request is lent. */
	int (*run)(struct sandbox *sb, struct json_object *request,
		   struct control_reply *reply);
};

/* The end of the table has no name. */
extern const struct control_command control_commands[];

/* Sets the error's text; returns err. */
int control_fail(struct control_reply *reply, int err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * Answers one message: of `sb`, from the table, into a reply that begins
 * empty but for what it got. Always leaves a body.
 */
void control_answer(struct sandbox *sb, const struct control_command *table,
		    const char *text, size_t len, struct control_reply *reply);

#endif

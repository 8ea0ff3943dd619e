/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The asking side, for subcommands. What fails is said in one line on stderr.
 */
#ifndef SENTRY_CONTROL_CLIENT_H
#define SENTRY_CONTROL_CLIENT_H

#include "sentry/control/wire.h"
#include "sentry/core/values.h"

/* For commands that end when they end. */
#define CONTROL_FOREVER (-1)

/*
 * Sends a request to the sandbox whose id this is, or begins with this, and
 * waits up to timeout_ms for the answer. Takes the request. `fds` (may be NULL)
 * lends the descriptors that go with it, and is then what came back: the
 * caller's to close. 0 with *reply (may be NULL: not wanted) that says "ok";
 * -errno after one line.
 */
int control_call(const char *id, struct json_object *request, int timeout_ms,
		 struct json_object **reply, struct control_fds *fds);

struct control_seen {
	char id[VALUE_ID_BYTES];
	int pid, uid;              /* of the sentry */
	struct json_object *reply; /* to "ps"; NULL: it does not answer */
};
/*
 * Removes dead names, then asks every sandbox of the user for its state, in the
 * order of their ids, and calls fn with each answer (lent). -errno.
 */
int control_each(void (*fn)(void *arg, const struct control_seen *s),
		 void *arg);

#endif

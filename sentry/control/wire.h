/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of the control socket, docs/CONTROL.md: one JSON object each, with
 * descriptors. What comes in is hostile: length, depth and the number of
 * descriptors are bounded before anything is believed.
 */
#ifndef SENTRY_CONTROL_WIRE_H
#define SENTRY_CONTROL_WIRE_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

#define CONTROL_VERSION 1
/* A message. A longer reply travels in a sealed memfd. */
#define CONTROL_MSG_BYTES 65536
#define CONTROL_LONG_BYTES (256u << 20)
/* Descriptors with one message; a long reply has room for one less. */
#define CONTROL_FDS 8
#define CONTROL_DEPTH 16

struct control_fds {
	int fd[CONTROL_FDS];
	size_t n;
};

/* Closes them all (-1: taken by somebody) and forgets them. */
void control_fds_close(struct control_fds *fds);

/*
 * Receives one message of at most CONTROL_MSG_BYTES into buf, and what
 * descriptors came with it. Returns 1; 0 at end of file; -EAGAIN; -EMSGSIZE,
 * -E2BIG (more descriptors than allowed, or than we have room for): it was
 * taken and thrown away; another -errno: no more will come.
 */
int control_recv(int sock, char *buf, size_t *len, struct control_fds *fds);
/*
 * Sends an object and lends descriptors; does not wait. -EMSGSIZE if it is too
 * long, unless by_memfd. -EAGAIN: the other side does not read.
 */
int control_send(int sock, struct json_object *o, const struct control_fds *fds,
		 bool by_memfd);

/* Exactly one JSON object in len bytes, or NULL with the reason. */
struct json_object *control_parse(const char *text, size_t len,
				  const char **why);
/* The name of a request's command if it is one of this version; else NULL with
 * the reason. The object lends it. */
const char *control_command_of(struct json_object *request, const char **why);
/* {"version":1,"command":NAME}; NULL without memory. */
struct json_object *control_request(const char *command);
/* The error of a reply (the reply lends it), or NULL if it says "ok". */
const char *control_error_of(struct json_object *reply);
/* A reply that came by memfd: reads it from fds' first descriptor, which is
 * closed, in place of *reply. Other replies are left alone. -errno. */
int control_unwrap(struct json_object **reply, struct control_fds *fds);

#endif

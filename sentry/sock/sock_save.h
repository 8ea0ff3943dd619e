/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saving the table of sockets and making it anew, in another process that has
 * the same descriptors. The records come before those of the guest's stack,
 * whose endpoints then find their sockets by id. Under the stack lock, quiet:
 * no job waits, and nobody is dirty.
 */
#ifndef SENTRY_SOCK_SOCK_SAVE_H
#define SENTRY_SOCK_SOCK_SAVE_H

#include "netstack/nst_save.h"
#include "sentry/sock/sock.h"

/* Types of records; numbers are for good. */
enum sock_record {
	SOCK_SAVE_TABLE = NST_SAVE_EMBEDDER + 16,
	SOCK_SAVE_SOCK,
	SOCK_SAVE_UNREAD, /* of image files: sentry/image */
	SOCK_SAVE_END = NST_SAVE_EMBEDDER + 23,
};

/* Changes nothing. -ENOMEM. */
int sock_table_save(const struct sandbox *sb, const struct nst_save_sink *sink);

/*
 * Makes sb->socks of the records at *image, which is moved behind them. No
 * descriptor is touched, nothing is started. -EINVAL, -ENOMEM with `why`
 * (NST_SAVE_WHY bytes): what was made stays, to be thrown away with the
 * process.
 */
int sock_table_load(struct sandbox *sb, const uint8_t **image,
		    const uint8_t *end, char *why);
/* For nst_load.sock: the user of an endpoint of the guest's stack. NULL: none
 * of these. */
void *sock_table_claim(struct sandbox *sb, struct nst_sock *ns, uint64_t id);
/* After the stack: has each its endpoint? -EINVAL. */
int sock_table_check(struct sandbox *sb, char *why);
/* Starts everything: polls, pushes, what waits for room. May close some. */
void sock_table_start(struct sandbox *sb);
/* Every descriptor that the table holds. */
void sock_table_each_fd(struct sandbox *sb, void (*fn)(void *arg, int *fd),
			void *arg);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For an image that outlives the guest: connections that the guest has not
 * accepted wait in its kernel's queue, as far as the netstack is concerned they
 * were accepted. While the image is written they are back in the queues of
 * their listeners. Under the stack lock, settled, without a break between both.
 */
#ifndef SENTRY_SOCK_UNACCEPTED_H
#define SENTRY_SOCK_UNACCEPTED_H

#include "sentry/sock/sock.h"

struct unaccepted {
	struct unaccepted_one {
		struct sock *listener, *child;
	} * v; /* the oldest first */
	size_t n;
};

/* -ENOMEM: nothing was done. */
int unaccepted_put_back(struct sandbox *sb, struct unaccepted *u);
/* As it was. */
void unaccepted_take(struct unaccepted *u);

#endif

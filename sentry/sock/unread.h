/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For an image that outlives the guest: what is in its kernel's sockets and not
 * in the netstack. What the guest was given and has not read; what it wrote to
 * a connection and the endpoint has no room for.
 */
#ifndef SENTRY_SOCK_UNREAD_H
#define SENTRY_SOCK_UNREAD_H

#include "sentry/sock/sock.h"

struct sock_unread {
	uint64_t id; /* of the endpoint */
	struct sock_bytes {
		const uint8_t *p;
		size_t n;
	} to_guest, from_guest;
	unsigned shut; /* by the guest: 1 read, 2 write */
	/* Of others than connections this instead, one at a time, the first
	 * one first. */
	const struct nst_dgram_in *datagram;
};

/*
 * Calls fn for each connection that has something, once for each way, and for
 * each datagram; bytes are fn's during the call. Under the stack lock, settled.
 * A guest that runs may read some meanwhile. What waits to be accepted is taken
 * out of the guest's queue, looked at and put back; all of a queue, so that
 * their order stays. Datagrams are taken back, and given anew. *missed: sockets
 * with something unread that no process of the guest holds: they are on their
 * way between processes, or in a queue that is full. -ENOMEM, -EMFILE;
 * -ECANCELED: fn returned false.
 */
int sock_unread_each(struct sandbox *sb,
		     bool (*fn)(void *ctx, const struct sock_unread *u),
		     void *ctx, unsigned *missed);

/* The opposite, for a connection's new ends, before anything else is moved:
 * the sentry's, s->send_fd, and the guest's. -ENOBUFS: they do not fit. */
int sock_unread_give(struct sock *s, int guest_end,
		     const struct sock_unread *u);
/* For connections that wait in a listener's queue: their bytes by the
 * endpoint's id, or NULL; given while the listener gets its end (sock_around).
 */
struct sock_given {
	const struct sock_unread *(*of)(struct sock_given *g,
					const struct nst_sock *ep);
	int err; /* -ENOBUFS: some did not fit */
};
void sock_unread_given(struct sandbox *sb,
		       struct sock_given *g); /* NULL: no more */
/* Into the end fd, which is as large as the one that they were in. -ENOBUFS. */
int sock_unread_put(int fd, const struct sock_bytes *b);

#endif

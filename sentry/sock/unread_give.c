/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of older ends, into new ones. */
#include <errno.h>
#include <sys/socket.h>

#include "sentry/sock/sock_priv.h"
#include "sentry/sock/unread.h"

/*
 * LINUX: a send buffer takes one more piece as long as it is not full, and no
 * piece is longer than a page and 32 KiB. With the longest as the last one as
 * much fits as can have been in the old one.
 */
#define PIECE 36544u

int sock_unread_put(int fd, const struct sock_bytes *b)
{
	size_t at = 0;

	while (at < b->n) {
		size_t left = b->n - at;
		size_t want = left > PIECE ? left - PIECE : left;
		ssize_t n =
		    send(fd, b->p + at, want, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n <= 0)
			return -ENOBUFS;
		at += (size_t)n;
	}
	return 0;
}

void sock_unread_given(struct sandbox *sb, struct sock_given *g)
{
	sb->socks->given = g;
}

int sock_unread_give(struct sock *s, int guest_end, const struct sock_unread *u)
{
	int rc = sock_unread_put(s->send_fd, &u->to_guest);

	return rc ? rc : sock_unread_put(guest_end, &u->from_guest);
}

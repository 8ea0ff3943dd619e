/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A socket and a guest end for an endpoint that has none: `cordon restore`.
 * What a socket of such an endpoint would show, the new one shows: a connection
 * that is still being opened is not writable yet, one that was reset says so,
 * one that was never opened can be.
 */
#ifndef SENTRY_SOCK_AROUND_H
#define SENTRY_SOCK_AROUND_H

#include "sentry/sock/sock.h"
#include "sentry/sock/unread.h"

struct sock_datagram {
	uint64_t id; /* of the endpoint */
	struct nst_dgram_in in;
};

/* What the endpoint itself does not say. */
struct sock_shape {
	int type, proto; /* as of socket(2) */
	int backlog;     /* of a listener */
	uint32_t icmp_filter[8];
	struct sock_unread unread; /* of a connection */
	/* Of others, what comes before the endpoint's. */
	const struct sock_datagram *datagrams;
	size_t ndatagrams;
};

/*
 * Under the stack lock. Returns the guest end, the caller's; -errno: the
 * endpoint is closed. tid and number: where the guest will have it.
 */
int sock_around(struct sandbox *sb, struct nst_sock *ep,
		const struct sock_shape *shape, pid_t tid, int number);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sendto, sendmsg and sendmmsg share. Both functions return bytes, or
 * -errno; -EAGAIN: no room now (the caller parks or answers). No lock held.
 */
#ifndef SENTRY_SOCK_SEND_H
#define SENTRY_SOCK_SEND_H

#include "sentry/sock/msg.h"

/* A stream send that the host kernel serves as it stands. */
#define SEND_NATIVE INT64_MIN

/* One datagram; delivered inside the sandbox when this returns. */
int64_t send_datagram(struct trap *t, const struct msg *m, unsigned flags,
		      struct scratch *sc);
/* Stream bytes, at most SCRATCH_MOVE of them; or SEND_NATIVE if allowed. */
int64_t send_stream(struct trap *t, const struct msg *m, unsigned flags,
		    struct scratch *sc, bool may_native);
/* Does the policy let this socket talk to `to`? Under the lock. */
bool dgram_dest_allowed(const struct sock *s, const struct nst_sockaddr *to);

#endif

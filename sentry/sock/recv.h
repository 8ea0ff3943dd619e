/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What recvfrom, recvmsg and recvmmsg share.
 *
 * A received datagram is consumed under the lock before the guest's memory is
 * written, so that no two readers get the same one; if the reply cannot be
 * delivered it goes back to the head of the queue (recv_undo).
 */
#ifndef SENTRY_SOCK_RECV_H
#define SENTRY_SOCK_RECV_H

#include "sentry/sock/msg.h"

/* A stream receive that the host kernel serves as it stands. */
#define RECV_NATIVE INT64_MIN

struct recv_result {
	struct nst_sockaddr from; /* family 0: none to show */
	unsigned msg_flags;       /* MSG_TRUNC, MSG_ERRQUEUE, MSG_OOB */
	struct cmsg_out ctl;
	int err;                  /* pending error to consume at commit */
	bool errqueue;            /* error entry to pop at commit */
	struct dgram_kept *taken; /* to be put back if not delivered */
};

/*
 * One datagram, or one entry of the error queue, into the guest's vectors.
 * Returns what the call returns, or -errno; -EAGAIN: nothing there. No lock
 * held. recv_commit or recv_undo must follow when it returns >= 0 or r->err
 * is set.
 */
int64_t recv_datagram(struct trap *t, const struct msg *m, unsigned flags,
		      struct scratch *sc, struct recv_result *r);
/* The reply was delivered: consumes what it told. */
void recv_commit(struct trap *t, struct recv_result *r);
/* It was not: everything is as before the call. */
void recv_undo(struct trap *t, struct recv_result *r);
/* Stream bytes; at most SCRATCH_MOVE; or RECV_NATIVE if allowed. */
int64_t recv_stream(struct trap *t, const struct msg *m, unsigned flags,
		    struct scratch *sc, struct recv_result *r, bool may_native);

#endif

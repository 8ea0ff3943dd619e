/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The owner of a netstack endpoint inside the sentry. Every `user` pointer that
 * is given to netstack is a struct ep_owner: the guest's sockets (sock/sock.h)
 * and the gateway's flows embed one. Netstack's event callback only marks the
 * owner dirty; sandbox_settle() calls `events` later, under the stack lock.
 */
#ifndef SENTRY_CORE_OWNER_H
#define SENTRY_CORE_OWNER_H

#include <stdint.h>

struct ep_owner {
	/* events: enum nst_event bits gathered since the last call. */
	void (*events)(struct ep_owner *o, uint32_t events);
	struct ep_owner *next, **pprev; /* on the dirty list; pprev NULL: not */
	uint32_t pending;
};

#endif

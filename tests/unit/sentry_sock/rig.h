/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sandbox without guest, loop and traps: netstack with loopback only, table,
 * backing sockets. The test plays the guest: it holds the guest ends itself
 * and pumps by hand. Lock and settle as in the sentry.
 */
#ifndef TESTS_UNIT_SENTRY_SOCK_RIG_H
#define TESTS_UNIT_SENTRY_SOCK_RIG_H

#include "sentry/sock/sock.h"

struct rig {
	struct sandbox sb;
	struct options opt;
};

void rig_init(struct rig *r);
void rig_fini(struct rig *r);
/* A stream with its guest end (the test closes it). */
struct sock *rig_stream(struct rig *r, int *guest_fd);
/* A listener on a random port of 127.0.0.1. */
struct sock *rig_listener(struct rig *r, int backlog, int *guest_fd,
			  struct nst_sockaddr *addr);
/* Connects s to addr and opens its channel. */
void rig_connect(struct rig *r, struct sock *s, int guest_fd,
		 const struct nst_sockaddr *addr);
/* A connected pair of guest ends and their sockets. */
struct rig_pair {
	struct sock *listener, *client, *server;
	int lfd, cfd, sfd; /* guest ends */
};
void rig_pair(struct rig *r, struct rig_pair *p);
/* Settles and pumps both sockets, whichever live. */
void rig_pump(struct rig *r);
int rig_revents(int fd); /* poll(fd) with every event asked for */

#endif

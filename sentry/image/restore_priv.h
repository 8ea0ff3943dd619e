/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of `cordon restore` share. */
#ifndef SENTRY_IMAGE_RESTORE_PRIV_H
#define SENTRY_IMAGE_RESTORE_PRIV_H

#include <json-c/json.h>

#include "netstack/nst_dgram.h"
#include "netstack/nst_tcp.h"
#include "sentry/image/image.h"
#include "sentry/image/restore.h"
#include "sentry/link/netem_image.h"
#include "sentry/sock/around.h"

/* A socket of the image that a program held. */
struct held {
	uint64_t id;
	const char *proto; /* for people: "tcp", "udp", "ping", "raw" */
	struct sock_shape shape;
	bool child;    /* waits in a listener's queue */
	bool forsaken; /* was the gateway's own: of its DNS forwarder */
	struct nst_sock *ep;
};

struct restore {
	struct image im;
	struct restore_how how;
	nst_time now, outage;
	bool gateway; /* it has one: it was saved with --net nat */
	const uint8_t *netem[NETEM_WAYS]; /* its records; NULL: none */
	struct held *v;                   /* by id */
	size_t n, room;
	struct ids {
		uint64_t *v;
		size_t n;
	} children, forsaken;
	struct unread_list {
		struct sock_unread *v;
		size_t n, room;
	} unread;
	struct datagram_list {
		struct sock_datagram *v;
		size_t n, room;
	} datagrams;
	int *fds;
	size_t nfds;
	struct json_object *list; /* what the program is told */
};

/* ---- restore_seen.c ---- */
/* Fills in what the image's records say. -errno with `why` (IMAGE_WHY). */
int restore_see(struct restore *rs, char *why);
/* NULL: nobody held it. */
struct held *restore_find(struct restore *rs, uint64_t id);

/* ---- restore_hand.c ---- */
/* Closes what nobody has any more. Under the lock. */
void restore_close_forsaken(struct restore *rs, struct sandbox *sb);
/* Makes guest ends of all, in rs->fds and rs->list. Under the lock, with the
 * stack loaded. -errno after one line on stderr. */
int restore_take_all(struct restore *rs, struct sandbox *sb);

#endif

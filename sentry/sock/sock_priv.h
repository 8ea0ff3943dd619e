/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of a sandbox's sockets and what the backing sockets share: the
 * private listener, the probers, the diagnosis socket. Under the stack lock.
 */
#ifndef SENTRY_SOCK_SOCK_PRIV_H
#define SENTRY_SOCK_SOCK_PRIV_H

#include "sentry/sock/sock.h"

#define SOCK_BUCKETS 16384u

struct sock_table {
	struct sandbox *sb;
	struct sock *by_cookie[SOCK_BUCKETS];
	struct sock *by_id[SOCK_BUCKETS];
	struct sock *all;
	struct sock *listeners;
	struct sock *jobs, **jobs_tail;
	size_t count, peak; /* the most since memory was given back */
	nst_time room_next; /* not before: sock_make_room */
	uint64_t next_id;
	/* backing.c */
	uint64_t next_name;
	int listen_fd;    /* the private listener */
	int listen_name;  /* O_PATH of its name */
	int probe_dgram;  /* asks whether STREAM names live */
	int probe_stream; /* asks whether DGRAM names live */
	int diag_fd;      /* NETLINK_SOCK_DIAG, or -1 */
};

/* Sees, and where it is so carries out, that the guest end is gone; true: s
 * has been closed. Only for ends that were shut down both ways. */
bool stream_check_gone(struct sock *s);

#endif

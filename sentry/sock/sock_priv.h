/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of a sandbox's sockets and what the backing sockets share: the
 * private listener, the probers, the diagnosis socket. Under the stack lock.
 */
#ifndef SENTRY_SOCK_SOCK_PRIV_H
#define SENTRY_SOCK_SOCK_PRIV_H

#include "sentry/sock/sock.h"

struct sock_claims;
struct sock_given;

#define SOCK_BUCKETS 16384u

struct sock_table {
	struct sandbox *sb;                   /* R */
	struct sock *by_cookie[SOCK_BUCKETS]; /* R */
	struct sock *by_id[SOCK_BUCKETS];     /* R */
	struct sock *all;                     /* R */
	struct sock *listeners;               /* R */
	struct sock *jobs, **jobs_tail;       /* D */
	struct sock_claims *claims;           /* D while it is loaded */
	struct sock_given *given;             /* D while it is restored */
	size_t count;                         /* R */
	size_t peak;        /* R the most since memory was given back */
	nst_time room_next; /* D not before: sock_make_room */
	uint64_t next_id;   /* S */
	/* backing.c */
	uint64_t next_name; /* S */
	int listen_fd;      /* S the private listener */
	int listen_name;    /* S O_PATH of its name */
	int probe_dgram;    /* S asks whether STREAM names live */
	int probe_stream;   /* S asks whether DGRAM names live */
	int diag_fd;        /* S NETLINK_SOCK_DIAG, or -1 */
};

/* Sees, and where it is so carries out, that the guest end is gone; true: s
 * has been closed. Only for ends that were shut down both ways. */
bool stream_check_gone(struct sock *s);
/* The same for one whose send ring is full: what the guest wrote before it
 * closed has to wait, unless it left something unread. */
bool stream_check_cut(struct sock *s);
/* A reset after the peer's FIN, when all before has been delivered: the guest
 * sees the end that it already was. False: there was none. */
bool stream_show_end(struct sock *s);

#endif

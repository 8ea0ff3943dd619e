/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Socket options as one table (sockopt_table.c): where an option lives in the
 * netstack, how Linux reads and writes its value, and who may set it. What is
 * not in the table is unknown: ENOPROTOOPT, nothing is silently accepted.
 */
#ifndef SENTRY_SOCK_SOCKOPT_H
#define SENTRY_SOCK_SOCKOPT_H

#include "sentry/sock/sock.h"

#define OPT_VALUE_MAX 512

/* How values are passed; LINUX: by the function that serves the level. */
enum opt_reading {
	OPT_INT,     /* sk_, do_tcp_, udp_lib_: at least an int */
	OPT_IP,      /* do_ip_: an int, one byte, or nothing */
	OPT_SPECIAL, /* as its own function says */
};

enum opt_flag {
	OPT_GET = 1 << 0,
	OPT_SET = 1 << 1,
	OPT_BOTH = OPT_GET | OPT_SET,
	OPT_BOOL = 1 << 2,      /* stored as 0 or 1 */
	OPT_CAP_ADMIN = 1 << 3, /* set: EPERM without CAP_NET_ADMIN */
	OPT_CAP_RAW = 1 << 4,   /* ... neither that nor CAP_NET_RAW */
	OPT_STREAM = 1 << 5,    /* set: only for these types; none: all */
	OPT_DGRAM = 1 << 6,
	OPT_RAW = 1 << 7,
	OPT_EMPTY_OK = 1 << 8, /* OPT_IP: length 0 means 0 */
};

/* A value on its way; set: what the guest passed, get: what it gets. */
struct opt_io {
	struct trap *t;
	const struct sockopt *o;
	uint8_t v[OPT_VALUE_MAX];
	uint32_t len;  /* of v */
	uint64_t addr; /* guest's buffer, for what v does not hold */
	uint32_t room; /* get: the length the guest gave */
};

struct sockopt {
	int level, name;
	enum opt_reading rule;
	unsigned flags;
	enum nst_opt opt;
	int lo, hi; /* what may be set, if lo < hi; else the netstack says */
	int err;    /* neither got nor set: this errno (LINUX: the same) */
	/* OPT_SPECIAL: 0 or -errno; called with the stack lock held and s
	 * alive, value in io->v. */
	int (*set)(struct sock *s, struct opt_io *io);
	int (*get)(struct sock *s, struct opt_io *io);
};

const struct sockopt *sockopt_find(int level, int name);

/* Specials, by file. */
int opt_set_linger(struct sock *s, struct opt_io *io);
int opt_get_linger(struct sock *s, struct opt_io *io);
int opt_set_buf(struct sock *s, struct opt_io *io);
int opt_set_ifindex(struct sock *s, struct opt_io *io);
int opt_set_device(struct sock *s, struct opt_io *io);
int opt_get_device(struct sock *s, struct opt_io *io);
int opt_set_lowat(struct sock *s, struct opt_io *io);
int opt_set_unsigned(struct sock *s, struct opt_io *io);
int opt_set_stamp(struct sock *s, struct opt_io *io);
int opt_get_stamp(struct sock *s, struct opt_io *io);
int opt_set_pacing(struct sock *s, struct opt_io *io);
int opt_get_pacing(struct sock *s, struct opt_io *io);
int opt_set_priority(struct sock *s, struct opt_io *io);
int opt_set_debug(struct sock *s, struct opt_io *io);
int opt_set_nothing(struct sock *s, struct opt_io *io);
int opt_get_fixed(struct sock *s, struct opt_io *io);
int opt_get_error(struct sock *s, struct opt_io *io);
int opt_get_shown_error(struct sock *s, struct opt_io *io);
int opt_get_peercred(struct sock *s, struct opt_io *io);
int opt_get_cookie(struct sock *s, struct opt_io *io);
int opt_get_empty(struct sock *s, struct opt_io *io);
/* sockopt_ip.c */
int opt_set_ip_options(struct sock *s, struct opt_io *io);
int opt_set_mc_if(struct sock *s, struct opt_io *io);
int opt_set_mc_if6(struct sock *s, struct opt_io *io);
int opt_get_hdrincl(struct sock *s, struct opt_io *io);
int opt_get_mc_if(struct sock *s, struct opt_io *io);
int opt_set_membership(struct sock *s, struct opt_io *io);
int opt_set_membership6(struct sock *s, struct opt_io *io);
int opt_set_group(struct sock *s, struct opt_io *io);
int opt_set_source(struct sock *s, struct opt_io *io);
int opt_set_group_source(struct sock *s, struct opt_io *io);
int opt_set_icmp_filter(struct sock *s, struct opt_io *io);
int opt_get_icmp_filter(struct sock *s, struct opt_io *io);
/* sys_tcp_info.c */
int opt_get_tcp_info(struct sock *s, struct opt_io *io);
int opt_set_congestion(struct sock *s, struct opt_io *io);
int opt_get_congestion(struct sock *s, struct opt_io *io);
int opt_set_ulp(struct sock *s, struct opt_io *io);
int opt_get_cc_info(struct sock *s, struct opt_io *io);
int opt_set_fastopen_key(struct sock *s, struct opt_io *io);
int opt_get_fastopen_key(struct sock *s, struct opt_io *io);
int opt_get_saved_syn(struct sock *s, struct opt_io *io);
int opt_set_refused(struct sock *s, struct opt_io *io);
int opt_set_queue_seq(struct sock *s, struct opt_io *io);
int opt_get_zero(struct sock *s, struct opt_io *io);
int opt_get_not_repairing(struct sock *s, struct opt_io *io);

/* Does the calling thread have this capability (CAP_*)? No lock needed. */
bool guest_capable(const struct trap *t, int cap);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket options of the adapter as one table (opt_table.c). Those that are
 * a number name where it lives in the netstack; the others have functions.
 * What is not in the table is ENOPROTOOPT.
 */
#ifndef TOOLS_PACKETDRILL_ADAPTER_OPT_H
#define TOOLS_PACKETDRILL_ADAPTER_OPT_H

#include "tools/packetdrill-adapter/ad_priv.h"

#define OPT_VALUE_MAX 512

enum opt_flag {
	OPT_GET = 1 << 0,
	OPT_SET = 1 << 1,
	OPT_BOTH = OPT_GET | OPT_SET,
	OPT_BOOL = 1 << 2,     /* stored as 0 or 1 */
	OPT_UNSIGNED = 1 << 3, /* the int is one of 32 bits without sign */
	OPT_STREAM = 1 << 4,   /* TCP only */
};

/* A value on its way; set: what was passed, get: what is given. */
struct opt_io {
	const struct opt_row *row;
	uint8_t v[OPT_VALUE_MAX];
	socklen_t len;  /* of v */
	socklen_t room; /* get: what the caller has room for */
};

struct opt_row {
	int level, name;
	unsigned flags;
	enum nst_opt opt;
	int lo, hi; /* what may be set, if lo < hi; else the netstack says */
	/* 0 or -errno; NULL: the number at `opt`. */
	int (*set)(struct file *f, struct opt_io *io);
	int (*get)(struct file *f, struct opt_io *io);
};

const struct opt_row *opt_find(int level, int name);
int opt_give(struct opt_io *io, const void *p, size_t bytes);
int opt_give_int(struct opt_io *io, int v);
/* The int at the start of a value; -EINVAL when it is too short. */
int opt_int(const struct opt_io *io, int *v);

/* opt_socket.c */
int opt_get_fixed(struct file *f, struct opt_io *io);
int opt_get_error(struct file *f, struct opt_io *io);
int opt_set_linger(struct file *f, struct opt_io *io);
int opt_get_linger(struct file *f, struct opt_io *io);
int opt_set_timeo(struct file *f, struct opt_io *io);
int opt_get_timeo(struct file *f, struct opt_io *io);
int opt_set_lowat(struct file *f, struct opt_io *io);
int opt_set_buf(struct file *f, struct opt_io *io);
int opt_set_stamp(struct file *f, struct opt_io *io);
int opt_get_stamp(struct file *f, struct opt_io *io);
int opt_set_pacing(struct file *f, struct opt_io *io);
int opt_get_pacing(struct file *f, struct opt_io *io);
int opt_set_peek_off(struct file *f, struct opt_io *io);
int opt_get_peek_off(struct file *f, struct opt_io *io);
int opt_set_zerocopy(struct file *f, struct opt_io *io);
int opt_get_zerocopy(struct file *f, struct opt_io *io);
int opt_set_timestamping(struct file *f, struct opt_io *io);
int opt_get_timestamping(struct file *f, struct opt_io *io);
int opt_get_meminfo(struct file *f, struct opt_io *io);
int opt_set_nothing(struct file *f, struct opt_io *io);
/* opt_tcp.c */
int opt_get_tcp_info(struct file *f, struct opt_io *io);
int opt_get_cc_info(struct file *f, struct opt_io *io);
int opt_set_congestion(struct file *f, struct opt_io *io);
int opt_get_congestion(struct file *f, struct opt_io *io);
int opt_get_saved_syn(struct file *f, struct opt_io *io);
int opt_set_refused(struct file *f, struct opt_io *io);
int opt_set_ulp(struct file *f, struct opt_io *io);
int opt_set_clamp(struct file *f, struct opt_io *io);
int opt_set_fastopen_key(struct file *f, struct opt_io *io);
int opt_get_fastopen_key(struct file *f, struct opt_io *io);

#endif

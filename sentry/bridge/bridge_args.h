/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of `cordon bridge`. */
#ifndef SENTRY_BRIDGE_BRIDGE_ARGS_H
#define SENTRY_BRIDGE_BRIDGE_ARGS_H

#include "netstack/netem/netem.h"

struct bridge_end {
	char dev[16];
	char netns[256]; /* a path; empty: the caller's own */
};

struct bridge_args {
	struct bridge_end end[2];
	struct netem_conf conf[2]; /* of what enters at end i */
	bool help;                 /* the usage was printed */
};

/* 0, or -EINVAL after one line on stderr. */
int bridge_args_parse(int argc, char **argv, struct bridge_args *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a host's tools would show of our own stack, for the commands with
 * which scripts look at one: nstat (its counters) and /proc/net/tcp{,6} (its
 * sockets).  The command itself is run by sh, with a folder of such files
 * and an `nstat` in front of the path.
 */
#ifndef CORDON_TESTS_PKT_HOST_VIEW_H
#define CORDON_TESTS_PKT_HOST_VIEW_H

#include "tests/pkt/run.h"

/* Does the command look at the stack, and at nothing else? */
bool host_view_wanted(const char *text);
/* Runs it.  NULL, or what went wrong. */
const char *host_view_run(struct run *r, const char *text);

#endif /* CORDON_TESTS_PKT_HOST_VIEW_H */

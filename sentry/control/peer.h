/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is at the other end of a control socket. A guest may run as the same
 * user and, without --isolate, can reach the runtime directory: neither may it
 * command a sandbox, nor answer as one. What it cannot hide is that it is
 * under the filter of its sandbox, for good, and mostly in a user namespace
 * that was made for it.
 */
#ifndef SENTRY_CONTROL_PEER_H
#define SENTRY_CONTROL_PEER_H

#include <stdbool.h>

/*
 * Why the peer of a connected socket must not be talked to; NULL: it may be.
 * user_ns: it must also be in our user namespace (a sentry cannot be asked for
 * its own: it is not dumpable).
 */
const char *control_peer_refused(int fd, bool user_ns);

#endif

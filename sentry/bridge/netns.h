/* SPDX-License-Identifier: Apache-2.0 */
/* Visits to another network namespace, of the calling thread. */
#ifndef SENTRY_BRIDGE_NETNS_H
#define SENTRY_BRIDGE_NETNS_H

/* Enters the namespace at `path`. A descriptor of the one left, for
 * netns_leave; -errno after one line on stderr. */
int netns_enter(const char *path);
/* Goes back and closes home. Aborts if that is impossible. */
void netns_leave(int home);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cordon bridge`: two TAP devices, which may be in different network
 * namespaces, joined by a bad link (netstack/netem). No netstack takes part:
 * what one kernel sends reaches the other as the link lets it, so that the
 * host's TCP can be measured over the same impairments as ours.
 */
#ifndef SENTRY_BRIDGE_BRIDGE_H
#define SENTRY_BRIDGE_BRIDGE_H

/* Arguments after "bridge". Runs until SIGINT or SIGTERM, then prints one JSON
 * line per direction. Exit code; one line on stderr when it is not 0. */
int cordon_bridge(int argc, char **argv);

#endif

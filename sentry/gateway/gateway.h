/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateway: a second netstack instance that terminates the guest's flows and
 * reaches the host with ordinary sockets, as slirp does. TCP, UDP, ICMP echo,
 * a DNS forwarder, published ports. Everything runs under the stack lock; host
 * sockets are non-blocking and driven by the loop.
 */
#ifndef SENTRY_GATEWAY_GATEWAY_H
#define SENTRY_GATEWAY_GATEWAY_H

#include "sentry/core/sandbox.h"

/* Makes the gateway's netstack, the pair link to the guest's (sets sb->link,
 * sb->ifindex and sb->gw), addresses and routes on both sides, published ports.
 * -errno after one line on stderr (a port in use names the port). */
int gateway_new(struct sandbox *sb);
/*
 * Ends every flow. What the guest has sent and the gateway has acknowledged is
 * first written to the host, waiting as long as the host goes on taking it.
 */
void gateway_free(struct sandbox *sb);
/* What the guest has sent that the host's kernel does not have yet: bytes, and
 * one for each FIN. */
size_t gateway_left(const struct gateway *gw);
/* Another stack (cordon restore) takes the place of the guest's, before it has
 * run: what the gateway itself has in the old one is closed; is made in the new
 * one, sb->stack. */
void gateway_leave_guest(struct sandbox *sb);
void gateway_join_guest(struct sandbox *sb);
/* For the timers: its next deadline, and running them. */
nst_time gateway_next_deadline(const struct gateway *gw);
void gateway_run_timers(struct gateway *gw, nst_time now);

#endif

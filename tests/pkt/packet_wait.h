/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for a packet to leave, and saying what was wrong with one. */
#ifndef CORDON_TESTS_PKT_PACKET_WAIT_H
#define CORDON_TESTS_PKT_PACKET_WAIT_H

#include "tests/pkt/run.h"

/*
 * The next packet that leaves, of any socket, into r->rx; its length.  Ends
 * the run if none comes long after the event's time.
 */
size_t packet_await(struct run *r, const struct event *e, long long *usecs);
/* Fails (or warns, with --non_fatal=packet), showing both packets. */
void packet_explain(struct run *r, const struct event *e,
		    const struct packet *actual, const char *err);

#endif /* CORDON_TESTS_PKT_PACKET_WAIT_H */

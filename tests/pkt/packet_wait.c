/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/pkt/packet_wait.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef PKT_HAVE_NETSTACK
#include "tools/packetdrill-adapter/adapter.h"
#endif

enum {
	USECS = 1000000,
	/*
	 * A packet that is late fails anyway; waiting for it makes the
	 * message say when it came.
	 */
	PATIENCE_USECS = 5 * USECS,
	ANY_PATIENCE_USECS = 600 * USECS, /* behind a time of '*' */
	REAL_PATIENCE_SECS = 3,
	REAL_ANY_PATIENCE_SECS = 120,
	EMPTY_ROUNDS = 1000,
};

static void give_up(struct run *r, const struct event *e)
{
	char *text = wire_to_string(e->packet);

	run_fail(r, e->line,
		 "error handling packet: Timed out waiting for packet\n"
		 "script packet: %9.6f %s",
		 (double)e->usecs / USECS, text);
}

/* When to stop waiting, on the stack's clock. */
static long long limit(const struct run *r, const struct event *e)
{
	long long end =
	    e->time >= TIME_ABSOLUTE_RANGE ? e->usecs_end : e->usecs;

	return r->live_start + end +
	       (e->time == TIME_ANY ? ANY_PATIENCE_USECS : PATIENCE_USECS);
}

/* The kernel's netdev_receive() waits without an end: a real alarm. */
static void arm_alarm(struct run *r, const struct event *e)
{
	long long end =
	    e->time >= TIME_ABSOLUTE_RANGE ? e->usecs_end : e->usecs;
	long long left = (r->live_start + end - run_now(r)) / USECS + 1;
	char *text = wire_to_string(e->packet);

	if (left < 1)
		left = 1;
	run_arm_alarm(r, e,
		      (unsigned)left + (e->time == TIME_ANY
					    ? REAL_ANY_PATIENCE_SECS
					    : REAL_PATIENCE_SECS),
		      arena_printf(r->arena,
				   "error handling packet: Timed out waiting "
				   "for packet\nscript packet: %9.6f %s",
				   (double)e->usecs / USECS, text));
	free(text);
}

static int receive(struct run *r, const struct event *e, size_t *len,
		   long long *usecs)
{
#ifdef PKT_HAVE_NETSTACK
	if (r->conf->backend == BACKEND_NETSTACK)
		return pkt_netstack_receive_until(r->ifc.userdata, r->rx, len,
						  usecs, limit(r, e));
#else
	(void)e;
#endif
	return r->ifc.netdev_receive(r->ifc.userdata, r->rx, len, usecs);
}

size_t packet_await(struct run *r, const struct event *e, long long *usecs)
{
	bool real = r->conf->backend == BACKEND_KERNEL;
	size_t len = 0;
	int rc = 0, rounds = 0;

	if (real)
		arm_alarm(r, e);
	while (len == 0) {
		len = WIRE_MAX_PACKET;
		rc = receive(r, e, &len, usecs);
		if (rc != 0)
			run_fail(r, e->line,
				 "error handling packet: netdev_receive: %s",
				 strerror(errno));
		if (len == 0 &&
		    (r->conf->backend == BACKEND_NETSTACK ||
		     ++rounds > EMPTY_ROUNDS || run_now(r) > limit(r, e)))
			give_up(r, e);
	}
	if (real)
		alarm(0);
	return len;
}

void packet_explain(struct run *r, const struct event *e,
		    const struct packet *actual, const char *err)
{
	char *want = wire_to_string(e->packet);
	char *got = wire_to_string(actual);
	double at = (double)(actual->usecs - r->live_start) / USECS;

	if (!r->conf->non_fatal_packet)
		run_fail(r, e->line,
			 "error handling packet: %s\n"
			 "script packet: %9.6f %s\n"
			 "actual packet: %9.6f %s",
			 err, (double)e->usecs / USECS, want, at, got);
	run_warn(r, e->line,
		 "warning handling packet: %s\n"
		 "script packet: %9.6f %s\n"
		 "actual packet: %9.6f %s",
		 err, (double)e->usecs / USECS, want, at, got);
	free(want);
	free(got);
}

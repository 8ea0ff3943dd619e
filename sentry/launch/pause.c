/* SPDX-License-Identifier: Apache-2.0 */
/* The sentry's side of pausing: the watcher does it (freeze.c). */
#include "sentry/launch/launch.h"

#include <errno.h>
#include <poll.h>

#include "sentry/launch/guest.h"

/* More than the watcher takes; after it, it is dead or stopped itself. */
#define ANSWER_MS 10000

static void set_paused(struct guest *g, bool paused)
{
	__atomic_store_n(&g->paused, paused, __ATOMIC_RELEASE);
}

bool launch_paused(const struct guest *g)
{
	return __atomic_load_n(&g->paused, __ATOMIC_ACQUIRE);
}

/* The answer to request `seq`; those to requests that were given up are
 * skipped. */
static int answer(struct guest *g, int seq)
{
	struct pollfd p = {.fd = g->plan.freeze[0], .events = POLLIN};
	struct launch_msg m;

	for (;;) {
		int rc = poll(&p, 1, ANSWER_MS);

		if (rc < 0 && errno == EINTR)
			continue;
		if (rc <= 0)
			return -ETIMEDOUT;
		rc = message_recv(p.fd, &m, NULL, false);
		if (rc == -EAGAIN)
			continue;
		if (rc <= 0)
			return -ESRCH;
		if (m.kind == FREEZE_DONE && m.step == seq)
			return m.value;
	}
}

/* Under the lock. */
static int ask(struct guest *g, int kind, bool paused, unsigned *n)
{
	int seq = ++g->freeze_seq;

	message_send(g->plan.freeze[0], kind, seq, 0);
	int rc = answer(g, seq);
	if (rc >= 0 || rc == -EALREADY)
		set_paused(g, paused);
	if (rc < 0)
		return rc;
	*n = (unsigned)rc;
	return 0;
}

static int ask_locked(struct guest *g, int kind, bool paused, unsigned *n)
{
	pthread_mutex_lock(&g->freeze_lock);
	int rc = ask(g, kind, paused, n);
	pthread_mutex_unlock(&g->freeze_lock);
	return rc;
}

int launch_pause(struct guest *g, unsigned *n)
{
	return ask_locked(g, FREEZE_STOP, true, n);
}

int launch_resume(struct guest *g, unsigned *n)
{
	return ask_locked(g, FREEZE_CONT, false, n);
}

void pause_end_for_signal(struct guest *g)
{
	unsigned n;

	/* Also waits for a pause that is under way. */
	pthread_mutex_lock(&g->freeze_lock);
	if (launch_paused(g))
		ask(g, FREEZE_CONT, false, &n);
	pthread_mutex_unlock(&g->freeze_lock);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lock, clock, sleep and wire of one adapter.
 *
 * A call is *active* from world_enter() to world_leave() except while it
 * sleeps in world_wait(). Whoever wakes sleepers counts them as active at
 * once, so that time, which moves only when nobody else is active (settle()),
 * cannot overtake a call that has just been woken.
 */
#include "tools/packetdrill-adapter/ad_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How long, in real time, the clock waits for a thread whose blocked call has
 * returned to ask for the time. */
#define OWED_PATIENCE_NS 5000000
/* netdev_receive without a limit gives up after this much of virtual time:
 * longer than any timer of a connection. */
#define RECEIVE_PATIENCE (24 * 3600 * NST_SEC)

/* ---- lock and sleep ---- */

void world_wake(struct world *w)
{
	w->events = false;
	if (!w->waiters)
		return;
	w->gen++;
	w->active += w->blocked;
	w->blocked = 0;
	pthread_cond_broadcast(&w->woken);
}

static void flush_events(struct world *w)
{
	if (w->events)
		world_wake(w);
}

void world_enter(struct world *w)
{
	pthread_mutex_lock(&w->lock);
	w->active++;
	if (w->owed && pthread_equal(w->owed_to, pthread_self())) {
		w->owed = false;
		pthread_cond_broadcast(&w->settled);
	}
}

static void went_idle(struct world *w)
{
	if (--w->active == 0)
		pthread_cond_broadcast(&w->settled);
}

void world_event(struct world *w)
{
	if (w->after_event)
		w->after_event(w);
}

void world_leave(struct world *w)
{
	flush_events(w);
	went_idle(w);
	pthread_mutex_unlock(&w->lock);
}

struct sleep {
	struct world *w;
	struct waiter me;
	uint64_t gen;
};

static void sleep_unlink(struct sleep *s)
{
	*s->me.pprev = s->me.next;
	if (s->me.next)
		s->me.next->pprev = s->me.pprev;
}

/* The thread is cancelled in its sleep: packetdrill ends scripts so. */
static void sleep_cancelled(void *arg)
{
	struct sleep *s = arg;

	sleep_unlink(s);
	if (s->w->gen == s->gen)
		s->w->blocked--;
	else
		went_idle(s->w);
	pthread_mutex_unlock(&s->w->lock);
}

int world_wait(struct world *w, nst_time deadline)
{
	struct sleep s = {.w = w, .me = {.deadline = deadline}};

	flush_events(w);
	if (w->now >= deadline)
		return -ETIMEDOUT;
	world_event(w);
	s.gen = w->gen;
	s.me.next = w->waiters;
	s.me.pprev = &w->waiters;
	if (s.me.next)
		s.me.next->pprev = &s.me.next;
	w->waiters = &s.me;
	w->blocked++;
	went_idle(w);
	pthread_cleanup_push(sleep_cancelled, &s);
	while (w->gen == s.gen)
		pthread_cond_wait(&w->woken, &w->lock);
	pthread_cleanup_pop(0);
	sleep_unlink(&s);
	w->owed = true;
	w->owed_to = pthread_self();
	return 0;
}

/* ---- clock ---- */

/* Waits until every other call has returned or sleeps. */
static void settle(struct world *w)
{
	flush_events(w);
	went_idle(w);
	while (w->active > 0)
		pthread_cond_wait(&w->settled, &w->lock);
	w->active++;
}

/* Lets a thread whose call has just returned read the clock. */
static void await_owed(struct world *w)
{
	struct timespec until;

	if (!w->owed || pthread_equal(w->owed_to, pthread_self()))
		return;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += OWED_PATIENCE_NS;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	went_idle(w);
	while (w->owed)
		if (pthread_cond_timedwait(&w->settled, &w->lock, &until) != 0)
			break;
	w->active++;
	w->owed = false;
	settle(w);
}

static nst_time next_deadline(const struct world *w)
{
	nst_time t = nst_next_deadline(w->st);

	for (const struct waiter *m = w->waiters; m; m = m->next)
		if (m->deadline < t)
			t = m->deadline;
	return t;
}

/* One step of time, to the next thing that is due or to `until`. */
static void step(struct world *w, nst_time until)
{
	nst_time due = next_deadline(w);

	if (due > until)
		due = until;
	if (due > w->now)
		w->now = due;
	if (nst_next_deadline(w->st) <= w->now) {
		nst_run_timers(w->st, w->now);
		world_event(w);
	}
	zerocopy_scan(w);
	timestamping_scan(w);
	for (const struct waiter *m = w->waiters; m; m = m->next)
		w->events = w->events || m->deadline <= w->now;
	settle(w);
}

/* Everything that is due at `until` has been done when this returns. */
static void advance(struct world *w, nst_time until)
{
	settle(w);
	while (w->now < until || next_deadline(w) <= w->now) {
		await_owed(w);
		step(w, until > w->now ? until : w->now);
	}
}

void world_usleep(struct world *w, uint64_t usec)
{
	advance(w, w->now + (nst_time)usec * NST_US);
}

nst_time world_clock(struct world *w)
{
	advance(w, w->now + NST_US);
	return w->now;
}

/* ---- wire ---- */

void world_transmit(void *link, struct nst_pkt *pkt)
{
	struct world *w = link;
	uint32_t bytes = nst_pkt_bytes(pkt);
	struct out_pkt *p = malloc(sizeof(*p) + bytes);

	if (p) {
		nst_pkt_csum_finish(pkt);
		p->next = NULL;
		p->when = w->now;
		p->bytes = bytes;
		nst_pkt_copy(pkt, 0, p->data, bytes);
		*w->out_tail = p;
		w->out_tail = &p->next;
	}
	nst_pkt_free(pkt);
}

static void drop_first(struct world *w)
{
	struct out_pkt *p = w->out;

	w->out = p->next;
	if (!w->out)
		w->out_tail = &w->out;
	free(p);
}

void world_drop_packets(struct world *w)
{
	while (w->out)
		drop_first(w);
}

int world_inject(struct world *w, const void *buf, size_t bytes)
{
	struct nst_pkt *pkt;
	void *to;

	if (bytes == 0 || bytes > 65535 + 40)
		return -EINVAL;
	settle(w);
	pkt = nst_pkt_new(&w->env, NST_PKT_HEADROOM, (uint32_t)bytes);
	if (!pkt)
		return -ENOMEM;
	to = nst_pkt_put(pkt, (uint32_t)bytes);
	if (!to) {
		nst_pkt_free(pkt);
		return -ENOMEM;
	}
	memcpy(to, buf, bytes);
	nst_nic_in(w->st, w->ifindex, pkt, w->now);
	world_event(w);
	zerocopy_scan(w);
	timestamping_scan(w);
	settle(w);
	return 0;
}

int world_receive(struct world *w, void *buf, size_t *bytes, nst_time *when,
		  nst_time until)
{
	size_t room = *bytes;
	bool forever = until == NST_NEVER;

	*bytes = 0;
	if (forever)
		until = w->now + RECEIVE_PATIENCE;
	settle(w);
	while (!w->out && w->now < until) {
		if (forever && next_deadline(w) == NST_NEVER)
			break; /* nothing will ever come */
		await_owed(w);
		step(w, until);
	}
	if (!w->out)
		return 0;
	*bytes = w->out->bytes < room ? w->out->bytes : room;
	memcpy(buf, w->out->data, *bytes);
	*when = w->out->when;
	drop_first(w);
	return 0;
}

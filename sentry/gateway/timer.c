/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Idle timers of the gateway: one queue per time-out, each in order of
 * deadline because its members wait equally long. Arming is O(1), and so is
 * finding the least recently used member, which is what eviction wants.
 */
#include "sentry/gateway/gateway_priv.h"

static const nst_time timeout[GWQ_COUNT] = {
    [GWQ_UDP_DNS] = 10 * NST_SEC,     [GWQ_UDP_NEW] = 60 * NST_SEC,
    [GWQ_UDP_STREAM] = 180 * NST_SEC, [GWQ_ECHO] = 30 * NST_SEC,
    [GWQ_DNS_QUERY] = 3 * NST_SEC,    [GWQ_PUB_PEER] = 180 * NST_SEC,
    [GWQ_PUB_RETRY] = 100 * NST_MS,
};

void gw_timers_init(struct gateway *gw)
{
	for (size_t q = 0; q < GWQ_COUNT; q++)
		TAILQ_INIT(&gw->queue[q]);
}

void gw_timer_stop(struct gateway *gw, struct gw_timer *t)
{
	if (!t->armed)
		return;
	TAILQ_REMOVE(&gw->queue[t->queue], t, link);
	t->armed = false;
}

void gw_timer_arm(struct gateway *gw, struct gw_timer *t, enum gw_queue_id q,
		  nst_time now)
{
	gw_timer_stop(gw, t);
	t->since = now;
	t->queue = (uint8_t)q;
	t->armed = true;
	TAILQ_INSERT_TAIL(&gw->queue[q], t, link);
}

static nst_time deadline_of(const struct gw_timer *t)
{
	return t->since + timeout[t->queue];
}

/* What is restored in order finds its place at the end. */
bool gw_timer_rearm(struct gateway *gw, struct gw_timer *t)
{
	struct gw_timer *at;

	if (!t->armed)
		return true;
	if (t->queue >= GWQ_COUNT)
		return false;
	at = TAILQ_LAST(&gw->queue[t->queue], gw_queue);
	while (at && at->since > t->since)
		at = TAILQ_PREV(at, gw_queue, link);
	if (at)
		TAILQ_INSERT_AFTER(&gw->queue[t->queue], at, t, link);
	else
		TAILQ_INSERT_HEAD(&gw->queue[t->queue], t, link);
	return true;
}

struct gw_timer *gw_timer_oldest(struct gateway *gw, enum gw_queue_id q)
{
	return TAILQ_FIRST(&gw->queue[q]);
}

nst_time gw_timers_next(const struct gateway *gw)
{
	nst_time next = NST_NEVER;

	for (size_t q = 0; q < GWQ_COUNT; q++) {
		const struct gw_timer *t = TAILQ_FIRST(&gw->queue[q]);

		if (t && deadline_of(t) < next)
			next = deadline_of(t);
	}
	return next;
}

static void run_queue(struct gateway *gw, struct gw_queue *q, nst_time now)
{
	struct gw_timer *t;

	while ((t = TAILQ_FIRST(q)) != NULL && deadline_of(t) <= now) {
		gw_timer_stop(gw, t);
		t->fn(t, now);
	}
}

void gw_timers_run(struct gateway *gw, nst_time now)
{
	for (size_t q = 0; q < GWQ_COUNT; q++)
		run_queue(gw, &gw->queue[q], now);
}

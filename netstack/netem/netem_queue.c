/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bottleneck: a wire of so many bits per second and a drop-tail queue in
 * front of it. `tat` is when the wire is free; a bucket lets it lie behind the
 * clock (the generic cell rate algorithm, ITU-T I.371).
 */
#include "netstack/netem/netem_priv.h"

#define QUEUE_FIRST 64

void netem_queue_run(struct netem_queue *q, nst_time now)
{
	while (q->n && q->v[q->head].at <= now) {
		q->bytes -= q->v[q->head].bytes;
		q->head = (q->head + 1) % q->cap;
		q->n--;
	}
}

static bool grow(struct netem *nm)
{
	struct netem_queue *q = &nm->queue;
	uint32_t cap = q->cap ? q->cap * 2 : QUEUE_FIRST;
	struct netem_leave *v;

	if (q->n < q->cap)
		return true;
	if (cap > NETEM_QUEUE_PKTS)
		return false;
	v = nm->env->alloc(nm->env->ctx, cap * sizeof(*v));
	if (!v)
		return false;
	for (uint32_t i = 0; q->cap && i < q->n; i++)
		v[i] = q->v[(q->head + i) % q->cap];
	if (q->v)
		nm->env->free(nm->env->ctx, q->v, q->cap * sizeof(*v));
	q->v = v;
	q->cap = cap;
	q->head = 0;
	return true;
}

static nst_time wire_time(const struct netem_conf *c, uint64_t bytes)
{
	return (nst_time)(bytes * 8 * (uint64_t)NST_SEC / c->rate_bits);
}

static bool is_full(const struct netem *nm, uint32_t bytes)
{
	const struct netem_conf *c = &nm->conf;
	const struct netem_queue *q = &nm->queue;

	/* A packet longer than the limit passes when it is alone. */
	if (c->limit_bytes && q->n && q->bytes + bytes > c->limit_bytes)
		return true;
	return c->limit_pkts && q->n >= c->limit_pkts;
}

static bool is_marked(const struct netem *nm, nst_time wait)
{
	const struct netem_conf *c = &nm->conf;
	const struct netem_queue *q = &nm->queue;

	return (c->ecn_bytes && q->bytes > c->ecn_bytes) ||
	       (c->ecn_pkts && q->n > c->ecn_pkts) ||
	       (c->ecn_time && wait > c->ecn_time);
}

static nst_time schedule(struct netem *nm, uint32_t bytes, nst_time now)
{
	const struct netem_conf *c = &nm->conf;
	nst_time slack = c->bucket ? wire_time(c, c->bucket) : 0;
	nst_time *tat = &nm->queue.tat;

	if (*tat < now - slack)
		*tat = now - slack;
	*tat += wire_time(c, (uint64_t)bytes + c->overhead);
	return *tat > now ? *tat : now;
}

enum netem_verdict netem_queue_in(struct netem *nm, uint32_t bytes,
				  nst_time now, nst_time *leaves)
{
	struct netem_queue *q = &nm->queue;

	*leaves = now;
	netem_queue_run(q, now);
	if (!nm->conf.rate_bits)
		return NETEM_PASS;
	if (is_full(nm, bytes))
		return NETEM_FULL;
	if (!grow(nm))
		return NETEM_NOMEM;
	*leaves = schedule(nm, bytes, now);
	q->v[(q->head + q->n++) % q->cap] =
	    (struct netem_leave){*leaves, bytes};
	q->bytes += bytes;
	if (q->bytes > nm->stats.peak_queue_bytes)
		nm->stats.peak_queue_bytes = q->bytes;
	return is_marked(nm, *leaves - now) ? NETEM_MARK : NETEM_PASS;
}

bool netem_queue_restore(struct netem *nm, const nst_time *at,
			 const uint32_t *bytes, uint32_t n)
{
	struct netem_queue *q = &nm->queue;

	for (uint32_t i = 0; i < n; i++) {
		if (!grow(nm))
			return false;
		q->v[q->n++] = (struct netem_leave){at[i], bytes[i]};
		q->bytes += bytes[i];
	}
	return true;
}

void netem_queue_free(struct netem *nm)
{
	struct netem_queue *q = &nm->queue;

	if (q->v)
		nm->env->free(nm->env->ctx, q->v, q->cap * sizeof(*q->v));
}

bool netem_queue_check(const struct netem_queue *q)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < q->n; i++) {
		uint32_t k = (q->head + i) % q->cap;

		if (i && q->v[k].at < q->v[(k + q->cap - 1) % q->cap].at)
			return false;
		bytes += q->v[k].bytes;
	}
	return bytes == q->bytes && q->n <= q->cap;
}

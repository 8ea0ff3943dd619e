/* SPDX-License-Identifier: Apache-2.0 */
/* What is on its way: a heap by time of arrival, and the packets held back
 * until others have passed them. */
#include "netstack/netem/netem_priv.h"

#define LINE_FIRST 64

static bool earlier(const struct netem_flight *a, const struct netem_flight *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static bool grow(struct netem *nm)
{
	struct netem_line *l = &nm->line;
	uint32_t cap = l->cap ? l->cap * 2 : LINE_FIRST;
	struct netem_flight *v;

	if (l->n < l->cap)
		return true;
	if (cap > NETEM_LINE_PKTS)
		return false;
	v = nm->env->alloc(nm->env->ctx, cap * sizeof(*v));
	if (!v)
		return false;
	if (l->v) {
		memcpy(v, l->v, l->n * sizeof(*v));
		nm->env->free(nm->env->ctx, l->v, l->cap * sizeof(*v));
	}
	l->v = v;
	l->cap = cap;
	return true;
}

static void sift_up(struct netem_line *l, uint32_t i, struct netem_flight f)
{
	while (i && earlier(&f, &l->v[(i - 1) / 2])) {
		l->v[i] = l->v[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	l->v[i] = f;
}

static void sift_down(struct netem_line *l, struct netem_flight f)
{
	uint32_t i = 0, k;

	while ((k = 2 * i + 1) < l->n) {
		k += k + 1 < l->n && earlier(&l->v[k + 1], &l->v[k]);
		if (!earlier(&l->v[k], &f))
			break;
		l->v[i] = l->v[k];
		i = k;
	}
	l->v[i] = f;
}

bool netem_line_in(struct netem *nm, struct nst_pkt *pkt, nst_time at)
{
	struct netem_line *l = &nm->line;
	uint32_t bytes = nst_pkt_bytes(pkt);

	if (l->bytes + bytes > NETEM_LINE_BYTES || !grow(nm)) {
		nm->stats.drop_memory++;
		nst_pkt_free(pkt);
		return false;
	}
	l->bytes += bytes;
	sift_up(l, l->n++, (struct netem_flight){at, l->order++, pkt});
	if (l->n > nm->stats.peak_line_pkts)
		nm->stats.peak_line_pkts = l->n;
	return true;
}

bool netem_line_hold(struct netem *nm, struct nst_pkt *pkt, nst_time at)
{
	if (nm->nheld == NETEM_HELD_PKTS)
		return netem_line_in(nm, pkt, at);
	nm->held[nm->nheld++] =
	    (struct netem_held){.pkt = pkt, .left = nm->conf.by_pkts, .at = at};
	return true;
}

/* Nobody came: it goes on alone. */
static nst_time held_until(const struct netem_held *h)
{
	return h->at + NETEM_HELD_MAX;
}

bool netem_line_restore(struct netem *nm, const struct netem_flight *f)
{
	struct netem_line *l = &nm->line;
	uint32_t bytes = nst_pkt_bytes(f->pkt);

	if (l->bytes + bytes > NETEM_LINE_BYTES || !grow(nm)) {
		nst_pkt_free(f->pkt);
		return false;
	}
	l->bytes += bytes;
	l->v[l->n++] = *f;
	return true;
}

static void release(struct netem *nm, uint32_t i, nst_time at)
{
	struct nst_pkt *pkt = nm->held[i].pkt;

	nm->nheld--;
	memmove(nm->held + i, nm->held + i + 1,
		(nm->nheld - i) * sizeof(*nm->held));
	(void)netem_line_in(nm, pkt, at);
}

void netem_line_passed(struct netem *nm, nst_time at)
{
	for (uint32_t i = 0; i < nm->nheld;) {
		if (--nm->held[i].left)
			i++;
		else
			release(nm, i, at);
	}
}

void netem_line_overdue(struct netem *nm, nst_time now)
{
	for (uint32_t i = 0; i < nm->nheld;) {
		if (held_until(&nm->held[i]) > now)
			i++;
		else
			release(nm, i, held_until(&nm->held[i]));
	}
}

struct nst_pkt *netem_line_out(struct netem *nm, nst_time now)
{
	struct netem_line *l = &nm->line;
	struct nst_pkt *pkt;

	if (!l->n || l->v[0].at > now)
		return NULL;
	pkt = l->v[0].pkt;
	pkt->when = l->v[0].at;
	l->bytes -= nst_pkt_bytes(pkt);
	if (--l->n)
		sift_down(l, l->v[l->n]);
	return pkt;
}

nst_time netem_line_next(const struct netem *nm)
{
	nst_time next = nm->line.n ? nm->line.v[0].at : NST_NEVER;

	for (uint32_t i = 0; i < nm->nheld; i++)
		if (held_until(&nm->held[i]) < next)
			next = held_until(&nm->held[i]);
	return next;
}

void netem_line_free(struct netem *nm)
{
	struct netem_line *l = &nm->line;

	for (uint32_t i = 0; i < l->n; i++)
		nst_pkt_free(l->v[i].pkt);
	for (uint32_t i = 0; i < nm->nheld; i++)
		nst_pkt_free(nm->held[i].pkt);
	if (l->v)
		nm->env->free(nm->env->ctx, l->v, l->cap * sizeof(*l->v));
}

bool netem_line_check(const struct netem *nm)
{
	const struct netem_line *l = &nm->line;
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < l->n; i++) {
		if (i && earlier(&l->v[i], &l->v[(i - 1) / 2]))
			return false;
		bytes += nst_pkt_bytes(l->v[i].pkt);
	}
	return bytes == l->bytes && l->n <= l->cap &&
	       nm->nheld <= NETEM_HELD_PKTS;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Out-of-order intervals of the receiver. The bytes themselves are in the
 * receive ring already; here is only which of them. Sorted, disjoint, not
 * adjacent, bounded.
 */
#include "netstack/base/mem.h"
#include "netstack/tcp/tcp_priv.h"

#define OOO_BYTES (LIMIT_TCP_OOO * sizeof(struct tcp_ooo_iv))

void tcp_ooo_free(struct nst_tcp *tp)
{
	nst_release(tp->sk.st->env, tp->ooo.v, OOO_BYTES);
	tp->ooo.v = NULL;
	tp->ooo.n = 0;
	tp->rmem.ooo_used = 0;
	tp->sacks.n = 0;
}

struct seq tcp_ooo_end(const struct nst_tcp *tp)
{
	return tp->ooo.n ? tp->ooo.v[tp->ooo.n - 1].r.to : tp->rcv_nxt;
}

uint32_t tcp_ooo_bytes(const struct nst_tcp *tp)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < tp->ooo.n; i++)
		n += (uint32_t)seq_diff(tp->ooo.v[i].r.to, tp->ooo.v[i].r.from);
	return n;
}

bool tcp_ooo_covers(const struct nst_tcp *tp, struct tcp_range r)
{
	for (uint32_t i = 0; i < tp->ooo.n; i++) {
		const struct tcp_range *o = &tp->ooo.v[i].r;

		if (seq_ge(r.from, o->from) && seq_le(r.to, o->to))
			return true;
	}
	return false;
}

/* RFC 2883 4: the first overlap, and what of the others adjoins it. */
void tcp_ooo_dsack(struct nst_tcp *tp, struct tcp_range r)
{
	for (uint32_t i = 0; i < tp->ooo.n; i++) {
		const struct tcp_range *o = &tp->ooo.v[i].r;
		struct seq from = seq_max(r.from, o->from);
		struct seq to = seq_lt(r.to, o->to) ? r.to : o->to;

		if (seq_lt(from, to))
			tcp_dsack_extend(tp, from, to);
	}
}

/* Removes intervals [i, j), closing the gap. */
static void drop(struct tcp_ooo *o, uint32_t i, uint32_t j)
{
	memmove(o->v + i, o->v + j, (o->n - j) * sizeof(*o->v));
	o->n -= j - i;
}

/* The first interval that may touch something at `at` (binary search). */
static uint32_t first_touching(const struct tcp_ooo *o, struct seq at)
{
	uint32_t lo = 0, hi = o->n;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (seq_lt(o->v[mid].r.to, at))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool tcp_ooo_add(struct nst_tcp *tp, struct tcp_range r)
{
	struct tcp_ooo *o = &tp->ooo;
	uint32_t i, j;

	if (!o->v)
		o->v = nst_alloc(tp->sk.st->env, OOO_BYTES);
	if (!o->v)
		return false;
	i = first_touching(o, r.from);
	for (j = i; j < o->n && seq_le(o->v[j].r.from, r.to); j++)
		;
	if (i == j) {
		if (o->n == LIMIT_TCP_OOO)
			return false;
		memmove(o->v + i + 1, o->v + i, (o->n - i) * sizeof(*o->v));
		o->n++;
	} else {
		if (seq_lt(o->v[i].r.from, r.from))
			r.from = o->v[i].r.from;
		r.to = seq_max(r.to, o->v[j - 1].r.to);
		drop(o, i + 1, j);
	}
	o->v[i].r = r;
	return true;
}

void tcp_ooo_advance(struct nst_tcp *tp)
{
	struct tcp_ooo *o = &tp->ooo;
	uint32_t i = 0;

	for (; i < o->n && seq_le(o->v[i].r.from, tp->rcv_nxt); i++) {
		int32_t more = seq_diff(o->v[i].r.to, tp->rcv_nxt);

		if (more <= 0)
			continue;
		tp->rcv.tail += (uint32_t)more;
		tp->rcv_nxt = o->v[i].r.to;
		tp->bytes_received += (uint32_t)more;
	}
	if (i) {
		uint32_t all = tcp_ooo_bytes(tp), left;

		drop(o, 0, i);
		left = tcp_ooo_bytes(tp);
		tcp_rmem_in_order(tp, all - left, all);
	}
	if (!o->n)
		tcp_ooo_free(tp);
}

uint32_t tcp_ooo_cut(struct nst_tcp *tp, uint32_t bytes, struct seq keep)
{
	uint32_t of = tcp_ooo_bytes(tp), len;
	struct tcp_range *last;

	if (!tp->ooo.n)
		return 0;
	last = &tp->ooo.v[tp->ooo.n - 1].r;
	if (seq_ge(keep, last->to))
		return 0;
	len = (uint32_t)seq_diff(last->to, seq_max(last->from, keep));
	bytes = u32_min(bytes, len);
	last->to = seq_add(last->to, 0u - bytes);
	tcp_rmem_ooo_gone(tp, bytes, of);
	tp->fin_ooo = false; /* it was behind what is gone */
	if (seq_eq(last->from, last->to) && !--tp->ooo.n)
		tcp_ooo_free(tp);
	return bytes;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Out-of-order intervals of the receiver and the SACK blocks made of them: RFC
 * 2018, RFC 2883. The bytes themselves are in the receive ring already; here
 * is only which of them. Sorted, disjoint, not adjacent, bounded.
 */
#include "netstack/base/mem.h"
#include "netstack/tcp/tcp_priv.h"

#define OOO_BYTES (LIMIT_TCP_OOO * sizeof(struct tcp_ooo_iv))

void tcp_ooo_free(struct nst_tcp *tp)
{
	nst_release(tp->sk.st->env, tp->ooo.v, OOO_BYTES);
	tp->ooo.v = NULL;
	tp->ooo.n = 0;
}

struct seq tcp_ooo_end(const struct nst_tcp *tp)
{
	return tp->ooo.n ? tp->ooo.v[tp->ooo.n - 1].r.to : tp->rcv_nxt;
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

/* Removes intervals [i, j), closing the gap. */
static void drop(struct tcp_ooo *o, uint32_t i, uint32_t j)
{
	memmove(o->v + i, o->v + j, (o->n - j) * sizeof(*o->v));
	o->n -= j - i;
}

bool tcp_ooo_add(struct nst_tcp *tp, struct tcp_range r)
{
	struct tcp_ooo *o = &tp->ooo;
	uint32_t i = 0, j;

	if (!o->v)
		o->v = nst_alloc(tp->sk.st->env, OOO_BYTES);
	if (!o->v)
		return false;
	while (i < o->n && seq_lt(o->v[i].r.to, r.from))
		i++;
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
	o->v[i].stamp = ++o->stamp;
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
	drop(o, 0, i);
	if (!o->n)
		tcp_ooo_free(tp);
}

void tcp_dsack_set(struct nst_tcp *tp, struct seq from, struct seq to)
{
	if (!tp->sack_on || !seq_lt(from, to))
		return;
	if (seq_lt(from, tp->rcv_nxt))
		TCP_COUNT(tp->sk.st, DSACKOldSent);
	else
		TCP_COUNT(tp->sk.st, DSACKOfoSent);
	tp->dsack.from = from;
	tp->dsack.to = to;
}

/* The most recently changed interval below `below`; n when there is none. */
static uint32_t newest(const struct tcp_ooo *o, uint32_t below)
{
	uint32_t best = o->n, stamp = 0;

	for (uint32_t i = 0; i < o->n; i++) {
		if (o->v[i].stamp < below && o->v[i].stamp > stamp) {
			stamp = o->v[i].stamp;
			best = i;
		}
	}
	return best;
}

/* RFC 2018 4: the block of the latest segment first, then recent ones. The
 * D-SACK block is reported once. */
uint8_t tcp_ooo_blocks(struct nst_tcp *tp, struct tcp_range *out, uint8_t max)
{
	uint32_t below = UINT32_MAX;
	uint8_t n = 0;

	if (!seq_eq(tp->dsack.from, tp->dsack.to)) {
		out[n++] = tp->dsack;
		tp->dsack.to = tp->dsack.from;
	}
	while (n < max) {
		uint32_t i = newest(&tp->ooo, below);

		if (i == tp->ooo.n)
			break;
		below = tp->ooo.v[i].stamp;
		out[n++] = tp->ooo.v[i].r;
	}
	return n;
}

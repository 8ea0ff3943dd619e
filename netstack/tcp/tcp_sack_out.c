/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SACK and D-SACK blocks that we report: RFC 2018 4, RFC 2883. LINUX: the
 * list holds the four most recently changed blocks and nothing else: a block
 * that was pushed out is reported again only when it changes.
 */
#include "netstack/tcp/tcp_priv.h"

#define BLOCKS_EXPECTED 2 /* the peer has seen these soon enough */

/* Joins r to the block when they touch. */
static bool extend(struct tcp_range *b, struct tcp_range r)
{
	if (seq_gt(r.from, b->to) || seq_gt(b->from, r.to))
		return false;
	if (seq_lt(r.from, b->from))
		b->from = r.from;
	b->to = seq_max(b->to, r.to);
	return true;
}

static void remove_at(struct tcp_sack_out *s, uint8_t i)
{
	for (s->n--; i < s->n; i++)
		s->v[i] = s->v[i + 1];
}

static void to_front(struct tcp_sack_out *s, uint8_t i)
{
	struct tcp_range r = s->v[i];

	for (; i > 0; i--)
		s->v[i] = s->v[i - 1];
	s->v[0] = r;
}

/* The first block may have grown into others. */
static void coalesce(struct tcp_sack_out *s)
{
	for (uint8_t i = 1; i < s->n;) {
		if (extend(&s->v[0], s->v[i]))
			remove_at(s, i);
		else
			i++;
	}
}

void tcp_sack_out_add(struct nst_tcp *tp, struct tcp_range r)
{
	struct tcp_sack_out *s = &tp->sacks;
	uint8_t i = 0;

	if (!tp->sack_on)
		return;
	while (i < s->n && !extend(&s->v[i], r))
		i++;
	/* A block that ACKs do not always carry: it must not wait. */
	if (i >= BLOCKS_EXPECTED)
		tcp_ack_compressed(tp);
	if (i < s->n) {
		to_front(s, i);
		coalesce(s);
		return;
	}
	if (s->n < TCP_SACK_BLOCKS_MAX)
		s->n++;
	s->v[s->n - 1] = r;
	to_front(s, (uint8_t)(s->n - 1));
}

void tcp_sack_out_trim(struct nst_tcp *tp)
{
	struct tcp_sack_out *s = &tp->sacks;

	if (!tp->ooo.n) {
		s->n = 0;
		return;
	}
	for (uint8_t i = 0; i < s->n;) {
		if (seq_ge(tp->rcv_nxt, s->v[i].from))
			remove_at(s, i);
		else
			i++;
	}
}

void tcp_dsack_set(struct nst_tcp *tp, struct seq from, struct seq to)
{
	if (!tp->sack_on || !TCP_CTL(tp, dsack) || !seq_lt(from, to))
		return;
	if (seq_lt(from, tp->rcv_nxt))
		TCP_COUNT(tp->sk.st, DSACKOldSent);
	else
		TCP_COUNT(tp->sk.st, DSACKOfoSent);
	tp->dsack.from = from;
	tp->dsack.to = to;
}

void tcp_dsack_extend(struct nst_tcp *tp, struct seq from, struct seq to)
{
	struct tcp_range r = {from, to};

	if (seq_eq(tp->dsack.from, tp->dsack.to))
		tcp_dsack_set(tp, from, to);
	else
		extend(&tp->dsack, r);
}

/* The D-SACK block comes first and is reported once. */
uint8_t tcp_ooo_blocks(struct nst_tcp *tp, struct tcp_range *out, uint8_t max)
{
	uint8_t n = 0;

	if (!seq_eq(tp->dsack.from, tp->dsack.to)) {
		out[n++] = tp->dsack;
		tp->dsack.to = tp->dsack.from;
	}
	for (uint8_t i = 0; i < tp->sacks.n && n < max; i++)
		out[n++] = tp->sacks.v[i];
	return n;
}

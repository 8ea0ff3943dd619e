/* SPDX-License-Identifier: Apache-2.0 */
/* Selective acknowledgements received: RFC 2018, RFC 2883 (D-SACK). */
#include "netstack/tcp/tcp_priv.h"

/* First record that ends after seq. */
static uint32_t find(const struct nst_tcp *tp, struct seq seq)
{
	uint32_t lo = 0, hi = tp->sents.n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		const struct tcp_sent *r = tcp_sent_at(tp, mid);

		if (seq_gt(seq_add(r->seq, r->len), seq))
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

/* RFC 2883 4: a first block at or below the ACK, or inside the second. */
static bool is_dsack(const struct nst_tcp *tp, const struct tcp_seg *seg)
{
	const struct tcp_range *b = seg->sack;

	if (seq_le(b[0].to, seg->ack) && seq_lt(b[0].from, seg->ack))
		return seq_diff(tp->snd_una, b[0].from) <=
		       (int32_t)u32_max(tp->max_wnd, 65535);
	return seg->nsack > 1 && seq_ge(b[0].from, b[1].from) &&
	       seq_le(b[0].to, b[1].to);
}

static bool valid(const struct nst_tcp *tp, const struct tcp_range *b)
{
	return seq_lt(b->from, b->to) && seq_ge(b->from, tp->snd_una) &&
	       seq_le(b->to, tp->snd_nxt);
}

/* Cuts record i to the block; false when it cannot be represented. */
static bool cut(struct nst_tcp *tp, uint32_t *i, const struct tcp_range *b)
{
	struct tcp_sent *r = tcp_sent_at(tp, *i);

	if (seq_lt(r->seq, b->from)) {
		if (!tcp_sent_split(tp, *i, b->from))
			return false;
		r = tcp_sent_at(tp, ++*i);
	}
	if (seq_gt(seq_add(r->seq, r->len), b->to))
		return tcp_sent_split(tp, *i, b->to);
	return true;
}

static void mark(struct nst_tcp *tp, const struct tcp_range *b,
		 struct tcp_acked *a)
{
	for (uint32_t i = find(tp, b->from); i < tp->sents.n; i++) {
		struct tcp_sent *r = tcp_sent_at(tp, i);

		if (seq_ge(r->seq, b->to))
			return;
		if (r->flags & SENT_SACKED)
			continue;
		if (!cut(tp, &i, b)) {
			TCP_COUNT(tp->sk.st, SackDiscard);
			return;
		}
		r = tcp_sent_at(tp, i);
		a->sacked += r->pcount;
		tcp_sent_flag(tp, r, SENT_SACKED, SENT_LOST | SENT_REXMIT);
	}
}

void tcp_sack_in(struct nst_tcp *tp, const struct tcp_seg *seg,
		 struct tcp_acked *a)
{
	uint8_t i = 0;

	if (!tp->sack_on || !seg->nsack)
		return;
	if (is_dsack(tp, seg)) {
		TCP_COUNT(tp->sk.st, DSACKRecv);
		tp->dsack_dups++;
		a->dsack = true;
		i = 1;
	}
	for (; i < seg->nsack; i++) {
		if (valid(tp, &seg->sack[i]))
			mark(tp, &seg->sack[i], a);
		else if (seq_gt(seg->sack[i].to, tp->snd_una))
			TCP_COUNT(tp->sk.st, SackDiscard);
	}
}

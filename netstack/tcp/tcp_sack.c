/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Selective acknowledgements received: RFC 2018, RFC 2883 (D-SACK).
 *
 * Work per segment is bounded: at most four blocks, found by binary search;
 * what the previous ACK's blocks covered is not walked again (receivers repeat
 * themselves); and a record is cut at segment boundaries only, so that a block
 * of a few bytes makes no records.
 */
#include "netstack/tcp/tcp_priv.h"

#define MERGED_MAX (UINT16_MAX * 8u) /* bytes of one record */

/* One ACK's blocks, in sequence order. */
struct blocks {
	struct tcp_range b[TCP_SACK_BLOCKS_MAX];
	uint8_t n;
	int dup; /* which one is a D-SACK; -1: none */
};

/* ---- D-SACK ---- */

/* How many packets the peer says it got twice; 0: not to be believed. */
static uint32_t dsack_seen(struct nst_tcp *tp, const struct tcp_range *b,
			   struct tcp_acked *a)
{
	uint32_t len, dups = 1;

	if (!seq_lt(b->from, b->to))
		return 0;
	len = (uint32_t)seq_diff(b->to, b->from);
	if (len > tp->max_wnd)
		return 0;
	if (len > tp->mss)
		dups = (len + tp->mss - 1) / tp->mss;
	else if (tp->tlp.on && seq_eq(tp->tlp.high, b->to))
		a->flags |= TCP_A_DSACK_TLP;
	tp->dsack_dups += dups;
	/* More duplicates than we sent: the network's doing, or a lie. */
	if (tp->dsack_dups > tp->total_retrans)
		return 0;
	tp->sack.dsack_seen = true;
	/* A probe is sent by the clock: it says nothing about RACK. */
	if (tp->reord.seen && !(a->flags & TCP_A_DSACK_TLP))
		tp->rack.dsack_seen = true;
	a->flags |= TCP_A_DSACK;
	a->sacked += dups;
	return dups;
}

static void undo_fewer(struct nst_tcp *tp, struct seq end, uint32_t pkts)
{
	if (!tp->undo.on || tp->undo.rexmits <= 0 ||
	    !seq_gt(end, tp->undo.marker))
		return;
	tp->undo.rexmits = pkts < (uint32_t)tp->undo.rexmits
			       ? tp->undo.rexmits - (int32_t)pkts
			       : 0;
}

/* RFC 2883 4: a first block below the ACK, or inside the second block. */
static bool is_dsack(struct nst_tcp *tp, const struct tcp_seg *seg,
		     struct tcp_acked *a)
{
	const struct tcp_range *b = seg->sack;
	uint32_t dups;

	if (seq_lt(b[0].from, seg->ack))
		TCP_COUNT(tp->sk.st, DSACKRecv);
	else if (seg->nsack > 1 && seq_le(b[0].to, b[1].to) &&
		 seq_ge(b[0].from, b[1].from))
		TCP_COUNT(tp->sk.st, DSACKOfoRecv);
	else
		return false;
	dups = dsack_seen(tp, b, a);
	if (!dups) {
		TCP_COUNT(tp->sk.st, DSACKIgnoredDubious);
		return false;
	}
	tp->sk.st->count.TcpDSACKRecvSegs += dups;
	/* What is forgotten already is only counted. */
	if (seq_le(b[0].to, a->prior_una))
		undo_fewer(tp, b[0].to, dups);
	return true;
}

/* ---- which blocks count ---- */

/* D-SACKs may reach below snd_una, as far as this episode goes. */
static bool valid_below(const struct nst_tcp *tp, const struct tcp_range *b)
{
	if (!tp->undo.on || seq_gt(b->to, tp->snd_una))
		return false;
	if (seq_ge(b->from, tp->undo.marker))
		return true;
	return seq_gt(b->to, tp->undo.marker) &&
	       (uint32_t)seq_diff(b->to, b->from) <= tp->max_wnd;
}

static bool valid(const struct nst_tcp *tp, const struct tcp_range *b, bool dup)
{
	if (seq_gt(b->to, tp->snd_nxt) || !seq_lt(b->from, b->to) ||
	    !seq_lt(b->from, tp->snd_nxt))
		return false;
	if (seq_gt(b->from, tp->snd_una))
		return true;
	return dup && valid_below(tp, b);
}

static void refuse(struct nst_tcp *tp, const struct tcp_seg *seg,
		   const struct tcp_range *b, bool dup)
{
	if (dup && !tp->undo.on)
		TCP_COUNT(tp->sk.st, DSACKIgnoredNoUndo);
	else if (dup)
		TCP_COUNT(tp->sk.st, DSACKIgnoredOld);
	else if (seq_eq(seg->ack, tp->snd_una) || seq_gt(b->to, tp->snd_una))
		TCP_COUNT(tp->sk.st, SACKDiscard);
}

static void sorted_insert(struct blocks *bl, const struct tcp_range *b,
			  bool dup)
{
	uint8_t i = bl->n++;

	while (i > 0 && seq_gt(bl->b[i - 1].from, b->from)) {
		bl->b[i] = bl->b[i - 1];
		if (bl->dup == i - 1)
			bl->dup = i;
		i--;
	}
	bl->b[i] = *b;
	if (dup)
		bl->dup = i;
}

static void collect(struct nst_tcp *tp, const struct tcp_seg *seg, bool dsack,
		    const struct tcp_acked *a, struct blocks *bl)
{
	bl->n = 0;
	bl->dup = -1;
	for (uint8_t i = 0; i < seg->nsack; i++) {
		const struct tcp_range *b = &seg->sack[i];
		bool dup = dsack && i == 0;

		if (!valid(tp, b, dup))
			refuse(tp, seg, b, dup);
		else if (seq_gt(b->to, a->prior_una))
			sorted_insert(bl, b, dup);
	}
}

/* ---- tagging records ---- */

/* Does b cover record i? Cuts what it covers, in whole segments, off. < 0:
 * less than a segment of it. LINUX: tcp_match_skb_to_sack. */
static int match(struct nst_tcp *tp, uint32_t i, const struct tcp_range *b)
{
	struct tcp_sent *r = tcp_sent_at(tp, i);
	struct seq end = tcp_sent_end(r);
	bool front = seq_le(b->from, r->seq);
	uint32_t mss = r->mss, cut;

	if (front && seq_ge(b->to, end))
		return 1;
	if (r->pcount <= 1 || seq_le(end, b->from) || !mss)
		return 0;
	if (front) {
		cut = (uint32_t)seq_diff(b->to, r->seq);
		if (cut < mss)
			return -1;
		cut -= cut % mss;
	} else {
		cut = (uint32_t)seq_diff(b->from, r->seq) + mss - 1;
		cut -= cut % mss;
		if (cut >= r->len)
			return 0;
	}
	if (!tcp_sent_split(tp, i, seq_add(r->seq, cut), mss))
		return -1;
	return front;
}

/* A D-SACK for something that was sent twice. */
static void tag_dup(struct nst_tcp *tp, const struct tcp_sent *r,
		    struct tcp_acked *a)
{
	undo_fewer(tp, tcp_sent_end(r), r->pcount);
	if ((r->flags & SENT_SACKED) && seq_lt(r->seq, a->reord))
		a->reord = r->seq;
}

/* First news of a record that was sent only once. */
static void tag_original(const struct nst_tcp *tp, const struct tcp_sent *r,
			 struct tcp_acked *a)
{
	if (seq_lt(r->seq, tp->sack.high) && seq_lt(r->seq, a->reord))
		a->reord = r->seq; /* it filled a hole: reordered */
	if (seq_le(tcp_sent_end(r), tp->high_seq))
		a->flags |= TCP_A_ORIG;
	if (!a->first_sack)
		a->first_sack = r->when;
	a->last_sack = r->when;
}

static void tag_new(struct nst_tcp *tp, struct tcp_sent *r, struct tcp_acked *a)
{
	uint8_t clear = SENT_LOST;

	tcp_rack_advance(tp, r);
	if (!(r->flags & (SENT_REXMIT | SENT_EVER)))
		tag_original(tp, r, a);
	/* Repeated without being lost: the repetition is still out there. */
	if (r->flags & SENT_LOST)
		clear |= SENT_REXMIT;
	tcp_rate_delivered(tp, r, a->rs);
	tcp_sent_untimed(tp, r);
	tcp_sent_flag(tp, r, SENT_SACKED, clear);
	a->flags |= TCP_A_SACKED;
	a->sacked += r->pcount;
	a->bytes += r->len;
}

static void tag(struct nst_tcp *tp, struct tcp_sent *r, bool dup,
		struct tcp_acked *a)
{
	if (dup && (r->flags & (SENT_REXMIT | SENT_EVER)))
		tag_dup(tp, r, a);
	if (seq_le(tcp_sent_end(r), tp->snd_una))
		return; /* about to go */
	if (!(r->flags & SENT_SACKED))
		tag_new(tp, r, a);
	if (dup && (r->flags & SENT_REXMIT))
		tcp_sent_flag(tp, r, 0, SENT_REXMIT);
	if (seq_gt(tcp_sent_end(r), tp->sack.high))
		tp->sack.high = tcp_sent_end(r);
}

static uint32_t seg_bytes(const struct tcp_sent *r)
{
	return r->pcount == 1 ? r->len : r->mss;
}

static bool may_merge(const struct tcp_sent *a, const struct tcp_sent *b)
{
	const uint8_t tags = SENT_SACKED | SENT_LOST | SENT_REXMIT;

	return (a->flags & tags) == SENT_SACKED && !(a->flags & SENT_EOR) &&
	       (b->flags & tags) == SENT_SACKED &&
	       seg_bytes(a) == seg_bytes(b) && a->len + b->len < MERGED_MAX &&
	       a->pcount + b->pcount <= UINT16_MAX;
}

/* Records i and i + 1 become one, of segments as they are; false: no. */
static bool merge_next(struct nst_tcp *tp, uint32_t i)
{
	struct tcp_sent *r = tcp_sent_at(tp, i);
	const struct tcp_sent *next;

	if (i + 1 >= tp->sents.n)
		return false;
	next = tcp_sent_at(tp, i + 1);
	if (!may_merge(r, next))
		return false;
	r->mss = (uint16_t)seg_bytes(r);
	tcp_sent_join(tp, i, (uint32_t)r->pcount + next->pcount);
	return true;
}

/* LINUX: what is SACKed becomes one record with its neighbours, so that large
 * windows with few holes are few records. Returns where record i is now. */
static uint32_t merge(struct nst_tcp *tp, uint32_t i)
{
	if (i > 0 && merge_next(tp, i - 1))
		i--;
	merge_next(tp, i);
	return i;
}

/* Records that w covers, from the one at `at` on; those inside `inner` count
 * as duplicates. */
static void walk(struct nst_tcp *tp, struct seq at, struct tcp_range w,
		 const struct tcp_range *inner, bool dup, struct tcp_acked *a)
{
	if (!seq_lt(at, w.to))
		return;
	for (uint32_t i = tcp_sent_find(tp, at); i < tp->sents.n; i++) {
		bool twice = dup;
		int in = 0;

		if (seq_ge(tcp_sent_at(tp, i)->seq, w.to))
			return;
		if (inner && seq_lt(tcp_sent_at(tp, i)->seq, inner->to)) {
			in = match(tp, i, inner);
			twice = dup || in > 0;
		}
		if (in <= 0)
			in = match(tp, i, &w);
		if (in < 0)
			return;
		if (!in)
			continue;
		tag(tp, tcp_sent_at(tp, i), twice, a);
		i = merge(tp, i);
	}
}

/* What the last ACK's blocks did not cover of b. */
static void walk_news(struct nst_tcp *tp, struct tcp_range b,
		      const struct tcp_range *inner, struct tcp_acked *a)
{
	const struct tcp_sacked *s = &tp->sack;
	struct seq at = b.from;

	for (uint8_t i = 0; i < s->ncache && seq_lt(at, b.to); i++) {
		const struct tcp_range *c = &s->cache[i];
		struct tcp_range head = {b.from, c->from};

		if (seq_le(c->to, at))
			continue;
		if (seq_ge(c->from, b.to))
			break;
		walk(tp, at, head, inner, false, a);
		if (inner && seq_lt(inner->from, c->to))
			walk(tp, inner->from, *inner, NULL, true, a);
		at = c->to; /* maybe inside of a record */
	}
	walk(tp, at, b, inner, false, a);
}

static void tag_blocks(struct nst_tcp *tp, const struct blocks *bl,
		       struct tcp_acked *a)
{
	bool inside = false; /* the D-SACK was walked with its block */

	for (int i = 0; i < bl->n; i++) {
		const struct tcp_range *inner = NULL;

		if (i == bl->dup) {
			if (!inside)
				walk(tp, bl->b[i].from, bl->b[i], NULL, true,
				     a);
			continue;
		}
		if (i + 1 == bl->dup && seq_le(bl->b[i + 1].to, bl->b[i].to)) {
			inner = &bl->b[i + 1];
			inside = true;
		}
		walk_news(tp, bl->b[i], inner, a);
	}
}

static void remember(struct nst_tcp *tp, const struct blocks *bl)
{
	tp->sack.ncache = bl->n;
	for (uint8_t i = 0; i < bl->n; i++)
		tp->sack.cache[i] = bl->b[i];
}

void tcp_sack_in(struct nst_tcp *tp, const struct tcp_seg *seg,
		 struct tcp_acked *a)
{
	struct blocks bl;
	bool dsack;

	if (!tp->sack_on || !seg->nsack)
		return;
	a->reord = tp->snd_nxt;
	if (!tp->sacked_out) {
		tp->sack.high = tp->snd_una;
		tp->sack.ncache = 0;
	}
	dsack = is_dsack(tp, seg, a);
	if (seq_lt(seg->ack, seq_add(a->prior_una, 0u - tp->max_wnd)) ||
	    !tp->packets_out)
		return;
	collect(tp, seg, dsack, a, &bl);
	tag_blocks(tp, &bl, a);
	remember(tp, &bl);
	if (tp->ca_state != TCP_CA_LOSS || tp->undo.on)
		tcp_reorder_check(tp, a->reord, false);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scoreboard: one record for what left together, in sequence order without
 * gaps from snd_una to snd_nxt. Records live in a pool; a ring of pool indices
 * gives the order, so that finding is a binary search, the usual
 * acknowledgement takes from the front, and an insertion in the middle moves
 * indices, not records. Another chain, through the records, has them by time
 * of transmission (RFC 8985 6.2 step 5 visits them so).
 *
 * Records never fail to be made: without memory the newest one grows instead.
 */
#include "netstack/base/mem.h"
#include "netstack/tcp/tcp_priv.h"

#define SENT_KEEP 256u /* a larger pool is given back when it is empty */

/* Pool slots [from, cap) become free. */
static void chain_free(struct tcp_sents *s, uint32_t from)
{
	for (uint32_t i = from; i < s->cap; i++)
		s->v[i].next =
		    i + 1 < s->cap ? (uint16_t)(i + 1) : TCP_SENT_NONE;
	s->free = (uint16_t)from;
}

void tcp_sent_init(struct tcp_sents *s)
{
	s->v = s->inl;
	s->order = s->inl_order;
	s->cap = TCP_SENT_INL;
	s->head = 0;
	s->n = 0;
	s->oldest = TCP_SENT_NONE;
	s->newest = TCP_SENT_NONE;
	chain_free(s, 0);
}

static size_t pool_bytes(uint32_t cap)
{
	return cap * (sizeof(struct tcp_sent) + sizeof(uint16_t));
}

static void release_v(struct nst_tcp *tp)
{
	struct tcp_sents *s = &tp->sents;

	if (s->v != s->inl)
		nst_release(tp->sk.st->env, s->v, pool_bytes(s->cap));
}

void tcp_sent_free(struct nst_tcp *tp)
{
	release_v(tp);
	tcp_sent_init(&tp->sents);
	tp->packets_out = 0;
	tp->sacked_out = 0;
	tp->lost_out = 0;
	tp->retrans_out = 0;
}

/* ---- the ring of indices ---- */

static uint16_t *slot(const struct tcp_sents *s, uint32_t i)
{
	return &s->order[(s->head + i) & (s->cap - 1)];
}

/* Twice the room; false: limit or memory. */
static bool grow(struct nst_tcp *tp)
{
	struct tcp_sents *s = &tp->sents;
	uint32_t cap = s->cap * 2;
	struct tcp_sent *v;
	uint16_t *order;

	if (cap > LIMIT_TCP_SENT)
		return false;
	v = nst_alloc(tp->sk.st->env, pool_bytes(cap));
	if (!v)
		return false;
	order = (uint16_t *)(v + cap);
	memcpy(v, s->v, s->cap * sizeof(*v));
	for (uint32_t i = 0; i < s->n; i++)
		order[i] = *slot(s, i);
	release_v(tp);
	s->v = v;
	s->order = order;
	s->head = 0;
	s->cap = cap;
	chain_free(s, cap / 2);
	return true;
}

/* A free record at position i of the order; NULL: no room. */
static struct tcp_sent *insert(struct nst_tcp *tp, uint32_t i)
{
	struct tcp_sents *s = &tp->sents;
	uint16_t at;

	if (s->n == s->cap && !grow(tp))
		return NULL;
	at = s->free;
	s->free = s->v[at].next;
	if (i < s->n / 2) {
		s->head--;
		for (uint32_t k = 0; k < i; k++)
			*slot(s, k) = *slot(s, k + 1);
	} else {
		for (uint32_t k = s->n; k > i; k--)
			*slot(s, k) = *slot(s, k - 1);
	}
	s->n++;
	*slot(s, i) = at;
	return &s->v[at];
}

static void give_back(struct nst_tcp *tp)
{
	struct tcp_sents *s = &tp->sents;

	if (s->n || s->cap <= SENT_KEEP)
		return;
	release_v(tp);
	tcp_sent_init(s);
}

static void erase(struct nst_tcp *tp, uint32_t i)
{
	struct tcp_sents *s = &tp->sents;
	uint16_t at = *slot(s, i);

	tcp_sent_untimed(tp, &s->v[at]);
	s->v[at].next = s->free;
	s->free = at;
	if (i < s->n / 2) {
		for (uint32_t k = i; k > 0; k--)
			*slot(s, k) = *slot(s, k - 1);
		s->head++;
	} else {
		for (uint32_t k = i; k + 1 < s->n; k++)
			*slot(s, k) = *slot(s, k + 1);
	}
	s->n--;
	give_back(tp);
}

uint32_t tcp_sent_find(const struct nst_tcp *tp, struct seq seq)
{
	uint32_t lo = 0, hi = tp->sents.n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (seq_gt(tcp_sent_end(tcp_sent_at(tp, mid)), seq))
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

/* ---- by time of transmission ---- */

static uint16_t index_of(const struct tcp_sents *s, const struct tcp_sent *r)
{
	return (uint16_t)(r - s->v);
}

static void link_after(struct tcp_sents *s, uint16_t prev, struct tcp_sent *r)
{
	uint16_t me = index_of(s, r);

	r->prev = prev;
	r->next = prev == TCP_SENT_NONE ? s->oldest : s->v[prev].next;
	if (r->next == TCP_SENT_NONE)
		s->newest = me;
	else
		s->v[r->next].prev = me;
	if (prev == TCP_SENT_NONE)
		s->oldest = me;
	else
		s->v[prev].next = me;
	r->flags |= SENT_TIMED;
}

void tcp_sent_untimed(struct nst_tcp *tp, struct tcp_sent *r)
{
	struct tcp_sents *s = &tp->sents;

	if (!(r->flags & SENT_TIMED))
		return;
	if (r->prev == TCP_SENT_NONE)
		s->oldest = r->next;
	else
		s->v[r->prev].next = r->next;
	if (r->next == TCP_SENT_NONE)
		s->newest = r->prev;
	else
		s->v[r->next].prev = r->prev;
	r->flags &= (uint8_t)~SENT_TIMED;
}

void tcp_sent_timed(struct nst_tcp *tp, struct tcp_sent *r)
{
	tcp_sent_untimed(tp, r);
	link_after(&tp->sents, tp->sents.newest, r);
}

struct tcp_sent *tcp_sent_oldest(const struct nst_tcp *tp)
{
	const struct tcp_sents *s = &tp->sents;

	return s->oldest == TCP_SENT_NONE ? NULL : &s->v[s->oldest];
}

struct tcp_sent *tcp_sent_after(const struct nst_tcp *tp,
				const struct tcp_sent *r)
{
	return r->next == TCP_SENT_NONE ? NULL : &tp->sents.v[r->next];
}

/* ---- counting ---- */

/* Segments of mss that [seq, seq + len) makes; a FIN needs none of its own
 * unless it is alone. */
static uint16_t count(const struct nst_tcp *tp, struct seq seq, uint32_t len,
		      uint32_t mss)
{
	uint32_t data = len, n;

	if (seq_gt(seq_add(seq, len), tcp_write_seq(tp)))
		data--;
	n = data <= mss ? 1 : (data + mss - 1) / mss;
	return (uint16_t)u32_min(n, UINT16_MAX);
}

/* Adds the record to the counters, or takes it out (add false). */
static void account(struct nst_tcp *tp, const struct tcp_sent *r, bool add)
{
	uint32_t n = add ? r->pcount : 0u - r->pcount;

	tp->packets_out += n;
	if (r->flags & SENT_SACKED)
		tp->sacked_out += n;
	if (r->flags & SENT_LOST)
		tp->lost_out += n;
	if (r->flags & SENT_REXMIT)
		tp->retrans_out += n;
}

void tcp_sent_flag(struct nst_tcp *tp, struct tcp_sent *r, uint8_t set,
		   uint8_t clear)
{
	account(tp, r, false);
	r->flags = (uint8_t)((r->flags & ~clear) | set);
	account(tp, r, true);
}

/* LINUX: without SACK, packets that are no more were also not received. */
static void reno_fewer(struct nst_tcp *tp, uint32_t before)
{
	if (!tp->sack_on && before > tp->packets_out)
		tp->sacked_out -=
		    u32_min(tp->sacked_out, before - tp->packets_out);
}

static void set_count(struct nst_tcp *tp, struct tcp_sent *r, uint32_t mss)
{
	account(tp, r, false);
	r->mss = (uint16_t)mss;
	r->pcount = count(tp, r->seq, r->len, mss);
	account(tp, r, true);
}

void tcp_sent_resize(struct nst_tcp *tp, struct tcp_sent *r, uint32_t mss)
{
	uint32_t before = tp->packets_out;

	set_count(tp, r, mss);
	reno_fewer(tp, before);
}

/* ---- records come and go ---- */

static struct tcp_sent *extend_last(struct nst_tcp *tp, uint32_t len)
{
	struct tcp_sent *r = tcp_sent_at(tp, tp->sents.n - 1);

	tcp_sent_flag(tp, r, 0, SENT_SACKED | SENT_LOST | SENT_REXMIT);
	r->len += len;
	set_count(tp, r, r->mss);
	return r;
}

static struct tcp_sent *append(struct nst_tcp *tp, struct seq seq, uint32_t len)
{
	struct tcp_sent *r = insert(tp, tp->sents.n);

	if (!r)
		return extend_last(tp, len);
	r->seq = seq;
	r->len = len;
	r->mss = (uint16_t)tcp_cur_mss(tp);
	r->pcount = count(tp, seq, len, r->mss);
	r->flags = 0;
	account(tp, r, true);
	return r;
}

bool tcp_sent_put(struct nst_tcp *tp, const struct tcp_sent *from)
{
	struct tcp_sent *r = insert(tp, tp->sents.n);

	if (!r)
		return false;
	*r = *from;
	r->flags &= (uint8_t)~SENT_TIMED;
	account(tp, r, true);
	return true;
}

void tcp_sent_push(struct nst_tcp *tp, struct seq seq, uint32_t len,
		   uint8_t piece)
{
	uint32_t before = tp->packets_out;
	struct tcp_sent *r = append(tp, seq, len);

	r->when = tp->sk.st->now;
	r->flags &= (uint8_t) ~(SENT_PSH | SENT_EOR);
	r->flags |= piece & TCP_PIECE_PSH ? SENT_PSH : 0;
	r->flags |= piece & TCP_PIECE_EOR ? SENT_EOR : 0;
	tcp_sent_timed(tp, r);
	tcp_rate_sent(tp, r);
	if (tcp_in_reduction(tp))
		tp->prr.out += r->pcount;
	if (!before || tp->rtx.what == TCP_RTX_TLP)
		tcp_rto_rearm(tp);
	tcp_tlp_schedule(tp, false);
}

bool tcp_sent_split(struct nst_tcp *tp, uint32_t i, struct seq at, uint32_t mss)
{
	struct tcp_sents *s = &tp->sents;
	struct tcp_sent *right = insert(tp, i + 1), *r = tcp_sent_at(tp, i);
	uint32_t before = tp->packets_out;

	if (!right)
		return false;
	account(tp, r, false);
	*right = *r;
	right->flags &= (uint8_t) ~(SENT_TIMED | SENT_CUT);
	if (r->flags & SENT_TIMED)
		link_after(s, index_of(s, r), right);
	right->seq = at;
	right->len = r->len - (uint32_t)seq_diff(at, r->seq);
	right->mss = r->mss = (uint16_t)mss;
	right->pcount = count(tp, at, right->len, mss);
	r->len -= right->len;
	r->pcount = count(tp, r->seq, r->len, mss);
	r->flags &= (uint8_t) ~(SENT_PSH | SENT_EOR);
	account(tp, r, true);
	account(tp, right, true);
	reno_fewer(tp, before);
	return true;
}

void tcp_sent_join(struct nst_tcp *tp, uint32_t i, uint32_t pcount)
{
	struct tcp_sent *r = tcp_sent_at(tp, i), *gone = tcp_sent_at(tp, i + 1);
	uint32_t before = tp->packets_out;

	account(tp, gone, false);
	account(tp, r, false);
	r->len += gone->len;
	r->pcount = (uint16_t)pcount;
	account(tp, r, true);
	r->flags |= gone->flags & (SENT_EVER | SENT_PSH | SENT_EOR);
	reno_fewer(tp, before);
	erase(tp, i + 1);
}

void tcp_sent_pop(struct nst_tcp *tp)
{
	account(tp, tcp_sent_at(tp, 0), false);
	erase(tp, 0);
}

uint32_t tcp_sent_trim(struct nst_tcp *tp, struct seq una)
{
	struct tcp_sent *r = tcp_sent_at(tp, 0);
	uint32_t before = r->pcount;

	account(tp, r, false);
	r->len -= (uint32_t)seq_diff(una, r->seq);
	r->seq = una;
	/* LINUX: a record of one segment stays one packet until it is gone. */
	if (before > 1)
		r->pcount = (uint16_t)u32_min(
		    before, count(tp, r->seq, r->len, r->mss));
	account(tp, r, true);
	return before - r->pcount;
}

/* ---- consistency ---- */

/* Oldest first, linked both ways; the number of them, UINT32_MAX: broken. */
static uint32_t check_timed(const struct nst_tcp *tp)
{
	const struct tcp_sents *s = &tp->sents;
	uint16_t at = s->oldest, before = TCP_SENT_NONE;
	uint32_t n = 0;

	for (; at != TCP_SENT_NONE; at = s->v[at].next) {
		const struct tcp_sent *r = &s->v[at];

		if (r->prev != before || !(r->flags & SENT_TIMED) ||
		    n++ >= s->n ||
		    (before != TCP_SENT_NONE && s->v[before].when > r->when))
			return UINT32_MAX;
		before = at;
	}
	return before == s->newest ? n : UINT32_MAX;
}

bool tcp_sent_check(const struct nst_tcp *tp)
{
	const struct tcp_sents *s = &tp->sents;
	uint32_t timed = 0, unused = 0;

	for (uint32_t i = 0; i < s->n; i++) {
		const struct tcp_sent *r = tcp_sent_at(tp, i);

		timed += r->flags & SENT_TIMED ? 1 : 0;
		/* What is delivered is not judged any more. */
		if ((r->flags & SENT_SACKED) && (r->flags & SENT_TIMED))
			return false;
	}
	for (uint16_t at = s->free; at != TCP_SENT_NONE; at = s->v[at].next) {
		if (unused++ >= s->cap)
			return false;
	}
	return s->n + unused == s->cap && check_timed(tp) == timed;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the owner writes, in pieces. LINUX: data gathers in buffers of a super-
 * segment's size or half the peer's window; the last one grows until it is
 * full or ends a record (MSG_EOR). What packets show of it: a piece that is
 * full leaves at once if it is the first that waits; only the last one obeys
 * Nagle; PSH belongs to pieces, set at the end of each call without MSG_MORE
 * and after half a window; nothing leaves in one packet across the end of a
 * record. And the send buffer is counted by pieces: the limit is looked at
 * when one begins, each costs TCP_PIECE_COST more than its bytes.
 *
 * The pieces are a ring of their ends, behind snd_nxt up to tcp_write_seq().
 * Without memory, or beyond the limit, the last one grows instead.
 */
#include "netstack/base/mem.h"
#include "netstack/tcp/tcp_priv.h"

#define PIECES_KEEP 64u /* a larger ring is given back when it is empty */

void tcp_write_init(struct tcp_writing *w)
{
	w->v = w->inl;
	w->cap = TCP_PIECES_INL;
	w->head = 0;
	w->n = 0;
}

void tcp_write_free(struct nst_tcp *tp)
{
	struct tcp_writing *w = &tp->writing;

	if (w->v != w->inl)
		nst_release(tp->sk.st->env, w->v, w->cap * sizeof(*w->v));
	tcp_write_init(w);
}

/* ---- the ring ---- */

static struct tcp_piece *at(const struct tcp_writing *w, uint32_t i)
{
	return &w->v[(w->head + i) & (w->cap - 1)];
}

static struct tcp_piece *last(const struct tcp_writing *w)
{
	return at(w, w->n - 1);
}

static bool grow(struct nst_tcp *tp)
{
	struct tcp_writing *w = &tp->writing;
	uint32_t cap = w->cap * 2, n = w->n;
	struct tcp_piece *v;

	if (cap > LIMIT_TCP_PIECES)
		return false;
	v = nst_alloc(tp->sk.st->env, cap * sizeof(*v));
	if (!v)
		return false;
	for (uint32_t i = 0; i < n; i++)
		v[i] = *at(w, i);
	tcp_write_free(tp);
	w->v = v;
	w->cap = cap;
	w->n = n;
	return true;
}

/* Forgets what has left. */
static void sync(struct nst_tcp *tp)
{
	struct tcp_writing *w = &tp->writing;

	while (w->n && seq_le(at(w, 0)->end, tp->snd_nxt)) {
		w->head++;
		w->n--;
	}
	if (!w->n && w->cap > PIECES_KEEP)
		tcp_write_free(tp);
}

/* A new last piece, empty yet; without room, the last one that is. */
static struct tcp_piece *begin(struct nst_tcp *tp)
{
	struct tcp_writing *w = &tp->writing;

	if (w->n < w->cap || grow(tp))
		*at(w, w->n++) = (struct tcp_piece){.end = tcp_write_seq(tp)};
	return last(w);
}

bool tcp_write_put(struct nst_tcp *tp, struct tcp_piece piece)
{
	struct tcp_writing *w = &tp->writing;

	if (w->n == w->cap && !grow(tp))
		return false;
	*at(w, w->n++) = piece;
	return true;
}

struct tcp_piece tcp_write_at(const struct nst_tcp *tp, uint32_t i)
{
	return *at(&tp->writing, i);
}

static uint32_t bytes_of_last(const struct nst_tcp *tp)
{
	const struct tcp_writing *w = &tp->writing;
	struct seq from = w->n > 1 ? at(w, w->n - 2)->end : tp->snd_nxt;

	return (uint32_t)seq_diff(last(w)->end, from);
}

/* Room in the piece that still grows, if there is one. */
static uint32_t tail_room(const struct nst_tcp *tp, uint32_t goal)
{
	const struct tcp_writing *w = &tp->writing;
	uint32_t used;

	if (!w->n || (last(w)->flags & TCP_PIECE_EOR))
		return 0;
	used = bytes_of_last(tp);
	return used < goal ? goal - used : 0;
}

/* ---- what packets need to know ---- */

/* The first piece takes from the one behind it, as far as `want`. */
static void top_up(struct tcp_writing *w, uint32_t want)
{
	struct tcp_piece *a = at(w, 0), *b = at(w, 1);

	if (want < (uint32_t)seq_diff(b->end, a->end)) {
		a->end = seq_add(a->end, want);
		return;
	}
	b->flags |= a->flags;
	w->head++;
	w->n--;
}

uint32_t tcp_write_front(struct nst_tcp *tp, uint32_t want, bool *is_last)
{
	struct tcp_writing *w = &tp->writing;
	uint32_t n;

	sync(tp);
	if (!w->n) {
		*is_last = true;
		return 0;
	}
	n = (uint32_t)seq_diff(at(w, 0)->end, tp->snd_nxt);
	if (n < want && w->n > 1 && !(at(w, 0)->flags & TCP_PIECE_EOR)) {
		top_up(w, want - n);
		n = (uint32_t)seq_diff(at(w, 0)->end, tp->snd_nxt);
	}
	*is_last = w->n == 1;
	return n;
}

uint8_t tcp_write_flags(struct nst_tcp *tp, struct seq end)
{
	struct tcp_writing *w = &tp->writing;
	uint8_t flags = 0;

	sync(tp);
	for (uint32_t i = 0; i < w->n && seq_le(at(w, i)->end, end); i++) {
		flags |= at(w, i)->flags;
		if (!seq_eq(at(w, i)->end, end))
			flags &= (uint8_t)~TCP_PIECE_EOR;
	}
	return flags;
}

bool tcp_write_one_record(struct nst_tcp *tp, struct seq end)
{
	struct tcp_writing *w = &tp->writing;

	sync(tp);
	for (uint32_t i = 0; i < w->n && seq_lt(at(w, i)->end, end); i++) {
		if (at(w, i)->flags & TCP_PIECE_EOR)
			return false;
	}
	return true;
}

void tcp_write_push_front(struct nst_tcp *tp, uint32_t len)
{
	struct tcp_writing *w = &tp->writing;
	struct seq end = seq_add(tp->snd_nxt, len);

	sync(tp);
	if (!w->n)
		return;
	at(w, 0)->flags |= TCP_PIECE_PSH;
	if (seq_lt(tp->push_seq, at(w, 0)->end))
		tp->push_seq = at(w, 0)->end;
	if (seq_le(at(w, 0)->end, end) || (w->n == w->cap && !grow(tp)))
		return;
	w->head--;
	w->n++;
	*at(w, 0) = (struct tcp_piece){.end = end, .flags = TCP_PIECE_PSH};
}

void tcp_write_mark(struct nst_tcp *tp)
{
	sync(tp);
	if (!tp->writing.n)
		return; /* LINUX: what has left is not marked any more */
	last(&tp->writing)->flags |= TCP_PIECE_PSH;
	tp->push_seq = tcp_write_seq(tp);
}

/* ---- room ---- */

uint32_t tcp_wmem(const struct nst_tcp *tp)
{
	return ring_used(&tp->snd) +
	       TCP_PIECE_COST * (tp->sents.n + tp->writing.n);
}

bool tcp_write_may_begin(const struct nst_tcp *tp)
{
	return tcp_wmem(tp) < tp->snd_limit && tcp_notsent_ok(tp);
}

uint32_t tcp_write_room(struct nst_tcp *tp)
{
	uint32_t goal = tcp_write_goal(tp), room, wmem, low, n;

	sync(tp);
	room = tail_room(tp, goal);
	wmem = tcp_wmem(tp) + room;
	low = tcp_notsent_lowat(tp);
	if (wmem >= tp->snd_limit || tcp_unsent(tp) + room >= low)
		return room;
	n = (tp->snd_limit - wmem - 1) / (goal + TCP_PIECE_COST) + 1;
	n = u32_min(n, (low - tcp_unsent(tp) - room - 1) / goal + 1);
	return room + n * goal;
}

bool tcp_writable(const struct nst_tcp *tp)
{
	uint32_t wmem = tcp_wmem(tp);

	return wmem < tp->snd_limit && tp->snd_limit - wmem >= wmem / 2 &&
	       tcp_notsent_low(tp);
}

/* ---- writing ---- */

static bool forced(const struct nst_tcp *tp)
{
	return seq_gt(tcp_write_seq(tp),
		      seq_add(tp->push_seq, tp->max_wnd / 2));
}

static void piece_full(struct nst_tcp *tp)
{
	if (forced(tp)) {
		tcp_write_mark(tp);
		tcp_output_now(tp);
	} else if (tp->writing.n == 1) {
		tcp_output_one(tp);
	}
}

/* Up to `bytes` into one piece; returns how many. */
static uint32_t fill(struct nst_tcp *tp, uint32_t bytes, uint32_t goal)
{
	uint32_t room = tail_room(tp, goal);
	struct tcp_writing *w = &tp->writing;
	struct tcp_piece *p = room ? last(w) : begin(tp);
	uint32_t n = u32_min(bytes, room ? room : goal);

	/* LINUX: the first bytes of a call take the mark off. */
	if (!w->within)
		p->flags &= (uint8_t)~TCP_PIECE_PSH;
	w->within = true;
	tp->snd.tail += n;
	p->end = tcp_write_seq(tp);
	return n;
}

/* The call is over, as far as it is known. */
static void call_ends(struct nst_tcp *tp, uint32_t flags)
{
	struct tcp_writing *w = &tp->writing;

	w->within = false;
	if (w->n && (flags & NST_SND_EOR))
		last(w)->flags |= TCP_PIECE_EOR;
	if (!(flags & NST_SND_MORE) || forced(tp))
		tcp_write_mark(tp);
	tp->more = flags & NST_SND_MORE;
}

void tcp_write(struct nst_tcp *tp, uint32_t bytes, uint32_t flags)
{
	uint32_t goal = tcp_write_goal(tp);
	bool partial = flags & NST_SND_PARTIAL;

	sync(tp);
	while (bytes) {
		bytes -= fill(tp, bytes, goal);
		if ((bytes || partial) && !tail_room(tp, goal))
			piece_full(tp);
		sync(tp);
	}
	if (flags & NST_SND_CUT) {
		/* LINUX: out of fragments: pushed, and nothing joins it. */
		tcp_write_mark(tp);
		if (tp->writing.n)
			last(&tp->writing)->flags |= TCP_PIECE_EOR;
	}
	if (!partial) {
		call_ends(tp, flags);
	} else if (!tcp_snd_room(tp)) {
		/* LINUX: whoever waits for room pushes what it has. */
		tcp_write_mark(tp);
		tcp_output_now(tp);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the owner writes, in pieces. LINUX: data gathers in buffers of a super-
 * segment's size or half the peer's window. A piece that is full leaves at
 * once if it is the first that waits, and is marked for PSH when half a window
 * was written since the last mark; so is the end of each call without
 * MSG_MORE. Only these marks become PSH (and whole super-segments, always).
 *
 * The ring knows no pieces: just where the last one begins is kept, and some
 * marks. More marks than that only cost a PSH in the middle of a stream.
 */
#include "netstack/tcp/tcp_priv.h"

static bool in_queue(const struct nst_tcp *tp, struct seq s)
{
	return seq_le(tp->snd_nxt, s) && seq_le(s, tcp_write_seq(tp));
}

/* Bytes in the piece that is being filled. */
static uint32_t piece_used(struct nst_tcp *tp)
{
	struct tcp_writing *w = &tp->writing;

	/* What has left is no part of it any more. */
	if (!in_queue(tp, w->piece))
		w->piece = tp->snd_nxt;
	return (uint32_t)seq_diff(tcp_write_seq(tp), w->piece);
}

/* ---- marks, in order; all behind snd_nxt ---- */

static void drop_first(struct tcp_writing *w, uint8_t n)
{
	for (uint8_t i = n; i < w->nmarks; i++)
		w->mark[i - n] = w->mark[i];
	w->nmarks = (uint8_t)(w->nmarks - n);
}

static void add_mark(struct tcp_writing *w, struct seq at)
{
	if (w->nmarks && seq_ge(w->mark[w->nmarks - 1], at))
		return;
	if (w->nmarks == TCP_PUSH_MARKS)
		w->nmarks--; /* the newest, which this one is behind */
	w->mark[w->nmarks++] = at;
}

void tcp_write_mark(struct nst_tcp *tp, struct seq at)
{
	tp->push_seq = at;
	add_mark(&tp->writing, at);
}

bool tcp_write_pushed(struct nst_tcp *tp, struct seq end)
{
	struct tcp_writing *w = &tp->writing;
	bool push = false;
	uint8_t n = 0;

	for (; n < w->nmarks && seq_le(w->mark[n], end); n++)
		push |= seq_gt(w->mark[n], tp->snd_nxt);
	drop_first(w, n);
	return push;
}

/* Takes the mark off the end of the piece, if it has one. */
static bool unmark_end(struct nst_tcp *tp)
{
	struct tcp_writing *w = &tp->writing;

	if (!w->nmarks || !seq_eq(w->mark[w->nmarks - 1], tcp_write_seq(tp)))
		return false;
	w->nmarks--;
	return true;
}

static bool forced(const struct nst_tcp *tp)
{
	return seq_gt(tcp_write_seq(tp),
		      seq_add(tp->push_seq, tp->max_wnd / 2));
}

/* ---- writing ---- */

static void piece_full(struct nst_tcp *tp)
{
	if (forced(tp)) {
		tcp_write_mark(tp, tcp_write_seq(tp));
		tcp_output_now(tp);
	} else if (seq_eq(tp->writing.piece, tp->snd_nxt)) {
		tcp_output_one(tp);
	}
}

uint32_t tcp_write_room(struct nst_tcp *tp)
{
	uint32_t goal = tcp_write_goal(tp), used = piece_used(tp);

	return used < goal ? goal - used : goal;
}

bool tcp_write_appends(struct nst_tcp *tp)
{
	uint32_t used = piece_used(tp);

	return used && used < tcp_write_goal(tp);
}

/* LINUX: a mark is the piece's: it moves to the new end, unless a new call
 * appends, which sets its own. */
static void append(struct nst_tcp *tp, uint32_t n, uint32_t used, bool first)
{
	bool marked = used && unmark_end(tp);

	tp->snd.tail += n;
	if (marked && !first)
		add_mark(&tp->writing, tcp_write_seq(tp));
}

void tcp_write(struct nst_tcp *tp, uint32_t bytes, bool more)
{
	uint32_t goal = tcp_write_goal(tp), used, n;
	bool first = true;

	while (bytes) {
		used = piece_used(tp);
		if (used >= goal) {
			tp->writing.piece = tcp_write_seq(tp);
			used = 0;
		}
		n = u32_min(bytes, goal - used);
		append(tp, n, used, first);
		bytes -= n;
		first = false;
		if (bytes)
			piece_full(tp);
	}
	if (!more || forced(tp))
		tcp_write_mark(tp, tcp_write_seq(tp));
	tp->more = more;
}

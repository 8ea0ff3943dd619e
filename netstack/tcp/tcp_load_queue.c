/* SPDX-License-Identifier: Apache-2.0 */
/* Loading what is queued in an endpoint. Its facts are there already; nothing
 * of them was checked, so each is checked here before it is used. */
#include "netstack/tcp/tcp_saving.h"

static bool nomem(struct load *l)
{
	return save_fail(&l->in, NST_E_NOMEM, "no memory");
}

/* ---- bytes ---- */

static uint32_t ring_most(uint32_t setting)
{
	uint32_t size = TCP_SAVED_RING_MAX;

	while (size < setting && size < 1u << 31)
		size *= 2;
	return size;
}

static bool size_ok(uint32_t size, uint32_t setting)
{
	return !size || (size >= 4096 && !(size & (size - 1)) &&
			 size <= ring_most(setting));
}

/* As large as what is in it. */
static bool load_ring(struct load *l, const struct nst_tcp *tp, struct ring *r,
		      uint32_t size, uint64_t head, bool whole,
		      const ProtobufCBinaryData *b)
{
	if (b->len > size)
		return save_bad(&l->in, "ring", "has more bytes than room");
	if (!size)
		return true;
	if (!tcp_buf_load(tp, r, whole ? size : (uint32_t)b->len, head))
		return nomem(l);
	if (b->len)
		ring_write_at(r, r->head, b->data, (uint32_t)b->len);
	r->tail = r->head + b->len;
	return true;
}

static bool load_rings(struct load *l, const Cordon__NstTcp *m,
		       struct nst_tcp *tp)
{
	const struct tcp_sysctl *ctl = &l->st->tcp->ctl;

	if (!size_ok(m->snd_size, ctl->tcp_wmem[2]) ||
	    !size_ok(m->rcv_size, ctl->tcp_rmem[2]))
		return save_bad(&l->in, "ring", "has no size that one has");
	tp->snd_was = m->snd_size;
	tp->rcv_was = m->rcv_size;
	return load_ring(l, tp, &tp->snd, m->snd_size, m->snd_head, false,
			 &m->snd_data) &&
	       load_ring(l, tp, &tp->rcv, m->rcv_size, m->rcv_head,
			 m->ooo_data.len != 0, &m->rcv_data);
}

/* ---- out of order ---- */

static bool load_interval(struct load *l, const Cordon__TcpOooIv *m,
			  const ProtobufCBinaryData *data, size_t *at,
			  struct nst_tcp *tp)
{
	struct tcp_ooo_iv iv;
	uint32_t from, len;

	if (!save_restore(&l->in, &save_tcp_ooo_iv, m, &iv))
		return false;
	if (!seq_lt(tcp_ooo_end(tp), iv.r.from) || !seq_lt(iv.r.from, iv.r.to))
		return save_bad(&l->in, "intervals", "are not in order");
	from = (uint32_t)seq_diff(iv.r.from, tp->rcv_nxt);
	len = (uint32_t)seq_diff(iv.r.to, iv.r.from);
	if ((uint64_t)ring_used(&tp->rcv) + from + len > tp->rcv.size ||
	    len > data->len - *at)
		return save_bad(&l->in, "intervals", "are outside of the ring");
	ring_write_at(&tp->rcv, tp->rcv.tail + from, data->data + *at, len);
	*at += len;
	return tcp_ooo_add(tp, iv.r) ? true : nomem(l);
}

static bool load_ooo(struct load *l, const Cordon__NstTcp *m,
		     struct nst_tcp *tp)
{
	size_t n = m->ooo ? m->ooo->n_intervals : 0, at = 0;

	if (n > LIMIT_TCP_OOO)
		return save_bad(&l->in, "intervals", "are too many");
	for (size_t i = 0; i < n; i++)
		if (!load_interval(l, m->ooo->intervals[i], &m->ooo_data, &at,
				   tp))
			return false;
	if (at != m->ooo_data.len)
		return save_bad(&l->in, "ooo_data", "is not the intervals'");
	return true;
}

/* ---- what was sent ---- */

/* The first record's sequence number. */
static struct seq first_seq(const struct nst_tcp *tp)
{
	/* The SYN, which has no record, is not acknowledged: data of Fast Open
	 * follows it, also when both sides open. */
	bool syn =
	    tp->state == NST_TCP_SYN_SENT || seq_eq(tp->snd_una, tp->iss);

	return syn ? seq_add(tp->iss, 1) : tp->snd_una;
}

static bool sent_ok(const struct nst_tcp *tp, const struct tcp_sent *r,
		    struct seq at)
{
	const struct nst_stack *st = tp->sk.st;

	return seq_eq(r->seq, at) && r->len && r->len <= tp->snd_was + 1 &&
	       r->pcount && r->pcount <= r->len && r->mss &&
	       !((r->flags & SENT_SACKED) && (r->flags & SENT_LOST)) &&
	       (tp->sack_on || !(r->flags & SENT_SACKED)) &&
	       tcp_saved_past(st, r->when) &&
	       tcp_saved_past(st, r->tx.first_tx) &&
	       tcp_saved_past(st, r->tx.delivered_at);
}

static bool load_records(struct load *l, const Cordon__TcpSents *m,
			 struct nst_tcp *tp)
{
	struct seq at = first_seq(tp);

	for (size_t i = 0; i < m->n_records; i++) {
		struct tcp_sent r = {0};

		if (!save_restore(&l->in, &save_tcp_sent, m->records[i], &r))
			return false;
		if (!sent_ok(tp, &r, at))
			return save_bad(&l->in, "records", "have gaps");
		if (tp->sents.n >= LIMIT_TCP_SENT)
			return save_bad(&l->in, "records", "are too many");
		if (!tcp_sent_put(tp, &r))
			return nomem(l);
		at = seq_add(at, r.len);
	}
	return true;
}

static bool load_timed(struct load *l, const Cordon__TcpSents *m,
		       struct nst_tcp *tp)
{
	nst_time last = 0;

	for (size_t i = 0; i < m->n_timed; i++) {
		struct tcp_sent *r;

		if (m->timed[i] >= tp->sents.n)
			return save_bad(&l->in, "timed", "is no record");
		r = tcp_sent_at(tp, m->timed[i]);
		if ((r->flags & (SENT_TIMED | SENT_SACKED)) || r->when < last)
			return save_bad(&l->in, "timed", "is out of order");
		last = r->when;
		tcp_sent_timed(tp, r);
	}
	return true;
}

/* Counters are the records' sums; without SACK, sacked_out is duplicates. */
static bool load_sents(struct load *l, const Cordon__NstTcp *m,
		       struct nst_tcp *tp)
{
	uint32_t dups = tp->sack_on ? 0 : tp->sacked_out;
	struct seq end = first_seq(tp);

	tp->sacked_out = 0;
	if (m->sents &&
	    (!load_records(l, m->sents, tp) || !load_timed(l, m->sents, tp)))
		return false;
	tp->sacked_out += dups;
	if (tp->sents.n)
		end = tcp_sent_end(tcp_sent_at(tp, tp->sents.n - 1));
	if (tp->sents.n && !seq_eq(end, tp->snd_nxt))
		return save_bad(&l->in, "records", "do not end at snd_nxt");
	if (dups > tp->packets_out ||
	    tp->sacked_out + tp->lost_out > tp->packets_out)
		return save_bad(&l->in, "sacked_out", "is too much");
	return true;
}

/* ---- what was not ---- */

/* Some may be behind snd_nxt: they are forgotten late. */
static bool load_pieces(struct load *l, const Cordon__NstTcp *m,
			struct nst_tcp *tp)
{
	size_t n = m->writing ? m->writing->n_pieces : 0;
	struct seq end = tcp_write_seq(tp), last = seq_add(end, 1u << 31);

	for (size_t i = 0; i < n; i++) {
		struct tcp_piece p;

		if (!save_restore(&l->in, &save_tcp_piece,
				  m->writing->pieces[i], &p))
			return false;
		if (!seq_le(p.end, end) || (i && !seq_le(last, p.end)))
			return save_bad(&l->in, "pieces", "are not in order");
		if (i >= LIMIT_TCP_PIECES)
			return save_bad(&l->in, "pieces", "are too many");
		if (!tcp_write_put(tp, p))
			return nomem(l);
		last = p.end;
	}
	if (tcp_unsent(tp) && (!n || !seq_eq(last, end)))
		return save_bad(&l->in, "pieces", "are not all there is");
	return true;
}

bool tcp_load_queues(struct load *l, const Cordon__NstTcp *m,
		     struct nst_tcp *tp)
{
	return load_rings(l, m, tp) && load_ooo(l, m, tp) &&
	       load_sents(l, m, tp) && load_pieces(l, m, tp);
}

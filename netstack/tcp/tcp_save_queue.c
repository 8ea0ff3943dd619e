/* SPDX-License-Identifier: Apache-2.0 */
/* Saving what is queued in an endpoint: bytes, records of what was sent, pieces
 * of what was not, intervals out of order. */
#include "netstack/tcp/tcp_saving.h"

/* ---- bytes ---- */

/* Bytes of a ring: as they lie there, if they are in one piece. */
static void span(struct save_out *o, const struct ring *r, uint64_t pos,
		 uint32_t bytes, ProtobufCBinaryData *to)
{
	struct nst_iov iov[2];

	if (!bytes)
		return;
	if (ring_span(r, pos, bytes, iov) == 1) {
		to->data = iov[0].p;
		to->len = bytes;
		return;
	}
	to->data = save_memory(o, bytes);
	if (!to->data)
		return;
	ring_read_at(r, pos, to->data, bytes);
	to->len = bytes;
}

static void save_rings(const struct nst_tcp *tp, struct save_out *o,
		       Cordon__NstTcp *m)
{
	m->snd_size = u32_max(tp->snd.size, tp->snd_was);
	m->snd_head = tp->snd.head;
	span(o, &tp->snd, tp->snd.head, ring_used(&tp->snd), &m->snd_data);
	m->rcv_size = u32_max(tp->rcv.size, tp->rcv_was);
	m->rcv_head = tp->rcv.head;
	span(o, &tp->rcv, tp->rcv.head, ring_used(&tp->rcv), &m->rcv_data);
}

static uint32_t ahead(const struct nst_tcp *tp, const struct tcp_range *r)
{
	return (uint32_t)seq_diff(r->from, tp->rcv_nxt);
}

static void save_ooo(const struct nst_tcp *tp, struct save_out *o,
		     Cordon__NstTcp *m)
{
	uint32_t n = tp->ooo.n, bytes = tcp_ooo_bytes(tp);
	uint8_t *to;

	if (!n)
		return;
	m->ooo = save_message(o, &cordon__tcp_ooo__descriptor);
	to = save_memory(o, bytes);
	if (!m->ooo || !to)
		return;
	m->ooo->intervals = save_memory(o, n * sizeof(*m->ooo->intervals));
	if (!m->ooo->intervals)
		return;
	m->ooo_data.data = to;
	m->ooo_data.len = bytes;
	for (uint32_t i = 0; i < n; i++) {
		const struct tcp_ooo_iv *iv = &tp->ooo.v[i];
		uint32_t len = (uint32_t)seq_diff(iv->r.to, iv->r.from);

		m->ooo->intervals[i] = save_object(o, &save_tcp_ooo_iv, iv);
		ring_read_at(&tp->rcv, tp->rcv.tail + ahead(tp, &iv->r), to,
			     len);
		to += len;
	}
	m->ooo->n_intervals = n;
}

/* ---- what was sent ---- */

/* Where in the order by sequence number is the record? */
static uint32_t place_of(const struct nst_tcp *tp, const struct tcp_sent *r)
{
	return tcp_sent_find(tp, r->seq);
}

static void save_timed(const struct nst_tcp *tp, struct save_out *o,
		       Cordon__TcpSents *m)
{
	const struct tcp_sent *r = tcp_sent_oldest(tp);

	if (!r)
		return;
	m->timed = save_memory(o, tp->sents.n * sizeof(*m->timed));
	for (; m->timed && r; r = tcp_sent_after(tp, r))
		m->timed[m->n_timed++] = place_of(tp, r);
}

static void save_sents(const struct nst_tcp *tp, struct save_out *o,
		       Cordon__NstTcp *m)
{
	uint32_t n = tp->sents.n;

	if (!n)
		return;
	m->sents = save_message(o, &cordon__tcp_sents__descriptor);
	if (!m->sents)
		return;
	m->sents->records = save_memory(o, n * sizeof(*m->sents->records));
	if (!m->sents->records)
		return;
	for (uint32_t i = 0; i < n; i++)
		m->sents->records[i] =
		    save_object(o, &save_tcp_sent, tcp_sent_at(tp, i));
	m->sents->n_records = n;
	save_timed(tp, o, m->sents);
}

/* ---- what was not ---- */

static void save_pieces(const struct nst_tcp *tp, struct save_out *o,
			Cordon__NstTcp *m)
{
	uint32_t n = tp->writing.n;

	if (!n)
		return;
	if (!m->writing)
		m->writing = save_message(o, &cordon__tcp_writing__descriptor);
	if (!m->writing)
		return;
	m->writing->pieces = save_memory(o, n * sizeof(*m->writing->pieces));
	if (!m->writing->pieces)
		return;
	for (uint32_t i = 0; i < n; i++) {
		struct tcp_piece p = tcp_write_at(tp, i);

		m->writing->pieces[i] = save_object(o, &save_tcp_piece, &p);
	}
	m->writing->n_pieces = n;
}

void tcp_save_queues(const struct nst_tcp *tp, struct save_out *o,
		     Cordon__NstTcp *m)
{
	save_rings(tp, o, m);
	save_ooo(tp, o, m);
	save_sents(tp, o, m);
	save_pieces(tp, o, m);
}

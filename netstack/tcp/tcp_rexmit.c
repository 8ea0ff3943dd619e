/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending again: which records, cut to what window and path take now, and
 * what else fits into the same segment (RFC 9293 3.8.6.2, repacketization).
 */
#include "netstack/tcp/tcp_priv.h"

/* Payload bytes of record i that may leave in `segs` segments; 0: none. */
static uint32_t fit(const struct nst_tcp *tp, const struct tcp_sent *r,
		    uint32_t segs, uint32_t mss)
{
	int32_t wnd = seq_diff(seq_add(tp->snd_una, tp->snd_wnd), r->seq);
	uint32_t max = mss * (tp->snd_urg ? 1 : segs);

	if (wnd <= 0) {
		/* The peer took its window back; the first segment is then a
		 * window probe. */
		if (!seq_eq(r->seq, tp->snd_una))
			return 0;
		wnd = (int32_t)mss;
	}
	if (max <= (uint32_t)wnd)
		return max;
	max = (uint32_t)wnd - (uint32_t)wnd % mss;
	return max ? max : (uint32_t)wnd;
}

static bool may_join(const struct tcp_sent *r)
{
	return r->pcount <= 1 && !(r->flags & SENT_SACKED);
}

/* Small neighbours leave in the same segment. */
static void join(struct nst_tcp *tp, uint32_t i, uint32_t room)
{
	struct seq wnd_end = seq_add(tp->snd_una, tp->snd_wnd);
	struct tcp_sent *r = tcp_sent_at(tp, i);

	if (!TCP_CTL(tp, retrans_collapse) || !may_join(r))
		return;
	while (i + 1 < tp->sents.n) {
		const struct tcp_sent *next = tcp_sent_at(tp, i + 1);

		if ((r->flags & SENT_EOR) || !may_join(next) ||
		    r->len + next->len > room ||
		    seq_gt(tcp_sent_end(next), wnd_end))
			return;
		tcp_sent_join(tp, i, 1);
		r = tcp_sent_at(tp, i);
	}
}

/* Makes record i what can leave now. */
static bool prepare(struct nst_tcp *tp, uint32_t i, uint32_t segs)
{
	struct tcp_sent *r = tcp_sent_at(tp, i);
	uint32_t mss = tcp_cur_mss(tp);
	uint32_t max = fit(tp, r, segs, mss), wnd;

	tcp_mtup_void(tp);
	if (!max)
		return false;
	if (tcp_sent_bytes(tp, r) > max)
		return tcp_sent_split(tp, i, seq_add(r->seq, max), mss);
	if (r->mss != mss)
		tcp_sent_resize(tp, r, mss);
	wnd = u32_min(fit(tp, r, 1, mss), mss);
	if (r->len < wnd)
		join(tp, i, wnd);
	return true;
}

static bool send(struct nst_tcp *tp, struct tcp_sent *r)
{
	uint32_t len = tcp_sent_bytes(tp, r);
	uint8_t flags = len < r->len ? TCP_ACK | TCP_FIN : TCP_ACK;
	bool left;

	if (r->flags & SENT_PSH)
		flags |= TCP_PSH;
	tp->total_retrans += r->pcount;
	tp->bytes_retrans += len;
	tp->sk.st->count.TcpRetransSegs += r->pcount;
	left = tcp_xmit_data(tp, r->seq, len, flags);
	/* Even if not: what it might have been is no RTT sample. */
	r->flags |= SENT_EVER;
	if (!left) {
		tp->sk.st->count.TcpRetransFail += r->pcount;
		return false;
	}
	r->when = tp->sk.st->now;
	tcp_sent_timed(tp, r);
	tcp_rate_sent(tp, r);
	return true;
}

bool tcp_rexmit_probe(struct nst_tcp *tp, uint32_t i, uint32_t segs)
{
	return prepare(tp, i, segs) && send(tp, tcp_sent_at(tp, i));
}

bool tcp_rexmit(struct nst_tcp *tp, uint32_t i, uint32_t segs)
{
	bool left = tcp_rexmit_probe(tp, i, segs);
	struct tcp_sent *r = tcp_sent_at(tp, i);

	if (left)
		tcp_sent_flag(tp, r, SENT_REXMIT, 0);
	if (!tp->rexmit_start)
		tp->rexmit_start = left ? r->when : tp->sk.st->now;
	if (tp->undo.rexmits < 0)
		tp->undo.rexmits = 0;
	tp->undo.rexmits += r->pcount;
	return left;
}

/* One lost record; false: nothing more can leave. */
static bool repeat(struct nst_tcp *tp, uint32_t i, uint32_t segs)
{
	const struct tcp_sent *r;

	if (!tcp_rexmit(tp, i, segs))
		return false;
	r = tcp_sent_at(tp, i);
	if (tp->ca_state == TCP_CA_LOSS)
		tp->sk.st->count.TcpSlowStartRetrans += r->pcount;
	else
		tp->sk.st->count.TcpFastRetrans += r->pcount;
	if (tcp_in_reduction(tp))
		tp->prr.out += r->pcount;
	/* LINUX: the head's repetition starts the time-out anew. */
	if (i == 0 && tp->rtx.what != TCP_RTX_REORDER)
		tcp_rtx_set(tp, TCP_RTX_RTO, tp->rto);
	return true;
}

void tcp_recovery_xmit(struct nst_tcp *tp)
{
	uint32_t max = tcp_tso_segs(tp, tcp_cur_mss(tp));
	uint32_t i = tp->rtx_hint_on ? tcp_sent_find(tp, tp->rtx_hint) : 0;

	for (; i < tp->sents.n && tp->retrans_out < tp->lost_out; i++) {
		const struct tcp_sent *r = tcp_sent_at(tp, i);
		uint32_t flight = tcp_in_flight(tp);

		tp->rtx_hint_on = true;
		tp->rtx_hint = r->seq;
		if (tcp_pace_wait(tp) || tp->cwnd <= flight)
			return;
		if ((r->flags & (SENT_LOST | SENT_REXMIT)) == SENT_LOST &&
		    !repeat(tp, i, u32_min(tp->cwnd - flight, max)))
			return;
	}
}

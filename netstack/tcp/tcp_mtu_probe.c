/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packetization layer path MTU discovery, RFC 4821, as Linux does it.
 *
 * net.ipv4.tcp_mtu_probing 1: after tcp_retries1 time-outs the path is taken
 * for a black hole: the segment size falls to tcp_base_mss, then by halves;
 * from there it is probed upwards again. 2: probing from the start. A probe is
 * one segment of new data, larger than the MSS: the middle of the range that
 * may work. Its acknowledgement raises the lower end, its loss lowers the
 * upper one and is no congestion. A range narrower than tcp_probe_threshold is
 * left alone for tcp_probe_interval seconds; then the path may have changed.
 */
#include "netstack/tcp/tcp_priv.h"

#define PROBE_CWND_MIN                                                         \
	11 /* LINUX: enough ACKs for fast retransmit, and one                  \
	    */

static uint32_t most(const struct nst_tcp *tp)
{
	return tcp_mss_clamp(tp) + TCP_HDR_BYTES + tcp_ip_hdr_bytes(tp);
}

static uint32_t base_mss(const struct nst_tcp *tp)
{
	return (uint32_t)TCP_CTL(tp, base_mss);
}

void tcp_mtup_init(struct nst_tcp *tp)
{
	struct tcp_mtup *m = &tp->mtup;

	m->mss_clamp = 0;
	m->mss_clamp = (uint16_t)tcp_mss_clamp(tp);
	m->enabled = TCP_CTL(tp, mtu_probing) > 1;
	/* LINUX: a passive side has chosen its MSS before. */
	m->later = m->enabled && (tp->listener || tp->fwd);
	if (m->later)
		m->enabled = false;
	m->search_high = most(tp);
	m->search_low = tcp_mss_to_mtu(tp, base_mss(tp));
	m->probe_size = 0;
	m->since = tp->sk.st->now;
}

/* ---- a probe ---- */

static bool may_probe(const struct nst_tcp *tp)
{
	/* Options of changing length would spoil the size. */
	return tp->mtup.enabled && !tp->mtup.probe_size &&
	       tp->ca_state == TCP_CA_OPEN && tp->cwnd >= PROBE_CWND_MIN &&
	       !tp->sacks.n && seq_eq(tp->dsack.from, tp->dsack.to);
}

static void maybe_start_over(struct nst_tcp *tp)
{
	nst_time life = TCP_CTL(tp, probe_interval) * NST_SEC;
	struct tcp_mtup *m = &tp->mtup;

	if (tp->sk.st->now - m->since < life)
		return;
	m->probe_size = 0;
	m->search_high = most(tp);
	m->search_low = tcp_mss_to_mtu(tp, tcp_cur_mss(tp));
	m->since = tp->sk.st->now;
}

/* Bytes to probe with; 0: the search is over for now. */
static uint32_t next_size(struct nst_tcp *tp)
{
	struct tcp_mtup *m = &tp->mtup;
	uint32_t size =
	    tcp_mtu_to_mss(tp, (m->search_high + m->search_low) / 2);
	int64_t range = (int64_t)m->search_high - m->search_low;

	if (size <= tcp_mtu_to_mss(tp, m->search_high) &&
	    range >= TCP_CTL(tp, probe_threshold))
		return size;
	maybe_start_over(tp);
	return 0;
}

static enum tcp_mtup_verdict conditions(const struct nst_tcp *tp, uint32_t size)
{
	/* Segments behind it must tell of its loss by duplicate ACKs. */
	uint64_t need = size + (tcp_reordering(tp) + 1ull) * tp->mss;
	struct seq edge = seq_add(tp->snd_una, tp->snd_wnd);
	uint32_t flight = tcp_in_flight(tp);

	if (tcp_unsent(tp) < need || tp->snd_wnd < need)
		return TCP_MTUP_NONE;
	if (seq_gt(seq_add(tp->snd_nxt, (uint32_t)need), edge))
		return TCP_MTUP_WAIT;
	if (flight + 2 > tp->cwnd)
		return flight ? TCP_MTUP_WAIT : TCP_MTUP_NONE;
	return TCP_MTUP_SENT;
}

static bool transmit(struct nst_tcp *tp, uint32_t size)
{
	uint32_t mss = tp->mss;
	bool sent;

	tp->mss = size; /* so that it is one segment to everybody */
	sent = tcp_send_new(tp, size);
	tp->mss = mss;
	return sent;
}

enum tcp_mtup_verdict tcp_mtup_probe(struct nst_tcp *tp)
{
	struct tcp_mtup *m = &tp->mtup;
	enum tcp_mtup_verdict v;
	struct seq from = tp->snd_nxt;
	uint32_t size;

	if (m->later) {
		m->later = false;
		m->enabled = true;
	}
	if (!may_probe(tp))
		return TCP_MTUP_NONE;
	size = next_size(tp);
	if (!size)
		return TCP_MTUP_NONE;
	v = conditions(tp, size);
	if (v != TCP_MTUP_SENT)
		return v;
	if (!tcp_write_one_record(tp, seq_add(from, size)))
		return TCP_MTUP_NONE;
	if (!transmit(tp, size))
		return TCP_MTUP_NONE;
	tp->cwnd--; /* it takes the place of two */
	m->probe_size = tcp_mss_to_mtu(tp, size);
	m->probe.from = from;
	m->probe.to = seq_add(from, size);
	return TCP_MTUP_SENT;
}

/* ---- what became of it ---- */

/* LINUX: tcp_current_ssthresh. */
static uint32_t current_ssthresh(const struct nst_tcp *tp)
{
	if (tp->ca_state == TCP_CA_CWR || tp->ca_state == TCP_CA_RECOVERY)
		return tp->ssthresh;
	return u32_max(tp->ssthresh, tp->cwnd / 2 + tp->cwnd / 4);
}

void tcp_mtup_acked(struct nst_tcp *tp)
{
	struct tcp_mtup *m = &tp->mtup;
	uint64_t bytes;

	if (!m->probe_size || seq_gt(m->probe.to, tp->snd_una))
		return;
	/* The same bytes in flight, in fewer segments. */
	bytes = (uint64_t)tp->cwnd * tcp_mss_to_mtu(tp, tp->mss);
	tp->cwnd = u32_max((uint32_t)(bytes / m->probe_size), 1);
	tp->cwnd_cnt = 0;
	tp->ssthresh = current_ssthresh(tp);
	m->search_low = m->probe_size;
	m->probe_size = 0;
	tcp_mss_sync(tp);
	TCP_COUNT(tp->sk.st, MTUPSuccess);
}

bool tcp_mtup_lost(struct nst_tcp *tp)
{
	struct tcp_mtup *m = &tp->mtup;

	if (!m->probe_size || tp->ca_state >= TCP_CA_CWR ||
	    !seq_eq(tp->snd_una, m->probe.from))
		return false;
	m->search_high = m->probe_size - 1;
	m->probe_size = 0;
	tp->cwnd++;
	TCP_COUNT(tp->sk.st, MTUPFail);
	tcp_simple_retransmit(tp);
	return true;
}

void tcp_mtup_void(struct nst_tcp *tp)
{
	tp->mtup.probe_size = 0;
}

/* ---- black holes ---- */

void tcp_mtup_black_hole(struct nst_tcp *tp)
{
	struct tcp_mtup *m = &tp->mtup;
	uint32_t mss;

	if (!TCP_CTL(tp, mtu_probing))
		return;
	if (!m->enabled) {
		m->enabled = true;
		m->since = tp->sk.st->now;
	} else {
		mss = tcp_mtu_to_mss(tp, m->search_low) / 2;
		mss = u32_min(base_mss(tp), mss);
		mss = u32_max(mss, (uint32_t)TCP_CTL(tp, mtu_probe_floor));
		mss = u32_max(mss, (uint32_t)TCP_CTL(tp, min_snd_mss));
		m->search_low = tcp_mss_to_mtu(tp, mss);
	}
	tcp_mss_sync(tp);
}

/* ---- too large ---- */

static uint32_t segment_bytes(const struct nst_tcp *tp,
			      const struct tcp_sent *r)
{
	return r->pcount > 1 ? r->mss : tcp_sent_bytes(tp, r);
}

void tcp_simple_retransmit(struct nst_tcp *tp)
{
	uint32_t mss = tcp_cur_mss(tp);

	for (uint32_t i = 0; i < tp->sents.n; i++) {
		struct tcp_sent *r = tcp_sent_at(tp, i);

		if (segment_bytes(tp, r) > mss)
			tcp_mark_lost(tp, r);
	}
	if (tp->lost_out)
		tcp_non_congestion_loss(tp);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 9293 3.10.7.4, fifth: the ACK field. */
#include "netstack/tcp/tcp_req.h"

/* LINUX: tcp_may_update_window. */
static void update_window(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	uint32_t wnd = (uint32_t)seg->wnd << tp->snd_wscale;

	if (!seq_gt(seg->ack, tp->snd_una) && !seq_gt(seg->seq, tp->snd_wl1) &&
	    !(seq_eq(seg->seq, tp->snd_wl1) && (wnd > tp->snd_wnd || !wnd)))
		return;
	tp->snd_wl1 = seg->seq;
	tp->snd_wnd = wnd;
	if (wnd <= tp->max_wnd)
		return;
	tp->max_wnd = wnd;
	tcp_mss_sync(tp);
}

static void sample_rtt(struct nst_tcp *tp, const struct tcp_seg *seg,
		       const struct tcp_acked *a)
{
	uint32_t ms;

	if (a->first_sent && !a->rexmitted) {
		tcp_rtt_sample(tp, tp->sk.st->now - a->first_sent);
		return;
	}
	if (!tp->ts_on || !seg->ts_ok || !seg->tsecr || !a->pkts)
		return;
	ms = tcp_ts_now(tp->sk.st, tp->ts_off) - seg->tsecr;
	if (ms < 1000000) /* a lie or a clock that jumped otherwise */
		tcp_rtt_sample(tp, ms * NST_MS);
}

/* Takes acknowledged bytes out of the ring. */
static void release(struct nst_tcp *tp, uint32_t newly)
{
	uint32_t bytes = u32_min(newly, ring_used(&tp->snd));

	tp->snd.head += bytes;
	tp->snd_base = seq_add(tp->snd_base, bytes);
	tp->bytes_acked += bytes;
	if (seq_ge(tp->snd_una, tp->snd_up))
		tp->snd_urg = false;
	tcp_snd_limit_update(tp);
}

/* LINUX: sk_stream_is_writeable: a third must be free. */
static void tell_writer(struct nst_tcp *tp)
{
	uint32_t used = ring_used(&tp->snd);

	if (!tp->snd_blocked || used > tp->snd_limit / 3 * 2 ||
	    !tcp_notsent_ok(tp))
		return;
	tp->snd_blocked = false;
	tp->ev |= NST_EV_OUT;
}

static bool is_dup(const struct nst_tcp *tp, const struct tcp_seg *seg,
		   uint32_t prior_wnd)
{
	/* RFC 5681 2, "duplicate acknowledgment". */
	return tp->packets_out && !seg->len &&
	       !(seg->flags & (TCP_SYN | TCP_FIN)) &&
	       seq_eq(seg->ack, tp->snd_una) && tp->snd_wnd == prior_wnd;
}

static void acked(struct nst_tcp *tp, const struct tcp_seg *seg,
		  uint32_t prior_wnd)
{
	uint32_t newly = (uint32_t)seq_diff(seg->ack, tp->snd_una);
	bool dup = !newly && is_dup(tp, seg, prior_wnd);
	struct tcp_acked a = {0};

	if (newly) {
		tcp_sent_ack(tp, seg->ack, &a);
		tp->snd_una = seg->ack;
		release(tp, newly);
		tp->retransmits = 0;
		tp->rexmit_start = 0;
		tp->rto_base = tp->sk.st->now; /* RFC 6298 5.3 */
	}
	tcp_sack_in(tp, seg, &a);
	sample_rtt(tp, seg, &a);
	tp->delivered += a.pkts + a.sacked;
	if (newly || tp->packets_out)
		tcp_recovery_ack(tp, &a, dup);
	if (!newly)
		return;
	tell_writer(tp);
	ip_confirm(tp->sk.st, &tp->sk.remote.addr, tp->path.ifindex);
	if (seq_eq(tp->snd_una, tp->snd_nxt) && !tcp_send_pending(tp))
		tp->ev |= NST_EV_ACKED;
}

static bool fin_acked(const struct nst_tcp *tp)
{
	return tcp_fin_sent(tp) && seq_eq(tp->snd_una, tp->snd_nxt);
}

/* What the acknowledgement of our FIN does to the state. */
static enum tcp_verdict closing(struct nst_tcp *tp)
{
	if (!fin_acked(tp))
		return TCP_V_NEXT;
	switch (tp->state) {
	case NST_TCP_FIN_WAIT1:
		tcp_set_state(tp, NST_TCP_FIN_WAIT2);
		/* LINUX: TCP_LINGER2 below zero: no FIN-WAIT-2. */
		if (!tp->orphan || tp->conf.linger2_s >= 0)
			return TCP_V_NEXT;
		TCP_COUNT(tp->sk.st, AbortOnLinger);
		tcp_send_rst(tp);
		tcp_done(tp);
		return TCP_V_DROP;
	case NST_TCP_CLOSING:
		tcp_time_wait(tp);
		return TCP_V_DROP;
	case NST_TCP_LAST_ACK:
		tcp_done(tp);
		return TCP_V_DROP;
	default:
		return TCP_V_NEXT;
	}
}

static enum tcp_verdict syn_rcvd(struct nst_tcp *tp, struct tcp_seg *seg)
{
	if (!seq_gt(seg->ack, tp->snd_una) || seq_gt(seg->ack, tp->snd_nxt)) {
		tcp_rst_reply(tp->sk.st, seg);
		return TCP_V_DROP;
	}
	tcp_handshake_complete(tp, seg);
	return TCP_V_NEXT;
}

/* RFC 5961 5.2: SND.UNA - MAX.SND.WND <= SEG.ACK <= SND.NXT. */
static bool in_range(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	if (seq_gt(seg->ack, tp->snd_nxt)) {
		TCP_COUNT(tp->sk.st, AckTooNew);
		tcp_challenge_ack(tp);
		return false;
	}
	if (seq_lt(seg->ack, seq_add(tp->snd_una, 0u - tp->max_wnd))) {
		TCP_COUNT(tp->sk.st, AckTooOld);
		tcp_challenge_ack(tp);
		return false;
	}
	return true;
}

enum tcp_verdict tcp_in_ack(struct nst_tcp *tp, struct tcp_seg *seg)
{
	uint32_t prior_wnd = tp->snd_wnd;
	struct tcp_acked a = {0};

	if (tp->state == NST_TCP_SYN_RCVD && syn_rcvd(tp, seg) == TCP_V_DROP)
		return TCP_V_DROP;
	if (!in_range(tp, seg))
		return TCP_V_DROP;
	tcp_ts_recent_update(tp, seg);
	tp->last_ack_recv = tp->sk.st->now;
	tp->keep_probes = 0;
	tp->probes_out = 0;
	tp->err_soft = NST_OK;
	if (seq_lt(seg->ack, tp->snd_una)) { /* old: only its SACK counts */
		tcp_sack_in(tp, seg, &a);
		return TCP_V_NEXT;
	}
	update_window(tp, seg);
	acked(tp, seg, prior_wnd);
	return closing(tp);
}

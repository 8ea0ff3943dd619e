/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening, in two halves. *Start* records the facts and emits the SYN or
 * SYN-ACK in the caller's context; *complete* ends the handshake. In between a
 * back-off timer with a maximum of its own repeats the segment.
 */
#include "netstack/tcp/tcp_priv.h"

/*
 * LINUX: tcp_syn_linear_timeouts intervals of a second, then doubling, for an
 * active open; for a passive one doubling from the first. tp->backoff counts
 * the doublings.
 */
static nst_time gap(const struct nst_tcp *tp)
{
	nst_time max = TCP_CTL(tp, rto_max_ms) * NST_MS;

	return t_min(TCP_TIMEOUT_INIT << u32_min(tp->backoff, 16), max);
}

static bool passive(const struct nst_tcp *tp)
{
	return tp->fo.pending || tp->fwd;
}

/* Repetitions; a Fast Open child has one more than a request. */
static uint32_t max_repeats(const struct nst_tcp *tp)
{
	uint32_t n = tp->conf.syncnt;

	if (passive(tp)) {
		if (n && tp->fo.pending)
			return n;
		return (uint32_t)TCP_CTL(tp, synack_retries) + tp->fo.pending;
	}
	if (!n)
		n = (uint32_t)TCP_CTL(tp, syn_retries);
	if (tp->state == NST_TCP_SYN_SENT)
		n += (uint32_t)TCP_CTL(tp, syn_linear_timeouts);
	return n;
}

void tcp_handshake_facts(struct nst_tcp *tp)
{
	tp->snd_una = tp->iss;
	tp->snd_nxt = seq_add(tp->iss, 1);
	tp->snd_base = tp->snd_nxt;
	tp->snd_sml = tp->snd_up = tp->push_seq = tp->snd_nxt;
	tp->high_seq = tp->cwnd_usage_seq = tp->rtt_seq = tp->iss;
	tp->hs_n = tp->hs_timeouts = 0;
	tp->backoff = 0;
	tp->hs_stray = 0;
	tp->hs_late = false;
}

void tcp_handshake_start(struct nst_tcp *tp)
{
	tcp_handshake_facts(tp);
	tp->hs_sent = tp->sk.st->now;
	tp->rexmit_start = tp->hs_sent;
	tp->hs_ts_first = tcp_ts_now(tp->sk.st, tp->ts_off);
	tcp_send_syn(tp);
}

/* LINUX: the user timeout shortens waits from the first repetition on. */
nst_time tcp_handshake_deadline(const struct nst_tcp *tp)
{
	nst_time at = tp->hs_sent + gap(tp);

	if (tp->fo.deferred)
		return NST_NEVER;
	if (tp->hs_stray)
		at = t_min(at, tp->hs_stray + 2 * TCP_TICK);
	if (tcp_user_timeout(tp) && tp->hs_timeouts && !passive(tp))
		at = t_min(at, t_max(tp->rexmit_start + tcp_user_timeout(tp),
				     tp->hs_sent + TCP_TICK));
	return at;
}

/* LINUX: by count, or by the time that so many doublings would take. */
static bool expired(const struct nst_tcp *tp)
{
	nst_time waited = tp->sk.st->now - tp->rexmit_start;
	nst_time limit = 0, step = TCP_TIMEOUT_INIT;
	uint32_t max = max_repeats(tp), n = max;

	if (tp->hs_timeouts >= max)
		return true;
	if (!tp->hs_timeouts || passive(tp))
		return false;
	if (tcp_user_timeout(tp))
		return waited >= tcp_user_timeout(tp);
	if (tp->state == NST_TCP_SYN_SENT)
		n -= (uint32_t)TCP_CTL(tp, syn_linear_timeouts);
	for (uint32_t i = 0; i <= n; i++) {
		limit += step;
		step = t_min(step * 2, TCP_RTO_MAX);
	}
	return waited >= limit;
}

void tcp_handshake_repeat(struct nst_tcp *tp)
{
	TCP_COUNT(tp->sk.st, RetransSegs);
	TCP_COUNT(tp->sk.st, SynRetrans);
	tp->hs_n++;
	tp->total_retrans++;
	tcp_send_syn(tp);
}

void tcp_handshake_fire(struct nst_tcp *tp)
{
	bool over = expired(tp);

	TCP_COUNT(tp->sk.st, Timeouts);
	if (!passive(tp))
		tcp_fo_blackhole_timeout(tp, tp->hs_timeouts, over);
	if (over) {
		tcp_give_up(tp);
		return;
	}
	/* LINUX: as for a SYN: the second time-out shrinks the window. */
	if (tp->fo.pending && tp->hs_timeouts == 1)
		tcp_loss_enter(tp);
	tp->hs_timeouts++;
	tp->hs_stray = 0;
	tp->hs_sent = tp->sk.st->now;
	if (tp->state != NST_TCP_SYN_SENT ||
	    tp->hs_timeouts > (uint32_t)TCP_CTL(tp, syn_linear_timeouts))
		tp->backoff++;
	if (tcp_path_refresh(tp) == NST_OK && !passive(tp))
		tp->advmss = tcp_advmss(tp);
	tcp_handshake_repeat(tp);
}

/* RFC 7323, RFC 2018: an option is on when both sides sent it. */
void tcp_handshake_opts(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	tp->peer_mss = seg->mss;
	tp->ts_on = tp->ts_on && seg->ts_ok;
	tp->sack_on = tp->sack_on && seg->sack_perm;
	tp->wscale_on = tp->wscale_on && seg->wscale_ok;
	tp->snd_wscale = tp->wscale_on ? seg->wscale : 0;
	if (!tp->wscale_on)
		tp->rcv_wscale = 0;
	if (tp->ts_on) {
		tp->ts_recent = seg->tsval;
		tp->ts_recent_at = tp->sk.st->now;
	}
}

/* What this side offers in a SYN of its own. */
void tcp_handshake_offer(struct nst_tcp *tp)
{
	tp->advmss = tcp_advmss(tp);
	tp->ts_on = TCP_CTL(tp, timestamps) != 0;
	tp->sack_on = TCP_CTL(tp, sack) != 0;
	tp->wscale_on = TCP_CTL(tp, window_scaling) != 0;
	tcp_wnd_offer_syn(tp);
}

static bool echo_of_ours(const struct nst_tcp *tp, const struct tcp_seg *seg)
{
	return tp->ts_on && seg->ts_ok && seg->tsecr;
}

static void handshake_rtt(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	uint32_t ms;

	if (!tp->hs_n && tp->hs_sent != NST_NEVER &&
	    !tcp_before_outage(tp, tp->hs_sent)) {
		tcp_rtt_sample(tp, tp->sk.st->now - tp->hs_sent);
		return;
	}
	if (!echo_of_ours(tp, seg))
		return; /* Karn: cannot tell which one was answered */
	ms = tcp_ts_now(tp->sk.st, tp->ts_off) - seg->tsecr;
	if (ms < 100000 && !tcp_echo_before_outage(tp, seg->tsecr))
		tcp_rtt_sample(tp, ms * NST_MS);
}

/* RFC 6298 5.7: no sample at all: more caution than with a new connection. */
static void no_rtt(struct nst_tcp *tp)
{
	if (tp->srtt)
		return;
	tp->rttvar = tp->mdev = tp->mdev_max = TCP_TIMEOUT_FALLBACK;
	tp->rto = TCP_TIMEOUT_FALLBACK;
}

/* RFC 5681 3.1: lost SYNs shrink the first window. LINUX: more than one, and
 * the answer was not to the first of them after all (RFC 3522). */
static bool late(const struct nst_tcp *tp, const struct tcp_seg *seg)
{
	if (tp->total_retrans <= 1 || !tp->hs_timeouts)
		return false;
	return !echo_of_ours(tp, seg) || seg->tsecr != tp->hs_ts_first;
}

/* LINUX: tcp_initialize_rcv_mss. */
static uint32_t first_rcv_mss(const struct nst_tcp *tp)
{
	uint32_t hint = u32_min(tp->advmss, tp->mss);

	hint = u32_min(hint, tcp_rcv_wnd(tp) / 2);
	hint = u32_min(hint, TCP_MSS_DEFAULT);
	return u32_max(hint, 88);
}

void tcp_handshake_transfer(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	tp->hs_late = late(tp, seg);
	tp->backoff = 0;
	tcp_mtup_init(tp);
	tcp_mss_sync(tp);
	tcp_wnd_established(tp);
	tcp_cc_start(tp);
	tcp_snd_limit_update(tp);
	tp->rcv_mss = first_rcv_mss(tp);
}

/* Data that a Fast Open child sent already stays on the scoreboard. */
static void sequence(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	bool syn = seg->flags & TCP_SYN;

	tp->snd_una = seq_max(tp->snd_una, seq_add(tp->iss, 1));
	tp->snd_wnd = syn ? seg->wnd : (uint32_t)seg->wnd << tp->snd_wscale;
	tp->max_wnd = u32_max(tp->max_wnd, tp->snd_wnd);
	tp->snd_wl1 = seg->seq;
	tp->rexmit_start = 0;
	tp->retransmits = 0;
	tp->last_ack_recv = tp->sk.st->now;
}

/* A Fast Open child: all but the peer's word is there already. */
static void complete_fast(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	if (!tp->srtt)
		handshake_rtt(tp, seg);
	no_rtt(tp);
	sequence(tp, seg);
	tp->backoff = 0;
	tcp_fo_child_done(tp, false);
	tcp_rto_rearm(tp);
	if (tp->state == NST_TCP_SYN_RCVD)
		tcp_set_state(tp, NST_TCP_ESTABLISHED);
	tp->ev |= NST_EV_CONNECTED | NST_EV_OUT;
}

void tcp_handshake_complete(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	if (tp->fo.pending) {
		complete_fast(tp, seg);
		return;
	}
	handshake_rtt(tp, seg);
	no_rtt(tp);
	tp->delivered++; /* LINUX: the SYN, or SYN-ACK, is a packet */
	tcp_handshake_transfer(tp, seg);
	tp->max_wnd = 0;
	sequence(tp, seg);
	tcp_mss_sync(tp);
	tcp_set_state(tp, NST_TCP_ESTABLISHED);
	tp->ev |= NST_EV_CONNECTED | NST_EV_OUT;
	if (tp->fin_queued) /* shut down before it was established */
		tcp_set_state(tp, NST_TCP_FIN_WAIT1);
	if (tp->listener)
		tcp_acceptq_put(tp->listener, tp);
	ip_confirm(tp->sk.st, &tp->sk.remote.addr, tp->path.ifindex);
}

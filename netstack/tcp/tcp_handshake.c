/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening, in two halves. *Start* records the facts and emits the SYN or
 * SYN-ACK in the caller's context; *complete* ends the handshake. In between a
 * back-off timer with a maximum of its own repeats the segment.
 */
#include "netstack/tcp/tcp_priv.h"

/* LINUX: tcp_syn_linear_timeouts constant intervals, then doubling. */
nst_time tcp_handshake_gap(uint32_t n, uint32_t linear)
{
	uint32_t shift = n > linear ? n - linear : 0;

	if (shift > 7)
		shift = 7;
	return t_min(TCP_TIMEOUT_INIT << shift, TCP_HANDSHAKE_MAX);
}

static uint32_t linear(const struct nst_tcp *tp)
{
	return tp->state == NST_TCP_SYN_SENT ? TCP_SYN_LINEAR_TIMEOUTS : 0;
}

static uint32_t max_repeats(const struct nst_tcp *tp)
{
	if (tp->state == NST_TCP_SYN_RCVD)
		return TCP_SYNACK_RETRIES;
	return linear(tp) +
	       (tp->conf.syncnt ? tp->conf.syncnt : TCP_SYN_RETRIES);
}

void tcp_handshake_start(struct nst_tcp *tp)
{
	tp->snd_una = tp->iss;
	tp->snd_nxt = seq_add(tp->iss, 1);
	tp->snd_base = tp->snd_nxt;
	tp->snd_sml = tp->snd_up = tp->push_seq = tp->snd_nxt;
	tp->high_seq = tp->cwnd_usage_seq = tp->rtt_seq = tp->iss;
	tp->hs_n = 0;
	tp->hs_sent = tp->sk.st->now;
	tp->rexmit_start = tp->hs_sent;
	tcp_send_syn(tp);
}

nst_time tcp_handshake_deadline(const struct nst_tcp *tp)
{
	nst_time at = tp->hs_sent + tcp_handshake_gap(tp->hs_n, linear(tp));
	nst_time user = (nst_time)tp->conf.user_timeout_ms * NST_MS;

	if (user)
		at = t_min(at, tp->rexmit_start + user);
	return at;
}

void tcp_handshake_fire(struct nst_tcp *tp)
{
	nst_time now = tp->sk.st->now;
	nst_time user = (nst_time)tp->conf.user_timeout_ms * NST_MS;

	if (tp->hs_n >= max_repeats(tp) ||
	    (user && now - tp->rexmit_start >= user)) {
		tcp_give_up(tp);
		return;
	}
	tp->hs_n++;
	tp->hs_sent = now;
	TCP_COUNT(tp->sk.st, RetransSegs);
	TCP_COUNT(tp->sk.st, Timeouts);
	tp->total_retrans++;
	if (tcp_path_refresh(tp) == NST_OK)
		tp->advmss = tcp_advmss(tp);
	tcp_send_syn(tp);
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

static void handshake_rtt(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	uint32_t ms;

	if (!tp->hs_n) {
		tcp_rtt_sample(tp, tp->sk.st->now - tp->hs_sent);
		return;
	}
	if (!tp->ts_on || !seg->ts_ok || !seg->tsecr)
		return; /* Karn: cannot tell which one was answered */
	ms = tcp_ts_now(tp->sk.st, tp->ts_off) - seg->tsecr;
	if (ms < 100000)
		tcp_rtt_sample(tp, ms * NST_MS);
}

/* LINUX: tcp_initialize_rcv_mss. */
static uint32_t first_rcv_mss(const struct nst_tcp *tp)
{
	uint32_t hint = u32_min(tp->advmss, tp->mss);

	hint = u32_min(hint, tcp_rcv_wnd(tp) / 2);
	hint = u32_min(hint, TCP_MSS_DEFAULT);
	return u32_max(hint, 88);
}

void tcp_handshake_complete(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	bool syn = seg->flags & TCP_SYN;

	handshake_rtt(tp, seg);
	tp->snd_una = tp->snd_nxt;
	tp->snd_wnd = syn ? seg->wnd : (uint32_t)seg->wnd << tp->snd_wscale;
	tp->max_wnd = tp->snd_wnd;
	tp->snd_wl1 = seg->seq;
	tp->rexmit_start = 0;
	tp->backoff = 0;
	tp->last_ack_recv = tp->sk.st->now;
	tcp_mss_sync(tp);
	tcp_cc_start(tp);
	tcp_snd_limit_update(tp);
	tp->rcv_mss = first_rcv_mss(tp);
	tcp_set_state(tp, NST_TCP_ESTABLISHED);
	tp->ev |= NST_EV_CONNECTED | NST_EV_OUT;
	if (tp->fin_queued) /* shut down before it was established */
		tcp_set_state(tp, NST_TCP_FIN_WAIT1);
	if (tp->listener)
		tcp_acceptq_put(tp->listener, tp);
	ip_confirm(tp->sk.st, &tp->sk.remote.addr, tp->path.ifindex);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a loaded endpoint one that a history could have made? What is refused here
 * would index, shift or divide by what was never meant to be so, or let
 * arithmetic on times and sequence numbers overflow. What is merely odd (a
 * strange window, say) is the image's own business: it harms this connection,
 * and no other. tcp_check() follows when timers are armed.
 */
#include "netstack/base/addr.h"
#include "netstack/tcp/tcp_saving.h"

static bool bad(struct load *l, const char *name)
{
	return save_bad(&l->in, name, "is not what it can be");
}

/* ---- times: a list each of what was, and of how long ---- */

struct time_row {
	const char *name;
	size_t at;
};
#define AT(m)                                                                  \
	{                                                                      \
#m, offsetof(struct nst_tcp, m)                                \
	}

static const struct time_row past[] = {
    AT(last_used),         AT(ts_recent_at),    AT(hs_stray),
    AT(rexmit_start),      AT(rto_stat.since),  AT(probe_start),
    AT(cwnd_stamp),        AT(ecn.opt_sent),    AT(rate.first_tx),
    AT(rate.delivered_at), AT(pace.late_at),    AT(drs_time),
    AT(rcv_rtt_time),      AT(mtup.since),      AT(chrono.since),
    AT(keep_sent),         AT(fw2_since),       AT(last_data_sent),
    AT(last_ack_sent),     AT(last_data_recv),  AT(last_ack_recv),
    AT(cork_since),        AT(synq_overflow),   AT(conf.keep_on_at),
    AT(rtx.since),         AT(ack_wait.since),  AT(comp_wait.since),
    AT(rack.when),         AT(rtt_min.s[0].at), AT(rtt_min.s[1].at),
    AT(rtt_min.s[2].at),
};

static const struct time_row spans[] = {
    AT(rtx.wait),
    AT(ack_wait.wait),
    AT(comp_wait.wait),
    AT(rto),
    AT(srtt),
    AT(mdev),
    AT(mdev_max),
    AT(rttvar),
    AT(min_rtt),
    AT(rack.rtt),
    AT(rto_stat.time),
    AT(ato),
    AT(rcv_rtt),
    AT(rate.interval),
    AT(chrono.spent[0]),
    AT(chrono.spent[1]),
    AT(chrono.spent[2]),
    AT(chrono.spent[3]),
    AT(rtt_min.s[0].rtt),
    AT(rtt_min.s[1].rtt),
    AT(rtt_min.s[2].rtt),
};

static nst_time time_at(const struct nst_tcp *tp, size_t at)
{
	nst_time t;

	memcpy(&t, (const uint8_t *)tp + at, sizeof(t));
	return t;
}

static bool span_ok(nst_time t)
{
	return t >= 0 && t <= TCP_SAVED_SPAN_MAX;
}

static bool times_ok(struct load *l, const struct nst_tcp *tp)
{
	const struct nst_stack *st = l->st;

	for (size_t i = 0; i < sizeof(past) / sizeof(past[0]); i++)
		if (!tcp_saved_past(st, time_at(tp, past[i].at)))
			return bad(l, past[i].name);
	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++)
		if (!span_ok(time_at(tp, spans[i].at)))
			return bad(l, spans[i].name);
	/* A cookie does not know when it left. */
	if (tp->hs_sent != NST_NEVER && !tcp_saved_past(st, tp->hs_sent))
		return bad(l, "hs_sent");
	if (!tcp_saved_oow(st, tp->last_oow))
		return bad(l, "last_oow");
	if (tp->pace.next < 0 || !span_ok(t_max(tp->pace.next - st->now, 0)))
		return bad(l, "pace.next");
	if (!tp->rto || tp->rto > 2 * TCP_RTO_MAX)
		return bad(l, "rto");
	return true;
}

/* ---- options ---- */

static bool conf_ok(const struct tcp_conf *c)
{
	if (c->user_mss &&
	    (c->user_mss < TCP_MAXSEG_MIN || c->user_mss > TCP_MAXSEG_MAX))
		return false;
	if (c->rto_max_ms && (c->rto_max_ms < 1000 || c->rto_max_ms > 120000))
		return false;
	return c->keepidle_s <= TCP_KEEP_S_MAX &&
	       c->keepintvl_s <= TCP_KEEP_S_MAX &&
	       c->keepcnt <= TCP_KEEPCNT_MAX && c->syncnt <= LIMIT_TCP_SYNCNT &&
	       c->linger2_s >= -1 && c->linger2_s <= TCP_FIN_TIMEOUT_MAX_S &&
	       c->user_timeout_ms <= INT32_MAX && c->save_syn <= 2 &&
	       c->rto_min_us <= TCP_RTO_MIN / NST_US &&
	       c->delack_max_us <= TCP_DELACK_MAX / NST_US;
}

static bool buffers_ok(const struct nst_tcp *tp)
{
	/* Rings grow to a power of two above it, with 32 bits. */
	return tp->sk.opt.rcvbuf <= INT32_MAX &&
	       tp->sk.opt.sndbuf <= INT32_MAX &&
	       tp->snd_limit <= INT32_MAX - 2 * (uint32_t)UINT16_MAX &&
	       tp->rmem.ratio && tp->rmem.clamp <= 1u << 30 && tp->backlog >= 0;
}

/* ---- enumerations and counts: what indexes and shifts ---- */

static bool kinds_ok(const struct nst_tcp *tp)
{
	const struct tcp_ecn *e = &tp->ecn;

	return tp->ca_state <= TCP_CA_LOSS && tp->err_soft < NST_E_COUNT &&
	       tp->rtx.what < TCP_RTX_COUNT &&
	       tp->chrono.kind < TCP_CHRONO_COUNT &&
	       tp->snd_wscale <= TCP_WSCALE_MAX &&
	       tp->rcv_wscale <= TCP_WSCALE_MAX &&
	       tp->hs_wscale <= TCP_WSCALE_MAX && tp->backoff <= UINT8_MAX &&
	       tp->sack.ncache <= TCP_SACK_BLOCKS_MAX &&
	       tp->sacks.n <= TCP_SACK_BLOCKS_MAX &&
	       tp->fo.cookie.len <= TCP_FO_COOKIE_MAX &&
	       tp->fo.fail <= TFO_SYN_RETRANSMITTED &&
	       e->mode <= TCP_ECN_PENDING && e->guess <= ECN_CE &&
	       e->opt_seen <= TCP_ECN_OPT_ZEROED && e->prev <= ECN_CE &&
	       e->tx <= ECN_CE && e->syn_in <= ECN_CE && e->syn_out <= ECN_CE &&
	       e->ce_unsent <= 15 && e->opt_min <= TCP_ACCECN_FIELDS;
}

static bool mss_ok(const struct nst_tcp *tp)
{
	const uint32_t least = TCP_MSS_MIN - TCP_HDR_BYTES;
	bool talks = tcp_in_states(tp, TCPF_SYNCED) || tp->fo.pending;

	if (tp->mss > UINT16_MAX || tp->rcv_mss > UINT16_MAX ||
	    tp->mtup.search_high > UINT16_MAX + 60u ||
	    tp->mtup.search_low > UINT16_MAX + 60u ||
	    tp->mtup.probe_size > UINT16_MAX + 60u)
		return false;
	return !talks || (tp->mss >= least && tp->advmss >= least);
}

static bool cwnd_ok(const struct nst_tcp *tp)
{
	return tp->cwnd && tp->cwnd <= TCP_CWND_MAX &&
	       tp->prior_cwnd <= TCP_CWND_MAX && tp->undo.rexmits >= -1;
}

/* ---- congestion control ---- */

static bool hystart_ok(const struct nst_stack *st, const struct tcp_hystart *h)
{
	return tcp_saved_past(st, h->round_start) &&
	       tcp_saved_past(st, h->last_ack) && span_ok(h->curr_rtt) &&
	       span_ok(h->base_rtt);
}

static bool cubic_ok(const struct nst_stack *st,
		     const struct tcp_cubic_state *c)
{
	return hystart_ok(st, &c->hy) && tcp_saved_past(st, c->epoch) &&
	       tcp_saved_past(st, c->last_time) && span_ok(c->min_rtt) &&
	       (c->per >= 2 || !c->last_cwnd);
}

static bool never_or_span(nst_time t)
{
	return t == NST_NEVER || span_ok(t);
}

static bool bbr_times_ok(const struct nst_stack *st,
			 const struct tcp_bbr_state *b)
{
	return never_or_span(b->min_rtt) && never_or_span(b->probe_min_rtt) &&
	       never_or_span(b->round_rtt) && span_ok(b->probe_wait) &&
	       tcp_saved_past(st, b->min_rtt_at) &&
	       tcp_saved_past(st, b->probe_min_rtt_at) &&
	       tcp_saved_past(st, b->probe_rtt_low) &&
	       tcp_saved_past(st, b->cycle_start) &&
	       tcp_saved_past(st, b->agg_start);
}

static bool bbr_ok(const struct nst_stack *st, const struct tcp_bbr_state *b)
{
	return bbr_times_ok(st, b) && (b->up_cnt || !b->ready) &&
	       b->mode <= BBR_PROBE_RTT && b->phase <= BBR_REFILL &&
	       b->ack_phase <= BBR_ACKS_PROBE_STOPPING && b->agg_idx <= 1 &&
	       b->up_rounds <= 31 && b->prev_ca <= TCP_CA_LOSS &&
	       b->ecn_alpha <= BBR_UNIT && b->prior_cwnd <= TCP_CWND_MAX;
}

static bool cc_ok(const struct nst_tcp *tp)
{
	const void *priv = tp->cc_priv;

	if (tp->cc == &tcp_cubic)
		return cubic_ok(tp->sk.st, priv);
	return tp->cc != &tcp_bbr || bbr_ok(tp->sk.st, priv);
}

/* ---- sequence numbers ---- */

/* From a to b, forwards, at most n. */
static bool within(struct seq a, struct seq b, uint32_t n)
{
	return b.v - a.v <= n;
}

static bool sending_ok(const struct nst_tcp *tp)
{
	uint32_t all = ring_used(&tp->snd) + tp->fin_queued;
	bool synced = tcp_in_states(tp, TCPF_SYNCED) || tp->fo.pending;

	if (!within(tp->snd_base, tp->snd_nxt, all))
		return false;
	if (!synced)
		return seq_eq(tp->snd_una, tp->iss) &&
		       seq_eq(tp->snd_base, seq_add(tp->iss, 1));
	/* What is acknowledged is out of the ring; a FIN never was in it. */
	if (!within(tp->snd_base, tp->snd_una, tp->fin_queued) ||
	    !seq_le(tp->snd_una, tp->snd_nxt))
		return false;
	return seq_eq(tp->snd_una, tp->snd_nxt) == !tp->sents.n;
}

static bool receiving_ok(const struct nst_tcp *tp)
{
	if (tp->fin_ooo && seq_lt(tp->fin_seq, tcp_ooo_end(tp)))
		return false;
	if (tp->state == NST_TCP_SYN_SENT)
		return true;
	return within(tp->rcv_wup, tp->rcv_nxt, INT32_MAX) &&
	       within(tp->rcv_nxt, seq_add(tp->rcv_adv, 1), (1u << 30) + 1);
}

/* ---- state ---- */

#define STATES                                                                 \
	(TCPF_SYNCED | TCPF(CLOSE) | TCPF(LISTEN) | TCPF(SYN_SENT) |           \
	 TCPF(SYN_RCVD))

#define HEARD_FIN (TCPF(CLOSE_WAIT) | TCPF(LAST_ACK) | TCPF(CLOSING))
#define SAID_FIN                                                               \
	(TCPF(FIN_WAIT1) | TCPF(FIN_WAIT2) | TCPF(LAST_ACK) | TCPF(CLOSING))

static bool state_ok(const struct nst_tcp *tp)
{
	return tp->state <= NST_TCP_CLOSING && tcp_in_states(tp, STATES) &&
	       (!tcp_in_states(tp, HEARD_FIN) || tp->fin_rcvd) &&
	       (!tcp_in_states(tp, SAID_FIN) || tp->fin_queued) &&
	       (!tp->fo.deferred || tp->state == NST_TCP_SYN_SENT) &&
	       (!tp->fo.pending ||
		tcp_in_states(tp, TCPF(SYN_RCVD) | TCPF(FIN_WAIT1)));
}

/* Without a connection nothing waits to be sent. */
static bool idle_ok(const struct nst_tcp *tp)
{
	return !ring_used(&tp->snd) && !tp->sents.n && !tp->ooo.n &&
	       !tp->fin_queued && !tp->sk.conn.pprev &&
	       !(tp->orphan && tp->state == NST_TCP_CLOSE);
}

static bool flow_ok(const struct nst_tcp *tp)
{
	const struct flow_key *k = &tp->sk.conn.key;

	return tp->sk.conn.pprev && tcp_key_ok(k) &&
	       k->lport == tp->sk.local.port &&
	       k->rport == tp->sk.remote.port &&
	       k->local.family == tp->sk.local.addr.family &&
	       k->remote.family == tp->sk.remote.addr.family &&
	       memcmp(k->local.b, tp->sk.local.addr.b, addr_bytes(&k->local)) ==
		   0 &&
	       memcmp(k->remote.b, tp->sk.remote.addr.b,
		      addr_bytes(&k->remote)) == 0;
}

/* A timer for what is not there would find nothing to send, and end; what is
 * there would be without one. */
static bool clock_ok(const struct nst_tcp *tp)
{
	switch (tp->rtx.what) {
	case TCP_RTX_RTO:
	case TCP_RTX_REORDER:
	case TCP_RTX_TLP:
		return tp->sents.n;
	case TCP_RTX_PERSIST:
		return tcp_persist_wanted(tp);
	default:
		return true;
	}
}

static bool connection_ok(struct load *l, const struct nst_tcp *tp)
{
	if (!flow_ok(tp))
		return bad(l, "flow");
	if (!sending_ok(tp))
		return bad(l, "snd_nxt");
	if (!receiving_ok(tp))
		return bad(l, "rcv_nxt");
	if (!clock_ok(tp))
		return bad(l, "rtx");
	return true;
}

bool tcp_load_check(struct load *l, const struct nst_tcp *tp)
{
	if (!state_ok(tp))
		return bad(l, "state");
	if (!times_ok(l, tp))
		return false;
	if (!conf_ok(&tp->conf) || !buffers_ok(tp))
		return bad(l, "conf");
	if (!kinds_ok(tp))
		return bad(l, "a number of an enumeration");
	if (!mss_ok(tp))
		return bad(l, "mss");
	if (!cwnd_ok(tp) || !cc_ok(tp))
		return bad(l, "cwnd");
	if (tcp_in_states(tp, TCPF(CLOSE) | TCPF(LISTEN)))
		return idle_ok(tp) ? true : bad(l, "a closed socket");
	return connection_ok(l, tp);
}

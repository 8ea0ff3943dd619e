/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The retransmission time-out: RFC 6298 5, and when to give up, which is a
 * time that N doublings would take, not a count (RFC 9293 3.8.3, R1 and R2).
 */
#include "netstack/tcp/tcp_priv.h"

#define THIN_PACKETS 4 /* fewer in flight never bring three duplicate ACKs */
#define THIN_RETRIES 6 /* TCP_THIN_LINEAR_RETRIES */

nst_time tcp_rto_left(const struct nst_tcp *tp)
{
	if (!tp->sents.n)
		return tp->rto;
	return tcp_sent_at(tp, 0)->when + tp->rto - tp->sk.st->now;
}

/* RFC 6298 5.1 to 5.3. A probe or reordering wait in between does not count
 * as a new start. */
void tcp_rto_rearm(struct nst_tcp *tp)
{
	nst_time wait = tp->rto;

	if (tp->fo.pending)
		return; /* its SYN-ACK has the clock */
	if (!tp->packets_out) {
		tcp_rtx_clear(tp);
		return;
	}
	if (tp->rtx.what == TCP_RTX_REORDER || tp->rtx.what == TCP_RTX_TLP)
		wait = t_max(tcp_rto_left(tp), NST_US);
	tcp_rtx_set(tp, TCP_RTX_RTO, wait);
}

/* ---- giving up ---- */

/* LINUX: tcp_model_timeout: n + 1 waits that begin with the least RTO. */
static nst_time model(const struct nst_tcp *tp, uint32_t n)
{
	nst_time total = 0, step = TCP_RTO_MIN, max = tcp_rto_max(tp);

	for (uint32_t i = 0; i <= n; i++) {
		total += step;
		step = step * 2 > max ? max : step * 2;
	}
	return total;
}

/* Has the episode lasted for `limit`? In the timestamps' milliseconds. */
static bool lasted(const struct nst_tcp *tp, nst_time limit)
{
	nst_time now = tp->sk.st->now / NST_MS;

	return tp->retransmits &&
	       (now - tp->rexmit_start / NST_MS) * NST_MS >= limit;
}

uint32_t tcp_orphan_limit(const struct nst_tcp *tp, bool alive)
{
	uint32_t n = (uint32_t)TCP_CTL(tp, orphan_retries);

	if (tp->err_soft && !alive)
		return 0;
	return !n && alive ? TCP_ORPHAN_RETRIES : n;
}

static bool expired(const struct nst_tcp *tp)
{
	uint32_t n = (uint32_t)TCP_CTL(tp, retries2);

	if (tp->orphan)
		n = tcp_orphan_limit(tp, tp->rto < tcp_rto_max(tp));
	return lasted(tp, tcp_user_timeout(tp) ? tcp_user_timeout(tp)
					       : model(tp, n));
}

void tcp_give_up(struct nst_tcp *tp)
{
	TCP_COUNT(tp->sk.st, AbortOnTimeout);
	tcp_fail(tp, tp->err_soft ? tp->err_soft : NST_E_TIMEDOUT);
}

/* ---- statistics ---- */

void tcp_rto_count(struct nst_tcp *tp)
{
	if (!tp->retransmits) {
		tp->rto_stat.recoveries++;
		tp->rto_stat.since = tp->sk.st->now;
	}
	tp->retransmits++;
	tp->rto_stat.total++;
}

void tcp_rto_recovered(struct nst_tcp *tp)
{
	if (!tp->rto_stat.since)
		return;
	tp->rto_stat.time += tp->sk.st->now - tp->rto_stat.since;
	tp->rto_stat.since = 0;
}

/* What the time-out means, the first time. */
static void count_reason(struct nst_tcp *tp)
{
	struct nst_counters *c = &tp->sk.st->count;

	if (tp->retransmits)
		return;
	if (tp->ca_state == TCP_CA_LOSS)
		c->TcpLossFailures++;
	else if (tp->ca_state == TCP_CA_RECOVERY && tp->sack_on)
		c->TcpSackRecoveryFail++;
	else if (tp->ca_state == TCP_CA_RECOVERY)
		c->TcpRenoRecoveryFail++;
	else if (tp->ca_state != TCP_CA_DISORDER && !tp->sacked_out)
		return;
	else if (tp->sack_on)
		c->TcpSackFailures++;
	else
		c->TcpRenoFailures++;
}

/* ---- the timer ---- */

/* Too little in flight for duplicate ACKs: linear for a while, if asked. */
static bool thin(const struct nst_tcp *tp)
{
	return tp->state == NST_TCP_ESTABLISHED &&
	       (tp->conf.thin_lto || TCP_CTL(tp, thin_linear_timeouts)) &&
	       tp->packets_out < THIN_PACKETS &&
	       tp->ssthresh < TCP_SSTHRESH_INFINITE &&
	       tp->retransmits <= THIN_RETRIES;
}

/* RFC 6298 5.5 and 5.6; LINUX: not beyond the user's time-out. */
static void back_off(struct nst_tcp *tp)
{
	nst_time wait, left;

	if (thin(tp)) {
		tp->backoff = 0;
		tp->rto = t_max(tcp_rto_estimate(tp), tcp_rto_min(tp));
	} else {
		tp->backoff++;
		tp->rto *= 2;
	}
	tp->rto = t_min(tp->rto, tcp_rto_max(tp));
	wait = tp->rto;
	if (tcp_user_timeout(tp)) {
		left = tp->rexmit_start + tcp_user_timeout(tp) - tp->sk.st->now;
		wait = left > 0 ? t_min(wait, left) : NST_MS;
	}
	tcp_rtx_set(tp, TCP_RTX_RTO, wait);
}

/* The window was taken back to nothing: retransmissions are its probes, and
 * last as long as the peer answers (RFC 9293 3.8.6.1). */
static bool window_gone(const struct nst_tcp *tp)
{
	return !tp->snd_wnd && !tp->orphan && tcp_in_states(tp, TCPF_SYNCED);
}

static bool probes_expired(const struct nst_tcp *tp)
{
	nst_time now = tp->sk.st->now, limit = 2 * tcp_rto_max(tp);
	nst_time start =
	    tp->rexmit_start ? tp->rexmit_start : tcp_sent_at(tp, 0)->when;

	if (tcp_user_timeout(tp)) {
		if (now - start > tcp_user_timeout(tp))
			return true;
		limit = t_min(limit, tcp_user_timeout(tp));
	}
	return now - tp->last_ack_recv > limit && now - start > limit;
}

/* The way may have changed; the old one is kept if there is none. */
static void refresh(struct nst_tcp *tp)
{
	if (tcp_path_refresh(tp) == NST_OK)
		tcp_mss_sync(tp);
}

static void time_out(struct nst_tcp *tp)
{
	bool over = expired(tp);

	TCP_COUNT(tp->sk.st, Timeouts);
	if (lasted(tp, model(tp, (uint32_t)TCP_CTL(tp, retries1))))
		tcp_mtup_black_hole(tp);
	tcp_fo_blackhole_timeout(tp, tp->retransmits, over);
	if (over) {
		tcp_give_up(tp);
		return;
	}
	count_reason(tp);
	refresh(tp);
	tcp_loss_enter(tp);
	tcp_rto_count(tp);
	(void)tcp_rexmit(tp, 0, 1); /* failing, it is lost as others are */
	back_off(tp);
}

/* LINUX: tcp_ld_RTO_revert. */
void tcp_rto_revert(struct nst_tcp *tp)
{
	nst_time wait, left;

	if (!tp->retransmits || !tp->backoff || !tp->sents.n)
		return;
	tp->backoff--;
	tp->rto = tp->srtt ? tcp_rto_estimate(tp) : TCP_TIMEOUT_INIT;
	tp->rto = t_min(tp->rto, tcp_rto_max(tp));
	wait = t_min(tp->rto << u32_min(tp->backoff, 20), tcp_rto_max(tp));
	left = tcp_sent_at(tp, 0)->when + wait - tp->sk.st->now;
	if (left > 0)
		tcp_rtx_set(tp, TCP_RTX_RTO, left);
	else
		tcp_rto_fire(tp);
}

void tcp_rto_fire(struct nst_tcp *tp)
{
	tp->rtx.what = TCP_RTX_NONE;
	if (!tp->packets_out)
		return;
	if (!window_gone(tp)) {
		time_out(tp);
		return;
	}
	if (probes_expired(tp)) {
		tcp_give_up(tp);
		return;
	}
	refresh(tp);
	tcp_loss_enter(tp);
	(void)tcp_rexmit(tp, 0, 1);
	back_off(tp);
}

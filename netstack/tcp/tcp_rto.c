/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The retransmission timer: RFC 6298, with Linux's estimator (the deviation
 * falls slowly and has a floor of 200 ms of its own) and Linux's way to give
 * up (time that N doublings would take, not a count).
 */
#include "netstack/tcp/tcp_priv.h"

static void first_sample(struct nst_tcp *tp, nst_time rtt)
{
	tp->srtt = rtt * 8;
	tp->mdev = rtt * 2;
	tp->rttvar = t_max(tp->mdev, TCP_RTO_MIN);
	tp->mdev_max = tp->rttvar;
	tp->rtt_seq = tp->snd_nxt;
}

/* LINUX: tcp_rtt_estimator; a shrinking RTT must not raise the deviation. */
static void next_sample(struct nst_tcp *tp, nst_time rtt)
{
	nst_time err = rtt - tp->srtt / 8;

	tp->srtt += err;
	if (err < 0) {
		err = -err - tp->mdev / 4;
		if (err > 0)
			err /= 8;
	} else {
		err -= tp->mdev / 4;
	}
	tp->mdev += err;
	if (tp->mdev > tp->mdev_max) {
		tp->mdev_max = tp->mdev;
		tp->rttvar = t_max(tp->rttvar, tp->mdev_max);
	}
	if (seq_le(tp->snd_una, tp->rtt_seq))
		return;
	if (tp->mdev_max < tp->rttvar)
		tp->rttvar -= (tp->rttvar - tp->mdev_max) / 4;
	tp->rtt_seq = tp->snd_nxt;
	tp->mdev_max = TCP_RTO_MIN;
}

void tcp_rtt_sample(struct nst_tcp *tp, nst_time rtt)
{
	rtt = t_max(rtt, NST_US);
	if (!tp->min_rtt || rtt < tp->min_rtt)
		tp->min_rtt = rtt;
	if (!tp->srtt)
		first_sample(tp, rtt);
	else
		next_sample(tp, rtt);
	tp->rto = t_min(tp->srtt / 8 + tp->rttvar, TCP_RTO_MAX);
	tp->backoff = 0;
}

nst_time tcp_rto_backed(const struct nst_tcp *tp, uint32_t n)
{
	nst_time t = tp->rto;

	while (n-- && t < TCP_RTO_MAX)
		t *= 2;
	return t_min(t, TCP_RTO_MAX);
}

static nst_time user_timeout(const struct nst_tcp *tp)
{
	return (nst_time)tp->conf.user_timeout_ms * NST_MS;
}

nst_time tcp_rto_deadline(const struct nst_tcp *tp)
{
	nst_time at = tp->rto_base + tcp_rto_backed(tp, tp->backoff);

	if (!tcp_in_states(tp, TCPF_SYNCED))
		return NST_NEVER;
	if (user_timeout(tp) && tp->retransmits)
		at = t_min(at, tp->rexmit_start + user_timeout(tp));
	return at;
}

/* LINUX: tcp_model_timeout. */
bool tcp_timed_out(const struct nst_tcp *tp, nst_time since, uint32_t n)
{
	nst_time total = 0, step = TCP_RTO_MIN;

	if (user_timeout(tp))
		return tp->sk.st->now - since >= user_timeout(tp);
	for (uint32_t i = 0; i <= n; i++) {
		total += step;
		step = t_min(step * 2, TCP_RTO_MAX);
	}
	return tp->sk.st->now - since >= total;
}

uint32_t tcp_retry_limit(const struct nst_tcp *tp)
{
	return tp->orphan ? TCP_ORPHAN_RETRIES : TCP_RETRIES2;
}

void tcp_give_up(struct nst_tcp *tp)
{
	TCP_COUNT(tp->sk.st, AbortOnTimeout);
	tcp_fail(tp, tp->err_soft ? tp->err_soft : NST_E_TIMEDOUT);
}

void tcp_rto_fire(struct nst_tcp *tp)
{
	nst_time now = tp->sk.st->now;

	if (tp->retransmits &&
	    tcp_timed_out(tp, tp->rexmit_start, tcp_retry_limit(tp))) {
		tcp_give_up(tp);
		return;
	}
	TCP_COUNT(tp->sk.st, Timeouts);
	if (!tp->retransmits)
		tp->rexmit_start = now;
	tp->retransmits++;
	tp->backoff++;
	tp->rto_base = now;
	/* The way may have changed; the old one is kept if there is none. */
	if (tcp_path_refresh(tp) == NST_OK)
		tcp_mss_sync(tp);
	tcp_recovery_rto(tp);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The round trip: RFC 6298's estimate the way Linux computes it (a shrinking
 * RTT does not raise the deviation, the deviation falls slowly and has a floor
 * of tcp_rto_min), and the least RTT of the last tcp_min_rtt_wlen seconds.
 */
#include "netstack/tcp/tcp_priv.h"

nst_time tcp_rto_min(const struct nst_tcp *tp)
{
	uint32_t us = tp->conf.rto_min_us;

	return (us ? us : (uint32_t)TCP_CTL(tp, rto_min_us)) * NST_US;
}

nst_time tcp_rto_max(const struct nst_tcp *tp)
{
	uint32_t ms = tp->conf.rto_max_ms;

	return (ms ? ms : (uint32_t)TCP_CTL(tp, rto_max_ms)) * NST_MS;
}

static void first_sample(struct nst_tcp *tp, nst_time rtt)
{
	tp->srtt = rtt * 8;
	tp->mdev = rtt * 2;
	tp->rttvar = t_max(tp->mdev, tcp_rto_min(tp));
	tp->mdev_max = tp->rttvar;
	tp->rtt_seq = tp->snd_nxt;
}

/* LINUX: tcp_rtt_estimator. */
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
	tp->mdev_max = tcp_rto_min(tp);
}

/* LINUX: timers tick in milliseconds; what TCP_INFO shows is whole ones. */
nst_time tcp_rto_estimate(const struct nst_tcp *tp)
{
	nst_time rto = tp->srtt / 8 + tp->rttvar;

	return (rto + NST_MS - 1) / NST_MS * NST_MS;
}

void tcp_rtt_estimate(struct nst_tcp *tp, nst_time rtt)
{
	if (!tp->srtt)
		first_sample(tp, t_max(rtt, NST_US));
	else
		next_sample(tp, rtt);
	tp->srtt = t_max(tp->srtt, NST_US);
	tp->rto = t_min(tcp_rto_estimate(tp), tcp_rto_max(tp));
	tp->backoff = 0; /* RFC 6298 5.7 ends with a valid sample */
}

/* ---- the least ---- */

static void restart(struct tcp_rtt_min *m, nst_time now, nst_time rtt)
{
	for (int i = 0; i < 3; i++) {
		m->s[i].at = now;
		m->s[i].rtt = rtt;
	}
}

/* The window has slid: older bests go, and each third of it gets one. */
static void slide(struct tcp_rtt_min *m, nst_time now, nst_time rtt,
		  nst_time win)
{
	nst_time age = now - m->s[0].at;

	if (age > win) {
		m->s[0] = m->s[1];
		m->s[1] = m->s[2];
		m->s[2].at = now;
		m->s[2].rtt = rtt;
		if (now - m->s[0].at > win) {
			m->s[0] = m->s[1];
			m->s[1] = m->s[2];
		}
	} else if (m->s[1].at == m->s[0].at && age > win / 4) {
		m->s[1].at = m->s[2].at = now;
		m->s[1].rtt = m->s[2].rtt = rtt;
	} else if (m->s[2].at == m->s[1].at && age > win / 2) {
		m->s[2].at = now;
		m->s[2].rtt = rtt;
	}
}

/* Best of three, as in Nichols' windowed filter. */
void tcp_rtt_min_sample(struct nst_tcp *tp, nst_time rtt)
{
	nst_time win = (nst_time)TCP_CTL(tp, min_rtt_wlen) * NST_SEC;
	struct tcp_rtt_min *m = &tp->rtt_min;
	nst_time now = tp->sk.st->now;

	rtt = t_max(rtt, NST_US);
	if (!tp->min_rtt || rtt <= m->s[0].rtt || now - m->s[2].at > win) {
		restart(m, now, rtt);
	} else {
		if (rtt <= m->s[1].rtt) {
			m->s[1].at = m->s[2].at = now;
			m->s[1].rtt = m->s[2].rtt = rtt;
		} else if (rtt <= m->s[2].rtt) {
			m->s[2].at = now;
			m->s[2].rtt = rtt;
		}
		slide(m, now, rtt, win);
	}
	tp->min_rtt = m->s[0].rtt;
}

void tcp_rtt_sample(struct nst_tcp *tp, nst_time rtt)
{
	tcp_rtt_min_sample(tp, rtt);
	tcp_rtt_estimate(tp, rtt);
}

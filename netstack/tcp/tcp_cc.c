/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Congestion control: the vtable's table, and what all algorithms share (RFC
 * 5681 4.1 restart after idle; RFC 7661-like validation as Linux does it).
 */
#include "netstack/tcp/tcp_priv.h"

static const struct tcp_cc *const all[] = {&tcp_newreno};

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

const struct tcp_cc *tcp_cc_find(const char *name)
{
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (same(all[i]->name, name))
			return all[i];
	}
	return NULL;
}

void tcp_cc_start(struct nst_tcp *tp)
{
	tp->cwnd = TCP_INIT_CWND;
	/* RFC 6298 5.7 and RFC 5681 3.1: a lost SYN shrinks the first window.
	 */
	if (tp->hs_n > 0)
		tp->cwnd = 1;
	tp->cc->init(tp);
}

void tcp_cc_marked_lost(struct nst_tcp *tp, const struct tcp_sent *r)
{
	tp->rate.lost += r->pcount;
	if (tp->cc->marked_lost)
		tp->cc->marked_lost(tp, r);
}

void tcp_cc_control(struct nst_tcp *tp, uint32_t acked_sacked, uint32_t flags,
		    const struct tcp_rate_sample *rs)
{
	if (tp->cc->control) {
		tp->cc->control(tp, rs);
		return;
	}
	/* CWR and Recovery: PRR decides (tcp_prr_update). */
	if (tp->ca_state != TCP_CA_CWR && tp->ca_state != TCP_CA_RECOVERY &&
	    (flags & TCP_CCA_DATA_ACKED))
		tp->cc->cong_avoid(tp, acked_sacked);
}

/* LINUX: tcp_is_cwnd_limited: growth only for windows that are used. */
bool tcp_cc_is_limited(const struct nst_tcp *tp)
{
	if (tp->cwnd_limited)
		return true;
	return tp->cwnd < tp->ssthresh && tp->cwnd < 2 * tp->max_packets_out;
}

void tcp_cc_validate(struct nst_tcp *tp, bool limited)
{
	if (seq_ge(tp->snd_una, tp->cwnd_usage_seq) || limited ||
	    (!tp->cwnd_limited && tp->packets_out > tp->max_packets_out)) {
		tp->cwnd_limited = limited;
		tp->max_packets_out = tp->packets_out;
		tp->cwnd_usage_seq = tp->snd_nxt;
	}
}

void tcp_cc_idle_restart(struct nst_tcp *tp)
{
	nst_time idle = tp->sk.st->now - tp->last_data_sent;
	uint32_t floor = u32_min(TCP_INIT_CWND, tp->cwnd);

	if (tp->packets_out || !tp->last_data_sent || idle <= tp->rto)
		return;
	tp->ssthresh = u32_max(tp->ssthresh, tp->cwnd / 4 * 3);
	while ((idle -= tp->rto) > 0 && tp->cwnd > floor)
		tp->cwnd /= 2;
	tp->cwnd = u32_max(tp->cwnd, floor);
}

enum nst_err nst_tcp_set_cc(struct nst_tcp *tp, const char *name, nst_time now)
{
	const struct tcp_cc *cc = tcp_cc_find(name);

	(void)now;
	if (!cc)
		return NST_E_NOENT;
	if (cc == tp->cc)
		return NST_OK;
	tp->cc = cc;
	cc->init(tp);
	return NST_OK;
}

const char *nst_tcp_cc(const struct nst_tcp *tp)
{
	return tp->cc->name;
}

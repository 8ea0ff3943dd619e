/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Congestion control: the vtable's table, and what all algorithms share: how
 * windows grow (RFC 5681), restart after idle (RFC 5681 4.1), validation of
 * windows that are not used (in the spirit of RFC 7661, as Linux does it).
 */
#include "netstack/tcp/tcp_cc_priv.h"

static const struct tcp_cc *const all[] = {&tcp_newreno, &tcp_cubic, &tcp_bbr};

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

static void init_algorithm(struct nst_tcp *tp)
{
	for (size_t i = 0; i < TCP_CC_PRIV_WORDS; i++)
		tp->cc_priv[i] = 0;
	tp->cc->init(tp);
}

void tcp_cc_start(struct nst_tcp *tp)
{
	tp->cwnd = TCP_INIT_CWND;
	/* LINUX: RFC 5681 3.1 and RFC 6298 5.7 shrink the first window when
	 * the SYN was lost; here when it was lost twice, and surely so. */
	if (tp->hs_late)
		tp->cwnd = 1;
	tp->cwnd_stamp = tp->sk.st->now;
	init_algorithm(tp);
	if (!tp->cc->control)
		tcp_pace_update(tp);
}

/* ---- growth ---- */

bool tcp_cc_slow_start(struct nst_tcp *tp, uint32_t *pkts)
{
	uint32_t cwnd = u32_min(tp->cwnd + *pkts, tp->ssthresh);

	if (!tcp_cc_is_limited(tp))
		return false;
	if (!tcp_cc_in_slow_start(tp))
		return true;
	*pkts -= cwnd - tp->cwnd;
	tp->cwnd = u32_min(cwnd, TCP_CWND_MAX);
	return *pkts != 0;
}

void tcp_cc_grow(struct nst_tcp *tp, uint32_t per, uint32_t pkts)
{
	uint32_t n;

	/* Credit from when growth was slower counts once. */
	if (tp->cwnd_cnt >= per) {
		tp->cwnd_cnt = 0;
		tp->cwnd++;
	}
	tp->cwnd_cnt += pkts;
	if (tp->cwnd_cnt >= per) {
		n = tp->cwnd_cnt / per;
		tp->cwnd_cnt -= n * per;
		tp->cwnd += n;
	}
	tp->cwnd = u32_min(tp->cwnd, TCP_CWND_MAX);
}

void tcp_cc_marked_lost(struct nst_tcp *tp, const struct tcp_sent *r)
{
	tp->rate.lost += r->pcount;
	if (tp->cc->marked_lost)
		tp->cc->marked_lost(tp, r);
}

/* ---- the end of an ACK ---- */

static bool in_reduction(const struct nst_tcp *tp)
{
	return tp->ca_state == TCP_CA_CWR || tp->ca_state == TCP_CA_RECOVERY;
}

void tcp_cc_control(struct nst_tcp *tp, uint32_t acked_sacked, uint32_t flags,
		    const struct tcp_rate_sample *rs)
{
	if (tp->cc->control) {
		tp->cc->control(tp, rs);
		return;
	}
	/* CWR and Recovery: PRR decides (tcp_prr_update). */
	if (!in_reduction(tp) && (flags & TCP_CCA_DATA_ACKED)) {
		tp->cc->cong_avoid(tp, acked_sacked);
		tp->cwnd_stamp = tp->sk.st->now;
	}
	tcp_pace_update(tp);
}

/* ---- windows that are not used ---- */

/* LINUX: tcp_is_cwnd_limited: growth only for windows that are used; slow
 * start may reach twice of what was in flight. */
bool tcp_cc_is_limited(const struct nst_tcp *tp)
{
	if (tp->cwnd_limited)
		return true;
	return tcp_cc_in_slow_start(tp) && tp->cwnd < 2 * tp->max_packets_out;
}

/* What slow start may return to, although the window shrinks. */
static void keep_ssthresh(struct nst_tcp *tp)
{
	if (!in_reduction(tp))
		tp->ssthresh =
		    u32_max(tp->ssthresh, (tp->cwnd >> 1) + (tp->cwnd >> 2));
}

/* A whole RTO of sending less than the window: halfway to what was used. */
static void decay(struct nst_tcp *tp)
{
	uint32_t used = u32_max(tp->cwnd_used, TCP_INIT_CWND);

	tp->cwnd_stamp = tp->sk.st->now;
	if (tp->ca_state != TCP_CA_OPEN || tp->snd_blocked)
		return;
	if (used < tp->cwnd) {
		keep_ssthresh(tp);
		tp->cwnd = (tp->cwnd + used) / 2;
	}
	tp->cwnd_used = 0;
}

static bool reacts_to_idle(const struct nst_tcp *tp)
{
	return TCP_CTL(tp, slow_start_after_idle) && !tp->cc->control;
}

void tcp_cc_validate(struct nst_tcp *tp, bool limited)
{
	nst_time now = tp->sk.st->now;

	if (seq_ge(tp->snd_una, tp->cwnd_usage_seq) || limited ||
	    (!tp->cwnd_limited && tp->packets_out > tp->max_packets_out)) {
		tp->cwnd_limited = limited;
		tp->max_packets_out = tp->packets_out;
		tp->cwnd_usage_seq = tp->snd_nxt;
	}
	if (tcp_cc_is_limited(tp)) {
		tp->cwnd_used = 0;
		tp->cwnd_stamp = now;
		return;
	}
	tp->cwnd_used = u32_max(tp->cwnd_used, tp->packets_out);
	if (reacts_to_idle(tp) && now - tp->cwnd_stamp >= tp->rto)
		decay(tp);
}

/* Half a window for each RTO, but not below the restart window. */
static void restart(struct nst_tcp *tp, nst_time idle)
{
	uint32_t floor = u32_min(TCP_INIT_CWND, tp->cwnd);
	nst_time rto = tp->rto;

	if (tp->cc->event)
		tp->cc->event(tp, TCP_CE_CWND_RESTART);
	keep_ssthresh(tp);
	while ((idle -= rto) > 0 && tp->cwnd > floor)
		tp->cwnd /= 2;
	tp->cwnd = u32_max(tp->cwnd, floor);
	tp->cwnd_stamp = tp->sk.st->now;
	tp->cwnd_used = 0;
}

void tcp_cc_idle_restart(struct nst_tcp *tp)
{
	nst_time idle = tp->sk.st->now - tp->last_data_sent;

	if (!tp->packets_out && tp->last_data_sent && idle > tp->rto &&
	    reacts_to_idle(tp))
		restart(tp, idle);
}

/* The ACK clock is gone, whatever is in flight. An algorithm with control()
 * has a model of the path, and paces; its estimates stand until new samples
 * come. */
void tcp_cc_outage(struct nst_tcp *tp, nst_time outage)
{
	if (outage > tp->rto && !tp->cc->control)
		restart(tp, outage);
}

/* ---- the owner's choice ---- */

enum nst_err nst_tcp_set_cc(struct nst_tcp *tp, const char *name, nst_time now)
{
	const struct tcp_cc *cc = tcp_cc_find(name);
	struct nst_stack *st = tp->sk.st;

	if (!cc)
		return NST_E_NOENT;
	if (cc == tp->cc)
		return NST_OK;
	stack_enter(st, now);
	tp->cc = cc;
	if (!tcp_in_states(tp, TCPF(CLOSE) | TCPF(LISTEN)))
		init_algorithm(tp);
	stack_leave(st);
	return NST_OK;
}

const char *nst_tcp_cc(const struct nst_tcp *tp)
{
	return tp->cc->name;
}

size_t nst_tcp_cc_info(const struct nst_tcp *tp, nst_time now, void *out,
		       size_t cap)
{
	(void)now;
	return tp->cc->info ? tp->cc->info(tp, out, cap) : 0;
}

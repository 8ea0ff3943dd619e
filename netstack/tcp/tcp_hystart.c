/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaving slow start before it overflows the queue: HyStart (Ha & Rhee 2011)
 * with the second thoughts of HyStart++ (RFC 9406).
 *
 * Two signs end slow start, when the window is at least 16 segments: the
 * round's smallest RTT, of eight samples or more, is above the flow's by an
 * eighth (within 4 to 16 ms, RFC 9406 4.2); or a train of closely spaced ACKs
 * spans half the least RTT (all of it when packets are paced).
 *
 * RFC 9406 then grows at a quarter of slow start's speed for five rounds
 * (Conservative Slow Start) and resumes slow start if the RTT falls below what
 * it was when the first sign came, which was then jitter, not a queue.
 * DEVIATION: within these rounds we grow as congestion avoidance does, because
 * LINUX sets ssthresh to the window at once, and programs and scripts look at
 * both; the taking back is RFC 9406's.
 *
 * DEVIATION: where packets overtake each other, the least RTT is that of one
 * that did, and every round without such luck looks like a queue. So nothing
 * is judged once reordering has been seen, and what was judged in the last
 * five rounds is taken back; RFC 9406 leaves the end of slow start to losses
 * then. LINUX stays at the window of that moment, often 30 segments.
 */
#include "netstack/base/mem.h"
#include "netstack/tcp/tcp_cc_priv.h"

#define LOW_WINDOW 16u
#define MIN_SAMPLES 8u
#define CSS_ROUNDS 5u
#define THRESH_MIN (4 * NST_MS)
#define THRESH_MAX (16 * NST_MS)
#define TRAIN_GAP (2 * NST_MS)
#define TRAIN_BYTES (4 * 65536ull) /* ACKs bunch by this much at the sender */

static void new_round(struct nst_tcp *tp, struct tcp_hystart *h)
{
	h->round_start = tp->sk.st->now;
	h->last_ack = tp->sk.st->now;
	h->round_end = tp->snd_nxt;
	h->curr_rtt = 0;
	h->samples = 0;
}

void tcp_hystart_reset(struct nst_tcp *tp, struct tcp_hystart *h)
{
	memset(h, 0, sizeof(*h));
	new_round(tp, h);
}

static void end_slow_start(struct nst_tcp *tp, struct tcp_hystart *h)
{
	h->found = true;
	h->exit_cwnd = tp->cwnd;
	h->base_rtt = 0;
	h->css_rounds = CSS_ROUNDS;
	tp->ssthresh = tp->cwnd;
}

/* How long the sender itself may have held packets together. */
static nst_time bunching(const struct nst_tcp *tp)
{
	uint64_t rate = tcp_pace_rate(tp);

	if (!rate || rate == UINT64_MAX)
		return 0;
	return t_min(NST_MS, (nst_time)(TRAIN_BYTES * NST_SEC / rate));
}

static void watch_train(struct nst_tcp *tp, struct tcp_hystart *h,
			nst_time min_rtt)
{
	nst_time now = tp->sk.st->now, most;

	if (now - h->last_ack > TRAIN_GAP)
		return;
	h->last_ack = now;
	most = min_rtt + bunching(tp);
	if (!tcp_pace_needed(tp))
		most /= 2;
	if (now - h->round_start <= most)
		return;
	TCP_COUNT(tp->sk.st, HystartTrainDetect);
	tp->sk.st->count.TcpHystartTrainCwnd += tp->cwnd;
	end_slow_start(tp, h);
}

static nst_time thresh(nst_time rtt)
{
	return t_min(t_max(rtt / 8, THRESH_MIN), THRESH_MAX);
}

/* false: too few samples in this round to judge. */
static bool sample(struct tcp_hystart *h, nst_time rtt)
{
	if (!h->curr_rtt || rtt < h->curr_rtt)
		h->curr_rtt = rtt;
	if (h->samples >= MIN_SAMPLES)
		return true;
	h->samples++;
	return false;
}

static void watch_delay(struct nst_tcp *tp, struct tcp_hystart *h, nst_time rtt,
			nst_time min_rtt)
{
	if (!sample(h, rtt) || h->found ||
	    h->curr_rtt <= min_rtt + thresh(min_rtt))
		return;
	TCP_COUNT(tp->sk.st, HystartDelayDetect);
	tp->sk.st->count.TcpHystartDelayCwnd += tp->cwnd;
	end_slow_start(tp, h);
	h->base_rtt = h->curr_rtt;
}

/* RFC 9406 4.2, in CSS: was the end of slow start a mistake? A recovery has a
 * threshold of its own, which an undo takes back. */
static void second_thoughts(struct nst_tcp *tp, struct tcp_hystart *h,
			    nst_time rtt)
{
	bool lower;

	if (tp->ca_state > TCP_CA_DISORDER)
		return;
	if (tp->ssthresh != h->exit_cwnd || tp->cwnd < h->exit_cwnd) {
		h->css_rounds = 0; /* something else has set them since */
		return;
	}
	lower = sample(h, rtt) && h->curr_rtt < h->base_rtt;
	if (!lower && !tp->reord.seen)
		return;
	tp->ssthresh = TCP_SSTHRESH_INFINITE;
	h->css_rounds = 0;
	h->found = false;
}

void tcp_hystart_ack(struct nst_tcp *tp, struct tcp_hystart *h, nst_time rtt,
		     nst_time min_rtt)
{
	bool watching = !h->found && tcp_cc_in_slow_start(tp);

	if (!watching && !h->css_rounds)
		return;
	if (seq_gt(tp->snd_una, h->round_end)) {
		new_round(tp, h);
		if (h->css_rounds)
			h->css_rounds--;
	}
	if (h->css_rounds) {
		second_thoughts(tp, h, rtt);
	} else if (watching && tp->cwnd >= LOW_WINDOW && !tp->reord.seen) {
		watch_train(tp, h, min_rtt);
		watch_delay(tp, h, rtt, min_rtt);
	}
}

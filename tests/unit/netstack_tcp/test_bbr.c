/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BBR's states over a bottleneck: one packet after the other is served by a
 * queue of a rate, with a delay and a limit. Records, rate samples and the
 * algorithm are the real ones; what tcp_in_ack.c does is done here in its
 * plainest form. draft-ietf-ccwg-bbr.
 */
#include "tests/unit/netstack_tcp/harness.h"

#include "netstack/tcp/tcp_bbr.h"

#define MSS 1460u
#define RTT (40 * NST_MS)
#define GAP (1 * NST_MS) /* of the bottleneck: 40 packets in a round trip */
#define FLIGHT 4096u

struct pkt {
	struct tcp_sent r;
	nst_time arrives; /* its ACK; with lost: when the loss is known */
	bool lost;
};

static struct wire w;
static struct nst_tcp *tp;
static struct pkt line[FLIGHT];
static uint32_t head, tail;
static nst_time served; /* the queue is busy until */
static nst_time gap;
static uint32_t limit;      /* packets that may wait */
static uint32_t lose_every; /* of what leaves; 0: none */
static bool greedy;         /* the owner has always more */
static uint64_t sent_n, got_n, lost_n;
static uint64_t waited_n; /* sum over packets of those before them */

static void setup(void)
{
	w_init(&w);
	w_connect(&w, O_ALL);
	tp = w.tp;
	tp->min_rtt = tp->srtt = 0; /* the handshake's was another path */
	cr_assert_eq(nst_tcp_set_cc(tp, "bbr", w.now), NST_OK);
	head = tail = 0;
	served = 0;
	gap = GAP;
	limit = 80;
	lose_every = 0;
	greedy = true;
	sent_n = got_n = lost_n = 0;
}

static void teardown(void)
{
	tp->packets_out = tp->lost_out = 0;
	tp->rate.app_limited = 0;
	w_fini(&w);
}

TestSuite(bbr, .init = setup, .fini = teardown);

static struct tcp_bbr_state *b(void)
{
	return tcp_bbr_of(tp);
}

/* ---- the model of a connection ---- */

static void send_one(void)
{
	nst_time now = w.st->now, q = served > now ? served : now;
	uint32_t waiting = (uint32_t)((q - now) / gap);
	struct pkt *p = &line[tail++ % FLIGHT];

	cr_assert_lt(tail - head, FLIGHT);
	memset(p, 0, sizeof(*p));
	p->r.seq.v = (uint32_t)sent_n * MSS;
	p->r.len = MSS;
	p->r.pcount = 1;
	p->r.when = now;
	sent_n++;
	if (!tcp_in_flight(tp))
		tp->cc->event(tp, TCP_CE_TX_START);
	tp->packets_out++;
	tcp_rate_sent(tp, &p->r);
	tp->data_segs_out++;
	tcp_pace_sent(tp, MSS);
	p->lost = waiting >= limit || (lose_every && !(sent_n % lose_every));
	if (waiting >= limit) {
		p->arrives = now + RTT + waiting * gap + 2 * gap;
		return;
	}
	waited_n += waiting;
	served = q + gap;
	p->arrives = served + RTT - gap + (p->lost ? 2 * gap : 0);
}

static void output(void)
{
	bool limited;

	tp->pace.blocked = false;
	while (greedy && tcp_in_flight(tp) < tp->cwnd && !tcp_pace_wait(tp))
		send_one();
	limited = tcp_in_flight(tp) >= tp->cwnd;
	tcp_cc_validate(tp, limited);
}

static void ack_one(struct pkt *p)
{
	struct tcp_rate_sample rs;
	uint32_t lost = 0;

	tcp_rate_begin(tp, &rs);
	if (p->lost) {
		lost = 1;
		lost_n++;
		tp->packets_out--; /* sent again as a new one */
		tcp_cc_marked_lost(tp, &p->r);
	} else {
		tcp_rate_delivered(tp, &p->r, &rs);
		tp->packets_out--;
		tp->delivered++;
		got_n++;
		rs.rtt = w.st->now - p->r.when;
		tcp_rtt_sample(tp, rs.rtt);
	}
	tcp_rate_gen(tp, !p->lost, lost, false, &rs);
	tcp_cc_control(tp, !p->lost, TCP_CCA_DATA_ACKED, &rs);
}

/* In order of arrival; those that are lost are known a little later. */
static struct pkt *next_pkt(void)
{
	struct pkt *best = NULL;

	for (uint32_t i = head; i != tail && i < head + 400; i++) {
		struct pkt *p = &line[i % FLIGHT];

		if (p->arrives && (!best || p->arrives < best->arrives))
			best = p;
	}
	return best;
}

static void step(nst_time end)
{
	struct pkt *p = next_pkt();
	nst_time at = p ? p->arrives : NST_NEVER;

	if (tp->pace.blocked && tp->pace.next < at)
		at = tp->pace.next;
	if (at > end) {
		w.st->now = end;
		return;
	}
	w.st->now = at;
	if (p && p->arrives == at) {
		ack_one(p);
		p->arrives = 0;
		while (head != tail && !line[head % FLIGHT].arrives)
			head++;
	}
	output();
}

static void run(nst_time time)
{
	nst_time end = w.st->now + time;

	output();
	while (w.st->now < end)
		step(end);
}

/* Until the state is reached; how long it took. */
static nst_time until(uint8_t mode, int phase, nst_time most)
{
	nst_time start = w.st->now;

	output();
	while (b()->mode != mode || (phase >= 0 && b()->phase != phase)) {
		cr_assert_lt(w.st->now - start, most, "mode %d phase %d",
			     b()->mode, b()->phase);
		step(w.st->now + NST_MS);
	}
	return w.st->now - start;
}

static double bw_pkts_per_s(void)
{
	return (double)bbr_bw(b()) * 1e6 / (1 << BBR_BW_SHIFT);
}

/* ---- tests ---- */

/* BBRCheckStartupDone, BBRCheckDrainDone. */
Test(bbr, startup_fills_the_pipe_and_drains)
{
	cr_assert_eq(b()->mode, BBR_STARTUP);
	cr_assert_eq(b()->pacing_gain, 256 * 277 / 100 + 1);
	until(BBR_DRAIN, -1, 2 * NST_SEC);
	cr_assert(b()->full_bw_reached);
	cr_assert_float_eq(bw_pkts_per_s(), 1000, 30);
	cr_assert_eq(b()->pacing_gain, 256 * 1000 / 2885);
	until(BBR_PROBE_BW, -1, NST_SEC);
	/* What the draft's Drain is for: no more than the BDP in flight. */
	cr_assert_leq(tcp_in_flight(tp),
		      bbr_inflight(tp, bbr_max_bw(b()), BBR_UNIT) + 2);
	cr_assert_eq(b()->min_rtt / NST_MS, 40);
}

/* Four phases in order; UP comes 2 to 3 s after the last, or after as many
 * rounds as a Reno flow would take. */
Test(bbr, probe_bw_cycle)
{
	nst_time t;

	until(BBR_PROBE_BW, BBR_DOWN, 3 * NST_SEC);
	until(BBR_PROBE_BW, BBR_CRUISE, NST_SEC);
	cr_assert_eq(b()->pacing_gain, 256);
	t = until(BBR_PROBE_BW, BBR_REFILL, 4 * NST_SEC);
	cr_assert_geq(t, 1 * NST_SEC);
	cr_assert_eq(b()->bw_lo, BBR_NONE);
	cr_assert_eq(b()->inflight_lo, BBR_NONE);
	t = until(BBR_PROBE_BW, BBR_UP, NST_SEC);
	cr_assert_geq(t, 35 * NST_MS); /* a round */
	cr_assert_eq(b()->pacing_gain, 320);
	cr_assert_eq(b()->cwnd_gain, 576);
	until(BBR_PROBE_BW, BBR_DOWN, NST_SEC);
	cr_assert_eq(b()->pacing_gain, 256 * 91 / 100);
}

/* The point of it all: full throughput, next to no queue. */
Test(bbr, full_rate_and_short_queue)
{
	uint64_t before, waited;

	until(BBR_PROBE_BW, BBR_CRUISE, 3 * NST_SEC);
	before = got_n;
	waited = waited_n;
	run(4 * NST_SEC);
	cr_assert_geq(got_n - before, 3800);
	/* A quarter of the BDP on average, probes counted. */
	cr_assert_leq((waited_n - waited) / (got_n - before), 10, "%lu",
		      (waited_n - waited) / (got_n - before));
}

/* More bandwidth is found by the next probes. */
Test(bbr, finds_more_bandwidth)
{
	run(4 * NST_SEC);
	gap = GAP / 3;
	limit *= 3;
	run(12 * NST_SEC);
	cr_assert_geq(bw_pkts_per_s(), 2700);
}

/* Less bandwidth is believed after two cycles. */
Test(bbr, believes_less_bandwidth)
{
	run(4 * NST_SEC);
	gap = GAP * 4;
	run(12 * NST_SEC);
	cr_assert_leq(bw_pkts_per_s(), 275);
	cr_assert_geq(bw_pkts_per_s(), 220);
}

/* PROBE_RTT each five seconds: half of the BDP for 200 ms. */
Test(bbr, probe_rtt)
{
	nst_time t;

	run(2 * NST_SEC);
	t = until(BBR_PROBE_RTT, -1, 9 * NST_SEC);
	cr_assert_geq(t, 2 * NST_SEC);
	run(150 * NST_MS);
	cr_assert_eq(b()->mode, BBR_PROBE_RTT);
	cr_assert_leq(tp->cwnd, 22);
	cr_assert_leq(tcp_in_flight(tp), 22);
	t = until(BBR_PROBE_BW, -1, NST_SEC);
	cr_assert_leq(t, 400 * NST_MS);
	cr_assert_geq(tp->cwnd, 30);
}

/* An owner that sends little is not taken for a slow path. */
Test(bbr, app_limited_samples_do_not_lower_bandwidth)
{
	double before;

	run(3 * NST_SEC);
	before = bw_pkts_per_s();
	greedy = false;
	run(NST_SEC);
	for (int i = 0; i < 500; i++) {
		tp->rate.app_limited = tp->delivered + 1;
		send_one();
		run(20 * NST_MS);
	}
	cr_assert_float_eq(bw_pkts_per_s(), before, before / 20);
}

/* From idle at the estimate, not in a burst: BBRHandleRestartFromIdle. */
Test(bbr, restarts_from_idle_at_the_estimate)
{
	run(3 * NST_SEC);
	until(BBR_PROBE_BW, BBR_CRUISE, 4 * NST_SEC);
	greedy = false;
	run(NST_SEC);
	tp->rate.app_limited = tp->delivered + 1;
	greedy = true;
	output();
	cr_assert(b()->idle_restart);
	cr_assert_float_eq((double)tp->pace.rate, 990.0 * MSS, 60.0 * MSS);
	cr_assert_leq(tcp_in_flight(tp), 2);
}

/* Losses of a path that has no queue do not slow it down. */
Test(bbr, random_loss_is_no_congestion)
{
	uint64_t before;

	lose_every = 100;
	run(5 * NST_SEC);
	before = got_n;
	run(10 * NST_SEC);
	cr_assert_geq(got_n - before, 8800);
}

/* A short buffer: the bound on what is in flight keeps losses few. */
Test(bbr, short_buffer_bounds_what_is_in_flight)
{
	uint64_t lost, got;

	limit = 8;
	run(5 * NST_SEC);
	lost = lost_n;
	got = got_n;
	run(20 * NST_SEC);
	cr_assert_geq(got_n - got, 17000);
	cr_assert_leq(lost_n - lost, (got_n - got) / 33);
}

/* BBRUndo: what a spurious episode took away comes back. */
Test(bbr, undo)
{
	uint32_t cwnd;

	run(3 * NST_SEC);
	cwnd = tp->cwnd;
	tp->ssthresh = tp->cc->ssthresh(tp);
	b()->bw_lo = 1;
	b()->inflight_lo = 4;
	b()->inflight_hi = 4;
	tp->cwnd = 4;
	cr_assert_eq(tp->cc->undo_cwnd(tp), cwnd);
	cr_assert_eq(b()->bw_lo, BBR_NONE);
	cr_assert_eq(b()->inflight_lo, BBR_NONE);
}

/* LINUX: struct tcp_bbr_info. */
Test(bbr, info)
{
	uint32_t v[5];

	cr_assert_eq(nst_tcp_cc_info(tp, w.now, v, sizeof(v)), sizeof(v));
	cr_assert_eq(v[3], 256 * 277 / 100 + 1);
	cr_assert_eq(v[4], 512);
	run(3 * NST_SEC);
	cr_assert_eq(nst_tcp_cc_info(tp, w.now, v, 12), 12);
	cr_assert_float_eq(v[0], 1000.0 * MSS, 30.0 * MSS);
	cr_assert_eq(v[1], 0);
	cr_assert_eq(v[2] / 1000, 40);
}

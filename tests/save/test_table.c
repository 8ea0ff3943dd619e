/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every TCP state with everything that can be under way in it, by each
 * congestion control: saved once at that point, the connection finishes against
 * its scripted peer as it would have, packet by packet, to the nanosecond; the
 * same with a save after every event.
 */
#include "tests/save/table.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/netstack_tcp/harness.h"

#define MSS 1448u
#define RTT (40 * NST_MS)

static const char *const cond_names[CONDS] = {
    "nothing",     "data queued", "in flight",     "out of order", "sacked",
    "zero window", "FIN pending", "urgent",        "cork",         "pacing",
    "recovery",    "TLP pending", "RTO backed off"};

static const char *const state_names[STATES] = {
    "SYN-SENT",   "SYN-RCVD", "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2",
    "CLOSE-WAIT", "CLOSING",  "LAST-ACK",    "TIME-WAIT"};

#define C(c) (1u << (c))
#define ALL_SENDING                                                            \
	(C(NOTHING) | C(QUEUED) | C(FLIGHT) | C(SACKED) | C(ZERO_WINDOW) |     \
	 C(URGENT) | C(CORK) | C(PACING) | C(RECOVERY) | C(TLP) |              \
	 C(BACKED_OFF))
/* What there can be: nothing is out of order when the peer's FIN has come, or
 * unacknowledged when our FIN was acknowledged. */
static const uint32_t possible[STATES] = {
    [IN_SYN_SENT] = C(NOTHING) | C(BACKED_OFF),
    [IN_SYN_RCVD] = C(NOTHING) | C(BACKED_OFF),
    [IN_ESTABLISHED] = ALL_SENDING | C(OOO),
    [IN_FIN_WAIT1] = ALL_SENDING | C(OOO) | C(FIN_PENDING),
    [IN_FIN_WAIT2] = C(NOTHING) | C(OOO) | C(URGENT),
    [IN_CLOSE_WAIT] = ALL_SENDING,
    [IN_CLOSING] = ALL_SENDING | C(FIN_PENDING),
    [IN_LAST_ACK] = ALL_SENDING | C(FIN_PENDING),
    [IN_TIME_WAIT] = C(NOTHING),
};

struct cell {
	enum where state;
	enum cond cond;
	const char *cc;
	bool save; /* at the point */
	struct wire w;
	uint32_t pseq;  /* next of the peer */
	uint32_t acked; /* by the peer */
	uint16_t wnd;
	uint64_t read, info;
	bool shut, peer_fin;
};

struct table_lost table_lost;

bool table_possible(enum where s, enum cond k)
{
	return possible[s] & C(k);
}

#define must(c, e)                                                             \
	cr_assert(table_lost.bytes || (e), "%s: %s with %s: %s does not hold", \
		  (c)->cc, state_names[(c)->state], cond_names[(c)->cond], #e)

/* ---- the peer ---- */

static void ack_to(struct cell *c, uint32_t to)
{
	c->acked = to;
	w_in(&c->w, A, c->pseq, to, 0, c->wnd);
}

static void ack_all(struct cell *c)
{
	ack_to(c, c->w.tp->snd_nxt.v - c->w.isn);
}

static void sack(struct cell *c, uint32_t from, uint32_t to)
{
	struct wseg s = w_seg(&c->w, A, c->pseq, c->acked, 0);

	s.nsack = 1;
	s.sack[0] = (struct tcp_range){{c->acked + from}, {c->acked + to}};
	w_send(&c->w, &s);
}

static void peer_fin(struct cell *c)
{
	if (c->peer_fin)
		return;
	c->peer_fin = true;
	w_in(&c->w, F | A, c->pseq++, c->acked, 0, c->wnd);
}

static void shut(struct cell *c)
{
	if (c->shut)
		return;
	c->shut = true;
	cr_assert_eq(nst_tcp_shutdown(c->w.tp, false, true, c->w.now), NST_OK);
	w_check(&c->w);
}

/* ---- the beginning ---- */

static void establish(struct cell *c)
{
	struct wire *w = &c->w;

	w->peer_wscale = 2;
	w_new(w);
	cr_assert_eq(nst_tcp_set_cc(w->tp, c->cc, w->now), NST_OK);
	w_connect(w, O_ALL);
	c->pseq = c->acked = 1;
	c->wnd = 65535;
	for (int i = 0; i < 4; i++) {
		w_write(w, 4 * MSS);
		w_after(w, RTT);
		ack_all(c);
	}
	w_after(w, RTT);
	ack_all(c);
	w_drain(w);
	must(c, !c->w.tp->packets_out);
}

static void begin_urgent(struct cell *c)
{
	struct wire *w = &c->w;
	struct wseg s = w_seg(w, U | P | A, c->pseq, c->acked, 20);

	s.up = 15;
	w_opt(w, NST_SO_OOBINLINE, 1);
	w_send(w, &s);
	c->pseq += 20;
	w_write(w, 100);
	cr_assert_eq(nst_tcp_snd_urgent(w->tp, 'u', w->now), NST_OK);
	w_check(w);
}

static void begin_recovery(struct cell *c)
{
	w_write(&c->w, 40 * MSS);
	w_after(&c->w, RTT);
	for (uint32_t i = 2; i < 6; i++) {
		sack(c, MSS, i * MSS);
		w_after(&c->w, NST_MS);
	}
	w_after(&c->w, 30 * NST_MS);
	must(c, c->w.tp->ca_state == TCP_CA_RECOVERY);
}

static void begin_zero_window(struct cell *c)
{
	c->wnd = 0;
	ack_all(c);
	w_write(&c->w, 3000);
	w_after(&c->w, 700 * NST_MS);
	must(c, c->w.tp->rtx.what == TCP_RTX_PERSIST);
}

static void begin_pacing(struct cell *c)
{
	w_opt(&c->w, NST_SO_MAX_PACING_RATE, 20000);
	w_write(&c->w, 10 * MSS);
	w_after(&c->w, 10 * NST_MS);
	must(c, c->w.tp->pace.next > c->w.now);
}

static void begin_sacked(struct cell *c)
{
	w_write(&c->w, 6 * MSS);
	w_after(&c->w, 20 * NST_MS);
	sack(c, MSS, 2 * MSS);
	must(c, c->w.tp->sacked_out);
}

static void begin_backed_off(struct cell *c)
{
	w_write(&c->w, 2 * MSS);
	w_after(&c->w, 1700 * NST_MS);
	must(c, c->w.tp->backoff);
}

static void begin(struct cell *c)
{
	struct wire *w = &c->w;

	switch (c->cond) {
	case QUEUED:
		w_write(w, 60 * MSS);
		must(c, nst_tcp_outq_nsd(w->tp));
		break;
	case FLIGHT:
		w_write(w, 2 * MSS);
		must(c, w->tp->packets_out);
		break;
	case OOO:
		w_in(w, A, c->pseq + 1000, c->acked, 500, c->wnd);
		must(c, w->tp->ooo.n);
		break;
	case SACKED:
		begin_sacked(c);
		break;
	case ZERO_WINDOW:
	case FIN_PENDING:
		begin_zero_window(c);
		break;
	case URGENT:
		begin_urgent(c);
		break;
	case CORK:
		w_opt(w, NST_TCP_CORK, 1);
		w_write(w, 100);
		must(c, tcp_cork_deadline(w->tp) != NST_NEVER);
		break;
	case PACING:
		begin_pacing(c);
		break;
	case RECOVERY:
		begin_recovery(c);
		break;
	case TLP:
		w_write(w, MSS);
		w_after(w, 10 * NST_MS);
		must(c, w->tp->rtx.what == TCP_RTX_TLP);
		break;
	case BACKED_OFF:
		begin_backed_off(c);
		break;
	default:
		break;
	}
}

/* The FIN may be paced, or wait behind what was queued. */
static void ack_until_done(struct cell *c)
{
	for (int i = 0; i < 10 && nst_tcp_outq(c->w.tp); i++) {
		w_after(&c->w, RTT);
		ack_all(c);
	}
}

static void enter(struct cell *c)
{
	switch (c->state) {
	case IN_FIN_WAIT1:
		shut(c);
		ST(&c->w, FIN_WAIT1);
		break;
	case IN_FIN_WAIT2:
		shut(c);
		ack_until_done(c);
		ST(&c->w, FIN_WAIT2);
		break;
	case IN_CLOSE_WAIT:
		peer_fin(c);
		ST(&c->w, CLOSE_WAIT);
		break;
	case IN_CLOSING:
		shut(c);
		peer_fin(c);
		ST(&c->w, CLOSING);
		break;
	case IN_LAST_ACK:
		peer_fin(c);
		shut(c);
		ST(&c->w, LAST_ACK);
		break;
	case IN_TIME_WAIT:
		shut(c);
		ack_until_done(c);
		peer_fin(c);
		cr_assert_eq(c->w.st->tcp->ntw, 1);
		break;
	default:
		break;
	}
	if (c->cond == FIN_PENDING)
		must(c, c->w.tp->fin_queued &&
			    c->w.tp->snd_nxt.v != tcp_write_seq(c->w.tp).v + 1);
}

/* ---- the end ---- */

static void read_all(struct cell *c)
{
	for (size_t n; (n = w_read(&c->w, 100000));)
		c->read += n;
}

/* What TCP_INFO says is part of what came of it. */
static void note_info(struct cell *c)
{
	struct nst_tcp_info info;
	const uint8_t *p = (const uint8_t *)&info;

	memset(&info, 0, sizeof(info));
	nst_tcp_info(c->w.tp, c->w.now, &info);
	for (size_t i = 0; i < sizeof(info); i++)
		c->info = (c->info ^ p[i]) * 0x100000001b3u;
}

/* A part is acknowledged, and the program goes on; the others are left alone,
 * for their timers. */
#define GOES_ON (C(QUEUED) | C(FLIGHT) | C(OOO) | C(PACING) | C(RECOVERY))

static void go_on(struct cell *c)
{
	struct wire *w = &c->w;

	if (w->tp->packets_out > 1 && c->wnd) {
		/* In recovery, up to what was SACKed. */
		ack_to(c, c->acked + (c->cond == RECOVERY ? 5 : 1) * MSS);
		w_after(w, 3 * NST_MS);
		sack(c, 2 * MSS, 3 * MSS);
		w_after(w, 3 * NST_MS);
		ack_to(c, c->acked + MSS);
	}
	if (!c->shut)
		w_write(w, 2 * MSS + 100);
	w_after(w, 5 * NST_MS);
	note_info(c);
}

static void finish(struct cell *c)
{
	struct wire *w = &c->w;

	note_info(c);
	if (C(c->cond) & GOES_ON)
		go_on(c);
	w_after(w, 3 * NST_SEC);
	c->wnd = 65535;
	for (int i = 0; i < 200 && nst_tcp_outq(w->tp); i++) {
		ack_all(c);
		w_after(w, RTT);
		if (i == 50) /* the cork's 200 ms are long over */
			w_opt(w, NST_TCP_CORK, 0);
	}
	must(c, !nst_tcp_outq(w->tp));
	note_info(c);
	if (c->cond == OOO) {
		w_in(w, A, c->pseq, c->acked, 1000, c->wnd);
		c->pseq += 1500;
	}
	read_all(c);
	w_after(w, NST_SEC);
	shut(c);
	w_after(w, RTT);
	ack_all(c);
	peer_fin(c);
	w_after(w, 70 * NST_SEC);
	w_close(w);
	w_after(w, NST_SEC);
	must(c, w->st->nsocks == (w->lis != NULL) && !w->st->tcp->ntw);
}

/* ---- a connection that is being made ---- */

static void point(struct cell *c)
{
	struct nst_tcp *tp;

	if (!c->save)
		return;
	w_reborn(&c->w);
	tp = c->w.tp;
	if (!table_lost.bytes || !tp)
		return;
	memset((uint8_t *)tp + table_lost.at, 0, table_lost.bytes);
	tcp_timers_stop(tp);
	tcp_timers_update(tp);
}

static void active_open(struct cell *c)
{
	struct nst_sockaddr to = test_sa(W_PEER, W_PEER_PORT);
	struct wire *w = &c->w;

	w_new(w);
	cr_assert_eq(nst_tcp_set_cc(w->tp, c->cc, w->now), NST_OK);
	cr_assert_eq(nst_tcp_connect(w->tp, &to, w->now), NST_E_INPROGRESS);
	w_check(w);
	w_after(w, c->cond == BACKED_OFF ? 4 * NST_SEC : 100 * NST_MS);
	ST(w, SYN_SENT);
	point(c);
	w_after(w, 600 * NST_SEC);
	ST(w, CLOSE);
	w_close(w);
}

static void passive_open(struct cell *c)
{
	struct wire *w = &c->w;

	w_listen(w, 5);
	w_syn(w, O_ALL);
	EXPECT(w, S | A, 0, 1, 0);
	w_after(w, c->cond == BACKED_OFF ? 4 * NST_SEC : 100 * NST_MS);
	point(c);
	w_after(w, 2 * NST_SEC);
	w_drain(w);
	w_in(w, A, 1, 1, 0, 65535);
	cr_assert_eq(nst_tcp_accept(w->lis, &w->tp), NST_OK);
	c->pseq = c->acked = 1;
	w_write(w, 3 * MSS);
	finish(c);
	nst_tcp_close(w->lis, w->now);
	w->lis = NULL;
}

/* ---- cells ---- */

static void play(struct cell *c)
{
	if (c->state == IN_SYN_SENT) {
		active_open(c);
	} else if (c->state == IN_SYN_RCVD) {
		passive_open(c);
	} else {
		establish(c);
		begin(c);
		enter(c);
		point(c);
		finish(c);
	}
}

struct outcome table_run(enum where s, enum cond k, const char *cc, int mode)
{
	struct cell c = {.state = s, .cond = k, .cc = cc, .save = mode == 1};
	struct outcome o;

	w_init(&c.w);
	c.w.reborn_at = mode == 2 ? -2 : -1;
	c.w.unchecked = table_lost.bytes > 0;
	play(&c);
	memset(&o, 0, sizeof(o));
	o.trace = c.w.trace;
	o.read = c.read;
	o.info = c.info;
	o.end = c.w.now;
	o.count = *nst_counters(c.w.st);
	w_fini(&c.w);
	return o;
}

static void table(const char *cc)
{
	unsigned cells = 0;

	for (int s = 0; s < STATES; s++) {
		for (int k = 0; k < CONDS; k++) {
			struct outcome was, now;

			if (!table_possible(s, k))
				continue;
			cells++;
			was = table_run(s, k, cc, 0);
			for (int mode = 1; mode <= 2; mode++) {
				now = table_run(s, k, cc, mode);
				cr_expect(!memcmp(&was, &now, sizeof(now)),
					  "%s: %s with %s: other %s, saved %s",
					  cc, state_names[s], cond_names[k],
					  was.trace != now.trace ? "packets"
					  : was.read != now.read ? "data"
					  : was.info != now.info ? "TCP_INFO"
								 : "counters",
					  mode == 1 ? "once"
						    : "after every event");
			}
		}
	}
	cr_expect_eq(cells, 68, "%u cells", cells);
}

Test(save_table, reno)
{
	table("reno");
}

Test(save_table, cubic)
{
	table("cubic");
}

Test(save_table, bbr)
{
	table("bbr");
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As test_save.c, and the other way round: for each of these members of an
 * endpoint a scenario that comes to other packets, or other times, when a load
 * forgets it. They are those that the simulation does not miss
 * (tests/sim/test_lost.c).
 */
#include "tests/unit/netstack_tcp/harness.h"

#include <string.h>

#include "netstack/ip/ip_layer.h"
#include "netstack/ip/wire.h"
#include "netstack/tcp/tcp_wire.h"

#define MSS 1448u /* with timestamps */

/* What here() does: nothing, or a save after which these bytes are zero. */
static struct {
	bool saves;
	size_t at, bytes;
} lost;

/* The one point of a scenario where something is forgotten. */
static void here(struct wire *w)
{
	struct nst_tcp *tp;

	if (!lost.saves)
		return;
	w_reborn(w);
	tp = w->tp ? w->tp : w->lis;
	memset((uint8_t *)tp + lost.at, 0, lost.bytes);
	if (tp->state == NST_TCP_LISTEN)
		return;
	tcp_timers_stop(tp);
	tcp_timers_update(tp);
}

/* Past here() a scenario expects nothing in any other way. */
#define MUST(e) cr_assert(lost.bytes || (e), "%s", #e)

static uint64_t run(void (*s)(struct wire *w), bool saves, size_t at,
		    size_t bytes)
{
	uint64_t trace;
	struct wire w;

	lost.saves = saves;
	lost.at = at;
	lost.bytes = bytes;
	w_init(&w);
	w.reborn_at = -1;
	w.unchecked = saves; /* what is forgotten may be a contradiction */
	s(&w);
	trace = w.trace;
	w_fini(&w);
	memset(&lost, 0, sizeof(lost));
	return trace;
}

static void seen(void (*s)(struct wire *w), size_t at, size_t bytes)
{
	uint64_t was = run(s, false, 0, 0);

	cr_assert_eq(run(s, true, 0, 0), was, "seen without a loss");
	cr_assert_neq(run(s, true, at, bytes), was, "lost unseen");
	w_scenario(s);
}

#define SEEN(member, scenario)                                                 \
	Test(save_members, member)                                             \
	{                                                                      \
		seen(scenario, offsetof(struct nst_tcp, member),               \
		     sizeof(((struct nst_tcp *)0)->member));                   \
	}

/* A value that programs see is part of what happened. */
static void note(struct wire *w, uint64_t v)
{
	w->trace = (w->trace ^ v) * 0x100000001b3ull;
}

static uint32_t sent(const struct wire *w)
{
	return w->tp->snd_nxt.v - w->isn;
}

/* As w_drain(), but the peer knows what was in it. */
static void take(struct wire *w)
{
	struct wseg s;

	while (w_out(w, &s))
		;
}

static void ack_all(struct wire *w)
{
	w_in(w, A, 1, sent(w), 0, 65535);
}

/* ---- the handshake ---- */

/* Both sides open at once; the peer offers an MSS and nothing else. */
static void cross(struct wire *w)
{
	struct nst_sockaddr to = test_sa(W_PEER, W_PEER_PORT);
	struct wseg s;

	w_new(w);
	cr_assert_eq(nst_tcp_connect(w->tp, &to, w->now), NST_E_INPROGRESS);
	w_check(w);
	EXPECT(w, S, 0, 0, 0);
	s = w_seg(w, S, 0, 0, 0);
	s.mss = 1200;
	w_send(w, &s);
	s = EXPECT(w, S | A, 0, 1, 0);
	cr_assert_gt(s.wscale, 0);
	here(w);
}

static void crossed(struct wire *w)
{
	struct wseg s;

	cross(w);
	s = w_seg(w, S | A, 0, 1, 0);
	s.mss = 1200;
	w_send(w, &s);
	MUST(w_state(w) == NST_TCP_ESTABLISHED);
	w_write(w, 100);
}
SEEN(irs, crossed)

/* RFC 9293 3.7.1: the peer's MSS, until the connection has one of its own. */
static void crossed_data(struct wire *w)
{
	cross(w);
	w_in(w, A, 1, 1, 0, 65535);
	MUST(w_state(w) == NST_TCP_ESTABLISHED && w->tp->mss == 1200);
	w_write(w, 5000);
}
SEEN(peer_mss, crossed_data)

/* LINUX: the SYN-ACK of crossing SYNs offers what the SYN did. */
static void crossed_again(struct wire *w)
{
	cross(w);
	w_drain(w);
	w_after(w, 3 * NST_SEC);
	MUST(w->nout == 2);
}
SEEN(hs_wscale, crossed_again)

/* ---- a forwarder's connections ---- */

static const uint8_t other[4] = {10, 9, 9, 9}; /* not an address of ours */

static void on_syn(void *ctx, struct nst_fwd_req *req,
		   const struct nst_sockaddr *src,
		   const struct nst_sockaddr *dst)
{
	struct wire *w = ctx;

	(void)src;
	(void)dst;
	w->asked = req;
}

/* From the peer to the other host: its checksum is the link's affair. */
static void to_other(struct wire *w, uint8_t flags, uint32_t ack)
{
	struct tcp_out_hdr h = {.sport = W_PEER_PORT,
				.dport = W_PORT,
				.seq = {PEER_ISN + !(flags & S)},
				.ack = {ack},
				.flags = flags,
				.mss = flags & S ? 1460 : 0,
				.wnd = 65535};
	uint32_t n = 20 + tcp_hdr_bytes(&h);
	struct nst_pkt *pkt = nst_pkt_new(&w->te.env, 0, n);
	uint8_t *p = nst_pkt_put(pkt, n);

	memset(p, 0, 20);
	p[0] = 0x45;
	p[3] = (uint8_t)n;
	p[8] = 64;
	p[9] = 6;
	memcpy(p + 12, test_addr(W_PEER).b, 4);
	memcpy(p + 16, other, 4);
	ip4_fix_csum(p, 20);
	tcp_hdr_emit(&h, p + 20);
	pkt->csum = NST_CSUM_VALID;
	nst_nic_in(w->st, W_IF, pkt, w->now);
	w_check(w);
}

static void forwarded(struct wire *w)
{
	struct nst_fwd_req *req;

	nic_find(w->st->ip, W_IF)->cfg.caps |= NST_CAP_ANYCAST_IN;
	w->forwarder = (struct nst_forwarder){.tcp = on_syn, .ctx = w};
	nst_set_forwarder(w->st, &w->forwarder);
	to_other(w, S, 0);
	req = w->asked;
	cr_assert_not_null(req);
	w->asked = NULL;
	cr_assert_eq(nst_fwd_complete(req, &w->user, &w->tp, w->now), NST_OK);
	w_check(w);
	cr_assert_eq(w->nout, 1);
}

/* Its repetitions are those of a passive opening, with the peer's options. */
static void forwarded_syn(struct wire *w)
{
	forwarded(w);
	here(w);
	w_after(w, 200 * NST_SEC);
	MUST(w->nout == 6 && w_state(w) == NST_TCP_CLOSE);
}
SEEN(fwd, forwarded_syn)

/* Nobody else may send from there: the path could not be found again. */
static void forwarded_path(struct wire *w)
{
	uint8_t l4[8] = {W_PORT >> 8, W_PORT & 255, W_PEER_PORT >> 8,
			 W_PEER_PORT & 255};
	struct icmp_err e = {.err = NST_E_MSGSIZE,
			     .origin = 2,
			     .info = 1000,
			     .dst = test_addr(W_PEER),
			     .proto = 6,
			     .l4 = l4,
			     .l4_bytes = sizeof(l4)};
	uint32_t una;

	forwarded(w);
	e.src = w->tp->sk.local.addr;
	una = w->tp->snd_nxt.v;
	to_other(w, A, una);
	ST(w, ESTABLISHED);
	w->isn = una - 1;
	w_write(w, 1460);
	here(w);
	for (int i = 0; i < 4; i++)
		l4[4 + i] = (uint8_t)(una >> (24 - 8 * i));
	stack_enter(w->st, w->now);
	tcp_icmp(w->st, &e);
	stack_leave(w->st);
	w_check(w);
	w_after(w, NST_SEC);
	MUST(w->tp->mss == 960);
}
SEEN(spoof, forwarded_path)

/* ---- what is not sent yet ---- */

/* LINUX: MSG_MORE holds until the next ACK; an old one is none. */
static void more(struct wire *w)
{
	w_connect(w, O_NONE);
	w_write(w, 100);
	w_in(w, A, 1, 101, 0, 65535);
	w_drain(w);
	w_write_more(w, 300);
	here(w);
	w_after(w, 10 * NST_MS);
	w_in(w, A, 1, 50, 0, 65535);
	MUST(!w->nout);
	w_after(w, 250 * NST_MS);
	MUST(w->nout == 1);
}
SEEN(more, more)

/* LINUX: TCP_NODELAY pushes what is corked, as soon as the window opens. */
static void pushed(struct wire *w)
{
	w_connect(w, O_NONE);
	w_opt(w, NST_TCP_CORK, 1);
	w_in(w, A, 1, 1, 0, 0);
	w_write(w, 100);
	w_opt(w, NST_TCP_NODELAY, 1);
	here(w);
	w_after(w, 10 * NST_MS);
	MUST(!w->nout);
	w_in(w, A, 1, 1, 0, 65535);
	MUST(w->nout == 1);
	w_after(w, NST_SEC);
}
SEEN(nagle_push, pushed)

/* A ring that had to grow is given back only when it was not used for long:
 * until then as much fits in one go as before. */
static void used(struct wire *w)
{
	struct nst_iov iov[2];
	size_t n, space;

	w_connect(w, O_NONE);
	w_opt(w, NST_SO_SNDBUF, 400000);
	w_write(w, 150000);
	while (nst_tcp_outq(w->tp) > 20000) {
		w_after(w, 20 * NST_MS);
		ack_all(w);
	}
	here(w);
	w_after(w, 20 * NST_MS);
	while (nst_tcp_outq(w->tp))
		ack_all(w);
	w_after(w, 100 * NST_MS);
	space = nst_tcp_snd_space(w->tp, iov, &n);
	MUST(space > 100000);
	note(w, space);
}
SEEN(last_used, used)

/* RFC 9293 3.8.6.1, RFC 5482: how long the window has been closed. */
static void probing(struct wire *w)
{
	w_connect(w, O_NONE);
	w_opt(w, NST_TCP_USER_TIMEOUT, 9000);
	w_in(w, A, 1, 1, 0, 0);
	w_write(w, 100);
	for (int i = 0; i < 5; i++) {
		w_after(w, NST_SEC);
		w_in(w, A, 1, 1, 0, 0);
	}
	here(w);
	w_after(w, 6 * NST_SEC);
	MUST(w_state(w) == NST_TCP_CLOSE);
	w_after(w, 60 * NST_SEC);
	note(w, w_state(w));
}
SEEN(probe_start, probing)

/* ---- windows that are not used ---- */

/* Slow start, up to 40 segments in 40 ms. */
static void grown(struct wire *w)
{
	struct nst_sockaddr to = test_sa(W_PEER, W_PEER_PORT);
	struct wseg s;

	w_new(w);
	cr_assert_eq(nst_tcp_set_cc(w->tp, "reno", w->now), NST_OK);
	cr_assert_eq(nst_tcp_connect(w->tp, &to, w->now), NST_E_INPROGRESS);
	w_check(w);
	EXPECT(w, S, 0, 0, 0);
	w_after(w, 40 * NST_MS);
	s = w_seg(w, S | A, 0, 1, 0);
	s.ts = w->ts = true;
	s.sack_perm = true;
	s.mss = 1460;
	w_send(w, &s);
	w_opt(w, NST_TCP_NODELAY, 1);
	for (uint32_t n = 10; n < 40; n *= 2) {
		w_write(w, n * MSS);
		w_after(w, 40 * NST_MS);
		take(w);
		ack_all(w);
	}
	cr_assert_eq(w->tp->cwnd, 40, "%u", w->tp->cwnd);
}

static void burst(struct wire *w)
{
	w_after(w, 40 * NST_MS);
	ack_all(w);
	w_write(w, 60 * MSS);
	w_after(w, 40 * NST_MS);
	note(w, w->tp->cwnd);
}

/* LINUX: one that was full a moment ago is valid. */
static void just_full(struct wire *w)
{
	grown(w);
	here(w);
	w_after(w, 50 * NST_MS);
	w_write(w, 100);
	MUST(w->tp->cwnd == 40);
	burst(w);
}
SEEN(cwnd_stamp, just_full)

/* LINUX: after an RTO of less, it goes halfway to what was used. */
static void partly_used(struct wire *w)
{
	grown(w);
	w_write(w, 15 * MSS);
	w_after(w, 40 * NST_MS);
	ack_all(w);
	here(w);
	w_after(w, w->tp->rto * 8 / 10);
	w_write(w, 100);
	w_after(w, w->tp->rto * 3 / 10);
	w_write(w, 100);
	MUST(w->tp->cwnd == 27);
	burst(w);
}
SEEN(cwnd_used, partly_used)

/* ---- receiving ---- */

static void data(struct wire *w, uint32_t seq, uint32_t len)
{
	w_in(w, P | A, seq, 1, len, 65535);
}

/* RFC 2883 4: what was here before is told by the ACK, although that waits. */
static void overlap(struct wire *w)
{
	struct wseg s;

	w_connect(w, O_SACK);
	data(w, 1, 1000);
	w_after(w, NST_SEC);
	w_drain(w);
	w_opt(w, NST_TCP_QUICKACK, 0);
	data(w, 501, 1000);
	NONE(w);
	here(w);
	w_after(w, NST_SEC);
	MUST(w_out(w, &s) && s.ack == 1501 && s.nsack == 1 &&
	     s.sack[0].from.v == 501 && s.sack[0].to.v == 1001);
}
SEEN(dsack, overlap)

/* The wait for an ACK is cut by segments only, not by what the owner does. */
static void nothing_new(struct wire *w)
{
	nst_time end;

	w_connect(w, O_NONE);
	w_opt(w, NST_TCP_QUICKACK, 0);
	data(w, 1, 100);
	NONE(w);
	cr_assert(w->tp->ack_wait.on);
	end = tcp_wait_end(&w->tp->ack_wait);
	here(w);
	w_to(w, end - NST_MS);
	w_opt(w, NST_SO_KEEPALIVE, 1);
	MUST(!w->nout);
	w_after(w, 2 * NST_MS);
	MUST(w->nout == 1);
}
SEEN(ack_segs, nothing_new)

/* RFC 7323 5.5: 24 days later a timestamp says nothing about age. */
static void old_stamp(struct wire *w)
{
	w_after(w, 30 * 86400 * NST_SEC);
	w_connect(w, O_TS);
	w_drain(w);
	here(w);
	w->ts_val = (uint32_t)(w->now / NST_MS) + 12345 - 5000;
	data(w, 1, 100);
	MUST(w->nout == 1 && w->tp->rcv_nxt.v == PEER_ISN + 1);
}
SEEN(ts_recent_at, old_stamp)

/* ---- listening ---- */

static void queue_of_two(struct wire *w)
{
	w_listen(w, 1);
	here(w);
	for (int i = 0; i < 3; i++) {
		w->peer_port++;
		w_syn(w, O_NONE);
		take(w);
		w_in(w, A, 1, 1, 0, 65535);
	}
	MUST(w->lis->acc_n == 2);
	w_after(w, NST_SEC);
	note(w, w->lis->acc_n);
}
SEEN(backlog, queue_of_two)

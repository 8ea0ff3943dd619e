/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MUSTs of RFC 9293 that no other test shows by the way; docs/RFC9293.md says
 * which test belongs to which. Segments here are made byte by byte.
 */
#include <string.h>

#include "netstack/ip/wire.h"
#include "tests/unit/netstack_tcp/harness.h"

static struct wire w;

static void up(void)
{
	w_init(&w);
}

static void down(void)
{
	w_fini(&w);
}

TestSuite(rfc9293, .init = up, .fini = down);

/* ---- raw segments ---- */

struct raw {
	uint8_t src[4], dst[4];
	uint8_t flags;
	uint32_t seq, ack; /* relative */
	uint16_t wnd, up;
	uint8_t opts[40];
	uint8_t nopts; /* a multiple of four */
	uint32_t len;
	bool bad_csum;
};

static struct raw raw(uint8_t flags, uint32_t seq, uint32_t ack)
{
	struct raw r = {{10, 0, 2, 2},
			{10, 0, 2, 15},
			flags,
			seq,
			ack,
			65535,
			0,
			{0},
			0,
			0,
			.bad_csum = false};

	return r;
}

static void put32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void tcp_bytes(const struct raw *r, uint8_t *t)
{
	put16(t, w.peer_port);
	put16(t + 2, w.port);
	put32(t + 4, PEER_ISN + r->seq);
	put32(t + 8, r->flags & A ? w.isn + r->ack : 0);
	t[12] = (uint8_t)((20 + r->nopts) / 4 << 4);
	t[13] = r->flags;
	put16(t + 14, r->wnd);
	put16(t + 18, r->up);
	memcpy(t + 20, r->opts, r->nopts);
}

static void send_raw(const struct raw *r)
{
	uint32_t l4 = 20u + r->nopts + r->len, total = 20 + l4;
	struct nst_pkt *pkt = nst_pkt_new(&w.te.env, 0, total);
	uint8_t *p = nst_pkt_put(pkt, total);
	uint8_t pseudo[12] = {0};
	uint16_t sum;

	memset(p, 0, total);
	p[0] = 0x45;
	put16(p + 2, total);
	p[8] = 64;
	p[9] = 6;
	memcpy(p + 12, r->src, 4);
	memcpy(p + 16, r->dst, 4);
	ip4_fix_csum(p, 20);
	tcp_bytes(r, p + 20);
	memcpy(pseudo, p + 12, 8);
	pseudo[9] = 6;
	put16(pseudo + 10, l4);
	sum = nst_csum_add(nst_csum_add(0, pseudo, 12), p + 20, l4);
	put16(p + 36, (uint16_t)~sum ^ (r->bad_csum ? 0x0100u : 0u));
	pkt->csum = NST_CSUM_NONE;
	nst_nic_in(w.st, W_IF, pkt, w.now);
	w_check(&w);
}

/* ---- header and options ---- */

/* MUST-1: 65535 is no negative number. */
Test(rfc9293, window_is_unsigned)
{
	uint32_t flight = 0;
	struct wseg s;

	w_connect(&w, O_NONE);
	for (int i = 0; i < 30; i++) { /* the congestion window opens */
		uint32_t end = 0;

		w_write(&w, 65536);
		while (w_out(&w, &s))
			end = s.seq + s.len;
		flight = (uint32_t)seq_diff(w.tp->snd_nxt, w.tp->snd_una);
		w_after(&w, 10 * NST_MS);
		w_in(&w, A, 1, end, 0, 65535);
	}
	cr_assert_geq(flight, 64240, "%u", flight);
	cr_assert_leq(flight, 65535, "%u", flight);
}

/* MUST-2, MUST-3; ours are checked by the harness, segment by segment. */
Test(rfc9293, checksums)
{
	struct raw r = raw(P | A, 1, 1);

	w_connect(&w, O_NONE);
	r.len = 10;
	r.bad_csum = true;
	send_raw(&r);
	NONE(&w);
	cr_assert_eq(COUNT(&w, InCsumErrors), 1);
	r.bad_csum = false;
	send_raw(&r);
	EXPECT(&w, A, 1, 11, 0);
}

/* MUST-4, -5, -6, -64, -68, -69: no-operations, an unknown option and then
 * timestamps at an odd place, in a data segment; garbage behind the end. */
Test(rfc9293, options_of_every_kind)
{
	static const uint8_t opts[] = {1, 200, 4,  0xaa, 0xbb, 8, 10,
				       0, 0,   0,  0,    0,    0, 0,
				       0, 0,   77, 99,   99,   99};
	struct raw r = raw(P | A, 1, 1);
	struct wseg s;

	w_connect(&w, O_TS);
	memcpy(r.opts, opts, sizeof(opts));
	r.nopts = sizeof(opts);
	put32(r.opts + 7, (uint32_t)(w.now / NST_MS) + 20000);
	put32(r.opts + 11, w.ts_echo);
	r.opts[15] = 0;
	r.len = 3;
	send_raw(&r);
	s = EXPECT(&w, A, 1, 4, 0);
	cr_assert(s.ts);
	cr_assert_eq(s.tsecr, (uint32_t)(w.now / NST_MS) + 20000);
}

/* MUST-7: zero, one, and beyond the header. */
Test(rfc9293, impossible_option_lengths)
{
	static const uint8_t lengths[] = {0, 1, 41, 255};
	uint32_t seq = 1;

	w_connect(&w, O_NONE);
	for (size_t i = 0; i < sizeof(lengths); i++) {
		struct raw r = raw(P | A, seq, 1);

		r.opts[0] = 200;
		r.opts[1] = lengths[i];
		r.nopts = 4;
		r.len = 5;
		send_raw(&r);
		seq += 5;
		ST(&w, ESTABLISHED);
	}
	w_drain(&w);
	cr_assert_eq(w.tp->rcv_nxt.v, PEER_ISN + seq);
}

/* MUST-65. */
Test(rfc9293, mss_in_syns_only)
{
	struct wseg s;

	w_connect(&w, O_ALL);
	w_write(&w, 5000);
	w_in(&w, A, 1, 1, 100, 65535);
	while (w_out(&w, &s))
		cr_assert(!s.mss);
}

/* MUST-15. */
Test(rfc9293, mss_without_the_option)
{
	struct wseg s;

	w.mss = 0;
	w_connect(&w, O_NONE);
	w_write(&w, 2000);
	cr_assert(w_out(&w, &s));
	cr_assert_eq(s.len, 536);
}

/* ---- sequence numbers ---- */

static uint32_t isn_at(nst_time now, uint16_t port)
{
	struct flow_key k = {.proto = IP_PROTO_TCP, .lport = 5, .rport = port};

	k.local = test_addr(W_LOCAL);
	k.remote = test_addr(W_PEER);
	w.st->now = now;
	return tcp_isn(w.st, &k).v;
}

/* MUST-8, MUST-9: 2^32 in a few hours; other ports, another place. */
Test(rfc9293, isn_follows_a_clock_and_a_secret)
{
	nst_time t = w.now, hour = 3600 * NST_SEC;
	uint32_t a = isn_at(t, 80), b = isn_at(t + NST_SEC, 80);

	cr_assert_gt(b - a, 100000u);
	cr_assert_lt(b - a, UINT32_MAX / 200);
	cr_assert_neq(isn_at(t, 80), isn_at(t, 81));
	cr_assert_neq(isn_at(t + hour, 80), a);
	w.st->now = w.now;
}

/* ---- time ---- */

/* MUST-25, MUST-28. */
Test(rfc9293, keepalive_is_off_and_two_hours)
{
	w_connect(&w, O_NONE);
	w_after(&w, 24 * 3600 * NST_SEC);
	NONE(&w);
	w_opt(&w, NST_SO_KEEPALIVE, 1);
	w_in(&w, P | A, 1, 1, 1, 65535);
	w_drain(&w);
	w_after(&w, 7199 * NST_SEC);
	NONE(&w);
	w_after(&w, 2 * NST_SEC);
	EXPECT(&w, A, 0, 2, 0);
}

/* MUST-37: an hour of zero windows. */
Test(rfc9293, answered_probes_go_on)
{
	struct wseg s;
	int probes = 0;

	w_connect(&w, O_NONE);
	w_in(&w, A, 1, 1, 0, 0);
	w_write(&w, 100);
	for (nst_time end = w.now + 3600 * NST_SEC; w.now < end;) {
		w_after(&w, NST_SEC);
		while (w_out(&w, &s)) {
			probes++;
			w_in(&w, A, 1, 1, 0, 0);
		}
	}
	ST(&w, ESTABLISHED);
	cr_assert_gt(probes, 25);
	w_in(&w, A, 1, 1, 0, 1000);
	EXPECT(&w, P | A, 1, 1, 100);
}

/* ---- windows ---- */

/* MUST-34, MUST-35: what is out is sent again as far as the window goes, and
 * a window of zero is probed. */
Test(rfc9293, shrinking_window)
{
	struct wseg s;

	w_connect(&w, O_NONE);
	w_write(&w, 4 * 1460);
	w_drain(&w);
	w_in(&w, A, 1, 1, 0, 1460);
	w_after(&w, 10 * NST_SEC);
	cr_assert(w_out(&w, &s));
	cr_assert_eq(s.seq, 1);
	w_drain(&w);
	w_in(&w, A, 1, 1 + 4 * 1460, 0, 0);
	w_write(&w, 10);
	NONE(&w);
	w_after(&w, 30 * NST_SEC);
	cr_assert(w_out(&w, &s));
	ST(&w, ESTABLISHED);
}

/* MUST-66: also URG; its pointer moves although the data has no room. */
Test(rfc9293, zero_window_takes_rst)
{
	struct wseg s;

	w_connect(&w, O_NONE);
	for (uint32_t seq = 1; tcp_rcv_wnd(w.tp) >= 1460; seq += 1460)
		w_in(&w, A, seq, 1, 1460, 65535);
	w_in(&w, A, w.tp->rcv_nxt.v - PEER_ISN, 1, tcp_rcv_wnd(w.tp), 65535);
	w_drain(&w);
	cr_assert_eq(tcp_rcv_wnd(w.tp), 0);
	s = w_seg(&w, U | A, w.tp->rcv_nxt.v - PEER_ISN, 1, 0);
	s.up = 5;
	w_send(&w, &s);
	cr_assert(w.tp->urg_valid || w.tp->urg_seen);
	w_in(&w, R, w.tp->rcv_nxt.v - PEER_ISN, 0, 0, 0);
	ST(&w, CLOSE);
}

/* MUST-31: 60 000 bytes of urgent data. */
Test(rfc9293, urgent_pointer_far_ahead)
{
	struct wseg s = {0};

	w_connect(&w, O_NONE);
	w_opt(&w, NST_SO_OOBINLINE, 1);
	s = w_seg(&w, U | A, 1, 1, 1000);
	s.up = 60000;
	w_send(&w, &s);
	cr_assert(w.tp->urg_valid || w.tp->urg_seen);
	cr_assert_eq(w.tp->urg_seq.v, PEER_ISN + 60000);
	cr_assert(!nst_tcp_at_mark(w.tp));
	for (uint32_t seq = 1001; seq < 61000; seq += 1000) {
		w_in(&w, A, seq, 1, 1000, 65535);
		w_read(&w, 1000);
		w_drain(&w);
	}
	while (w_read(&w, 100000))
		;
	ST(&w, ESTABLISHED);
}

/* MUST-61. */
Test(rfc9293, push_on_the_last_segment)
{
	w_connect(&w, O_NONE);
	w_write(&w, 2 * 1460);
	EXPECT(&w, A, 1, 1, 1460);
	EXPECT(&w, P | A, 1461, 1, 1460);
}

/* ---- addresses and IP ---- */

/* MUST-45. */
Test(rfc9293, one_address_for_the_connection)
{
	struct nst_ifaddr more = {test_addr("10.0.2.99"), 32, W_IF};
	struct nst_sockaddr a;

	w_connect(&w, O_NONE);
	cr_assert_eq(nst_addr_add(w.st, &more, w.now), NST_OK);
	w_write(&w, 10); /* the harness checks the sum with the address */
	EXPECT(&w, P | A, 1, 1, 10);
	nst_sock_local(nst_tcp_sock(w.tp), &a);
	cr_assert(test_addr_eq(
	    &a.addr, &(struct nst_addr){.family = 4, .b = {10, 0, 2, 15}}));
}

/* MUST-46. */
Test(rfc9293, no_connection_to_groups)
{
	static const char *const groups[] = {"224.0.0.1", "255.255.255.255",
					     "10.0.2.255"};

	for (size_t i = 0; i < 3; i++) {
		struct nst_sockaddr to = test_sa(groups[i], 80);
		enum nst_err e;

		w_new(&w);
		e = nst_tcp_connect(w.tp, &to, w.now);
		cr_assert_neq(e, NST_E_INPROGRESS, "%s", groups[i]);
		nst_tcp_close(w.tp, w.now);
	}
	w.tp = NULL;
	NONE(&w);
}

/* MUST-57. */
Test(rfc9293, syn_to_groups_is_ignored)
{
	static const uint8_t groups[][4] = {
	    {224, 0, 0, 1}, {255, 255, 255, 255}, {10, 0, 2, 255}};

	w_listen(&w, 5);
	for (size_t i = 0; i < 3; i++) {
		struct raw r = raw(S, 0, 0);

		memcpy(r.dst, groups[i], 4);
		send_raw(&r);
	}
	NONE(&w);
	cr_assert_eq(w.lis->nreqs, 0);
}

/* MUST-48, MUST-49. */
Test(rfc9293, tos_and_ttl)
{
	struct nst_pkt *pkt;

	w_connect(&w, O_NONE);
	w_opt(&w, NST_IP_TOS, 0xb8);
	w_opt(&w, NST_IP_TTL, 7);
	w_write(&w, 10);
	pkt = w.out;
	cr_assert_not_null(pkt);
	cr_assert_eq(nst_pkt_data(pkt)[1], 0xb8);
	cr_assert_eq(nst_pkt_data(pkt)[8], 7);
	w_drain(&w);
}

/* MUST-55. */
Test(rfc9293, source_quench_is_ignored)
{
	uint8_t msg[56] = {0x45, 0, 0,  56, 0, 0, 0,  0, 64, 1,
			   0,    0, 10, 0,  2, 2, 10, 0, 2,  15};
	struct nst_pkt *pkt;
	uint32_t cwnd;

	w_connect(&w, O_NONE);
	w_write(&w, 100);
	w_drain(&w);
	cwnd = w.tp->cwnd;
	ip4_fix_csum(msg, 20);
	msg[20] = 4; /* type */
	msg[28] = 0x45;
	put16(msg + 30, 140);
	msg[37] = 6;
	memcpy(msg + 40, msg + 16, 4);
	memcpy(msg + 44, msg + 12, 4);
	put16(msg + 48, w.port);
	put16(msg + 50, w.peer_port);
	put32(msg + 52, w.isn + 1);
	put16(msg + 22, (uint16_t)~nst_csum_add(0, msg + 20, 36));
	pkt = nst_pkt_new(&w.te.env, 0, sizeof(msg));
	memcpy(nst_pkt_put(pkt, sizeof(msg)), msg, sizeof(msg));
	nst_nic_in(w.st, W_IF, pkt, w.now);
	w_check(&w);
	NONE(&w);
	cr_assert_eq(w.tp->cwnd, cwnd);
	ST(&w, ESTABLISHED);
}

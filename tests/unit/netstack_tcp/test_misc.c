/* SPDX-License-Identifier: Apache-2.0 */
/* ICMP errors, the forwarder, neighbours, memory, hostile packets. */
#include "tests/unit/netstack_tcp/harness.h"

#include <stdlib.h>
#include <string.h>

#include "netstack/ip/wire.h"
#include "netstack/tcp/tcp_req.h"

static struct wire w;

static void up(void)
{
	w_init(&w);
}

static void down(void)
{
	w_fini(&w);
}

TestSuite(misc, .init = up, .fini = down);

/* ---- ICMP ---- */

static void icmp(enum nst_err err, bool hard, uint32_t seq, uint32_t mtu)
{
	struct icmp_err e = {.err = err,
			     .hard = hard,
			     .origin = 2,
			     .info = mtu,
			     .src = test_addr(W_LOCAL),
			     .dst = test_addr(W_PEER),
			     .proto = 6};
	uint32_t abs = w.isn + seq;
	uint8_t l4[8] = {(uint8_t)(w.port >> 8),      (uint8_t)w.port,
			 (uint8_t)(w.peer_port >> 8), (uint8_t)w.peer_port,
			 (uint8_t)(abs >> 24),        (uint8_t)(abs >> 16),
			 (uint8_t)(abs >> 8),         (uint8_t)abs};

	e.l4 = l4;
	e.l4_bytes = 8;
	stack_enter(w.st, w.now);
	tcp_icmp(w.st, &e);
	stack_leave(w.st);
	w_check(&w);
}

Test(misc, icmp_ends_a_connect)
{
	struct nst_sockaddr to = test_sa(W_PEER, W_PEER_PORT);

	w_new(&w);
	cr_assert_eq(nst_tcp_connect(w.tp, &to, w.now), NST_E_INPROGRESS);
	EXPECT(&w, S, 0, 0, 0);
	icmp(NST_E_CONNREFUSED, true, 500, 0); /* not ours */
	ST(&w, SYN_SENT);
	icmp(NST_E_HOSTUNREACH, false, 0, 0);
	ST(&w, CLOSE);
	cr_assert_eq(nst_sock_error(nst_tcp_sock(w.tp), true),
		     NST_E_HOSTUNREACH);
}

Test(misc, icmp_is_soft_when_established)
{
	w_connect(&w, O_NONE);
	w_write(&w, 10);
	w_drain(&w);
	icmp(NST_E_HOSTUNREACH, false, 1, 0);
	ST(&w, ESTABLISHED);
	while (w_state(&w) != NST_TCP_CLOSE)
		w_after(&w, 10 * NST_SEC);
	cr_assert_eq(nst_sock_error(nst_tcp_sock(w.tp), true),
		     NST_E_HOSTUNREACH);
	w_drain(&w);
}

Test(misc, pmtu_lowers_mss_and_sends_again)
{
	w_connect(&w, O_NONE);
	w_write(&w, 2920);
	w_drain(&w);
	icmp(NST_E_MSGSIZE, false, 1, 1000);
	cr_assert_eq(w.tp->mss, 960);
	EXPECT(&w, A, 1, 1, 960);
	w_drain(&w);
	cr_assert_eq(w.tp->cwnd, 10); /* not a sign of congestion */
}

/* RFC 5927 7.2: a guess at the sequence number lowers nothing, for nobody. */
Test(misc, pmtu_of_a_guess_is_not_believed)
{
	struct nst_addr dst = test_addr(W_PEER);
	struct ip_path p;
	uint64_t before;

	w_connect(&w, O_NONE);
	w_write(&w, 2920);
	w_drain(&w);
	before = w.st->count.TcpOutOfWindowIcmps;
	icmp(NST_E_MSGSIZE, false, 5000, 1000);
	cr_assert_eq(w.st->count.TcpOutOfWindowIcmps, before + 1);
	cr_assert_eq(w.tp->mss, 1460);
	cr_assert_eq(ip_path_find(w.st, &dst, NULL, 0, false, &p), NST_OK);
	cr_assert_eq(p.mtu, W_MTU);
	icmp(NST_E_MSGSIZE, false, 1, 1000);
	cr_assert_eq(ip_path_find(w.st, &dst, NULL, 0, false, &p), NST_OK);
	cr_assert_eq(p.mtu, 1000);
	w_drain(&w);
}

Test(misc, icmp_for_a_request)
{
	w_listen(&w, 5);
	w_syn(&w, O_NONE);
	EXPECT(&w, S | A, 0, 1, 0);
	icmp(NST_E_HOSTUNREACH, false, 7, 0);
	cr_assert_eq(w.st->tcp->nreqs, 1);
	icmp(NST_E_HOSTUNREACH, false, 0, 0);
	cr_assert_eq(w.st->tcp->nreqs, 0);
}

/* ---- the forwarder ---- */

static int asks;

static void on_syn(void *ctx, struct nst_fwd_req *req,
		   const struct nst_sockaddr *src,
		   const struct nst_sockaddr *dst)
{
	(void)ctx;
	cr_assert_eq(src->port, W_PEER_PORT);
	cr_assert_eq(dst->port, W_PORT);
	w.asked = req;
	asks++;
}

static void forward(void)
{
	asks = 0;
	w.forwarder = (struct nst_forwarder){.tcp = on_syn};
	nst_set_forwarder(w.st, &w.forwarder);
	w.port = W_PORT;
	w.peer_port = W_PEER_PORT;
	w_syn(&w, O_ALL);
	NONE(&w);
	w_syn(&w, O_ALL); /* absorbed */
	NONE(&w);
	cr_assert_eq(asks, 1);
}

Test(misc, fwd_complete)
{
	forward();
	cr_assert_eq(nst_fwd_complete(w.asked, &w.user, &w.tp, w.now), NST_OK);
	EXPECT(&w, S | A, 0, 1, 0);
	ST(&w, SYN_RCVD);
	w_in(&w, A, 1, 1, 0, 1000);
	ST(&w, ESTABLISHED);
	cr_assert(w.user.seen & NST_EV_CONNECTED);
	w_in(&w, P | A, 1, 1, 10, 1000);
	cr_assert_eq(w_read(&w, 100), 10);
	w_drain(&w);
}

Test(misc, fwd_refuse)
{
	forward();
	nst_fwd_refuse(w.asked, w.now);
	EXPECT(&w, R | A, 0u - w.isn, 1, 0);
	cr_assert_eq(w.st->tcp->nfwd, 0);
}

Test(misc, fwd_unreach)
{
	struct wseg s;

	forward();
	nst_fwd_unreach(w.asked, NST_E_HOSTUNREACH, w.now);
	cr_assert(!w_out(&w, &s));
	cr_assert_eq(w.others, 1);
}

Test(misc, fwd_drop)
{
	forward();
	nst_fwd_drop(w.asked);
	NONE(&w);
	w_syn(&w, O_ALL);
	cr_assert_eq(asks, 2);
	nst_fwd_drop(w.asked);
}

Test(misc, fwd_peer_gives_up)
{
	forward();
	w_in(&w, R, 1, 0, 0, 0);
	cr_assert_eq(nst_fwd_complete(w.asked, &w.user, &w.tp, w.now),
		     NST_E_CONNABORTED);
	w.tp = NULL;
	NONE(&w);
}

Test(misc, fwd_undecided_is_freed_with_the_stack)
{
	forward();
}

/* ---- loopback ---- */

struct pair {
	struct nst_tcp *lis, *a, *b;
};

static void loop_open(struct pair *p, uint16_t port)
{
	struct nst_sockaddr to = test_sa("127.0.0.1", port);

	if (!p->lis) {
		cr_assert_eq(nst_tcp_new(w.st, 4, NULL, w.now, &p->lis),
			     NST_OK);
		cr_assert_eq(nst_sock_bind(nst_tcp_sock(p->lis), &to), NST_OK);
		cr_assert_eq(nst_tcp_listen(p->lis, 5, w.now), NST_OK);
	}
	cr_assert_eq(nst_tcp_new(w.st, 4, NULL, w.now, &p->a), NST_OK);
	cr_assert_eq(nst_tcp_connect(p->a, &to, w.now), NST_E_INPROGRESS);
	cr_assert_eq(nst_tcp_state(p->a), NST_TCP_ESTABLISHED);
	cr_assert_eq(nst_tcp_accept(p->lis, &p->b), NST_OK);
	w_check(&w);
}

static size_t push(struct nst_tcp *tp, size_t want)
{
	struct nst_iov iov[2];
	size_t n, niov, room = nst_tcp_snd_space(tp, iov, &niov);

	n = room < want ? room : want;
	for (size_t i = 0; i < niov; i++)
		memset(iov[i].p, 'x', iov[i].len);
	nst_tcp_snd_commit(tp, n, false, w.now);
	return n;
}

static size_t pull(struct nst_tcp *tp)
{
	struct nst_iov iov[2];
	size_t niov, n = nst_tcp_rcv_data(tp, iov, &niov);

	nst_tcp_rcv_consume(tp, n, w.now);
	return n;
}

Test(misc, loopback_uses_super_segments)
{
	struct pair p = {0};
	size_t sent = 0, got = 0;
	uint64_t segs;

	loop_open(&p, 90);
	segs = w.st->count.TcpOutSegs;
	while (sent < (8u << 20)) {
		sent += push(p.a, (8u << 20) - sent);
		got += pull(p.b);
		w_check(&w);
		w_after(&w, 100 * NST_US);
	}
	for (int i = 0; i < 100 && got < sent; i++) {
		w_after(&w, NST_MS);
		got += pull(p.b);
	}
	cr_assert_eq(got, sent);
	segs = w.st->count.TcpOutSegs - segs;
	cr_assert_lt(segs, 3 * (sent / 32768), "%llu segments",
		     (unsigned long long)segs);
	nst_tcp_close(p.a, w.now);
	nst_tcp_close(p.b, w.now);
}

Test(misc, self_connect)
{
	struct nst_sockaddr me = test_sa("127.0.0.1", 5555);
	struct nst_tcp *tp;

	cr_assert_eq(nst_tcp_new(w.st, 4, NULL, w.now, &tp), NST_OK);
	cr_assert_eq(nst_sock_bind(nst_tcp_sock(tp), &me), NST_OK);
	cr_assert_eq(nst_tcp_connect(tp, &me, w.now), NST_E_INPROGRESS);
	cr_assert_eq(nst_tcp_state(tp), NST_TCP_ESTABLISHED);
	cr_assert_eq(push(tp, 100), 100);
	cr_assert_eq(pull(tp), 100);
	nst_tcp_close(tp, w.now);
	w_check(&w);
}

Test(misc, connect_to_nobody_on_loopback)
{
	struct nst_sockaddr to = test_sa("127.0.0.1", 1);
	struct nst_tcp *tp;

	cr_assert_eq(nst_tcp_new(w.st, 4, NULL, w.now, &tp), NST_OK);
	cr_assert_eq(nst_tcp_connect(tp, &to, w.now), NST_E_INPROGRESS);
	cr_assert_eq(nst_tcp_state(tp), NST_TCP_CLOSE);
	cr_assert_eq(nst_sock_error(nst_tcp_sock(tp), true), NST_E_CONNREFUSED);
}

Test(misc, twenty_thousand_connections_leave_no_memory, .timeout = 120)
{
	struct pair p = {0};
	size_t before = 0;

	for (int i = 0; i < 20000; i++) {
		w.unchecked = i % 1000 != 0;
		loop_open(&p, 91);
		push(p.a, 1000);
		pull(p.b);
		nst_tcp_close(p.b, w.now);
		nst_tcp_close(p.a, w.now);
		w_after(&w, 10 * NST_MS);
		if (i == 100) {
			w_after(&w, 100 * NST_SEC);
			before = w.te.live_bytes;
		}
	}
	w_after(&w, 100 * NST_SEC);
	w.unchecked = false;
	w_check(&w);
	cr_assert_eq(w.st->tcp->ntw, 0);
	/* The demux keeps the table that it grew. */
	cr_assert_lt(w.te.live_bytes, before + 300000);
}

Test(misc, empty_rings_are_given_back)
{
	w_connect(&w, O_ALL);
	w_write(&w, 1000);
	EXPECT(&w, P | A, 1, 1, 1000);
	w_in(&w, P | A, 1, 1001, 1000, 60000);
	cr_assert_eq(w_read(&w, 1000), 1000);
	w_after(&w, TCP_IDLE_FREE - NST_MS);
	cr_assert(w.tp->snd.size && w.tp->rcv.size);
	w_after(&w, 2 * NST_MS);
	cr_assert(!w.tp->snd.size && !w.tp->rcv.size);
	w_drain(&w);
	w_write(&w, 1000); /* and taken again */
	EXPECT(&w, P | A, 1001, 1001, 1000);
}

/* ---- an unresolved neighbour ---- */

static uint32_t arps, syns;

static void ether_out(void *link, struct nst_pkt *pkt)
{
	const uint8_t *p = nst_pkt_data(pkt);

	(void)link;
	if (p[12] == 0x08 && p[13] == 0x06)
		arps++;
	else if (p[12] == 0x08 && p[13] == 0 && p[23] == 6)
		syns++;
	nst_pkt_free(pkt);
}

static void arp_reply(uint32_t ifindex)
{
	static const uint8_t reply[42] = {
	    2, 0, 0, 0, 0, 1, 2, 0,  0, 0, 0, 2, 8, 6, 0, 1, 8, 0,  6, 4, 0,
	    2, 2, 0, 0, 0, 0, 2, 10, 9, 0, 2, 2, 0, 0, 0, 0, 1, 10, 9, 0, 1};
	struct nst_pkt *pkt = nst_pkt_new(&w.te.env, 0, sizeof(reply));

	memcpy(nst_pkt_put(pkt, sizeof(reply)), reply, sizeof(reply));
	nst_nic_in(w.st, ifindex, pkt, w.now);
}

static uint32_t add_ether(void)
{
	static const struct nst_link_ops ether_ops = {ether_out};
	struct nst_nic_config cfg = {.name = "eth1",
				     .kind = NST_LINK_ETHER,
				     .mtu = 1500,
				     .mac = {2, 0, 0, 0, 0, 1},
				     .ops = &ether_ops};
	struct nst_ifaddr a = {test_addr("10.9.0.1"), 24, 0};
	uint32_t ifindex;

	cr_assert_eq(nst_nic_add(w.st, &cfg, &ifindex), NST_OK);
	a.ifindex = ifindex;
	cr_assert_eq(nst_addr_add(w.st, &a, w.now), NST_OK);
	w_after(&w, 5 * NST_SEC); /* announcements */
	arps = syns = 0;
	return ifindex;
}

Test(misc, syn_waits_for_the_neighbour)
{
	struct nst_sockaddr to = test_sa("10.9.0.2", 80);
	uint32_t ifindex = add_ether();

	w_new(&w);
	cr_assert_eq(nst_tcp_connect(w.tp, &to, w.now), NST_E_INPROGRESS);
	cr_assert_eq(arps, 1);
	cr_assert_eq(syns, 0);
	arp_reply(ifindex);
	cr_assert_eq(syns, 1);
	ST(&w, SYN_SENT);
}

Test(misc, no_neighbour_fails_the_connect)
{
	struct nst_sockaddr to = test_sa("10.9.0.2", 80);

	add_ether();
	w_new(&w);
	cr_assert_eq(nst_tcp_connect(w.tp, &to, w.now), NST_E_INPROGRESS);
	w_after(&w, 10 * NST_SEC);
	ST(&w, CLOSE);
	cr_assert_eq(nst_sock_error(nst_tcp_sock(w.tp), true),
		     NST_E_HOSTUNREACH);
}

/* ---- memory that fails ---- */

static void scenario(void)
{
	struct nst_sockaddr to = test_sa("127.0.0.1", 92);
	struct nst_tcp *l = NULL, *a = NULL, *b = NULL;

	if (nst_tcp_new(w.st, 4, NULL, w.now, &l) == NST_OK &&
	    nst_sock_bind(nst_tcp_sock(l), &to) == NST_OK &&
	    nst_tcp_listen(l, 5, w.now) == NST_OK &&
	    nst_tcp_new(w.st, 4, NULL, w.now, &a) == NST_OK)
		(void)!nst_tcp_connect(a, &to, w.now);
	w_check(&w);
	for (int i = 0; i < 40 && l; i++) {
		w_after(&w, 300 * NST_MS);
		if (!b && nst_tcp_accept(l, &b) != NST_OK)
			b = NULL;
		if (a)
			push(a, 100000);
		if (b)
			pull(b);
		if (b)
			push(b, 10);
		w_check(&w);
	}
	if (a)
		nst_tcp_close(a, w.now);
	if (b)
		nst_tcp_close(b, w.now);
	if (l)
		nst_tcp_close(l, w.now);
	w_check(&w);
	w_after(&w, 2000 * NST_SEC);
}

Test(misc, fail_the_nth_allocation, .timeout = 120)
{
	for (uint64_t n = 0; n < 400; n++) {
		testenv_fail_nth(&w.te, n);
		scenario();
		testenv_fail_never(&w.te);
		cr_assert_eq(w.st->tcp->norphans, 0, "n %llu",
			     (unsigned long long)n);
		cr_assert_eq(w.st->nsocks, 0);
	}
}

/* ---- hostile packets ---- */

static struct wseg base_seg(uint32_t i)
{
	static const uint8_t flags[] = {S,     A,     P | A,     F | A, R,
					R | A, S | A, U | A | P, F | S, 0};
	struct wseg s = w_seg(&w, flags[i % 10], 0, 1, 0);

	s.seq = 1 + testenv_below(&w.te, 3000);
	if (testenv_below(&w.te, 3) == 0)
		s.seq = (uint32_t)testenv_rand(&w.te);
	if (w.tp && testenv_below(&w.te, 2))
		s.seq = w.tp->rcv_nxt.v - PEER_ISN;
	s.ack = testenv_below(&w.te, 5000);
	if (w.tp && testenv_below(&w.te, 2))
		s.ack = w.tp->snd_nxt.v - w.isn;
	s.len = testenv_below(&w.te, 1000);
	s.wnd = (uint16_t)testenv_rand(&w.te);
	s.up = (uint16_t)testenv_below(&w.te, 50);
	s.ts = testenv_below(&w.te, 2);
	s.nsack = (uint8_t)testenv_below(&w.te, 4);
	for (int k = 0; k < s.nsack; k++) {
		s.sack[k].from.v = testenv_below(&w.te, 60000);
		s.sack[k].to.v = testenv_below(&w.te, 60000);
	}
	if (s.nsack == 3 && s.ts)
		s.nsack = 2;
	s.dport = testenv_below(&w.te, 10) ? w.port : W_PORT;
	return s;
}

static void mutate(struct wseg *s)
{
	static const uint8_t addrs[] = {10, 0, 2, 2, 10, 0, 2, 15};
	struct tcp_out_hdr h = {0};
	struct nst_pkt *pkt;
	uint32_t hdr, total;
	uint8_t *p;

	h.sport = s->sport;
	h.dport = s->dport;
	h.seq.v = PEER_ISN + s->seq;
	h.ack.v = w.isn + s->ack;
	h.flags = s->flags;
	h.wnd = s->wnd;
	h.ts = true;
	hdr = tcp_hdr_bytes(&h);
	total = 20 + hdr + s->len;
	pkt = nst_pkt_new(&w.te.env, 0, total);
	p = nst_pkt_put(pkt, total);
	memset(p, 0, total);
	p[0] = 0x45;
	p[2] = (uint8_t)(total >> 8);
	p[3] = (uint8_t)total;
	p[8] = 64;
	p[9] = 6;
	memcpy(p + 12, addrs, 8);
	ip4_fix_csum(p, 20);
	tcp_hdr_emit(&h, p + 20);
	for (uint32_t i = testenv_below(&w.te, 4); i; i--)
		p[20 + testenv_below(&w.te, total - 20)] =
		    (uint8_t)testenv_rand(&w.te);
	if (testenv_below(&w.te, 10) == 0)
		nst_pkt_trim(pkt, 20 + testenv_below(&w.te, total - 20));
	pkt->csum = NST_CSUM_VALID;
	nst_nic_in(w.st, W_IF, pkt, w.now);
	w_check(&w);
}

static void reopen(void)
{
	if (w.tp && w_state(&w) != NST_TCP_CLOSE)
		return;
	if (w.tp)
		nst_tcp_close(w.tp, w.now);
	w.tp = NULL;
	w_drain(&w);
	w_connect(&w, O_ALL);
}

Test(misc, mutated_packets, .timeout = 180)
{
	size_t live = 0;

	w_listen(&w, 5);
	for (uint32_t i = 0; i < 100000; i++) {
		struct wseg s;

		reopen();
		s = base_seg(i);
		if (i % 2)
			w_send(&w, &s);
		else
			mutate(&s);
		if (i % 7 == 0)
			w_write(&w, testenv_below(&w.te, 3000));
		if (i % 11 == 0)
			nst_tcp_rcv_consume(w.tp, 10000, w.now);
		w_after(&w, testenv_below(&w.te, 100) * NST_MS);
		w_drain(&w);
		live = live > w.te.live_bytes ? live : w.te.live_bytes;
	}
	cr_assert_lt(live, 64u << 20);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resolution as sockets see it: the whole netstack on an Ethernet link. What
 * UDP and TCP sockets are told agrees with Linux 6.18 (tried on a tap device
 * with nobody behind it).
 */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "netstack/nst_dgram.h"
#include "netstack/nst_stack.h"
#include "netstack/nst_tcp.h"
#include "tests/unit/testenv.h"

struct world {
	struct testenv te;
	struct nst_stack *st;
	nst_time now;
	uint32_t nic;
	size_t n;
	struct {
		uint32_t bytes;
		uint8_t p[128];
	} tx[64];
	struct test_user user;
};

static void transmit(void *link, struct nst_pkt *pkt)
{
	struct world *w = link;
	uint32_t n = nst_pkt_bytes(pkt);

	cr_assert_lt(w->n, 64);
	w->tx[w->n].bytes = n;
	nst_pkt_copy(pkt, 0, w->tx[w->n++].p, n < 128 ? n : 128);
	nst_pkt_free(pkt);
}

static const struct nst_link_ops ops = {transmit};

static struct world *world_new(void)
{
	struct nst_nic_config cfg = {.name = "eth0",
				     .kind = NST_LINK_ETHER,
				     .mtu = 1500,
				     .mac = {2, 0, 0, 0, 0, 1},
				     .ops = &ops};
	struct world *w = calloc(1, sizeof(*w));
	struct nst_ifaddr a = {test_addr("10.0.0.1"), 24, 0};

	testenv_init(&w->te, testenv_seed(3));
	w->now = 5 * NST_SEC;
	cfg.link = w;
	cr_assert_eq(nst_stack_new(&w->te.env, w->now, &w->st), NST_OK);
	cr_assert_eq(nst_nic_add(w->st, &cfg, &w->nic), NST_OK);
	a.ifindex = w->nic;
	cr_assert_eq(nst_addr_add(w->st, &a, w->now), NST_OK);
	w->n = 0;
	return w;
}

static void world_free(struct world *w)
{
	nst_stack_free(w->st);
	cr_assert_eq(testenv_leaks(&w->te), 0);
	free(w);
}

static void advance(struct world *w, nst_time by)
{
	nst_time end = w->now + by;

	while (nst_next_deadline(w->st) <= end) {
		w->now = nst_next_deadline(w->st) > w->now
			     ? nst_next_deadline(w->st)
			     : w->now;
		nst_run_timers(w->st, w->now);
	}
	w->now = end;
}

static bool is_arp(const struct world *w, size_t i)
{
	return w->tx[i].p[12] == 8 && w->tx[i].p[13] == 6;
}

static void arp_reply(struct world *w)
{
	static const uint8_t p[42] = {
	    2, 0, 0, 0, 0, 1, 2, 0,  0, 0, 0, 9, 8, 6, 0, 1, 8, 0,  6, 4, 0,
	    2, 2, 0, 0, 0, 0, 9, 10, 0, 0, 7, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1};
	struct nst_pkt *pkt = nst_pkt_new(&w->te.env, 0, sizeof(p));

	memcpy(nst_pkt_put(pkt, sizeof(p)), p, sizeof(p));
	nst_nic_in(w->st, w->nic, pkt, w->now);
}

static enum nst_err udp_send(struct nst_dgram *d, nst_time now)
{
	struct nst_iov iov = {(void *)(uintptr_t) "hello", 5};

	return nst_dgram_send(d, NULL, &iov, 1, NULL, now);
}

static struct nst_dgram *udp_to(struct world *w, bool recverr)
{
	struct nst_sockaddr to = test_sa("10.0.0.7", 53);
	struct nst_dgram *d;

	cr_assert_eq(nst_dgram_new(w->st, NST_DGRAM_UDP, 4, 17, &w->user, &d),
		     NST_OK);
	if (recverr)
		cr_assert_eq(
		    nst_sock_set(nst_dgram_sock(d), NST_IP_RECVERR, 1, w->now),
		    NST_OK);
	cr_assert_eq(nst_dgram_connect(d, &to, w->now), NST_OK);
	cr_assert_eq(udp_send(d, w->now), NST_OK);
	return d;
}

Test(full, udp_with_recverr_hears_of_a_failed_resolution)
{
	struct world *w = world_new();
	struct nst_dgram *d = udp_to(w, true);
	struct nst_dgram_err e;

	cr_assert_eq(w->n, 1);
	cr_assert(is_arp(w, 0));
	advance(w, 3 * NST_SEC - 1);
	cr_assert_eq(nst_sock_error(nst_dgram_sock(d), false), NST_OK);
	advance(w, 1);
	cr_assert_eq(nst_sock_error(nst_dgram_sock(d), true),
		     NST_E_HOSTUNREACH);
	cr_assert(w->user.seen & NST_EV_ERR);
	cr_assert_eq(nst_dgram_err_peek(d, &e), NST_OK);
	cr_assert_eq(e.err, NST_E_HOSTUNREACH);
	cr_assert_eq(e.origin, 2);
	cr_assert_eq(e.type, 3);
	cr_assert_eq(e.code, 1);
	cr_assert_eq(e.dst.port, 53);
	cr_assert_eq(e.bytes, 5);
	nst_dgram_close(d, w->now);
	world_free(w);
}

/* LINUX: a host unreachable is no hard error. */
Test(full, udp_without_recverr_does_not)
{
	struct world *w = world_new();
	struct nst_dgram *d = udp_to(w, false);

	advance(w, 10 * NST_SEC);
	cr_assert_eq(nst_sock_error(nst_dgram_sock(d), true), NST_OK);
	nst_dgram_close(d, w->now);
	world_free(w);
}

Test(full, udp_leaves_when_the_answer_comes)
{
	struct world *w = world_new();
	struct nst_dgram *d = udp_to(w, false);

	arp_reply(w);
	cr_assert_eq(w->n, 2);
	cr_assert_eq(w->tx[1].bytes, 14 + 28 + 5);
	cr_assert_arr_eq(w->tx[1].p + 42, "hello", 5);
	cr_assert_eq(udp_send(d, w->now), NST_OK);
	cr_assert_eq(w->n, 3);
	nst_dgram_close(d, w->now);
	world_free(w);
}

static struct nst_tcp *tcp_to(struct world *w)
{
	struct nst_sockaddr to = test_sa("10.0.0.7", 80);
	struct nst_tcp *tp;

	cr_assert_eq(nst_tcp_new(w->st, 4, &w->user, w->now, &tp), NST_OK);
	cr_assert_eq(nst_tcp_connect(tp, &to, w->now), NST_E_INPROGRESS);
	return tp;
}

Test(full, syn_follows_the_answer)
{
	struct world *w = world_new();
	struct nst_tcp *tp = tcp_to(w);

	cr_assert_eq(w->n, 1);
	cr_assert(is_arp(w, 0));
	arp_reply(w);
	cr_assert_eq(w->n, 2);
	cr_assert_eq(w->tx[1].p[14 + 9], 6);
	cr_assert_eq(w->tx[1].p[34 + 13], 2);
	nst_tcp_abort(tp, w->now);
	world_free(w);
}

Test(full, connect_fails_with_host_unreachable)
{
	struct world *w = world_new();
	struct nst_tcp *tp = tcp_to(w);

	advance(w, 3 * NST_SEC - 1);
	cr_assert_eq(nst_sock_error(nst_tcp_sock(tp), false), NST_OK);
	advance(w, NST_SEC);
	cr_assert_eq(nst_sock_error(nst_tcp_sock(tp), true), NST_E_HOSTUNREACH);
	cr_assert(w->user.seen & NST_EV_ERR);
	for (size_t i = 0; i < w->n; i++)
		cr_assert(is_arp(w, i));
	nst_tcp_abort(tp, w->now);
	world_free(w);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* stack.c: life without memory, loopback, time; dgram under failing memory. */
#include <string.h>

#include "tests/unit/netstack_base/kit.h"

/* Whichever allocation fails, nothing is left and the error is NOMEM. */
Test(stack, birth_without_memory)
{
	struct testenv te;
	struct nst_stack *st;
	uint64_t n = 0;

	testenv_init(&te, testenv_seed(8));
	for (;; n++) {
		enum nst_err e;

		testenv_fail_nth(&te, n);
		e = nst_stack_new(&te.env, 0, &st);
		if (!e)
			break;
		cr_assert_eq(e, NST_E_NOMEM);
		cr_assert_null(st);
		cr_assert_eq(testenv_leaks(&te), 0, "allocation %lu", n);
	}
	cr_assert_gt(n, 5);
	testenv_fail_never(&te);
	nst_stack_free(st);
	nst_stack_free(NULL);
	cr_assert_eq(testenv_leaks(&te), 0);
}

/* One of everything that datagrams do; errors are allowed, crashes not. */
static void scenario(struct kit *k)
{
	static uint8_t data[3000];
	struct nst_addr g = test_addr("224.1.2.3");
	struct nst_dgram *d[4] = {NULL};
	static const struct {
		enum nst_dgram_kind kind;
		uint8_t proto;
	} kinds[4] = {{NST_DGRAM_UDP, 0},
		      {NST_DGRAM_UDP, 0},
		      {NST_DGRAM_PING, 0},
		      {NST_DGRAM_RAW, 1}};
	enum nst_err e = NST_OK;

	for (int i = 0; i < 4; i++)
		e |= nst_dgram_new(k->st, kinds[i].kind, 4, kinds[i].proto,
				   NULL, &d[i]);
	if (d[0]) {
		e |= kit_bind(nst_dgram_sock(d[0]), "0.0.0.0", 9);
		e |= nst_dgram_join(d[0], &g, KIT_IF, k->now);
	}
	if (d[1]) {
		e |= nst_sock_set(nst_dgram_sock(d[1]), NST_IP_RECVERR, 1,
				  k->now);
		e |= kit_send(k, d[1], "127.0.0.1", 9, data, 100);
		e |= kit_send(k, d[1], "127.0.0.1", 4, data, 100);
		e |= kit_send(k, d[1], "10.0.2.9", 4, data, 3000);
		e |= kit_send(k, d[1], "224.1.2.3", 9, data, 10);
		e |=
		    nst_sock_set(nst_dgram_sock(d[1]), NST_UDP_CORK, 1, k->now);
		e |= kit_send(k, d[1], "127.0.0.1", 9, data, 100);
		e |=
		    nst_sock_set(nst_dgram_sock(d[1]), NST_UDP_CORK, 0, k->now);
		e |= kit_connect(k, d[1], "127.0.0.1", 9);
	}
	data[0] = 8;
	if (d[2])
		e |= kit_send(k, d[2], "127.0.0.1", 0, data, 20);
	(void)e;
	for (int i = 0; i < 4; i++)
		if (d[i])
			nst_dgram_close(d[i], k->now);
}

Test(stack, datagrams_without_memory, .timeout = 60)
{
	uint64_t n = 0, failed;

	for (;; n++) {
		struct kit k;

		kit_up(&k, 0);
		testenv_fail_nth(&k.te, n);
		scenario(&k);
		failed = k.te.failed;
		testenv_fail_never(&k.te);
		kit_down(&k);
		if (!failed)
			break;
	}
	cr_assert_gt(n, 20, "%lu allocations", n);
	for (uint64_t from = 0; from < n; from++) {
		struct kit k;

		kit_up(&k, 0);
		testenv_fail_from(&k.te, from);
		scenario(&k);
		testenv_fail_never(&k.te);
		kit_down(&k);
	}
}

Test(stack, freed_with_sockets_open)
{
	struct kit k;
	struct nst_dgram *d;

	kit_up(&k, 0);
	d = kit_bound(&k, "127.0.0.1", 9, NULL);
	cr_assert_eq(kit_send(&k, d, "127.0.0.1", 9, "x", 1), NST_OK);
	cr_assert_eq(nst_dgram_new(k.st, NST_DGRAM_RAW, 4, 1, NULL, &d),
		     NST_OK);
	kit_down(&k);
}

/* More loopback packets than one entry delivers: the rest is a timer's work
 * and no longer needs its sender's memory. */
Test(stack, loopback_batch)
{
	struct kit k;
	uint8_t p[64], *mem = malloc(8);
	struct nst_sockaddr a = test_sa("127.0.0.1", 9);
	size_t n = kit_udp_packet(p, &a, &a, "12345678", 8);
	struct nst_dgram *d;
	enum { MORE = LIMIT_LOOP_BATCH + 10 };

	kit_up(&k, 0);
	d = kit_bound(&k, "127.0.0.1", 9, NULL);
	kit_set(&k, nst_dgram_sock(d), NST_SO_RCVBUF, 100);
	memcpy(mem, p + n - 8, 8);
	stack_enter(k.st, k.now);
	for (int i = 0; i < MORE; i++) {
		struct nst_pkt *pkt = nst_pkt_new(&k.te.env, 0, (uint32_t)n);

		memcpy(nst_pkt_put(pkt, (uint32_t)n - 8), p, n - 8);
		cr_assert(nst_pkt_ref(pkt, mem, 8));
		stack_loop_pkt(k.st, pkt);
	}
	stack_leave(k.st);
	free(mem);
	cr_assert_leq(nst_next_deadline(k.st), k.now);
	while (nst_dgram_queued(d))
		nst_dgram_pop(d);
	nst_run_timers(k.st, k.now);
	cr_assert_gt(nst_dgram_queued(d), 0);
	cr_assert_gt(nst_next_deadline(k.st), k.now);
	nst_dgram_close(d, k.now);
	kit_down(&k);
}

Test(stack, time_does_not_go_back)
{
	struct kit k;

	kit_up(&k, 0);
	nst_run_timers(k.st, k.now + NST_SEC);
	nst_run_timers(k.st, k.now);
	cr_assert_eq(k.st->now, k.now + NST_SEC);
	kit_down(&k);
}

Test(stack, counters_have_names)
{
	size_t n = sizeof(struct nst_counters) / sizeof(uint64_t);

	for (size_t i = 0; i < n; i++)
		cr_assert(nst_counter_name(i));
	cr_assert_str_eq(nst_counter_name(0), "PktNoMemory");
	cr_assert_null(nst_counter_name(n));
}

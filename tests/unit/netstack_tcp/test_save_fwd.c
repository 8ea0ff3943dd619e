/* SPDX-License-Identifier: Apache-2.0 */
/* As test_save.c: SYNs that wait for the embedder while the stack is saved. */
#include "tests/unit/netstack_tcp/harness.h"

static int asks;

static void on_syn(void *ctx, struct nst_fwd_req *req,
		   const struct nst_sockaddr *src,
		   const struct nst_sockaddr *dst)
{
	struct wire *w = ctx;

	cr_assert_eq(src->port, W_PEER_PORT);
	cr_assert_eq(dst->port, W_PORT);
	w->asked = req;
	asks++;
}

/* A SYN waits; what comes after it is absorbed, or answered with RST. */
static void wait_for_answer(struct wire *w)
{
	struct wseg s;

	asks = 0;
	w->forwarder = (struct nst_forwarder){.tcp = on_syn, .ctx = w};
	nst_set_forwarder(w->st, &w->forwarder);
	w->port = W_PORT;
	w->peer_port = W_PEER_PORT;
	w_syn(w, O_ALL);
	w_after(w, NST_SEC);
	w_syn(w, O_ALL);
	NONE(w);
	w_in(w, A, 1, 77, 0, 1000);
	cr_assert(w_out(w, &s) && s.flags == R);
	NONE(w);
	w_after(w, NST_SEC);
	cr_assert_eq(asks, 1);
	cr_assert_eq(w->st->tcp->nfwd, 1);
	cr_assert_not_null(w->asked);
}

static struct nst_fwd_req *taken(struct wire *w)
{
	struct nst_fwd_req *req = w->asked;

	w->asked = NULL;
	return req;
}

/* Options, window and ECN are those of the SYN. */
static void complete(struct wire *w)
{
	struct wseg s;

	w->st->tcp->ctl.tcp_ecn = 1;
	wait_for_answer(w);
	cr_assert_eq(nst_fwd_complete(taken(w), &w->user, &w->tp, w->now),
		     NST_OK);
	w_check(w);
	s = EXPECT(w, S | A, 0, 1, 0);
	cr_assert(s.sack_perm && s.ts && s.wscale >= 0);
	w_after(w, 1500 * NST_MS);
	EXPECT(w, S | A, 0, 1, 0);
	w_in(w, A, 1, 1, 0, 1000);
	ST(w, ESTABLISHED);
	w_in(w, P | A, 1, 1, 10, 1000);
	cr_assert_eq(w_read(w, 100), 10);
	cr_assert_eq(w_write(w, 5000), 5000);
	w_after(w, 3 * NST_SEC);
	cr_assert_eq(w->st->tcp->nfwd, 0);
}
Test(save_fwd, complete)
{
	w_scenario(complete);
}

static void refuse(struct wire *w)
{
	wait_for_answer(w);
	nst_fwd_refuse(taken(w), w->now);
	EXPECT(w, R | A, 0u - w->isn, 1, 0);
	w_check(w);
}
Test(save_fwd, refuse)
{
	w_scenario(refuse);
}

/* The error quotes the SYN with its IP header. */
static void unreach(struct wire *w)
{
	struct wseg s;

	wait_for_answer(w);
	nst_fwd_unreach(taken(w), NST_E_HOSTUNREACH, w->now);
	cr_assert(!w_out(w, &s));
	cr_assert_eq(w->others, 1);
	w_check(w);
}
Test(save_fwd, unreach)
{
	w_scenario(unreach);
}

/* Dropped: the next SYN asks again. */
static void drop(struct wire *w)
{
	wait_for_answer(w);
	nst_fwd_drop(taken(w));
	w_check(w);
	w_syn(w, O_ALL);
	cr_assert_eq(asks, 2);
	NONE(w);
	nst_fwd_refuse(taken(w), w->now);
	EXPECT(w, R | A, 0u - w->isn, 1, 0);
}
Test(save_fwd, drop)
{
	w_scenario(drop);
}

/* The peer's RST ends it: a save later it is nobody's. */
static void peer_gives_up(struct wire *w)
{
	wait_for_answer(w);
	w_in(w, R, 1, 0, 0, 0);
	w_after(w, NST_SEC);
	if (w->asked)
		cr_assert_eq(nst_fwd_complete(taken(w), NULL, &w->tp, w->now),
			     NST_E_CONNABORTED);
	w->tp = NULL;
	NONE(w);
	w_syn(w, O_ALL);
	cr_assert_eq(asks, 2);
	nst_fwd_drop(taken(w));
}
Test(save_fwd, peer_gives_up)
{
	w_scenario(peer_gives_up);
}

static void gone(void *link, struct nst_pkt *pkt)
{
	(void)link;
	nst_pkt_free(pkt);
}

/* Without somebody who takes it, a SYN that waited is dropped in the load. */
Test(save_fwd, nobody_takes_it)
{
	static const struct nst_link_ops ops = {gone};
	struct reborn_nic nic = {.name = "eth0", .ops = &ops};
	struct reborn how = {.nics = &nic, .nnics = 1};
	struct reborn_image image = {0};
	char why[NST_SAVE_WHY];
	struct nst_stack *st;
	struct wire w;

	w_init(&w);
	wait_for_answer(&w);
	reborn_save(w.st, &image);
	how.env = &w.te.env;
	cr_assert_eq(reborn_load(w.st, &how, image.p, image.bytes, &st, why),
		     NST_OK, "%s", why);
	cr_assert_eq(st->tcp->nfwd, 0);
	nst_stack_free(st);
	reborn_image_free(&image);
	w_fini(&w);
}

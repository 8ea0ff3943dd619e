/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images of TCP: broken ones, without memory, a record at a time, for a clone.
 * A broken image may load or not; it must not crash, hang or leak, and what it
 * makes must run.
 */
#include "tests/unit/netstack_tcp/harness.h"

#include <stdlib.h>
#include <string.h>

#define MSS 1448u

static struct wire w;
static struct reborn_nic nic;
static struct reborn how;
static struct reborn_image image;
static char why[NST_SAVE_WHY];

static void sink_pkt(void *link, struct nst_pkt *pkt)
{
	(void)link;
	nst_pkt_free(pkt);
}

static const struct nst_link_ops sink = {sink_pkt};

static void up(void)
{
	w_init(&w);
	w.reborn_at = -1;
	nic = (struct reborn_nic){"eth0", &sink, NULL};
	how = (struct reborn){.env = &w.te.env, .nics = &nic, .nnics = 1};
}

static void down(void)
{
	reborn_image_free(&image);
	w_fini(&w);
}

TestSuite(save_image, .init = up, .fini = down, .timeout = 300);

/* ---- a stack with one of each ---- */

static void on_syn(void *ctx, struct nst_fwd_req *req,
		   const struct nst_sockaddr *src,
		   const struct nst_sockaddr *dst)
{
	(void)src;
	(void)dst;
	*(struct nst_fwd_req **)ctx = req;
}

static void queues(const char *cc)
{
	struct wseg s;

	w.tp = NULL;
	w_new(&w);
	cr_assert_eq(nst_tcp_set_cc(w.tp, cc, w.now), NST_OK);
	w_connect(&w, O_ALL);
	w_after(&w, 20 * NST_MS);
	w_write(&w, 6 * MSS);
	w_after(&w, 20 * NST_MS);
	w_in(&w, A, 1, 1 + 2 * MSS, 0, 20000);
	s = w_seg(&w, A, 1, 1 + 2 * MSS, 0);
	s.nsack = 1;
	s.sack[0] = (struct tcp_range){{1 + 3 * MSS}, {1 + 4 * MSS}};
	w_send(&w, &s);
	w_in(&w, P | A, 1, 1 + 2 * MSS, 100, 20000);
	w_in(&w, P | A, 301, 1 + 2 * MSS, 50, 20000);
	w_write(&w, 300);
	w_drain(&w);
}

static void listener(void)
{
	struct wseg s;

	w_listen(&w, 2);
	cr_assert_eq(
	    nst_sock_set(nst_tcp_sock(w.lis), NST_TCP_SAVE_SYN, 1, w.now),
	    NST_OK);
	cr_assert_eq(
	    nst_sock_set(nst_tcp_sock(w.lis), NST_TCP_FASTOPEN, 3, w.now),
	    NST_OK);
	w_syn(&w, O_ALL);
	EXPECT(&w, S | A, 0, 1, 0);
	w_in(&w, P | A, 1, 1, 10, 65535);
	w.peer_port++;
	w_syn(&w, O_ALL);
	w.peer_port++;
	w.st->tcp->ctl.tcp_fastopen |= TFO_SERVER_COOKIE_NOT_REQD;
	s = w_seg(&w, S, 0, 0, 10);
	w_send(&w, &s);
	w_drain(&w);
}

static void one_of_each(void)
{
	static struct nst_fwd_req *req;
	struct nst_forwarder f = {.tcp = on_syn, .ctx = &req};
	struct nst_tcp *closed;

	w.st->tcp->ctl.tcp_fastopen = TFO_CLIENT_ENABLE | TFO_SERVER_ENABLE;
	queues("cubic");
	queues("bbr");
	w_after(&w, 3 * NST_SEC);
	w_drain(&w);
	w.tp = NULL;
	w_connect(&w, O_ALL); /* a TIME-WAIT */
	w_close(&w);
	w_in(&w, A, 1, 2, 0, 65535);
	w_in(&w, F | A, 1, 2, 0, 65535);
	w.tp = NULL;
	w_drain(&w);
	listener();
	w_new(&w);
	{
		struct nst_sockaddr to = test_sa(W_PEER, 9);

		cr_assert_eq(nst_tcp_connect(w.tp, &to, w.now),
			     NST_E_INPROGRESS);
	}
	cr_assert_eq(nst_tcp_new(w.st, 6, NULL, w.now, &closed), NST_OK);
	nst_set_forwarder(w.st, &f);
	w.port = 4711;
	w_syn(&w, O_ALL);
	cr_assert_not_null(req);
	w_drain(&w);
	w_check(&w);
}

/* What it makes lives on for a while. */
static void live(struct nst_stack *st)
{
	nst_time until = nst_stack_now(st) + 100 * NST_SEC;

	for (int n = 0; n < 1000 && nst_next_deadline(st) <= until; n++)
		nst_run_timers(st, nst_next_deadline(st));
	nst_stack_free(st);
}

static enum nst_err try(const void *p, size_t bytes, struct nst_stack **st)
{
	enum nst_err e = reborn_load(NULL, &how, p, bytes, st, why);

	cr_assert_eq(e == NST_OK, *st != NULL);
	cr_assert_eq(e == NST_OK, why[0] == '\0', "%s", why);
	return e;
}

Test(save_image, one_of_each_comes_back)
{
	struct reborn_image again = {0};
	struct nst_stack *st;

	one_of_each();
	reborn_save(w.st, &image);
	cr_assert_eq(try(image.p, image.bytes, &st), NST_OK, "%s", why);
	cr_assert_eq(st->nsocks, w.st->nsocks);
	cr_assert_eq(st->tcp->ntw, 1);
	cr_assert_eq(st->tcp->nreqs, w.st->tcp->nreqs);
	cr_assert_eq(st->last_id, w.st->last_id);
	cr_assert(nst_stack_check(st));
	nst_stack_free(st);
	/* Saved again, with the SYN that waits, it is the same. */
	how.fwd = NULL;
	reborn_save(w.st, &again);
	cr_assert_eq(again.bytes, image.bytes);
	cr_assert_eq(memcmp(again.p, image.p, image.bytes), 0);
	reborn_image_free(&again);
}

Test(save_image, truncated_at_every_byte)
{
	size_t blocks;
	struct nst_stack *st;

	one_of_each();
	reborn_save(w.st, &image);
	blocks = w.te.live_blocks;
	for (size_t n = 0; n < image.bytes; n += 1 + n / 5000) {
		uint8_t *p = malloc(n + 1); /* ASan sees what is behind */

		memcpy(p, image.p, n);
		cr_assert_neq(try(p, n, &st), NST_OK, "%zu", n);
		cr_assert_eq(w.te.live_blocks, blocks);
		free(p);
	}
}

static void flips(uint8_t with, size_t step)
{
	size_t blocks = w.te.live_blocks, loaded = 0, refused = 0;
	struct nst_stack *st;

	for (size_t i = 0; i < image.bytes; i += step) {
		image.p[i] ^= with;
		if (try(image.p, image.bytes, &st) == NST_OK) {
			live(st);
			loaded++;
		} else {
			refused++;
		}
		image.p[i] ^= with;
		cr_assert_eq(w.te.live_blocks, blocks, "byte %zu", i);
	}
	cr_log_info("%zu loaded, %zu refused of %zu bytes", loaded, refused,
		    image.bytes);
}

static void few_bytes(void)
{
	one_of_each();
	reborn_save(w.st, &image);
}

Test(save_image, every_byte_flipped)
{
	few_bytes();
	flips(0xff, 1);
}

Test(save_image, low_bits_flipped)
{
	few_bytes();
	flips(0x01, 1);
}

Test(save_image, high_bits_flipped)
{
	few_bytes();
	flips(0x40, 1);
}

Test(save_image, without_memory_nothing_is_left)
{
	size_t blocks;
	struct nst_stack *st = NULL;
	enum nst_err e = NST_E_NOMEM;

	few_bytes();
	blocks = w.te.live_blocks;
	for (uint64_t n = 0; e != NST_OK; n++) {
		testenv_fail_nth(&w.te, n);
		e = try(image.p, image.bytes, &st);
		testenv_fail_never(&w.te);
		if (e != NST_OK)
			cr_assert_eq(w.te.live_blocks, blocks, "%lu", n);
		cr_assert_lt(n, 100000);
	}
	nst_stack_free(st);
}

/* ---- records loaded as they are saved ---- */

static bool keep_nic(void *ctx, struct nst_nic_config *cfg)
{
	(void)ctx;
	cfg->ops = &sink;
	return true;
}

static bool put(void *ctx, const void *p, size_t bytes)
{
	return nst_load_put(ctx, p, bytes);
}

static enum nst_err move(struct nst_stack **st, enum nst_err *saved)
{
	const struct nst_load load = {.env = &w.te.env, .nic = keep_nic};
	struct nst_save_sink to = {.put = put};
	struct nst_loading *g;

	*st = NULL;
	if (nst_load_begin(&load, &g, why))
		return NST_E_NOMEM;
	to.ctx = g;
	*saved = nst_stack_save(w.st, &to);
	return nst_load_end(g, st);
}

Test(save_image, moved_a_record_at_a_time)
{
	struct reborn_image again = {0};
	struct nst_stack *st, *same;
	enum nst_err saved;

	few_bytes();
	cr_assert_eq(move(&st, &saved), NST_OK, "%s", why);
	cr_assert_eq(saved, NST_OK);
	cr_assert_eq(try(image.p, image.bytes, &same), NST_OK);
	reborn_image_free(&image);
	reborn_save(st, &again);
	reborn_save(same, &image);
	cr_assert_eq(again.bytes, image.bytes);
	cr_assert_eq(memcmp(again.p, image.p, image.bytes), 0);
	reborn_image_free(&again);
	nst_stack_free(same);
	live(st);
}

Test(save_image, moving_without_memory_leaves_nothing)
{
	struct nst_stack *st = NULL;
	enum nst_err e, saved;
	size_t blocks;

	one_of_each();
	blocks = w.te.live_blocks;
	for (uint64_t n = 0; !st; n++) {
		saved = NST_OK;
		testenv_fail_nth(&w.te, n);
		e = move(&st, &saved);
		testenv_fail_never(&w.te);
		cr_assert(st || saved == NST_E_NOMEM || e == NST_E_NOMEM);
		if (!st)
			cr_assert_eq(w.te.live_blocks, blocks, "%lu", n);
		cr_assert_lt(n, 100000);
	}
	cr_assert(nst_stack_check(w.st)); /* only read */
	nst_stack_free(st);
}

static size_t record_bytes(const uint8_t *p)
{
	return 8 + (p[4] | (size_t)p[5] << 8 | (size_t)p[6] << 16);
}

Test(save_image, records_end_early_or_go_on)
{
	const struct nst_load load = {.env = &w.te.env, .nic = keep_nic};
	struct nst_loading *g;
	struct nst_stack *st;
	size_t blocks, at = 0, n = 0;

	few_bytes();
	blocks = w.te.live_blocks;
	for (size_t end = 0; end < image.bytes;
	     end += record_bytes(image.p + end)) {
		cr_assert_eq(nst_load_begin(&load, &g, why), NST_OK);
		cr_assert(nst_load_put(g, image.p, end));
		cr_assert_eq(nst_load_end(g, &st), NST_E_INVAL);
		cr_assert_null(st);
		cr_assert_eq(w.te.live_blocks, blocks);
	}
	cr_assert_eq(nst_load_begin(&load, &g, why), NST_OK);
	for (; at < image.bytes; at += n) {
		n = record_bytes(image.p + at);
		cr_assert(nst_load_put(g, image.p + at, n));
	}
	cr_assert_not(nst_load_put(g, image.p + at - n, n)); /* END again */
	cr_assert_eq(nst_load_end(g, &st), NST_E_INVAL);
	cr_assert_eq(w.te.live_blocks, blocks);
}

/* ---- what is queued takes what it needs, and has the room it had ---- */

Test(save_image, rings_are_small_until_they_are_used)
{
	struct nst_iov iov[2];
	struct reborn r = {0};
	size_t room, niov, bytes;

	w_connect(&w, O_ALL);
	w_write(&w, 300);
	w_drain(&w);
	w_in(&w, P | A, 1, 1, 200, 65535);
	room = nst_tcp_snd_space(w.tp, iov, &niov);
	bytes = w.te.live_bytes;
	w_reborn_with(&w, &r);
	cr_assert_lt(w.te.live_bytes + 100000, bytes);
	cr_assert_eq(nst_tcp_snd_space(w.tp, iov, &niov), room);
	cr_assert_eq(w_read(&w, 1000), 200);
}

static bool never(void *ctx, const void *data, size_t bytes)
{
	(void)ctx;
	(void)data;
	(void)bytes;
	return false;
}

Test(save_image, not_within_a_batch_nor_without_a_sink)
{
	struct nst_save_sink s = {.put = never};

	nst_gro_begin(w.st);
	cr_assert_eq(nst_stack_save(w.st, &s), NST_E_INVAL);
	nst_gro_end(w.st, w.now);
	cr_assert_eq(nst_stack_save(w.st, &s), NST_E_NOMEM);
}

/* ---- clone ---- */

Test(save_image, a_clone_has_secrets_of_its_own)
{
	struct reborn r = {.clone = true};
	struct tcp_layer was;
	uint32_t ts_off;

	w.st->tcp->ctl.tcp_fastopen = TFO_SERVER_ENABLE;
	tcp_fo_need_key(w.st);
	w_connect(&w, O_ALL);
	was = *w.st->tcp;
	ts_off = w.tp->ts_off;
	w_reborn_with(&w, &r);
	cr_assert_neq(memcmp(was.isn_key, w.st->tcp->isn_key, 16), 0);
	cr_assert_neq(memcmp(was.cookie_key, w.st->tcp->cookie_key, 32), 0);
	cr_assert_neq(
	    memcmp(was.ctl.fastopen_key, w.st->tcp->ctl.fastopen_key, 16), 0);
	cr_assert_eq(w.tp->ts_off, ts_off);
	w_write(&w, 10);
	EXPECT(&w, P | A, 1, 1, 10);
}

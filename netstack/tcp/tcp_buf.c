/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The byte rings of an endpoint. Memory comes with the first byte, doubles on
 * demand up to what the limit needs, and goes back when a ring was empty for
 * TCP_IDLE_FREE. Limits are in bytes and may be anything; rings are powers of
 * two.
 */
#include "netstack/base/mem.h"
#include "netstack/tcp/tcp_priv.h"

/* Most of what is loaded waits for something: a page each is too much. */
#define LOADED_RING_MIN 256u

static uint32_t pow2_above(uint32_t v)
{
	uint32_t size = 4096;

	while (size < v)
		size *= 2;
	return size;
}

/* LINUX: tcp_sndbuf_expand: packets of two windows with what each costs. */
void tcp_snd_limit_update(struct nst_tcp *tp)
{
	uint32_t mss = u32_max(tcp_mss_clamp(tp), tp->mss), per = 1024;
	uint32_t segs = u32_max(tp->cwnd, TCP_INIT_CWND);
	uint32_t factor = tp->cc->sndbuf_expand ? tp->cc->sndbuf_expand(tp) : 2;
	uint64_t want;

	if (tp->conf.sndbuf_set) {
		tp->snd_limit = tp->sk.opt.sndbuf;
		return;
	}
	while (per < mss + TCP_SKB_HEAD)
		per *= 2;
	segs = u32_max(segs, tp->reord.degree + 1);
	want = (uint64_t)factor * segs * (per + TCP_SKB_BYTES);
	if (tp->snd_limit >= want)
		return;
	if (want > tp->sk.st->tcp->ctl.tcp_wmem[2])
		want = tp->sk.st->tcp->ctl.tcp_wmem[2];
	tp->snd_limit = (uint32_t)want;
	tp->sk.opt.sndbuf = tp->snd_limit;
}

void tcp_rcvbuf_init(struct nst_tcp *tp)
{
	if (!tp->conf.rcvbuf_set)
		tp->sk.opt.rcvbuf = tp->sk.st->tcp->ctl.tcp_rmem[1];
	tp->rmem.ratio = TCP_RMEM_RATIO;
}

void tcp_buf_init(struct nst_tcp *tp)
{
	if (!tp->conf.sndbuf_set)
		tp->sk.opt.sndbuf = tp->sk.st->tcp->ctl.tcp_wmem[1];
	tp->snd_limit = tp->sk.opt.sndbuf;
	tcp_rcvbuf_init(tp);
}

/* LINUX: a reader who waits for so much must be able to get it. */
void tcp_rcvlowat_set(struct nst_tcp *tp)
{
	uint32_t most = tp->sk.st->tcp->ctl.tcp_rmem[2] / 2, want;

	if (tp->conf.rcvbuf_set)
		most = tp->sk.opt.rcvbuf / 2;
	tp->sk.opt.rcvlowat = u32_min(tp->sk.opt.rcvlowat, most);
	if (tp->conf.rcvbuf_set)
		return;
	want = tcp_space_from_win(tp, tp->sk.opt.rcvlowat);
	if (want <= tp->sk.opt.rcvbuf)
		return;
	tp->sk.opt.rcvbuf = want;
	if (tp->rmem.clamp)
		tp->rmem.clamp = u32_max(tp->rmem.clamp, tp->sk.opt.rcvlowat);
}

static void *ring_alloc(const struct nst_tcp *tp, uint32_t size)
{
	return nst_alloc_raw(tp->sk.st->env, size + TCP_RING_TRAILER);
}

bool tcp_buf_load(const struct nst_tcp *tp, struct ring *r, uint32_t bytes,
		  uint64_t head)
{
	uint32_t size = LOADED_RING_MIN;
	void *mem;

	while (size < bytes)
		size *= 2;
	mem = ring_alloc(tp, size);
	if (!mem)
		return false;
	ring_init(r, mem, size);
	r->head = r->tail = head;
	return true;
}

static void rcv_release(struct nst_tcp *tp)
{
	if (!tp->rcv.mem)
		return;
	nst_release(tp->sk.st->env, tp->rcv.mem,
		    tp->rcv.size + TCP_RING_TRAILER);
	ring_init(&tp->rcv, NULL, 0);
	tp->rcv_was = 0;
}

static void snd_release(struct nst_tcp *tp)
{
	if (!tp->snd.mem)
		return;
	tcp_bury(tp->sk.st, tp->snd.mem, tp->snd.size + TCP_RING_TRAILER);
	ring_init(&tp->snd, NULL, 0);
	tp->snd_was = 0;
}

bool tcp_rcv_room(struct nst_tcp *tp, uint32_t need)
{
	uint32_t size =
	    u32_max(u32_max(pow2_above(need), TCP_RING_MIN), tp->rcv_was);
	uint32_t ahead = (uint32_t)seq_diff(tcp_ooo_end(tp), tp->rcv_nxt);
	uint8_t *old = tp->rcv.mem;
	uint32_t old_size = tp->rcv.size;
	void *mem;

	if (need <= old_size)
		return true;
	mem = ring_alloc(tp, size);
	if (!mem)
		return false;
	if (!old) {
		ring_init(&tp->rcv, mem, size);
		return true;
	}
	ring_move(&tp->rcv, mem, size, tp->rcv.tail + ahead);
	nst_release(tp->sk.st->env, old, old_size + TCP_RING_TRAILER);
	return true;
}

/* LINUX: the limit is looked at when a piece begins: one more, and what the
 * one before gained while it left. */
static uint32_t snd_max(const struct nst_tcp *tp)
{
	return pow2_above(tp->snd_limit + 2 * (uint32_t)UINT16_MAX);
}

/* A full half is the sign that the reader is slower than the writer. */
static uint32_t snd_want(const struct nst_tcp *tp)
{
	uint32_t max = snd_max(tp), size = u32_max(tp->snd.size, tp->snd_was);

	if (!size)
		return u32_min(TCP_RING_MIN, max);
	if (ring_used(&tp->snd) < size / 2)
		return size;
	return u32_min(size * 2, u32_max(max, size));
}

void tcp_snd_grow(struct nst_tcp *tp)
{
	uint32_t size = snd_want(tp);
	uint32_t old_size = tp->snd.size;
	uint8_t *old = tp->snd.mem;
	void *mem;

	if (size <= old_size)
		return;
	mem = ring_alloc(tp, size);
	if (!mem) {
		TCP_COUNT(tp->sk.st, AbortOnMemory);
		return; /* the old ring, if any, goes on */
	}
	if (!old) {
		ring_init(&tp->snd, mem, size);
		return;
	}
	ring_move(&tp->snd, mem, size, tp->snd.tail);
	tcp_bury(tp->sk.st, old, old_size + TCP_RING_TRAILER);
}

uint32_t tcp_snd_room(struct nst_tcp *tp)
{
	uint32_t most =
	    u32_max(snd_max(tp), u32_max(tp->snd.size, tp->snd_was));

	return u32_min(tcp_write_room(tp), most - ring_used(&tp->snd));
}

static bool snd_empty(const struct nst_tcp *tp)
{
	return tp->snd.mem && !ring_used(&tp->snd);
}

static bool rcv_empty(const struct nst_tcp *tp)
{
	return tp->rcv.mem && !ring_used(&tp->rcv) && !tp->ooo.n;
}

nst_time tcp_idle_deadline(const struct nst_tcp *tp)
{
	if (!snd_empty(tp) && !rcv_empty(tp))
		return NST_NEVER;
	return tp->last_used + TCP_IDLE_FREE;
}

void tcp_buf_release_empty(struct nst_tcp *tp)
{
	if (snd_empty(tp))
		snd_release(tp);
	if (rcv_empty(tp))
		rcv_release(tp);
}

void tcp_buf_drop_snd(struct nst_tcp *tp)
{
	snd_release(tp);
	tcp_write_free(tp);
	tp->fin_queued = false;
	tp->snd_una = tp->snd_nxt;
	tp->snd_base = tp->snd_nxt;
}

void tcp_buf_free(struct nst_tcp *tp)
{
	snd_release(tp);
	rcv_release(tp);
	tcp_write_free(tp);
}

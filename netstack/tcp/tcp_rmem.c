/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What received bytes cost, and what is done when they cost too much.
 *
 * LINUX: the receive buffer is measured in memory, not in bytes: each packet
 * counts with the buffer that a driver allocates for it. Windows, and so what
 * the peer does, follow from that; so we count the same, as for a tun device:
 * descriptor, head of a power of two with the shared info at its end, pages
 * for the rest of a super-segment. Our own memory is the ring: it never costs
 * more than what is counted here.
 */
#include "netstack/tcp/tcp_priv.h"

#define SKB_DESC 256u   /* descriptor */
#define SKB_SHARED 320u /* shared info behind the head */
#define SKB_PAD 64u     /* headroom */
#define SKB_PAGE 4096u
#define SKB_LINE 64u
#define COLLAPSED_PAYLOAD (SKB_PAGE - SKB_SHARED)

static uint32_t round_up(uint32_t v, uint32_t unit)
{
	return (v + unit - 1) / unit * unit;
}

static uint32_t packet_bytes(const struct tcp_seg *seg)
{
	uint32_t ip = seg->in->src.family == 6 ? 40 : 20;

	return ip + seg->hdr_bytes + tcp_seg_whole(seg);
}

/* Memory of a head with room for `bytes` behind the headroom. */
static uint32_t head_size(uint32_t bytes)
{
	uint32_t want = round_up(SKB_PAD + bytes, SKB_LINE) + SKB_SHARED;
	uint32_t size = 512;

	while (size < want)
		size *= 2;
	return size;
}

static bool is_super(const struct tcp_seg *seg)
{
	return seg->pkt && seg->pkt->gso_size &&
	       tcp_seg_whole(seg) > seg->pkt->gso_size;
}

uint32_t tcp_seg_truesize(const struct tcp_seg *seg)
{
	uint32_t bytes = packet_bytes(seg);

	if (is_super(seg))
		return SKB_DESC + 512 + round_up(tcp_seg_whole(seg), SKB_PAGE);
	if (SKB_PAD + bytes < SKB_PAGE)
		return SKB_DESC + head_size(bytes);
	return SKB_DESC + SKB_PAGE +
	       round_up(bytes - (SKB_PAGE - SKB_PAD - SKB_SHARED), SKB_PAGE);
}

/* Small segments fill up the head of the one in front of them. */
static uint32_t tail_of(const struct tcp_seg *seg)
{
	uint32_t bytes = packet_bytes(seg), used;

	if (is_super(seg) || SKB_PAD + bytes >= SKB_PAGE)
		return 0;
	used = SKB_PAD + bytes + SKB_SHARED;
	return head_size(bytes) > used ? head_size(bytes) - used : 0;
}

void tcp_rmem_charge(struct nst_tcp *tp, const struct tcp_seg *seg, bool ooo)
{
	struct tcp_rmem *m = &tp->rmem;

	if (ooo) {
		m->ooo_used += tcp_seg_truesize(seg);
		return;
	}
	if (ring_used(&tp->rcv) && seg->len <= m->tail) {
		m->tail -= seg->len;
		TCP_COUNT(tp->sk.st, RcvCoalesce);
		return;
	}
	m->used += tcp_seg_truesize(seg);
	m->tail = tail_of(seg);
}

/* Of `used` for `of` bytes, the share of `bytes`; all of it for all. */
static uint32_t share(uint32_t used, uint32_t bytes, uint32_t of)
{
	if (bytes >= of)
		return used;
	return (uint32_t)((uint64_t)used * bytes / of);
}

void tcp_rmem_consumed(struct nst_tcp *tp, uint32_t bytes, uint32_t of)
{
	tp->rmem.used -= share(tp->rmem.used, bytes, of);
	if (bytes >= of)
		tp->rmem.tail = 0;
}

void tcp_rmem_in_order(struct nst_tcp *tp, uint32_t bytes, uint32_t of)
{
	uint32_t n = share(tp->rmem.ooo_used, bytes, of);

	tp->rmem.ooo_used -= n;
	tp->rmem.used += n;
	tp->rmem.tail = 0;
}

void tcp_rmem_ooo_gone(struct nst_tcp *tp, uint32_t bytes, uint32_t of)
{
	tp->rmem.ooo_used -= share(tp->rmem.ooo_used, bytes, of);
}

/* ---- too much ---- */

/* LINUX: tcp_clamp_window: a buffer that is not fixed grows to what is in it;
 * the window shrinks to the least. */
static void clamp_window(struct nst_tcp *tp)
{
	uint32_t all = tcp_rmem_all(tp);
	uint32_t most = tp->sk.st->tcp->ctl.tcp_rmem[2];

	tp->quick = 0;
	if (tp->sk.opt.rcvbuf < most && !tp->conf.rcvbuf_set)
		tp->sk.opt.rcvbuf = u32_min(all, most);
	if (all > tp->sk.opt.rcvbuf)
		tp->rmem.ssthresh =
		    u32_min(tp->rmem.clamp, 2 * tcp_adv_payload(tp));
}

static uint32_t collapsed(uint32_t bytes)
{
	return round_up(bytes, COLLAPSED_PAYLOAD) / COLLAPSED_PAYLOAD *
	       (SKB_PAGE + SKB_DESC);
}

/* LINUX: tcp_collapse packs what is queued; to us it was packed already. */
static void collapse(struct nst_tcp *tp)
{
	uint32_t in_order = collapsed(ring_used(&tp->rcv));
	uint32_t ooo = collapsed(tcp_ooo_bytes(tp));
	struct tcp_rmem *m = &tp->rmem;

	if (in_order >= m->used && ooo >= m->ooo_used)
		return;
	TCP_COUNT(tp->sk.st, RcvCollapsed);
	m->used = u32_min(m->used, in_order);
	m->ooo_used = u32_min(m->ooo_used, ooo);
	m->tail = 0;
}

/* An eighth of the buffer at a time, the highest first; RFC 2018 8 allows to
 * drop what was reported. */
static void prune_ooo(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	bool pruned = false;

	while (tp->ooo.n && tcp_rmem_all(tp) > tp->sk.opt.rcvbuf) {
		uint32_t of = tcp_ooo_bytes(tp);
		uint32_t goal = tp->sk.opt.rcvbuf / 8, want = of;

		if (goal < tp->rmem.ooo_used)
			want = u32_max(share(of, goal, tp->rmem.ooo_used), 1);
		if (!tcp_ooo_cut(tp, want, seg->seq))
			break;
		pruned = true;
	}
	if (!pruned)
		return;
	TCP_COUNT(tp->sk.st, OfoPruned);
	tp->sacks.n = 0;
}

/* LINUX: tcp_prune_queue. */
static bool prune(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	TCP_COUNT(tp->sk.st, PruneCalled);
	if (tcp_rmem_all(tp) >= tp->sk.opt.rcvbuf)
		clamp_window(tp);
	if (tcp_rmem_all(tp) <= tp->sk.opt.rcvbuf)
		return true;
	collapse(tp);
	if (tcp_rmem_all(tp) <= tp->sk.opt.rcvbuf)
		return true;
	prune_ooo(tp, seg);
	if (tcp_rmem_all(tp) <= tp->sk.opt.rcvbuf)
		return true;
	TCP_COUNT(tp->sk.st, RcvPruned);
	return false;
}

bool tcp_rmem_admit(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	return tcp_rmem_all(tp) <= tp->sk.opt.rcvbuf || prune(tp, seg);
}

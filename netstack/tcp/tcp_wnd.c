/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The receive window: RFC 9293 3.8.6, RFC 7323 2. Its size follows from the
 * memory that is free, through the ratio of payload to memory that the peer's
 * packets have shown (tcp_rmem.c), and from rmem.ssthresh, which rises as the
 * peer proves to pack well. LINUX: the formulas are Linux's, so that the same
 * traffic sees the same windows. Silly windows are avoided on the receiving
 * side (RFC 9293 3.8.6.2.2). The right edge (rcv_adv) never moves left, but
 * when memory failed (ack_nomem) or net.ipv4.tcp_shrink_window allows it.
 */
#include "netstack/tcp/tcp_priv.h"

#define RATIO_SHIFT 8
#define MIN_CLAMP (TCP_SOCK_MIN_RCVBUF / 2)

/* ---- memory and window ---- */

uint32_t tcp_win_from_space(const struct nst_tcp *tp, uint32_t bytes)
{
	return (uint32_t)((uint64_t)bytes * tp->rmem.ratio >> RATIO_SHIFT);
}

uint32_t tcp_space_from_win(const struct nst_tcp *tp, uint32_t wnd)
{
	uint64_t bytes = ((uint64_t)wnd << RATIO_SHIFT) / tp->rmem.ratio;

	return bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)bytes;
}

/* What the whole buffer would allow. */
uint32_t tcp_full_space(const struct nst_tcp *tp)
{
	return tcp_win_from_space(tp, tp->sk.opt.rcvbuf);
}

static uint32_t free_space(const struct nst_tcp *tp)
{
	uint32_t used = tcp_rmem_all(tp), all = tp->sk.opt.rcvbuf;

	return all > used ? tcp_win_from_space(tp, all - used) : 0;
}

/* ---- opening ---- */

static uint8_t scale_for(const struct nst_tcp *tp, uint32_t space,
			 uint32_t clamp)
{
	uint8_t scale = 0;

	space = u32_max(space, tp->sk.st->tcp->ctl.tcp_rmem[2]);
	space = u32_min(u32_max(space, TCP_CORE_RMEM_MAX), clamp);
	while (scale < TCP_WSCALE_MAX && space >> scale > 65535)
		scale++;
	return scale;
}

/* A fixed buffer bounds the window for good; else it may still grow. */
static uint32_t first_clamp(const struct nst_tcp *tp, uint32_t full)
{
	uint32_t clamp = tp->conf.window_clamp;

	if (tp->conf.rcvbuf_set && (!clamp || clamp > full))
		clamp = full;
	return clamp ? clamp : 65535u << TCP_WSCALE_MAX;
}

struct tcp_first_wnd tcp_wnd_first(const struct nst_tcp *tp, uint32_t mss,
				   bool wscale_ok)
{
	uint32_t full = tcp_full_space(tp), clamp = first_clamp(tp, full);
	uint32_t wnd = u32_min(full, clamp);
	struct tcp_first_wnd f = {0};

	if (mss && wnd > mss)
		wnd -= wnd % mss; /* whole segments where possible */
	f.wnd = wnd;
	if (TCP_CTL(tp, workaround_signed_windows))
		f.wnd = u32_min(f.wnd, 32767);
	if (wscale_ok)
		f.wscale = scale_for(tp, wnd, clamp);
	f.clamp = u32_min(65535u << f.wscale, clamp);
	return f;
}

void tcp_wnd_start(struct nst_tcp *tp, const struct tcp_first_wnd *f)
{
	tp->rmem.first = f->wnd;
	tp->rmem.clamp = f->clamp;
	tp->rmem.ssthresh = f->wnd;
	tp->rcv_wscale = f->wscale;
}

void tcp_wnd_offer_syn(struct nst_tcp *tp)
{
	struct tcp_first_wnd f = tcp_wnd_first(tp, tp->advmss, tp->wscale_on);

	tcp_wnd_start(tp, &f);
}

void tcp_wnd_init(struct nst_tcp *tp)
{
	struct tcp_first_wnd f;

	if (!tp->rmem.clamp) { /* passive: as the SYN-ACK said */
		f = tcp_wnd_first(tp, tcp_adv_payload(tp), tp->wscale_on);
		tcp_wnd_start(tp, &f);
	}
	/* RFC 7323 2.2: a peer without scaling cannot be told of more. */
	if (!tp->wscale_on)
		tp->rmem.clamp = u32_min(tp->rmem.clamp, 65535);
	tp->rcv_wup = tp->rcv_nxt;
	tp->rcv_adv = seq_add(tp->rcv_nxt, tp->rmem.first);
	tp->drs_seq = tp->rcv_nxt;
	tp->drs_time = tp->sk.st->now;
	tp->rcv_rtt_seq = tp->rcv_nxt;
	tp->comp_nxt = tp->rcv_nxt;
}

/* LINUX: tcp_app_win keeps a part for the application. */
static void reserve(struct nst_tcp *tp, uint32_t full, uint32_t mss)
{
	uint32_t shift = (uint32_t)TCP_CTL(tp, app_win);
	struct tcp_rmem *m = &tp->rmem;

	if (m->clamp >= full) {
		m->clamp = full;
		if (shift && full > 4 * mss)
			m->clamp = u32_max(full - (full >> shift), 4 * mss);
	}
	if (shift && m->clamp > 2 * mss && m->clamp + mss > full)
		m->clamp = u32_max(2 * mss, full > mss ? full - mss : 0);
}

void tcp_wnd_established(struct nst_tcp *tp)
{
	uint32_t mss = tcp_adv_payload(tp);
	struct tcp_rmem *m = &tp->rmem;

	tp->drs_time = tp->sk.st->now;
	tp->drs_seq = tcp_copied_seq(tp);
	reserve(tp, tcp_full_space(tp), mss);
	m->ssthresh = u32_min(m->ssthresh, m->clamp);
	m->space =
	    u32_min(u32_min(m->ssthresh, tp->rmem.first), TCP_INIT_CWND * mss);
	tp->last_data_sent = tp->sk.st->now;
	tp->last_data_recv = tp->sk.st->now;
}

/* ---- growth ---- */

/* Would packets like this one fit if the window were as large as now? */
static uint32_t grow_step(const struct nst_tcp *tp, uint32_t len,
			  uint32_t truesize)
{
	uint32_t cost = tcp_win_from_space(tp, truesize);
	uint32_t wnd =
	    tcp_win_from_space(tp, tp->sk.st->tcp->ctl.tcp_rmem[2]) / 2;

	if (cost <= len)
		return 2 * tcp_adv_payload(tp);
	for (cost /= 2; tp->rmem.ssthresh <= wnd; cost /= 2, wnd /= 2) {
		if (cost <= len)
			return 2 * tp->rcv_mss;
	}
	return 0;
}

void tcp_wnd_grow(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	uint32_t most = u32_min(tp->rmem.clamp, free_space(tp)), step;

	if (most <= tp->rmem.ssthresh)
		return;
	step = grow_step(tp, tcp_seg_whole(seg), tcp_seg_truesize(seg));
	if (!step)
		return;
	step = u32_max(step, 2 * tcp_seg_whole(seg));
	tp->rmem.ssthresh += u32_min(most - tp->rmem.ssthresh, step);
	tp->quick |= 1;
}

/* LINUX: tcp_set_window_clamp. */
void tcp_wnd_set_clamp(struct nst_tcp *tp, uint32_t clamp)
{
	uint32_t old = tp->rmem.clamp, reach;
	uint32_t edge = (uint32_t)seq_diff(tp->rcv_adv, tp->rcv_wup);

	clamp = u32_max(clamp, MIN_CLAMP);
	if (clamp == old)
		return;
	tp->rmem.clamp = clamp;
	if (clamp < old) {
		tp->rmem.ssthresh = u32_min(tp->rmem.ssthresh, clamp);
		return;
	}
	reach = u32_min(edge, clamp);
	tp->rmem.ssthresh = u32_max(reach, tp->rmem.ssthresh);
}

/* ---- choosing ---- */

uint32_t tcp_rcv_wnd(const struct nst_tcp *tp)
{
	int32_t left = seq_diff(tp->rcv_adv, tp->rcv_nxt);

	return left > 0 ? (uint32_t)left : 0;
}

static uint32_t scale_up(const struct nst_tcp *tp, uint32_t wnd)
{
	uint32_t unit = 1u << tp->rcv_wscale;

	return (wnd + unit - 1) & ~(unit - 1);
}

static uint32_t scale_down(const struct nst_tcp *tp, uint32_t wnd)
{
	return wnd & ~((1u << tp->rcv_wscale) - 1);
}

static bool may_shrink(const struct nst_tcp *tp)
{
	return TCP_CTL(tp, shrink_window) && tp->rcv_wscale;
}

/* Without scaling: whole segments, unless that would move it by less. */
static uint32_t whole_segments(const struct nst_tcp *tp, uint32_t space,
			       uint32_t mss, uint32_t full)
{
	uint32_t wnd = (uint32_t)seq_diff(tp->rcv_adv, tp->rcv_wup);

	if (wnd > space || space - wnd >= mss)
		return space - (mss ? space % mss : 0);
	if (mss == full && space > wnd + full / 2)
		return space;
	return wnd;
}

static bool is_tight(const struct nst_tcp *tp, uint32_t space)
{
	return space < u32_min(tp->rmem.clamp, tcp_full_space(tp)) / 2;
}

uint32_t tcp_wnd_offer(const struct nst_tcp *tp)
{
	uint32_t all = tcp_full_space(tp), space = free_space(tp);
	uint32_t full = u32_min(tp->rmem.clamp, all);
	uint32_t mss = u32_min(u32_max(tp->rcv_mss, 1), full);
	bool shrink = may_shrink(tp);

	if (mss == 0)
		return 0;
	if (shrink || is_tight(tp, space))
		space = scale_down(tp, space);
	/* Too little for a segment, or for what the window was: none. */
	if (is_tight(tp, space) && (space < all / 16 || space < mss ||
				    (shrink && space < 1u << tp->rcv_wscale)))
		return 0;
	space = u32_min(space, tp->rmem.ssthresh);
	if (shrink || tp->rcv_wscale)
		return scale_up(tp, space);
	return whole_segments(tp, space, mss, full);
}

uint32_t tcp_wnd_offer_note(struct nst_tcp *tp)
{
	if (is_tight(tp, free_space(tp)))
		tp->quick = 0;
	return tcp_wnd_offer(tp);
}

static void count_zero(struct nst_tcp *tp, uint32_t old, uint32_t field)
{
	if (!field && old)
		TCP_COUNT(tp->sk.st, ToZeroWindowAdv);
	else if (field && !old)
		TCP_COUNT(tp->sk.st, FromZeroWindowAdv);
}

uint16_t tcp_wnd_select(struct nst_tcp *tp, bool syn)
{
	uint32_t old = (uint32_t)seq_diff(tp->rcv_adv, tp->rcv_wup);
	uint32_t cur = tcp_rcv_wnd(tp), wnd, field;

	if (syn) /* RFC 7323 2.2: never scaled */
		return (uint16_t)u32_min(tp->rmem.first, 65535);
	if (tp->ack_nomem) {
		tp->rcv_adv = tp->rcv_nxt;
		return 0;
	}
	wnd = tcp_wnd_offer_note(tp);
	if (wnd < cur && !may_shrink(tp)) {
		if (!wnd)
			TCP_COUNT(tp->sk.st, WantZeroWindowAdv);
		wnd = scale_up(tp, cur);
	}
	tp->rcv_adv = seq_add(tp->rcv_nxt, wnd);
	field = u32_min(wnd, 65535u << tp->rcv_wscale) >> tp->rcv_wscale;
	count_zero(tp, old, field);
	return (uint16_t)field;
}

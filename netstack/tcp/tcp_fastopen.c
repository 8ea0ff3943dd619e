/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fast Open, passive side: RFC 7413 4.1.2, 4.2.2, 5.1. A SYN with a valid
 * cookie makes the endpoint at once: it is in SYN-RECEIVED and in the accept
 * queue, its data can be read, and its owner may send. Until the peer
 * acknowledges the SYN-ACK the endpoint is `pending`: only the handshake timer
 * runs, and it counts against the listener's limit.
 */
#include "netstack/base/addr.h"
#include "netstack/base/mem.h"
#include "netstack/tcp/tcp_req.h"

/* ---- cookies ---- */

void tcp_fo_need_key(struct nst_stack *st)
{
	struct tcp_sysctl *ctl = &st->tcp->ctl;

	if (ctl->nfastopen_keys)
		return;
	st->env->random(st->env->ctx, ctl->fastopen_key[0], 16);
	ctl->nfastopen_keys = 1;
}

const struct tcp_fo_keys *tcp_fo_keys(const struct nst_tcp *tp,
				      struct tcp_fo_keys *tmp)
{
	const struct tcp_sysctl *ctl = &tp->sk.st->tcp->ctl;

	if (tp->conf.fo.keys.n)
		return &tp->conf.fo.keys;
	tmp->n = ctl->nfastopen_keys;
	memcpy(tmp->key, ctl->fastopen_key, sizeof(tmp->key));
	return tmp;
}

/* LINUX: SipHash of source and destination address as they are in the SYN. */
void tcp_fo_make_cookie(struct nst_stack *st, const struct nst_addr *remote,
			const struct nst_addr *local, const uint8_t key[16],
			struct tcp_fo_cookie *out)
{
	size_t n = addr_bytes(remote);
	uint8_t buf[32];
	uint64_t h;

	memcpy(buf, remote->b, n);
	memcpy(buf + n, local->b, n);
	h = st->env->hash(st->env->ctx, key, buf, 2 * n);
	out->on = true;
	out->len = sizeof(h);
	for (size_t i = 0; i < sizeof(h); i++)
		out->val[i] = (uint8_t)(h >> (8 * i));
}

static bool same_cookie(const struct tcp_fo_cookie *a,
			const struct tcp_fo_cookie *b)
{
	return a->len == b->len && memcmp(a->val, b->val, a->len) == 0;
}

/* Which key made it: 1 the first, 2 the second, 0 none; `mine` is what the
 * first would make. */
static int check_cookie(const struct nst_tcp *l, const struct tcp_seg *seg,
			struct tcp_fo_cookie *mine)
{
	struct tcp_fo_keys tmp;
	const struct tcp_fo_keys *keys = tcp_fo_keys(l, &tmp);
	int found = 0;

	for (int i = keys->n; i > 0; i--) {
		tcp_fo_make_cookie(l->sk.st, &seg->in->src, &seg->in->dst,
				   keys->key[i - 1], mine);
		if (same_cookie(mine, &seg->fo))
			found = i;
	}
	return found;
}

/* ---- the limit ---- */

static void drop_rst(struct nst_tcp *l)
{
	struct tcp_fo_rst *r = l->fo.rsts;

	l->fo.rsts = r->next;
	if (!r->next)
		l->fo.rst_end = &l->fo.rsts;
	l->fo.qlen--;
	nst_release(l->sk.st->env, r, sizeof(*r));
}

/* RFC 7413 5.1: LINUX: one reset that served its minute makes room for one. */
static bool queue_has_room(struct nst_tcp *l)
{
	struct tcp_fo_rst *r = l->fo.rsts;

	if (l->fo.qlen < l->conf.fo.backlog)
		return true;
	if (!l->conf.fo.backlog)
		return false;
	if (!r || r->at + TCP_FO_RST_TIME > l->sk.st->now) {
		TCP_COUNT(l->sk.st, FastOpenListenOverflow);
		return false;
	}
	drop_rst(l);
	return true;
}

bool tcp_fo_wanted(struct nst_tcp *l, const struct tcp_seg *seg,
		   struct tcp_fo_cookie *reply)
{
	struct nst_stack *st = l->sk.st;
	uint32_t how = (uint32_t)st->tcp->ctl.tcp_fastopen;
	struct tcp_fo_cookie mine = {.exp = seg->fo.exp};
	int key = 1;

	if (seg->fo.on && !seg->fo.len)
		TCP_COUNT(st, FastOpenCookieReqd);
	if (!(how & TFO_SERVER_ENABLE) || !(seg->len || seg->fo.on) ||
	    !queue_has_room(l))
		return false;
	if ((how & TFO_SERVER_COOKIE_NOT_REQD) || l->conf.fo.no_cookie)
		return true;
	if (!seg->fo.on)
		return false;
	key = check_cookie(l, seg, &mine);
	if (key != 1) /* asked for, wrong, or of a key on its way out */
		*reply = mine;
	if (seg->fo.len && !key)
		TCP_COUNT(st, FastOpenPassiveFail);
	if (key == 2)
		TCP_COUNT(st, FastOpenPassiveAltKey);
	return seg->fo.len && key;
}

/* ---- children ---- */

static void take_data(struct nst_tcp *tp, struct tcp_seg *seg)
{
	struct nst_iov iov[2];
	uint32_t from = seg->data_off;
	size_t n;

	if (!seg->len || !tcp_rcv_room(tp, seg->len))
		return; /* the SYN alone is acknowledged: it comes again */
	n = ring_span(&tp->rcv, tp->rcv.tail, seg->len, iov);
	for (size_t i = 0; i < n; i++) {
		nst_pkt_copy(seg->pkt, from, iov[i].p, (uint32_t)iov[i].len);
		from += (uint32_t)iov[i].len;
	}
	tcp_rmem_charge(tp, seg, false);
	tp->rcv.tail += seg->len;
	tp->rcv_nxt = seq_add(tp->rcv_nxt, seg->len);
	tp->bytes_received = seg->len;
	tp->data_segs_in = 1;
	tp->last_data_recv = tp->sk.st->now;
	tp->fo.data_acked = true;
}

static void link_child(struct nst_tcp *l, struct nst_tcp *tp)
{
	struct tcp_fo *f = &tp->fo;

	f->pending = true;
	f->owner = l;
	f->next = l->fo.children;
	f->pprev = &l->fo.children;
	if (f->next)
		f->next->fo.pprev = &f->next;
	l->fo.children = tp;
	l->fo.qlen++;
}

static void unlink_child(struct nst_tcp *tp)
{
	struct tcp_fo *f = &tp->fo;

	if (!f->pprev)
		return;
	*f->pprev = f->next;
	if (f->next)
		f->next->fo.pprev = f->pprev;
	f->pprev = NULL;
	f->next = NULL;
}

void tcp_fo_child_start(struct nst_tcp *l, struct nst_tcp *tp,
			struct tcp_seg *seg)
{
	uint32_t wnd = tcp_rcv_wnd(tp);

	link_child(l, tp);
	/* Unlike in other handshakes the SYN-ACK's number is in no record. */
	tp->snd_una = tp->snd_nxt;
	tp->snd_wl1 = seg->seq;
	/* RFC 7323 2.2: the window of a SYN is not scaled. */
	tp->snd_wnd = tp->max_wnd = seg->wnd;
	tp->rexmit_start = 0;
	take_data(tp, seg);
	tp->rcv_wup = tp->rcv_nxt;
	tp->rcv_adv = seq_add(tp->rcv_nxt, wnd);
	tp->drs_seq = tcp_copied_seq(tp);
	tcp_handshake_transfer(tp, seg);
	tcp_send_syn(tp);
	tp->fo.cookie.on = false;
	tcp_acceptq_put(l, tp);
	tcp_finish(tp);
}

/* A reset after accept, and so after its data was used, counts on. */
static void keep_rst(struct nst_tcp *l)
{
	struct tcp_fo_rst *r = nst_alloc(l->sk.st->env, sizeof(*r));

	if (!r)
		return; /* no memory: no penalty */
	r->at = l->sk.st->now;
	if (!l->fo.rsts)
		l->fo.rst_end = &l->fo.rsts;
	*l->fo.rst_end = r;
	l->fo.rst_end = &r->next;
	l->fo.qlen++;
}

void tcp_fo_child_done(struct nst_tcp *tp, bool rst)
{
	struct nst_tcp *l = tp->fo.owner;

	if (!tp->fo.pending)
		return;
	tp->fo.pending = false;
	tp->fo.owner = NULL;
	if (!l)
		return; /* it is gone */
	unlink_child(tp);
	l->fo.qlen--;
	if (rst && !tp->acc_queued)
		keep_rst(l);
}

/* The SYN again: the SYN-ACK is repeated; nobody says which of them counts. */
static bool syn_again(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	uint8_t flags = seg->flags & (TCP_SYN | TCP_ACK | TCP_RST);

	if (flags != TCP_SYN || !seq_eq(seg->seq, tp->irs))
		return false;
	if (tcp_oow_limited(tp->sk.st, &tp->last_oow))
		TCP_COUNT(tp->sk.st, ACKSkippedSynRecv);
	else
		tcp_handshake_repeat(tp);
	return true;
}

/* LINUX: tcp_check_req: a child is not torn down by guesses. */
static bool pending_in(struct nst_tcp *tp, struct tcp_seg *seg)
{
	struct nst_stack *st = tp->sk.st;
	struct seq edge = seq_add(tp->rcv_nxt, tcp_rcv_wnd(tp));
	bool old = tp->ts_on && seg->ts_ok &&
		   tcp_ts_older(tp->ts_recent, seg->tsval, 0, 0);

	if (!old && syn_again(tp, seg))
		return false;
	if (old || !tcp_seg_in_window(seg, tp->rcv_nxt, edge)) {
		TCP_COUNT(st, OutOfWindow);
		tcp_oow_ack(tp, seg, &st->count.TcpACKSkippedSynRecv);
		return false;
	}
	if (seg->flags & TCP_RST) {
		if (seq_eq(seg->seq, tp->rcv_nxt))
			tcp_fo_child_done(tp, true);
		return true; /* the steps decide */
	}
	if ((seg->flags & TCP_SYN) && !seq_eq(seg->seq, tp->irs)) {
		TCP_COUNT(st, AttemptFails);
		tcp_rst_reply(st, seg);
		return false;
	}
	return seg->flags & TCP_ACK;
}

bool tcp_fo_child_in(struct nst_tcp *tp, struct tcp_seg *seg)
{
	return !tp->fo.pending || pending_in(tp, seg);
}

/* ---- listeners ---- */

/* LINUX: TFO_SERVER_WO_SOCKOPT1: all listeners, without being asked. */
void tcp_fo_listen(struct nst_tcp *l)
{
	uint32_t how = (uint32_t)TCP_CTL(l, fastopen);

	if (!(how & TFO_SERVER_ENABLE) || !(how & TFO_SERVER_WO_SOCKOPT1) ||
	    l->conf.fo.backlog)
		return;
	l->conf.fo.backlog = (uint32_t)l->backlog;
	tcp_fo_need_key(l->sk.st);
}

/* Children that were accepted finish their handshake by themselves. */
void tcp_fo_listener_gone(struct nst_tcp *l)
{
	while (l->fo.children) {
		struct nst_tcp *tp = l->fo.children;

		unlink_child(tp);
		tp->fo.owner = NULL;
		l->fo.qlen--;
	}
	while (l->fo.rsts)
		drop_rst(l);
}

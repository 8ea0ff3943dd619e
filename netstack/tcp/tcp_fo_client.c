/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fast Open, active side: RFC 7413 4.1.3, 4.2.1. Connect is deferred until
 * there is data; its SYN carries the cookie that the destination once gave and
 * as much data as surely fits. Without a cookie the SYN asks for one. What is
 * known of destinations is a small table, the oldest entry makes room.
 */
#include "netstack/base/addr.h"
#include "netstack/base/mem.h"
#include "netstack/tcp/tcp_priv.h"

/* ---- what is known of destinations ---- */

static bool same_host(const struct nst_addr *a, const struct nst_addr *b)
{
	return a->family == b->family && memcmp(a->b, b->b, addr_bytes(a)) == 0;
}

static struct tcp_fo_dst *find_dst(const struct nst_tcp *tp)
{
	struct tcp_fo_dst *v = tp->sk.st->tcp->fo.cache;

	for (size_t i = 0; v && i < LIMIT_TCP_FO_CACHE; i++) {
		if (v[i].remote.family &&
		    same_host(&v[i].remote, &tp->sk.remote.addr) &&
		    same_host(&v[i].local, &tp->sk.local.addr))
			return &v[i];
	}
	return NULL;
}

static struct tcp_fo_dst *oldest(struct tcp_fo_dst *v)
{
	struct tcp_fo_dst *best = &v[0];

	for (size_t i = 0; i < LIMIT_TCP_FO_CACHE; i++) {
		if (!v[i].remote.family)
			return &v[i];
		if (v[i].used < best->used)
			best = &v[i];
	}
	return best;
}

static struct tcp_fo_dst *make_dst(const struct nst_tcp *tp)
{
	struct nst_stack *st = tp->sk.st;
	struct tcp_fo_layer *l = &st->tcp->fo;
	struct tcp_fo_dst *d = find_dst(tp);

	if (d)
		return d;
	if (!l->cache)
		l->cache =
		    nst_alloc(st->env, LIMIT_TCP_FO_CACHE * sizeof(*l->cache));
	if (!l->cache)
		return NULL; /* forgotten: the next SYN asks again */
	d = oldest(l->cache);
	if (d->remote.family)
		TCP_COUNT(st, FastOpenCacheFull);
	memset(d, 0, sizeof(*d));
	d->local = tp->sk.local.addr;
	d->remote = tp->sk.remote.addr;
	return d;
}

void tcp_fo_layer_free(struct tcp_layer *l)
{
	if (l->fo.cache)
		nst_release(l->st->env, l->fo.cache,
			    LIMIT_TCP_FO_CACHE * sizeof(*l->fo.cache));
	l->fo.cache = NULL;
}

/* ---- middleboxes that eat it ---- */

void tcp_fo_blackhole(struct nst_tcp *tp)
{
	struct tcp_fo_layer *l = &tp->sk.st->tcp->fo;

	if (!TCP_CTL(tp, fastopen_blackhole_timeout_sec))
		return;
	l->paused_at = tp->sk.st->now;
	l->pauses++;
	TCP_COUNT(tp->sk.st, FastOpenBlackhole);
}

/* LINUX: the third time-out in a row, or the last. */
void tcp_fo_blackhole_timeout(struct nst_tcp *tp, uint32_t timeouts,
			      bool expired)
{
	if (!tp->fo.asked && !tp->fo.data && !tp->fo.data_acked)
		return;
	if (timeouts != 2 && !(timeouts < 2 && expired))
		return;
	tcp_fo_blackhole(tp);
	TCP_COUNT(tp->sk.st, FastOpenActiveFail);
}

/* LINUX: each further pause is twice as long, up to 64 times the first. */
static bool paused(struct nst_tcp *tp)
{
	const struct tcp_fo_layer *l = &tp->sk.st->tcp->fo;
	nst_time unit = TCP_CTL(tp, fastopen_blackhole_timeout_sec) * NST_SEC;

	if (!unit || !l->pauses)
		return false;
	if (tp->sk.st->now < l->paused_at + (unit << u32_min(l->pauses - 1, 6)))
		return true;
	tp->fo.probation = true;
	return false;
}

void tcp_fo_ofo_check(struct nst_tcp *tp)
{
	struct tcp_fo_layer *l = &tp->sk.st->tcp->fo;

	if (!tp->fo.asked)
		return;
	if (!tp->data_segs_in) {
		if (tp->fin_ooo && !tp->ooo.n)
			tcp_fo_blackhole(tp);
	} else if (tp->fo.probation && !tp->path.loopback) {
		l->pauses = 0;
	}
}

/* ---- opening ---- */

/* May the SYN have data? Gives the option for it, and the known MSS. */
static bool cookie_known(struct nst_tcp *tp, struct tcp_fo_cookie *c,
			 uint16_t *mss)
{
	const struct tcp_fo_dst *d = find_dst(tp);

	*c = (struct tcp_fo_cookie){.on = true};
	if (d) {
		*c = d->cookie;
		c->on = true;
		if (d->mss)
			*mss = d->mss;
		if (!c->len && d->try_exp == 1)
			c->exp = true;
	}
	if (paused(tp)) {
		c->on = false;
		return false;
	}
	if ((TCP_CTL(tp, fastopen) & TFO_CLIENT_NO_COOKIE) ||
	    tp->conf.fo.no_cookie) {
		c->on = false;
		return true;
	}
	if (c->len)
		return true;
	tp->fo.fail = TFO_COOKIE_UNAVAILABLE;
	return false;
}

bool tcp_fo_defers(struct nst_tcp *tp)
{
	uint16_t mss = 0;

	if (!tp->conf.fo.connect)
		return false;
	return cookie_known(tp, &tp->fo.cookie, &mss);
}

uint32_t tcp_fo_syn_room(struct nst_tcp *tp)
{
	struct tcp_fo_cookie c;
	uint16_t mss = tp->advmss;
	uint32_t room;

	if (!tp->fo.deferred || !cookie_known(tp, &c, &mss))
		return 0;
	tp->peer_mss = mss; /* until the SYN-ACK says better */
	tcp_mss_sync(tp);
	/* Room for all options, ours and those that middleboxes add. */
	room = tcp_mtu_to_mss(tp, u32_min(tp->path.mtu, 65535)) +
	       (tp->ts_on ? 12u : 0u);
	return room > TCP_OPT_BYTES_MAX ? room - TCP_OPT_BYTES_MAX : 0;
}

/* Data goes on the scoreboard: the SYN-ACK may acknowledge it. */
static void note_data(struct nst_tcp *tp, uint32_t len)
{
	tcp_sent_push(tp, tp->snd_nxt, len, TCP_PIECE_PSH);
	tp->snd_nxt = seq_add(tp->snd_nxt, len);
	tp->fo.data = true;
	tp->bytes_sent += len;
	tp->data_segs_out++;
	tp->last_data_sent = tp->sk.st->now;
}

void tcp_fo_send_syn(struct nst_tcp *tp)
{
	uint32_t len = u32_min(tcp_fo_syn_room(tp), ring_used(&tp->snd));
	uint16_t mss = 0;

	if (!cookie_known(tp, &tp->fo.cookie, &mss))
		len = 0;
	tp->fo.deferred = false;
	tp->hs_sent = tp->rexmit_start = tp->sk.st->now;
	tp->hs_ts_first = tcp_ts_now(tp->sk.st, tp->ts_off);
	tp->fo.asked = tp->fo.cookie.on;
	tp->fo.asked_exp = tp->fo.cookie.exp;
	tcp_write_mark(tp);
	if (!tcp_send_syn_data(tp, len))
		len = 0;
	if (len)
		note_data(tp, len);
	tp->fo.cookie.on = false; /* repetitions are plain, RFC 7413 4.2.1 */
}

/* ---- the answer ---- */

static void learn(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	struct tcp_fo_dst *d = make_dst(tp);
	uint8_t try_exp = 0;

	if (!d)
		return;
	/* Asked for and not given: LINUX: try the other form next time. */
	if (tp->fo.asked && !tp->total_retrans && !seg->fo.on && !tp->fo.data)
		try_exp = tp->fo.asked_exp ? 2 : 1;
	d->used = tp->sk.st->now;
	if (seg->mss)
		d->mss = seg->mss;
	if (tp->fo.asked && seg->fo.on && seg->fo.len)
		d->cookie = seg->fo;
	else if (try_exp > d->try_exp && !d->cookie.len && !d->cookie.exp)
		d->try_exp = try_exp;
}

/* The SYN-ACK took only the SYN: the data goes again, as lost. */
static void data_refused(struct nst_tcp *tp)
{
	tp->fo.fail =
	    tp->total_retrans ? TFO_SYN_RETRANSMITTED : TFO_DATA_NOT_ACKED;
	for (uint32_t i = 0; i < tp->sents.n; i++)
		tcp_mark_lost(tp, tcp_sent_at(tp, i));
	tcp_non_congestion_loss(tp);
	TCP_COUNT(tp->sk.st, FastOpenActiveFail);
}

static void data_taken(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	tcp_in_ack_syn_data(tp, seg);
	if (seq_eq(tp->snd_una, tp->snd_nxt) && !tcp_send_pending(tp))
		tp->ev |= NST_EV_ACKED;
}

bool tcp_fo_synack(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	bool some = tp->fo.data && seq_gt(seg->ack, tp->snd_una);

	if (some)
		data_taken(tp, seg);
	learn(tp, seg);
	if (tp->sents.n) {
		data_refused(tp);
		return false;
	}
	tp->fo.data_acked = tp->fo.data;
	if (tp->fo.data)
		TCP_COUNT(tp->sk.st, FastOpenActive);
	return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of TCP sockets, tcp(7), with Linux's limits (6.18): numbers and
 * switches are rows of a table, the rest has functions. Called by nst_sock_set
 * and nst_sock_get. Fast Open's are in tcp_fo_opt.c.
 */
#include "netstack/tcp/tcp_priv.h"

static enum nst_err in_range(int64_t v, int64_t lo, int64_t hi)
{
	return v < lo || v > hi ? NST_E_INVAL : NST_OK;
}

/* ---- numbers and switches ---- */

enum field { F_U32, F_BOOL, F_FLAG };

struct row {
	enum nst_opt opt;
	enum field field; /* F_FLAG: any value, stored as 0 or 1 */
	size_t off;       /* in struct tcp_conf */
	int64_t lo, hi;
};

#define AT(name) offsetof(struct tcp_conf, name)

static const struct row rows[] = {
    {NST_TCP_NODELAY, F_FLAG, AT(nodelay), 0, 0},
    {NST_TCP_CORK, F_FLAG, AT(cork), 0, 0},
    {NST_TCP_KEEPINTVL, F_U32, AT(keepintvl_s), 1, TCP_KEEP_S_MAX},
    {NST_TCP_KEEPCNT, F_U32, AT(keepcnt), 1, TCP_KEEPCNT_MAX},
    {NST_TCP_SYNCNT, F_U32, AT(syncnt), 1, LIMIT_TCP_SYNCNT},
    {NST_TCP_USER_TIMEOUT, F_U32, AT(user_timeout_ms), 0, INT32_MAX},
    {NST_TCP_NOTSENT_LOWAT, F_U32, AT(notsent_lowat), 0, UINT32_MAX},
    {NST_TCP_THIN_LINEAR_TIMEOUTS, F_BOOL, AT(thin_lto), 0, 1},
    {NST_TCP_INQ, F_BOOL, AT(inq), 0, 1},
    {NST_TCP_SAVE_SYN, F_U32, AT(save_syn), 0, 2},
    {NST_TCP_RTO_MAX_MS, F_U32, AT(rto_max_ms), 1000, 120000},
};

static const struct row *find(enum nst_opt opt)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].opt == opt)
			return &rows[i];
	}
	return NULL;
}

static enum nst_err set_row(struct nst_tcp *tp, const struct row *r, int64_t v)
{
	uint8_t *p = (uint8_t *)&tp->conf + r->off;
	bool flag = v != 0;
	uint32_t n = (uint32_t)v;

	if (r->field != F_FLAG && in_range(v, r->lo, r->hi) != NST_OK)
		return NST_E_INVAL;
	if (r->field == F_U32)
		memcpy(p, &n, sizeof(n));
	else
		memcpy(p, &flag, sizeof(flag));
	return NST_OK;
}

static int64_t get_row(const struct nst_tcp *tp, const struct row *r)
{
	const uint8_t *p = (const uint8_t *)&tp->conf + r->off;
	uint32_t n;

	if (r->field != F_U32)
		return *p;
	memcpy(&n, p, sizeof(n));
	return n;
}

/* ---- with functions of their own: set ---- */

/* LINUX: secs_to_retrans and back: what at most 255 time-outs of 1, 2, 4 … 120
 * seconds (TCP_RTO_MAX) reach. */
static uint32_t defer_round(int64_t s)
{
	uint32_t period = 1, step = 1;

	if (s <= 0)
		return 0;
	for (int n = 1; period < s && n < 255; n++) {
		step = step * 2 < 120 ? step * 2 : 120;
		period += step;
	}
	return period;
}

/* LINUX: for the next connection; one that is there keeps its size. */
static enum nst_err set_maxseg(struct nst_tcp *tp, int64_t v)
{
	if (v && in_range(v, TCP_MAXSEG_MIN, TCP_MAXSEG_MAX) != NST_OK)
		return NST_E_INVAL;
	tp->conf.user_mss = (uint16_t)v;
	return NST_OK;
}

static enum nst_err set_linger2(struct nst_tcp *tp, int64_t v)
{
	if (v < 0)
		v = -1;
	else if (v > TCP_FIN_TIMEOUT_MAX_S)
		v = TCP_FIN_TIMEOUT_MAX_S;
	tp->conf.linger2_s = (int32_t)v;
	return NST_OK;
}

static enum nst_err set_quickack(struct nst_tcp *tp, int64_t v)
{
	if (!v) {
		tcp_pingpong_enter(tp);
		return NST_OK;
	}
	tp->pingpong = 0;
	if (!tp->ack_pending ||
	    !tcp_in_states(tp, TCPF(ESTABLISHED) | TCPF(CLOSE_WAIT)))
		return NST_OK;
	tp->ack_pushed = (uint8_t)u32_max(tp->ack_pushed, 1);
	tcp_ack_consumed(tp, 1);
	/* LINUX: an even number: this ACK only. */
	if (!(v & 1))
		tcp_pingpong_enter(tp);
	return NST_OK;
}

static enum nst_err set_clamp(struct nst_tcp *tp, int64_t v)
{
	if (!v && tp->state != NST_TCP_CLOSE)
		return NST_E_INVAL;
	if (v > INT32_MAX) /* LINUX: a negative int is less than the least */
		v = 1;
	if (v)
		v = u32_max((uint32_t)v, TCP_SOCK_MIN_RCVBUF / 2);
	tp->conf.window_clamp = (uint32_t)v;
	if (tcp_in_states(tp, TCPF_SYNCED))
		tcp_wnd_set_clamp(tp, (uint32_t)v);
	return NST_OK;
}

/* LINUX: times are whole ticks, at least two. */
static enum nst_err set_ticks(uint32_t *us, int64_t v, nst_time max)
{
	nst_time t;

	if (v < 0 || v > INT32_MAX)
		return NST_E_INVAL;
	t = (v * NST_US + TCP_TICK - 1) / TCP_TICK * TCP_TICK;
	if (t < 2 * TCP_TICK || t > max)
		return NST_E_INVAL;
	*us = (uint32_t)(t / NST_US);
	return NST_OK;
}

/* SO_SNDBUF, SO_RCVBUF, SO_RCVLOWAT, SO_KEEPALIVE: stored by the common half;
 * what they mean here. */
static void common_changed(struct nst_tcp *tp, enum nst_opt opt, int64_t v)
{
	if (opt == NST_SO_KEEPALIVE) {
		tcp_keep_set(tp, v != 0);
	} else if (opt == NST_SO_SNDBUF) {
		tp->conf.sndbuf_set = true; /* fixed from now on */
		tcp_snd_limit_update(tp);
	} else if (opt == NST_SO_RCVBUF) {
		tp->conf.rcvbuf_set = true;
	} else if (opt == NST_SO_RCVLOWAT) {
		tcp_rcvlowat_set(tp);
	}
}

static enum nst_err set_special(struct nst_tcp *tp, enum nst_opt opt, int64_t v)
{
	struct tcp_conf *c = &tp->conf;

	switch (opt) {
	case NST_TCP_QUICKACK:
		return set_quickack(tp, v);
	case NST_TCP_MAXSEG:
		return set_maxseg(tp, v);
	case NST_TCP_KEEPIDLE:
		if (in_range(v, 1, TCP_KEEP_S_MAX) != NST_OK)
			return NST_E_INVAL;
		tcp_keep_set_idle(tp, (uint32_t)v);
		return NST_OK;
	case NST_TCP_LINGER2:
		return set_linger2(tp, v);
	case NST_TCP_DEFER_ACCEPT:
		c->defer_s = defer_round(v);
		return NST_OK;
	case NST_TCP_WINDOW_CLAMP:
		return set_clamp(tp, v);
	case NST_TCP_RTO_MIN_US:
		return set_ticks(&c->rto_min_us, v, TCP_RTO_MIN);
	case NST_TCP_DELACK_MAX_US:
		return set_ticks(&c->delack_max_us, v, TCP_DELACK_MAX);
	case NST_TCP_THIN_DUPACK: /* LINUX: checked, and without effect */
		return in_range(v, 0, 1);
	default:
		return tcp_fo_opt_set(tp, opt, v);
	}
}

enum nst_err tcp_opt_set(struct nst_sock *s, enum nst_opt opt, int64_t v,
			 nst_time now)
{
	const struct row *r = find(opt);
	struct nst_tcp *tp = tcp_of(s);
	enum nst_err e;

	stack_enter(s->st, now);
	common_changed(tp, opt, v);
	e = r ? set_row(tp, r, v) : set_special(tp, opt, v);
	if (opt == NST_TCP_NODELAY && v)
		tp->nagle_push = true; /* LINUX: even what is corked */
	/* Pushes what NODELAY or CORK held, arms what KEEPALIVE wants. */
	if (tp->state != NST_TCP_LISTEN)
		tcp_finish(tp);
	stack_leave(s->st);
	return e;
}

/* ---- get ---- */

static int64_t get_maxseg(const struct nst_tcp *tp)
{
	if (tp->conf.user_mss && tcp_in_states(tp, TCPF(CLOSE) | TCPF(LISTEN)))
		return tp->conf.user_mss;
	return tp->mss ? tp->mss : TCP_MSS_DEFAULT;
}

static enum nst_err get_mtu(const struct nst_tcp *tp, int64_t *v)
{
	if (!tp->path_ok || !tcp_in_states(tp, TCPF_SYNCED))
		return NST_E_NOTCONN;
	*v = tp->path.mtu;
	return NST_OK;
}

/* What the stack's settings say when the socket's do not. 0: no default. */
static int64_t fallback(const struct nst_tcp *tp, enum nst_opt opt)
{
	switch (opt) {
	case NST_TCP_KEEPINTVL:
		return tcp_keepintvl_s(tp);
	case NST_TCP_KEEPCNT:
		return tcp_keepcnt(tp);
	case NST_TCP_SYNCNT:
		return TCP_CTL(tp, syn_retries);
	case NST_TCP_RTO_MAX_MS:
		return TCP_CTL(tp, rto_max_ms);
	default:
		return 0;
	}
}

static enum nst_err get_special(const struct nst_tcp *tp, enum nst_opt opt,
				int64_t *v)
{
	const struct tcp_conf *c = &tp->conf;

	switch (opt) {
	case NST_TCP_QUICKACK:
		*v = !tcp_pingpong(tp);
		return NST_OK;
	case NST_TCP_MAXSEG:
		*v = get_maxseg(tp);
		return NST_OK;
	case NST_TCP_KEEPIDLE:
		*v = tcp_keepidle_s(tp);
		return NST_OK;
	case NST_TCP_LINGER2:
		*v = c->linger2_s ? c->linger2_s : TCP_CTL(tp, fin_timeout);
		return NST_OK;
	case NST_TCP_DEFER_ACCEPT:
		*v = c->defer_s;
		return NST_OK;
	case NST_TCP_WINDOW_CLAMP:
		*v = tcp_in_states(tp, TCPF_SYNCED) ? tp->rmem.clamp
						    : c->window_clamp;
		return NST_OK;
	case NST_TCP_RTO_MIN_US:
		*v = c->rto_min_us ? (int64_t)c->rto_min_us
				   : TCP_CTL(tp, rto_min_us);
		return NST_OK;
	case NST_TCP_DELACK_MAX_US:
		*v = c->delack_max_us ? (int64_t)c->delack_max_us
				      : TCP_DELACK_MAX / NST_US;
		return NST_OK;
	case NST_TCP_THIN_DUPACK:
		*v = 0;
		return NST_OK;
	case NST_TCP_TIMESTAMP:
		*v = tcp_ts_now(tp->sk.st, tp->ts_off);
		return NST_OK;
	case NST_IP_MTU:
	case NST_IPV6_MTU:
		return get_mtu(tp, v);
	default:
		return tcp_fo_opt_get(tp, opt, v);
	}
}

enum nst_err tcp_opt_get(const struct nst_sock *s, enum nst_opt opt, int64_t *v)
{
	const struct nst_tcp *tp = tcp_ofc(s);
	const struct row *r = find(opt);

	if (!r)
		return get_special(tp, opt, v);
	*v = get_row(tp, r);
	if (!*v)
		*v = fallback(tp, opt);
	return NST_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Options of TCP sockets, tcp(7), with Linux's limits: a table of setters and
 * getters. Called by nst_sock_set and nst_sock_get. */
#include "netstack/tcp/tcp_priv.h"

static enum nst_err in_range(int64_t v, int64_t lo, int64_t hi)
{
	return v < lo || v > hi ? NST_E_INVAL : NST_OK;
}

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

static enum nst_err set_maxseg(struct nst_tcp *tp, int64_t v)
{
	if (v && in_range(v, TCP_MAXSEG_MIN, TCP_MAXSEG_MAX) != NST_OK)
		return NST_E_INVAL;
	tp->conf.user_mss = (uint16_t)v;
	if (tcp_in_states(tp, TCPF_SYNCED))
		tcp_mss_sync(tp);
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
	/* LINUX: a negative one is less than the least. */
	if (v > INT32_MAX)
		v = 0;
	if (v)
		v = u32_max((uint32_t)v, TCP_SOCK_MIN_RCVBUF / 2);
	tp->conf.window_clamp = (uint32_t)v;
	if (tcp_in_states(tp, TCPF_SYNCED))
		tcp_wnd_set_clamp(tp, (uint32_t)v);
	return NST_OK;
}

static enum nst_err set_u32(uint32_t *field, int64_t v, int64_t lo, int64_t hi)
{
	if (in_range(v, lo, hi) != NST_OK)
		return NST_E_INVAL;
	*field = (uint32_t)v;
	return NST_OK;
}

static enum nst_err set_one(struct nst_tcp *tp, enum nst_opt opt, int64_t v)
{
	struct tcp_conf *c = &tp->conf;

	switch (opt) {
	case NST_TCP_NODELAY:
		c->nodelay = v != 0;
		return NST_OK;
	case NST_TCP_CORK:
		c->cork = v != 0;
		return NST_OK;
	case NST_TCP_QUICKACK:
		return set_quickack(tp, v);
	case NST_TCP_MAXSEG:
		return set_maxseg(tp, v);
	case NST_TCP_KEEPIDLE:
		if (in_range(v, 1, TCP_KEEP_S_MAX) != NST_OK)
			return NST_E_INVAL;
		tcp_keep_set_idle(tp, (uint32_t)v);
		return NST_OK;
	case NST_TCP_KEEPINTVL:
		return set_u32(&c->keepintvl_s, v, 1, TCP_KEEP_S_MAX);
	case NST_TCP_KEEPCNT:
		return set_u32(&c->keepcnt, v, 1, TCP_KEEPCNT_MAX);
	case NST_TCP_SYNCNT:
		return set_u32(&c->syncnt, v, 1, LIMIT_TCP_SYNCNT);
	case NST_TCP_LINGER2:
		return set_linger2(tp, v);
	case NST_TCP_DEFER_ACCEPT:
		c->defer_s = defer_round(v);
		return NST_OK;
	case NST_TCP_WINDOW_CLAMP:
		return set_clamp(tp, v);
	case NST_TCP_USER_TIMEOUT:
		return set_u32(&c->user_timeout_ms, v, 0, INT32_MAX);
	case NST_TCP_NOTSENT_LOWAT:
		return set_u32(&c->notsent_lowat, v, 0, UINT32_MAX);
	case NST_SO_KEEPALIVE:
		tcp_keep_set(tp, v != 0);
		return NST_E_NOPROTOOPT;
	case NST_SO_SNDBUF: /* stored by the common half; fixed from now on */
		c->sndbuf_set = true;
		tcp_snd_limit_update(tp);
		return NST_E_NOPROTOOPT;
	case NST_SO_RCVBUF:
		c->rcvbuf_set = true;
		return NST_E_NOPROTOOPT;
	default:
		return tcp_fo_opt_set(tp, opt, v);
	}
}

enum nst_err tcp_opt_set(struct nst_sock *s, enum nst_opt opt, int64_t v,
			 nst_time now)
{
	struct nst_tcp *tp = tcp_of(s);
	enum nst_err e;

	stack_enter(s->st, now);
	e = set_one(tp, opt, v);
	/* Pushes what NODELAY or CORK held, arms what KEEPALIVE wants. */
	if (tp->state != NST_TCP_LISTEN)
		tcp_finish(tp);
	stack_leave(s->st);
	return e;
}

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

enum nst_err tcp_opt_get(const struct nst_sock *s, enum nst_opt opt, int64_t *v)
{
	const struct nst_tcp *tp = tcp_ofc(s);
	const struct tcp_conf *c = &tp->conf;

	switch (opt) {
	case NST_TCP_NODELAY:
		*v = c->nodelay;
		break;
	case NST_TCP_CORK:
		*v = c->cork;
		break;
	case NST_TCP_QUICKACK:
		*v = !tcp_pingpong(tp);
		break;
	case NST_TCP_MAXSEG:
		*v = get_maxseg(tp);
		break;
	case NST_TCP_KEEPIDLE:
		*v = tcp_keepidle_s(tp);
		break;
	case NST_TCP_KEEPINTVL:
		*v = tcp_keepintvl_s(tp);
		break;
	case NST_TCP_KEEPCNT:
		*v = tcp_keepcnt(tp);
		break;
	case NST_TCP_SYNCNT:
		*v = c->syncnt ? (int64_t)c->syncnt : TCP_CTL(tp, syn_retries);
		break;
	case NST_TCP_LINGER2:
		*v = c->linger2_s ? c->linger2_s : TCP_CTL(tp, fin_timeout);
		break;
	case NST_TCP_DEFER_ACCEPT:
		*v = c->defer_s;
		break;
	case NST_TCP_WINDOW_CLAMP:
		*v = tcp_in_states(tp, TCPF_SYNCED) ? tp->rmem.clamp
						    : c->window_clamp;
		break;
	case NST_TCP_USER_TIMEOUT:
		*v = c->user_timeout_ms;
		break;
	case NST_TCP_NOTSENT_LOWAT:
		*v = c->notsent_lowat;
		break;
	case NST_IP_MTU:
	case NST_IPV6_MTU:
		return get_mtu(tp, v);
	default:
		return tcp_fo_opt_get(tp, opt, v);
	}
	return NST_OK;
}

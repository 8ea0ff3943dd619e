/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Active open, RFC 9293 3.10.1. The SYN leaves before nst_tcp_connect returns;
 * if the next hop is unresolved it waits in the neighbour entry, below us.
 */
#include "netstack/base/addr.h"
#include "netstack/tcp/tcp_req.h"

static enum nst_err may_connect(const struct nst_tcp *tp)
{
	if (tp->state == NST_TCP_CLOSE)
		return NST_OK;
	if (tcp_in_states(tp, TCPF(SYN_SENT) | TCPF(SYN_RCVD)))
		return NST_E_ALREADY;
	return NST_E_ISCONN;
}

/* LINUX: the wildcard address means this host; groups are unreachable. */
static enum nst_err target(struct nst_tcp *tp, const struct nst_sockaddr *to,
			   struct nst_sockaddr *out)
{
	*out = *to;
	if (to->addr.family != 4 && to->addr.family != 6)
		return NST_E_AFNOSUPPORT;
	if (!sock_takes_family(&tp->sk, to->addr.family))
		return tp->sk.family == 4 ? NST_E_AFNOSUPPORT
					  : NST_E_NETUNREACH;
	if (addr_is_any(&to->addr))
		out->addr = addr_loopback(to->addr.family);
	if (addr_is_mcast(&to->addr) || addr_is_bcast4(&to->addr))
		return NST_E_NETUNREACH;
	return NST_OK;
}

static struct flow_key key_of(const struct nst_tcp *tp)
{
	struct flow_key k = {.proto = IP_PROTO_TCP};

	k.local = tp->sk.local.addr;
	k.remote = tp->sk.remote.addr;
	k.lport = tp->sk.local.port;
	k.rport = tp->sk.remote.port;
	k.local.scope = 0;
	k.remote.scope = 0;
	if (addr_is_linklocal6(&k.local))
		k.local.scope = tp->path.ifindex;
	if (addr_is_linklocal6(&k.remote))
		k.remote.scope = tp->path.ifindex;
	return k;
}

/* The way there gives the source address, if none was bound. */
static enum nst_err choose_source(struct nst_tcp *tp,
				  const struct nst_sockaddr *dst)
{
	struct nst_sock *s = &tp->sk;
	const struct nst_addr *src = NULL;
	enum nst_err e;

	if (!s->bound_addr || addr_is_any(&s->local.addr))
		src = NULL;
	else
		src = &s->local.addr;
	if (src && src->family != dst->addr.family)
		return NST_E_NETUNREACH;
	e = ip_path_find(s->st, &dst->addr, src,
			 s->opt.bound_if ? s->opt.bound_if : dst->addr.scope,
			 sock_may_spoof(s), &tp->path);
	if (e != NST_OK)
		return e;
	if (tp->path.bcast || tp->path.mcast)
		return NST_E_NETUNREACH;
	tp->path_ok = true;
	if (!src)
		s->local.addr = tp->path.src;
	return NST_OK;
}

/* A TIME-WAIT in the way of a bound port may be reused, RFC 6191; an automatic
 * port was chosen only if so. */
static bool evict_time_wait(struct nst_tcp *tp)
{
	struct nst_stack *st = tp->sk.st;
	struct demux_node *n = demux_find(st->demux, &tp->sk.conn.key);
	struct tcp_tw *tw;

	if (!n || n->kind != DEMUX_TIME_WAIT)
		return false;
	tw = container_of(n, struct tcp_tw, node);
	if (!tcp_tw_reuse(tw, tp))
		return false;
	TCP_COUNT(st, TWRecycled);
	tcp_tw_free(tw);
	return true;
}

static enum nst_err enter_demux(struct nst_tcp *tp)
{
	struct nst_sock *s = &tp->sk;
	bool reused;

	s->conn.key = key_of(tp);
	s->conn.kind = DEMUX_SOCK;
	reused = evict_time_wait(tp);
	if (!reused)
		tp->iss = tcp_isn(s->st, &s->conn.key);
	return demux_insert(s->st->demux, &s->conn);
}

static enum nst_err claim_flow(struct nst_tcp *tp,
			       const struct nst_sockaddr *dst)
{
	struct nst_sock *s = &tp->sk;
	enum nst_err e = choose_source(tp, dst);

	if (e != NST_OK)
		return e;
	if (!s->bucket) {
		e = ports_bind_connect(s->st->ports, s, dst, tcp_tw_yields);
		if (e != NST_OK)
			return e;
	}
	s->remote = *dst;
	return enter_demux(tp);
}

static void unclaim(struct nst_tcp *tp, const struct nst_sockaddr *local)
{
	struct nst_sock *s = &tp->sk;

	if (!s->bound_port)
		ports_release(s->st->ports, s);
	s->local = *local;
	s->remote = (struct nst_sockaddr){0};
	tp->path_ok = false;
}

/* NST_OK: the SYN waits for data, RFC 7413. */
static enum nst_err start(struct nst_tcp *tp, bool fast)
{
	tp->ts_off = tcp_ts_offset(tp->sk.st, &tp->sk.conn.key);
	tcp_handshake_offer(tp);
	tcp_wnd_offer_syn(tp);
	tp->hs_wscale = tp->rcv_wscale;
	tcp_set_state(tp, NST_TCP_SYN_SENT);
	TCP_COUNT(tp->sk.st, ActiveOpens);
	if (!fast && !tp->conf.fo.connect) {
		tcp_handshake_start(tp);
		return NST_E_INPROGRESS;
	}
	tcp_handshake_facts(tp);
	tp->fo.deferred = true;
	if (fast || tcp_fo_defers(tp))
		return NST_OK;
	tcp_fo_send_syn(tp);
	return NST_E_INPROGRESS;
}

static enum nst_err open_to(struct nst_tcp *tp, const struct nst_sockaddr *dst,
			    bool fast)
{
	struct nst_sockaddr local = tp->sk.local;
	uint8_t pingpong = tp->pingpong;
	enum nst_err e;

	tcp_buf_free(tp);
	tcp_reset_facts(tp);
	tp->pingpong = pingpong; /* TCP_QUICKACK may be set already */
	tp->sk.error = NST_OK;
	tp->sk.shut_rd = false;
	tp->sk.shut_wr = false;
	e = claim_flow(tp, dst);
	if (e != NST_OK) {
		unclaim(tp, &local);
		return e;
	}
	return start(tp, fast);
}

/* What an earlier attempt chose by itself does not bind this one. */
static void forget_local(struct nst_tcp *tp)
{
	struct nst_sockaddr *a = &tp->sk.local;

	if (!tp->sk.bucket)
		a->port = 0;
	if (!tp->sk.bound_addr)
		a->addr =
		    addr_any(tp->sk.bucket && a->addr.family ? a->addr.family
							     : tp->sk.family);
}

static enum nst_err connect_to(struct nst_tcp *tp,
			       const struct nst_sockaddr *to, bool fast,
			       nst_time now)
{
	struct nst_stack *st = tp->sk.st;
	struct nst_sockaddr dst;
	enum nst_err e = may_connect(tp);

	if (e != NST_OK)
		return e;
	forget_local(tp);
	e = target(tp, to, &dst);
	if (e != NST_OK)
		return e;
	stack_enter(st, now);
	tcp_reap(st);
	e = open_to(tp, &dst, fast);
	tcp_finish(tp);
	stack_leave(st);
	return e;
}

enum nst_err nst_tcp_connect(struct nst_tcp *tp, const struct nst_sockaddr *to,
			     nst_time now)
{
	return connect_to(tp, to, false, now);
}

enum nst_err nst_tcp_connect_fast(struct nst_tcp *tp,
				  const struct nst_sockaddr *to, nst_time now)
{
	if (!(TCP_CTL(tp, fastopen) & TFO_CLIENT_ENABLE))
		return NST_E_OPNOTSUPP;
	return connect_to(tp, to, true, now);
}

bool nst_tcp_deferred(const struct nst_tcp *tp)
{
	return tp->fo.deferred;
}

size_t nst_tcp_syn_room(struct nst_tcp *tp)
{
	return tcp_fo_syn_room(tp);
}

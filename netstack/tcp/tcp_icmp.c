/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ICMP errors about segments of ours: RFC 1122 4.2.3.9, RFC 5927 (the quoted
 * sequence number must be in flight), RFC 1191 and 8201 (path MTU), RFC 6069
 * (an unreachable that explains a time-out takes its back-off back).
 */
#include "netstack/base/addr.h"
#include "netstack/tcp/tcp_req.h"

#define ICMP4_UNREACHABLE 3
#define ICMP4_NET 0
#define ICMP4_HOST 1
#define ICMP6_UNREACHABLE 1
#define ICMP6_NO_ROUTE 0

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

static struct flow_key quoted_key(const struct icmp_err *e)
{
	struct flow_key k = {.proto = IP_PROTO_TCP};

	k.local = e->src;
	k.remote = e->dst;
	k.lport = (uint16_t)(e->l4[0] << 8 | e->l4[1]);
	k.rport = (uint16_t)(e->l4[2] << 8 | e->l4[3]);
	if (!addr_is_linklocal6(&k.local))
		k.local.scope = 0;
	if (!addr_is_linklocal6(&k.remote))
		k.remote.scope = 0;
	return k;
}

/* ---- path MTU ---- */

/* LINUX: ip_sk_accept_pmtu: IP_PMTUDISC_INTERFACE and _OMIT do not listen. */
static bool accepts_mtu(const struct nst_tcp *tp)
{
	return tcp_mtu_disc(tp) < TCP_PMTUDISC_INTERFACE;
}

/*
 * RFC 1191 6.4: smaller segments, and what was too big again, at once. The
 * quoted sequence number has been checked: the path MTU concerns everybody who
 * sends there, so a guess must not lower it (RFC 5927 7.2).
 */
static void mtu_changed(struct nst_tcp *tp, const struct icmp_err *e)
{
	bool v6 = e->dst.family == 6;

	if (v6 && (!accepts_mtu(tp) || tcp_mtu_to_mss(tp, e->info) >= tp->mss))
		return;
	ip_pmtu_update(tp->sk.st, &e->dst, e->info);
	if (tcp_path_refresh(tp) != NST_OK)
		return;
	/* In case that it never gets through. */
	if (!v6 && e->info < tp->path.mtu && tcp_dont_fragment(tp))
		tp->err_soft = NST_E_MSGSIZE;
	if (tcp_mtu_disc(tp) == TCP_PMTUDISC_DONT || !accepts_mtu(tp) ||
	    tp->mtup.pmtu <= tp->path.mtu)
		return;
	tcp_mss_sync(tp);
	tcp_simple_retransmit(tp);
}

void tcp_path_check(struct nst_tcp *tp)
{
	uint32_t gen = ip_pmtu_generation(tp->sk.st);
	nst_time until = tp->path.mtu_until;

	if (!tcp_send_pending(tp) ||
	    (gen == tp->mtup.gen && (!until || tp->sk.st->now < until)))
		return;
	tp->mtup.gen = gen;
	if (tcp_path_refresh(tp) == NST_OK && tp->path.mtu != tp->mtup.pmtu)
		tcp_mss_sync(tp);
}

/* ---- the rest ---- */

static bool no_way(const struct icmp_err *e)
{
	if (e->dst.family == 6)
		return e->type == ICMP6_UNREACHABLE &&
		       e->code == ICMP6_NO_ROUTE;
	return e->type == ICMP4_UNREACHABLE &&
	       (e->code == ICMP4_NET || e->code == ICMP4_HOST);
}

/* RFC 6069 4: the way was broken, not congested. */
static void revert_backoff(struct nst_tcp *tp, struct seq seq)
{
	if (seq_eq(seq, tp->snd_una))
		tcp_rto_revert(tp);
}

static void report(struct nst_tcp *tp, const struct icmp_err *e)
{
	bool wants =
	    e->dst.family == 6 ? tp->sk.opt.recverr6 : tp->sk.opt.recverr;

	/* LINUX: any unreachable ends the attempt; but a child of Fast Open
	 * that was accepted is as good as connected. */
	if (tp->state == NST_TCP_SYN_SENT ||
	    (tp->state == NST_TCP_SYN_RCVD &&
	     (!tp->fo.pending || tp->acc_queued))) {
		tcp_fail(tp, e->err);
		return;
	}
	if (wants) {
		tp->sk.error = e->err;
		tp->ev |= NST_EV_ERR;
		return;
	}
	tp->err_soft = e->err; /* told if the connection times out */
}

enum nst_err nst_tcp_soft_error(struct nst_tcp *tp, bool consume)
{
	enum nst_err e = tp->err_soft;

	if (consume)
		tp->err_soft = NST_OK;
	return e;
}

static void conn_icmp(struct nst_tcp *tp, const struct icmp_err *e,
		      struct seq seq)
{
	/* A SYN-ACK with data behind it is not acknowledged yet. */
	struct seq una = tp->fo.pending ? tp->iss : tp->snd_una;

	/* RFC 5927 4: otherwise it is old or a guess. */
	if (seq_lt(seq, una) || seq_gt(seq, tp->snd_nxt)) {
		TCP_COUNT(tp->sk.st, OutOfWindowIcmps);
		return;
	}
	if (e->err == NST_E_MSGSIZE) {
		mtu_changed(tp, e);
	} else {
		if (no_way(e))
			revert_backoff(tp, seq);
		report(tp, e);
	}
	tcp_finish(tp);
}

void tcp_icmp(struct nst_stack *st, const struct icmp_err *e)
{
	struct flow_key k;
	struct demux_node *n;
	struct seq seq;

	if (e->l4_bytes < 8)
		return;
	k = quoted_key(e);
	seq.v = get32(e->l4 + 4);
	n = demux_find(st->demux, &k);
	if (!n) {
		st->count.IcmpNoMatch++;
		return;
	}
	if (n->kind == DEMUX_SOCK)
		conn_icmp(tcp_of(container_of(n, struct nst_sock, conn)), e,
			  seq);
	else if (n->kind == DEMUX_TCP_REQ && e->err != NST_E_MSGSIZE)
		tcp_req_icmp(container_of(n, struct tcp_req, node), seq);
}

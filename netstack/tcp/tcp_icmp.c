/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ICMP errors about segments of ours: RFC 1122 4.2.3.9, RFC 5927 (the quoted
 * sequence number must be in flight), RFC 1191 and 8201 (path MTU).
 */
#include "netstack/base/addr.h"
#include "netstack/tcp/tcp_req.h"

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

/*
 * RFC 1191 6.4: smaller segments, and what was too big again, at once. The
 * quoted sequence number has been checked: the path MTU concerns everybody who
 * sends there, so a guess must not lower it (RFC 5927 7.2).
 */
static void mtu_changed(struct nst_tcp *tp, const struct icmp_err *e)
{
	uint32_t before = tp->mss;

	ip_pmtu_update(tp->sk.st, &e->dst, e->info);
	if (tcp_path_refresh(tp) != NST_OK)
		return;
	if (tcp_in_states(tp, TCPF(SYN_SENT) | TCPF(SYN_RCVD))) {
		tp->advmss = tcp_advmss(tp);
		return;
	}
	tcp_mss_sync(tp);
	if (tp->mss >= before)
		return;
	for (uint32_t i = 0; i < tp->sents.n; i++) {
		struct tcp_sent *r = tcp_sent_at(tp, i);

		if (!(r->flags & SENT_SACKED))
			tcp_sent_flag(tp, r, SENT_LOST, SENT_REXMIT);
	}
	/* LINUX: tcp_simple_retransmit: not a sign of congestion. */
	if (tp->ca_state != TCP_CA_LOSS && tp->packets_out) {
		tp->ca_state = TCP_CA_LOSS;
		tp->high_seq = tp->snd_nxt;
		tp->ssthresh = u32_max(tp->cwnd, 2);
	}
	tp->may_rexmit = true;
}

static void report(struct nst_tcp *tp, const struct icmp_err *e)
{
	/* LINUX: in SYN-SENT any unreachable ends the attempt. */
	if (tcp_in_states(tp, TCPF(SYN_SENT) | TCPF(SYN_RCVD))) {
		tcp_fail(tp, e->err);
		return;
	}
	if (e->hard && (tp->sk.opt.recverr || tp->sk.opt.recverr6)) {
		tp->sk.error = e->err;
		tp->ev |= NST_EV_ERR;
		return;
	}
	tp->err_soft = e->err; /* told if the connection times out */
}

static void conn_icmp(struct nst_tcp *tp, const struct icmp_err *e,
		      struct seq seq)
{
	/* RFC 5927 4: otherwise it is old or a guess. */
	if (seq_lt(seq, tp->snd_una) || seq_gt(seq, tp->snd_nxt)) {
		TCP_COUNT(tp->sk.st, OutOfWindow);
		return;
	}
	if (e->err == NST_E_MSGSIZE)
		mtu_changed(tp, e);
	else
		report(tp, e);
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

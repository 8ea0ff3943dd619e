/* SPDX-License-Identifier: Apache-2.0 */
/* The endpoint of a passive open, from the facts of its request. */
#include "netstack/tcp/tcp_child.h"

static void sequence(struct nst_tcp *tp, const struct tcp_req *r)
{
	tp->iss = r->iss;
	tp->irs = r->irs;
	tp->rcv_nxt = seq_add(r->irs, 1);
	tp->snd_una = r->iss;
	tp->snd_nxt = seq_add(r->iss, 1);
	tp->snd_base = tp->snd_nxt;
	tp->snd_sml = tp->snd_up = tp->push_seq = tp->snd_nxt;
	tp->high_seq = tp->cwnd_usage_seq = tp->rtt_seq = tp->iss;
}

static void options(struct nst_tcp *tp, const struct tcp_req *r)
{
	tp->advmss = r->advmss;
	tp->peer_mss = r->peer_mss;
	tp->ts_on = r->ts_on;
	tp->sack_on = r->sack_on;
	tp->wscale_on = r->wscale_on;
	tp->snd_wscale = r->wscale_on ? r->snd_wscale : 0;
	tp->rcv_wscale = r->rcv_wscale;
	tp->ts_off = r->ts_off;
	tp->ts_recent = r->ts_recent;
	tp->ts_recent_at = tp->sk.st->now;
	if (tp->sk.st->tcp->ctl.tcp_reflect_tos) {
		tp->sk.opt.tos = r->syn_tos & 0xfc;
		tp->sk.opt.tclass = r->syn_tos & 0xfc;
	}
}

static void handshake(struct nst_tcp *tp, const struct tcp_req *r)
{
	tp->hs_sent = r->cookie ? NST_NEVER : r->sent;
	tp->hs_ts_first = r->ts_first;
	tp->hs_n = r->retrans;
	tp->hs_timeouts = r->timeouts;
	tp->total_retrans = r->retrans;
	tp->segs_in = 1; /* LINUX: the SYN is counted */
	tcp_wnd_init(tp);
	/* The scale is what the SYN-ACK said, whatever it would be now. */
	tp->rcv_wscale = r->rcv_wscale;
}

/* Puts it where the request was; the port is shared with the listener. */
static enum nst_err place(struct nst_tcp *tp, struct nst_tcp *l,
			  struct tcp_req *r)
{
	struct nst_stack *st = l->sk.st;
	enum nst_err e;

	tp->sk.conn.key = r->node.key;
	tp->sk.conn.kind = DEMUX_SOCK;
	if (r->node.pprev)
		demux_remove(st->demux, &r->node);
	e = demux_insert(st->demux, &tp->sk.conn);
	if (e != NST_OK)
		return e;
	ports_inherit(st->ports, &tp->sk, &l->sk);
	tp->sk.bound_addr = l->sk.bound_addr; /* LINUX: the port's is not */
	return NST_OK;
}

struct nst_tcp *tcp_child_new(struct nst_tcp *l, struct tcp_req *r)
{
	struct nst_tcp *tp = tcp_alloc(l->sk.st, l->sk.family, NULL);

	if (!tp)
		return NULL;
	tcp_inherit(tp, l);
	tp->sk.local =
	    (struct nst_sockaddr){r->node.key.local, r->node.key.lport};
	tp->sk.remote =
	    (struct nst_sockaddr){r->node.key.remote, r->node.key.rport};
	if (tcp_path_refresh(tp) != NST_OK) {
		tcp_free(tp);
		return NULL;
	}
	sequence(tp, r);
	options(tp, r);
	handshake(tp, r);
	tcp_ecn_child(tp, r);
	if (place(tp, l, r) != NST_OK) {
		tcp_free(tp);
		return NULL;
	}
	tp->listener = l;
	tp->saved_syn = r->saved_syn;
	r->saved_syn = NULL;
	tcp_set_state(tp, NST_TCP_SYN_RCVD);
	return tp;
}

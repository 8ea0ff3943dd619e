/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The forwarder: a SYN for any address is offered to the embedder, who decides
 * at once or later. Until then the flow is a small object in the demux that
 * absorbs what else comes for it.
 */
#include "netstack/base/mem.h"
#include "netstack/nst_save.h"
#include "netstack/tcp/tcp_req.h"

static void req_free(struct nst_fwd_req *req)
{
	struct nst_stack *st = req->st;

	if (req->node.pprev)
		demux_remove(st->demux, &req->node);
	st->tcp->nfwd--;
	nst_pkt_free(req->pkt);
	nst_release(st->env, req, sizeof(*req));
}

/* Keeps the SYN itself: an ICMP error must quote it. Data in it is dropped;
 * the peer sends it again (RFC 7413 is not spoken here). */
static struct nst_fwd_req *req_new(struct nst_stack *st,
				   const struct tcp_seg *seg)
{
	struct nst_fwd_req *req = nst_alloc(st->env, sizeof(*req));

	if (!req)
		return NULL;
	req->st = st;
	req->pkt = nst_pkt_clone(seg->pkt);
	if (!req->pkt) {
		nst_release(st->env, req, sizeof(*req));
		return NULL;
	}
	st->tcp->nfwd++;
	req->id = ++st->last_id;
	nst_pkt_trim(req->pkt, seg->hdr_bytes);
	req->in = *seg->in;
	req->seg = *seg;
	req->seg.pkt = req->pkt;
	req->seg.in = &req->in;
	req->seg.len = 0;
	req->seg.end = seq_add(seg->seq, 1);
	req->node.key = tcp_seg_key(seg);
	req->node.kind = DEMUX_FWD_REQ;
	return req;
}

/* A SYN with its IP header in front. */
static bool is_syn(const struct nst_pkt *pkt, const struct ip_in *in,
		   const struct tcp_seg *seg)
{
	const uint8_t *ip = nst_pkt_data(pkt) - in->hdr_bytes;

	return (seg->flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) ==
		   TCP_SYN &&
	       ip[0] >> 4 == in->src.family && !seg->len;
}

static bool may_have_header(const struct nst_pkt *pkt, const struct ip_in *in)
{
	uint8_t family = in->src.family;

	return (family == 4 || family == 6) && in->dst.family == family &&
	       in->hdr_bytes >= (family == 4 ? 20 : 40) &&
	       in->hdr_bytes <= pkt->off;
}

enum nst_err tcp_fwd_put(struct nst_stack *st, uint64_t id, struct nst_pkt *pkt,
			 const struct ip_in *in, struct nst_fwd_req **out)
{
	struct nst_fwd_req *req = nst_alloc(st->env, sizeof(*req));
	enum nst_err e = NST_E_INVAL;
	bool bad_opts = false;

	if (!req)
		return NST_E_NOMEM;
	req->st = st;
	req->id = id;
	req->in = *in;
	if (may_have_header(pkt, in) &&
	    tcp_parse(pkt, &req->in, &req->seg, &bad_opts) &&
	    is_syn(pkt, in, &req->seg)) {
		req->node.key = tcp_seg_key(&req->seg);
		req->node.kind = DEMUX_FWD_REQ;
		e = demux_insert(st->demux, &req->node);
	}
	if (e != NST_OK) {
		nst_release(st->env, req, sizeof(*req));
		return e;
	}
	st->tcp->nfwd++;
	req->pkt = pkt;
	*out = req;
	return NST_OK;
}

bool tcp_fwd_in(struct nst_stack *st, struct tcp_seg *seg)
{
	struct nst_sockaddr src, dst;
	struct nst_fwd_req *req;

	if (!st->fwd.tcp ||
	    (seg->flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) != TCP_SYN)
		return false;
	TCP_COUNT(st, FwdReqs);
	if (st->tcp->nfwd >= LIMIT_FWD_REQS) {
		TCP_COUNT(st, FwdLimit);
		return true;
	}
	req = req_new(st, seg);
	if (!req || demux_insert(st->demux, &req->node) != NST_OK) {
		TCP_COUNT(st, FwdLimit);
		if (req)
			req_free(req);
		return true;
	}
	src = (struct nst_sockaddr){req->node.key.remote, seg->sport};
	dst = (struct nst_sockaddr){req->node.key.local, seg->dport};
	st->fwd.tcp(st->fwd.ctx, req, &src, &dst);
	return true;
}

void tcp_fwd_again(struct nst_fwd_req *req, const struct tcp_seg *seg)
{
	/* The peer gave up; the embedder, who holds req, learns it later. */
	if ((seg->flags & TCP_RST) &&
	    seq_eq(seg->seq, seq_add(req->seg.seq, 1))) {
		req->dead = true;
		demux_remove(req->st->demux, &req->node);
		return;
	}
	if (seg->flags & TCP_ACK)
		tcp_rst_reply(req->st, seg);
}

/* ---- decisions ---- */

static enum nst_err start(struct nst_fwd_req *req, struct nst_tcp *tp)
{
	struct nst_stack *st = req->st;
	enum nst_err e;

	tp->spoof = true;
	tp->fwd = true;
	tp->sk.local =
	    (struct nst_sockaddr){req->node.key.local, req->node.key.lport};
	tp->sk.remote =
	    (struct nst_sockaddr){req->node.key.remote, req->node.key.rport};
	e = tcp_path_refresh(tp);
	if (e != NST_OK)
		return e;
	tp->sk.conn.key = req->node.key;
	tp->sk.conn.kind = DEMUX_SOCK;
	demux_remove(st->demux, &req->node);
	e = demux_insert(st->demux, &tp->sk.conn);
	if (e != NST_OK)
		return e;
	tp->iss = tcp_isn(st, &tp->sk.conn.key);
	tp->ts_off = tcp_ts_offset(st, &tp->sk.conn.key);
	tcp_handshake_offer(tp);
	tp->irs = req->seg.seq;
	tp->rcv_nxt = req->seg.end;
	tcp_handshake_opts(tp, &req->seg);
	tcp_ecn_passive(tp, &req->seg);
	tcp_wnd_init(tp);
	tcp_set_state(tp, NST_TCP_SYN_RCVD);
	tcp_handshake_start(tp);
	return NST_OK;
}

enum nst_err nst_fwd_complete(struct nst_fwd_req *req, void *user,
			      struct nst_tcp **out, nst_time now)
{
	struct nst_stack *st = req->st;
	struct nst_tcp *tp;
	enum nst_err e;

	if (req->dead) {
		req_free(req);
		return NST_E_CONNABORTED;
	}
	tp = tcp_alloc(st, req->node.key.local.family, user);
	if (!tp) {
		req_free(req);
		return NST_E_NOMEM;
	}
	stack_enter(st, now);
	tcp_reap(st);
	e = start(req, tp);
	req_free(req);
	if (e == NST_OK) {
		TCP_COUNT(st, PassiveOpens);
		*out = tp;
		tcp_finish(tp);
	} else {
		tcp_free(tp);
	}
	stack_leave(st);
	return e;
}

void nst_fwd_refuse(struct nst_fwd_req *req, nst_time now)
{
	struct nst_stack *st = req->st;

	stack_enter(st, now);
	if (!req->dead)
		tcp_rst_reply(st, &req->seg);
	req_free(req);
	stack_leave(st);
}

void nst_fwd_unreach(struct nst_fwd_req *req, enum nst_err why, nst_time now)
{
	struct nst_stack *st = req->st;

	stack_enter(st, now);
	if (!req->dead)
		icmp_send_unreach(st, req->pkt, &req->in, why);
	req_free(req);
	stack_leave(st);
}

uint64_t nst_fwd_id(const struct nst_fwd_req *req)
{
	return req->id;
}

void nst_fwd_drop(struct nst_fwd_req *req)
{
	req_free(req);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Saving and loading what stands for a connection without an endpoint: half-
 * open requests, TIME-WAIT, SYNs that wait for the embedder. */
#include "netstack/tcp/tcp_saving.h"

/* ---- saving ---- */

static void save_req(const struct tcp_req *r, struct save_out *o)
{
	Cordon__TcpReq *m = save_object(o, &save_tcp_req, r);

	if (!m)
		return;
	m->key = save_object(o, &save_flow_key, &r->node.key);
	m->listener_id = r->listener->sk.id;
	if (r->saved_syn) {
		m->saved_syn.data = r->saved_syn->hdr;
		m->saved_syn.len = r->saved_syn->bytes;
	}
	if (!o->failed)
		save_record(o, NST_SAVE_TCP_REQ, m);
}

void tcp_save_reqs(const struct nst_tcp *l, struct save_out *o)
{
	size_t n = 0, bytes = (l->nreqs + 1) * sizeof(struct tcp_req *);
	const struct tcp_req **v = nst_alloc_raw(o->env, bytes);

	if (!v) {
		o->failed = true;
		return;
	}
	for (const struct tcp_req *r = l->reqs; r; r = r->next)
		v[n++] = r;
	while (n-- && !o->failed) /* each goes to the list's front */
		save_req(v[n], o);
	nst_release(o->env, v, bytes);
}

static void save_tw(const struct tcp_tw *tw, struct save_out *o)
{
	Cordon__TcpTw *m = save_object(o, &save_tcp_tw, tw);

	if (!m)
		return;
	m->key = save_object(o, &save_flow_key, &tw->node.key);
	m->hold_port = ports_hold_port(&tw->hold);
	if (!o->failed)
		save_record(o, NST_SAVE_TCP_TW, m);
}

static void save_fwd(const struct nst_fwd_req *r, struct save_out *o)
{
	Cordon__NstFwdReq *m = save_object(o, &save_nst_fwd_req, r);

	if (!m)
		return;
	m->pkt = pkt_save(o, r->pkt);
	m->ip_header.data = nst_pkt_data(r->pkt) - r->in.hdr_bytes;
	m->ip_header.len = r->in.hdr_bytes;
	if (!o->failed)
		save_record(o, NST_SAVE_TCP_FWD, m);
}

static void save_node(struct demux_node *n, void *arg)
{
	struct save_out *o = arg;

	if (o->failed)
		return;
	if (n->kind == DEMUX_TIME_WAIT)
		save_tw(container_of(n, struct tcp_tw, node), o);
	else if (n->kind == DEMUX_FWD_REQ)
		save_fwd(container_of(n, struct nst_fwd_req, node), o);
}

void tcp_save_nodes(const struct nst_stack *st, struct save_out *o)
{
	demux_each(st->demux, save_node, o);
}

/* ---- loading ---- */

bool tcp_key_ok(const struct flow_key *k)
{
	uint8_t family = k->local.family;

	return k->proto == IP_PROTO_TCP && (family == 4 || family == 6) &&
	       k->remote.family == family && k->lport && k->rport;
}

static bool load_key(struct load *l, const Cordon__FlowKey *m,
		     struct flow_key *key)
{
	if (!m || !save_restore(&l->in, &save_flow_key, m, key))
		return save_bad(&l->in, "key", "is missing");
	if (!tcp_key_ok(key))
		return save_bad(&l->in, "key", "is no flow");
	return true;
}

/* What putting it into the tables said. */
static bool placed(struct load *l, enum nst_err e)
{
	if (e == NST_OK)
		return true;
	if (e == NST_E_NOMEM)
		return save_fail(&l->in, e, "no memory");
	return save_bad(&l->in, "key", "is there twice");
}

static bool req_ok(const struct nst_stack *st, const struct tcp_req *r)
{
	return tcp_saved_past(st, r->sent) && tcp_saved_oow(st, r->last_oow) &&
	       r->snd_wscale <= TCP_WSCALE_MAX &&
	       r->rcv_wscale <= TCP_WSCALE_MAX &&
	       r->advmss >= TCP_MSS_MIN - TCP_HDR_BYTES &&
	       r->ecn.mode <= TCP_ECN_PENDING &&
	       r->ecn.opt_seen <= TCP_ECN_OPT_ZEROED &&
	       r->ecn.syn_in <= ECN_CE && r->ecn.syn_out <= ECN_CE;
}

bool tcp_load_req(struct load *l)
{
	Cordon__TcpReq *m = save_parse(&l->in, &cordon__tcp_req__descriptor);
	struct nst_sock *s = m ? load_id_find(l, m->listener_id) : NULL;
	struct tcp_req r = {0}, *made;
	enum nst_err e;

	if (!m || !save_restore(&l->in, &save_tcp_req, m, &r) ||
	    !load_key(l, m->key, &r.node.key))
		return false;
	if (!s || !tcp_is_listener(s))
		return save_bad(&l->in, "listener_id", "is no listener");
	if (!req_ok(l->st, &r) || m->saved_syn.len > UINT16_MAX)
		return save_bad(&l->in, "request", "contradicts itself");
	if (m->saved_syn.len) {
		r.saved_syn = tcp_saved_syn_load(l->st, m->saved_syn.data,
						 (uint16_t)m->saved_syn.len);
		if (!r.saved_syn)
			return save_fail(&l->in, NST_E_NOMEM, "no memory");
	}
	e = tcp_req_put(tcp_of(s), &r, &made);
	if (e != NST_OK)
		tcp_saved_syn_free(l->st, r.saved_syn);
	return placed(l, e);
}

static bool tw_ok(const struct nst_stack *st, const struct tcp_tw *tw)
{
	return tcp_saved_past(st, tw->since) &&
	       tcp_saved_past(st, tw->ts_recent_at) &&
	       tcp_saved_oow(st, tw->last_oow) && tw->sub <= TCP_TW_FIN_WAIT2 &&
	       tw->rcv_wscale <= TCP_WSCALE_MAX && tw->rcv_wnd <= 1u << 30;
}

bool tcp_load_tw(struct load *l)
{
	Cordon__TcpTw *m = save_parse(&l->in, &cordon__tcp_tw__descriptor);
	struct tcp_tw tw = {0};

	if (!m || !save_restore(&l->in, &save_tcp_tw, m, &tw) ||
	    !load_key(l, m->key, &tw.node.key))
		return false;
	if (!tw_ok(l->st, &tw) || m->hold_port > UINT16_MAX)
		return save_bad(&l->in, "TIME-WAIT", "contradicts itself");
	return placed(l, tcp_tw_put(l->st, &tw, (uint16_t)m->hold_port));
}

/* The IP header goes where it was, in front of the packet's data. */
static bool put_header(struct load *l, const Cordon__NstFwdReq *m,
		       struct nst_pkt *pkt, struct ip_in *in)
{
	if (m->ip_header.len > pkt->off || m->ip_header.len > UINT16_MAX)
		return save_bad(&l->in, "ip_header", "has no room");
	if (m->ip_header.len)
		memcpy(nst_pkt_data(pkt) - m->ip_header.len, m->ip_header.data,
		       m->ip_header.len);
	in->hdr_bytes = (uint16_t)m->ip_header.len;
	return true;
}

static bool place_fwd(struct load *l, const struct nst_fwd_req *facts,
		      struct nst_pkt *pkt, struct nst_fwd_req **out)
{
	enum nst_err e = tcp_fwd_put(l->st, facts->id, pkt, &facts->in, out);

	if (e == NST_E_INVAL)
		return save_bad(&l->in, "pkt", "is no SYN");
	return placed(l, e);
}

bool tcp_load_fwd(struct load *l)
{
	Cordon__NstFwdReq *m =
	    save_parse(&l->in, &cordon__nst_fwd_req__descriptor);
	struct nst_fwd_req facts = {0}, *made;
	struct nst_pkt *pkt;

	if (!m || !save_restore(&l->in, &save_nst_fwd_req, m, &facts) ||
	    !load_id_add(l, facts.id, NULL))
		return false;
	if (!m->pkt)
		return save_bad(&l->in, "pkt", "is missing");
	if (!pkt_load(l, m->pkt, &pkt))
		return false;
	if (!put_header(l, m, pkt, &facts.in) ||
	    !place_fwd(l, &facts, pkt, &made)) {
		nst_pkt_free(pkt);
		return false;
	}
	if (l->how->fwd)
		l->how->fwd(l->how->ctx, made, facts.id);
	else
		nst_fwd_drop(made);
	return true;
}

/* ---- timers ---- */

static struct tcp_req *before(const struct nst_tcp *l, struct tcp_req *r)
{
	return r->pprev == &l->reqs
		   ? NULL
		   : container_of(r->pprev, struct tcp_req, next);
}

void tcp_arm_reqs(struct nst_tcp *l)
{
	struct tcp_req *r = l->reqs;

	while (r && r->next)
		r = r->next;
	for (; r; r = before(l, r))
		wheel_arm(l->sk.st->wheel, &r->timer, tcp_req_deadline(r));
}

static void arm_node(struct demux_node *n, void *arg)
{
	struct nst_stack *st = arg;

	if (n->kind == DEMUX_TIME_WAIT) {
		struct tcp_tw *tw = container_of(n, struct tcp_tw, node);

		wheel_arm(st->wheel, &tw->timer, tcp_tw_deadline(tw));
	}
}

void tcp_arm_nodes(struct nst_stack *st)
{
	demux_each(st->demux, arm_node, st);
}

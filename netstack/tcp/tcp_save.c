/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saving TCP: the layer, then endpoints: connected, listening with their
 * half-open requests, connecting, and those without a connection; then what
 * has no endpoint. Children that a listener holds are in front of it.
 */
#include "netstack/tcp/tcp_saving.h"

static void copy_bytes(struct save_out *o, const void *p, size_t n,
		       ProtobufCBinaryData *to)
{
	to->data = save_memory(o, n);
	if (!to->data)
		return;
	memcpy(to->data, p, n);
	to->len = n;
}

/* ---- the layer ---- */

#define SETTING_TEXT 64

static void *save_setting(const struct nst_stack *st, struct save_out *o,
			  const char *name)
{
	Cordon__TcpSetting *m =
	    save_message(o, &cordon__tcp_setting__descriptor);

	if (!m)
		return NULL;
	m->name = save_text(name);
	m->value = save_memory(o, SETTING_TEXT);
	if (!m->value || nst_sysctl_get(st, name, m->value, SETTING_TEXT))
		return NULL;
	return m;
}

static void save_settings(const struct nst_stack *st, struct save_out *o,
			  Cordon__TcpLayer *m)
{
	size_t n = 0;

	while (tcp_sysctl_name(n))
		n++;
	m->settings = save_memory(o, n * sizeof(*m->settings));
	for (size_t i = 0; m->settings && i < n; i++)
		m->settings[i] = save_setting(st, o, tcp_sysctl_name(i));
	m->n_settings = n;
}

static void save_fo_cache(const struct tcp_fo_layer *l, struct save_out *o,
			  Cordon__TcpLayer *m)
{
	if (!l->cache)
		return;
	m->fo = save_object(o, &save_tcp_fo_layer, l);
	if (!m->fo)
		return;
	m->fo->cache =
	    save_memory(o, LIMIT_TCP_FO_CACHE * sizeof(*m->fo->cache));
	for (size_t i = 0; m->fo->cache && i < LIMIT_TCP_FO_CACHE; i++)
		if (l->cache[i].remote.family)
			m->fo->cache[m->fo->n_cache++] =
			    save_object(o, &save_tcp_fo_dst, &l->cache[i]);
}

static void save_layer(const struct nst_stack *st, struct save_out *o)
{
	const struct tcp_layer *l = st->tcp;
	Cordon__TcpLayer *m = save_object(o, &save_tcp_layer, l);

	if (!m)
		return;
	copy_bytes(o, l->cookie_key, sizeof(l->cookie_key), &m->cookie_keys);
	if (l->ctl.nfastopen_keys)
		copy_bytes(o, l->ctl.fastopen_key,
			   l->ctl.nfastopen_keys *
			       sizeof(l->ctl.fastopen_key[0]),
			   &m->fastopen_keys);
	save_fo_cache(&l->fo, o, m);
	save_settings(st, o, m);
	if (!o->failed)
		save_record(o, NST_SAVE_TCP_LAYER, m);
}

/* ---- an endpoint ---- */

static void save_cc(const struct nst_tcp *tp, struct save_out *o,
		    Cordon__NstTcp *m)
{
	m->cc = save_text(tp->cc->name);
	if (tp->cc == &tcp_cubic)
		m->cubic = save_object(o, &save_tcp_cubic_state, tp->cc_priv);
	else if (tp->cc == &tcp_bbr)
		m->bbr = save_object(o, &save_tcp_bbr_state, tp->cc_priv);
}

static void save_fo_keys_of(const struct nst_tcp *tp, struct save_out *o,
			    Cordon__NstTcp *m)
{
	const struct tcp_fo_keys *k = &tp->conf.fo.keys;

	if (k->n && m->conf && m->conf->fo && m->conf->fo->keys)
		copy_bytes(o, k->key, k->n * sizeof(k->key[0]),
			   &m->conf->fo->keys->keys);
}

static uint32_t child_count(const struct nst_tcp *l)
{
	uint32_t n = 0;

	for (const struct nst_tcp *c = l->fo.children; c; c = c->fo.next)
		n++;
	return n;
}

static void save_children(const struct nst_tcp *l, struct save_out *o,
			  Cordon__NstTcp *m)
{
	uint32_t n = child_count(l);

	if (l->acc_n)
		m->accept_queue =
		    save_memory(o, l->acc_n * sizeof(*m->accept_queue));
	for (const struct nst_tcp *c = l->acc_head; m->accept_queue && c;
	     c = c->acc_next)
		m->accept_queue[m->n_accept_queue++] = c->sk.id;
	if (n)
		m->fo_children = save_memory(o, n * sizeof(*m->fo_children));
	for (const struct nst_tcp *c = l->fo.children; m->fo_children && c;
	     c = c->fo.next)
		m->fo_children[m->n_fo_children++] = c->sk.id;
	if (l->fo.qlen > n)
		m->fo_resets =
		    save_memory(o, (l->fo.qlen - n) * sizeof(*m->fo_resets));
	for (const struct tcp_fo_rst *r = l->fo.rsts; m->fo_resets && r;
	     r = r->next)
		m->fo_resets[m->n_fo_resets++] = r->at;
}

static void save_saved_syn(const struct nst_tcp *tp, struct save_out *o,
			   Cordon__NstTcp *m)
{
	if (tp->saved_syn)
		copy_bytes(o, tp->saved_syn->hdr, tp->saved_syn->bytes,
			   &m->saved_syn);
}

static void save_path(const struct nst_tcp *tp, Cordon__NstTcp *m)
{
	m->pmtu_seen = tp->mtup.gen == ip_pmtu_generation(tp->sk.st);
	m->path_mtu = tp->path.mtu;
	if (tp->path.mtu_until)
		m->path_told_at = tp->path.mtu_until - IP_PMTU_LIFE;
	m->path_mtu_locked = tp->path.mtu_locked;
}

static void save_endpoint(const struct nst_tcp *tp, struct save_out *o)
{
	Cordon__NstTcp *m = save_object(o, &save_nst_tcp, tp);

	if (!m)
		return;
	m->sk = sock_save(o, &tp->sk);
	save_path(tp, m);
	save_cc(tp, o, m);
	save_fo_keys_of(tp, o, m);
	save_saved_syn(tp, o, m);
	tcp_save_queues(tp, o, m);
	if (tp->state == NST_TCP_LISTEN)
		save_children(tp, o, m);
	if (!o->failed)
		save_record(o, NST_SAVE_TCP, m);
	if (tp->state == NST_TCP_LISTEN)
		tcp_save_reqs(tp, o);
}

/* ---- all ---- */

enum group { CONNECTED, LISTENING, CONNECTING, CLOSED, GROUPS };

static enum group group_of(const struct nst_tcp *tp)
{
	if (tp->acc_queued || tp->fo.owner)
		return CONNECTED;
	switch (tp->state) {
	case NST_TCP_LISTEN:
		return LISTENING;
	case NST_TCP_SYN_SENT:
	case NST_TCP_SYN_RCVD:
		return CONNECTING;
	case NST_TCP_CLOSE:
		return CLOSED;
	default:
		return CONNECTED;
	}
}

bool tcp_may_save(const struct nst_stack *st)
{
	return !st->tcp->gro.on;
}

struct member {
	const struct nst_tcp *tp;
	enum group group;
};

/* Whoever is loaded goes to the front of the stack's list: the oldest first
 * keeps its order, within a group. */
static void save_group(const struct member *v, size_t n, enum group group,
		       struct save_out *o)
{
	while (n-- && !o->failed) {
		if (v[n].group != group)
			continue;
		if (n)
			tcp_soon(v[n - 1].tp);
		save_endpoint(v[n].tp, o);
	}
}

void tcp_save(const struct nst_stack *st, struct save_out *o)
{
	size_t n = 0, bytes = (st->nsocks + 1) * sizeof(struct member);
	struct member *v = nst_alloc_raw(o->env, bytes);

	save_layer(st, o);
	if (!v) {
		o->failed = true;
		return;
	}
	for (const struct nst_sock *s = st->tcps; s; s = s->next, n++)
		v[n] = (struct member){tcp_ofc(s), group_of(tcp_ofc(s))};
	for (int g = 0; g < GROUPS; g++)
		save_group(v, n, (enum group)g, o);
	nst_release(o->env, v, bytes);
	tcp_save_nodes(st, o);
}

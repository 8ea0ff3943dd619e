/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading TCP. Each record makes its object and what it has; an endpoint that
 * others refer to is in front of them. Then paths are looked up (the IP layer
 * is complete by then) and timers armed, by the functions that always do it.
 *
 * An endpoint is safe to free from its first moment on: nst_stack_free() ends
 * what failed half-way.
 */
#include "netstack/tcp/tcp_saving.h"

/* ---- the layer ---- */

static bool load_settings(struct load *l, const Cordon__TcpLayer *m)
{
	for (size_t i = 0; i < m->n_settings; i++) {
		const Cordon__TcpSetting *s = m->settings[i];

		if (nst_sysctl_set(l->st, s->name, s->value) != NST_OK)
			return save_bad(&l->in, s->name,
					"has a value that it cannot have");
	}
	return true;
}

static bool load_keys(struct load *l, const Cordon__TcpLayer *m)
{
	struct tcp_layer *t = l->st->tcp;
	size_t n = m->fastopen_keys.len, each = sizeof(t->ctl.fastopen_key[0]);

	if (m->cookie_keys.len != sizeof(t->cookie_key))
		return save_bad(&l->in, "cookie_keys", "has a wrong length");
	memcpy(t->cookie_key, m->cookie_keys.data, sizeof(t->cookie_key));
	if (n % each || n > sizeof(t->ctl.fastopen_key))
		return save_bad(&l->in, "fastopen_keys", "has a wrong length");
	if (n)
		memcpy(t->ctl.fastopen_key, m->fastopen_keys.data, n);
	t->ctl.nfastopen_keys = (uint8_t)(n / each);
	return true;
}

static bool dst_ok(const struct nst_stack *st, const struct tcp_fo_dst *d)
{
	return d->remote.family && d->local.family == d->remote.family &&
	       d->cookie.len <= TCP_FO_COOKIE_MAX &&
	       tcp_saved_past(st, d->used);
}

static bool load_fo_cache(struct load *l, const Cordon__TcpFoLayer *m)
{
	struct tcp_fo_layer *fo = &l->st->tcp->fo;
	size_t n = m ? m->n_cache : 0;

	if (!n)
		return true;
	if (n > LIMIT_TCP_FO_CACHE || fo->cache)
		return save_bad(&l->in, "cache", "has too many entries");
	fo->cache =
	    nst_alloc(l->in.env, LIMIT_TCP_FO_CACHE * sizeof(*fo->cache));
	if (!fo->cache)
		return save_fail(&l->in, NST_E_NOMEM, "no memory");
	for (size_t i = 0; i < n; i++) {
		if (!save_restore(&l->in, &save_tcp_fo_dst, m->cache[i],
				  &fo->cache[i]))
			return false;
		if (!dst_ok(l->st, &fo->cache[i]))
			return save_bad(&l->in, "cache", "has a wrong entry");
	}
	return true;
}

/* Sequence numbers and cookies of two copies must not be the same. Offsets of
 * timestamps of connections that live are their own. */
static void new_secrets(struct tcp_layer *t)
{
	const struct nst_env *env = t->st->env;

	env->random(env->ctx, t->isn_key, sizeof(t->isn_key));
	env->random(env->ctx, t->ts_key, sizeof(t->ts_key));
	env->random(env->ctx, t->cookie_key, sizeof(t->cookie_key));
	if (t->ctl.nfastopen_keys)
		env->random(env->ctx, t->ctl.fastopen_key,
			    t->ctl.nfastopen_keys *
				sizeof(t->ctl.fastopen_key[0]));
}

static bool load_layer(struct load *l)
{
	struct tcp_layer *t = l->st->tcp;
	Cordon__TcpLayer *m =
	    save_parse(&l->in, &cordon__tcp_layer__descriptor);

	if (!m || !save_restore(&l->in, &save_tcp_layer, m, t))
		return false;
	if (l->st->now > TCP_SAVED_NOW_MAX)
		return save_bad(&l->in, "now", "is too far away");
	if (t->resumed_at < -1 || t->resumed_at > l->st->now ||
	    !tcp_saved_past(l->st, t->fo.paused_at))
		return save_bad(&l->in, "resumed_at", "has not been yet");
	if (!load_settings(l, m) || !load_keys(l, m) ||
	    !load_fo_cache(l, m->fo))
		return false;
	if (l->how->clone)
		new_secrets(t);
	return true;
}

/* ---- what an endpoint refers to ---- */

static struct nst_tcp *find_tcp(struct load *l, uint64_t id)
{
	struct nst_sock *s = load_id_find(l, id);

	return s && s->kind == SOCK_K_TCP ? tcp_of(s) : NULL;
}

static bool load_accept_queue(struct load *l, const Cordon__NstTcp *m,
			      struct nst_tcp *tp)
{
	for (size_t i = 0; i < m->n_accept_queue; i++) {
		struct nst_tcp *c = find_tcp(l, m->accept_queue[i]);

		if (!c || c == tp || c->acc_queued || c->orphan ||
		    !(tcp_in_states(c, TCPF_SYNCED | TCPF(CLOSE)) ||
		      c->fo.pending))
			return save_bad(&l->in, "accept_queue", "has no child");
		c->listener = tp;
		c->acc_queued = true;
		*tp->acc_tail = c;
		tp->acc_tail = &c->acc_next;
		tp->acc_n++;
	}
	return true;
}

static bool load_fo_children(struct load *l, const Cordon__NstTcp *m,
			     struct nst_tcp *tp)
{
	struct nst_tcp **at = &tp->fo.children;

	for (size_t i = 0; i < m->n_fo_children; i++) {
		struct nst_tcp *c = find_tcp(l, m->fo_children[i]);

		if (!c || c == tp || !c->fo.pending || c->fo.owner)
			return save_bad(&l->in, "fo_children", "has no child");
		c->fo.owner = tp;
		c->fo.pprev = at;
		*at = c;
		at = &c->fo.next;
		tp->fo.qlen++;
	}
	return true;
}

static bool load_fo_resets(struct load *l, const Cordon__NstTcp *m,
			   struct nst_tcp *tp)
{
	for (size_t i = 0; i < m->n_fo_resets; i++) {
		struct tcp_fo_rst *r;

		if (!tcp_saved_past(l->st, m->fo_resets[i]))
			return save_bad(&l->in, "fo_resets", "is to come");
		r = nst_alloc(l->in.env, sizeof(*r));
		if (!r)
			return save_fail(&l->in, NST_E_NOMEM, "no memory");
		r->at = m->fo_resets[i];
		if (!tp->fo.rsts)
			tp->fo.rst_end = &tp->fo.rsts;
		*tp->fo.rst_end = r;
		tp->fo.rst_end = &r->next;
		tp->fo.qlen++;
	}
	return true;
}

static bool load_children(struct load *l, const Cordon__NstTcp *m,
			  struct nst_tcp *tp)
{
	if (tp->state == NST_TCP_LISTEN)
		return load_accept_queue(l, m, tp) &&
		       load_fo_children(l, m, tp) && load_fo_resets(l, m, tp);
	if (m->n_accept_queue || m->n_fo_children || m->n_fo_resets)
		return save_bad(&l->in, "children", "are not a listener's");
	return true;
}

/* ---- an endpoint ---- */

static bool load_cc(struct load *l, const Cordon__NstTcp *m, struct nst_tcp *tp)
{
	tp->cc = tcp_cc_find(m->cc);
	if (!tp->cc) {
		tp->cc = l->st->tcp->ctl.cc;
		return save_bad(&l->in, "cc", "is unknown");
	}
	if (tp->cc == &tcp_cubic)
		return save_restore(&l->in, &save_tcp_cubic_state, m->cubic,
				    tp->cc_priv);
	if (tp->cc == &tcp_bbr)
		return save_restore(&l->in, &save_tcp_bbr_state, m->bbr,
				    tp->cc_priv);
	return true;
}

static bool load_fo_keys_of(struct load *l, const Cordon__NstTcp *m,
			    struct nst_tcp *tp)
{
	struct tcp_fo_keys *k = &tp->conf.fo.keys;
	const ProtobufCBinaryData *b;

	if (!k->n)
		return true;
	b = &m->conf->fo->keys->keys; /* there, as n is of it */
	if (k->n > TCP_FASTOPEN_KEYS || b->len != k->n * sizeof(k->key[0])) {
		k->n = 0;
		return save_bad(&l->in, "keys", "has a wrong length");
	}
	memcpy(k->key, b->data, b->len);
	return true;
}

static bool load_saved_syn(struct load *l, const Cordon__NstTcp *m,
			   struct nst_tcp *tp)
{
	if (!m->saved_syn.len)
		return true;
	if (m->saved_syn.len > UINT16_MAX)
		return save_bad(&l->in, "saved_syn", "is too long");
	tp->saved_syn = tcp_saved_syn_load(l->st, m->saved_syn.data,
					   (uint16_t)m->saved_syn.len);
	return tp->saved_syn ? true
			     : save_fail(&l->in, NST_E_NOMEM, "no memory");
}

/*
 * The PMTU cache counts anew: another number, if it was another one. An
 * endpoint looks there when it sends: until then it goes by what it knew.
 */
static bool load_path(struct load *l, const Cordon__NstTcp *m,
		      struct nst_tcp *tp)
{
	if (m->path_mtu > UINT16_MAX + 1u ||
	    (m->path_told_at && !tcp_saved_past(l->st, m->path_told_at)))
		return save_bad(&l->in, "path_mtu", "cannot be");
	tp->mtup.gen = ip_pmtu_generation(l->st) - !m->pmtu_seen;
	tp->path.mtu = m->path_mtu;
	if (m->path_told_at)
		tp->path.mtu_until = m->path_told_at + IP_PMTU_LIFE;
	tp->path.mtu_locked = m->path_mtu_locked;
	return true;
}

static struct nst_tcp *new_endpoint(struct load *l)
{
	uint64_t last = l->st->last_id;
	struct nst_tcp *tp = tcp_alloc(l->st, 4, NULL);

	if (!tp) {
		save_fail(&l->in, NST_E_NOMEM, "no memory");
		return NULL;
	}
	l->st->last_id = last; /* its own is in the image */
	if (!l->oldest)
		l->oldest = &tp->sk;
	return tp;
}

static bool load_endpoint(struct load *l)
{
	struct nst_tcp *tp = new_endpoint(l);
	Cordon__NstTcp *m;

	if (!tp)
		return false;
	m = save_parse_object(&l->in, &save_nst_tcp, tp);
	l->st->tcp->norphans += tp->orphan;
	if (!m || !load_cc(l, m, tp) || !load_fo_keys_of(l, m, tp) ||
	    !load_saved_syn(l, m, tp))
		return false;
	if (!load_path(l, m, tp))
		return false;
	return tcp_load_queues(l, m, tp) && sock_load(l, m->sk, &tp->sk) &&
	       tcp_load_check(l, tp) && load_children(l, m, tp);
}

bool tcp_load(struct load *l)
{
	switch (l->in.type) {
	case NST_SAVE_TCP_LAYER:
		return load_layer(l);
	case NST_SAVE_TCP:
		return load_endpoint(l);
	case NST_SAVE_TCP_REQ:
		return tcp_load_req(l);
	case NST_SAVE_TCP_TW:
		return tcp_load_tw(l);
	default:
		return tcp_load_fwd(l);
	}
}

/* ---- the end of it ---- */

/* The way as the tables have it now. What routers said of it is as it was
 * known, unless the interface takes less by now. */
static void link_path(struct nst_tcp *tp)
{
	struct ip_path known = tp->path;
	struct nst_nic_info nic;

	tp->path_ok = tcp_path_refresh(tp) == NST_OK;
	if (!tp->path_ok || !known.mtu ||
	    nst_nic_get(tp->sk.st, tp->path.ifindex, &nic) != NST_OK ||
	    known.mtu > nic.mtu)
		return;
	tp->path.mtu = known.mtu;
	tp->path.mtu_until = known.mtu_until;
	tp->path.mtu_locked = known.mtu_locked;
}

bool tcp_link(struct load *l)
{
	struct tcp_layer *t = l->st->tcp;

	if (l->how->outage > 0) {
		t->resumed_at = l->st->now;
		t->outage = l->how->outage;
	}
	return true;
}

/* The oldest first: so they were armed, and so timers fire that are due at the
 * same time. */
static struct nst_sock *before(const struct nst_stack *st, struct nst_sock *s)
{
	return s->pprev == &st->tcps
		   ? NULL
		   : container_of(s->pprev, struct nst_sock, next);
}

void tcp_arm(struct load *l)
{
	struct nst_sock *next;

	for (struct nst_sock *s = l->oldest; s; s = next) {
		struct nst_tcp *tp = tcp_of(s);

		next = before(l->st, s);
		if (next)
			tcp_soon(tcp_of(next));
		/* Without a way now, the next time-out looks again. */
		if (tp->path_ok &&
		    !tcp_in_states(tp, TCPF(CLOSE) | TCPF(LISTEN)))
			link_path(tp);
		tcp_timers_init(tcp_of(s)); /* the id is known by now */
		tcp_timers_update(tcp_of(s));
		tcp_arm_reqs(tcp_of(s));
	}
	tcp_arm_nodes(l->st);
}

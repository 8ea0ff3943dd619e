/* SPDX-License-Identifier: Apache-2.0 */
/* Saving what all sockets have, packets that wait, and reserved ports. */
#include "netstack/base/base.fields.h"
#include "netstack/base/mem.h"
#include "netstack/base/ports_priv.h"
#include "netstack/ip/ip.h"
#include "netstack/save/load.h"

/* ---- sockets ---- */

void *sock_save(struct save_out *o, const struct nst_sock *s)
{
	Cordon__NstSock *m = save_object(o, &save_nst_sock, s);

	if (m && s->conn.pprev)
		m->flow = save_object(o, &save_flow_key, &s->conn.key);
	return m;
}

static bool family_ok(uint32_t family)
{
	return family == 4 || family == 6;
}

/* An address that a socket of this family can have, or none. */
static bool addr_fits(const struct nst_sock *s, const struct nst_addr *a)
{
	return !a->family || a->family == s->family || s->family == 6;
}

static bool proto_fits(const struct nst_sock *s)
{
	switch ((enum sock_kind)s->kind) {
	case SOCK_K_TCP:
		return s->proto == IP_PROTO_TCP;
	case SOCK_K_UDP:
		return s->proto == IP_PROTO_UDP;
	case SOCK_K_PING:
		return s->proto ==
		       (s->family == 4 ? IP_PROTO_ICMP : IP_PROTO_ICMP6);
	case SOCK_K_RAW:
		break;
	}
	return true;
}

/* Who finds a flow trusts that it leads to a socket of its protocol. */
static bool flow_load(struct load *l, const Cordon__FlowKey *m,
		      struct nst_sock *s)
{
	struct flow_key *k = &s->conn.key;

	if (!save_restore(&l->in, &save_flow_key, m, k))
		return false;
	if (k->proto != s->proto || !k->local.family ||
	    k->local.family != k->remote.family ||
	    (s->kind != SOCK_K_TCP && s->kind != SOCK_K_UDP))
		return save_bad(&l->in, "flow", "is none of the socket");
	return true;
}

/* TCP's grow beyond what can be asked for, and are its own to check. */
static bool buffers_ok(const struct nst_sock *s)
{
	return s->kind == SOCK_K_TCP || (s->opt.rcvbuf <= 2 * SOCK_BUF_MAX &&
					 s->opt.sndbuf <= 2 * SOCK_BUF_MAX);
}

static bool opts_ok(const struct sock_opts *o)
{
	return o->mtu_disc <= 5 && o->mtu_disc6 <= 5 && o->linger_s >= -1 &&
	       o->raw_csum_off >= -1 && o->hops6 >= -1 && o->hops6 <= 255 &&
	       o->mc_hops6 >= -1 && o->mc_hops6 <= 255;
}

bool sock_load(struct load *l, const void *msg, struct nst_sock *s)
{
	const Cordon__NstSock *m = msg;
	struct nst_sock read = *s;

	if (!m)
		return save_bad(&l->in, "sock", "is missing");
	if (!save_restore(&l->in, &save_nst_sock, m, &read))
		return false;
	/* Before anything is taken: who frees s goes by its kind. */
	if (read.kind != s->kind || !family_ok(read.family))
		return save_bad(&l->in, "sock", "is of another kind");
	*s = read;
	if (!proto_fits(s) || !addr_fits(s, &s->local.addr) ||
	    !addr_fits(s, &s->remote.addr))
		return save_bad(&l->in, "sock", "is of another family");
	if (s->error >= NST_E_COUNT)
		return save_bad(&l->in, "error", "is none");
	if (!opts_ok(&s->opt) || !buffers_ok(s))
		return save_bad(&l->in, "opt", "is out of range");
	if (!load_id_add(l, s->id, s))
		return false;
	if (m->flow && !flow_load(l, m->flow, s))
		return false;
	if (m->flow && demux_insert(l->st->demux, &s->conn))
		return save_bad(&l->in, "flow", "is there twice");
	if (l->how->sock)
		s->user = l->how->sock(l->how->ctx, s, s->id);
	return true;
}

/* ---- packets ---- */

void *pkt_save(struct save_out *o, const struct nst_pkt *pkt)
{
	Cordon__NstPkt *m = save_object(o, &save_nst_pkt, pkt);
	uint32_t n = nst_pkt_bytes(pkt);

	if (!m)
		return NULL;
	m->data.data = save_memory(o, n);
	if (!m->data.data)
		return NULL;
	nst_pkt_copy(pkt, 0, m->data.data, n);
	m->data.len = n;
	return m;
}

/* Layers trust offsets that lie within the packet. */
static bool offsets_ok(const struct nst_pkt *p)
{
	uint32_t end = p->off + p->len;

	if (p->csum > NST_CSUM_VALID || p->gso > NST_GSO_UDP)
		return false;

	if (p->l3_off > end || p->l4_off > end)
		return false;
	return p->csum != NST_CSUM_PARTIAL ||
	       (p->csum_start >= p->off && p->csum_start <= end &&
		p->csum_start + p->csum_off + 2u <= end);
}

bool pkt_restore(struct save_in *in, const void *msg, struct nst_pkt **out)
{
	const Cordon__NstPkt *m = msg;
	struct nst_pkt *p = NULL;
	uint8_t *data;

	*out = NULL;
	if (m->off <= UINT16_MAX && m->data.len <= NST_SAVE_PKT_MAX)
		p = nst_pkt_new(in->env, m->off, (uint32_t)m->data.len);
	else
		return save_bad(in, "data", "is too long");
	if (!p)
		return save_fail(in, NST_E_NOMEM, "no memory");
	data = nst_pkt_put(p, (uint32_t)m->data.len);
	if (data && m->data.len)
		memcpy(data, m->data.data, m->data.len);
	if (data && save_restore(in, &save_nst_pkt, m, p) && offsets_ok(p)) {
		*out = p;
		return true;
	}
	nst_pkt_free(p);
	return save_bad(in, "packet", "is no packet");
}

bool pkt_load(struct load *l, const void *msg, struct nst_pkt **out)
{
	return pkt_restore(&l->in, msg, out);
}

/* ---- ports ---- */

/* Each is looked at once: it may be far away in memory. */
static uint64_t *list_save(struct save_out *o, const struct nst_sock *s,
			   size_t *count)
{
	uint64_t *v = NULL;
	size_t n = 0;

	for (; s; s = s->bind_next) {
		if (!(n & (n - 1))) { /* 0, 1, 2, 4, ... */
			uint64_t *was = v;

			v = save_memory(o, (n ? 2 * n : 1) * sizeof(*v));
			if (!v)
				return NULL;
			if (n)
				memcpy(v, was, n * sizeof(*v));
		}
		v[n++] = s->id;
	}
	*count = n;
	return v;
}

static void *bucket_save(struct save_out *o, const struct bind_bucket *b)
{
	Cordon__PortBucket *m =
	    save_message(o, &cordon__port_bucket__descriptor);

	if (!m)
		return NULL;
	m->kind = b->kind;
	m->port = b->port;
	m->by_bind = b->by_bind;
	m->bound = list_save(o, b->bound, &m->n_bound);
	m->conns = list_save(o, b->conns, &m->n_conns);
	return m;
}

static size_t each_bucket(const struct ports *p, struct save_out *o,
			  Cordon__PortBucket **to)
{
	size_t n = 0;

	for (unsigned k = 0; k < PORT_KINDS; k++) {
		for (unsigned i = 0; i < LEAVES * LEAF_PORTS; i++) {
			const struct leaf *l = p->leaf[k][i / LEAF_PORTS];
			const struct bind_bucket *b =
			    l ? l->bucket[i % LEAF_PORTS] : NULL;

			if (!l)
				i += LEAF_PORTS - 1;
			if (b && to)
				to[n] = bucket_save(o, b);
			n += b != NULL;
		}
	}
	return n;
}

void ports_save(const struct nst_stack *st, struct save_out *o)
{
	Cordon__Ports *m = save_object(o, &save_ports, st->ports);
	size_t n = each_bucket(st->ports, o, NULL);

	if (!m)
		return;
	if (n) {
		m->buckets = save_memory(o, n * sizeof(*m->buckets));
		if (!m->buckets)
			return;
		m->n_buckets = each_bucket(st->ports, o, m->buckets);
	}
	save_record(o, NST_SAVE_PORTS, m);
}

/* From the oldest on, as each goes to the front. */
static bool list_load(struct load *l, const Cordon__PortBucket *b,
		      const uint64_t *ids, size_t n, bool bound)
{
	while (n--) {
		struct nst_sock *s = load_id_find(l, ids[n]);

		if (!s || s->bucket || s->kind != b->kind ||
		    s->local.port != b->port)
			return save_bad(&l->in, "port", "is held by nobody");
		if (ports_attach(l->st->ports, s, s->local.port, bound))
			return save_fail(&l->in, NST_E_NOMEM, "no memory");
	}
	return true;
}

static bool bucket_load(struct load *l, const Cordon__PortBucket *b)
{
	struct bind_bucket *to;

	if (b->kind >= PORT_KINDS || b->port > UINT16_MAX)
		return save_bad(&l->in, "port", "is none");
	if (!list_load(l, b, b->bound, b->n_bound, true) ||
	    !list_load(l, b, b->conns, b->n_conns, false))
		return false;
	to = ports_bucket(l->st->ports, (uint8_t)b->kind, (uint16_t)b->port);
	if (to)
		to->by_bind = b->by_bind;
	return true;
}

/* The last record but END: everybody who may hold a port is there. */
bool ports_load(struct load *l)
{
	struct ports *p = l->st->ports;
	Cordon__Ports *m = save_parse(&l->in, &cordon__ports__descriptor);

	if (!m || !save_restore(&l->in, &save_ports, m, p))
		return false;
	if (l->how->clone) {
		p->env->random(p->env->ctx, p->key, sizeof(p->key));
		p->env->random(p->env->ctx, p->moved, sizeof(p->moved));
	}
	for (size_t i = 0; i < m->n_buckets; i++)
		if (!bucket_load(l, m->buckets[i]))
			return false;
	return true;
}

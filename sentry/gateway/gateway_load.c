/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateway's objects from their records, in place: the n-th record of a kind
 * is the n-th object, in the order in which gateway_save() wrote them. All
 * lists are set aside first and grow again as records come; what is left over
 * in them at the end, or missing, is a broken image.
 */
#include "sentry/gateway/gateway_save.h"

#include <string.h>

#include "sentry/core/errmap.h"
#include "sentry/gateway/gateway_save_priv.h"

#define POISON 0xdb

struct gw_load {
	struct gateway *gw;
	const struct gateway_finds *finds;
	struct save_in in;
	/* What was set aside, in the order of the records. */
	struct relay_list relays;
	struct gw_queue dflows, queries, peers;
	size_t servers, ports;
	bool first_seen;
};

void gateway_set_stack(struct gateway *gw, struct nst_stack *st)
{
	gw->stack = st;
	gateway_install_forwarder(gw);
}

/* ---- setting aside ---- */

static void aside_relays(struct gw_load *l)
{
	struct gateway *gw = l->gw;
	struct relay *r;

	TAILQ_INIT(&l->relays);
	while ((r = TAILQ_FIRST(&gw->ready))) {
		TAILQ_REMOVE(&gw->ready, r, turn);
		TAILQ_REMOVE(&gw->relays, r, all);
		TAILQ_INSERT_TAIL(&l->relays, r, all);
	}
	TAILQ_CONCAT(&l->relays, &gw->relays, all);
	gw->nrelays = 0;
}

static void aside_timers(struct gw_load *l)
{
	struct gateway *gw = l->gw;

	TAILQ_INIT(&l->dflows);
	TAILQ_INIT(&l->queries);
	TAILQ_INIT(&l->peers);
	for (size_t i = 0; i < GW_DFLOW_QUEUES; i++)
		TAILQ_CONCAT(&l->dflows, &gw->queue[gw_dflow_queues[i]], link);
	TAILQ_CONCAT(&l->queries, &gw->queue[GWQ_DNS_QUERY], link);
	TAILQ_CONCAT(&l->peers, &gw->queue[GWQ_PUB_PEER], link);
	gw_timers_init(gw);
}

static void set_aside(struct gw_load *l)
{
	struct gateway *gw = l->gw;

	aside_relays(l);
	aside_timers(l);
	memset(gw->dflows->bucket, 0, sizeof(gw->dflows->bucket));
	gw->dflows->count = 0;
	LIST_INIT(&gw->dns->queries);
	gw->dns->nqueries = 0;
	for (size_t i = 0; i < PUB_BUCKETS; i++)
		LIST_INIT(&gw->pub->peer[i]);
	gw->pub->npeers = 0;
}

static struct gw_timer *take(struct gw_queue *q)
{
	struct gw_timer *t = TAILQ_FIRST(q);

	if (t)
		TAILQ_REMOVE(q, t, link);
	return t;
}

/* ---- one object ---- */

/* Every member that has a table. */
static void poison(const struct save_type *t, void *obj)
{
	for (uint32_t i = 0; i < t->nfields; i++) {
		const struct save_field *f = &t->fields[i];

		/* Of one value as bytes, `count` is their number. */
		bool one =
		    f->wire == SAVE_M_BYTES && f->stride > 1 && !f->repeated;

		for (uint32_t k = 0; k < (one ? 1 : f->count); k++) {
			char *p = (char *)obj + f->at + (size_t)k * f->stride;

			if (f->sub)
				poison(f->sub, p);
			else
				memset(p, POISON, f->stride);
		}
	}
}

static bool restore(struct gw_load *l, const struct save_type *t, const void *m,
		    void *obj)
{
	poison(t, obj);
	return save_restore(&l->in, t, m, obj);
}

static bool missing(struct gw_load *l, const char *name)
{
	return save_bad(&l->in, name, "is more than there are");
}

static bool find_tcp(struct gw_load *l, bool of_guest, uint64_t id,
		     struct nst_tcp **out)
{
	struct nst_sock *s = NULL;

	*out = NULL;
	if (!id)
		return true;
	s = l->finds->sock(l->finds->ctx, of_guest, id);
	*out = s ? nst_sock_tcp(s) : NULL;
	return *out || save_bad(&l->in, "tcp", "endpoint does not exist");
}

static bool find_dgram(struct gw_load *l, bool of_guest, uint64_t id,
		       struct nst_dgram **out)
{
	struct nst_sock *s = NULL;

	*out = NULL;
	if (!id)
		return true;
	s = l->finds->sock(l->finds->ctx, of_guest, id);
	*out = s ? nst_sock_dgram(s) : NULL;
	return *out || save_bad(&l->in, "udp", "endpoint does not exist");
}

static bool rearm(struct gw_load *l, struct gw_timer *t)
{
	return gw_timer_rearm(l->gw, t) ||
	       save_bad(&l->in, "queue", "is none of the gateway's");
}

/* ---- the records ---- */

static bool load_first(struct gw_load *l)
{
	Cordon__Gateway *m = save_parse(&l->in, &cordon__gateway__descriptor);
	struct gateway *gw = l->gw;

	if (!m)
		return false;
	if (l->first_seen || m->version != GATEWAY_VERSION)
		return save_bad(&l->in, "gateway", "is of another version");
	if (m->count.len != sizeof(gw->count))
		return save_bad(&l->in, "count", "is of another version");
	l->first_seen = true;
	memset(&gw->count, POISON, sizeof(gw->count));
	memcpy(&gw->count, m->count.data, sizeof(gw->count));
	return restore(l, &save_gateway, m, gw) &&
	       restore(l, &save_dflow_table, m->dflows, gw->dflows) &&
	       restore(l, &save_publish, m->pub, gw->pub);
}

static const struct relay_kind *kind_of(uint32_t kind)
{
	switch (kind) {
	case GW_RELAY_FLOW:
		return &relay_flow;
	case GW_RELAY_DNS:
		return &relay_dns;
	case GW_RELAY_PUBLISH:
		return &relay_publish;
	default:
		return NULL;
	}
}

/* Its SYN that waits, if it has one. */
static bool find_req(struct gw_load *l, uint64_t id, struct nst_fwd_req **out)
{
	*out = id ? l->finds->req(l->finds->ctx, id) : NULL;
	return !id || *out || save_bad(&l->in, "req", "is no SYN that waits");
}

static bool load_relay(struct gw_load *l)
{
	Cordon__Relay *m = save_parse(&l->in, &cordon__relay__descriptor);
	struct relay *r = TAILQ_FIRST(&l->relays);
	struct gateway *gw = l->gw;

	if (!m || !r)
		return m ? missing(l, "relay") : false;
	TAILQ_REMOVE(&l->relays, r, all);
	TAILQ_INSERT_TAIL(&gw->relays, r, all);
	gw->nrelays++;
	r->kind = kind_of(m->kind);
	if (!r->kind)
		return save_bad(&l->in, "kind", "is unknown");
	r->ctx = m->kind == GW_RELAY_DNS ? gw->dns : NULL;
	if (!restore(l, &save_relay, m, r) || !find_req(l, m->req, &r->req) ||
	    !find_tcp(l, m->of_guest, m->tp, &r->tp))
		return false;
	if (r->waiting)
		TAILQ_INSERT_TAIL(&gw->ready, r, turn);
	return true;
}

static bool load_dflow(struct gw_load *l)
{
	Cordon__Dflow *m = save_parse(&l->in, &cordon__dflow__descriptor);
	struct gw_timer *t = take(&l->dflows);
	struct dflow *f;

	if (!m || !t)
		return m ? missing(l, "dflow") : false;
	f = GW_OWNER_OF(t, struct dflow, idle);
	if (!restore(l, &save_dflow, m, f))
		return false;
	if (f->kind != DFLOW_UDP && f->kind != DFLOW_ECHO)
		return save_bad(&l->in, "kind", "is unknown");
	f->ops = f->kind == DFLOW_ECHO ? &flow_echo_ops : &flow_udp_ops;
	dflow_link(f);
	return rearm(l, t);
}

static bool load_server(struct gw_load *l)
{
	Cordon__DnsServer *m =
	    save_parse(&l->in, &cordon__dns_server__descriptor);
	struct dns *dns = l->gw->dns;
	struct dns_server *s;

	if (!m || l->servers == dns->nservers)
		return m ? missing(l, "server") : false;
	s = &dns->server[l->servers++];
	return restore(l, &save_dns_server, m, s) &&
	       find_dgram(l, m->of_guest, m->udp, &s->udp) &&
	       find_tcp(l, m->of_guest, m->tcp, &s->tcp);
}

static bool load_query(struct gw_load *l)
{
	Cordon__DnsQuery *m =
	    save_parse(&l->in, &cordon__dns_query__descriptor);
	struct gw_timer *t = take(&l->queries);
	struct dns *dns = l->gw->dns;
	struct dns_query *q;

	if (!m || !t)
		return m ? missing(l, "query") : false;
	q = GW_OWNER_OF(t, struct dns_query, idle);
	/* The memory is as long as it was. */
	if (m->bytes != q->bytes || m->msg.len != q->bytes)
		return save_bad(&l->in, "msg", "is not as long as it was");
	if (m->server >= dns->nservers)
		return save_bad(&l->in, "server", "does not exist");
	memset(q->msg, POISON, q->bytes);
	memcpy(q->msg, m->msg.data, q->bytes);
	if (!restore(l, &save_dns_query, m, q))
		return false;
	q->server = &dns->server[m->server];
	LIST_INSERT_HEAD(&dns->queries, q, all);
	dns->nqueries++;
	return rearm(l, t);
}

static bool load_port(struct gw_load *l)
{
	Cordon__PubPort *m = save_parse(&l->in, &cordon__pub_port__descriptor);
	struct publish *pub = l->gw->pub;
	struct pub_port *p;

	if (!m || l->ports == pub->nports)
		return m ? missing(l, "port") : false;
	p = &pub->port[l->ports++];
	return restore(l, &save_pub_port, m, p) && rearm(l, &p->retry);
}

static bool load_peer(struct gw_load *l)
{
	Cordon__PubPeer *m = save_parse(&l->in, &cordon__pub_peer__descriptor);
	struct publish *pub = l->gw->pub;
	struct gw_timer *t = take(&l->peers);
	struct pub_peer *p;

	if (!m || !t)
		return m ? missing(l, "peer") : false;
	p = GW_OWNER_OF(t, struct pub_peer, idle);
	if (m->port >= pub->nports)
		return save_bad(&l->in, "port", "does not exist");
	if (m->client.len > sizeof(p->client.u))
		return save_bad(&l->in, "client", "is too long");
	p->port = &pub->port[m->port];
	memset(&p->client, 0, sizeof(p->client));
	p->client.len = (socklen_t)m->client.len;
	memcpy(&p->client.u, m->client.data, m->client.len);
	if (!restore(l, &save_pub_peer, m, p) ||
	    !find_dgram(l, false, m->d, &p->d))
		return false;
	pub_peer_link(p);
	return rearm(l, t);
}

static bool load_record(struct gw_load *l)
{
	switch (l->in.type) {
	case GATEWAY_SAVE_FIRST:
		return load_first(l);
	case GATEWAY_SAVE_RELAY:
		return load_relay(l);
	case GATEWAY_SAVE_DFLOW:
		return load_dflow(l);
	case GATEWAY_SAVE_DNS_SERVER:
		return load_server(l);
	case GATEWAY_SAVE_DNS_QUERY:
		return load_query(l);
	case GATEWAY_SAVE_PUB_PORT:
		return load_port(l);
	case GATEWAY_SAVE_PUB_PEER:
		return load_peer(l);
	default:
		return save_bad(&l->in, "record", "is none of the gateway's");
	}
}

static bool is_complete(struct gw_load *l)
{
	if (l->first_seen && TAILQ_EMPTY(&l->relays) &&
	    TAILQ_EMPTY(&l->dflows) && TAILQ_EMPTY(&l->queries) &&
	    TAILQ_EMPTY(&l->peers) && l->servers == l->gw->dns->nservers &&
	    l->ports == l->gw->pub->nports)
		return true;
	return save_bad(&l->in, "gateway", "is not complete");
}

static bool load_all(struct gw_load *l)
{
	for (;;) {
		if (!save_next(&l->in))
			return save_bad(&l->in, "gateway", "has no end");
		if (l->in.type == GATEWAY_SAVE_END)
			return is_complete(l);
		if (!load_record(l))
			return false;
	}
}

int gateway_restore(struct gateway *gw, const struct gateway_finds *finds,
		    const uint8_t **image, const uint8_t *end, char *why)
{
	struct gw_load l = {.gw = gw, .finds = finds};
	enum nst_err e;

	save_in_init(&l.in, &gw->sb->env, *image, (size_t)(end - *image), why);
	set_aside(&l);
	(void)load_all(&l);
	e = l.in.err;
	*image = l.in.p;
	save_in_fini(&l.in);
	return -errno_of(e);
}

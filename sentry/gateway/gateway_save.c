/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateway's objects as records. Their order is that of waiting: relays that
 * wait for their turn come first, and what has an idle time comes in the order
 * of its queue, so that restoring one after the other gives the same queues.
 */
#include "sentry/gateway/gateway_save.h"

#include <errno.h>
#include <string.h>

#include "sentry/gateway/gateway_save_priv.h"

struct nst_stack *gateway_stack(const struct gateway *gw)
{
	return gw->stack;
}

static void put_record(struct save_out *o, enum gateway_record type,
		       const void *m)
{
	save_record(o, (enum nst_save_record)type, m);
}

static void put_bytes(struct save_out *o, ProtobufCBinaryData *to,
		      const void *from, size_t bytes)
{
	to->data = save_memory(o, bytes);
	if (!to->data)
		return;
	memcpy(to->data, from, bytes);
	to->len = bytes;
}

static uint64_t dgram_id(struct nst_dgram *d)
{
	return d ? nst_sock_id(nst_dgram_sock(d)) : 0;
}

static uint64_t tcp_id(struct nst_tcp *tp)
{
	return tp ? nst_sock_id(nst_tcp_sock(tp)) : 0;
}

static void save_first(const struct gateway *gw, struct save_out *o)
{
	Cordon__Gateway *m = save_object(o, &save_gateway, gw);

	if (!m)
		return;
	m->version = GATEWAY_VERSION;
	put_bytes(o, &m->count, &gw->count, sizeof(gw->count));
	m->dflows = save_object(o, &save_dflow_table, gw->dflows);
	m->pub = save_object(o, &save_publish, gw->pub);
	put_record(o, GATEWAY_SAVE_FIRST, m);
}

/* ---- connections ---- */

static uint32_t kind_of(const struct relay *r)
{
	if (r->kind == &relay_flow)
		return GW_RELAY_FLOW;
	return r->kind == &relay_dns ? GW_RELAY_DNS : GW_RELAY_PUBLISH;
}

static void save_a_relay(const struct relay *r, struct save_out *o)
{
	Cordon__Relay *m = save_object(o, &save_relay, r);

	if (!m)
		return;
	m->kind = kind_of(r);
	m->req = r->req ? nst_fwd_id(r->req) : 0;
	m->tp = tcp_id(r->tp);
	put_record(o, GATEWAY_SAVE_RELAY, m);
}

static void save_relays(const struct gateway *gw, struct save_out *o)
{
	const struct relay *r;

	TAILQ_FOREACH (r, &gw->ready, turn)
		save_a_relay(r, o);
	TAILQ_FOREACH (r, &gw->relays, all) {
		if (!r->waiting)
			save_a_relay(r, o);
	}
}

/* ---- datagrams ---- */

static size_t save_dflow_queue(const struct gateway *gw, enum gw_queue_id q,
			       struct save_out *o)
{
	struct gw_timer *t;
	size_t n = 0;

	TAILQ_FOREACH (t, &gw->queue[q], link) {
		const struct dflow *f = GW_OWNER_OF(t, struct dflow, idle);

		put_record(o, GATEWAY_SAVE_DFLOW,
			   save_object(o, &save_dflow, f));
		n++;
	}
	return n;
}

static bool save_dflows(const struct gateway *gw, struct save_out *o)
{
	size_t n = 0;

	for (size_t i = 0; i < GW_DFLOW_QUEUES; i++)
		n += save_dflow_queue(gw, gw_dflow_queues[i], o);
	return n == gw->dflows->count;
}

/* ---- DNS ---- */

static void save_servers(const struct dns *dns, struct save_out *o)
{
	for (size_t i = 0; i < dns->nservers; i++) {
		const struct dns_server *s = &dns->server[i];
		Cordon__DnsServer *m = save_object(o, &save_dns_server, s);

		if (!m)
			return;
		m->udp = dgram_id(s->udp);
		m->tcp = tcp_id(s->tcp);
		put_record(o, GATEWAY_SAVE_DNS_SERVER, m);
	}
}

static bool save_queries(const struct gateway *gw, struct save_out *o)
{
	struct gw_timer *t;
	size_t n = 0;

	TAILQ_FOREACH (t, &gw->queue[GWQ_DNS_QUERY], link) {
		const struct dns_query *q =
		    GW_OWNER_OF(t, struct dns_query, idle);
		Cordon__DnsQuery *m = save_object(o, &save_dns_query, q);

		n++;
		if (!m)
			continue;
		m->server = (uint32_t)(q->server - gw->dns->server);
		put_bytes(o, &m->msg, q->msg, q->bytes);
		put_record(o, GATEWAY_SAVE_DNS_QUERY, m);
	}
	return n == gw->dns->nqueries;
}

/* ---- published ports ---- */

static bool save_peers(const struct gateway *gw, struct save_out *o)
{
	struct gw_timer *t;
	size_t n = 0;

	TAILQ_FOREACH (t, &gw->queue[GWQ_PUB_PEER], link) {
		const struct pub_peer *p =
		    GW_OWNER_OF(t, struct pub_peer, idle);
		Cordon__PubPeer *m = save_object(o, &save_pub_peer, p);

		n++;
		if (!m)
			continue;
		m->port = (uint32_t)(p->port - gw->pub->port);
		put_bytes(o, &m->client, &p->client.u, p->client.len);
		m->d = dgram_id(p->d);
		put_record(o, GATEWAY_SAVE_PUB_PEER, m);
	}
	return n == gw->pub->npeers;
}

static void save_ports(const struct publish *pub, struct save_out *o)
{
	for (size_t i = 0; i < pub->nports; i++)
		put_record(o, GATEWAY_SAVE_PUB_PORT,
			   save_object(o, &save_pub_port, &pub->port[i]));
}

int gateway_save(const struct gateway *gw, const struct nst_save_sink *sink)
{
	struct save_out o;
	bool whole, failed;

	save_out_init(&o, &gw->sb->env, sink);
	save_first(gw, &o);
	save_relays(gw, &o);
	whole = save_dflows(gw, &o);
	save_servers(gw->dns, &o);
	whole = save_queries(gw, &o) && whole;
	save_ports(gw->pub, &o);
	whole = save_peers(gw, &o) && whole;
	put_record(&o, GATEWAY_SAVE_END,
		   save_message(&o, &cordon__gateway_end__descriptor));
	failed = o.failed;
	save_out_fini(&o);
	if (failed)
		return -ENOMEM;
	return whole ? 0 : -EIO;
}

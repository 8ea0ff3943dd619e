/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A gateway in another process than the one that saved it. Restoring in place
 * fills objects that are there (gateway_load.c); so they are made first, empty,
 * in the order of their records.
 */
#include "sentry/gateway/gateway_save.h"

#include <errno.h>
#include <stdlib.h>

#include "sentry/gateway/gateway_save_priv.h"

/* Two sockets for each -p. */
static size_t ports_most(const struct gateway *gw)
{
	return 2 * gw->sb->opt->npublish;
}

static bool no_memory(struct save_in *in)
{
	return save_fail(in, NST_E_NOMEM, "no memory");
}

/* ---- one of each ---- */

static bool make_relay(struct gateway *gw, struct save_in *in)
{
	return relay_new(gw, &relay_flow, NULL) || no_memory(in);
}

static bool make_dflow(struct gateway *gw, struct save_in *in)
{
	return dflow_blank(gw) || no_memory(in);
}

static bool make_server(struct gateway *gw, struct save_in *in)
{
	struct dns *dns = gw->dns;
	struct dns_server *s;

	if (dns->nservers == DNS_SERVERS_MAX)
		return save_bad(in, "server", "is one too many");
	s = &dns->server[dns->nservers++];
	s->dns = dns;
	s->udp_owner.events = dns_udp_events;
	s->tcp_owner.events = dns_tcp_events;
	return true;
}

static bool make_query(struct gateway *gw, struct save_in *in)
{
	Cordon__DnsQuery *m = save_parse(in, &cordon__dns_query__descriptor);

	if (!m)
		return false;
	return dns_query_blank(gw->dns, m->bytes) ||
	       save_bad(in, "query", "is too long, or there is no memory");
}

static bool make_port(struct gateway *gw, struct save_in *in)
{
	if (gw->pub->nports == ports_most(gw))
		return save_bad(in, "port", "is not in the options");
	gw->pub->port[gw->pub->nports++].gw = gw;
	return true;
}

static bool make_peer(struct gateway *gw, struct save_in *in)
{
	return pub_peer_blank(gw) || no_memory(in);
}

static const struct {
	enum gateway_record type;
	bool (*make)(struct gateway *gw, struct save_in *in);
} makers[] = {
    {GATEWAY_SAVE_RELAY, make_relay},
    {GATEWAY_SAVE_DFLOW, make_dflow},
    {GATEWAY_SAVE_DNS_SERVER, make_server},
    {GATEWAY_SAVE_DNS_QUERY, make_query},
    {GATEWAY_SAVE_PUB_PORT, make_port},
    {GATEWAY_SAVE_PUB_PEER, make_peer},
};

/* ---- all of them ---- */

static bool make_record(struct gateway *gw, struct save_in *in)
{
	for (size_t i = 0; i < sizeof(makers) / sizeof(*makers); i++)
		if (in->type == makers[i].type)
			return makers[i].make(gw, in);
	return in->type == GATEWAY_SAVE_FIRST ||
	       save_bad(in, "record", "is none of the gateway's");
}

static bool make_records(struct gateway *gw, struct save_in *in)
{
	for (;;) {
		if (!save_next(in))
			return save_bad(in, "gateway", "has no end");
		if (in->type == GATEWAY_SAVE_END)
			return true;
		if (!make_record(gw, in))
			return false;
	}
}

static int gateway_blank(struct sandbox *sb)
{
	struct gateway *gw = calloc(1, sizeof(*gw));
	int err;

	if (!gw)
		return -ENOMEM;
	gw->sb = sb;
	gw->link = sb->link;
	sb->gw = gw;
	TAILQ_INIT(&gw->relays);
	TAILQ_INIT(&gw->ready);
	gw_timers_init(gw);
	gw->relays_max = host_fd_share(GW_RELAYS_MAX, 2);
	err = dflow_table_new(gw);
	if (!err)
		err = dns_blank(gw);
	if (!err)
		err = publish_blank(gw, ports_most(gw));
	return err;
}

int gateway_make(struct sandbox *sb, const uint8_t *image, const uint8_t *end,
		 char *why)
{
	struct save_in in;
	enum nst_err e;
	int err = gateway_blank(sb);

	save_in_init(&in, &sb->env, image, (size_t)(end - image), why);
	if (err)
		(void)no_memory(&in);
	else
		(void)make_records(sb->gw, &in);
	e = in.err;
	save_in_fini(&in);
	if (e == NST_OK)
		return 0;
	return e == NST_E_NOMEM ? -ENOMEM : -EINVAL;
}

/* ---- users ---- */

void gateway_claim(struct gateway *gw)
{
	struct relay *r;
	struct gw_timer *t;

	TAILQ_FOREACH (r, &gw->relays, all) {
		if (r->tp)
			nst_sock_set_user(nst_tcp_sock(r->tp), &r->owner);
	}
	for (size_t i = 0; i < gw->dns->nservers; i++) {
		struct dns_server *s = &gw->dns->server[i];

		if (s->udp)
			nst_sock_set_user(nst_dgram_sock(s->udp),
					  &s->udp_owner);
		if (s->tcp)
			nst_sock_set_user(nst_tcp_sock(s->tcp), &s->tcp_owner);
	}
	TAILQ_FOREACH (t, &gw->queue[GWQ_PUB_PEER], link) {
		struct pub_peer *p = GW_OWNER_OF(t, struct pub_peer, idle);

		if (p->d)
			nst_sock_set_user(nst_dgram_sock(p->d), &p->owner);
	}
}

/* ---- starting ---- */

static bool start_timed(struct gateway *gw)
{
	struct gw_timer *t;
	bool ok = true;

	for (size_t i = 0; i < GW_DFLOW_QUEUES; i++)
		TAILQ_FOREACH (t, &gw->queue[gw_dflow_queues[i]], link) {
			ok &= dflow_receive(GW_OWNER_OF(t, struct dflow, idle));
		}
	TAILQ_FOREACH (t, &gw->queue[GWQ_DNS_QUERY], link) {
		ok &= dns_query_receive(GW_OWNER_OF(t, struct dns_query, idle));
	}
	return ok;
}

int gateway_start(struct gateway *gw)
{
	struct relay *r;
	bool ok = start_timed(gw);

	TAILQ_FOREACH (r, &gw->relays, all)
		ok &= relay_resume(r);
	for (size_t i = 0; i < gw->pub->nports; i++) {
		struct pub_port *p = &gw->pub->port[i];

		ok &= !(p->udp ? pub_udp_resume(p) : pub_tcp_resume(p));
	}
	dns_refresh(gw->dns, gw_now(gw));
	return ok ? 0 : -ENOMEM;
}

void gateway_each_fd(struct gateway *gw, void (*fn)(void *arg, int *fd),
		     void *arg)
{
	struct relay *r;
	struct gw_timer *t;

	TAILQ_FOREACH (r, &gw->relays, all)
		fn(arg, &r->fd);
	for (size_t i = 0; i < GW_DFLOW_QUEUES; i++)
		TAILQ_FOREACH (t, &gw->queue[gw_dflow_queues[i]], link) {
			fn(arg, &GW_OWNER_OF(t, struct dflow, idle)->fd);
		}
	TAILQ_FOREACH (t, &gw->queue[GWQ_DNS_QUERY], link) {
		fn(arg, &GW_OWNER_OF(t, struct dns_query, idle)->fd);
	}
	for (size_t i = 0; i < gw->pub->nports; i++)
		fn(arg, &gw->pub->port[i].fd);
}

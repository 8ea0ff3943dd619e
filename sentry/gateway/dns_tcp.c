/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. A connection to the forwarder is a relay (relay.h) to
 * the first resolver that takes a connection: the guest's side is up before
 * the host's, and what it has sent waits in its ring. Messages pass unread;
 * they need no ids of ours, since a connection has one client.
 */
#include "sentry/gateway/dns.h"

#include <errno.h>

/* Tries the resolvers that are left; resets the client after the last. */
static void connect_next(struct relay *r)
{
	struct dns *dns = r->ctx;
	struct resolvers *rs = &dns->resolvers;

	while (r->tried < rs->count) {
		if (relay_connect_host(r, &rs->list[r->tried++], false) == 0)
			return;
	}
	r->gw->count.DnsServfail++;
	relay_reset(r);
}

static void host_failed(struct relay *r, int err)
{
	(void)err;
	connect_next(r);
}

const struct relay_kind relay_dns = {.host_failed = host_failed};

static void take(struct dns_server *s, struct nst_tcp *tp)
{
	struct dns *dns = s->dns;
	struct relay *r = NULL;

	if (dns_allowed(dns, IPPROTO_TCP))
		r = relay_new(dns->gw, &relay_dns, dns);
	else
		dns->gw->count.DnsPolicyDenied++;
	if (!r) {
		nst_tcp_abort(tp, gw_now(dns->gw));
		return;
	}
	dns->gw->count.DnsQueries++;
	r->tp = tp;
	r->of_guest = s->of_guest;
	r->guest_up = true;
	nst_sock_set_user(nst_tcp_sock(tp), &r->owner);
	relay_tune_guest(r);
	connect_next(r);
}

void dns_tcp_events(struct ep_owner *o, uint32_t events)
{
	struct dns_server *s = GW_OWNER_OF(o, struct dns_server, tcp_owner);
	struct nst_tcp *child;

	(void)events;
	dns_refresh(s->dns, gw_now(s->dns->gw));
	while (nst_tcp_accept(s->tcp, &child) == NST_OK)
		take(s, child);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. The guest reads the host's own resolv.conf. If that
 * names a server elsewhere, queries are ordinary flows. If it names a loopback
 * address (systemd-resolved, dnsmasq, or glibc's default when it names none),
 * that address is the sandbox's own: so the forwarder serves it there, in the
 * guest's netstack. And it always serves the DNS address of the virtual network
 * (10.0.2.3, fd00::3), in the gateway's netstack.
 *
 * Endpoints of the guest's netstack that belong to us have a struct dns_server
 * as their user, recognised by owner->events.
 *
 * Servers are added when resolv.conf changes and stay until the sandbox ends.
 */
#include "sentry/gateway/dns.h"

#include <errno.h>
#include <stdlib.h>

#include "sentry/core/log.h"
#include "sentry/core/values.h"
#include "sentry/gateway/policy.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define LISTEN_BACKLOG 64

bool dns_allowed(const struct dns *dns, uint8_t proto)
{
	const struct options *o = dns->gw->sb->opt;
	struct nst_sockaddr at4 = {.addr = o->dns4, .port = DNS_PORT};
	struct nst_sockaddr at6 = {.addr = o->dns6, .port = DNS_PORT};

	return (o->dns4.family && policy_allows(o, proto, &at4)) ||
	       (o->dns6.family && policy_allows(o, proto, &at6));
}

static struct nst_stack *dns_stack(const struct dns_server *s)
{
	const struct gateway *gw = s->dns->gw;

	return s->of_guest ? gw->sb->stack : gw->stack;
}

static enum nst_err open_udp(struct dns_server *s,
			     const struct nst_sockaddr *at)
{
	enum nst_err err;

	s->udp_owner.events = dns_udp_events;
	err = nst_dgram_new(dns_stack(s), NST_DGRAM_UDP, at->addr.family, 0,
			    &s->udp_owner, &s->udp);
	if (err != NST_OK)
		return err;
	return nst_sock_bind(nst_dgram_sock(s->udp), at);
}

static enum nst_err open_tcp(struct dns_server *s,
			     const struct nst_sockaddr *at, nst_time now)
{
	enum nst_err err;

	s->tcp_owner.events = dns_tcp_events;
	err = nst_tcp_new(dns_stack(s), at->addr.family, &s->tcp_owner, now,
			  &s->tcp);
	if (err != NST_OK)
		return err;
	err = nst_sock_bind(nst_tcp_sock(s->tcp), at);
	if (err != NST_OK)
		return err;
	return nst_tcp_listen(s->tcp, LISTEN_BACKLOG, now);
}

static void close_server(struct dns_server *s)
{
	struct sandbox *sb = s->dns->gw->sb;
	nst_time now = sandbox_now(sb);

	owner_forget(sb, &s->udp_owner);
	owner_forget(sb, &s->tcp_owner);
	if (s->udp)
		nst_dgram_close(s->udp, now);
	if (s->tcp)
		nst_tcp_close(s->tcp, now);
	s->udp = NULL;
	s->tcp = NULL;
}

static struct dns_server *find_server(struct dns *dns, bool of_guest,
				      const struct nst_addr *a)
{
	for (size_t i = 0; i < dns->nservers; i++) {
		struct dns_server *s = &dns->server[i];

		if (s->of_guest == of_guest && value_addr_eq(&s->addr, a))
			return s;
	}
	return NULL;
}

/* An address that a guest's program holds already is left to it. */
static int serve(struct dns *dns, bool of_guest, const struct nst_addr *a,
		 nst_time now)
{
	struct nst_sockaddr at = {.addr = *a, .port = DNS_PORT};
	struct dns_server *s = &dns->server[dns->nservers];
	enum nst_err err;

	if (a->family == 0 || find_server(dns, of_guest, a))
		return 0;
	if (dns->nservers == DNS_SERVERS_MAX)
		return -ENOBUFS;
	*s = (struct dns_server){.dns = dns, .of_guest = of_guest, .addr = *a};
	err = open_udp(s, &at);
	if (err == NST_OK)
		err = open_tcp(s, &at, now);
	if (err != NST_OK) {
		close_server(s);
		return -EADDRINUSE;
	}
	dns->nservers++;
	return 0;
}

/* Loopback resolvers of the host are served on the guest's loopback. */
static void serve_loopback(struct dns *dns, nst_time now)
{
	for (size_t i = 0; i < dns->resolvers.count; i++) {
		const struct host_addr *h = &dns->resolvers.list[i];
		struct nst_sockaddr a;

		if (!host_addr_is_loopback(h) || !host_addr_to(&h->u.ss, &a))
			continue;
		if (!nst_addr_is_local(dns->gw->sb->stack, &a.addr))
			continue;
		if (serve(dns, true, &a.addr, now) < 0)
			dns->gw->count.DnsServfail++;
	}
}

void dns_refresh(struct dns *dns, nst_time now)
{
	if (resolvers_refresh(&dns->resolvers, now))
		serve_loopback(dns, now);
}

/* The guest's come behind the gateway's own; no query is under way. */
void dns_leave_guest(struct dns *dns)
{
	while (dns->nservers && dns->server[dns->nservers - 1].of_guest)
		close_server(&dns->server[--dns->nservers]);
}

void dns_join_guest(struct dns *dns, nst_time now)
{
	serve_loopback(dns, now);
}

int dns_blank(struct gateway *gw)
{
	struct dns *dns = calloc(1, sizeof(*dns));

	if (!dns)
		return -ENOMEM;
	dns->gw = gw;
	LIST_INIT(&dns->queries);
	gw->dns = dns;
	resolvers_init(&dns->resolvers, RESOLV_CONF);
	return 0;
}

int dns_new(struct gateway *gw)
{
	const struct options *o = gw->sb->opt;
	nst_time now = gw_now(gw);
	int err = dns_blank(gw);
	struct dns *dns = gw->dns;

	if (err)
		return err;
	err = serve(dns, false, &o->dns4, now);
	if (err == 0)
		err = serve(dns, false, &o->dns6, now);
	if (err < 0) {
		log_error("the DNS address cannot be served; choose another "
			  "than the gateway's");
		return err;
	}
	dns_refresh(dns, now);
	return 0;
}

void dns_free(struct gateway *gw)
{
	struct dns *dns = gw->dns;

	if (!dns)
		return;
	dns_udp_free_all(dns);
	for (size_t i = 0; i < dns->nservers; i++)
		close_server(&dns->server[i]);
	free(dns);
	gw->dns = NULL;
}

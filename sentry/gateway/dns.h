/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The DNS forwarder: servers on port 53 of addresses in the sandbox, relaying
 * to the host's name servers. Split into servers (dns.c), queries by UDP
 * (dns_udp.c) and by TCP (dns_tcp.c). All under the stack lock.
 */
#ifndef SENTRY_GATEWAY_DNS_H
#define SENTRY_GATEWAY_DNS_H

#include "sentry/gateway/relay.h"
#include "sentry/gateway/resolvers.h"

#define DNS_PORT 53
#define DNS_SERVERS_MAX 8

/* Port 53 of one address, UDP and TCP. */
struct dns_server {
	struct ep_owner udp_owner, tcp_owner; /* R */
	struct dns *dns;                      /* R */
	bool of_guest;         /* S in the guest's stack, not the gateway's */
	struct nst_addr addr;  /* S */
	struct nst_dgram *udp; /* S */
	struct nst_tcp *tcp;   /* S listener */
};

struct dns_query {
	struct gw_timer idle;       /* S first */
	LIST_ENTRY(dns_query) all;  /* R */
	struct dns_server *server;  /* S as a number */
	struct nst_sockaddr client; /* S */
	uint16_t client_id;         /* S */
	uint32_t tries;             /* S resolvers asked, rounds included */
	int fd;                     /* S */
	struct loop_op *op;         /* R */
	size_t bytes;               /* S */
	uint8_t msg[];              /* S as sent, with our id */
};
LIST_HEAD(dns_query_list, dns_query);

struct dns {
	struct gateway *gw;
	struct resolvers resolvers;
	struct dns_server server[DNS_SERVERS_MAX];
	size_t nservers;
	struct dns_query_list queries;
	size_t nqueries;
};

/* Does the policy let the guest ask? The forwarder counts as UDP or TCP to the
 * DNS address, whatever address the guest used. */
bool dns_allowed(const struct dns *dns, uint8_t proto);
/* Re-reads the name servers if need be; to be called before each use. */
void dns_refresh(struct dns *dns, nst_time now);
/* Another stack takes the place of the guest's, before there is any query:
 * closes what is served in the old one; serves in the new one. */
void dns_leave_guest(struct dns *dns);
void dns_join_guest(struct dns *dns, nst_time now);
/* UDP datagrams wait; connections wait; owners' events. */
void dns_udp_events(struct ep_owner *o, uint32_t events);
void dns_tcp_events(struct ep_owner *o, uint32_t events);
void dns_udp_free_all(struct dns *dns);
/* An empty query of so many bytes, to be filled from a record: in its queue, in
 * no list. NULL: no memory, or too long. */
struct dns_query *dns_query_blank(struct dns *dns, size_t bytes);
/* Receives, once its descriptor is known. False: no memory. */
bool dns_query_receive(struct dns_query *q);

#endif

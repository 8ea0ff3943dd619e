/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. Each query gets a host socket of its own, connected to
 * one resolver, so its source port is random and fresh, and an id of its own
 * (RFC 5452 9.2); the reply must come from there, to there, with that id, and
 * repeat the question. Then the client's id is put back and the message is
 * passed on as it is.
 *
 * No answer within the time-out, an ICMP error, SERVFAIL or REFUSED: the next
 * resolver is asked, ROUNDS times around; after that the client gets SERVFAIL
 * (or what the last resolver said). Queries are bounded; a new one evicts the
 * oldest, whose client will ask again.
 */
#include "sentry/gateway/dns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/gateway/dns_msg.h"

#define ROUNDS 2
#define QUERY_MAX_BYTES 4096 /* an honest query is below 512 */

static void query_free(struct dns_query *q)
{
	struct dns *dns = q->server->dns;

	gw_timer_stop(dns->gw, &q->idle);
	host_close(dns->gw, q->op, q->fd);
	LIST_REMOVE(q, all);
	dns->nqueries--;
	free(q);
}

void dns_udp_free_all(struct dns *dns)
{
	struct dns_query *q = LIST_FIRST(&dns->queries);

	while (q) {
		struct dns_query *next = LIST_NEXT(q, all);

		query_free(q);
		q = next;
	}
}

static void answer(struct dns_server *s, const struct nst_sockaddr *client,
		   void *msg, size_t bytes, nst_time now)
{
	struct nst_iov iov = {msg, bytes};
	struct gateway *gw = s->dns->gw;
	enum nst_err err = nst_dgram_send(s->udp, client, &iov, 1, NULL, now);

	if (err == NST_OK)
		return;
	/* The error may be of an earlier answer (its client has gone). */
	err = nst_dgram_send(s->udp, client, &iov, 1, NULL, now);
	if (err != NST_OK)
		gw->count.DnsReplyDrops++;
}

/* Gives up on a query: SERVFAIL. Frees. */
static void query_fail(struct dns_query *q, nst_time now)
{
	q->server->dns->gw->count.DnsServfail++;
	q->bytes = dns_msg_fail(q->msg, q->bytes, DNS_RCODE_SERVFAIL);
	dns_msg_set_id(q->msg, q->client_id);
	answer(q->server, &q->client, q->msg, q->bytes, now);
	query_free(q);
}

static void host_event(void *arg, const struct loop_event *ev);

bool dns_query_receive(struct dns_query *q)
{
	q->op = loop_recv(q->server->dns->gw->sb->loop, q->fd, false,
			  host_event, q);
	return q->op != NULL;
}

/* Asks one resolver. False: it cannot be asked. */
static bool query_send(struct dns_query *q, const struct host_addr *to,
		       nst_time now)
{
	struct dns *dns = q->server->dns;
	struct gateway *gw = dns->gw;
	uint16_t id;

	host_close(gw, q->op, q->fd);
	q->op = NULL;
	q->fd = host_socket(gw, to->u.sa.sa_family, SOCK_DGRAM, 0);
	if (q->fd < 0 || connect(q->fd, &to->u.sa, to->len) < 0)
		return false;
	gw->sb->env.random(gw->sb->env.ctx, &id, sizeof(id));
	dns_msg_set_id(q->msg, id);
	if (send(q->fd, q->msg, q->bytes, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return false;
	if (!dns_query_receive(q))
		return false;
	gw_timer_arm(gw, &q->idle, GWQ_DNS_QUERY, now);
	return true;
}

static bool query_has_more(const struct dns_query *q)
{
	return q->tries < ROUNDS * q->server->dns->resolvers.count;
}

/* Asks the next resolver that can be asked, or gives up. May free. */
static void query_next(struct dns_query *q, nst_time now)
{
	struct resolvers *rs = &q->server->dns->resolvers;

	while (query_has_more(q)) {
		const struct host_addr *to = &rs->list[q->tries % rs->count];

		q->tries++;
		if (query_send(q, to, now))
			return;
	}
	query_fail(q, now);
}

static void query_timeout(struct gw_timer *t, nst_time now)
{
	struct dns_query *q = GW_OWNER_OF(t, struct dns_query, idle);

	q->server->dns->gw->count.DnsTimeouts++;
	query_next(q, now);
}

static bool is_failure(const uint8_t *msg)
{
	uint8_t rcode = dns_msg_rcode(msg);

	return rcode == DNS_RCODE_SERVFAIL || rcode == DNS_RCODE_REFUSED;
}

/* A datagram from the resolver. May free. */
static void query_reply(struct dns_query *q, uint8_t *msg, size_t bytes,
			nst_time now)
{
	if (!dns_msg_answers(msg, bytes, q->msg, q->bytes)) {
		q->server->dns->gw->count.DnsBadReplies++;
		return; /* forged or late: the true one may still come */
	}
	/* Each resolver is asked once before a failure is believed. */
	if (is_failure(msg) && q->tries < q->server->dns->resolvers.count) {
		query_next(q, now);
		return;
	}
	dns_msg_set_id(msg, q->client_id);
	answer(q->server, &q->client, msg, bytes, now);
	query_free(q);
}

static void host_event(void *arg, const struct loop_event *ev)
{
	struct dns_query *q = arg;
	nst_time now = gw_now(q->server->dns->gw);

	if (ev->last)
		q->op = NULL;
	if (ev->res < 0 || ev->last)
		query_next(q, now);
	else
		query_reply(q, ev->data, (size_t)ev->res, now);
}

/* The one that was sent longest ago: every live query waits on its timer. */
static void evict(struct dns *dns)
{
	struct gw_timer *t = gw_timer_oldest(dns->gw, GWQ_DNS_QUERY);

	dns->gw->count.DnsEvicted++;
	if (t)
		query_free(GW_OWNER_OF(t, struct dns_query, idle));
}

struct dns_query *dns_query_blank(struct dns *dns, size_t bytes)
{
	struct dns_query *q = NULL;

	if (bytes <= QUERY_MAX_BYTES)
		q = calloc(1, sizeof(*q) + bytes);
	if (!q)
		return NULL;
	q->idle.fn = query_timeout;
	q->server = dns->server;
	q->fd = -1;
	q->bytes = bytes;
	gw_timer_arm(dns->gw, &q->idle, GWQ_DNS_QUERY, 0);
	return q;
}

static void query_new(struct dns_server *s, const struct nst_dgram_in *in,
		      nst_time now)
{
	struct dns *dns = s->dns;
	struct dns_query *q;

	if (dns->nqueries >= GW_DNS_QUERIES_MAX)
		evict(dns);
	q = calloc(1, sizeof(*q) + in->bytes);
	if (!q) {
		dns->gw->count.NoMemory++;
		return;
	}
	q->idle.fn = query_timeout;
	q->server = s;
	q->client = in->src;
	q->client_id = dns_msg_id(in->data);
	q->fd = -1;
	q->bytes = in->bytes;
	memcpy(q->msg, in->data, in->bytes);
	LIST_INSERT_HEAD(&dns->queries, q, all);
	dns->nqueries++;
	query_next(q, now);
}

static void refuse(struct dns_server *s, const struct nst_dgram_in *in,
		   nst_time now)
{
	uint8_t msg[QUERY_MAX_BYTES];
	size_t bytes;

	memcpy(msg, in->data, in->bytes);
	bytes = dns_msg_fail(msg, in->bytes, DNS_RCODE_REFUSED);
	answer(s, &in->src, msg, bytes, now);
}

static void serve_one(struct dns_server *s, const struct nst_dgram_in *in,
		      nst_time now)
{
	struct gw_counters *count = &s->dns->gw->count;

	if (!dns_msg_is_query(in->data, in->bytes) ||
	    in->bytes > QUERY_MAX_BYTES) {
		count->DnsMalformed++;
	} else if (!dns_allowed(s->dns, IPPROTO_UDP)) {
		count->DnsPolicyDenied++;
		refuse(s, in, now);
	} else {
		count->DnsQueries++;
		query_new(s, in, now);
	}
}

void dns_udp_events(struct ep_owner *o, uint32_t events)
{
	struct dns_server *s = GW_OWNER_OF(o, struct dns_server, udp_owner);
	nst_time now = gw_now(s->dns->gw);
	struct nst_dgram_in in;

	if (events & NST_EV_ERR) {
		enum nst_err err = nst_sock_error(nst_dgram_sock(s->udp), true);

		(void)err; /* of a client that has gone */
	}
	dns_refresh(s->dns, now);
	while (nst_dgram_peek(s->udp, &in) == NST_OK) {
		serve_one(s, &in, now);
		nst_dgram_pop(s->udp);
	}
}

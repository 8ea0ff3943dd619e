/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. A datagram to a published port finds or makes a peer:
 * {port, host client} → one connected UDP endpoint of the gateway's netstack,
 * from which the guest sees it come and to which the guest's answers go. Peers
 * end after 180 s without use, or when the table is full, the least recently
 * used first. After a port unreachable from the guest, the peer's next datagram
 * goes to the guest's other family: its server may listen there, or not yet.
 *
 * DEVIATION: an answer from a port published on every address leaves with the
 * source address that the host's routing chooses, which on a host with several
 * addresses may not be the one the client sent to.
 */
#include "sentry/gateway/publish.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void peer_events(struct ep_owner *o, uint32_t events);

static socklen_t sa_len(const struct sockaddr_storage *ss)
{
	return ss->ss_family == AF_INET ? sizeof(struct sockaddr_in)
					: sizeof(struct sockaddr_in6);
}

static struct pub_bucket *bucket_of(struct publish *pub,
				    const struct nst_env *env,
				    const struct host_addr *client)
{
	uint64_t h = env->hash(env->ctx, pub->key, &client->u, client->len);

	return &pub->peer[h % PUB_BUCKETS];
}

static void peer_close(struct pub_peer *p)
{
	struct gateway *gw = p->port->gw;

	owner_forget(gw->sb, &p->owner);
	if (p->d)
		nst_dgram_close(p->d, gw_now(gw));
	p->d = NULL;
}

static void peer_free(struct pub_peer *p)
{
	struct gateway *gw = p->port->gw;

	peer_close(p);
	gw_timer_stop(gw, &p->idle);
	LIST_REMOVE(p, link);
	gw->pub->npeers--;
	free(p);
}

static void free_bucket(struct pub_peer *p)
{
	while (p) {
		struct pub_peer *next = LIST_NEXT(p, link);

		peer_free(p);
		p = next;
	}
}

void pub_udp_free_all(struct gateway *gw)
{
	for (size_t i = 0; i < PUB_BUCKETS; i++)
		free_bucket(LIST_FIRST(&gw->pub->peer[i]));
}

static void expired(struct gw_timer *t, nst_time now)
{
	(void)now;
	peer_free(GW_OWNER_OF(t, struct pub_peer, idle));
}

static bool peer_open(struct pub_peer *p, uint8_t family, nst_time now)
{
	struct gateway *gw = p->port->gw;
	struct nst_sockaddr to = {.port = p->port->guest_port};
	struct nst_addr from;
	enum nst_err err;

	if (!pub_addrs(gw, family, &from, &to.addr))
		return false;
	p->family = to.addr.family;
	err = nst_dgram_new(gw->stack, NST_DGRAM_UDP, to.addr.family, 0,
			    &p->owner, &p->d);
	if (err != NST_OK) {
		p->d = NULL;
		return false;
	}
	err = pub_bind(nst_dgram_sock(p->d), &from, now);
	if (err == NST_OK)
		err = nst_dgram_connect(p->d, &to, now);
	return err == NST_OK;
}

void pub_peer_link(struct pub_peer *p)
{
	struct gateway *gw = p->port->gw;
	struct pub_bucket *b = bucket_of(gw->pub, &gw->sb->env, &p->client);

	LIST_INSERT_HEAD(b, p, link);
	gw->pub->npeers++;
}

struct pub_peer *pub_peer_blank(struct gateway *gw)
{
	struct pub_peer *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->owner.events = peer_events;
	p->idle.fn = expired;
	gw_timer_arm(gw, &p->idle, GWQ_PUB_PEER, 0);
	return p;
}

static struct pub_peer *peer_new(struct pub_port *port,
				 const struct host_addr *client, nst_time now)
{
	struct gateway *gw = port->gw;
	struct pub_peer *p = calloc(1, sizeof(*p));

	if (!p) {
		gw->count.NoMemory++;
		return NULL;
	}
	if (gw->pub->npeers >= gw->pub->peers_max) {
		struct gw_timer *t = gw_timer_oldest(gw, GWQ_PUB_PEER);

		gw->count.PubPeerEvicted++;
		if (t)
			peer_free(GW_OWNER_OF(t, struct pub_peer, idle));
	}
	p->owner.events = peer_events;
	p->idle.fn = expired;
	p->port = port;
	p->client = *client;
	pub_peer_link(p);
	if (peer_open(p, port->family, now))
		return p;
	peer_free(p);
	return NULL;
}

static struct pub_peer *peer_find(struct pub_port *port,
				  const struct host_addr *client)
{
	struct gateway *gw = port->gw;
	struct pub_bucket *b = bucket_of(gw->pub, &gw->sb->env, client);
	struct pub_peer *p;

	for (p = LIST_FIRST(b); p; p = LIST_NEXT(p, link)) {
		if (p->port == port && p->client.len == client->len &&
		    memcmp(&p->client.u, &client->u, client->len) == 0)
			return p;
	}
	return NULL;
}

/* Guest → host client. */
static void peer_answers(struct pub_peer *p)
{
	struct nst_dgram_in in;

	while (nst_dgram_peek(p->d, &in) == NST_OK) {
		if (sendto(p->port->fd, in.data, in.bytes,
			   MSG_NOSIGNAL | MSG_DONTWAIT, &p->client.u.sa,
			   p->client.len) < 0)
			p->port->gw->count.PubUdpDrops++;
		nst_dgram_pop(p->d);
	}
}

/* Nothing listens at the guest's address of this family. */
static void peer_error(struct pub_peer *p, nst_time now)
{
	enum nst_err err = nst_sock_error(nst_dgram_sock(p->d), true);
	uint8_t other =
	    pub_other_family(p->port->gw, pub_family_bit(p->family));

	p->port->gw->count.PubUdpDrops++;
	if (err != NST_E_CONNREFUSED || other == 0)
		return;
	peer_close(p);
	if (!peer_open(p, other, now))
		peer_free(p);
}

static void peer_events(struct ep_owner *o, uint32_t events)
{
	struct pub_peer *p = GW_OWNER_OF(o, struct pub_peer, owner);
	struct gateway *gw = p->port->gw;
	nst_time now = gw_now(gw);

	if (events & NST_EV_IN) {
		gw_timer_arm(gw, &p->idle, GWQ_PUB_PEER, now);
		peer_answers(p);
	}
	if (events & NST_EV_ERR)
		peer_error(p, now);
}

/* Host client → guest. */
static void peer_send(struct pub_peer *p, void *data, size_t bytes,
		      nst_time now)
{
	struct nst_iov iov = {data, bytes};
	enum nst_err err;

	gw_timer_arm(p->port->gw, &p->idle, GWQ_PUB_PEER, now);
	err = nst_dgram_send(p->d, NULL, &iov, 1, NULL, now);
	if (err == NST_E_CONNREFUSED) /* of an earlier one */
		err = nst_dgram_send(p->d, NULL, &iov, 1, NULL, now);
	if (err != NST_OK)
		p->port->gw->count.PubUdpDrops++;
}

static void take(struct pub_port *port, const struct loop_event *ev)
{
	nst_time now = gw_now(port->gw);
	struct host_addr client = {0};
	struct pub_peer *p;

	if (!ev->from)
		return;
	client.len = sa_len(ev->from);
	memcpy(&client.u, ev->from, client.len);
	p = peer_find(port, &client);
	if (!p)
		p = peer_new(port, &client, now);
	if (p)
		peer_send(p, ev->data, (size_t)ev->res, now);
	else
		port->gw->count.PubUdpDrops++;
}

static void retry(struct gw_timer *t, nst_time now)
{
	struct pub_port *p = GW_OWNER_OF(t, struct pub_port, retry);

	if (pub_udp_start(p) < 0)
		gw_timer_arm(p->gw, t, GWQ_PUB_RETRY, now);
}

static void host_event(void *arg, const struct loop_event *ev)
{
	struct pub_port *p = arg;

	if (ev->res >= 0)
		take(p, ev);
	if (!ev->last)
		return;
	p->op = NULL;
	if (ev->res < 0 || pub_udp_start(p) < 0)
		gw_timer_arm(p->gw, &p->retry, GWQ_PUB_RETRY, gw_now(p->gw));
}

int pub_udp_start(struct pub_port *p)
{
	p->retry.fn = retry;
	p->op = loop_recv(p->gw->sb->loop, p->fd, true, host_event, p);
	return p->op ? 0 : -ENOMEM;
}

int pub_udp_resume(struct pub_port *p)
{
	p->retry.fn = retry;
	return p->retry.armed ? 0 : pub_udp_start(p);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Published ports (-p): host sockets bound before the guest starts, whose
 * connections and datagrams are carried to the guest. publish.c binds,
 * publish_tcp.c and publish_udp.c carry. All under the stack lock.
 */
#ifndef SENTRY_GATEWAY_PUBLISH_H
#define SENTRY_GATEWAY_PUBLISH_H

#include "sentry/gateway/relay.h"

/* A client of a published UDP port: publish_udp.c. */
struct pub_peer {
	struct ep_owner owner;     /* R first */
	struct gw_timer idle;      /* S */
	LIST_ENTRY(pub_peer) link; /* R */
	struct pub_port *port;     /* S as a number */
	struct host_addr client;   /* S */
	struct nst_dgram *d;       /* S */
	uint8_t family;            /* S of d */
};
LIST_HEAD(pub_bucket, pub_peer);
#define PUB_BUCKETS 256 /* power of two */

/* One bound host socket. */
struct pub_port {
	struct gateway *gw;    /* R */
	struct gw_timer retry; /* S accept again */
	int fd;                /* S */
	struct loop_op *op;    /* R */
	uint8_t family;        /* S 4, 6: of the host socket */
	bool udp;              /* S */
	uint16_t guest_port;   /* S */
};

struct publish {
	struct pub_port *port;               /* R by records of its own */
	size_t nports;                       /* R */
	struct pub_bucket peer[PUB_BUCKETS]; /* R UDP */
	size_t npeers, peers_max;            /* R */
	uint8_t key[16];                     /* S */
	unsigned waited; /* D for ports to become free, ms */
};

/*
 * The guest's address for a client of that family, and the gateway's own that
 * it is reached from; the other family when the guest lacks that one. False:
 * it has neither.
 */
bool pub_addrs(const struct gateway *gw, uint8_t family, struct nst_addr *from,
	       struct nst_addr *to);
/*
 * The families that were tried, as bits, because 4 | 6 is 6. The other one, 0
 * when both were tried or the guest has only one.
 */
static inline uint8_t pub_family_bit(uint8_t family)
{
	return family == 6 ? 2 : 1;
}
uint8_t pub_other_family(const struct gateway *gw, uint8_t tried);
/* Binds ep to the gateway's address, port to be chosen at connect. */
enum nst_err pub_bind(struct nst_sock *s, const struct nst_addr *from,
		      nst_time now);
/* Begin to take connections or datagrams; -ENOMEM. */
int pub_tcp_start(struct pub_port *p);
int pub_udp_start(struct pub_port *p);
void pub_udp_free_all(struct gateway *gw);
/* Of a peer that was restored: into its bucket. */
void pub_peer_link(struct pub_peer *p);
/* An empty one, to be filled from a record: in its queue, in no bucket. NULL:
 * no memory. */
struct pub_peer *pub_peer_blank(struct gateway *gw);
/* After restoring: takes connections or datagrams, or tries again when its
 * time has come. -ENOMEM. */
int pub_tcp_resume(struct pub_port *p);
int pub_udp_resume(struct pub_port *p);

#endif

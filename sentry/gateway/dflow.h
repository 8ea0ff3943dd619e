/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagram flows of the guest: {source, destination} → one connected host
 * socket. UDP (flow_udp.c) and ICMP echo (echo.c) share the table, its limit,
 * its idle time-outs and its eviction. A flow belongs to the table; all under
 * the stack lock.
 */
#ifndef SENTRY_GATEWAY_DFLOW_H
#define SENTRY_GATEWAY_DFLOW_H

#include "sentry/gateway/gateway_priv.h"

struct dflow;

enum dflow_kind { DFLOW_UDP, DFLOW_ECHO };

struct dflow_ops {
	/* A datagram from the host; lent. */
	void (*in)(struct dflow *f, uint8_t *data, size_t bytes, nst_time now);
	/* The host reported an ICMP error (positive errno). */
	void (*error)(struct dflow *f, int err, nst_time now);
};

struct dflow {
	struct gw_timer idle;        /* S first */
	struct gateway *gw;          /* R */
	const struct dflow_ops *ops; /* R by kind */
	struct dflow *next, **pprev; /* R of its bucket */
	/* S as the guest has them; echo: the port of src is the id, that of dst
	 * is 0 */
	struct nst_sockaddr src, dst; /* S */
	int fd;                       /* S */
	struct loop_op *op;           /* R */
	uint16_t host_id;             /* S echo by raw socket: our id */
	uint8_t kind;                 /* S */
	uint8_t errors;               /* S in a row; too many end the flow */
	bool raw;                     /* S echo by raw socket */
	bool replied;                 /* S */
};

#define DFLOW_BUCKETS 1024 /* power of two */

struct dflow_table {
	struct dflow *bucket[DFLOW_BUCKETS]; /* R */
	size_t count, max;                   /* R */
	uint8_t key[16];                     /* S */
};

extern const struct dflow_ops flow_udp_ops, flow_echo_ops;

int dflow_table_new(struct gateway *gw); /* -ENOMEM */
void dflow_table_free(struct gateway *gw);
size_t dflow_count(const struct gateway *gw);
struct dflow *dflow_find(struct gateway *gw, enum dflow_kind kind,
			 const struct nst_sockaddr *src,
			 const struct nst_sockaddr *dst);
/* Takes fd, a connected socket; when the table is full the flow that is least
 * missed goes. NULL without memory (counted; fd closed). */
struct dflow *dflow_new(struct gateway *gw, enum dflow_kind kind,
			const struct dflow_ops *ops,
			const struct nst_sockaddr *src,
			const struct nst_sockaddr *dst, int fd, nst_time now);
/* The flow was used: its idle time begins anew. */
void dflow_touch(struct dflow *f, nst_time now);
void dflow_free(struct dflow *f);
/* An empty one, to be filled from a record: in a queue, in no bucket. NULL: no
 * memory. */
struct dflow *dflow_blank(struct gateway *gw);
/* Receives, once its descriptor is known. False: no memory. */
bool dflow_receive(struct dflow *f);
/* Of a flow that was restored: into its bucket. */
void dflow_link(struct dflow *f);

#endif

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
	struct gw_timer timer; /* first: idle */
	struct gateway *gw;
	const struct dflow_ops *ops;
	struct dflow *next, **pprev;  /* of its bucket */
	struct nst_sockaddr src, dst; /* as the guest has them; echo: the port
					 of src is the id, that of dst is 0 */
	int fd;
	struct loop_op *op;
	uint16_t host_id; /* echo by raw socket: our id */
	uint8_t kind;
	uint8_t errors; /* in a row; too many end the flow */
	bool raw;       /* echo by raw socket */
	bool replied;
};

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

#endif

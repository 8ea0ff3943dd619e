/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. A flow is made by the guest's first datagram and lives
 * while either side uses it: 60 s until something comes back (port 53: 10 s
 * always), 180 s after that, as connection tracking does. Its host socket is
 * connected, so that only the peer's datagrams and ICMP errors about it come
 * in; they arrive one per completion of a multishot receive.
 *
 * The table is bounded. When full, flows that were never answered go first,
 * oldest first, as Linux's early drop does.
 *
 * A receive that ends with an error is armed again: the error was one ICMP
 * message. Errors in a row without a datagram between them end the flow, which
 * bounds the work a broken socket can cause.
 */
#include "sentry/gateway/dflow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sentry/core/values.h"

#define ERRORS_MAX 16

int dflow_table_new(struct gateway *gw)
{
	struct dflow_table *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	gw->sb->env.random(gw->sb->env.ctx, t->key, sizeof(t->key));
	t->max = host_fd_share(GW_DFLOWS_MAX, 4);
	gw->dflows = t;
	return 0;
}

static void free_bucket(struct dflow *f)
{
	while (f) {
		struct dflow *next = f->next;

		dflow_free(f);
		f = next;
	}
}

void dflow_table_free(struct gateway *gw)
{
	struct dflow_table *t = gw->dflows;

	if (!t)
		return;
	for (size_t i = 0; i < DFLOW_BUCKETS; i++)
		free_bucket(t->bucket[i]);
	free(t);
	gw->dflows = NULL;
}

size_t dflow_count(const struct gateway *gw)
{
	return gw->dflows->count;
}

static bool sa_eq(const struct nst_sockaddr *a, const struct nst_sockaddr *b)
{
	return a->port == b->port && value_addr_eq(&a->addr, &b->addr);
}

static struct dflow **bucket_of(const struct gateway *gw, enum dflow_kind kind,
				const struct nst_sockaddr *src,
				const struct nst_sockaddr *dst)
{
	const struct nst_env *env = &gw->sb->env;
	struct {
		uint8_t src[16], dst[16];
		uint16_t sport, dport;
		uint8_t kind, family, zero[2];
	} k = {.sport = src->port,
	       .dport = dst->port,
	       .kind = (uint8_t)kind,
	       .family = src->addr.family};
	size_t bytes = src->addr.family == 4 ? 4 : 16;
	uint64_t h;

	memcpy(k.src, src->addr.b, bytes);
	memcpy(k.dst, dst->addr.b, bytes);
	h = env->hash(env->ctx, gw->dflows->key, &k, sizeof(k));
	return &gw->dflows->bucket[h % DFLOW_BUCKETS];
}

struct dflow *dflow_find(struct gateway *gw, enum dflow_kind kind,
			 const struct nst_sockaddr *src,
			 const struct nst_sockaddr *dst)
{
	struct dflow *f = *bucket_of(gw, kind, src, dst);

	while (f &&
	       !(f->kind == kind && sa_eq(&f->src, src) && sa_eq(&f->dst, dst)))
		f = f->next;
	return f;
}

void dflow_free(struct dflow *f)
{
	struct gateway *gw = f->gw;

	gw_timer_stop(gw, &f->idle);
	host_close(gw, f->op, f->fd);
	*f->pprev = f->next;
	if (f->next)
		f->next->pprev = f->pprev;
	gw->dflows->count--;
	free(f);
}

static void expired(struct gw_timer *t, nst_time now)
{
	(void)now;
	dflow_free(GW_OWNER_OF(t, struct dflow, idle));
}

/* Makes room for one more. */
static void evict(struct gateway *gw)
{
	static const enum gw_queue_id order[] = {GWQ_UDP_DNS, GWQ_ECHO,
						 GWQ_UDP_NEW, GWQ_UDP_STREAM};
	struct gw_timer *t = NULL;

	for (size_t i = 0; !t && i < sizeof(order) / sizeof(*order); i++)
		t = gw_timer_oldest(gw, order[i]);
	if (!t)
		return;
	gw->count.UdpEvicted++;
	dflow_free(GW_OWNER_OF(t, struct dflow, idle));
}

void dflow_touch(struct dflow *f, nst_time now)
{
	enum gw_queue_id q = f->replied ? GWQ_UDP_STREAM : GWQ_UDP_NEW;

	if (f->kind == DFLOW_ECHO)
		q = GWQ_ECHO;
	else if (f->dst.port == 53)
		q = GWQ_UDP_DNS;
	gw_timer_arm(f->gw, &f->idle, q, now);
}

static void host_event(void *arg, const struct loop_event *ev);

bool dflow_receive(struct dflow *f)
{
	f->op = loop_recv(f->gw->sb->loop, f->fd, false, host_event, f);
	if (!f->op)
		f->gw->count.NoMemory++;
	return f->op != NULL;
}

static void host_event(void *arg, const struct loop_event *ev)
{
	struct dflow *f = arg;
	nst_time now = gw_now(f->gw);

	if (ev->last)
		f->op = NULL;
	if (ev->res < 0) {
		f->errors++;
		f->ops->error(f, -ev->res, now);
	} else {
		f->errors = 0;
		f->replied = true;
		f->ops->in(f, ev->data, (size_t)ev->res, now);
		dflow_touch(f, now);
	}
	if (!f->op && (f->errors > ERRORS_MAX || !dflow_receive(f)))
		dflow_free(f);
}

void dflow_link(struct dflow *f)
{
	struct dflow **b = bucket_of(f->gw, f->kind, &f->src, &f->dst);

	f->next = *b;
	f->pprev = b;
	if (f->next)
		f->next->pprev = &f->next;
	*b = f;
	f->gw->dflows->count++;
}

struct dflow *dflow_blank(struct gateway *gw)
{
	struct dflow *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->idle.fn = expired;
	f->gw = gw;
	f->fd = -1;
	gw_timer_arm(gw, &f->idle, GWQ_UDP_DNS, 0);
	return f;
}

struct dflow *dflow_new(struct gateway *gw, enum dflow_kind kind,
			const struct dflow_ops *ops,
			const struct nst_sockaddr *src,
			const struct nst_sockaddr *dst, int fd, nst_time now)
{
	struct dflow *f = calloc(1, sizeof(*f));

	if (!f) {
		gw->count.NoMemory++;
		close(fd);
		return NULL;
	}
	if (gw->dflows->count >= gw->dflows->max)
		evict(gw);
	*f = (struct dflow){.idle.fn = expired,
			    .gw = gw,
			    .ops = ops,
			    .src = *src,
			    .dst = *dst,
			    .fd = fd,
			    .kind = (uint8_t)kind};
	dflow_link(f);
	dflow_touch(f, now);
	if (dflow_receive(f))
		return f;
	dflow_free(f);
	return NULL;
}

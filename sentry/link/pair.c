/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The in-memory link between the guest's netstack and the gateway's.
 *
 * transmit only enqueues; pump(), called by sandbox_settle() outside of every
 * entry of either stack, delivers. Between the two an endpoint may be freed or
 * its ring replaced, while packets of it wait here. Copying every payload for
 * that would cost bulk transfers a copy; so sb->env is decorated: before memory
 * as large as a ring is freed, queued packets that refer to it are made to own
 * their bytes. That happens when connections end, not per packet.
 */
#include "sentry/link/pair_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/core/errmap.h"

/* Each way; TCP has windows, so only floods of datagrams reach it. */
#define PAIR_QUEUE_MAX 8192
/* Smaller blocks are never a ring. */
#define PAIR_RING_BYTES 4096

/* ---- memory in flight ---- */

static bool pkt_refers(const struct nst_pkt *pkt, const uint8_t *p,
		       size_t bytes)
{
	if (!p)
		return pkt->nfrags != 0;
	for (int i = 0; i < pkt->nfrags; i++) {
		const uint8_t *f = pkt->frag[i].p;

		if (f < p + bytes && p < f + pkt->frag[i].len)
			return true;
	}
	return false;
}

/* Of packets that refer to this memory (from NULL: to any). Rebuilds the queue;
 * those that cannot be copied are dropped. */
static void queue_detach(struct pair *p, struct pkt_queue *q,
			 const uint8_t *mem, size_t bytes)
{
	uint32_t n = q->refs ? q->count : 0;

	while (n--) {
		struct nst_pkt *pkt = pkt_queue_pop(q);

		if (pkt_refers(pkt, mem, bytes) && !nst_pkt_own(pkt)) {
			p->link.tx_drops++;
			nst_pkt_free(pkt);
			continue;
		}
		pkt_queue_push(q, pkt);
	}
}

static void *pair_alloc(void *ctx, size_t bytes)
{
	struct pair *p = ctx;

	return p->env.alloc(p->env.ctx, bytes);
}

static void *pair_alloc_raw(void *ctx, size_t bytes)
{
	struct pair *p = ctx;

	return p->env.alloc_raw(p->env.ctx, bytes);
}

/* Owning a packet frees its old linear buffer: hence the look at refs, which
 * ends the recursion, and nothing above changes a queue's order. */
static void pair_env_free(void *ctx, void *mem, size_t bytes)
{
	struct pair *p = ctx;

	if (bytes >= PAIR_RING_BYTES && !sandbox_env_is_apart()) {
		queue_detach(p, &p->end[0].out, mem, bytes);
		queue_detach(p, &p->end[1].out, mem, bytes);
	}
	p->env.free(p->env.ctx, mem, bytes);
}

static void pair_random(void *ctx, void *buf, size_t bytes)
{
	struct pair *p = ctx;

	p->env.random(p->env.ctx, buf, bytes);
}

static uint64_t pair_hash(void *ctx, const uint8_t key[16], const void *data,
			  size_t bytes)
{
	struct pair *p = ctx;

	return p->env.hash(p->env.ctx, key, data, bytes);
}

static void pair_event(void *ctx, void *user, uint32_t events)
{
	struct pair *p = ctx;

	p->env.event(p->env.ctx, user, events);
}

static void env_decorate(struct pair *p)
{
	p->env = p->sb->env;
	p->sb->env = (struct nst_env){
	    .ctx = p,
	    .alloc = pair_alloc,
	    .alloc_raw = p->env.alloc_raw ? pair_alloc_raw : NULL,
	    .free = pair_env_free,
	    .random = pair_random,
	    .hash = pair_hash,
	    .event = pair_event,
	};
}

/* ---- packets ---- */

static void pair_capture(struct pair *p, bool outbound,
			 const struct nst_pkt *pkt, nst_time now)
{
	if (p->sb->cap)
		capture_packet(p->sb->cap, p->cap_if, outbound, pkt, now);
}

static void enqueue(struct pair_end *e, struct nst_pkt *pkt)
{
	if (e->out.count >= PAIR_QUEUE_MAX) {
		e->pair->link.tx_drops++;
		nst_pkt_free(pkt);
		return;
	}
	pkt_queue_push(&e->out, pkt);
}

static void from_guest(void *ctx, struct nst_pkt *pkt)
{
	enqueue(&((struct pair *)ctx)->end[0], pkt);
}

static void to_guest(void *ctx, struct nst_pkt *pkt, nst_time now)
{
	(void)now;
	enqueue(&((struct pair *)ctx)->end[1], pkt);
}

static void pair_transmit(void *link, struct nst_pkt *pkt)
{
	struct pair_end *e = link;
	struct pair *p = e->pair;

	if (e == &p->end[0])
		pair_capture(p, true, pkt, pkt->when);
	if (!p->netem)
		enqueue(e, pkt);
	else if (e == &p->end[0])
		netem_link_send(p->netem, pkt);
	else
		netem_link_recv(p->netem, pkt, sandbox_now(p->sb));
}

/* What is queued now; answers to it wait for the next call. */
static bool deliver(struct pair *p, struct pair_end *from, struct pair_end *to,
		    nst_time now)
{
	uint32_t n = from->out.count;
	bool any = n != 0;

	while (n--) {
		struct nst_pkt *pkt = pkt_queue_pop(&from->out);

		if (!pkt)
			break; /* dropped by queue_detach() meanwhile */
		pkt->l2_bcast = 0;
		pkt->when = now;
		if (to == &p->end[0])
			pair_capture(p, false, pkt, now);
		nst_nic_in(to->stack, to->ifindex, pkt, now);
	}
	return any;
}

static bool pair_pump(struct link *l)
{
	struct pair *p = (struct pair *)l;
	nst_time now;
	bool any;

	if (!p->end[0].out.count && !p->end[1].out.count)
		return false;
	now = sandbox_now(p->sb);
	any = deliver(p, &p->end[0], &p->end[1], now);
	return deliver(p, &p->end[1], &p->end[0], now) || any;
}

/* Into the queues; the settle that follows pumps them. */
static void pair_run(struct link *l, nst_time now)
{
	netem_link_run(((struct pair *)l)->netem, now);
}

static nst_time pair_next(const struct link *l)
{
	return netem_link_next(((const struct pair *)l)->netem);
}

/* ---- life ---- */

/* The stacks' NICs still name us: neither may transmit after this. */
static void pair_free(struct link *l)
{
	struct pair *p = (struct pair *)l;

	netem_link_free(p->netem);
	p->sb->env = p->env;
	pkt_queue_fini(&p->end[0].out);
	pkt_queue_fini(&p->end[1].out);
	free(p);
}

static const struct nst_link_ops pair_ops = {.transmit = pair_transmit};

static bool pair_carry(struct link *l, bool guest, struct nst_nic_config *cfg)
{
	struct pair *p = (struct pair *)l;

	if (strcmp(cfg->name, guest ? "eth0" : "gw0") != 0)
		return false;
	cfg->ops = &pair_ops;
	cfg->link = &p->end[guest ? 0 : 1];
	return true;
}

/* 0: there is none, and nothing is delivered. */
static uint32_t nic_of(const struct nst_stack *st, const char *name)
{
	struct nst_nic_info info;
	uint32_t i = 0;

	while (st && (i = nst_nic_next(st, i)))
		if (!nst_nic_get(st, i, &info) && !strcmp(info.name, name))
			return i;
	return 0;
}

static void pair_moved(struct link *l, struct nst_stack *guest,
		       struct nst_stack *other)
{
	struct pair *p = (struct pair *)l;

	for (int i = 0; i < 2; i++) {
		queue_detach(p, &p->end[i].out, NULL, 0);
		p->end[i].stack = i ? other : guest;
	}
	p->end[0].ifindex = nic_of(guest, "eth0");
	p->end[1].ifindex = nic_of(other, "gw0");
}

static enum nst_err add_nic(struct pair_end *e, struct nst_stack *st,
			    const struct nst_nic_config *want, const char *name)
{
	struct nst_nic_config cfg = *want;

	if (!cfg.name[0])
		memcpy(cfg.name, name, strlen(name) + 1);
	if (!cfg.mtu)
		cfg.mtu = e->pair->sb->opt->mtu;
	cfg.caps |= NST_CAP_TSO | NST_CAP_TX_CSUM;
	cfg.ops = &pair_ops;
	cfg.link = e;
	e->stack = st;
	return nst_nic_add(st, &cfg, &e->ifindex);
}

static int pair_capture_start(struct pair *p, const struct nst_nic_config *mine)
{
	if (!p->sb->cap)
		return 0;
	p->cap_if = capture_add_interface(
	    p->sb->cap, "eth0",
	    mine->kind == NST_LINK_ETHER ? CAPTURE_ETHERNET : CAPTURE_RAW_IP,
	    CAPTURE_SNAPLEN);
	return p->cap_if < 0 ? p->cap_if : 0;
}

struct pair *pair_new(struct sandbox *sb)
{
	struct pair *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->sb = sb;
	p->link = (struct link){.pump = pair_pump,
				.free = pair_free,
				.carry = pair_carry,
				.moved = pair_moved,
				.name = "pair",
				.next = pair_next,
				.run = pair_run};
	p->end[0].pair = p->end[1].pair = p;
	env_decorate(p);
	return p;
}

struct netem_sides pair_sides(struct pair *p)
{
	return (struct netem_sides){from_guest, to_guest, p};
}

int pair_link_new(struct sandbox *sb, struct nst_stack *other,
		  const struct nst_nic_config *mine,
		  const struct nst_nic_config *theirs, struct link **out,
		  uint32_t *my_ifindex, uint32_t *their_ifindex)
{
	struct pair *p = pair_new(sb);
	struct netem_sides sides;
	enum nst_err e;
	int err;

	if (!p)
		return -ENOMEM;
	sides = pair_sides(p);
	err = pair_capture_start(p, mine);
	if (!err)
		err = netem_link_new(sb, 0, &sides, &p->netem);
	if (err) {
		pair_free(&p->link);
		return err;
	}
	e = add_nic(&p->end[0], sb->stack, mine, "eth0");
	if (!e)
		e = add_nic(&p->end[1], other, theirs, "gw0");
	if (e) {
		pair_free(&p->link);
		return -errno_of(e);
	}
	*my_ifindex = p->end[0].ifindex;
	*their_ifindex = p->end[1].ifindex;
	*out = &p->link;
	return 0;
}

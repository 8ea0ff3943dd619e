/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors that arrive for a datagram socket. LINUX: __udp4_lib_err(),
 * ping_err(), raw_err(): without IP_RECVERR only a connected socket is told,
 * and only of hard errors; with it, everything is queued, and SO_ERROR follows
 * the head of the queue.
 */
#include "netstack/dgram/dgram_priv.h"

#define ORIGIN_LOCAL 1 /* SO_EE_ORIGIN_* */

static size_t ee_size(const struct dgram_ee *ee)
{
	return sizeof(*ee) + ee->err.bytes;
}

/* At the end of the queue; false: no memory. */
static bool append(struct nst_dgram *d, const struct nst_dgram_err *err,
		   const void *data, uint32_t bytes)
{
	struct dgram_ee *ee = nst_alloc(d->s.st->env, sizeof(*ee) + bytes);

	if (!ee)
		return false;
	ee->err = *err;
	ee->err.data = ee->bytes;
	ee->err.bytes = bytes;
	if (bytes)
		memcpy(ee->bytes, data, bytes);
	ee->charge = dgram_charge(bytes);
	*d->ee_tail = ee;
	d->ee_tail = &ee->next;
	d->charged += ee->charge;
	return true;
}

static void enqueue(struct nst_dgram *d, const struct nst_dgram_err *err)
{
	uint32_t bytes = (uint32_t)err->bytes;

	if (!dgram_has_room(d, dgram_charge(bytes)) ||
	    !append(d, err, err->data, bytes))
		d->s.st->count.DgramErrQueueFull++;
}

enum nst_err dgram_restore_err(struct nst_dgram *d,
			       const struct nst_dgram_err *err,
			       const void *data, uint32_t bytes)
{
	if (dgram_charge(bytes) > DGRAM_CHARGED_MAX - d->charged)
		return NST_E_NOBUFS;
	return append(d, err, data, bytes) ? NST_OK : NST_E_NOMEM;
}

static bool wants_queue(const struct nst_dgram *d, const struct icmp_err *e)
{
	if (e->dst.family == 6)
		return d->s.opt.recverr6;
	return d->s.opt.recverr;
}

static bool ignores_mtu(const struct nst_dgram *d, const struct icmp_err *e)
{
	uint8_t disc =
	    e->dst.family == 6 ? d->s.opt.mtu_disc6 : d->s.opt.mtu_disc;

	return e->err == NST_E_MSGSIZE && disc == PMTUDISC_DONT;
}

void dgram_icmp(struct nst_dgram *d, const struct icmp_err *e,
		const struct nst_sockaddr *dst, const uint8_t *data,
		uint32_t bytes)
{
	bool queue = wants_queue(d, e);
	bool hard = e->hard || e->err == NST_E_MSGSIZE;
	struct nst_dgram_err err = {.err = e->err,
				    .origin = e->origin,
				    .type = e->type,
				    .code = e->code,
				    .info = e->info,
				    .offender = e->offender,
				    .dst = *dst,
				    .data = data,
				    .bytes = bytes};

	if (e->err == NST_E_MSGSIZE)
		ip_pmtu_update(d->s.st, &e->dst, e->info);
	if (ignores_mtu(d, e))
		return;
	if (!queue && (!hard || !d->s.remote.addr.family))
		return;
	if (queue)
		enqueue(d, &err);
	d->s.error = e->err;
	sock_event(&d->s, NST_EV_ERR);
}

void dgram_local_msgsize(struct nst_dgram *d, const struct nst_sockaddr *dst,
			 uint32_t mtu)
{
	static const uint8_t nothing[1];
	struct nst_dgram_err err = {.err = NST_E_MSGSIZE,
				    .origin = ORIGIN_LOCAL,
				    .info = mtu,
				    .dst = *dst,
				    .data = nothing};

	if (dst->addr.family == 6 ? d->s.opt.recverr6 : d->s.opt.recverr) {
		enqueue(d, &err);
		sock_event(&d->s, NST_EV_ERR);
	}
}

enum nst_err nst_dgram_err_peek(const struct nst_dgram *d,
				struct nst_dgram_err *out)
{
	if (!d->ee_head)
		return NST_E_AGAIN;
	*out = d->ee_head->err;
	return NST_OK;
}

static void ee_drop(struct nst_dgram *d)
{
	struct dgram_ee *ee = d->ee_head;

	d->ee_head = ee->next;
	if (!d->ee_head)
		d->ee_tail = &d->ee_head;
	d->charged -= ee->charge;
	nst_release(d->s.st->env, ee, ee_size(ee));
}

static bool is_icmp(const struct dgram_ee *ee)
{
	return ee && ee->err.origin != ORIGIN_LOCAL;
}

/* LINUX: sock_dequeue_err_skb(): SO_ERROR is that of the next entry. */
void nst_dgram_err_pop(struct nst_dgram *d)
{
	bool was_icmp = is_icmp(d->ee_head);

	if (!d->ee_head)
		return;
	ee_drop(d);
	if (is_icmp(d->ee_head))
		d->s.error = d->ee_head->err.err;
	else if (was_icmp)
		d->s.error = NST_OK;
	if (d->ee_head)
		sock_event(&d->s, NST_EV_ERR);
}

void dgram_purge_errors(struct nst_dgram *d)
{
	while (d->ee_head)
		ee_drop(d);
}

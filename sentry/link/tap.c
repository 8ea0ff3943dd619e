/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tap link: Ethernet frames to and from a TAP device with virtio-net
 * headers, so that super-segments and unfinished checksums pass both ways.
 *
 * transmit writes at once, on whichever thread emits (connect()'s SYN leaves in
 * the guest's call). Only what the kernel does not take now (EAGAIN) is copied
 * and queued for POLLOUT; while something is queued everything is, in order.
 * Everything runs under the stack lock.
 */
#include "sentry/link/tap_priv.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sentry/core/errmap.h"
#include "sentry/core/log.h"
#include "sentry/loop/loop.h"

/* As a NIC's transmit queue (txqueuelen of a tap is 1000). */
#define TAP_QUEUE_MAX 1000
#define ETHER_HDR_BYTES 14

/* ---- out ---- */

/* True: over with it (written or refused); false: EAGAIN. */
static bool tap_write(struct tap *t, const struct nst_pkt *pkt)
{
	int rc = tap_io_write(t->fd, pkt);

	if (rc == -EAGAIN)
		return false;
	if (rc < 0)
		t->link.tx_drops++;
	return true;
}

static void on_out(void *arg, const struct loop_event *ev)
{
	struct tap *t = arg;
	bool last = ev->last;

	while (t->out.head && tap_write(t, t->out.head))
		nst_pkt_free(pkt_queue_pop(&t->out));
	if (last)
		t->out_op = NULL;
	if (t->out.head)
		return;
	loop_cancel(t->sb->loop, t->out_op);
	t->out_op = NULL;
}

static void want_out(struct tap *t)
{
	if (!t->out_op)
		t->out_op = loop_poll(t->sb->loop, t->fd, POLLOUT, on_out, t);
}

static void tap_enqueue(struct tap *t, struct nst_pkt *pkt)
{
	if (t->out.count >= TAP_QUEUE_MAX || !nst_pkt_own(pkt)) {
		t->link.tx_drops++;
		nst_pkt_free(pkt);
		return;
	}
	pkt_queue_push(&t->out, pkt);
	want_out(t);
}

static void tap_send(void *ctx, struct nst_pkt *pkt)
{
	struct tap *t = ctx;

	if (t->out.head || !tap_write(t, pkt))
		tap_enqueue(t, pkt);
	else
		nst_pkt_free(pkt);
}

static void tap_transmit(void *link, struct nst_pkt *pkt)
{
	struct tap *t = link;

	if (t->sb->cap)
		capture_packet(t->sb->cap, t->cap_if, true, pkt, pkt->when);
	if (t->netem)
		netem_link_send(t->netem, pkt);
	else
		tap_send(t, pkt);
}

/* ---- in ---- */

static void tap_deliver(void *ctx, struct nst_pkt *pkt, nst_time now)
{
	struct tap *t = ctx;

	pkt->when = now;
	if (t->sb->cap)
		capture_packet(t->sb->cap, t->cap_if, false, pkt, now);
	nst_gro_begin(t->sb->stack); /* until the loop's batch ends */
	nst_nic_in(t->sb->stack, t->ifindex, pkt, now);
}

static void on_frame(void *arg, const struct loop_event *ev)
{
	struct tap *t = arg;
	struct nst_pkt *pkt;
	nst_time now;

	if (ev->last) {
		t->read_op = NULL;
		log_error("--net tap: the device is gone: %s",
			  strerror(ev->res < 0 ? -ev->res : EIO));
		return;
	}
	pkt = tap_io_packet(&t->sb->env, ev->data, (size_t)ev->res);
	if (!pkt) {
		t->link.rx_drops++;
		return;
	}
	now = sandbox_now(t->sb);
	if (t->netem)
		netem_link_recv(t->netem, pkt, now);
	else
		tap_deliver(t, pkt, now);
}

static nst_time tap_next(const struct link *l)
{
	return netem_link_next(((const struct tap *)l)->netem);
}

static void tap_run(struct link *l, nst_time now)
{
	netem_link_run(((struct tap *)l)->netem, now);
}

/* ---- life ---- */

static void tap_free(struct link *l)
{
	struct tap *t = (struct tap *)l;

	loop_cancel(t->sb->loop, t->out_op);
	loop_cancel_close(t->sb->loop, t->read_op, t->fd);
	pkt_queue_fini(&t->out);
	netem_link_free(t->netem);
	free(t);
}

/* --mac, or a random locally administered one. */
static void choose_mac(const struct sandbox *sb, uint8_t mac[6])
{
	if (sb->opt->has_mac) {
		memcpy(mac, sb->opt->mac, 6);
		return;
	}
	sb->env.random(sb->env.ctx, mac, 6);
	mac[0] = (uint8_t)((mac[0] & 0xfc) | 2);
}

static const struct nst_link_ops tap_ops = {.transmit = tap_transmit};

static bool tap_carry(struct link *l, bool guest, struct nst_nic_config *cfg)
{
	if (!guest || strcmp(cfg->name, "eth0") != 0)
		return false;
	cfg->ops = &tap_ops;
	cfg->link = l;
	return true;
}

static int add_nic(struct tap *t, uint32_t mtu)
{
	struct nst_nic_config cfg = {
	    .name = "eth0",
	    .kind = NST_LINK_ETHER,
	    .caps = NST_CAP_TSO | NST_CAP_TX_CSUM,
	    .mtu = t->sb->opt->mtu ? t->sb->opt->mtu : mtu,
	    .ops = &tap_ops,
	    .link = t,
	};
	enum nst_err e;

	choose_mac(t->sb, cfg.mac);
	e = nst_nic_add(t->sb->stack, &cfg, &t->ifindex);
	if (e)
		log_error("--net tap: cannot add eth0 with an MTU of %u: %s",
			  cfg.mtu, strerror(errno_of(e)));
	return -errno_of(e);
}

struct netem_sides tap_sides(struct tap *t)
{
	return (struct netem_sides){tap_send, tap_deliver, t};
}

int tap_resume(struct tap *t)
{
	if (t->out.head)
		want_out(t);
	t->read_op = loop_read(t->sb->loop, t->fd, on_frame, t);
	return t->read_op ? 0 : -ENOMEM;
}

static int tap_start(struct tap *t, uint32_t mtu)
{
	const struct netem_sides sides = tap_sides(t);
	int err = netem_link_new(t->sb, ETHER_HDR_BYTES, &sides, &t->netem);

	if (!err && t->sb->cap) {
		t->cap_if = capture_add_interface(
		    t->sb->cap, "eth0", CAPTURE_ETHERNET, CAPTURE_SNAPLEN);
		err = t->cap_if < 0 ? t->cap_if : 0;
	}
	if (!err)
		err = add_nic(t, mtu);
	if (err)
		return err;
	return tap_resume(t);
}

struct tap *tap_new(struct sandbox *sb, int fd)
{
	struct tap *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->sb = sb;
	t->fd = fd;
	t->link = (struct link){.free = tap_free,
				.name = "tap",
				.next = tap_next,
				.run = tap_run,
				.carry = tap_carry};
	return t;
}

int tap_link_new(struct sandbox *sb, const char *name, struct link **out)
{
	struct tap_dev dev;
	struct tap *t;
	int err = tap_dev_open(name, &dev);

	if (err)
		return err;
	t = tap_new(sb, dev.fd);
	if (!t) {
		close(dev.fd);
		return -ENOMEM;
	}
	err = tap_start(t, dev.mtu);
	if (err) {
		tap_free(&t->link);
		return err;
	}
	sb->ifindex = t->ifindex;
	*out = &t->link;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the tap link: the device (tap_dev.c), the virtio-net header between
 * packets and frames (tap_vnet.c), and both together (tap_io.c). */
#ifndef SENTRY_LINK_TAP_PRIV_H
#define SENTRY_LINK_TAP_PRIV_H

#include <linux/virtio_net.h>

#include "sentry/link/link.h"
#include "sentry/link/netem_link.h"
#include "sentry/link/queue.h"

struct loop_op;

/* ---- tap.c ---- */
struct tap {
	struct link link;         /* S first */
	struct sandbox *sb;       /* R */
	int fd;                   /* S */
	uint32_t ifindex;         /* S */
	struct loop_op *read_op;  /* R */
	struct loop_op *out_op;   /* R while something is queued */
	struct pkt_queue out;     /* S */
	struct netem_link *netem; /* S NULL: none */
	int cap_if;               /* S */
};
/* With a device, without an interface and not yet reading. NULL: no memory. */
struct tap *tap_new(struct sandbox *sb, int fd);
struct netem_sides tap_sides(struct tap *t);
/* Reads, and writes what is queued. -ENOMEM. */
int tap_resume(struct tap *t);

/* ---- tap_dev.c ---- */
struct tap_dev {
	int fd; /* O_NONBLOCK; the caller's */
	uint32_t mtu;
};
/* Attaches, sets up offloads, brings the device up if allowed. -errno after a
 * line on stderr. */
int tap_dev_open(const char *name, struct tap_dev *out);

/* ---- tap_vnet.c ---- */
/* The header for a frame that is to be written; false: not expressible. */
bool tap_vnet_emit(const struct nst_pkt *pkt, struct virtio_net_hdr *h);
/* Takes the header's meaning into pkt, whose data is the whole frame, linear.
 * False: malformed, or what was not offered. */
bool tap_vnet_parse(const struct virtio_net_hdr *h, struct nst_pkt *pkt);

/* ---- tap_io.c ---- */
/* Writes one packet (borrowed) as a frame. 0; -EAGAIN: not now; -EINVAL: not
 * expressible; else what the device said. */
int tap_io_write(int fd, const struct nst_pkt *pkt);
/* A packet of a frame with its header as read; the bytes are copied. NULL:
 * malformed, or no memory. */
struct nst_pkt *tap_io_packet(const struct nst_env *env, const uint8_t *data,
			      size_t bytes);

#endif

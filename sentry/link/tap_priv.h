/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the tap link: the device (tap_dev.c) and the virtio-net header
 * between packets and frames (tap_vnet.c). */
#ifndef SENTRY_LINK_TAP_PRIV_H
#define SENTRY_LINK_TAP_PRIV_H

#include <linux/virtio_net.h>

#include "netstack/nst_pkt.h"

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

#endif

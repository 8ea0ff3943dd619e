/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links: what carries packets for a NIC of the netstack. A link's transmit is
 * called on whichever thread holds the stack lock and does its non-blocking
 * write itself; what the kernel does not take at once is queued (copied,
 * bounded, counted) for the loop.
 */
#ifndef SENTRY_LINK_LINK_H
#define SENTRY_LINK_LINK_H

#include "sentry/core/sandbox.h"

struct link {
	/* Delivers queued packets (in-memory links); true: did something. */
	bool (*pump)(struct link *l); /* R */
	void (*free)(struct link *l); /* R */
	/* Links with a netem in front; NULL: none. When run has something to
	 * do; does it. R */
	nst_time (*next)(const struct link *l);
	void (*run)(struct link *l, nst_time now);

	/*
	 * A stack is made anew (sentry/save): what carries its interface
	 * cfg->name, that of the guest's stack or of the other one. Sets ops
	 * and link. False: this link has no such interface. R
	 */
	bool (*carry)(struct link *l, bool guest, struct nst_nic_config *cfg);

	/* The stacks are now these (other: NULL without one). From then on no
	 * packet refers to memory of the old ones. R */
	void (*moved)(struct link *l, struct nst_stack *guest,
		      struct nst_stack *other);

	const char *name; /* R */

	/* Packets lost here: queue full, no memory, refused by the device,
	 * malformed. S */
	uint64_t tx_drops, rx_drops;
};

/*
 * An in-memory link between two netstacks: adds NIC "eth0" to the guest's and
 * "gw0" to the other. Packets wait in two queues that pump() delivers, and
 * keep referencing ring memory: sb->env is decorated while the link lives, so
 * that packets in flight get bytes of their own before that memory is freed.
 * Caps: TSO and checksum on both; mtu from options. -ENOMEM, -EINVAL, -ENOBUFS.
 */
int pair_link_new(struct sandbox *sb, struct nst_stack *other,
		  const struct nst_nic_config *mine,
		  const struct nst_nic_config *theirs, struct link **out,
		  uint32_t *my_ifindex, uint32_t *their_ifindex);
/*
 * Attaches to a TAP device (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR), TSO and
 * checksum offload both ways, and adds "eth0" (sets sb->ifindex). A device that
 * does not exist is made, if allowed, and goes with us. Addresses and routes
 * are the caller's. MTU: opt->mtu, or the device's. -EPERM, -EBUSY, -ENODEV,...
 * with one line on stderr that says what to do.
 */
int tap_link_new(struct sandbox *sb, const char *name, struct link **out);

/* ---- captures: pcapng, one per sandbox ---- */
#define CAPTURE_ETHERNET 1 /* linktypes */
#define CAPTURE_RAW_IP 101
#define CAPTURE_SNAPLEN 65600 /* the largest super-segment, with Ethernet */
struct capture;
/* The stack's clock is this much behind the host's from now on: what is in the
 * file is in the host's. */
void capture_clock(struct capture *c, nst_time behind);
/* Creates FILE; -errno. */
int capture_new(const char *path, struct capture **out);
/* An interface of the capture: linktype 1 (Ethernet) or 101 (raw IP). */
int capture_add_interface(struct capture *c, const char *name, int linktype,
			  uint32_t snaplen);
/* Writes one packet (checksums completed in the copy; super-segments as they
 * are, cut to snaplen); borrows. Any thread. Blocks are written by a thread
 * of the capture's own within 200 ms; when the file cannot take them for a
 * second, packets are left out, and the number is in the file. */
void capture_packet(struct capture *c, int interface, bool outbound,
		    const struct nst_pkt *pkt, nst_time now);
/* Writes all there is and ends its thread; the next packet starts it again. No
 * other thread uses the capture. */
void capture_pause(struct capture *c);
/* Flushes and closes. */
void capture_free(struct capture *c);

#endif

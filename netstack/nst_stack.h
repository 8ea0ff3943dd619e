/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stack: interfaces, addresses, routes, timers, counters, forwarders.
 *
 * Locking: a stack and everything in it belongs to one caller at a time; the
 * embedder serialises. `now` never goes backwards. Every entry runs to
 * completion: packets for our own addresses (loopback) are delivered before it
 * returns. Links and events are called from inside entries and only enqueue.
 */
#ifndef NETSTACK_NST_STACK_H
#define NETSTACK_NST_STACK_H

#include "netstack/nst_counters.h"
#include "netstack/nst_env.h"
#include "netstack/nst_pkt.h"

struct nst_stack;

/* env is borrowed for the life of the stack. NOMEM. */
NST_MUST_CHECK enum nst_err nst_stack_new(const struct nst_env *env,
					  nst_time now, struct nst_stack **out);
/*
 * Frees everything, sockets included. Nobody is told: neither their users nor,
 * by a packet, anybody on a link (not that groups are left). Touches nothing of
 * the embedder's but env's memory, which makes it possible on another thread.
 */
void nst_stack_free(struct nst_stack *st);
/* Earliest moment at which nst_run_timers has work; NST_NEVER if none. */
nst_time nst_next_deadline(const struct nst_stack *st);
/* Fires every timer whose deadline is <= now. */
void nst_run_timers(struct nst_stack *st, nst_time now);
/* Named counters (nst_counters.h); valid until the next entry. */
const struct nst_counters *nst_counters(const struct nst_stack *st);
/* Consistency of every object; false when something is wrong (tests). */
bool nst_stack_check(const struct nst_stack *st);

/*
 * Settings by Linux's names ("net.ipv4.tcp_ecn"; the prefix may be left out).
 * Three-number ones are text like "4096 131072 6291456". They hold for what is
 * made or decided after. NOENT: no such setting (or congestion control),
 * INVAL: not a number or out of range; get: INVAL when cap is too small.
 */
NST_MUST_CHECK enum nst_err nst_sysctl_set(struct nst_stack *st,
					   const char *name, const char *value);
NST_MUST_CHECK enum nst_err nst_sysctl_get(const struct nst_stack *st,
					   const char *name, char *out,
					   size_t cap);

/* ---- links and interfaces ---- */

enum nst_link_kind {
	NST_LINK_LOOPBACK, /* made by the stack itself: ifindex 1, "lo" */
	NST_LINK_ETHER,    /* Ethernet frames, ARP and NDP */
	NST_LINK_IP,       /* bare IP packets, point to point, no resolution */
};

enum nst_link_caps {
	NST_CAP_TX_CSUM = 1 << 0,    /* link completes PARTIAL checksums */
	NST_CAP_TSO = 1 << 1,        /* link takes TCP super-segments */
	NST_CAP_ANYCAST_IN = 1 << 2, /* accept packets for any address */
	NST_CAP_SPOOF = 1 << 3,      /* sockets may send from any address */
};

/* A link is told to transmit; the packet is taken. Called inside entries. */
struct nst_link_ops {
	void (*transmit)(void *link, struct nst_pkt *pkt);
};

struct nst_nic_config {
	char name[16];           /* S */
	enum nst_link_kind kind; /* S */
	uint32_t caps;           /* S enum nst_link_caps */
	/* Bytes of IP packet; 576..65535 (68.. for IPv4 only). S */
	uint32_t mtu;
	uint8_t mac[6];                 /* S */
	const struct nst_link_ops *ops; /* R by the embedder, with: */
	void *link;                     /* R passed to ops */
};

struct nst_nic_info {
	char name[16];
	enum nst_link_kind kind;
	uint32_t ifindex;
	uint32_t caps;
	uint32_t mtu;
	uint8_t mac[6];
	bool up;
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes, rx_drops, tx_drops;
};

/* Adds an interface, up. NOMEM, NOBUFS (too many), INVAL, EXIST (name). */
NST_MUST_CHECK enum nst_err nst_nic_add(struct nst_stack *st,
					const struct nst_nic_config *cfg,
					uint32_t *ifindex);
/* Packet from the link; taken. Ethernet frame or IP packet by link kind. */
void nst_nic_in(struct nst_stack *st, uint32_t ifindex, struct nst_pkt *pkt,
		nst_time now);
/*
 * A batch of packets: between begin and end, TCP segments that follow each
 * other may be held and merged (generic receive offload); end delivers what
 * is held. No timer may run in between; batches do not nest.
 */
void nst_gro_begin(struct nst_stack *st);
void nst_gro_end(struct nst_stack *st, nst_time now);
/* Info of one interface. NODEV. */
NST_MUST_CHECK enum nst_err nst_nic_get(const struct nst_stack *st,
					uint32_t ifindex,
					struct nst_nic_info *out);
/* Smallest interface index > after, 0 when there is none. */
uint32_t nst_nic_next(const struct nst_stack *st, uint32_t after);
/* Changes the MTU. NODEV, INVAL. */
NST_MUST_CHECK enum nst_err nst_nic_set_mtu(struct nst_stack *st,
					    uint32_t ifindex, uint32_t mtu);

/* S */
struct nst_ifaddr {
	struct nst_addr addr;
	uint8_t prefix_len;
	uint32_t ifindex;
};

/* Adds an address and its on-link route. NODEV, EXIST, INVAL, NOBUFS. */
NST_MUST_CHECK enum nst_err
nst_addr_add(struct nst_stack *st, const struct nst_ifaddr *a, nst_time now);
/* i-th address, false past the last one. */
bool nst_addr_at(const struct nst_stack *st, size_t i, struct nst_ifaddr *out);
/* Is this one of our (unicast) addresses? 127/8 is, as on Linux. */
bool nst_addr_is_local(const struct nst_stack *st, const struct nst_addr *a);

/* S */
struct nst_route {
	struct nst_addr dst; /* prefix; family decides the table */
	uint8_t prefix_len;
	struct nst_addr gw; /* family 0: on-link */
	uint32_t ifindex;
	uint32_t metric;
};

NST_MUST_CHECK enum nst_err nst_route_add(struct nst_stack *st,
					  const struct nst_route *r);
bool nst_route_at(const struct nst_stack *st, size_t i, struct nst_route *out);

/* Neighbour table, for /proc and netlink: i-th entry, false past the last. */
enum nst_neigh_state {
	NST_NEIGH_INCOMPLETE,
	NST_NEIGH_REACHABLE,
	NST_NEIGH_STALE,
	NST_NEIGH_DELAY,
	NST_NEIGH_PROBE,
	NST_NEIGH_FAILED
};
struct nst_neigh_info {
	struct nst_addr addr;
	uint32_t ifindex;
	uint8_t mac[6];
	enum nst_neigh_state state;
};
bool nst_neigh_at(const struct nst_stack *st, size_t i,
		  struct nst_neigh_info *out);

/* ---- forwarders: an embedder that sees flows for any address ---- */

struct nst_fwd_req; /* one SYN that waits for a decision */
struct nst_tcp;

struct nst_forwarder {
	void *ctx;
	/*
	 * A SYN for which no listener exists. Decide at once or later with
	 * nst_fwd_complete / refuse / unreach / drop; until then further SYNs
	 * of the same flow are absorbed. Only enqueue or call nst_fwd_*.
	 * NULL member: the protocol is not forwarded.
	 */
	void (*tcp)(void *ctx, struct nst_fwd_req *req,
		    const struct nst_sockaddr *src,
		    const struct nst_sockaddr *dst);
	/* A datagram for which no socket exists; payload borrowed. */
	void (*udp)(void *ctx, const struct nst_sockaddr *src,
		    const struct nst_sockaddr *dst, const struct nst_iov *iov,
		    size_t niov);
	/*
	 * An ICMP or ICMPv6 echo request for an address that is not ours:
	 * the bytes after the 8-byte ICMP header.
	 */
	void (*echo)(void *ctx, const struct nst_addr *src,
		     const struct nst_addr *dst, uint16_t id, uint16_t seq,
		     const void *data, size_t bytes);
};

/* Copies *fwd. NULL removes it. */
void nst_set_forwarder(struct nst_stack *st, const struct nst_forwarder *fwd);
/*
 * Completes the handshake: SYN-ACK leaves now; NST_EV_CONNECTED or NST_EV_ERR
 * follows for `user`. The request is consumed. *out is the caller's (close or
 * abort it). NOMEM, NOBUFS: the request is dropped.
 */
NST_MUST_CHECK enum nst_err nst_fwd_complete(struct nst_fwd_req *req,
					     void *user, struct nst_tcp **out,
					     nst_time now);
/* Answers RST; consumed. */
void nst_fwd_refuse(struct nst_fwd_req *req, nst_time now);
/* Answers an ICMP destination unreachable of that kind; consumed. */
void nst_fwd_unreach(struct nst_fwd_req *req, enum nst_err why, nst_time now);
/* Says nothing; consumed. */
void nst_fwd_drop(struct nst_fwd_req *req);

/* A UDP datagram from any source address (the link must allow SPOOF). */
NST_MUST_CHECK enum nst_err nst_fwd_udp_send(struct nst_stack *st,
					     const struct nst_sockaddr *src,
					     const struct nst_sockaddr *dst,
					     const void *data, size_t bytes,
					     nst_time now);
/* ICMP unreachable to src for a datagram it sent to dst (HOSTUNREACH,
 * NETUNREACH, CONNREFUSED = port). The first bytes of payload are quoted. */
void nst_fwd_udp_unreach(struct nst_stack *st, const struct nst_sockaddr *src,
			 const struct nst_sockaddr *dst, enum nst_err why,
			 nst_time now);
/* An echo reply from `src` to `dst`. */
NST_MUST_CHECK enum nst_err
nst_fwd_echo_reply(struct nst_stack *st, const struct nst_addr *src,
		   const struct nst_addr *dst, uint16_t id, uint16_t seq,
		   const void *data, size_t bytes, nst_time now);

#endif

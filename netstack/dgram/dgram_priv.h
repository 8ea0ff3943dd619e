/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of struct nst_dgram and what the files of this folder share. Only
 * netstack/dgram/ includes this.
 *
 * Memory: received datagrams and quoted errors are charged to SO_RCVBUF by what
 * Linux would account for them (skb->truesize), so that a guest loses datagrams
 * where it would on Linux; that is always more than they take here.
 */
#ifndef NETSTACK_DGRAM_DGRAM_PRIV_H
#define NETSTACK_DGRAM_DGRAM_PRIV_H

#include "netstack/base/addr.h"
#include "netstack/base/stack_priv.h"
#include "netstack/ip/ip.h"
#include "netstack/ip/wire.h"
#include "netstack/nst_dgram.h"

#define UDP_HEADER 8
#define UDP_CSUM_OFF 6
#define DGRAM_MAX_BYTES 65535u
#define UDP_MAX_SEGMENTS 128 /* of one send with UDP_SEGMENT */

enum pmtudisc { /* values of IP_MTU_DISCOVER and IPV6_MTU_DISCOVER */
		PMTUDISC_DONT,
		PMTUDISC_WANT,
		PMTUDISC_DO,
		PMTUDISC_PROBE,
		PMTUDISC_INTERFACE,
		PMTUDISC_OMIT,
};

/* A received datagram, in one allocation. */
struct dgram_rx {
	struct dgram_rx *next;  /* R */
	struct nst_dgram_in in; /* S in.data points to bytes[] */
	uint32_t charge;        /* R */
	uint8_t bytes[];        /* R from `data` of the message */
};

/* An entry of the error queue. */
struct dgram_ee {
	struct dgram_ee *next;    /* R */
	struct nst_dgram_err err; /* S */
	uint32_t charge;          /* R */
	uint8_t bytes[];          /* R from `data` of the message */
};

/* A source of a list: the bytes of struct nst_addr, of the group's family. */
struct dgram_source {
	uint8_t b[16];
};

struct dgram_member {
	struct nst_addr group; /* S */
	uint32_t ifindex;      /* S */
	bool include;          /* S hears only whom the list names */
	bool listed; /* S LINUX: with a list, if empty, the kind is settled */
	uint32_t nsources;           /* R */
	struct dgram_source *source; /* R LIMIT_SOURCES6; NULL: not listed */
};

/* UDP_CORK: what waits to become one datagram. */
struct dgram_cork {
	struct nst_sockaddr to;        /* S */
	struct nst_dgram_opts o;       /* S */
	uint32_t bytes;                /* R */
	uint8_t data[DGRAM_MAX_BYTES]; /* R so many of its bytes */
};

struct nst_dgram {
	struct nst_sock s; /* R by sock_load(); first: nst_sock_dgram casts */
	/* From records of their own. R */
	struct dgram_rx *rx_head, **rx_tail;
	size_t rx_n;
	struct dgram_ee *ee_head, **ee_tail;
	uint32_t charged; /* both queues, bytes */

	struct dgram_member *members; /* R LIMIT_MEMBERSHIPS, or NULL */
	uint32_t nmembers;            /* R */
	bool udp_cork, udp_gro;       /* S */
	uint16_t udp_segment;         /* S */
	struct dgram_cork *cork;      /* R NULL: nothing waits */
	uint32_t icmp_blocked[8];     /* S */

	/* dgram_layer.raw: always the newest first. R */
	struct nst_dgram *raw_next, **raw_pprev;
};

struct dgram_layer {
	struct nst_dgram *raw; /* raw sockets, all protocols */
	size_t picky;          /* memberships that do not hear everyone */
};

/* One datagram on its way out. */
struct dgram_tx {
	struct nst_dgram *d;
	const struct nst_dgram_opts *o;
	struct nst_sockaddr to;
	const struct nst_iov *iov;
	size_t niov;
	uint32_t bytes; /* of iov */
	struct ip_path path;
	struct ip_out out;
	uint8_t disc; /* enum pmtudisc */
	bool frag_ok; /* larger than the MTU may go out in pieces */
};

/* ---- dgram.c ---- */
/* Port of its own, as the first send or connect gives one. ADDRINUSE, NOMEM */
NST_MUST_CHECK enum nst_err dgram_autobind(struct nst_dgram *d);
/* What every send does first: port, route, pending error, PIPE. */
NST_MUST_CHECK enum nst_err dgram_prepare(struct dgram_tx *tx);

/* ---- dgram_queue.c ---- */
/* Linux's truesize of a packet that carries this much. */
uint32_t dgram_charge(uint32_t bytes);
/* May that be charged? Always when the queues are empty. */
bool dgram_has_room(const struct nst_dgram *d, uint32_t charge);
/*
 * Queues a copy of `prefix` bytes in front of pkt's data and everything from
 * data + from on, with the metadata of *in (data, bytes, spec_dst are filled
 * in). False: no room or no memory; counted by the caller.
 */
NST_MUST_CHECK bool dgram_deliver(struct nst_dgram *d,
				  const struct nst_pkt *pkt, uint32_t prefix,
				  uint32_t from, const struct nst_dgram_in *in);
/* Metadata from an IP header; ports 0. */
struct nst_dgram_in dgram_meta(const struct nst_stack *st,
			       const struct nst_pkt *pkt,
			       const struct ip_in *in);
void dgram_purge_rx(struct nst_dgram *d);
/* Queues one that was saved; nobody is told. NOBUFS: too many, NOMEM. */
NST_MUST_CHECK enum nst_err dgram_restore_rx(struct nst_dgram *d,
					     const struct nst_dgram_in *in,
					     const void *data, uint32_t bytes);
/* What both queues may be charged however low SO_RCVBUF was set after. */
#define DGRAM_CHARGED_MAX (16u << 20)

/* ---- dgram_err.c ---- */
/* An ICMP error for d: SO_ERROR, error queue. data: quoted payload. */
void dgram_icmp(struct nst_dgram *d, const struct icmp_err *e,
		const struct nst_sockaddr *dst, const uint8_t *data,
		uint32_t bytes);
/* Our own EMSGSIZE, for IP_RECVERR. */
void dgram_local_msgsize(struct nst_dgram *d, const struct nst_sockaddr *dst,
			 uint32_t mtu);
void dgram_purge_errors(struct nst_dgram *d);
/* As dgram_restore_rx. */
NST_MUST_CHECK enum nst_err dgram_restore_err(struct nst_dgram *d,
					      const struct nst_dgram_err *err,
					      const void *data, uint32_t bytes);

/* ---- dgram_route.c ---- */
/* Destination, path, TTL, fragmentation choices; tx->d, o, to are given. */
NST_MUST_CHECK enum nst_err dgram_route(struct dgram_tx *tx);
/* Does the datagram of that many IP payload bytes fit? MSGSIZE. */
NST_MUST_CHECK enum nst_err dgram_fits(struct dgram_tx *tx, uint32_t ip_bytes);
/* The pending error, consumed. */
NST_MUST_CHECK enum nst_err dgram_pending(struct nst_dgram *d);
/* A packet with `header` bytes of room and the payload behind. NULL: NOMEM */
struct nst_pkt *dgram_gather(const struct dgram_tx *tx, uint32_t header,
			     uint32_t from, uint32_t bytes);
/* All of it in one packet without a header of ours. MSGSIZE, NOBUFS. */
NST_MUST_CHECK enum nst_err dgram_gather_all(struct dgram_tx *tx,
					     struct nst_pkt **out);
uint32_t dgram_iov_bytes(const struct nst_iov *iov, size_t niov);

/* ---- udp_send.c, ping.c, raw_send.c: after dgram_route ---- */
NST_MUST_CHECK enum nst_err udp_send(struct dgram_tx *tx);
/* Sends what UDP_CORK kept. */
enum nst_err udp_cork_push(struct nst_dgram *d);
NST_MUST_CHECK enum nst_err udp_cork_add(struct dgram_tx *tx);
NST_MUST_CHECK enum nst_err ping_send(struct dgram_tx *tx);
NST_MUST_CHECK enum nst_err raw_send(struct dgram_tx *tx);
/* Header and checksum of a UDP datagram in front of pkt's payload. */
void udp_emit(struct nst_pkt *pkt, const struct ip_path *path, uint16_t sport,
	      uint16_t dport, bool no_check);

/* ---- dgram_check.c ---- */
/* Consistency of one endpoint (tests). */
bool dgram_check(const struct nst_dgram *d);

/* ---- dgram_mcast.c ---- */
void dgram_leave_all(struct nst_dgram *d);
/* Frees the memberships without leaving. */
void dgram_members_free(struct nst_dgram *d);
/* Adds one that was saved, with the sources of its list. INVAL, NOMEM. */
NST_MUST_CHECK enum nst_err dgram_restore_member(struct nst_dgram *d,
						 const struct dgram_member *m,
						 const void *source,
						 size_t bytes);
/* Counts the memberships with the host's. False: the host has them not. */
NST_MUST_CHECK bool dgram_restore_groups(struct nst_dgram *d);

/* ---- dgram_filter.c ---- */
void dgram_filter_include(struct nst_dgram *d, struct dgram_member *m,
			  bool include);
/* NOBUFS, NOMEM; ADDRNOTAVAIL: is there already. */
NST_MUST_CHECK enum nst_err dgram_filter_add(struct nst_dgram *d,
					     struct dgram_member *m,
					     const struct nst_addr *src);
/* ADDRNOTAVAIL: is not there. */
NST_MUST_CHECK enum nst_err dgram_filter_drop(struct nst_dgram *d,
					      struct dgram_member *m,
					      const struct nst_addr *src);
/* Every source is heard again, and the list is gone. */
void dgram_filter_free(struct nst_dgram *d, struct dgram_member *m);
/* The list of a membership that was loaded. INVAL, NOMEM. */
NST_MUST_CHECK enum nst_err dgram_filter_restore(struct nst_dgram *d,
						 struct dgram_member *m,
						 const void *source,
						 size_t bytes);
bool dgram_filter_check(const struct dgram_member *m);
/* How many of its memberships do not hear everyone. */
size_t dgram_filter_picky(const struct nst_dgram *d);

/* A packet's addresses, and what does not depend on who receives it. */
struct dgram_heard {
	const struct nst_addr *group, *src; /* group NULL: to no group */
	uint32_t ifindex;
	bool by_host; /* does the host listen to that source? */
};
struct dgram_heard dgram_heard(const struct nst_stack *st,
			       const struct nst_addr *dst,
			       const struct nst_addr *src, uint32_t ifindex);
bool dgram_hears(const struct nst_dgram *d, const struct dgram_heard *h);

static inline struct nst_dgram *dgram_of(struct nst_sock *s)
{
	return (struct nst_dgram *)s;
}

#endif

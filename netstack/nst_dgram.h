/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagram endpoints: UDP (RFC 768), ICMP echo ("ping") and raw IP.
 * Locking as in nst_stack.h.
 */
#ifndef NETSTACK_NST_DGRAM_H
#define NETSTACK_NST_DGRAM_H

#include "netstack/nst_sock.h"

struct nst_dgram;

enum nst_dgram_kind { NST_DGRAM_UDP, NST_DGRAM_PING, NST_DGRAM_RAW };

/* proto: IP protocol for RAW (255 = IPPROTO_RAW implies HDRINCL). NOMEM. */
NST_MUST_CHECK enum nst_err nst_dgram_new(struct nst_stack *st,
					  enum nst_dgram_kind kind,
					  uint8_t family, uint8_t proto,
					  void *user, struct nst_dgram **out);
struct nst_sock *nst_dgram_sock(struct nst_dgram *d);
struct nst_dgram *nst_sock_dgram(struct nst_sock *s); /* NULL: not one */
/* Sets the peer; NULL disconnects. Binds if unbound. NETUNREACH, ACCES
 * (broadcast), AFNOSUPPORT, ADDRNOTAVAIL. */
NST_MUST_CHECK enum nst_err nst_dgram_connect(struct nst_dgram *d,
					      const struct nst_sockaddr *to,
					      nst_time now);

/* Per-datagram choices (from cmsg); zero-initialised means "socket's own". S */
struct nst_dgram_opts {
	bool has_ttl, has_tos, has_src, dontroute, confirm;
	uint8_t ttl, tos; /* or hop limit, traffic class */
	uint32_t ifindex;
	struct nst_addr src;
	uint16_t gso_size; /* UDP_SEGMENT: payload bytes per datagram */
};
/*
 * Sends one datagram (to NULL: the peer); payload copied. On loopback it has
 * been delivered when this returns. DESTADDRREQ, MSGSIZE, NETUNREACH,
 * HOSTUNREACH, ACCES, INVAL, PIPE, AGAIN; a pending error is returned and
 * cleared first, as Linux does.
 */
NST_MUST_CHECK enum nst_err
nst_dgram_send(struct nst_dgram *d, const struct nst_sockaddr *to,
	       const struct nst_iov *iov, size_t niov,
	       const struct nst_dgram_opts *o, nst_time now);

/*
 * The user of the UDP socket of this stack that a datagram to `to` (NULL: the
 * peer) would reach, so that the embedder can probe whether it still lives.
 * NULL: none, or several (a group, a broadcast).
 */
void *nst_dgram_target(struct nst_dgram *d, const struct nst_sockaddr *to,
		       const struct nst_dgram_opts *o);

/* A received datagram at the head of the queue; lent until popped. */
struct nst_dgram_in {
	struct nst_sockaddr src, dst; /* S */
	uint32_t ifindex;             /* S */
	uint8_t ttl, tos;             /* S */
	nst_time when;                /* S */
	/* Local address for a reply (ipi_spec_dst). S */
	struct nst_addr spec_dst;
	uint16_t gro_size;   /* S */
	const uint8_t *data; /* R */
	size_t bytes;        /* R */
};
/* AGAIN: none queued. */
NST_MUST_CHECK enum nst_err nst_dgram_peek(const struct nst_dgram *d,
					   struct nst_dgram_in *out);
void nst_dgram_pop(struct nst_dgram *d);
size_t nst_dgram_queued(const struct nst_dgram *d); /* datagrams */

/* Error queue entries (IP_RECVERR): i.e. one ICMP error. AGAIN: none. */
struct nst_dgram_err {
	enum nst_err err;         /* S */
	uint8_t origin;           /* S SO_EE_ORIGIN_LOCAL 1, ICMP 2, ICMP6 3 */
	uint8_t type, code;       /* S */
	uint32_t info;            /* S MTU for MSGSIZE */
	struct nst_addr offender; /* S */
	struct nst_sockaddr dst;  /* S where the datagram was going */
	const uint8_t *data;      /* R what was sent, as quoted */
	size_t bytes;             /* R */
};
NST_MUST_CHECK enum nst_err nst_dgram_err_peek(const struct nst_dgram *d,
					       struct nst_dgram_err *out);
void nst_dgram_err_pop(struct nst_dgram *d);

/* Multicast membership on ifindex (0: by route). EXIST (ADDRINUSE), NODEV,
 * INVAL, NOBUFS; leave: ADDRNOTAVAIL. */
NST_MUST_CHECK enum nst_err nst_dgram_join(struct nst_dgram *d,
					   const struct nst_addr *group,
					   uint32_t ifindex, nst_time now);
NST_MUST_CHECK enum nst_err nst_dgram_leave(struct nst_dgram *d,
					    const struct nst_addr *group,
					    uint32_t ifindex, nst_time now);

/*
 * Source filters of a membership, RFC 3376 3.1, RFC 3678: only the sources of
 * its list are heard (include), or all others; a join has an empty list of the
 * second kind. DEVIATION: the filter is the host's own; reports name no sources
 * (IGMPv2, MLDv1).
 */
struct nst_mc_source {
	struct nst_addr group, source;
	uint32_t ifindex; /* 0: by route */
	bool include;     /* which kind of list */
	bool add;         /* or take away */
};
/*
 * Include joins the group with its first source and leaves it with its last.
 * INVAL: no member, or its list is of the other kind; ADDRNOTAVAIL: listed
 * already, or not listed; NOBUFS, NOMEM, NODEV, AFNOSUPPORT as joins.
 */
NST_MUST_CHECK enum nst_err nst_dgram_source(struct nst_dgram *d,
					     const struct nst_mc_source *q,
					     nst_time now);

/* ICMP_FILTER / ICMP6_FILTER of raw sockets: 256-bit set of blocked types. */
void nst_dgram_icmp_filter(struct nst_dgram *d, const uint32_t blocked[8]);
/* NOTCONN. */
NST_MUST_CHECK enum nst_err nst_dgram_shutdown(struct nst_dgram *d, bool rd,
					       bool wr);
/* Frees; queued data is lost. Consumes d. */
void nst_dgram_close(struct nst_dgram *d, nst_time now);

#endif

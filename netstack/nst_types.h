/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words that every part of the netstack shares: time, addresses, errors.
 *
 * Sequence numbers and network-order integers are one-member structs, so
 * that `a < b` on sequence numbers, or a missing byte swap, does not compile.
 */
#ifndef NETSTACK_NST_TYPES_H
#define NETSTACK_NST_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NST_MUST_CHECK __attribute__((warn_unused_result))

/* Nanoseconds on the stack's clock. The embedder passes it in as `now`. */
typedef int64_t nst_time;
#define NST_NEVER INT64_MAX
#define NST_US ((nst_time)1000)
#define NST_MS ((nst_time)1000000)
#define NST_SEC ((nst_time)1000000000)

struct be16 {
	uint16_t v;
};
struct be32 {
	uint32_t v;
};

static inline struct be16 be16_from(uint16_t host)
{
	return (struct be16){__builtin_bswap16(host)};
}
static inline uint16_t be16_to(struct be16 net)
{
	return __builtin_bswap16(net.v);
}
static inline struct be32 be32_from(uint32_t host)
{
	return (struct be32){__builtin_bswap32(host)};
}
static inline uint32_t be32_to(struct be32 net)
{
	return __builtin_bswap32(net.v);
}

/* A TCP sequence number, RFC 9293 3.4: arithmetic modulo 2^32. */
struct seq {
	uint32_t v;
};

static inline struct seq seq_add(struct seq s, uint32_t n)
{
	return (struct seq){s.v + n};
}
/* a - b as a signed distance; meaningful within 2^31. */
static inline int32_t seq_diff(struct seq a, struct seq b)
{
	return (int32_t)(a.v - b.v);
}
static inline bool seq_lt(struct seq a, struct seq b)
{
	return seq_diff(a, b) < 0;
}
static inline bool seq_le(struct seq a, struct seq b)
{
	return seq_diff(a, b) <= 0;
}
static inline bool seq_gt(struct seq a, struct seq b)
{
	return seq_diff(a, b) > 0;
}
static inline bool seq_ge(struct seq a, struct seq b)
{
	return seq_diff(a, b) >= 0;
}
static inline bool seq_eq(struct seq a, struct seq b)
{
	return a.v == b.v;
}
static inline struct seq seq_max(struct seq a, struct seq b)
{
	return seq_lt(a, b) ? b : a;
}

/*
 * An IP address. `family` is 0 (none), 4 or 6; an IPv4 address uses b[0..3].
 * IPv4-mapped IPv6 addresses never appear here: the embedder turns them into
 * family 4 (an IPv6 socket may hold family 4 addresses: it is dual-stack).
 * `scope` is the interface index for link-local IPv6 addresses, else 0.
 */
struct nst_addr {
	uint8_t family;
	uint8_t b[16];
	uint32_t scope;
};

/* An address and a port in host order. For ping sockets the port is the id. S
 */
struct nst_sockaddr {
	struct nst_addr addr;
	uint16_t port;
};

/* Scatter/gather element; the memory is borrowed for the call. */
struct nst_iov {
	void *p;
	size_t len;
};

/*
 * Everything that can go wrong, in the netstack's own words. One table in the
 * sentry maps these to errno (sentry/core/errmap.c).
 */
enum nst_err {
	NST_OK = 0,
	NST_E_NOMEM,        /* allocation failed */
	NST_E_NOBUFS,       /* a named limit was reached */
	NST_E_INVAL,        /* bad argument, or wrong state for the call */
	NST_E_AFNOSUPPORT,  /* address family does not fit the socket */
	NST_E_ADDRINUSE,    /* bind conflict, no free port */
	NST_E_ADDRNOTAVAIL, /* not an address of this stack; 4-tuple in use */
	NST_E_NETUNREACH,   /* no route */
	NST_E_HOSTUNREACH,  /* neighbour resolution failed, or ICMP said so */
	NST_E_NETDOWN,      /* interface is down */
	NST_E_CONNREFUSED,  /* RST to a SYN, or ICMP port unreachable */
	NST_E_CONNRESET,    /* RST on an established connection */
	NST_E_CONNABORTED,  /* aborted locally */
	NST_E_TIMEDOUT,     /* retransmissions or probes exhausted */
	NST_E_INPROGRESS,   /* connect started */
	NST_E_ALREADY,      /* connect already under way */
	NST_E_ISCONN,       /* already connected */
	NST_E_NOTCONN,      /* not connected */
	NST_E_DESTADDRREQ,  /* datagram without a destination */
	NST_E_MSGSIZE,      /* datagram too big */
	NST_E_AGAIN,        /* would block: nothing queued, or no space */
	NST_E_PIPE,         /* sending is shut down */
	NST_E_ACCES,        /* broadcast without SO_BROADCAST, and the like */
	NST_E_PERM,         /* forbidden */
	NST_E_OPNOTSUPP,    /* not for this kind of socket */
	NST_E_NOPROTOOPT,   /* unknown option */
	NST_E_NODEV,        /* no such interface */
	NST_E_EXIST,        /* address or route exists */
	NST_E_NOENT,        /* address or route does not exist */
	NST_E_PROTO,        /* ICMP parameter problem / protocol unreachable */
	NST_E_DOMAIN,       /* option value out of the option's domain (EDOM) */
	NST_E_HOSTDOWN,     /* ICMP host unknown (EHOSTDOWN) */
	NST_E_NONET,        /* ICMP source host isolated (ENONET) */
	NST_E_COUNT
};

#endif

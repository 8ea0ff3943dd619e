/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every socket of the netstack has: addresses, options, pending errors.
 * TCP endpoints (nst_tcp.h) and datagram endpoints (nst_dgram.h) begin with
 * one; nst_tcp_sock() and nst_dgram_sock() give it.
 */
#ifndef NETSTACK_NST_SOCK_H
#define NETSTACK_NST_SOCK_H

#include "netstack/nst_env.h"

struct nst_sock;
struct nst_stack;

/* Options as plain integers. Units and limits as on Linux; see ip(7), tcp(7).
 * "get only" ones are refused by set with NST_E_NOPROTOOPT. */
enum nst_opt {
	/* socket level */
	NST_SO_REUSEADDR,
	NST_SO_REUSEPORT,
	NST_SO_BROADCAST,
	NST_SO_KEEPALIVE,
	NST_SO_OOBINLINE,
	NST_SO_SNDBUF, /* the value the socket now has, i.e. doubled */
	NST_SO_RCVBUF,
	NST_SO_RCVLOWAT,
	NST_SO_LINGER, /* -1 off, else seconds */
	NST_SO_PRIORITY,
	NST_SO_MARK,
	NST_SO_BINDTOIFINDEX,
	NST_SO_TIMESTAMP, /* 0 off, 1 us, 2 ns: embedder builds the cmsg */
	NST_SO_MAX_PACING_RATE,
	NST_SO_NO_CHECK,
	NST_SO_DONTROUTE,
	NST_SO_BUSY_POLL,
	NST_SO_INCOMING_CPU,
	/* IPv4 */
	NST_IP_TTL,
	NST_IP_TOS,
	NST_IP_MTU_DISCOVER,
	NST_IP_MTU, /* get only; NOTCONN */
	NST_IP_FREEBIND,
	NST_IP_TRANSPARENT,
	NST_IP_HDRINCL,
	NST_IP_RECVTTL,
	NST_IP_RECVTOS,
	NST_IP_PKTINFO,
	NST_IP_RECVERR,
	NST_IP_RECVORIGDSTADDR,
	NST_IP_MULTICAST_TTL,
	NST_IP_MULTICAST_LOOP,
	NST_IP_MULTICAST_IF, /* ifindex */
	NST_IP_MULTICAST_ALL,
	NST_IP_BIND_ADDRESS_NO_PORT,
	NST_IP_LOCAL_PORT_RANGE, /* lowest | highest << 16; 0: no bound */
	/* IPv6 */
	NST_IPV6_V6ONLY,
	NST_IPV6_UNICAST_HOPS, /* -1: default */
	NST_IPV6_TCLASS,
	NST_IPV6_MTU_DISCOVER,
	NST_IPV6_MTU,
	NST_IPV6_RECVHOPLIMIT,
	NST_IPV6_RECVTCLASS,
	NST_IPV6_RECVPKTINFO,
	NST_IPV6_RECVERR,
	NST_IPV6_MULTICAST_HOPS,
	NST_IPV6_MULTICAST_LOOP,
	NST_IPV6_MULTICAST_IF,
	NST_IPV6_MULTICAST_ALL,
	NST_IPV6_DONTFRAG,
	NST_IPV6_CHECKSUM, /* raw sockets: offset, -1 off */
	/* TCP */
	NST_TCP_NODELAY,
	NST_TCP_CORK,
	NST_TCP_QUICKACK,
	NST_TCP_MAXSEG,
	NST_TCP_KEEPIDLE,  /* seconds */
	NST_TCP_KEEPINTVL, /* seconds */
	NST_TCP_KEEPCNT,
	NST_TCP_SYNCNT,
	NST_TCP_LINGER2,      /* seconds; -1: no FIN-WAIT-2 */
	NST_TCP_DEFER_ACCEPT, /* seconds */
	NST_TCP_WINDOW_CLAMP,
	NST_TCP_USER_TIMEOUT, /* milliseconds */
	NST_TCP_NOTSENT_LOWAT,
	NST_TCP_THIN_LINEAR_TIMEOUTS,
	NST_TCP_THIN_DUPACK,
	NST_TCP_INQ, /* the embedder tells each reader what is queued */
	NST_TCP_SAVE_SYN,
	NST_TCP_RTO_MAX_MS,
	NST_TCP_RTO_MIN_US,
	NST_TCP_DELACK_MAX_US,
	NST_TCP_TIMESTAMP,          /* get only: the clock of our timestamps */
	NST_TCP_FASTOPEN,           /* passive: how many at once */
	NST_TCP_FASTOPEN_CONNECT,   /* active: connect waits for data */
	NST_TCP_FASTOPEN_NO_COOKIE, /* both */
	/* UDP */
	NST_UDP_CORK,
	NST_UDP_SEGMENT,
	NST_UDP_GRO,
	NST_OPT_COUNT
};

/* NOPROTOOPT: not for this socket; INVAL, DOMAIN: bad value; ISCONN... */
NST_MUST_CHECK enum nst_err nst_sock_set(struct nst_sock *s, enum nst_opt opt,
					 int64_t value, nst_time now);
NST_MUST_CHECK enum nst_err nst_sock_get(const struct nst_sock *s,
					 enum nst_opt opt, int64_t *value);

/*
 * Binds. Port 0 picks a random free one (RFC 6056). Rules for sharing are
 * Linux's: SO_REUSEADDR (no listener on it), SO_REUSEPORT (all of them have
 * it). INVAL already bound, ADDRINUSE, ADDRNOTAVAIL, AFNOSUPPORT.
 */
NST_MUST_CHECK enum nst_err nst_sock_bind(struct nst_sock *s,
					  const struct nst_sockaddr *a);
/* Local address; zero family and port when unbound. */
void nst_sock_local(const struct nst_sock *s, struct nst_sockaddr *out);
/* Peer; NOTCONN when there is none. */
NST_MUST_CHECK enum nst_err nst_sock_remote(const struct nst_sock *s,
					    struct nst_sockaddr *out);
/* Pending error (SO_ERROR). `consume` clears it. */
enum nst_err nst_sock_error(struct nst_sock *s, bool consume);
uint8_t nst_sock_family(const struct nst_sock *s); /* 4 or 6 */
void *nst_sock_user(const struct nst_sock *s);
void nst_sock_set_user(struct nst_sock *s, void *user);

/* Sockets of the stack for /proc and diagnostics; order is stable while no
 * socket comes or goes. NULL past the last. */
struct nst_sock *nst_sock_at(const struct nst_stack *st, size_t i);

/* Conflicting owners of a bind: the i-th user that holds `port` in the
 * protocol of s, so that the embedder can probe whether it still lives. */
void *nst_sock_conflict(const struct nst_sock *s, uint16_t port, size_t i);

#endif

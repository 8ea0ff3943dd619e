/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of struct nst_sock, the base of TCP and datagram endpoints, and the
 * node by which anything with a flow is found (demux.h). Only netstack/ files
 * include this.
 */
#ifndef NETSTACK_BASE_SOCK_PRIV_H
#define NETSTACK_BASE_SOCK_PRIV_H

#include "netstack/nst_sock.h"

struct nst_stack;

/* A complete 4-tuple as one stack sees it; hashed with the stack's key. S */
struct flow_key {
	struct nst_addr local, remote;
	uint16_t lport, rport;
	uint8_t proto;
};

enum demux_kind {
	DEMUX_SOCK,      /* struct nst_sock (conn member) */
	DEMUX_TCP_REQ,   /* half-open request */
	DEMUX_TIME_WAIT, /* small TIME-WAIT object */
	DEMUX_FWD_REQ,   /* SYN that waits for the embedder's decision */
};

struct demux_node {
	struct demux_node *next, **pprev; /* pprev NULL: not inserted */
	uint64_t hash;
	struct flow_key key;
	uint8_t kind;
};

enum sock_kind { SOCK_K_TCP, SOCK_K_UDP, SOCK_K_PING, SOCK_K_RAW };

struct bind_bucket;

/* What setsockopt set, or its defaults. S */
struct sock_opts {
	bool reuseaddr, reuseport, broadcast, keepalive, oobinline, dontroute;
	bool no_check, freebind, transparent, hdrincl, v6only;
	bool bind_no_port;
	uint32_t port_range; /* lowest | highest << 16; 0: no bound */
	bool recvttl, recvtos, pktinfo, recverr, recvorigdst;
	bool recvhoplimit, recvtclass, recvpktinfo6, recverr6, dontfrag6;
	bool mc_loop, mc_loop6;
	bool mc_all, mc_all6; /* groups that only others have joined, too */
	uint8_t ttl;          /* 0: default (64) */
	uint8_t tos, tclass, mc_ttl;
	int16_t hops6, mc_hops6;     /* -1: default */
	uint8_t mtu_disc, mtu_disc6; /* IP_PMTUDISC_* values */
	uint8_t timestamp;
	int32_t linger_s; /* -1: off */
	int32_t raw_csum_off;
	uint32_t priority, mark, bound_if, mc_if, mc_if6;
	uint32_t frag_size6; /* IPV6_MTU as set: fragments no larger; 0: none */
	uint32_t rcvlowat, sndbuf, rcvbuf;
	uint64_t max_pacing_rate; /* bytes/s, UINT64_MAX: none */
	uint32_t busy_poll, incoming_cpu;
};

struct nst_sock {
	struct nst_stack *st;           /* R */
	struct nst_sock *next, **pprev; /* R all sockets of the stack */
	void *user;                     /* R by the embedder */
	uint64_t id;                    /* S unique in the stack, for good */
	uint8_t kind;                   /* S enum sock_kind */
	uint8_t family;                 /* S 4, 6 */
	uint8_t proto;                  /* S IP protocol number */
	bool bound_addr;                /* S explicit: kept over disconnect */
	bool bound_port;                /* S explicit: kept over disconnect */
	bool shut_rd, shut_wr;          /* S */
	enum nst_err error;             /* S SO_ERROR */
	struct nst_sockaddr local;      /* S */
	struct nst_sockaddr remote;     /* S family 0: no peer */
	struct demux_node conn;         /* R in the demux while it has a peer */
	struct bind_bucket *bucket;     /* R port reservation (ports.h) */
	struct nst_sock *bind_next, **bind_pprev; /* R */
	struct sock_opts opt;                     /* S */
};

/* sock.c */
NST_MUST_CHECK enum nst_err sock_cursor_new(struct nst_stack *st);
void sock_cursor_free(struct nst_stack *st);
void sock_init(struct nst_sock *s, struct nst_stack *st, uint8_t kind,
	       uint8_t family, uint8_t proto, void *user);
void sock_fini(struct nst_sock *s); /* leaves tables and port reservation */
/* Raises events for the owner, if it has one. */
void sock_event(struct nst_sock *s, uint32_t events);
/* May s send from addresses that are not ours? */
bool sock_may_spoof(const struct nst_sock *s);
/* Is s a TCP listener? */
bool sock_is_listening(const struct nst_sock *s);
/* For checks: is it in the stack's list, where `at` points to it? */
static inline bool sock_in_list(const struct nst_sock *s,
				const struct nst_stack *st,
				struct nst_sock *const *at)
{
	return s->pprev == at && s->st == st;
}
/* Does an IPv6 socket with this local address take this family? */
bool sock_takes_family(const struct nst_sock *s, uint8_t family);
/* Options that all kinds share; NOPROTOOPT: ask the kind's own. */
enum nst_err sock_opt_set(struct nst_sock *s, enum nst_opt opt, int64_t v);
enum nst_err sock_opt_get(const struct nst_sock *s, enum nst_opt opt,
			  int64_t *v);
/*
 * Kind-specific halves: tcp/tcp_opt.c and dgram/dgram_opt.c. nst_sock_set
 * calls them after the common half unless that refused the value: options that
 * are not common are theirs (NOPROTOOPT: unknown), and they may react to common
 * ones that were just stored in s->opt (keepalive, buffers); for those their
 * NOPROTOOPT is no error. nst_sock_get asks them first.
 */
enum nst_err tcp_opt_set(struct nst_sock *s, enum nst_opt opt, int64_t v,
			 nst_time now);
enum nst_err tcp_opt_get(const struct nst_sock *s, enum nst_opt opt,
			 int64_t *v);
enum nst_err dgram_opt_set(struct nst_sock *s, enum nst_opt opt, int64_t v,
			   nst_time now);
enum nst_err dgram_opt_get(const struct nst_sock *s, enum nst_opt opt,
			   int64_t *v);

#endif

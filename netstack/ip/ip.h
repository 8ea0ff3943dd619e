/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The IP layer as transports see it: a path to a destination, output along
 * it, and what comes in with a packet.
 */
#ifndef NETSTACK_IP_IP_H
#define NETSTACK_IP_IP_H

#include "netstack/base/stack_priv.h"

#define IP_PROTO_ICMP 1
#define IP_PROTO_IGMP 2
#define IP_PROTO_TCP 6
#define IP_PROTO_UDP 17
#define IP_PROTO_ICMP6 58

/* Where packets to a destination go. A value; cheap to compute again. */
#define IP_PMTU_LIFE (600 * NST_SEC) /* what a router said is believed */

struct ip_path {
	struct nst_addr src, dst;
	struct nst_addr next_hop; /* dst itself when on-link */
	uint32_t ifindex;
	uint32_t mtu;       /* of the path: PMTU cache or interface, IP bytes */
	nst_time mtu_until; /* the PMTU cache said so until then; 0: did not */
	bool mtu_locked;    /* IPv4: routers say less: they must fragment */
	uint32_t link_caps; /* of the interface: TSO, checksum; loopback has
			       both */
	bool loopback;      /* delivered to ourselves */
	bool bcast, mcast;
};

/*
 * Looks up the way to dst. src (may be NULL or family 0: chosen, RFC 6724 or
 * the interface's primary IPv4 address) must be ours unless `spoof`.
 * ifindex 0: any. LINUX: an unspecified dst means ourselves: use out->dst.
 * NETUNREACH, NETDOWN, ADDRNOTAVAIL, INVAL, NODEV.
 */
NST_MUST_CHECK enum nst_err ip_path_find(struct nst_stack *st,
					 const struct nst_addr *dst,
					 const struct nst_addr *src,
					 uint32_t ifindex, bool spoof,
					 struct ip_path *out);

struct ip_out {
	uint8_t proto;
	uint8_t ttl;        /* or hop limit; 0 becomes 64 */
	uint8_t tos;        /* or traffic class */
	bool df;            /* IPv4: set DF, never fragment: MSGSIZE instead */
	bool no_local_frag; /* IPv6 counterpart */
	uint32_t flow_label;
	bool no_mc_loop;        /* multicast: our own members do not hear it */
	struct nst_sock *owner; /* told asynchronously when resolution fails:
				   icmp-style error HOSTUNREACH; may be NULL */
};

/*
 * Sends: pkt's data starts at the transport header, l4_off set; takes pkt.
 * Prepends the IP header, fragments when needed and allowed, resolves the next
 * hop (the packet may wait for that, bounded). MSGSIZE, NOMEM, NETDOWN; errors
 * are counted and the packet freed.
 */
enum nst_err ip_send(struct nst_stack *st, const struct ip_path *path,
		     const struct ip_out *o, struct nst_pkt *pkt);
/* A packet that already has its IP header (raw sockets with HDRINCL). */
enum nst_err ip_send_hdrincl(struct nst_stack *st, const struct ip_path *path,
			     struct nst_pkt *pkt);

/* What came with a packet that is handed to a transport. S */
struct ip_in {
	struct nst_addr src, dst;
	uint8_t proto, ttl, tos;
	uint32_t ifindex;
	uint32_t l4_bytes; /* transport header and payload */
	bool bcast, mcast; /* by destination address */
	bool local; /* dst is one of our addresses (false: anycast NIC) */
	/* IP header(s) in front of data, still in memory. R */
	uint16_t hdr_bytes;
};

/* Pseudo-header sum, uncomplemented, folded; to start a checksum with. */
uint16_t ip_pseudo_sum(const struct nst_addr *src, const struct nst_addr *dst,
		       uint8_t proto, uint32_t l4_bytes);
/* Verifies the transport checksum over the packet (data = l4 header). */
NST_MUST_CHECK bool ip_l4_csum_ok(const struct nst_pkt *pkt,
				  const struct ip_in *in);

/*
 * Transports, called by ip_in.c; each takes the packet, whose data starts at
 * the transport header (at least the fixed header need not be linear yet).
 */
void tcp_in(struct nst_stack *st, struct nst_pkt *pkt, const struct ip_in *in);
void udp_in(struct nst_stack *st, struct nst_pkt *pkt, const struct ip_in *in);
/* An ICMP echo reply for a ping socket; data = ICMP header. */
void ping_in(struct nst_stack *st, struct nst_pkt *pkt, const struct ip_in *in);
/* Raw sockets see every delivered packet first; borrows pkt. True: at least
 * one took it (suppresses protocol unreachable). */
bool raw_in(struct nst_stack *st, const struct nst_pkt *pkt,
	    const struct ip_in *in);

/* An ICMP error about something that we sent (or failed resolution). */
struct icmp_err {
	enum nst_err err; /* HOSTUNREACH, CONNREFUSED, MSGSIZE, PROTO, ... */
	bool hard;        /* RFC 1122 4.2.3.9, as Linux's icmp_err_convert */
	uint8_t origin;   /* 1 local, 2 ICMP, 3 ICMPv6 */
	uint8_t type, code;
	uint32_t info; /* MTU */
	struct nst_addr offender;
	struct nst_addr src, dst; /* of the packet quoted: src is ours */
	uint8_t proto;
	const uint8_t *l4; /* quoted transport header and what follows */
	uint32_t l4_bytes; /* at least 8 for TCP and UDP */
};
void tcp_icmp(struct nst_stack *st, const struct icmp_err *e);
void udp_icmp(struct nst_stack *st, const struct icmp_err *e);
void ping_icmp(struct nst_stack *st, const struct icmp_err *e);
void raw_icmp(struct nst_stack *st, const struct icmp_err *e);

/* Sends an ICMP error about `pkt` (data at transport header, IP header still
 * in front of it); borrows. Rate-limited, RFC 1122 3.2.2 rules applied. */
void icmp_send_unreach(struct nst_stack *st, const struct nst_pkt *pkt,
		       const struct ip_in *in, enum nst_err why);
/*
 * The same when the packet itself is gone: `l4` is the transport header and
 * what followed it in a packet of src to dst. For verdicts that come later
 * (forwarders). Borrows.
 */
void icmp_send_about(struct nst_stack *st, const struct nst_addr *src,
		     const struct nst_addr *dst, uint8_t proto, const void *l4,
		     uint32_t l4_bytes, enum nst_err why);
/* Remembers a path MTU (RFC 1191, 8201); used by ip_path_find. */
void ip_pmtu_update(struct nst_stack *st, const struct nst_addr *dst,
		    uint32_t mtu);
/* Changes with every update: paths found before may be wrong. */
uint32_t ip_pmtu_generation(const struct nst_stack *st);
/* Tells the neighbour code that dst was just heard from (RFC 4861 7.3.1). */
void ip_confirm(struct nst_stack *st, const struct nst_addr *dst,
		uint32_t ifindex);

/* Multicast membership of the host (counted per group and interface). */
NST_MUST_CHECK enum nst_err ip_mcast_join(struct nst_stack *st,
					  const struct nst_addr *group,
					  uint32_t ifindex);
void ip_mcast_leave(struct nst_stack *st, const struct nst_addr *group,
		    uint32_t ifindex);
/* A membership that was saved: counts, reports nothing. False: the host is not
 * a member. */
NST_MUST_CHECK bool ip_mcast_restore(struct nst_stack *st,
				     const struct nst_addr *group,
				     uint32_t ifindex);

/* Life of the layers, called by stack.c. */
struct ip_layer *
ip_layer_new(struct nst_stack *st); /* adds lo, 127.0.0.1, ::1 */
void ip_layer_free(struct nst_stack *st);
struct tcp_layer *tcp_layer_new(struct nst_stack *st);
void tcp_layer_free(struct nst_stack *st); /* frees its sockets too */
struct dgram_layer *dgram_layer_new(struct nst_stack *st);
void dgram_layer_free(struct nst_stack *st);
/* Consistency (tests): of neighbours, reassembly, routes; of every TCP, of
 * every datagram endpoint. */
bool ip_layer_check(const struct nst_stack *st);
/* These count their endpoints into *n. */
bool tcp_layer_check(const struct nst_stack *st, size_t *n);
bool dgram_layer_check(const struct nst_stack *st, size_t *n);
/* A loopback packet is delivered (stack_leave calls this): IP header first. */
void ip_in_loop(struct nst_stack *st, struct nst_pkt *pkt);

#endif

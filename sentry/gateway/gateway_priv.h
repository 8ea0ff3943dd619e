/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the gateway share: its body, its limits and counters, its
 * idle timers, and the rules for host addresses. Only sentry/gateway and its
 * tests include this. All of it is under the stack lock.
 */
#ifndef SENTRY_GATEWAY_GATEWAY_PRIV_H
#define SENTRY_GATEWAY_GATEWAY_PRIV_H

#include <netinet/in.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "netstack/nst_dgram.h"
#include "netstack/nst_tcp.h"
#include "sentry/gateway/gateway.h"
#include "sentry/loop/loop.h"

/* Limits. Each is cut to a share of RLIMIT_NOFILE; reaching one is counted. */
#define GW_RELAYS_MAX 16384         /* TCP connections, of every kind */
#define GW_DFLOWS_MAX 4096          /* UDP and echo flows of the guest */
#define GW_DNS_QUERIES_MAX 512      /* under way */
#define GW_PUB_PEERS_MAX 4096       /* host peers of published UDP ports */
#define GW_BUDGET_BYTES (1u << 20)  /* a relay moves in one turn */
#define GW_TCP_BUF_BYTES (1u << 20) /* asked for each ring of a relay */

/* clang-format off */
#define GW_COUNTERS(X) \
	X(TcpFlows) X(TcpPolicyDenied) X(TcpBadDest) X(TcpLimit) \
	X(TcpHostRefused) X(TcpHostUnreach) X(TcpHostTimeout) X(TcpHostOther) \
	X(TcpGuestFailed) X(TcpHostResets) X(TcpGuestResets) X(TcpNoMemory) \
	X(UdpFlows) X(UdpPolicyDenied) X(UdpBadDest) X(UdpEvicted) \
	X(UdpHostErrors) X(UdpSendDrops) X(UdpToGuestDrops) \
	X(EchoFlows) X(EchoPolicyDenied) X(EchoBadDest) X(EchoForbidden) \
	X(EchoHostErrors) X(EchoMalformed) \
	X(BadSource) X(NoFds) X(NoMemory) \
	X(DnsQueries) X(DnsMalformed) X(DnsPolicyDenied) X(DnsTimeouts) \
	X(DnsServfail) X(DnsBadReplies) X(DnsEvicted) X(DnsReplyDrops) \
	X(PubAccepted) X(PubRefused) X(PubAcceptErrors) X(PubPeerEvicted) \
	X(PubUdpDrops)
/* clang-format on */

struct gw_counters {
#define GW_COUNTER_FIELD(name) uint64_t name;
	GW_COUNTERS(GW_COUNTER_FIELD)
#undef GW_COUNTER_FIELD
};

/*
 * Idle timers. All timers of a queue have the same time-out, so a queue in
 * order of arming is in order of deadline too, and its head is its least
 * recently used member.
 */
enum gw_queue_id {
	GWQ_UDP_DNS,    /* 10 s: a flow to port 53 */
	GWQ_UDP_NEW,    /* 60 s: nothing has come back yet */
	GWQ_UDP_STREAM, /* 180 s: as conntrack's assured UDP */
	GWQ_ECHO,       /* 30 s */
	GWQ_DNS_QUERY,  /* 3 s: then the next resolver */
	GWQ_PUB_PEER,   /* 180 s */
	GWQ_PUB_RETRY,  /* 100 ms: accept again after EMFILE */
	GWQ_COUNT
};

struct gw_timer {
	TAILQ_ENTRY(gw_timer) link; /* R */
	/* Called with the timer not armed. */
	void (*fn)(struct gw_timer *t, nst_time now); /* R */
	nst_time since;                               /* S when it was armed */
	bool armed;                                   /* S */
	uint8_t queue;                                /* S */
};
TAILQ_HEAD(gw_queue, gw_timer);

struct relay;
TAILQ_HEAD(relay_list, relay);
struct dflow_table;
struct dns;
struct publish;

struct gateway {
	struct sandbox *sb;      /* R */
	struct nst_stack *stack; /* R the gateway's own netstack */
	uint32_t ifindex;        /* S its gw0 */
	struct link *link;       /* R */
	/* From what is in them: R */
	struct gw_queue queue[GWQ_COUNT];
	struct relay_list relays;
	struct relay_list ready; /* used up their turn; since ready_since */

	nst_time ready_since;       /* S */
	size_t nrelays, relays_max; /* R */
	struct dflow_table *dflows; /* R with records of its own, as: */
	struct dns *dns;            /* R */
	struct publish *pub;        /* R */
	struct gw_counters count;   /* S as bytes */
};

static inline nst_time gw_now(const struct gateway *gw)
{
	return sandbox_now(gw->sb);
}

/* Member -> object that embeds it. */
#define GW_OWNER_OF(ptr, type, member)                                         \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* ---- gateway.c ---- */
/* The gateway's netstack gives us its flows. */
void gateway_install_forwarder(struct gateway *gw);

/* ---- timer.c ---- */
void gw_timers_init(struct gateway *gw);
/* Arms, or moves to the end of queue q. */
void gw_timer_arm(struct gateway *gw, struct gw_timer *t, enum gw_queue_id q,
		  nst_time now);
void gw_timer_stop(struct gateway *gw, struct gw_timer *t);
/* The least recently armed timer of a queue, or NULL. */
struct gw_timer *gw_timer_oldest(struct gateway *gw, enum gw_queue_id q);
/* Of a timer that was restored: into its queue, if it was armed. False: there
 * is no such queue. */
bool gw_timer_rearm(struct gateway *gw, struct gw_timer *t);
nst_time gw_timers_next(const struct gateway *gw);
void gw_timers_run(struct gateway *gw, nst_time now);

/* ---- host.c ---- */
union host_sa {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_storage ss;
};

struct host_addr {
	union host_sa u;
	socklen_t len;
};

void host_addr_from(const struct nst_sockaddr *a, struct host_addr *out);
/* False: neither IPv4 nor IPv6. A mapped address becomes family 4. */
bool host_addr_to(const struct sockaddr_storage *ss, struct nst_sockaddr *out);
/* Is it the host's loopback (127/8, 0/8, ::1, ::, mapped ones)? */
bool host_addr_is_loopback(const struct host_addr *a);
/*
 * Where on the host a guest's flow to `dst` goes. ACCES: the policy forbids it.
 * CONNREFUSED: an address of the gateway with nothing behind it. NETUNREACH:
 * loopback, multicast, broadcast and other addresses that must not leave.
 * HOSTUNREACH: on the guest's virtual network, where nobody else lives.
 */
NST_MUST_CHECK enum nst_err host_map(const struct gateway *gw, uint8_t proto,
				     const struct nst_sockaddr *dst,
				     struct host_addr *out);
/* A non-blocking CLOEXEC socket of the host, or -errno (NoFds counted). An
 * IPv6 one is V6ONLY: it cannot be led to IPv4 by a mapped address. */
int host_socket(struct gateway *gw, int family, int type, int proto);
/* Cancels op (or NULL) and closes fd (or -1) when the kernel lets go of it. */
void host_close(struct gateway *gw, struct loop_op *op, int fd);
/* A share (1/part) of RLIMIT_NOFILE, at most `max`. */
size_t host_fd_share(size_t max, size_t part);
/* True if the packet's source is an address of the gateway: a forged one that
 * would make us talk to ourselves. Counted. */
bool gw_forged_source(struct gateway *gw, const struct nst_addr *src);

/* ---- flow_tcp.c, dflow.c, flow_udp.c, echo.c: the forwarder ---- */
void flow_tcp_in(void *ctx, struct nst_fwd_req *req,
		 const struct nst_sockaddr *src,
		 const struct nst_sockaddr *dst);
void flow_udp_in(void *ctx, const struct nst_sockaddr *src,
		 const struct nst_sockaddr *dst, const struct nst_iov *iov,
		 size_t niov);
void echo_in(void *ctx, const struct nst_addr *src, const struct nst_addr *dst,
	     uint16_t id, uint16_t seq, const void *data, size_t bytes);

/* ---- dns.c; -errno ---- */
int dns_new(struct gateway *gw);
int dns_blank(struct gateway *gw); /* without servers */
void dns_free(struct gateway *gw);

/* ---- publish.c; -errno after one line on stderr ---- */
int publish_new(struct gateway *gw);
/* Without sockets, with room for so many. -ENOMEM. */
int publish_blank(struct gateway *gw, size_t ports);
void publish_free(struct gateway *gw);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options that every kind of socket has: a table of where each lives, its type
 * and its range. What needs more than storing has a function of its own. LINUX:
 * values, ranges and errors are those of sk_setsockopt(), do_ip_setsockopt()
 * and do_ipv6_setsockopt().
 */
#include "netstack/base/mem.h"
#include "netstack/base/stack_priv.h"
#include "netstack/ip/ip.h"

enum field_type {
	F_NONE, /* not a common option */
	F_BOOL,
	F_U8,
	F_I16,
	F_I32,
	F_U32,
	F_U64,
};

enum row_flags {
	R_UNBOUND = 1 << 0,      /* INVAL once bound */
	R_NO_STREAM = 1 << 1,    /* INVAL for TCP */
	R_V6_NO_STREAM = 1 << 2, /* NOPROTOOPT for TCP */
	R_STRICT_BOOL = 1 << 3,  /* only 0 and 1 */
};

struct row {
	uint8_t type, flags;
	uint16_t at; /* offset in struct sock_opts */
	int32_t min, max;
};

#define AT(field) offsetof(struct sock_opts, field)
/* clang-format off */
#define BOOL(field) {F_BOOL, 0, AT(field), 0, 0}
/* clang-format on */

static const struct row rows[NST_OPT_COUNT] = {
    [NST_SO_REUSEADDR] = BOOL(reuseaddr),
    [NST_SO_REUSEPORT] = BOOL(reuseport),
    [NST_SO_BROADCAST] = BOOL(broadcast),
    [NST_SO_KEEPALIVE] = BOOL(keepalive),
    [NST_SO_OOBINLINE] = BOOL(oobinline),
    [NST_SO_DONTROUTE] = BOOL(dontroute),
    [NST_SO_NO_CHECK] = BOOL(no_check),
    [NST_SO_SNDBUF] = {F_U32, 0, AT(sndbuf), 0, 0},
    [NST_SO_RCVBUF] = {F_U32, 0, AT(rcvbuf), 0, 0},
    [NST_SO_RCVLOWAT] = {F_U32, 0, AT(rcvlowat), 0, 0},
    [NST_SO_LINGER] = {F_I32, 0, AT(linger_s), -1, INT32_MAX},
    [NST_SO_PRIORITY] = {F_U32, 0, AT(priority), INT32_MIN, INT32_MAX},
    [NST_SO_MARK] = {F_U32, 0, AT(mark), INT32_MIN, INT32_MAX},
    [NST_SO_BINDTOIFINDEX] = {F_U32, 0, AT(bound_if), 0, INT32_MAX},
    [NST_SO_TIMESTAMP] = {F_U8, 0, AT(timestamp), 0, 2},
    [NST_SO_MAX_PACING_RATE] = {F_U64, 0, AT(max_pacing_rate), 0, 0},
    [NST_SO_BUSY_POLL] = {F_U32, 0, AT(busy_poll), 0, INT32_MAX},
    [NST_SO_INCOMING_CPU] = {F_U32, 0, AT(incoming_cpu), INT32_MIN, INT32_MAX},
    [NST_IP_TTL] = {F_U8, 0, AT(ttl), 0, 0},
    [NST_IP_TOS] = {F_U8, 0, AT(tos), 0, 0},
    [NST_IP_MULTICAST_TTL] = {F_U8, 0, AT(mc_ttl), 0, 0},
    [NST_IP_MTU_DISCOVER] = {F_U8, 0, AT(mtu_disc), 0, 5},
    [NST_IP_FREEBIND] = BOOL(freebind),
    [NST_IP_TRANSPARENT] = BOOL(transparent),
    [NST_IP_RECVTTL] = BOOL(recvttl),
    [NST_IP_RECVTOS] = BOOL(recvtos),
    [NST_IP_PKTINFO] = BOOL(pktinfo),
    [NST_IP_RECVERR] = BOOL(recverr),
    [NST_IP_RECVORIGDSTADDR] = BOOL(recvorigdst),
    [NST_IP_MULTICAST_LOOP] = BOOL(mc_loop),
    [NST_IP_MULTICAST_ALL] = {F_BOOL, R_STRICT_BOOL, AT(mc_all), 0, 1},
    [NST_IP_MULTICAST_IF] = {F_U32, R_NO_STREAM, AT(mc_if), 0, INT32_MAX},
    [NST_IP_BIND_ADDRESS_NO_PORT] = BOOL(bind_no_port),
    [NST_IP_LOCAL_PORT_RANGE] = {F_U32, 0, AT(port_range), INT32_MIN,
				 INT32_MAX},
    [NST_IPV6_V6ONLY] = {F_BOOL, R_UNBOUND, AT(v6only), 0, 0},
    [NST_IPV6_TCLASS] = {F_U8, 0, AT(tclass), 0, 0},
    [NST_IPV6_MULTICAST_HOPS] = {F_I16, 0, AT(mc_hops6), 0, 0},
    [NST_IPV6_MTU] = {F_U32, 0, AT(frag_size6), 0, INT32_MAX},
    [NST_IPV6_MTU_DISCOVER] = {F_U8, 0, AT(mtu_disc6), 0, 5},
    [NST_IPV6_RECVHOPLIMIT] = BOOL(recvhoplimit),
    [NST_IPV6_RECVTCLASS] = BOOL(recvtclass),
    [NST_IPV6_RECVPKTINFO] = BOOL(recvpktinfo6),
    [NST_IPV6_RECVERR] = BOOL(recverr6),
    [NST_IPV6_MULTICAST_LOOP] = {F_BOOL, R_STRICT_BOOL, AT(mc_loop6), 0, 1},
    [NST_IPV6_MULTICAST_ALL] = BOOL(mc_all6),
    [NST_IPV6_MULTICAST_IF] = {F_U32, R_V6_NO_STREAM, AT(mc_if6), 0, INT32_MAX},
    [NST_IPV6_UNICAST_HOPS] = {F_I16, 0, AT(hops6), -1, 255},
    [NST_IPV6_DONTFRAG] = BOOL(dontfrag6),
};

/* LINUX: SOL_IP is unknown to IPv6 raw sockets; IPPROTO_IPV6 to IPv4 ones. */
static bool wrong_level(const struct nst_sock *s, enum nst_opt opt)
{
	if (opt >= NST_IP_TTL && opt < NST_IPV6_V6ONLY)
		return s->kind == SOCK_K_RAW && s->family == 6;
	return opt >= NST_IPV6_V6ONLY && opt < NST_TCP_NODELAY &&
	       s->family != 6;
}

static enum nst_err in_range(const struct nst_sock *s, const struct row *r,
			     int64_t v)
{
	if ((r->flags & R_NO_STREAM) && s->kind == SOCK_K_TCP)
		return NST_E_INVAL;
	if ((r->flags & R_V6_NO_STREAM) && s->kind == SOCK_K_TCP)
		return NST_E_NOPROTOOPT;
	/* LINUX: a raw socket counts as bound to its protocol */
	if ((r->flags & R_UNBOUND) &&
	    (s->bucket || s->conn.pprev || s->kind == SOCK_K_RAW))
		return NST_E_INVAL;
	if (r->type == F_U64)
		return NST_OK;
	if (r->type == F_BOOL && !(r->flags & R_STRICT_BOOL))
		return NST_OK;
	return v < r->min || v > r->max ? NST_E_INVAL : NST_OK;
}

static void store(struct sock_opts *o, const struct row *r, int64_t v)
{
	uint8_t *p = (uint8_t *)o + r->at;

	if (r->type == F_BOOL)
		*(bool *)p = v != 0;
	else if (r->type == F_U8)
		*p = (uint8_t)v;
	else if (r->type == F_I16)
		*(int16_t *)(void *)p = (int16_t)v;
	else if (r->type == F_I32)
		*(int32_t *)(void *)p = (int32_t)v;
	else if (r->type == F_U32)
		*(uint32_t *)(void *)p = (uint32_t)v;
	else
		*(uint64_t *)(void *)p = (uint64_t)v;
}

static int64_t fetch(const struct sock_opts *o, const struct row *r)
{
	const uint8_t *p = (const uint8_t *)o + r->at;

	switch (r->type) {
	case F_BOOL:
		return *(const bool *)p;
	case F_U8:
		return *p;
	case F_I16:
		return *(const int16_t *)(const void *)p;
	case F_U32: /* an int to the program */
	case F_I32:
		return *(const int32_t *)(const void *)p;
	default:
		return *(const int64_t *)(const void *)p;
	}
}

/* ---- those that need more than storing ---- */

/* LINUX: cut to {r,w}mem_max as an unsigned number, doubled, never below the
 * size of two (one) packets: SOCK_MIN_SNDBUF, SOCK_MIN_RCVBUF. */
static void set_buf(uint32_t *field, int64_t v, uint32_t min)
{
	uint32_t ask = (uint32_t)v < SOCK_BUF_MAX ? (uint32_t)v : SOCK_BUF_MAX;

	*field = ask * 2 < min ? min : ask * 2;
}

/* LINUX: the ECN bits of a TCP socket are TCP's own. */
static void set_tos(const struct nst_sock *s, uint8_t *field, int64_t v)
{
	uint8_t keep = s->kind == SOCK_K_TCP ? 3 : 0;

	*field = (uint8_t)(((uint8_t)v & ~keep) | (*field & keep));
}

/* -1 and 1..255 for TTL: 0 in the field means the default. */
static enum nst_err set_ttl(struct nst_sock *s, int64_t v)
{
	if (v != -1 && (v < 1 || v > 255))
		return NST_E_INVAL;
	s->opt.ttl = v == -1 ? 0 : (uint8_t)v;
	return NST_OK;
}

static enum nst_err set_mc_ttl(struct nst_sock *s, int64_t v)
{
	if (s->kind == SOCK_K_TCP || v < -1 || v > 255)
		return NST_E_INVAL;
	s->opt.mc_ttl = v == -1 ? 1 : (uint8_t)v;
	return NST_OK;
}

static enum nst_err set_mc_hops(struct nst_sock *s, int64_t v)
{
	if (s->kind == SOCK_K_TCP)
		return NST_E_NOPROTOOPT;
	if (v < -1 || v > 255)
		return NST_E_INVAL;
	s->opt.mc_hops6 = v == -1 ? 1 : (int16_t)v;
	return NST_OK;
}

static enum nst_err set_tclass(struct nst_sock *s, int64_t v)
{
	if (v < -1 || v > 255)
		return NST_E_INVAL;
	set_tos(s, &s->opt.tclass, v == -1 ? 0 : v);
	return NST_OK;
}

static void set_lowat(struct nst_sock *s, int64_t v)
{
	s->opt.rcvlowat = v < 0 ? INT32_MAX : v ? (uint32_t)v : 1;
}

/* LINUX: unlike SO_BINDTOIFINDEX, these want an interface that exists. */
static enum nst_err set_mc_if(struct nst_sock *s, enum nst_opt opt, int64_t v)
{
	enum nst_err e = in_range(s, &rows[opt], v);
	struct nst_nic_info info;

	if (!e && v && nst_nic_get(s->st, (uint32_t)v, &info))
		e = opt == NST_IP_MULTICAST_IF ? NST_E_ADDRNOTAVAIL
					       : NST_E_NODEV;
	if (!e)
		store(&s->opt, &rows[opt], v);
	return e;
}

static enum nst_err set_by_row(struct nst_sock *s, enum nst_opt opt, int64_t v)
{
	enum nst_err e = in_range(s, &rows[opt], v);

	if (!e)
		store(&s->opt, &rows[opt], v);
	return e;
}

enum nst_err sock_opt_set(struct nst_sock *s, enum nst_opt opt, int64_t v)
{
	if ((unsigned)opt >= NST_OPT_COUNT || rows[opt].type == F_NONE ||
	    wrong_level(s, opt))
		return NST_E_NOPROTOOPT;
	switch (opt) {
	case NST_SO_SNDBUF:
		set_buf(&s->opt.sndbuf, v, SOCK_MIN_SNDBUF);
		return NST_OK;
	case NST_SO_RCVBUF:
		set_buf(&s->opt.rcvbuf, v, SOCK_MIN_RCVBUF);
		return NST_OK;
	case NST_SO_RCVLOWAT:
		set_lowat(s, v);
		return NST_OK;
	case NST_IP_TTL:
		return set_ttl(s, v);
	case NST_IP_TOS:
		set_tos(s, &s->opt.tos, v);
		return NST_OK;
	case NST_IP_MULTICAST_TTL:
		return set_mc_ttl(s, v);
	case NST_IPV6_TCLASS:
		return set_tclass(s, v);
	case NST_IPV6_MULTICAST_HOPS:
		return set_mc_hops(s, v);
	case NST_IP_MULTICAST_IF:
	case NST_IPV6_MULTICAST_IF:
		return set_mc_if(s, opt, v);
	case NST_IP_LOCAL_PORT_RANGE:
		if ((v & 0xffff) && (v >> 16 & 0xffff) &&
		    (v & 0xffff) > (v >> 16 & 0xffff))
			return NST_E_INVAL;
		return set_by_row(s, opt, (int32_t)v);
	case NST_IPV6_MTU:
		/* LINUX: 0 lifts it; no smaller than IPv6 demands of links */
		if (v && v < 1280)
			return NST_E_INVAL;
		return set_by_row(s, opt, v);
	default:
		return set_by_row(s, opt, v);
	}
}

/* MTU of the path to the peer. */
static enum nst_err get_mtu(const struct nst_sock *s, int64_t *v)
{
	struct ip_path path;

	if (!s->remote.addr.family)
		return NST_E_NOTCONN;
	if (ip_path_find(s->st, &s->remote.addr, &s->local.addr,
			 s->opt.bound_if, true, &path))
		return NST_E_NOTCONN;
	*v = path.mtu;
	return NST_OK;
}

enum nst_err sock_opt_get(const struct nst_sock *s, enum nst_opt opt,
			  int64_t *v)
{
	if ((unsigned)opt >= NST_OPT_COUNT || wrong_level(s, opt))
		return NST_E_NOPROTOOPT;
	if (opt == NST_IP_MTU || opt == NST_IPV6_MTU)
		return get_mtu(s, v);
	if (rows[opt].type == F_NONE)
		return NST_E_NOPROTOOPT;
	*v = fetch(&s->opt, &rows[opt]);
	if ((opt == NST_IP_TTL && *v == 0) ||
	    (opt == NST_IPV6_UNICAST_HOPS && *v < 0))
		*v = IP_TTL_DEFAULT;
	return NST_OK;
}

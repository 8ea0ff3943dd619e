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
	R_V6 = 1 << 0,           /* AF_INET6 sockets only: NOPROTOOPT */
	R_UNBOUND = 1 << 1,      /* INVAL once bound */
	R_NO_STREAM = 1 << 2,    /* INVAL for TCP */
	R_V6_NO_STREAM = 1 << 3, /* NOPROTOOPT for TCP */
	R_STRICT_BOOL = 1 << 4,  /* only 0 and 1 */
};

struct row {
	uint8_t type, flags;
	uint16_t at; /* offset in struct sock_opts */
	int32_t min, max;
};

#define AT(field) offsetof(struct sock_opts, field)
#define BOOL(field)                                                            \
	{                                                                      \
		F_BOOL, 0, AT(field), 0, 0                                     \
	}
#define BOOL6(field)                                                           \
	{                                                                      \
		F_BOOL, R_V6, AT(field), 0, 0                                  \
	}

static const struct row rows[NST_OPT_COUNT] = {
    [NST_SO_REUSEADDR] = BOOL(reuseaddr),
    [NST_SO_REUSEPORT] = BOOL(reuseport),
    [NST_SO_BROADCAST] = BOOL(broadcast),
    [NST_SO_KEEPALIVE] = BOOL(keepalive),
    [NST_SO_OOBINLINE] = BOOL(oobinline),
    [NST_SO_DONTROUTE] = BOOL(dontroute),
    [NST_SO_NO_CHECK] = BOOL(no_check),
    [NST_SO_LINGER] = {F_I32, 0, AT(linger_s), -1, INT32_MAX},
    [NST_SO_PRIORITY] = {F_U32, 0, AT(priority), 0, INT32_MAX},
    [NST_SO_MARK] = {F_U32, 0, AT(mark), INT32_MIN, INT32_MAX},
    [NST_SO_BINDTOIFINDEX] = {F_U32, 0, AT(bound_if), 0, INT32_MAX},
    [NST_SO_TIMESTAMP] = {F_U8, 0, AT(timestamp), 0, 2},
    [NST_SO_MAX_PACING_RATE] = {F_U64, 0, AT(max_pacing_rate), 0, 0},
    [NST_SO_BUSY_POLL] = {F_U32, 0, AT(busy_poll), 0, INT32_MAX},
    [NST_SO_INCOMING_CPU] = {F_U32, 0, AT(incoming_cpu), INT32_MIN, INT32_MAX},
    [NST_IP_MTU_DISCOVER] = {F_U8, 0, AT(mtu_disc), 0, 5},
    [NST_IP_FREEBIND] = BOOL(freebind),
    [NST_IP_TRANSPARENT] = BOOL(transparent),
    [NST_IP_RECVTTL] = BOOL(recvttl),
    [NST_IP_RECVTOS] = BOOL(recvtos),
    [NST_IP_PKTINFO] = BOOL(pktinfo),
    [NST_IP_RECVERR] = BOOL(recverr),
    [NST_IP_RECVORIGDSTADDR] = BOOL(recvorigdst),
    [NST_IP_MULTICAST_LOOP] = BOOL(mc_loop),
    [NST_IP_MULTICAST_IF] = {F_U32, R_NO_STREAM, AT(mc_if), 0, INT32_MAX},
    [NST_IP_BIND_ADDRESS_NO_PORT] = BOOL(bind_no_port),
    [NST_IPV6_V6ONLY] = {F_BOOL, R_V6 | R_UNBOUND, AT(v6only), 0, 0},
    [NST_IPV6_MTU_DISCOVER] = {F_U8, R_V6, AT(mtu_disc6), 0, 5},
    [NST_IPV6_RECVHOPLIMIT] = BOOL6(recvhoplimit),
    [NST_IPV6_RECVTCLASS] = BOOL6(recvtclass),
    [NST_IPV6_RECVPKTINFO] = BOOL6(recvpktinfo6),
    [NST_IPV6_RECVERR] = BOOL6(recverr6),
    [NST_IPV6_MULTICAST_LOOP] = {F_BOOL, R_V6 | R_STRICT_BOOL, AT(mc_loop6), 0,
				 1},
    [NST_IPV6_MULTICAST_IF] = {F_U32, R_V6 | R_V6_NO_STREAM, AT(mc_if6), 0,
			       INT32_MAX},
    [NST_IPV6_UNICAST_HOPS] = {F_I16, R_V6, AT(hops6), -1, 255},
    [NST_IPV6_DONTFRAG] = BOOL6(dontfrag6),
};

static enum nst_err refuse(const struct nst_sock *s, const struct row *r)
{
	if (r->type == F_NONE || ((r->flags & R_V6) && s->family != 6))
		return NST_E_NOPROTOOPT;
	if ((r->flags & R_V6_NO_STREAM) && s->kind == SOCK_K_TCP)
		return NST_E_NOPROTOOPT;
	return NST_OK;
}

static enum nst_err in_range(const struct nst_sock *s, const struct row *r,
			     int64_t v)
{
	if ((r->flags & R_NO_STREAM) && s->kind == SOCK_K_TCP)
		return NST_E_INVAL;
	if ((r->flags & R_UNBOUND) && s->local.port)
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
	if (s->family != 6 || s->kind == SOCK_K_TCP)
		return NST_E_NOPROTOOPT;
	if (v < -1 || v > 255)
		return NST_E_INVAL;
	s->opt.mc_hops6 = v == -1 ? 1 : (int16_t)v;
	return NST_OK;
}

static enum nst_err set_tclass(struct nst_sock *s, int64_t v)
{
	if (s->family != 6)
		return NST_E_NOPROTOOPT;
	if (v < -1 || v > 255)
		return NST_E_INVAL;
	set_tos(s, &s->opt.tclass, v == -1 ? 0 : v);
	return NST_OK;
}

static void set_lowat(struct nst_sock *s, int64_t v)
{
	s->opt.rcvlowat = v < 0 ? INT32_MAX : v ? (uint32_t)v : 1;
}

enum nst_err sock_opt_set(struct nst_sock *s, enum nst_opt opt, int64_t v)
{
	enum nst_err e;

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
	default:
		break;
	}
	if ((unsigned)opt >= NST_OPT_COUNT)
		return NST_E_NOPROTOOPT;
	e = refuse(s, &rows[opt]);
	if (!e)
		e = in_range(s, &rows[opt], v);
	if (!e)
		store(&s->opt, &rows[opt], v);
	return e;
}

/* MTU of the path to the peer. */
static enum nst_err get_mtu(const struct nst_sock *s, int64_t *v)
{
	struct ip_path path;
	enum nst_err e;

	if (!s->remote.addr.family)
		return NST_E_NOTCONN;
	e = ip_path_find(s->st, &s->remote.addr, &s->local.addr,
			 s->opt.bound_if, true, &path);
	if (e)
		return NST_E_NOTCONN;
	*v = path.mtu;
	return NST_OK;
}

enum nst_err sock_opt_get(const struct nst_sock *s, enum nst_opt opt,
			  int64_t *v)
{
	const struct sock_opts *o = &s->opt;
	bool six = s->family == 6;
	enum nst_err e;

	switch (opt) {
	case NST_SO_SNDBUF:
		*v = o->sndbuf;
		return NST_OK;
	case NST_SO_RCVBUF:
		*v = o->rcvbuf;
		return NST_OK;
	case NST_SO_RCVLOWAT:
		*v = o->rcvlowat;
		return NST_OK;
	case NST_IP_TTL:
		*v = o->ttl ? o->ttl : IP_TTL_DEFAULT;
		return NST_OK;
	case NST_IP_TOS:
		*v = o->tos;
		return NST_OK;
	case NST_IP_MULTICAST_TTL:
		*v = o->mc_ttl;
		return NST_OK;
	case NST_IP_MTU:
		return get_mtu(s, v);
	case NST_IPV6_MTU:
		return six ? get_mtu(s, v) : NST_E_NOPROTOOPT;
	case NST_IPV6_TCLASS:
		*v = o->tclass;
		return six ? NST_OK : NST_E_NOPROTOOPT;
	case NST_IPV6_MULTICAST_HOPS:
		*v = o->mc_hops6;
		return six && s->kind != SOCK_K_TCP ? NST_OK : NST_E_NOPROTOOPT;
	case NST_IPV6_UNICAST_HOPS:
		*v = o->hops6 < 0 ? IP_TTL_DEFAULT : o->hops6;
		return six ? NST_OK : NST_E_NOPROTOOPT;
	default:
		break;
	}
	if ((unsigned)opt >= NST_OPT_COUNT)
		return NST_E_NOPROTOOPT;
	e = refuse(s, &rows[opt]);
	if (!e)
		*v = fetch(o, &rows[opt]);
	return e;
}

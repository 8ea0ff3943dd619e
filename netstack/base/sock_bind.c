/* SPDX-License-Identifier: Apache-2.0 */
/* bind(). LINUX: __inet_bind() and __inet6_bind(), in their order of errors. */
#include "netstack/base/addr.h"
#include "netstack/base/stack_priv.h"
#include "netstack/ip/ip.h"

static bool is_broadcast(const struct nst_sock *s, const struct nst_addr *a)
{
	struct ip_path path;

	if (addr_is_bcast4(a))
		return true;
	return a->family == 4 &&
	       ip_path_find(s->st, a, NULL, s->opt.bound_if, false, &path) ==
		   NST_OK &&
	       path.bcast;
}

static bool is_bound(const struct nst_sock *s)
{
	return s->bucket || s->remote.addr.family;
}

/* Does the socket's family take the address's? */
static enum nst_err check_family(const struct nst_sock *s,
				 const struct nst_addr *a)
{
	if (a->family != 4 && a->family != 6)
		return NST_E_AFNOSUPPORT;
	if (s->family == 4)
		return a->family == 4 ? NST_OK : NST_E_AFNOSUPPORT;
	if (a->family == 4 && (s->opt.v6only || s->kind == SOCK_K_RAW))
		return NST_E_INVAL;
	return NST_OK;
}

static enum nst_err check_scope(struct nst_sock *s, const struct nst_addr *a)
{
	struct nst_nic_info info;

	if (!addr_needs_scope(a))
		return NST_OK;
	if (!a->scope && !s->opt.bound_if)
		return NST_E_INVAL;
	if (a->scope && nst_nic_get(s->st, a->scope, &info))
		return NST_E_NODEV;
	return NST_OK;
}

/* LINUX: multicast and broadcast addresses may be bound to, as filters. */
static enum nst_err check_address(struct nst_sock *s, const struct nst_addr *a)
{
	enum nst_err e;

	if (addr_is_any(a))
		return NST_OK;
	if (a->family == 6 && addr_is_mcast(a) && s->kind == SOCK_K_TCP)
		return NST_E_INVAL;
	/* LINUX: AF_INET6 looks at this before the rest, AF_INET after. */
	if (s->family == 6 && is_bound(s))
		return NST_E_INVAL;
	e = check_scope(s, a);
	if (e)
		return e;
	if (s->opt.freebind || sock_may_spoof(s) || addr_is_mcast(a))
		return NST_OK;
	if (nst_addr_is_local(s->st, a) || is_broadcast(s, a))
		return NST_OK;
	return NST_E_ADDRNOTAVAIL;
}

static enum nst_err take_port(struct nst_sock *s, const struct nst_sockaddr *a)
{
	if (s->kind == SOCK_K_RAW || (!a->port && s->opt.bind_no_port)) {
		s->local = (struct nst_sockaddr){a->addr, 0};
		return NST_OK;
	}
	return ports_bind(s->st->ports, s, a);
}

enum nst_err nst_sock_bind(struct nst_sock *s, const struct nst_sockaddr *a)
{
	uint32_t bound_if = s->opt.bound_if;
	struct nst_sockaddr at = *a;
	bool v6only = s->opt.v6only;
	enum nst_err e = check_family(s, &at.addr);

	if (!e)
		e = check_address(s, &at.addr);
	if (!e && is_bound(s))
		e = NST_E_INVAL;
	if (e)
		return e;
	if (addr_needs_scope(&at.addr)) {
		if (!at.addr.scope)
			at.addr.scope = s->opt.bound_if;
		s->opt.bound_if = at.addr.scope;
	} else {
		at.addr.scope = 0;
	}
	/* LINUX: an IPv6 address makes the socket an IPv6-only one */
	if (at.addr.family == 6 && !addr_is_any(&at.addr))
		s->opt.v6only = true;
	e = take_port(s, &at);
	if (e) {
		s->opt.bound_if = bound_if;
		s->opt.v6only = v6only;
		return e;
	}
	s->bound_addr = !addr_is_any(&at.addr);
	s->bound_port = a->port != 0;
	return NST_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "netstack/ip/ip_layer.h"
#include "netstack/ip/mcast.h"
#include "netstack/ip/neigh.h"
#include "netstack/ip/nic.h"
#include "netstack/ip/reasm.h"

/* One hash for every table of the layer: an address and what goes with it. */
struct hash_input {
	uint8_t b[16];
	uint32_t more;
	uint32_t family;
};

uint64_t ip_hash(const struct ip_layer *ip, const struct nst_addr *a,
		 uint32_t more)
{
	const struct nst_env *env = ip->st->env;
	struct hash_input in = {.more = more, .family = a->family};

	memcpy(in.b, a->b, addr_bytes(a));
	return env->hash(env->ctx, ip->st->key, &in, sizeof(in));
}

static void add_lo_addrs(struct ip_layer *ip)
{
	struct nst_ifaddr a = {.ifindex = NIC_LO};

	/* The tables are empty: neither can fail. */
	a.addr = addr_loopback(4);
	a.prefix_len = 8;
	(void)!ifaddr_add(ip, &a);
	a.addr = addr_loopback(6);
	a.prefix_len = 128;
	(void)!ifaddr_add(ip, &a);
}

struct ip_layer *ip_layer_new(struct nst_stack *st)
{
	struct ip_layer *ip = nst_alloc(st->env, sizeof(*ip));

	if (!ip)
		return NULL;
	ip->st = st;
	st->env->random(st->env->ctx, ip->ids, sizeof(ip->ids));
	st->ip = ip;
	nic_add_lo(ip);
	add_lo_addrs(ip);
	return ip;
}

void ip_layer_free(struct nst_stack *st)
{
	struct ip_layer *ip = st->ip;

	if (!ip)
		return;
	neigh_fini(ip);
	reasm_fini(ip);
	mcast_fini(ip);
	nst_release(st->env, ip, sizeof(*ip));
	st->ip = NULL;
}

static bool routes_check(const struct ip_layer *ip)
{
	for (size_t i = 0; i < ip->nroutes; i++) {
		const struct nst_route *r = &ip->routes[i];

		if (r->ifindex == 0 || r->ifindex > ip->nnics)
			return false;
		if (i && ip->routes[i - 1].prefix_len < r->prefix_len)
			return false;
	}
	return true;
}

bool ip_layer_check(const struct nst_stack *st)
{
	const struct ip_layer *ip = st->ip;

	return ip->nnics <= LIMIT_NICS && ip->naddrs <= LIMIT_ADDRS &&
	       ip->nroutes <= LIMIT_ROUTES && routes_check(ip) &&
	       neigh_check(ip) && reasm_check(ip) && mcast_check(ip);
}

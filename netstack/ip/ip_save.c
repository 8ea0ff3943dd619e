/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saving the IP layer: what there is once, and the order of the rest. Timers
 * and ages come from
 *
 *   neighbour     neigh.since, state, reachable (drawn)
 *   reassembly    reasm.since, family
 *   path MTU      pmtu_entry.since
 *   IGMP, MLD     mcast_group.asked, delay (drawn)
 *   ICMP limits   icmp_bucket.credit, when
 */
#include "netstack/ip/icmp.h"
#include "netstack/ip/ip.fields.h"
#include "netstack/ip/ip_save_priv.h"

/* ---- saving ---- */

static void put_addrs(const struct ip_layer *ip, struct save_out *o,
		      Cordon__IpLayer *m)
{
	m->addrs = save_memory(o, (ip->naddrs + 1) * sizeof(*m->addrs));
	for (size_t i = 0; m->addrs && i < ip->naddrs; i++)
		m->addrs[i] = save_object(o, &save_nst_ifaddr, &ip->addrs[i]);
	m->n_addrs = ip->naddrs;
}

static void put_routes(const struct ip_layer *ip, struct save_out *o,
		       Cordon__IpLayer *m)
{
	m->routes = save_memory(o, (ip->nroutes + 1) * sizeof(*m->routes));
	for (size_t i = 0; m->routes && i < ip->nroutes; i++)
		m->routes[i] = save_object(o, &save_nst_route, &ip->routes[i]);
	m->n_routes = ip->nroutes;
}

static void put_pmtus(const struct ip_layer *ip, struct save_out *o,
		      Cordon__IpLayer *m)
{
	m->pmtu = save_memory(o, LIMIT_PMTUS * sizeof(*m->pmtu));
	for (size_t i = 0; m->pmtu && i < LIMIT_PMTUS; i++) {
		const struct pmtu_entry *e =
		    &ip->pmtu[i / PMTU_WAYS][i % PMTU_WAYS];

		if (e->dst.family)
			m->pmtu[m->n_pmtu++] =
			    save_object(o, &save_pmtu_entry, e);
	}
}

static void put_limits(const struct ip_layer *ip, struct save_out *o,
		       Cordon__IpLayer *m)
{
	m->icmp_dst = save_memory(o, ICMP_LIMIT_SLOTS * sizeof(*m->icmp_dst));
	for (size_t i = 0; m->icmp_dst && i < ICMP_LIMIT_SLOTS; i++) {
		const struct icmp_bucket *b = &ip->icmp_dst[i];

		if (b->dst.family)
			m->icmp_dst[m->n_icmp_dst++] =
			    save_object(o, &save_icmp_bucket, b);
	}
}

static void layer_save(const struct ip_layer *ip, struct save_out *o)
{
	Cordon__IpLayer *m = save_object(o, &save_ip_layer, ip);

	if (!m)
		return;
	put_addrs(ip, o, m);
	put_routes(ip, o, m);
	put_pmtus(ip, o, m);
	put_limits(ip, o, m);
	save_record(o, NST_SAVE_IP, m);
}

void ip_save(const struct nst_stack *st, struct save_out *o)
{
	nics_save(st->ip, o);
	layer_save(st->ip, o);
	groups_save(st->ip, o);
	neighs_save(st->ip, o);
	reasms_save(st->ip, o);
}

/* ---- loading ---- */

static bool get_addrs(struct load *l, const Cordon__IpLayer *m)
{
	struct ip_layer *ip = l->st->ip;
	struct nst_ifaddr a;

	ip->naddrs = 0; /* those of lo are among the saved ones */
	for (size_t i = 0; i < m->n_addrs; i++) {
		if (!save_restore(&l->in, &save_nst_ifaddr, m->addrs[i], &a))
			return false;
		if (!ifaddr_restore(ip, &a))
			return save_bad(&l->in, "addrs", "has a wrong one");
	}
	return true;
}

static bool get_routes(struct load *l, const Cordon__IpLayer *m)
{
	struct ip_layer *ip = l->st->ip;
	struct nst_route r;

	ip->nroutes = 0;
	for (size_t i = 0; i < m->n_routes; i++) {
		if (!save_restore(&l->in, &save_nst_route, m->routes[i], &r))
			return false;
		if (!route_restore(ip, &r))
			return save_bad(&l->in, "routes", "has a wrong one");
	}
	return true;
}

static bool get_pmtus(struct load *l, const Cordon__IpLayer *m)
{
	struct pmtu_entry e;

	if (m->n_pmtu > LIMIT_PMTUS)
		return save_bad(&l->in, "pmtu", "has too many");
	for (size_t i = 0; i < m->n_pmtu; i++) {
		if (!save_restore(&l->in, &save_pmtu_entry, m->pmtu[i], &e))
			return false;
		if (!l->st->ip->npmtu || !pmtu_restore(l->st->ip, &e))
			return save_bad(&l->in, "pmtu", "has a wrong one");
	}
	return true;
}

static bool get_limits(struct load *l, const Cordon__IpLayer *m)
{
	struct icmp_bucket b;

	if (m->n_icmp_dst > ICMP_LIMIT_SLOTS)
		return save_bad(&l->in, "icmp_dst", "has too many");
	for (size_t i = 0; i < m->n_icmp_dst; i++) {
		if (!save_restore(&l->in, &save_icmp_bucket, m->icmp_dst[i],
				  &b))
			return false;
		if (!icmp_limit_restore(l->st->ip, &b))
			return save_bad(&l->in, "icmp_dst", "is out of range");
	}
	return icmp_limit_all_ok(l->st->ip) ||
	       save_bad(&l->in, "icmp_all", "is out of range");
}

static bool layer_load(struct load *l)
{
	const struct nst_env *env = l->in.env;
	struct ip_layer *ip = l->st->ip;
	Cordon__IpLayer *m = save_parse(&l->in, &cordon__ip_layer__descriptor);

	if (!m || !save_restore(&l->in, &save_ip_layer, m, ip))
		return false;
	if (l->how->clone)
		env->random(env->ctx, ip->ids, sizeof(ip->ids));
	return get_addrs(l, m) && get_routes(l, m) && get_pmtus(l, m) &&
	       get_limits(l, m);
}

bool ip_load(struct load *l)
{
	switch (l->in.type) {
	case NST_SAVE_NIC:
		return nic_load(l);
	case NST_SAVE_IP:
		return layer_load(l);
	case NST_SAVE_NEIGH:
		return neigh_load(l);
	case NST_SAVE_REASM:
		return reasm_load(l);
	default:
		return group_load(l);
	}
}

bool ip_link(struct load *l)
{
	if (ifaddr_restore_groups(l->st->ip))
		return true;
	return save_bad(&l->in, "addrs", "has one without its group");
}

void ip_arm(struct load *l)
{
	neighs_arm(l->st->ip);
	reasms_arm(l->st->ip);
	groups_arm(l->st->ip);
}

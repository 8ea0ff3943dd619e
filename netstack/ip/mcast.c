/* SPDX-License-Identifier: Apache-2.0 */
#include "netstack/ip/mcast.h"
#include "netstack/ip/nic.h"

#define UNSOLICITED_MAX (10 * NST_SEC) /* RFC 2236 8.10, RFC 2710 7.10 */

/* 224.0.0.1, ff01::1 and ff02::1: every host is a member. */
static bool all_hosts(const struct nst_addr *g)
{
	static const uint8_t tail[13] = {[12] = 1};

	if (g->family == 4)
		return wire_get32(g->b) == 0xe0000001u;
	return (g->b[1] == 1 || g->b[1] == 2) && g->b[2] == 0 &&
	       !memcmp(g->b + 3, tail, sizeof(tail));
}

/* Are memberships of it reported on that interface? (RFC 2710 4, last.) */
static bool reported(const struct nic *nic, const struct nst_addr *g)
{
	if (nic->cfg.kind != NST_LINK_ETHER || all_hosts(g))
		return false;
	return g->family == 4 || (g->b[1] & 15) >= 2;
}

static struct mcast_group *group_find(const struct ip_layer *ip,
				      const struct nst_addr *g,
				      uint32_t ifindex)
{
	struct mcast_group *m = ip->groups;

	while (m && (m->ifindex != ifindex || !addr_same(&m->addr, g)))
		m = m->next;
	return m;
}

bool mcast_member(const struct ip_layer *ip, const struct nst_addr *group,
		  uint32_t ifindex)
{
	return all_hosts(group) || group_find(ip, group, ifindex);
}

static nst_time random_delay(struct ip_layer *ip, nst_time max)
{
	uint64_t r = nst_random32(ip->st->env);

	return (nst_time)((r * ((uint64_t)max / 1000)) >> 32) * 1000;
}

static void report(struct mcast_group *m)
{
	m->last_reporter = true;
	mcast_send(m->ip, nic_find(m->ip, m->ifindex), &m->addr, MCAST_REPORT);
}

static nst_time report_at(const struct mcast_group *m)
{
	return m->asked + m->delay;
}

void mcast_arm(struct mcast_group *m)
{
	if (m->waits)
		wheel_arm(m->ip->st->wheel, &m->timer, report_at(m));
	else
		wheel_stop(m->ip->st->wheel, &m->timer);
}

static void report_later(struct mcast_group *m, nst_time delay)
{
	m->waits = true;
	m->asked = m->ip->st->now;
	m->delay = delay;
	mcast_arm(m);
}

static void group_timer(struct wheel_timer *t, nst_time now)
{
	struct mcast_group *m = container_of(t, struct mcast_group, timer);

	(void)now;
	m->waits = false;
	report(m);
}

static enum nst_err group_new(struct ip_layer *ip, const struct nst_addr *g,
			      struct nic *nic)
{
	struct nst_stack *st = ip->st;
	struct mcast_group *m;

	if (ip->ngroups >= LIMIT_GROUPS) {
		st->count.McastGroupLimit++;
		return NST_E_NOBUFS;
	}
	m = nst_alloc(st->env, sizeof(*m));
	if (!m)
		return NST_E_NOMEM;
	m->ip = ip;
	m->addr = *g;
	m->ifindex = nic->ifindex;
	m->refs = 1;
	m->timer.fn = group_timer;
	m->timer.turn = (uint32_t)ip_hash(ip, g, nic->ifindex);
	m->next = ip->groups;
	ip->groups = m;
	ip->ngroups++;
	if (!reported(nic, g))
		return NST_OK;
	/* RFC 2236 3: at once, and again in case it was lost. */
	report(m);
	report_later(m, random_delay(ip, UNSOLICITED_MAX));
	return NST_OK;
}

static void group_free(struct ip_layer *ip, struct mcast_group *m)
{
	struct mcast_group **at = &ip->groups;

	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
	wheel_stop(ip->st->wheel, &m->timer);
	ip->ngroups--;
	nst_release(ip->st->env, m, sizeof(*m));
}

/* The interface meant by ifindex 0. */
static uint32_t by_route(struct nst_stack *st, const struct nst_addr *group)
{
	struct ip_path path;
	enum nst_err err = ip_path_find(st, group, NULL, 0, true, &path);

	/* The interface is known even when it has no address yet. */
	if (err && err != NST_E_ADDRNOTAVAIL)
		return 0;
	return path.ifindex;
}

enum nst_err ip_mcast_join(struct nst_stack *st, const struct nst_addr *group,
			   uint32_t ifindex)
{
	struct mcast_group *m;
	struct nic *nic;

	if ((group->family != 4 && group->family != 6) || !addr_is_mcast(group))
		return NST_E_INVAL;
	if (!ifindex)
		ifindex = by_route(st, group);
	nic = nic_find(st->ip, ifindex);
	if (!nic)
		return NST_E_NODEV;
	m = group_find(st->ip, group, ifindex);
	if (!m)
		return group_new(st->ip, group, nic);
	m->refs++;
	return NST_OK;
}

void ip_mcast_leave(struct nst_stack *st, const struct nst_addr *group,
		    uint32_t ifindex)
{
	struct ip_layer *ip = st->ip;
	struct mcast_group *m;
	struct nic *nic;

	if (!ifindex)
		ifindex = by_route(st, group);
	m = group_find(ip, group, ifindex);
	if (!m || --m->refs)
		return;
	nic = nic_find(ip, ifindex);
	/* RFC 2236 3: unnecessary when another member reported last. */
	if (reported(nic, group) && m->last_reporter)
		mcast_send(ip, nic, group, MCAST_LEAVE);
	group_free(ip, m);
}

void mcast_query(struct ip_layer *ip, uint32_t ifindex,
		 const struct nst_addr *group, nst_time max_delay)
{
	const struct nic *nic = nic_find(ip, ifindex);
	nst_time now = ip->st->now;

	for (struct mcast_group *m = ip->groups; m; m = m->next) {
		nst_time delay;

		if (m->ifindex != ifindex || !reported(nic, &m->addr) ||
		    m->addr.family != group->family)
			continue;
		if (!addr_is_any(group) && !addr_same(group, &m->addr))
			continue;
		delay = random_delay(ip, max_delay);
		if (!m->waits || now + delay < report_at(m))
			report_later(m, delay);
	}
}

void mcast_other_report(struct ip_layer *ip, uint32_t ifindex,
			const struct nst_addr *group)
{
	struct mcast_group *m = group_find(ip, group, ifindex);

	if (!m)
		return;
	m->last_reporter = false;
	m->waits = false;
	mcast_arm(m);
}

bool ip_mcast_restore(struct nst_stack *st, const struct nst_addr *group,
		      uint32_t ifindex)
{
	struct mcast_group *m = group_find(st->ip, group, ifindex);

	if (m)
		m->refs++;
	return m != NULL;
}

/* Could that be a group of ours? */
static bool saved_ok(struct ip_layer *ip, const struct mcast_group *g)
{
	const struct nic *nic = nic_find(ip, g->ifindex);

	if (!nic || !addr_is_mcast(&g->addr) || ip->ngroups >= LIMIT_GROUPS ||
	    group_find(ip, &g->addr, g->ifindex))
		return false;
	if (!g->waits)
		return true;
	return reported(nic, &g->addr) && saved_time_ok(ip, g->asked) &&
	       g->delay >= 0 && g->delay <= MCAST_DELAY_MAX;
}

bool mcast_restore(struct ip_layer *ip, const struct mcast_group *saved,
		   enum nst_err *err)
{
	struct mcast_group *m = NULL, **at = &ip->groups;

	*err = NST_E_INVAL;
	if (!saved_ok(ip, saved))
		return false;
	*err = NST_E_NOMEM;
	m = nst_alloc(ip->st->env, sizeof(*m));
	if (!m)
		return false;
	*m = *saved;
	m->next = NULL;
	m->ip = ip;
	m->refs = 0;
	m->timer = (struct wheel_timer){.fn = group_timer};
	while (*at)
		at = &(*at)->next;
	*at = m;
	ip->ngroups++;
	*err = NST_OK;
	return true;
}

bool mcast_check(const struct ip_layer *ip)
{
	size_t n = 0;

	for (const struct mcast_group *m = ip->groups; m; m = m->next, n++)
		if (!m->refs || m->waits != wheel_armed(&m->timer))
			return false;
	return n == ip->ngroups && n <= LIMIT_GROUPS;
}

void mcast_fini(struct ip_layer *ip)
{
	while (ip->groups)
		group_free(ip, ip->groups);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Group membership of a socket; the host's is counted below (ip_mcast_*). */
#include "netstack/dgram/dgram_priv.h"

/* The interface of a group: as asked, or where the group's route leads. */
static uint32_t group_if(struct nst_dgram *d, const struct nst_addr *group,
			 uint32_t ifindex)
{
	struct ip_path path;

	if (ifindex)
		return ifindex;
	if (ip_path_find(d->s.st, group, NULL, d->s.opt.bound_if, false, &path))
		return 0;
	return path.ifindex;
}

static struct dgram_member *find(struct nst_dgram *d,
				 const struct nst_addr *group, uint32_t ifindex)
{
	for (uint32_t i = 0; i < d->nmembers; i++)
		if (addr_same(&d->members[i].group, group) &&
		    (!ifindex || d->members[i].ifindex == ifindex))
			return &d->members[i];
	return NULL;
}

/* Room for one more. */
static enum nst_err make_room(struct nst_dgram *d)
{
	const struct nst_env *env = d->s.st->env;

	if (!d->members)
		d->members =
		    nst_alloc(env, LIMIT_MEMBERSHIPS * sizeof(*d->members));
	if (!d->members)
		return NST_E_NOMEM;
	return d->nmembers == LIMIT_MEMBERSHIPS ? NST_E_NOBUFS : NST_OK;
}

static enum nst_err join(struct nst_dgram *d, const struct nst_addr *group,
			 uint32_t ifindex)
{
	enum nst_err e;

	if (find(d, group, ifindex))
		return NST_E_EXIST;
	e = make_room(d);
	if (!e)
		e = ip_mcast_join(d->s.st, group, ifindex);
	if (!e)
		d->members[d->nmembers++] =
		    (struct dgram_member){*group, ifindex};
	return e;
}

enum nst_err nst_dgram_join(struct nst_dgram *d, const struct nst_addr *group,
			    uint32_t ifindex, nst_time now)
{
	enum nst_err e = NST_E_NODEV;

	if (!addr_is_mcast(group))
		return NST_E_INVAL;
	if (d->s.family == 4 && group->family != 4)
		return NST_E_AFNOSUPPORT;
	stack_enter(d->s.st, now);
	ifindex = group_if(d, group, ifindex);
	if (ifindex)
		e = join(d, group, ifindex);
	stack_leave(d->s.st);
	return e;
}

enum nst_err nst_dgram_leave(struct nst_dgram *d, const struct nst_addr *group,
			     uint32_t ifindex, nst_time now)
{
	struct dgram_member *m;

	if (!addr_is_mcast(group))
		return NST_E_INVAL;
	m = find(d, group, ifindex);
	if (!m)
		return NST_E_ADDRNOTAVAIL;
	stack_enter(d->s.st, now);
	ip_mcast_leave(d->s.st, &m->group, m->ifindex);
	*m = d->members[--d->nmembers];
	stack_leave(d->s.st);
	return NST_OK;
}

void dgram_leave_all(struct nst_dgram *d)
{
	for (uint32_t i = 0; i < d->nmembers; i++)
		ip_mcast_leave(d->s.st, &d->members[i].group,
			       d->members[i].ifindex);
	d->nmembers = 0;
	nst_release(d->s.st->env, d->members,
		    LIMIT_MEMBERSHIPS * sizeof(*d->members));
	d->members = NULL;
}

enum nst_err dgram_restore_member(struct nst_dgram *d,
				  const struct dgram_member *m)
{
	enum nst_err e;

	if (!addr_is_mcast(&m->group) || !m->ifindex ||
	    find(d, &m->group, m->ifindex))
		return NST_E_INVAL;
	e = make_room(d);
	if (!e)
		d->members[d->nmembers++] = *m;
	return e;
}

bool dgram_restore_groups(struct nst_dgram *d)
{
	for (uint32_t i = 0; i < d->nmembers; i++)
		if (!ip_mcast_restore(d->s.st, &d->members[i].group,
				      d->members[i].ifindex))
			return false;
	return true;
}

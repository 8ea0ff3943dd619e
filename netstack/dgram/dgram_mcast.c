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
			 uint32_t ifindex, bool include)
{
	enum nst_err e;

	if (find(d, group, ifindex))
		return NST_E_EXIST;
	e = make_room(d);
	if (!e)
		e = ip_mcast_join(d->s.st, group, ifindex);
	if (e)
		return e;
	d->members[d->nmembers] =
	    (struct dgram_member){.group = *group, .ifindex = ifindex};
	dgram_filter_include(d, &d->members[d->nmembers++], include);
	return NST_OK;
}

static void leave(struct nst_dgram *d, struct dgram_member *m)
{
	ip_mcast_leave(d->s.st, &m->group, m->ifindex);
	dgram_filter_free(d, m);
	*m = d->members[--d->nmembers];
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
		e = join(d, group, ifindex, false);
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
	leave(d, m);
	stack_leave(d->s.st);
	return NST_OK;
}

/* ---- sources ---- */

static enum nst_err change_list(struct nst_dgram *d, struct dgram_member *m,
				const struct nst_mc_source *q)
{
	enum nst_err e;

	/* LINUX: the kind may change as long as nothing was listed */
	if (m->include != q->include && m->listed)
		return NST_E_INVAL;
	dgram_filter_include(d, m, q->include);
	if (q->add)
		return dgram_filter_add(d, m, &q->source);
	e = dgram_filter_drop(d, m, &q->source);
	if (!e && m->include && !m->nsources)
		leave(d, m);
	return e;
}

static enum nst_err change_source(struct nst_dgram *d,
				  const struct nst_mc_source *q)
{
	uint32_t ifindex = group_if(d, &q->group, q->ifindex);
	struct dgram_member *m;
	enum nst_err e;

	if (!ifindex)
		return NST_E_NODEV;
	if (q->include && q->add) {
		e = join(d, &q->group, ifindex, true);
		if (e && e != NST_E_EXIST)
			return e;
	}
	m = find(d, &q->group, ifindex);
	return m ? change_list(d, m, q) : NST_E_INVAL;
}

enum nst_err nst_dgram_source(struct nst_dgram *d,
			      const struct nst_mc_source *q, nst_time now)
{
	enum nst_err e;

	if (!addr_is_mcast(&q->group))
		return NST_E_INVAL;
	if (q->group.family != q->source.family)
		return NST_E_ADDRNOTAVAIL;
	if (d->s.family == 4 && q->group.family != 4)
		return NST_E_AFNOSUPPORT;
	stack_enter(d->s.st, now);
	e = change_source(d, q);
	stack_leave(d->s.st);
	return e;
}

/* ---- all of them ---- */

void dgram_members_free(struct nst_dgram *d)
{
	for (uint32_t i = 0; i < d->nmembers; i++)
		dgram_filter_free(d, &d->members[i]);
	d->nmembers = 0;
	nst_release(d->s.st->env, d->members,
		    LIMIT_MEMBERSHIPS * sizeof(*d->members));
	d->members = NULL;
}

void dgram_leave_all(struct nst_dgram *d)
{
	for (uint32_t i = 0; i < d->nmembers; i++)
		ip_mcast_leave(d->s.st, &d->members[i].group,
			       d->members[i].ifindex);
	dgram_members_free(d);
}

enum nst_err dgram_restore_member(struct nst_dgram *d,
				  const struct dgram_member *m,
				  const void *source, size_t bytes)
{
	enum nst_err e;

	if (!addr_is_mcast(&m->group) || !m->ifindex ||
	    find(d, &m->group, m->ifindex))
		return NST_E_INVAL;
	e = make_room(d);
	if (e)
		return e;
	d->members[d->nmembers] = *m;
	e = dgram_filter_restore(d, &d->members[d->nmembers], source, bytes);
	if (!e)
		d->nmembers++;
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

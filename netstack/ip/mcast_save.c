/* SPDX-License-Identifier: Apache-2.0 */
/* Saving multicast groups. Who is a member is saved with the members. */
#include "netstack/ip/ip.fields.h"
#include "netstack/ip/ip_save_priv.h"
#include "netstack/ip/mcast.h"

void groups_save(const struct ip_layer *ip, struct save_out *o)
{
	for (const struct mcast_group *g = ip->groups; g; g = g->next)
		save_record(o, NST_SAVE_GROUP,
			    save_object(o, &save_mcast_group, g));
}

bool group_load(struct load *l)
{
	Cordon__McastGroup *m =
	    save_parse(&l->in, &cordon__mcast_group__descriptor);
	struct mcast_group saved = {0};
	enum nst_err err;

	if (!m || !save_restore(&l->in, &save_mcast_group, m, &saved))
		return false;
	if (mcast_restore(l->st->ip, &saved, &err))
		return true;
	return save_fail(&l->in, err,
			 err == NST_E_NOMEM ? "no memory"
					    : "the group is none that can be");
}

void groups_arm(struct ip_layer *ip)
{
	for (struct mcast_group *g = ip->groups; g; g = g->next)
		mcast_arm(g);
}

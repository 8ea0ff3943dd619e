/* SPDX-License-Identifier: Apache-2.0 */
/* Saving interfaces. Who carries them from now on is the embedder's to say. */
#include "netstack/ip/ip.fields.h"
#include "netstack/ip/ip_save_priv.h"
#include "netstack/ip/nic.h"

void nics_save(const struct ip_layer *ip, struct save_out *o)
{
	for (uint32_t i = 0; i < ip->nnics; i++)
		save_record(o, NST_SAVE_NIC,
			    save_object(o, &save_nic, &ip->nics[i]));
}

static bool lo_load(struct load *l, const struct nic *saved)
{
	struct nic *lo = nic_lo(l->st->ip);
	struct nic was = *lo;

	*lo = *saved;
	lo->cfg = was.cfg;
	lo->cfg.mtu = saved->cfg.mtu;
	if (saved->cfg.kind == NST_LINK_LOOPBACK &&
	    nic_mtu_ok(NIC_LO, lo->cfg.mtu))
		return true;
	*lo = was;
	return save_bad(&l->in, "nic", "is no loopback");
}

/* The embedder's choice is looked at as that of a new interface is. */
static bool attach(struct load *l, struct nic *nic)
{
	const struct nst_load *how = l->how;
	enum nst_link_kind kind = nic->cfg.kind;
	enum nst_err err;

	if (!how->nic || !how->nic(how->ctx, &nic->cfg))
		return save_fail(&l->in, NST_E_NODEV,
				 "nothing carries an interface of that name");
	err = nic_cfg_ok(l->st->ip, &nic->cfg);
	if (err || nic->cfg.kind != kind)
		return save_bad(&l->in, "nic", "is none that can be");
	return true;
}

bool nic_load(struct load *l)
{
	Cordon__Nic *m = save_parse(&l->in, &cordon__nic__descriptor);
	struct ip_layer *ip = l->st->ip;
	struct nic nic = {0};

	if (!m || !save_restore(&l->in, &save_nic, m, &nic))
		return false;
	if (nic.ifindex == NIC_LO)
		return lo_load(l, &nic);
	if (nic.ifindex != ip->nnics + 1 || ip->nnics == LIMIT_NICS)
		return save_bad(&l->in, "ifindex", "is not the next");
	if (!attach(l, &nic))
		return false;
	ip->nics[ip->nnics++] = nic;
	return true;
}

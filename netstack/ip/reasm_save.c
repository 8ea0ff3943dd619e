/* SPDX-License-Identifier: Apache-2.0 */
/* Saving datagrams whose fragments have not all come. */
#include "netstack/ip/ip.fields.h"
#include "netstack/ip/ip_save_priv.h"
#include "netstack/ip/reasm_priv.h"

static void *piece_save(const struct piece *p, struct save_out *o)
{
	Cordon__ReasmPiece *m =
	    save_message(o, &cordon__reasm_piece__descriptor);

	if (!m)
		return NULL;
	m->off = p->off;
	m->data = save_borrow(p->data, p->end - p->off);
	return m;
}

static void reasm_save(const struct reasm *r, struct save_out *o)
{
	Cordon__Reasm *m = save_object(o, &save_reasm, r);

	if (!m)
		return;
	m->header = save_borrow(r->hdr, r->hdr_bytes);
	m->pieces = save_memory(o, (r->npieces + 1) * sizeof(*m->pieces));
	for (const struct piece *p = r->pieces; m->pieces && p; p = p->next)
		m->pieces[m->n_pieces++] = piece_save(p, o);
	save_record(o, NST_SAVE_REASM, m);
}

void reasms_save(const struct ip_layer *ip, struct save_out *o)
{
	for (size_t b = 0; b < REASM_BUCKETS; b++)
		for (const struct reasm *r = ip->reasm[b]; r; r = r->next)
			reasm_save(r, o);
}

/* ---- loading ---- */

static bool get_pieces(struct load *l, struct reasm *r, const Cordon__Reasm *m)
{
	if (m->n_pieces > LIMIT_REASM_FRAGS)
		return save_bad(&l->in, "pieces", "are too many");
	for (size_t i = 0; i < m->n_pieces; i++) {
		const Cordon__ReasmPiece *p = m->pieces[i];

		if (p->off > IP_MAX_BYTES || !p->data.len ||
		    p->data.len > IP_MAX_BYTES)
			return save_bad(&l->in, "pieces", "are too long");
		if (!reasm_restore_piece(r, p->off, p->data.data,
					 (uint32_t)p->data.len))
			return save_fail(&l->in, NST_E_NOMEM, "no memory");
	}
	return true;
}

static bool get_header(struct load *l, struct reasm *r, const Cordon__Reasm *m)
{
	if (!m->header.len)
		return true;
	if (m->header.len > IP_MAX_BYTES)
		return save_bad(&l->in, "header", "is too long");
	if (reasm_restore_hdr(r, m->header.data, (uint32_t)m->header.len))
		return true;
	return save_fail(&l->in, NST_E_NOMEM, "no memory");
}

bool reasm_load(struct load *l)
{
	Cordon__Reasm *m = save_parse(&l->in, &cordon__reasm__descriptor);
	struct ip_layer *ip = l->st->ip;
	struct reasm saved = {.ip = ip}, *r;
	enum nst_err err;

	if (!m || !save_restore(&l->in, &save_reasm, m, &saved))
		return false;
	if (!saved.src.family || saved.src.family != saved.dst.family ||
	    !nic_find(ip, saved.ifindex))
		return save_bad(&l->in, "datagram", "is of nobody");
	r = reasm_restore(ip, &saved, &err);
	if (!r)
		return save_fail(&l->in, err,
				 err == NST_E_NOMEM ? "no memory"
						    : "one datagram too many");
	if (!get_header(l, r, m) || !get_pieces(l, r, m))
		return false;
	return reasm_facts_ok(r) ||
	       save_bad(&l->in, "datagram", "cannot have come so");
}

void reasms_arm(struct ip_layer *ip)
{
	for (size_t b = 0; b < REASM_BUCKETS; b++)
		for (struct reasm *r = ip->reasm[b]; r; r = r->next)
			reasm_arm(r);
}

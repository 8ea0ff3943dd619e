/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saving datagram endpoints, the oldest first: so lists in which the newest is
 * first come out as they were.
 */
#include "netstack/base/base.fields.h"
#include "netstack/base/container.h"
#include "netstack/dgram/dgram.fields.h"
#include "netstack/dgram/dgram_priv.h"
#include "netstack/save/load.h"

/* ---- saving ---- */

static Cordon__DgramMember *member_save(struct save_out *o,
					const struct dgram_member *member)
{
	Cordon__DgramMember *m = save_object(o, &save_dgram_member, member);

	if (m)
		m->source = save_borrow(
		    member->source, member->nsources * sizeof(*member->source));
	return m;
}

static void put_members(const struct nst_dgram *d, struct save_out *o,
			Cordon__NstDgram *m)
{
	m->members = save_memory(o, (d->nmembers + 1) * sizeof(*m->members));
	for (uint32_t i = 0; m->members && i < d->nmembers; i++)
		m->members[i] = member_save(o, &d->members[i]);
	m->n_members = d->nmembers;
}

static void put_cork(const struct nst_dgram *d, struct save_out *o,
		     Cordon__NstDgram *m)
{
	if (!d->cork)
		return;
	m->cork = save_object(o, &save_dgram_cork, d->cork);
	if (m->cork)
		m->cork->data = save_borrow(d->cork->data, d->cork->bytes);
}

static void rx_save(const struct nst_dgram *d, struct save_out *o)
{
	for (const struct dgram_rx *rx = d->rx_head; rx; rx = rx->next) {
		Cordon__DgramRx *m = save_object(o, &save_dgram_rx, rx);

		if (!m)
			return;
		m->owner = d->s.id;
		m->data = save_borrow(rx->bytes, rx->in.bytes);
		save_record(o, NST_SAVE_DGRAM_RX, m);
	}
}

static void errors_save(const struct nst_dgram *d, struct save_out *o)
{
	for (const struct dgram_ee *ee = d->ee_head; ee; ee = ee->next) {
		Cordon__DgramEe *m = save_object(o, &save_dgram_ee, ee);

		if (!m)
			return;
		m->owner = d->s.id;
		m->data = save_borrow(ee->bytes, ee->err.bytes);
		save_record(o, NST_SAVE_DGRAM_ERR, m);
	}
}

static void endpoint_save(const struct nst_dgram *d, struct save_out *o)
{
	Cordon__NstDgram *m = save_object(o, &save_nst_dgram, d);

	if (!m)
		return;
	m->s = sock_save(o, &d->s);
	put_members(d, o, m);
	put_cork(d, o, m);
	save_record(o, NST_SAVE_DGRAM, m);
	rx_save(d, o);
	errors_save(d, o);
}

/* The list has the newest first; it is walked backwards. */
void dgram_save(const struct nst_stack *st, struct save_out *o)
{
	const struct nst_sock *s = st->dgrams;

	while (s && s->next)
		s = s->next;
	while (s) {
		endpoint_save((const struct nst_dgram *)s, o);
		s = s->pprev == &st->dgrams
			? NULL
			: container_of(s->pprev, struct nst_sock, next);
	}
}

/* ---- loading ---- */

static bool is_dgram_kind(uint32_t kind)
{
	return kind == SOCK_K_UDP || kind == SOCK_K_PING || kind == SOCK_K_RAW;
}

static enum nst_dgram_kind public_kind(uint32_t kind)
{
	if (kind == SOCK_K_UDP)
		return NST_DGRAM_UDP;
	return kind == SOCK_K_PING ? NST_DGRAM_PING : NST_DGRAM_RAW;
}

static bool get_members(struct load *l, struct nst_dgram *d,
			const Cordon__NstDgram *m)
{
	enum nst_err e;

	for (size_t i = 0; i < m->n_members; i++) {
		const ProtobufCBinaryData *list = &m->members[i]->source;
		struct dgram_member member = {0};

		if (!save_restore(&l->in, &save_dgram_member, m->members[i],
				  &member))
			return false;
		e = dgram_restore_member(d, &member, list->data, list->len);
		if (e == NST_E_NOMEM)
			return save_fail(&l->in, e, "no memory");
		if (e)
			return save_bad(&l->in, "members", "cannot be");
	}
	return true;
}

/* The rest of a send's choices is looked at when it is sent. */
static bool cork_ok(const struct nst_dgram *d)
{
	const struct dgram_cork *c = d->cork;
	uint8_t family = c->to.addr.family;

	return d->s.kind == SOCK_K_UDP && c->to.port && family &&
	       (family == d->s.family || d->s.family == 6);
}

static bool get_cork(struct load *l, struct nst_dgram *d,
		     const Cordon__DgramCork *m)
{
	if (!m)
		return true;
	if (m->data.len > DGRAM_MAX_BYTES - UDP_HEADER)
		return save_bad(&l->in, "cork", "has too much");
	d->cork = nst_alloc(l->in.env, sizeof(*d->cork));
	if (!d->cork)
		return save_fail(&l->in, NST_E_NOMEM, "no memory");
	if (!save_restore(&l->in, &save_dgram_cork, m, d->cork))
		return false;
	if (m->data.len)
		memcpy(d->cork->data, m->data.data, m->data.len);
	d->cork->bytes = (uint32_t)m->data.len;
	return cork_ok(d) || save_bad(&l->in, "cork", "goes nowhere");
}

static bool endpoint_load(struct load *l)
{
	Cordon__NstDgram *m =
	    save_parse(&l->in, &cordon__nst_dgram__descriptor);
	struct nst_dgram *d;

	if (!m)
		return false;
	if (!m->s || !is_dgram_kind(m->s->kind) ||
	    (m->s->family != 4 && m->s->family != 6) || m->s->proto > UINT8_MAX)
		return save_bad(&l->in, "sock", "is of no such kind");
	if (nst_dgram_new(l->st, public_kind(m->s->kind), (uint8_t)m->s->family,
			  (uint8_t)m->s->proto, NULL, &d))
		return save_fail(&l->in, NST_E_NOMEM, "no memory");
	return sock_load(l, m->s, &d->s) &&
	       save_restore(&l->in, &save_nst_dgram, m, d) &&
	       get_members(l, d, m) && get_cork(l, d, m->cork);
}

/* Whose queue that is; NULL: nobody's (refused). */
static struct nst_dgram *owner(struct load *l, uint64_t id)
{
	struct nst_sock *s = load_id_find(l, id);

	if (s && s->kind != SOCK_K_TCP)
		return dgram_of(s);
	(void)save_bad(&l->in, "owner", "is not there");
	return NULL;
}

static bool queued(struct load *l, enum nst_err e)
{
	if (e == NST_E_NOMEM)
		return save_fail(&l->in, e, "no memory");
	return !e || save_bad(&l->in, "queue", "has too much");
}

static bool rx_load(struct load *l)
{
	Cordon__DgramRx *m = save_parse(&l->in, &cordon__dgram_rx__descriptor);
	struct nst_dgram *d = m ? owner(l, m->owner) : NULL;
	struct nst_dgram_in in = {0};

	if (!d || !save_restore(&l->in, &save_nst_dgram_in, m->in, &in))
		return false;
	if (m->data.len > NST_SAVE_PKT_MAX)
		return save_bad(&l->in, "data", "is too long");
	return queued(
	    l, dgram_restore_rx(d, &in, m->data.data, (uint32_t)m->data.len));
}

static bool error_load(struct load *l)
{
	Cordon__DgramEe *m = save_parse(&l->in, &cordon__dgram_ee__descriptor);
	struct nst_dgram *d = m ? owner(l, m->owner) : NULL;
	struct nst_dgram_err err = {0};

	if (!d || !save_restore(&l->in, &save_nst_dgram_err, m->err, &err))
		return false;
	if (!err.err || err.err >= NST_E_COUNT)
		return save_bad(&l->in, "err", "is none");
	if (m->data.len > NST_SAVE_PKT_MAX)
		return save_bad(&l->in, "data", "is too long");
	return queued(
	    l, dgram_restore_err(d, &err, m->data.data, (uint32_t)m->data.len));
}

bool dgram_load(struct load *l)
{
	switch (l->in.type) {
	case NST_SAVE_DGRAM:
		return endpoint_load(l);
	case NST_SAVE_DGRAM_RX:
		return rx_load(l);
	default:
		return error_load(l);
	}
}

bool dgram_link(struct load *l)
{
	for (struct nst_sock *s = l->st->dgrams; s; s = s->next)
		if (!dgram_restore_groups(dgram_of(s)))
			return save_bad(&l->in, "members",
					"are not the host's");
	return true;
}

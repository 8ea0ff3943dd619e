/* SPDX-License-Identifier: Apache-2.0 */
#include "netstack/netem/netem_save.h"
#include "netstack/netem/netem.fields.h"
#include "netstack/netem/netem_priv.h"
#include "netstack/save/load.h"

/* Times of an image stay where sums of them cannot overflow. */
#define TIME_FAR (INT64_MAX / 4)
#define RATE_MIN 1000 /* as netem_parse has it, like the next two */
#define BYTES_MAX (1u << 30)
#define FLIPS_MAX 1000
#define ETH_BYTES 14
#define JITTER_FAR (6 * 65536)

/* ---- saving ---- */

static void put_queue(const struct netem_queue *q, struct save_out *o,
		      Cordon__Netem *m)
{
	Cordon__NetemQueue *to = m->queue;

	if (!to)
		to = save_message(o, &cordon__netem_queue__descriptor);
	if (!to)
		return;
	to->leaves = save_memory(o, (q->n + 1) * sizeof(*to->leaves));
	to->leave_bytes = save_memory(o, (q->n + 1) * sizeof(*to->leave_bytes));
	if (!to->leaves || !to->leave_bytes)
		return;
	for (uint32_t i = 0; i < q->n; i++) {
		const struct netem_leave *v = &q->v[(q->head + i) % q->cap];

		to->leaves[i] = v->at;
		to->leave_bytes[i] = v->bytes;
	}
	to->n_leaves = to->n_leave_bytes = q->n;
	m->queue = to;
}

static void flight_save(const struct netem_flight *f, struct save_out *o)
{
	Cordon__NetemFlight *m = save_object(o, &save_netem_flight, f);

	if (!m)
		return;
	m->pkt = pkt_save(o, f->pkt);
	save_record(o, NST_SAVE_NETEM_FLIGHT, m);
}

static void held_save(const struct netem_held *h, struct save_out *o)
{
	Cordon__NetemHeld *m = save_object(o, &save_netem_held, h);

	if (!m)
		return;
	m->pkt = pkt_save(o, h->pkt);
	save_record(o, NST_SAVE_NETEM_HELD, m);
}

static void all_save(const struct netem *nm, struct save_out *o)
{
	Cordon__Netem *m = save_object(o, &save_netem, nm);

	if (!m)
		return;
	put_queue(&nm->queue, o, m);
	m->flights = nm->line.n;
	m->helds = nm->nheld;
	save_record(o, NST_SAVE_NETEM, m);
	for (uint32_t i = 0; i < nm->line.n; i++)
		flight_save(&nm->line.v[i], o);
	for (uint32_t i = 0; i < nm->nheld; i++)
		held_save(&nm->held[i], o);
}

enum nst_err netem_save(const struct netem *nm,
			const struct nst_save_sink *sink)
{
	struct save_out o;
	bool failed;

	save_out_init(&o, nm->env, sink);
	all_save(nm, &o);
	failed = o.failed;
	save_out_fini(&o);
	return failed ? NST_E_NOMEM : NST_OK;
}

/* ---- loading ---- */

static bool near(nst_time t)
{
	return t >= -TIME_FAR && t <= TIME_FAR;
}

/* What netem_set() leaves to whoever reads settings. */
static bool conf_near(const struct netem_conf *c)
{
	return (!c->rate_bits || c->rate_bits >= RATE_MIN) &&
	       c->overhead <= BYTES_MAX && c->bucket <= BYTES_MAX &&
	       c->flips <= FLIPS_MAX;
}

static bool state_ok(const struct netem *nm)
{
	if (nm->l2_bytes && nm->l2_bytes != ETH_BYTES)
		return false;
	if (nm->jitter_before < -JITTER_FAR || nm->jitter_before > JITTER_FAR)
		return false;
	return nm->now >= 0 && near(nm->now) && near(nm->start) &&
	       near(nm->last_at) && near(nm->slot_at) && near(nm->queue.tat) &&
	       conf_near(&nm->conf);
}

/* Whoever comes next leaves no sooner than the last. */
static bool last_ok(const struct netem *nm, const Cordon__NetemQueue *m)
{
	nst_time last = m->n_leaves ? m->leaves[m->n_leaves - 1] : 0;

	return last <= nm->now || last <= nm->queue.tat;
}

static bool get_queue(struct save_in *in, struct netem *nm,
		      const Cordon__NetemQueue *m)
{
	if (!m)
		return true;
	if (m->n_leaves != m->n_leave_bytes || m->n_leaves > NETEM_QUEUE_PKTS)
		return save_bad(in, "leaves", "are too many");
	if (!last_ok(nm, m))
		return save_bad(in, "leaves", "are out of order");
	for (size_t i = 0; i < m->n_leaves; i++)
		if (!near(m->leaves[i]))
			return save_bad(in, "leaves", "are out of range");
	if (netem_queue_restore(nm, m->leaves, m->leave_bytes,
				(uint32_t)m->n_leaves))
		return true;
	return save_fail(in, NST_E_NOMEM, "no memory");
}

static bool get_flight(struct save_in *in, struct netem *nm)
{
	Cordon__NetemFlight *m =
	    save_parse(in, &cordon__netem_flight__descriptor);
	struct netem_flight f = {0};

	if (!m || !save_restore(in, &save_netem_flight, m, &f))
		return false;
	if (!m->pkt || !near(f.at) || f.order >= nm->line.order)
		return save_bad(in, "flight", "is out of range");
	if (!pkt_restore(in, m->pkt, &f.pkt))
		return false;
	return netem_line_restore(nm, &f) ||
	       save_fail(in, NST_E_NOMEM, "no room for a packet");
}

static bool get_held(struct save_in *in, struct netem *nm)
{
	Cordon__NetemHeld *m = save_parse(in, &cordon__netem_held__descriptor);
	struct netem_held h = {0};

	if (!m || !save_restore(in, &save_netem_held, m, &h))
		return false;
	if (!m->pkt || !near(h.at) || !h.left)
		return save_bad(in, "held packet", "is out of range");
	if (!pkt_restore(in, m->pkt, &h.pkt))
		return false;
	nm->held[nm->nheld++] = h;
	return true;
}

/* The next record, which must be of that type. */
static bool next_is(struct save_in *in, uint32_t type)
{
	if (!save_next(in))
		return save_fail(in, NST_E_INVAL, "a link is cut short");
	return in->type == type || save_bad(in, "record", "is not a link's");
}

static bool get_packets(struct save_in *in, struct netem *nm, uint32_t flights,
			uint32_t helds)
{
	if (flights > NETEM_LINE_PKTS || helds > NETEM_HELD_PKTS)
		return save_bad(in, "packets", "are too many");
	for (uint32_t i = 0; i < flights; i++)
		if (!next_is(in, NST_SAVE_NETEM_FLIGHT) || !get_flight(in, nm))
			return false;
	for (uint32_t i = 0; i < helds; i++)
		if (!next_is(in, NST_SAVE_NETEM_HELD) || !get_held(in, nm))
			return false;
	return netem_check(nm) ||
	       save_bad(in, "packets", "are in no order that can be");
}

/* Sets all of nm; its packets are the records that follow. */
static bool get_all(struct save_in *in, struct netem *nm)
{
	Cordon__Netem *m = save_parse(in, &cordon__netem__descriptor);
	struct netem_conf conf;
	uint32_t flights, helds;

	if (!m || !save_restore(in, &save_netem, m, nm))
		return false;
	flights = m->flights;
	helds = m->helds;
	conf = nm->conf;
	if (!state_ok(nm) || netem_set(nm, &conf))
		return save_bad(in, "netem", "is out of range");
	return get_queue(in, nm, m->queue) &&
	       get_packets(in, nm, flights, helds);
}

enum nst_err netem_load(const struct nst_env *env, const uint8_t **image,
			const uint8_t *end, struct netem **out, char *why)
{
	static const struct netem_conf none;
	struct netem *nm = NULL;
	struct save_in in;

	*out = NULL;
	save_in_init(&in, env, *image, (size_t)(end - *image), why);
	if (netem_new(env, &none, 0, 0, &nm))
		(void)save_fail(&in, NST_E_NOMEM, "no memory");
	else if (next_is(&in, NST_SAVE_NETEM) && get_all(&in, nm))
		*out = nm;
	if (!*out)
		netem_free(nm);
	*image = in.p;
	save_in_fini(&in);
	return in.err;
}

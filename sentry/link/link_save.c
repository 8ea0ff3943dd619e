/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/link/link_save.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/netem/netem_save.h"
#include "netstack/save/load.h"
#include "sentry/link/capture_priv.h"
#include "sentry/link/link.fields.h"
#include "sentry/link/netem_link_priv.h"
#include "sentry/link/pair_priv.h"
#include "sentry/link/tap_priv.h"

/* As long as it may become: tap.c has 1000. */
#define OUT_MAX 4096

/* ---- saving ---- */

static void put_record(struct save_out *o, enum link_record type, const void *m)
{
	save_record(o, (enum nst_save_record)type, m);
}

static Cordon__NetemLink *netem_of(struct save_out *o,
				   const struct netem_link *nl)
{
	Cordon__NetemLink *m;

	if (!nl)
		return NULL;
	m = save_object(o, &save_netem_link, nl);
	if (!m)
		return NULL;
	m->way = save_memory(o, NETEM_WAYS * sizeof *m->way);
	for (int i = 0; m->way && i < NETEM_WAYS; i++)
		m->way[m->n_way++] = nl->way[i] != NULL;
	return m;
}

static int save_ways(const struct netem_link *nl,
		     const struct nst_save_sink *sink)
{
	for (int i = 0; nl && i < NETEM_WAYS; i++)
		if (nl->way[i] && netem_save(nl->way[i], sink))
			return -ENOMEM;
	return 0;
}

static int save_pair_link(const struct pair *p, struct save_out *o)
{
	Cordon__Pair *m = save_object(o, &save_pair, p);

	if (p->end[0].out.head || p->end[1].out.head)
		return -EBUSY;
	if (!m)
		return -ENOMEM;
	m->netem = netem_of(o, p->netem);
	put_record(o, LINK_SAVE_PAIR, m);
	return o->failed ? -ENOMEM : save_ways(p->netem, o->sink);
}

static int save_tap_link(const struct tap *t, struct save_out *o)
{
	Cordon__Tap *m = save_object(o, &save_tap, t);
	const struct nst_pkt *pkt;

	if (!m)
		return -ENOMEM;
	m->netem = netem_of(o, t->netem);
	m->out = save_memory(o, (t->out.count + 1) * sizeof *m->out);
	for (pkt = t->out.head; m->out && pkt; pkt = pkt->next)
		m->out[m->n_out++] = pkt_save(o, pkt);
	put_record(o, LINK_SAVE_TAP, o->failed ? NULL : m);
	return o->failed ? -ENOMEM : save_ways(t->netem, o->sink);
}

static int save_any(const struct sandbox *sb, struct save_out *o)
{
	if (sb->cap)
		put_record(o, LINK_SAVE_CAPTURE,
			   save_object(o, &save_capture, sb->cap));
	if (sb->opt->net == NET_NAT)
		return save_pair_link((const struct pair *)sb->link, o);
	if (sb->opt->net == NET_TAP)
		return save_tap_link((const struct tap *)sb->link, o);
	put_record(o, LINK_SAVE_NONE,
		   save_message(o, &cordon__link__descriptor));
	return 0;
}

int link_save(const struct sandbox *sb, const struct nst_save_sink *sink)
{
	struct save_out o;
	int err;

	save_out_init(&o, &sb->env, sink);
	err = save_any(sb, &o);
	if (!err && o.failed)
		err = -ENOMEM;
	save_out_fini(&o);
	return err;
}

/* ---- loading ---- */

struct link_load {
	struct sandbox *sb;
	struct save_in in;
	/* Which ways' netems follow. */
	struct netem_link *netem;
	bool way[NETEM_WAYS];
};

static bool no_memory(struct link_load *l)
{
	return save_fail(&l->in, NST_E_NOMEM, "no memory");
}

static bool load_netem(struct link_load *l, const Cordon__NetemLink *m,
		       struct netem_sides sides, struct netem_link **out)
{
	const struct options *o = l->sb->opt;

	*out = NULL;
	if (!m != (!o->netem_on[NETEM_OUT] && !o->netem_on[NETEM_IN]))
		return save_bad(&l->in, "netem", "is not as the options say");
	if (!m)
		return true;
	if (m->n_way != NETEM_WAYS)
		return save_bad(&l->in, "netem", "has not two ways");
	l->netem = *out = netem_link_alloc(l->sb, &sides);
	if (!*out)
		return no_memory(l);
	for (int i = 0; i < NETEM_WAYS; i++)
		l->way[i] = m->way[i];
	return save_restore(&l->in, &save_netem_link, m, *out);
}

static bool interface_known(struct link_load *l, int cap_if)
{
	const struct capture *c = l->sb->cap;

	if (!c || (cap_if >= 0 && (uint32_t)cap_if < c->interfaces))
		return true;
	return save_bad(&l->in, "cap_if", "is not in the capture");
}

static bool load_pair(struct link_load *l)
{
	Cordon__Pair *m = save_parse(&l->in, &cordon__pair__descriptor);
	struct pair *p = m ? pair_new(l->sb) : NULL;

	if (!p)
		return m ? no_memory(l) : false;
	l->sb->link = &p->link;
	return save_restore(&l->in, &save_pair, m, p) &&
	       interface_known(l, p->cap_if) &&
	       load_netem(l, m->netem, pair_sides(p), &p->netem);
}

static bool load_out(struct link_load *l, const Cordon__Tap *m, struct tap *t)
{
	if (m->n_out > OUT_MAX)
		return save_bad(&l->in, "out", "is too long");
	for (size_t i = 0; i < m->n_out; i++) {
		struct nst_pkt *pkt;

		if (!pkt_restore(&l->in, m->out[i], &pkt))
			return false;
		pkt_queue_push(&t->out, pkt);
	}
	return true;
}

static bool load_tap(struct link_load *l)
{
	Cordon__Tap *m = save_parse(&l->in, &cordon__tap__descriptor);
	struct tap *t = m ? tap_new(l->sb, -1) : NULL;

	if (!t)
		return m ? no_memory(l) : false;
	l->sb->link = &t->link;
	return save_restore(&l->in, &save_tap, m, t) && load_out(l, m, t) &&
	       interface_known(l, t->cap_if) &&
	       load_netem(l, m->netem, tap_sides(t), &t->netem);
}

static bool load_capture(struct link_load *l)
{
	Cordon__Capture *m = save_parse(&l->in, &cordon__capture__descriptor);
	struct capture *c = m ? capture_alloc() : NULL;

	if (!c)
		return m ? no_memory(l) : false;
	l->sb->cap = c;
	if (!save_restore(&l->in, &save_capture, m, c))
		return false;
	return c->interfaces <= CAPTURE_INTERFACES ||
	       save_bad(&l->in, "capture", "has too many interfaces");
}

static bool load_link(struct link_load *l)
{
	static const enum link_record wanted[] = {
	    [NET_NAT] = LINK_SAVE_PAIR,
	    [NET_TAP] = LINK_SAVE_TAP,
	    [NET_NONE] = LINK_SAVE_NONE,
	};

	if (l->in.type != wanted[l->sb->opt->net])
		return save_bad(&l->in, "link", "is not as the options say");
	switch ((int)l->in.type) {
	case LINK_SAVE_PAIR:
		return load_pair(l);
	case LINK_SAVE_TAP:
		return load_tap(l);
	default:
		return true;
	}
}

static bool load_records(struct link_load *l)
{
	bool ok = save_next(&l->in);

	if (ok && l->sb->opt->pcap_path) {
		if ((int)l->in.type != LINK_SAVE_CAPTURE)
			return save_bad(&l->in, "capture", "is missing");
		ok = load_capture(l) && save_next(&l->in);
	}
	if (!ok)
		return save_bad(&l->in, "link", "is missing");
	return load_link(l);
}

static bool load_ways(struct link_load *l, const uint8_t **image,
		      const uint8_t *end)
{
	for (int i = 0; i < NETEM_WAYS; i++) {
		struct netem *nm;
		enum nst_err e;

		if (!l->way[i])
			continue;
		e = netem_load(&l->sb->env, image, end, &nm, l->in.why);
		if (e) {
			l->in.err = e;
			return false;
		}
		netem_link_set(l->netem, i, nm);
	}
	return true;
}

int link_load(struct sandbox *sb, const uint8_t **image, const uint8_t *end,
	      char *why)
{
	struct link_load l = {.sb = sb};
	enum nst_err e;
	bool ok;

	save_in_init(&l.in, &sb->env, *image, (size_t)(end - *image), why);
	ok = load_records(&l);
	*image = l.in.p;
	if (ok)
		(void)load_ways(&l, image, end);
	e = l.in.err;
	save_in_fini(&l.in);
	if (e == NST_OK)
		return 0;
	return e == NST_E_NOMEM ? -ENOMEM : -EINVAL;
}

int link_start(struct sandbox *sb)
{
	if (sb->opt->net == NET_TAP)
		return tap_resume((struct tap *)sb->link);
	return 0;
}

void link_each_fd(struct sandbox *sb, void (*fn)(void *arg, int *fd), void *arg)
{
	if (sb->opt->net == NET_TAP)
		fn(arg, &((struct tap *)sb->link)->fd);
	if (sb->cap)
		fn(arg, &sb->cap->fd);
}

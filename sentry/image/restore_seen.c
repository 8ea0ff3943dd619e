/* SPDX-License-Identifier: Apache-2.0 */
/* Which sockets an image has, and what else can be restored of it. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/base/base.pb-c.h"
#include "netstack/dgram/dgram.fields.h"
#include "netstack/dgram/dgram.pb-c.h"
#include "netstack/tcp/tcp.pb-c.h"
#include "sentry/core/grow.h"
#include "sentry/gateway/gateway.pb-c.h"
#include "sentry/gateway/gateway_save.h"
#include "sentry/image/restore_priv.h"
#include "sentry/sock/sock_save.h"

/* enum sock_kind, as it is in images. */
enum { KIND_TCP, KIND_UDP, KIND_PING, KIND_RAW, KINDS };

static const struct {
	const char *proto;
	int type;
} kinds[KINDS] = {
    [KIND_TCP] = {"tcp", SOCK_STREAM},
    [KIND_UDP] = {"udp", SOCK_DGRAM},
    [KIND_PING] = {"ping", SOCK_DGRAM},
    [KIND_RAW] = {"raw", SOCK_RAW},
};

/* As of socket(2). */
static int proto_of(const Cordon__NstSock *sk)
{
	switch (sk->kind) {
	case KIND_TCP:
		return IPPROTO_TCP;
	case KIND_UDP:
		return IPPROTO_UDP;
	case KIND_PING:
		return sk->family == 6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	default:
		return (int)(sk->proto & 0xff);
	}
}

/* NULL: no memory, or rc says what else. */
static struct held *add_held(struct restore *rs, const Cordon__NstSock *sk,
			     int *rc)
{
	struct held *h, *v;

	*rc = !sk || sk->kind >= KINDS ? -EBADMSG : 0;
	if (*rc)
		return NULL;
	v = grow(rs->v, rs->n, &rs->room, sizeof *v);
	*rc = v ? 0 : -ENOMEM;
	if (!v)
		return NULL;
	rs->v = v;
	h = &rs->v[rs->n++];
	*h = (struct held){
	    .id = sk->id,
	    .proto = kinds[sk->kind].proto,
	    .shape = {.type = kinds[sk->kind].type, .proto = proto_of(sk)},
	};
	return h;
}

static int add_ids(struct ids *to, const uint64_t *ids, size_t n)
{
	uint64_t *v;

	if (!n)
		return 0;
	v = reallocarray(to->v, to->n + n, sizeof *v);
	if (!v)
		return -ENOMEM;
	memcpy(v + to->n, ids, n * sizeof *v);
	to->v = v;
	to->n += n;
	return 0;
}

static int see_tcp(struct restore *rs, const Cordon__NstTcp *m)
{
	int rc = add_ids(&rs->children, m->accept_queue, m->n_accept_queue);
	struct held *h;

	if (!rc)
		rc = add_ids(&rs->children, m->fo_children, m->n_fo_children);
	/* Nobody had it any more: netstack finishes it by itself. */
	if (rc || m->orphan)
		return rc;
	h = add_held(rs, m->sk, &rc);
	if (h)
		h->shape.backlog = m->backlog;
	return rc;
}

static int see_dgram(struct restore *rs, const Cordon__NstDgram *m)
{
	int rc;
	struct held *h = add_held(rs, m->s, &rc);

	for (size_t i = 0; h && i < m->n_icmp_blocked && i < 8; i++)
		h->shape.icmp_filter[i] = m->icmp_blocked[i];
	return rc;
}

static int see_guest(struct restore *rs, struct image_walk *w)
{
	const ProtobufCMessage *m = image_walk_message(w);

	if (!m)
		return -EBADMSG;
	switch (w->type) {
	case NST_SAVE_STACK:
		rs->now = ((const Cordon__NstStack *)m)->now;
		return 0;
	case NST_SAVE_TCP:
		return see_tcp(rs, (const Cordon__NstTcp *)m);
	case NST_SAVE_DGRAM:
		return see_dgram(rs, (const Cordon__NstDgram *)m);
	default:
		return 0;
	}
}

/* Its endpoints in the guest's stack. */
static int see_gateway(struct restore *rs, struct image_walk *w)
{
	const ProtobufCMessage *m = image_walk_message(w);

	rs->gateway = true;
	if (!m)
		return -EBADMSG;
	if (w->type == GATEWAY_SAVE_DNS_SERVER) {
		const Cordon__DnsServer *s = (const Cordon__DnsServer *)m;
		const uint64_t ids[] = {s->udp, s->tcp};

		return s->of_guest ? add_ids(&rs->forsaken, ids, 2) : 0;
	}
	if (w->type == GATEWAY_SAVE_RELAY) {
		const Cordon__Relay *r = (const Cordon__Relay *)m;

		return r->of_guest ? add_ids(&rs->forsaken, &r->tp, 1) : 0;
	}
	return 0;
}

static int see_datagram(struct restore *rs, struct image_walk *w)
{
	const ProtobufCMessage *base = image_walk_message(w);
	const Cordon__DgramRx *m = (const Cordon__DgramRx *)base;
	struct datagram_list *l = &rs->datagrams;
	struct nst_dgram_in in = {0};
	struct sock_datagram *v;

	if (!m || !save_restore(&w->in, &save_nst_dgram_in, m->in, &in))
		return -EBADMSG;
	v = grow(l->v, l->n, &l->room, sizeof *v);
	if (!v)
		return -ENOMEM;
	in.data = m->data.data;
	in.bytes = m->data.len;
	l->v = v;
	l->v[l->n++] = (struct sock_datagram){m->owner, in};
	return 0;
}

static int see_unread(struct restore *rs, struct image_walk *w)
{
	if (w->type == NST_SAVE_DGRAM_RX)
		return see_datagram(rs, w);

	const ProtobufCMessage *base = image_walk_message(w);
	const Cordon__UnreadBytes *m = (const Cordon__UnreadBytes *)base;
	struct unread_list *l = &rs->unread;
	struct sock_unread *v;

	if (!m || w->type != SOCK_SAVE_UNREAD)
		return -EBADMSG;
	v = grow(l->v, l->n, &l->room, sizeof *v);
	if (!v)
		return -ENOMEM;
	l->v = v;
	l->v[l->n++] = (struct sock_unread){
	    .id = m->id,
	    .to_guest = {m->to_guest.data, m->to_guest.len},
	    .from_guest = {m->from_guest.data, m->from_guest.len},
	    .shut = m->shut};
	return 0;
}

static int see_netem(struct restore *rs, const struct image_walk *w, int way)
{
	if (w->type == NST_SAVE_NETEM && !rs->netem[way])
		rs->netem[way] = w->in.data - IMAGE_RECORD_BYTES;
	return 0;
}

/* Parts: those that are restored, those that are gone, and others. */
static int see_record(struct restore *rs, struct image_walk *w, char *why)
{
	const char *part = image_walk_part(w);

	if (!strcmp(part, IMAGE_PART_GUEST))
		return see_guest(rs, w);
	if (!strcmp(part, IMAGE_PART_UNREAD))
		return see_unread(rs, w);
	if (!strcmp(part, IMAGE_PART_NETEM_OUT))
		return see_netem(rs, w, NETEM_OUT);
	if (!strcmp(part, IMAGE_PART_NETEM_IN))
		return see_netem(rs, w, NETEM_IN);
	if (!strcmp(part, IMAGE_PART_GATEWAY))
		return see_gateway(rs, w);
	if (strcmp(part, IMAGE_PART_GATEWAY_STACK) != 0)
		return image_fail(why, -ENOTSUP,
				  "has a part that this cordon cannot restore: "
				  "%.40s",
				  part);
	return 0;
}

static int by_id(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

struct held *restore_find(struct restore *rs, uint64_t id)
{
	_Static_assert(offsetof(struct held, id) == 0, "by_id");
	return rs->n ? bsearch(&id, rs->v, rs->n, sizeof *rs->v, by_id) : NULL;
}

/* A record may have one way, and the next the other. */
static void add_unread(struct restore *rs, const struct sock_unread *u)
{
	struct held *h = restore_find(rs, u->id);
	struct sock_unread *to = h ? &h->shape.unread : NULL;

	if (to && u->to_guest.n)
		to->to_guest = u->to_guest;
	if (to && u->from_guest.n)
		to->from_guest = u->from_guest;
	if (to)
		to->shut |= u->shut;
}

/* Those of one socket are next to each other. */
static void add_datagram(struct restore *rs, const struct sock_datagram *d)
{
	struct held *h = restore_find(rs, d->id);

	if (!h)
		return;
	if (!h->shape.ndatagrams)
		h->shape.datagrams = d;
	h->shape.ndatagrams++;
}

static void mark_all(struct restore *rs)
{
	if (rs->n)
		qsort(rs->v, rs->n, sizeof *rs->v, by_id);
	for (size_t i = 0; i < rs->children.n; i++) {
		struct held *h = restore_find(rs, rs->children.v[i]);

		if (h)
			h->child = true;
	}
	for (size_t i = 0; i < rs->unread.n; i++)
		add_unread(rs, &rs->unread.v[i]);
	for (size_t i = 0; i < rs->datagrams.n; i++)
		add_datagram(rs, &rs->datagrams.v[i]);
	for (size_t i = 0; i < rs->forsaken.n; i++) {
		struct held *h = restore_find(rs, rs->forsaken.v[i]);

		if (h)
			h->forsaken = true;
	}
}

int restore_see(struct restore *rs, char *why)
{
	struct image_walk w;
	int rc = 0;

	image_walk_init(&w, &rs->im);
	while (!rc && image_walk_next(&w))
		rc = see_record(rs, &w, why);
	if (w.in.err)
		rc = image_fail(why, -EBADMSG, "is broken: %s", w.why);
	else if (rc == -EBADMSG)
		image_fail(why, rc, "is broken: a socket is of no known kind");
	else if (rc == -ENOMEM)
		image_fail(why, rc, "is too long for the memory");
	image_walk_fini(&w);
	mark_all(rs);
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Endpoints by id. Before: every endpoint of the old stack with its user. After
 * loading: what the endpoint of that id is now. Users, and whoever else has a
 * pointer, are put right by it; ids are the only thing that old and new have in
 * common.
 */
#include <errno.h>
#include <stdlib.h>

#include "netstack/nst_tcp.h"
#include "sentry/save/save_priv.h"

#define POINTS_FIRST 64

struct point {
	uint64_t id; /* 0: free */
	struct nst_sock *old;
	void *user;
	struct nst_sock *sock; /* now */
	struct nst_fwd_req *req;
};

static struct point *slot_of(const struct points *pt, uint64_t id)
{
	size_t i = (size_t)(id * 0x9e3779b97f4a7c15ull >> 32) & (pt->cap - 1);

	while (pt->v[i].id && pt->v[i].id != id)
		i = (i + 1) & (pt->cap - 1);
	return &pt->v[i];
}

static bool grow(struct points *pt)
{
	struct points old = *pt;

	pt->cap = old.cap ? old.cap * 2 : POINTS_FIRST;
	pt->v = calloc(pt->cap, sizeof *pt->v);
	if (!pt->v) {
		*pt = old;
		return false;
	}
	for (size_t i = 0; i < old.cap; i++)
		if (old.v[i].id)
			*slot_of(pt, old.v[i].id) = old.v[i];
	free(old.v);
	return true;
}

/* The entry of an id, made if there is none. NULL: no memory. */
static struct point *point_of(struct points *pt, uint64_t id)
{
	struct point *p;

	if (2 * (pt->n + 1) > pt->cap && !grow(pt))
		return NULL;
	p = slot_of(pt, id);
	pt->n += !p->id;
	p->id = id;
	return p;
}

static const struct point *look(const struct points *pt, uint64_t id)
{
	return id && pt->cap ? slot_of(pt, id) : NULL;
}

int points_of(struct points *pt, struct nst_stack *st)
{
	struct nst_sock *s;

	*pt = (struct points){0};
	for (size_t i = 0; (s = nst_sock_at(st, i)); i++) {
		struct point *p = point_of(pt, nst_sock_id(s));

		if (!p)
			return -ENOMEM;
		p->old = s;
		p->user = nst_sock_user(s);
	}
	return 0;
}

void points_fini(struct points *pt)
{
	free(pt->v);
	*pt = (struct points){0};
}

static bool is_connected(struct nst_sock *s)
{
	struct nst_sockaddr peer;

	return nst_sock_tcp(s) && nst_sock_remote(s, &peer) == NST_OK;
}

void *points_sock(struct points *pt, struct nst_sock *s, uint64_t id)
{
	struct point *p = pt->cap ? slot_of(pt, id) : NULL;

	if (!p || !p->old || p->sock) {
		pt->broken = true;
		return NULL;
	}
	p->sock = s;
	pt->found++;
	pt->connections += is_connected(s);
	return p->user;
}

void points_fwd(struct points *pt, struct nst_fwd_req *req, uint64_t id)
{
	struct point *p = point_of(pt, id);

	if (p)
		p->req = req;
	else
		pt->broken = true;
}

bool points_whole(const struct points *pt)
{
	if (pt->broken)
		return false;
	for (size_t i = 0; i < pt->cap; i++) {
		const struct point *p = &pt->v[i];

		if (p->old && !p->sock)
			return false;
	}
	return true;
}

struct nst_sock *points_find(const struct points *pt, uint64_t id)
{
	const struct point *p = look(pt, id);

	return p ? p->sock : NULL;
}

struct nst_fwd_req *points_find_req(const struct points *pt, uint64_t id)
{
	const struct point *p = look(pt, id);

	return p ? p->req : NULL;
}

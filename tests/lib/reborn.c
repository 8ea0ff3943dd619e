/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/reborn.h"

#include "netstack/nst_sock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- images ---- */

static bool put(void *ctx, const void *data, size_t bytes)
{
	struct reborn_image *i = ctx;

	if (bytes > i->cap - i->bytes) {
		size_t cap = (i->bytes + bytes) * 2;
		uint8_t *p = realloc(i->p, cap);

		if (!p)
			return false;
		i->p = p;
		i->cap = cap;
	}
	memcpy(i->p + i->bytes, data, bytes);
	i->bytes += bytes;
	return true;
}

static void die(const char *what, const char *why)
{
	fprintf(stderr, "reborn: %s: %s\n", what, why);
	abort();
}

void reborn_save(const struct nst_stack *st, struct reborn_image *image)
{
	struct nst_save_sink sink = {.ctx = image, .put = put};

	image->bytes = 0;
	if (nst_stack_save(st, &sink) != NST_OK)
		die("save", "refused");
}

void reborn_image_free(struct reborn_image *image)
{
	free(image->p);
	*image = (struct reborn_image){0};
}

/* ---- who is whose ---- */

struct owner {
	uint64_t id;
	void *user;
};

struct loading {
	struct reborn *how;
	struct owner *v; /* by id */
	size_t n;
};

static int by_id(const void *a, const void *b)
{
	const struct owner *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static void note_owners(const struct nst_stack *st, struct loading *l)
{
	struct nst_sock *s;
	size_t n = 0;

	while (st && nst_sock_at(st, n))
		n++;
	l->v = calloc(n + 1, sizeof(*l->v));
	if (!l->v)
		die("load", "no memory");
	for (size_t i = 0; i < n && (s = nst_sock_at(st, i)); i++)
		l->v[i] = (struct owner){nst_sock_id(s), nst_sock_user(s)};
	l->n = n;
	qsort(l->v, n, sizeof(*l->v), by_id);
}

static void *owner_of(void *ctx, struct nst_sock *s, uint64_t id)
{
	struct owner key = {.id = id}, *o;
	struct loading *l = ctx;

	(void)s;
	o = bsearch(&key, l->v, l->n, sizeof(*l->v), by_id);
	return o ? o->user : NULL;
}

static bool carrier(void *ctx, struct nst_nic_config *cfg)
{
	const struct reborn *how = ((struct loading *)ctx)->how;

	for (size_t i = 0; i < how->nnics; i++) {
		if (strcmp(how->nics[i].name, cfg->name) != 0)
			continue;
		cfg->ops = how->nics[i].ops;
		cfg->link = how->nics[i].link;
		return true;
	}
	return false;
}

static void waiting_syn(void *ctx, struct nst_fwd_req *req, uint64_t id)
{
	struct reborn *how = ((struct loading *)ctx)->how;

	how->fwd(how->ctx, req, id);
}

/* ---- again ---- */

static enum nst_err load_with(struct loading *l, const void *image,
			      size_t bytes, struct nst_stack **out, char *why)
{
	struct reborn *how = l->how;
	struct nst_load load = {
	    .env = how->env,
	    .ctx = l,
	    .nic = carrier,
	    .sock = owner_of,
	    .fwd = how->fwd ? waiting_syn : NULL,
	    .outage = how->outage,
	    .clone = how->clone,
	};
	const uint8_t *p = image;
	enum nst_err e = nst_stack_load(&load, &p, p + bytes, out, why);

	free(l->v);
	if (e == NST_OK && how->forwarder)
		nst_set_forwarder(*out, how->forwarder);
	return e;
}

enum nst_err reborn_load(const struct nst_stack *old, struct reborn *how,
			 const void *image, size_t bytes,
			 struct nst_stack **out, char *why)
{
	struct loading l = {.how = how};

	note_owners(old, &l);
	return load_with(&l, image, bytes, out, why);
}

static void check_again(const struct nst_stack *st,
			const struct reborn_image *was)
{
	struct reborn_image now = {0};

	reborn_save(st, &now);
	if (now.bytes != was->bytes || memcmp(now.p, was->p, now.bytes) != 0)
		die("save", "another image than it was made of");
	reborn_image_free(&now);
}

void stack_reborn(struct nst_stack **st, struct reborn *how)
{
	struct reborn_image image = {0};
	struct loading l = {.how = how};
	char why[NST_SAVE_WHY];

	reborn_save(*st, &image);
	note_owners(*st, &l);
	nst_stack_free(*st);
	if (load_with(&l, image.p, image.bytes, st, why) != NST_OK)
		die("load", why);
	if (how->twice)
		check_again(*st, &image);
	how->bytes = image.bytes;
	reborn_image_free(&image);
}

struct nst_sock *reborn_sock(const struct nst_stack *st, uint64_t id)
{
	struct nst_sock *s;

	for (size_t i = 0; (s = nst_sock_at(st, i)); i++)
		if (nst_sock_id(s) == id)
			return s;
	return NULL;
}

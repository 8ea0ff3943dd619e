/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share. */
#ifndef SENTRY_SAVE_SAVE_PRIV_H
#define SENTRY_SAVE_SAVE_PRIV_H

#include <pthread.h>

#include "netstack/nst_save.h"
#include "sentry/save/save.h"

/* Kept for the next image; more is given back. */
#define SAVES_KEEP_BYTES (64u << 20)

struct save_image {
	uint8_t *p;
	size_t used, size;
};

enum { SAVE_GUEST, SAVE_GATEWAY, SAVE_SIDES };

/* ---- retire.c ---- */
struct retired {
	pthread_mutex_t lock; /* guards what follows */
	pthread_t thread;
	bool running;
	struct nst_stack *st[SAVE_SIDES];
};
void retire_init(struct retired *r);
void retire_fini(struct retired *r); /* waits */
/*
 * Frees old stacks (or NULL), which nobody knows any more, and ends what
 * sandbox_env_expect() began; apart: if it can, after it has returned. Those
 * before are gone (retire_wait).
 */
void retire_stacks(struct retired *r, struct nst_stack *const st[SAVE_SIDES],
		   bool apart);
/* Until they are freed. Without the lock, too. */
void retire_wait(struct retired *r);

/* ---- the whole ---- */
/* What there is of one sandbox: sb->saves. */
struct saves {
	struct retired retired;
	struct save_image image;
	bool busy;
	uint64_t events; /* since the last save */
	uint64_t count, failed;
	nst_time sum, most;
	size_t last_bytes; /* of the last image */
};

/* ---- image.c ---- */
/* A sink that appends. False: no memory. */
bool save_image_put(void *ctx, const void *data, size_t bytes);
/* Empty again; a large one gives its memory back. */
void save_image_reset(struct save_image *im);
void save_image_fini(struct save_image *im);

/* ---- in_place.c ---- */
/* Saves into *im and restores from it, the clock standing still. As
 * save_in_place, but for the stall. */
int saves_run(struct sandbox *sb, struct save_image *im,
	      struct save_report *out);

/* About the memory that it needs besides: for endpoints, and for what may be
 * queued in them, which is in a record and in a ring. */
#define ENDPOINT_BYTES 6144
size_t saves_need(struct sandbox *sb);

/* ---- points.c: endpoints by id, before and after ---- */
struct points {
	struct point *v; /* an open hash table, of a power of two */
	size_t cap, n;
	uint64_t found;       /* endpoints made anew */
	uint64_t connections; /* TCP ones with a peer */
	bool broken; /* one was made that was not there, or no memory */
};

/* Every endpoint of a stack, with its user. -ENOMEM. */
int points_of(struct points *pt, struct nst_stack *st);
void points_fini(struct points *pt);
/* Callbacks of nst_load: the endpoint of that id is now s; its user. */
void *points_sock(struct points *pt, struct nst_sock *s, uint64_t id);
void points_fwd(struct points *pt, struct nst_fwd_req *req, uint64_t id);
/* Has every endpoint of old got a new one? */
bool points_whole(const struct points *pt);
/* NULL: there is none. */
struct nst_sock *points_find(const struct points *pt, uint64_t id);
struct nst_fwd_req *points_find_req(const struct points *pt, uint64_t id);

#endif

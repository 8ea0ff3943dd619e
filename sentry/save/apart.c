/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring of buffers between two threads. One is always the writer's, which
 * needs no lock to fill it; it is handed over when it is full. They are small,
 * so that a record is still in the caches when it is read.
 */
#include "sentry/save/apart.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/core/thread.h"
#include "sentry/save/save_priv.h"

#define BUFS 16u
#define BUF_BYTES (64u << 10)

struct apart {
	struct nst_save_sink to;
	pthread_t thread;
	struct save_image buf[BUFS];

	pthread_mutex_t lock;
	pthread_cond_t more, room;
	size_t given, taken; /* buffers so far; buf[given % BUFS] is being
				written */
	bool over, refused;
	nst_time cpu; /* of the thread; its own until it is joined */
};

/* ---- who reads ---- */

/* The oldest that was given; NULL: there is none, and there comes none. */
static struct save_image *next(struct apart *a)
{
	bool some;

	pthread_mutex_lock(&a->lock);
	while (a->taken == a->given && !a->over)
		pthread_cond_wait(&a->more, &a->lock);
	some = a->taken < a->given;
	pthread_mutex_unlock(&a->lock);
	return some ? &a->buf[a->taken % BUFS] : NULL;
}

static void done(struct apart *a, bool ok)
{
	pthread_mutex_lock(&a->lock);
	a->taken++;
	a->refused |= !ok;
	pthread_cond_signal(&a->room);
	pthread_mutex_unlock(&a->lock);
}

static void *reader(void *arg)
{
	struct apart *a = arg;
	struct save_image *b;
	bool ok = true;

	sandbox_env_apart();
	while ((b = next(a))) {
		ok = ok && a->to.put(a->to.ctx, b->p, b->used);
		b->used = 0;
		done(a, ok);
	}
	a->cpu = thread_cpu_time();
	return NULL;
}

/* ---- who writes ---- */

/* Gives the buffer at hand, and waits until there is another one. */
static bool hand_over(struct apart *a)
{
	bool ok;

	pthread_mutex_lock(&a->lock);
	a->given++;
	pthread_cond_signal(&a->more);
	while (a->given - a->taken == BUFS)
		pthread_cond_wait(&a->room, &a->lock);
	ok = !a->refused;
	pthread_mutex_unlock(&a->lock);
	return ok;
}

bool apart_put(void *apart, const void *records, size_t bytes)
{
	struct apart *a = apart;
	struct save_image *b = &a->buf[a->given % BUFS];

	if (b->used && b->used + bytes > BUF_BYTES) {
		if (!hand_over(a))
			return false;
		b = &a->buf[a->given % BUFS];
	}
	return save_image_put(b, records, bytes);
}

static void fini(struct apart *a)
{
	for (size_t i = 0; i < BUFS; i++)
		save_image_fini(&a->buf[i]);
	pthread_mutex_destroy(&a->lock);
	pthread_cond_destroy(&a->more);
	pthread_cond_destroy(&a->room);
	free(a);
}

struct apart *apart_begin(const struct nst_save_sink *to)
{
	struct apart *a = calloc(1, sizeof *a);

	if (!a)
		return NULL;
	a->to = *to;
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->more, NULL);
	pthread_cond_init(&a->room, NULL);
	if (!thread_start(&a->thread, reader, a))
		return a;
	fini(a);
	return NULL;
}

bool apart_end(struct apart *a, nst_time *cpu)
{
	bool ok;

	pthread_mutex_lock(&a->lock);
	a->given += a->buf[a->given % BUFS].used != 0;
	a->over = true;
	pthread_cond_signal(&a->more);
	pthread_mutex_unlock(&a->lock);
	pthread_join(a->thread, NULL);
	ok = !a->refused;
	*cpu += a->cpu;
	fini(a);
	return ok;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Old stacks. A large one is freed by a thread of its own, while the sandbox
 * goes on: whatever knew it knows the new one. */
#include "sentry/core/thread.h"
#include "sentry/save/save_priv.h"

static void free_all(struct retired *r)
{
	for (int i = 0; i < SAVE_SIDES; i++)
		nst_stack_free(r->st[i]);
	sandbox_env_expected();
}

static void *retire_main(void *arg)
{
	sandbox_env_apart();
	free_all(arg);
	return NULL;
}

void retire_init(struct retired *r)
{
	pthread_mutex_init(&r->lock, NULL);
}

void retire_fini(struct retired *r)
{
	retire_wait(r);
	pthread_mutex_destroy(&r->lock);
}

void retire_wait(struct retired *r)
{
	pthread_mutex_lock(&r->lock);
	if (r->running)
		pthread_join(r->thread, NULL);
	r->running = false;
	pthread_mutex_unlock(&r->lock);
}

void retire_stacks(struct retired *r, struct nst_stack *const st[SAVE_SIDES],
		   bool apart)
{
	for (int i = 0; i < SAVE_SIDES; i++)
		r->st[i] = st[i];
	pthread_mutex_lock(&r->lock);
	r->running = apart && !thread_start(&r->thread, retire_main, r);
	apart = r->running;
	pthread_mutex_unlock(&r->lock);
	if (!apart)
		free_all(r);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parked traps: calls that wait.
 *
 * A parked trap is on its socket's list and on the trapper's list of all; when
 * woken it is taken off both and put on the ready queue, which trap_run_ready
 * empties. A handler that decides to park has released the lock before the
 * trap is on a list: the socket's `kicks` counter, sampled before the handler
 * ran, tells whether a wake-up fell into that gap.
 *
 * Signals. LINUX: a thread in the notification's killable wait does not see
 * signals by itself. One pending for the thread is answered at once; one
 * pending for the process only when seen on three ticks in a row, because
 * another thread may take it, and then -ERESTARTSYS would reach the program.
 */
#include "sentry/trap/trap_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sentry/loop/loop.h"
#include "sentry/sock/sock.h"

#define SHARED_TICKS 3
/* Rounds of trap_run_ready before the loop gets to see completions again. */
#define READY_ROUNDS 32

/* ---- lists ---- */

static void unlink_parked(struct trapper *tr, struct trap *t)
{
	*t->pprev = t->next;
	if (t->next)
		t->next->pprev = t->pprev;
	*t->park_pprev = t->park_next;
	if (t->park_next)
		t->park_next->park_pprev = t->park_pprev;
	t->next = t->park_next = NULL;
	t->pprev = t->park_pprev = NULL;
	tr->nparked--;
}

static void push_ready(struct trapper *tr, struct trap *t)
{
	t->next = NULL;
	__atomic_store_n(tr->ready_tail, t, __ATOMIC_RELAXED);
	tr->ready_tail = &t->next;
}

static void wake_one(struct trapper *tr, struct trap *t)
{
	unlink_parked(tr, t);
	push_ready(tr, t);
}

void park_again(struct trap *t)
{
	struct trapper *tr = t->sb->trapper;
	struct sock *s = t->sock;

	t->retry = true;
	if (s->dead)
		t->fail = EBADF;
	if (s->dead || s->kicks != t->kicks) {
		push_ready(tr, t);
		return;
	}
	t->next = s->parked;
	t->pprev = &s->parked;
	if (t->next)
		t->next->pprev = &t->next;
	s->parked = t;
	t->park_next = tr->parked;
	t->park_pprev = &tr->parked;
	if (t->park_next)
		t->park_next->park_pprev = &t->park_next;
	tr->parked = t;
	if (tr->nparked++ == 0 || t->deadline)
		sem_post(&tr->wake);
}

bool park_new(struct trap *t)
{
	struct trap *copy = malloc(sizeof *copy);

	if (!copy)
		return false;
	*copy = *t;
	park_again(copy);
	return true;
}

/* Oldest first: the list is in reverse order. */
static void wake_all(struct sock *s, int fail)
{
	struct trapper *tr = s->sb->trapper;
	struct trap *last = s->parked;

	s->kicks++;
	while (last && last->next)
		last = last->next;
	while (last) {
		struct trap **pprev = last->pprev;
		struct trap *prev = NULL;

		if (pprev != &s->parked)
			prev = (struct trap *)((char *)pprev -
					       offsetof(struct trap, next));
		last->fail = fail;
		wake_one(tr, last);
		last = prev;
	}
}

void trap_kick(struct sock *s)
{
	wake_all(s, 0);
}

void trap_fail_parked(struct sock *s, int err)
{
	wake_all(s, err);
}

/* ---- running what is ready ---- */

static struct trap *pop_ready(struct trapper *tr)
{
	struct trap *t = tr->ready;

	if (!t)
		return NULL;
	__atomic_store_n(&tr->ready, t->next, __ATOMIC_RELAXED);
	if (!tr->ready)
		tr->ready_tail = &tr->ready;
	t->next = NULL;
	return t;
}

/* Runs what is ready now; what becomes ready meanwhile is for the next round.
 * True: ran something. */
static bool run_round(struct trapper *tr)
{
	struct trap *last, *t;

	if (!__atomic_load_n(&tr->ready, __ATOMIC_RELAXED))
		return false;
	sandbox_lock(tr->sb);
	last = tr->ready ? (struct trap *)((char *)tr->ready_tail -
					   offsetof(struct trap, next))
			 : NULL;
	t = pop_ready(tr);
	sandbox_unlock(tr->sb);
	while (t) {
		bool done = t == last;

		dispatch_again(t);
		if (done)
			break;
		sandbox_lock(tr->sb);
		t = pop_ready(tr);
		sandbox_unlock(tr->sb);
	}
	return true;
}

void trap_run_ready(struct sandbox *sb)
{
	struct trapper *tr = sb->trapper;
	bool more = true;

	for (int i = 0; more && i < READY_ROUNDS; i++) {
		sock_jobs_run(sb);
		more = tr && run_round(tr);
	}
	if (more && sb->loop)
		loop_wake(sb->loop);
}

void park_drop_all(struct trapper *tr)
{
	struct trap *t, *next;

	sandbox_lock(tr->sb);
	for (t = tr->parked; t; t = next) {
		next = t->park_next;
		wake_one(tr, t);
	}
	while ((t = pop_ready(tr)) != NULL) {
		sock_put(t->sock);
		if (t->gfd >= 0)
			close(t->gfd);
		free(t);
	}
	sandbox_unlock(tr->sb);
}

/* ---- the watch tick ---- */

enum pending { PENDING_NONE, PENDING_SHARED, PENDING_THREAD };

static uint64_t status_mask(const char *status, const char *key)
{
	const char *p = strstr(status, key);

	return p ? strtoull(p + strlen(key), NULL, 16) : 0;
}

static enum pending signal_pending(pid_t tid)
{
	char text[4096];
	uint64_t deaf;

	if (!guest_proc_text(tid, "status", text, sizeof text))
		return PENDING_NONE;
	deaf = status_mask(text, "\nSigBlk:") | status_mask(text, "\nSigIgn:");
	if (status_mask(text, "\nSigPnd:") & ~deaf)
		return PENDING_THREAD;
	if (status_mask(text, "\nShdPnd:") & ~deaf)
		return PENDING_SHARED;
	return PENDING_NONE;
}

struct look {
	uint64_t id;
	pid_t tid;
	enum pending pending;
	bool valid;
};

/* What is parked now, looked at without the lock. */
static struct look *look_at_parked(struct trapper *tr, size_t *count)
{
	struct look *v = NULL;
	size_t n = 0;

	sandbox_lock(tr->sb);
	if (tr->nparked)
		v = malloc(tr->nparked * sizeof *v);
	for (struct trap *t = tr->parked; v && t; t = t->park_next)
		v[n++] = (struct look){t->n.id, (pid_t)t->n.pid, 0, true};
	sandbox_unlock(tr->sb);
	for (size_t i = 0; i < n; i++) {
		struct trap probe = {.sb = tr->sb, .n.id = v[i].id};

		v[i].pending = signal_pending(v[i].tid);
		v[i].valid = trap_valid(&probe);
	}
	*count = n;
	return v;
}

static int look_cmp(const void *a, const void *b)
{
	uint64_t x = ((const struct look *)a)->id;
	uint64_t y = ((const struct look *)b)->id;

	return x < y ? -1 : x > y;
}

static void judge(struct trapper *tr, struct trap *t, const struct look *l,
		  nst_time now)
{
	if (l && l->pending == PENDING_SHARED)
		t->pending_ticks++;
	else
		t->pending_ticks = 0;
	if (l && (!l->valid || l->pending == PENDING_THREAD ||
		  t->pending_ticks >= SHARED_TICKS))
		t->interrupted = true;
	else if (t->deadline && now >= t->deadline)
		t->expired = true;
	else
		return;
	wake_one(tr, t);
}

void park_watch(struct trapper *tr)
{
	nst_time now;
	size_t n;
	struct look *v = look_at_parked(tr, &n);

	if (!v)
		return;
	qsort(v, n, sizeof *v, look_cmp);
	now = sandbox_now(tr->sb);
	sandbox_lock(tr->sb);
	for (struct trap *t = tr->parked, *next; t; t = next) {
		struct look key = {.id = t->n.id};

		next = t->park_next;
		judge(tr, t, bsearch(&key, v, n, sizeof *v, look_cmp), now);
	}
	sandbox_unlock(tr->sb);
	free(v);
	trap_run_ready(tr->sb);
}

nst_time park_next_deadline(const struct trapper *tr)
{
	nst_time next = NST_NEVER;

	for (const struct trap *t = tr->parked; t; t = t->park_next) {
		if (t->deadline && t->deadline < next)
			next = t->deadline;
	}
	return next;
}

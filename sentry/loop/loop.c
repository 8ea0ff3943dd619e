/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop's life and its turns.
 *
 * A turn: take the ready completions → lock → callbacks, posted operations,
 * timers → unlock (settles) → idle hook → submit → more? → spin → sleep.
 *
 * Sleep protocol. The loop publishes sleeps_until (0 while awake) and then
 * looks at `wake`; a waker sets `wake` and then looks at sleeps_until, and
 * writes the eventfd only if the loop sleeps. Both orders are sequentially
 * consistent, so one of them sees the other. The eventfd is never read: its
 * multishot poll is edge-like and completes once per write.
 */
#include "sentry/loop/loop_priv.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/*
 * Waking a halted core costs 30-60 us on a virtual machine; a look at the
 * rings some ns. A request and its answer are often closer together than that.
 */
#define SPIN_MAX_NS (50 * NST_US)
#define SPIN_MIN_NS (5 * NST_US)
/*
 * After a turn that moved this much, more is gained when the guests have the
 * CPU and the next turn finds more to move.
 */
#define SPIN_WORK_NS (30 * NST_US)

nst_time loop_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (nst_time)ts.tv_sec * NST_SEC + ts.tv_nsec;
}

/* ---- life ---- */

static nst_time spin_limit(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) || CPU_COUNT(&set) < 2)
		return 0; /* whom we wait for needs the only CPU */
	return SPIN_MAX_NS;
}

static struct loop *loop_alloc(const struct loop_hooks *hooks)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->hooks = *hooks;
	l->wake_fd = -1;
	l->posted_tail = &l->posted;
	l->retry_at = NST_NEVER;
	l->next_deadline = NST_NEVER;
	l->spin.max = spin_limit();
	sem_init(&l->suspended_sem, 0, 0);
	sem_init(&l->go_on, 0, 0);
	return l;
}

int loop_new(const struct loop_hooks *hooks, struct loop **out)
{
	struct loop *l = loop_alloc(hooks);
	int err;

	if (!l)
		return -ENOMEM;
	err = accept_up(l);
	if (!err)
		err = ring_up(l);
	if (!err)
		err = bufs_up(l);
	if (err) {
		loop_free(l);
		return err;
	}
	*out = l;
	return 0;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	ring_down(l);
	accept_down(l);
	bufs_down(l);
	op_free_all(l);
	sem_destroy(&l->suspended_sem);
	sem_destroy(&l->go_on);
	free(l);
}

void loop_set_spin(struct loop *l, nst_time max_ns)
{
	l->spin.max = max_ns;
}

/* ---- waking ---- */

bool loop_is_self(const struct loop *l)
{
	return atomic_load_explicit(&l->thread, memory_order_relaxed) ==
	       (uintptr_t)pthread_self();
}

nst_time loop_sleeps_until(const struct loop *l)
{
	return atomic_load(&l->sleeps_until);
}

static void wake_write(struct loop *l)
{
	const uint64_t one = 1;
	ssize_t n = write(l->wake_fd, &one, sizeof(one));

	(void)n; /* full after 2^64 - 2 wake-ups only */
}

void loop_wake(struct loop *l)
{
	if (atomic_exchange(&l->wake, true))
		return; /* somebody was faster, and has written */
	if (!loop_is_self(l) && atomic_load(&l->sleeps_until))
		wake_write(l);
}

void loop_stop(struct loop *l)
{
	int saved = errno;

	atomic_store(&l->stop, true);
	atomic_store(&l->wake, true);
	wake_write(l);
	errno = saved;
}

/* Keeps the poll on the eventfd in the kernel. Under the lock. */
static void wake_arm(struct loop *l)
{
	struct io_uring_sqe *sqe;

	if (l->wake_armed)
		return;
	sqe = ring_sqe(l);
	if (!sqe)
		return; /* next turn */
	io_uring_prep_poll_multishot(sqe, l->wake_fd, POLLIN);
	io_uring_sqe_set_data64(sqe, UD_WAKE);
	l->wake_armed = true;
}

/* ---- a batch ---- */

static unsigned batch_take(struct loop *l, struct completion *c)
{
	struct io_uring_cqe *cqe;
	unsigned head, n = 0;

	io_uring_for_each_cqe(&l->ring, head, cqe)
	{
		c[n++] =
		    (struct completion){cqe->user_data, cqe->res, cqe->flags};
		if (n == LOOP_BATCH)
			break;
	}
	io_uring_cq_advance(&l->ring, n);
	return n;
}

static void batch_timers(struct loop *l)
{
	nst_time now = loop_now();

	op_run_retry(l, now);
	if (l->hooks.next_deadline(l->hooks.ctx) <= now)
		l->hooks.run_timers(l->hooks.ctx);
	l->next_deadline = l->hooks.next_deadline(l->hooks.ctx);
}

/* Returns the number of completions. */
static unsigned batch_run(struct loop *l)
{
	struct completion c[LOOP_BATCH];
	unsigned n = batch_take(l, c);

	l->hooks.lock(l->hooks.ctx);
	/* Before looking at what a waker wants us to look at. */
	atomic_store(&l->wake, false);
	op_run_posted(l);
	for (unsigned i = 0; i < n; i++)
		complete(l, &c[i]);
	if (l->hooks.batch_end)
		l->hooks.batch_end(l->hooks.ctx);
	batch_timers(l);
	wake_arm(l);
	l->hooks.unlock(l->hooks.ctx);
	l->hooks.idle(l->hooks.ctx);
	return n;
}

/* ---- waiting ---- */

/* Something to do without a system call, or one that will not sleep? */
static bool ready(const struct loop *l)
{
	const unsigned look = IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW;

	return io_uring_cq_ready(&l->ring) ||
	       (IO_URING_READ_ONCE(*l->ring.sq.kflags) & look) ||
	       atomic_load_explicit(&l->wake, memory_order_relaxed) ||
	       atomic_load_explicit(&l->suspend, memory_order_relaxed);
}

#if defined(__x86_64__) || defined(__i386__)
#define cpu_relax() __builtin_ia32_pause()
#else
#define cpu_relax() __asm__ volatile("yield" ::: "memory")
#endif

static void relax(void)
{
	for (int i = 0; i < 16; i++)
		cpu_relax();
}

/*
 * Busy waits for up to the current spin time; true: there is work. It yields:
 * whom a write of ours has just woken is often queued on this very CPU.
 */
static bool spin(struct loop *l, nst_time began)
{
	nst_time now;

	if (!l->spin.now)
		return false;
	do {
		sched_yield();
		relax();
		if (ready(l))
			return true;
		now = loop_now();
		if (now >= l->next_deadline)
			return true;
	} while (now < began + l->spin.now);
	return false;
}

/*
 * After each wait. A long one was not worth a spin, or others have had the CPU
 * in our yields: less. A short one: more.
 */
static void spin_learn(struct loop *l, nst_time idle)
{
	nst_time n = l->spin.now;

	if (idle > l->spin.max) {
		l->spin.now = n / 2 < SPIN_MIN_NS ? 0 : n / 2;
		return;
	}
	n = n ? n * 2 : SPIN_MIN_NS;
	l->spin.now = n < l->spin.max ? n : l->spin.max;
}

static void wait_until(struct loop *l, nst_time deadline)
{
	nst_time left = deadline - loop_now();
	struct __kernel_timespec ts = {
	    .tv_sec = left / NST_SEC,
	    .tv_nsec = left % NST_SEC,
	};
	struct io_uring_cqe *cqe;

	if (left <= 0)
		return;
	/* Errors (ETIME, EINTR, EBUSY) all mean: look again. */
	(void)io_uring_submit_and_wait_timeout(
	    &l->ring, &cqe, 1, deadline == NST_NEVER ? NULL : &ts, NULL);
}

static void sleep_now(struct loop *l)
{
	nst_time deadline;

	l->hooks.lock(l->hooks.ctx);
	deadline = l->hooks.next_deadline(l->hooks.ctx);
	if (l->retry_at < deadline)
		deadline = l->retry_at;
	atomic_store(&l->sleeps_until, deadline ? deadline : 1);
	l->hooks.unlock(l->hooks.ctx);
	/* Who wants it suspended may have come behind a waker whose wish the
	 * last batch has met. */
	if (!atomic_load(&l->wake) && !atomic_load(&l->suspend))
		wait_until(l, deadline);
	atomic_store(&l->sleeps_until, 0);
}

static void turn(struct loop *l)
{
	nst_time start = loop_now();
	unsigned n = batch_run(l);
	nst_time began;

	if (io_uring_sq_ready(&l->ring) || n == LOOP_BATCH || ready(l))
		(void)io_uring_submit_and_get_events(&l->ring);
	if (ready(l))
		return;
	began = loop_now();
	if (began - start > SPIN_WORK_NS || !spin(l, began))
		sleep_now(l);
	spin_learn(l, loop_now() - began);
}

/* Ends every request, so that files are released now and not later. */
static void cancel_all(struct loop *l)
{
	struct io_uring_sync_cancel_reg reg = {
	    .fd = -1,
	    .flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL,
	    .timeout = {.tv_sec = -1, .tv_nsec = -1},
	};

	(void)io_uring_submit(&l->ring);
	(void)io_uring_register_sync_cancel(&l->ring, &reg);
	(void)io_uring_get_events(&l->ring);
}

/* ---- suspending ---- */

/* Completions only: no timers, no posted operations. */
static void drain(struct loop *l)
{
	struct completion c[LOOP_BATCH];
	unsigned n;

	do {
		(void)io_uring_get_events(&l->ring);
		n = batch_take(l, c);
		l->hooks.lock(l->hooks.ctx);
		for (unsigned i = 0; i < n; i++)
			complete(l, &c[i]);
		if (l->hooks.batch_end)
			l->hooks.batch_end(l->hooks.ctx);
		l->hooks.unlock(l->hooks.ctx);
	} while (n);
}

static void set_suspended(struct loop *l, bool on)
{
	l->hooks.lock(l->hooks.ctx);
	l->suspended = on;
	if (!on)
		op_sync_all(l);
	l->hooks.unlock(l->hooks.ctx);
}

static void wait_sem(sem_t *s)
{
	while (sem_wait(s) < 0 && errno == EINTR)
		;
}

/*
 * A batch first, so that what other threads have posted is known to the ring:
 * what they cancelled must be over too.
 */
static void suspend(struct loop *l)
{
	(void)batch_run(l);
	set_suspended(l, true);
	do {
		cancel_all(l);
		drain(l);
	} while (op_any_held(l));
	atomic_store(&l->suspend, false);
	sem_post(&l->suspended_sem);
	wait_sem(&l->go_on);
	set_suspended(l, false);
	atomic_store(&l->wake, true);
}

void loop_suspend(struct loop *l)
{
	atomic_store(&l->suspend, true);
	loop_wake(l);
	wait_sem(&l->suspended_sem);
}

void loop_resume(struct loop *l)
{
	sem_post(&l->go_on);
}

void loop_run(struct loop *l)
{
	if (ring_adopt(l) < 0)
		return;
	/* Timers are exact; the default slack is 50 us. */
	(void)prctl(PR_SET_TIMERSLACK, 1);
	atomic_store(&l->thread, (uintptr_t)pthread_self());
	while (!atomic_load(&l->stop))
		if (atomic_load(&l->suspend))
			suspend(l);
		else
			turn(l);
	cancel_all(l);
	atomic_store(&l->thread, 0);
}

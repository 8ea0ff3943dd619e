/* SPDX-License-Identifier: Apache-2.0 */
/* The dirty list, settling, waking the loop, the error table, the env. Loop and
 * gateway are played by this file. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sentry/core/errmap.h"
#include "sentry/core/sandbox.h"
#include "sentry/gateway/gateway.h"
#include "sentry/link/link.h"
#include "sentry/loop/loop.h"

/* ---- the loop and the gateway ---- */

static nst_time fake_until, fake_gw_deadline;
static bool fake_self;
static int fake_wakes;

void loop_wake(struct loop *l)
{
	(void)l;
	fake_wakes++;
}

bool loop_is_self(const struct loop *l)
{
	(void)l;
	return fake_self;
}

nst_time loop_sleeps_until(const struct loop *l)
{
	(void)l;
	return fake_until;
}

nst_time gateway_next_deadline(const struct gateway *gw)
{
	(void)gw;
	return fake_gw_deadline;
}

void gateway_run_timers(struct gateway *gw, nst_time now)
{
	(void)gw;
	(void)now;
}

/* ---- owners ---- */

struct probe {
	struct ep_owner owner;
	struct sandbox *sb;
	int calls;
	uint32_t seen;
	int again;             /* marks itself so many times more */
	struct probe *forgets; /* forgets (frees) this one */
};

static struct options opt;
static struct sandbox sb;

static void on_events(struct ep_owner *o, uint32_t events)
{
	struct probe *p = (struct probe *)(void *)o;

	p->calls++;
	p->seen |= events;
	if (p->again-- > 0)
		owner_mark(p->sb, o, NST_EV_OUT);
	if (p->forgets)
		owner_forget(p->sb, &p->forgets->owner);
	/* Settling inside settling does nothing. */
	sandbox_settle(p->sb);
}

static struct probe probe(void)
{
	return (struct probe){.owner = {.events = on_events}, .sb = &sb};
}

static void setup(void)
{
	sandbox_init(&sb, &opt);
	fake_wakes = 0;
	fake_self = false;
	fake_until = 0;
	fake_gw_deadline = NST_NEVER;
}

static void teardown(void)
{
	sandbox_fini(&sb);
}

TestSuite(sandbox, .init = setup, .fini = teardown);

Test(sandbox, events_are_gathered_and_told_once)
{
	struct probe a = probe(), b = probe();

	sandbox_lock(&sb);
	owner_mark(&sb, &a.owner, NST_EV_IN);
	owner_mark(&sb, &b.owner, NST_EV_ERR);
	owner_mark(&sb, &a.owner, NST_EV_FIN);
	sandbox_unlock(&sb);
	cr_assert(a.calls == 1 && a.seen == (NST_EV_IN | NST_EV_FIN));
	cr_assert(b.calls == 1 && b.seen == NST_EV_ERR);
	cr_assert_null(sb.dirty);
	sandbox_settle(&sb);
	cr_assert_eq(a.calls, 1);
}

Test(sandbox, events_during_events_are_told_too)
{
	struct probe a = probe();

	a.again = 5;
	owner_mark(&sb, &a.owner, NST_EV_IN);
	sandbox_settle(&sb);
	cr_assert_eq(a.calls, 6);
}

Test(sandbox, forgotten_owners_are_left_alone)
{
	struct probe a = probe(), b = probe(), c = probe(), d = probe();

	a.forgets = &b;
	c.forgets = &d;
	owner_mark(&sb, &a.owner, 1);
	owner_mark(&sb, &b.owner, 1);
	owner_mark(&sb, &c.owner, 1);
	owner_mark(&sb, &d.owner, 1);
	sandbox_settle(&sb);
	cr_assert(a.calls == 1 && b.calls == 0 && c.calls == 1 && d.calls == 0);
	owner_mark(&sb, &d.owner, 1);
	owner_forget(&sb, &d.owner);
	owner_forget(&sb, &d.owner);
	owner_mark(&sb, &b.owner, 1);
	sandbox_settle(&sb);
	cr_assert(b.calls == 1 && d.calls == 0);
}

/* One that never gets quiet gives the lock away, and the loop goes on. */
Test(sandbox, endless_work_is_cut_into_pieces)
{
	struct probe a = probe();

	a.again = 100000;
	fake_until = NST_NEVER;
	sb.loop = (struct loop *)&sb;
	sandbox_lock(&sb);
	owner_mark(&sb, &a.owner, 1);
	sandbox_unlock(&sb);
	cr_assert_lt(a.calls, 100000);
	cr_assert_eq(sandbox_next_deadline(&sb), 0);
	cr_assert_eq(fake_wakes, 1);
	while (sandbox_next_deadline(&sb) == 0) {
		sandbox_lock(&sb);
		sandbox_unlock(&sb);
	}
	cr_assert_eq(a.calls, 100001);
}

static int pumps_left;

static bool fake_pump(struct link *l)
{
	(void)l;
	return pumps_left-- > 0;
}

Test(sandbox, links_are_pumped_until_they_are_empty)
{
	struct link l = {.pump = fake_pump};

	pumps_left = 3;
	sb.link = &l;
	sandbox_settle(&sb);
	cr_assert_eq(pumps_left, -1);
}

static void unlock_with(nst_time until, nst_time deadline, bool self, int wakes)
{
	fake_until = until;
	fake_gw_deadline = deadline;
	fake_self = self;
	fake_wakes = 0;
	sandbox_lock(&sb);
	sandbox_unlock(&sb);
	cr_assert_eq(fake_wakes, wakes);
}

Test(sandbox, the_loop_is_woken_only_if_it_would_oversleep)
{
	sb.loop = (struct loop *)&sb;
	sb.gw = (struct gateway *)&sb;
	unlock_with(1000, 999, false, 1);
	unlock_with(1000, 1000, false, 0);
	unlock_with(1000, NST_NEVER, false, 0);
	unlock_with(NST_NEVER, 1000, false, 1);
	unlock_with(0, 1, false, 0);
	unlock_with(1000, 1, true, 0);
}

/* ---- whose turn it is ---- */

static atomic_bool greedy_stop;
static atomic_uint greedy_had;

/* Has the lock for a while, again and again, as threads do under traffic. */
static void *greedy_main(void *arg)
{
	const nst_time hold = 20 * NST_US;

	(void)arg;
	while (!atomic_load(&greedy_stop)) {
		sandbox_lock(&sb);
		for (nst_time t = sandbox_now(&sb);
		     sandbox_now(&sb) - t < hold;)
			;
		atomic_fetch_add(&greedy_had, 1);
		sandbox_unlock(&sb);
	}
	return NULL;
}

Test(sandbox, who_waits_for_a_turn_is_next, .timeout = 60)
{
	enum { GREEDY = 2, TURNS = 100 };
	pthread_t t[GREEDY];
	unsigned had = 0;

	for (int i = 0; i < GREEDY; i++)
		cr_assert_eq(pthread_create(&t[i], NULL, greedy_main, NULL), 0);
	while (atomic_load(&greedy_had) < 10 * GREEDY)
		usleep(1000);
	for (int i = 0; i < TURNS; i++) {
		unsigned from = atomic_load(&greedy_had);
		sandbox_lock_turn(&sb);
		had += atomic_load(&greedy_had) - from;
		sandbox_unlock(&sb);
		usleep(1000);
	}
	atomic_store(&greedy_stop, true);
	for (int i = 0; i < GREEDY; i++)
		pthread_join(t[i], NULL);
	/* Each once more; and once or twice the scheduler came in between. */
	cr_assert_lt(had, (GREEDY + 2) * TURNS, "%u", had);
}

Test(sandbox, its_directory_is_private)
{
	struct stat st;

	sandbox_dir_name(&sb);
	cr_assert_neq(stat(sb.dir, &st), 0, "only a name so far");
	cr_assert_eq(sandbox_dir_new(&sb), 0);
	cr_assert_eq(stat(sb.dir, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0700);
	cr_assert_eq(fstat(sb.dir_fd, &st), 0);
	char dir[sizeof sb.dir];
	strcpy(dir, sb.dir);
	sandbox_dir_free(&sb);
	cr_assert_neq(stat(dir, &st), 0);
}

/* Somebody else's directory, or a wide open one, is not taken. */
Test(sandbox, a_planted_directory_is_refused)
{
	sandbox_dir_name(&sb);
	char dir[sizeof sb.dir];
	strcpy(dir, sb.dir);
	cr_assert_eq(mkdir(dir, 0700), 0);
	cr_assert_eq(chmod(dir, 0755), 0);
	cr_assert_eq(sandbox_dir_new(&sb), -EPERM);
	cr_assert_eq(rmdir(dir), 0);
}

/* ---- errors ---- */

Test(errmap, every_error_goes_there_and_back)
{
	cr_assert_eq(errno_of(NST_OK), 0);
	for (int e = NST_OK + 1; e < NST_E_COUNT; e++) {
		cr_assert_gt(errno_of((enum nst_err)e), 0, "%d", e);
		cr_assert_eq(err_of_errno(errno_of((enum nst_err)e)),
			     (enum nst_err)e);
	}
	cr_assert_eq(errno_of((enum nst_err)4711), EINVAL);
	cr_assert_eq(err_of_errno(-ECONNREFUSED), NST_E_CONNREFUSED);
	cr_assert_eq(err_of_errno(EMFILE), NST_E_NOBUFS);
	cr_assert_eq(err_of_errno(9999), NST_E_INVAL);
}

/* ---- env ---- */

Test(sandbox, env_gives_zeroed_memory_and_fresh_bytes)
{
	const uint8_t key[16] = {1};
	uint8_t a[32] = {0}, b[32] = {0}, big[4096] = {0}, zero[4096] = {0};
	uint8_t *p = sb.env.alloc(sb.env.ctx, 100);

	cr_assert_not_null(p);
	cr_assert_arr_eq(p, zero, 100);
	sb.env.free(sb.env.ctx, p, 100);
	for (int i = 0; i < 100; i++) {
		sb.env.random(sb.env.ctx, a, sizeof a);
		cr_assert_neq(memcmp(a, b, sizeof a), 0);
		memcpy(b, a, sizeof b);
	}
	sb.env.random(sb.env.ctx, big, sizeof big);
	cr_assert_neq(memcmp(big, zero, sizeof big), 0);
	uint64_t h = sb.env.hash(sb.env.ctx, key, "abc", 3);
	cr_assert_eq(h, sb.env.hash(sb.env.ctx, key, "abc", 3));
	cr_assert_neq(h, sb.env.hash(sb.env.ctx, key, "abd", 3));
	/* Nobody owns the endpoint yet. */
	sb.env.event(sb.env.ctx, NULL, NST_EV_IN);
	cr_assert_null(sb.dirty);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/core/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sentry/core/log.h"
#include "sentry/gateway/gateway.h"
#include "sentry/link/link.h"
#include "sentry/loop/loop.h"

/*
 * Rounds of one settle. Traffic between the guest and the gateway can keep
 * itself going for as long as a guest writes; after this many rounds the lock
 * is given to whoever waits for it, and the loop goes on at once.
 */
#define SETTLE_ROUNDS 256

/* sandbox.dir holds this, "/cordon-" and 12 digits. */
#define DIR_BASE_BYTES 40

static nst_time monotonic(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NST_SEC + ts.tv_nsec;
}

/* The host's clock is read first: who is delayed between the lines by a stop
 * is too early by that much, which harms nobody, but never too late. */
nst_time sandbox_now(const struct sandbox *sb)
{
	nst_time host = monotonic();
	nst_time stopped = atomic_load(&sb->stopped_at);

	return stopped ? stopped : host - atomic_load(&sb->behind);
}

nst_time sandbox_monotonic(const struct sandbox *sb, nst_time t)
{
	return t == 0 || t == NST_NEVER ? t : t + sb->behind;
}

void sandbox_clock_stop(struct sandbox *sb, nst_time at)
{
	sb->stopped_at = at;
}

void sandbox_clock_start(struct sandbox *sb)
{
	if (sb->stopped_at)
		sb->behind = monotonic() - sb->stopped_at;
	sb->stopped_at = 0;
}

void sandbox_init(struct sandbox *sb, const struct options *opt)
{
	pthread_mutexattr_t attr;

	memset(sb, 0, sizeof *sb);
	sb->opt = opt;
	sb->notify_fd = -1;
	sb->guest_diag_fd = -1;
	sb->dir_fd = -1;
	sb->dirty_tail = &sb->dirty;
	/* Sections are microseconds long: spinning is cheaper than sleeping. */
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP);
	pthread_mutex_init(&sb->lock, &attr);
	pthread_mutexattr_destroy(&attr);
	pthread_mutex_init(&sb->turn, NULL);
	sandbox_env_init(sb);
}

void sandbox_fini(struct sandbox *sb)
{
	if (sb->notify_fd >= 0)
		close(sb->notify_fd);
	if (sb->guest_diag_fd >= 0)
		close(sb->guest_diag_fd);
	sb->notify_fd = -1;
	pthread_mutex_destroy(&sb->lock);
	pthread_mutex_destroy(&sb->turn);
}

/*
 * Every guest socket makes and unlinks a name here: 100 us on a tmpfs, but
 * milliseconds on a file system with a journal. So memory comes before /tmp.
 */
static const char *dir_base(void)
{
	const char *base = getenv("XDG_RUNTIME_DIR");

	if (base && base[0] == '/' && strlen(base) <= DIR_BASE_BYTES &&
	    access(base, W_OK) == 0)
		return base;
	return access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";
}

void sandbox_dir_name(struct sandbox *sb)
{
	const char *base = dir_base();
	uint64_t name;

	randombytes_buf(&name, sizeof name);
	snprintf(sb->dir, sizeof sb->dir, "%s/cordon-%012" PRIx64, base,
		 name & 0xffffffffffff);
}

/* Ours alone, or somebody has guessed 48 random bits. */
static int check_dir(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (st.st_uid != geteuid() || (st.st_mode & 0777) != 0700)
		return -EPERM;
	return 0;
}

static int open_dir(struct sandbox *sb)
{
	const int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int rc;

	/* EEXIST: the watcher was faster. */
	if (mkdir(sb->dir, 0700) && errno != EEXIST)
		return -errno;
	sb->dir_fd = open(sb->dir, flags);
	if (sb->dir_fd < 0)
		return -errno;
	rc = check_dir(sb->dir_fd);
	if (rc) {
		close(sb->dir_fd);
		sb->dir_fd = -1;
	}
	return rc;
}

int sandbox_dir_new(struct sandbox *sb)
{
	int rc;

	if (!sb->dir[0])
		sandbox_dir_name(sb);
	rc = open_dir(sb);
	if (!rc)
		return 0;
	log_error("cannot make the directory %s: %s; set XDG_RUNTIME_DIR to a "
		  "writable one",
		  sb->dir, strerror(-rc));
	sb->dir[0] = '\0';
	return rc;
}

void sandbox_dir_free(struct sandbox *sb)
{
	if (sb->dir_fd >= 0)
		close(sb->dir_fd);
	sb->dir_fd = -1;
	if (sb->dir[0])
		rmdir(sb->dir);
	sb->dir[0] = '\0';
}

nst_time sandbox_next_deadline(const struct sandbox *sb)
{
	nst_time next = NST_NEVER;

	if (sb->dirty || sb->unsettled)
		return 0;
	if (sb->stack)
		next = nst_next_deadline(sb->stack);
	if (sb->gw) {
		nst_time gw = gateway_next_deadline(sb->gw);
		if (gw < next)
			next = gw;
	}
	if (sb->link && sb->link->next) {
		nst_time link = sb->link->next(sb->link);
		if (link < next)
			next = link;
	}
	return next;
}

void sandbox_run_timers(struct sandbox *sb)
{
	nst_time now = sandbox_now(sb);

	if (sb->link && sb->link->run)
		sb->link->run(sb->link, now);
	if (sb->stack) {
		/* What the link's timers let in is a batch of its own. */
		nst_gro_end(sb->stack, now);
		nst_run_timers(sb->stack, now);
	}
	if (sb->gw)
		gateway_run_timers(sb->gw, now);
}

void sandbox_lock(struct sandbox *sb)
{
	/* Who waits for its turn holds `turn` until it has the lock. */
	if (atomic_load_explicit(&sb->turns, memory_order_relaxed)) {
		pthread_mutex_lock(&sb->turn);
		pthread_mutex_unlock(&sb->turn);
	}
	pthread_mutex_lock(&sb->lock);
}

void sandbox_lock_turn(struct sandbox *sb)
{
	atomic_fetch_add(&sb->turns, 1);
	pthread_mutex_lock(&sb->turn);
	pthread_mutex_lock(&sb->lock);
	atomic_fetch_sub(&sb->turns, 1);
	pthread_mutex_unlock(&sb->turn);
}

/* Does the loop sleep past the next deadline? */
static bool oversleeps(const struct sandbox *sb)
{
	if (!sb->loop || loop_is_self(sb->loop))
		return false;
	nst_time until = loop_sleeps_until(sb->loop);
	return until != 0 &&
	       sandbox_monotonic(sb, sandbox_next_deadline(sb)) < until;
}

void sandbox_unlock(struct sandbox *sb)
{
	if (sandbox_settle(sb) && sb->autosave)
		sb->autosave(sb);
	bool wake = oversleeps(sb);
	struct loop *loop = sb->loop;
	pthread_mutex_unlock(&sb->lock);
	if (wake)
		loop_wake(loop);
}

/*
 * Everything that is on the list now, moved to a list of its own; what the
 * owners mark meanwhile waits for the next round, so that links are pumped in
 * between. An owner may be forgotten (freed) while it waits in the batch.
 */
static bool run_dirty(struct sandbox *sb)
{
	struct ep_owner *batch = sb->dirty;

	if (!batch)
		return false;
	batch->pprev = &batch;
	sb->dirty = NULL;
	sb->dirty_tail = &sb->dirty;
	while (batch) {
		struct ep_owner *o = batch;
		uint32_t events = o->pending;

		owner_forget(sb, o);
		o->events(o, events);
	}
	return true;
}

bool sandbox_settle(struct sandbox *sb)
{
	bool more = true, any = false;

	if (sb->settling)
		return false;
	sb->settling = true;
	for (int i = 0; more && i < SETTLE_ROUNDS; i++) {
		more = sb->link && sb->link->pump && sb->link->pump(sb->link);
		more |= run_dirty(sb);
		any |= more;
	}
	sb->unsettled = more;
	sb->settling = false;
	return any;
}

void owner_mark(struct sandbox *sb, struct ep_owner *o, uint32_t events)
{
	o->pending |= events;
	if (o->pprev)
		return;
	o->next = NULL;
	o->pprev = sb->dirty_tail;
	*sb->dirty_tail = o;
	sb->dirty_tail = &o->next;
}

void owner_forget(struct sandbox *sb, struct ep_owner *o)
{
	o->pending = 0;
	if (!o->pprev)
		return;
	*o->pprev = o->next;
	if (o->next)
		o->next->pprev = o->pprev;
	else if (sb->dirty_tail == &o->next)
		sb->dirty_tail = o->pprev;
	o->next = NULL;
	o->pprev = NULL;
}

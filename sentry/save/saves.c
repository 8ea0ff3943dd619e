/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When to save: --autosave, and whoever asks (a guest, cordon save). What it
 * cost.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "netstack/nst_stack.h"
#include "sentry/core/log.h"
#include "sentry/core/thread.h"
#include "sentry/link/link.h"
#include "sentry/save/save_priv.h"

static void note(struct saves *sv, nst_time stall)
{
	sv->count++;
	sv->sum += stall;
	if (stall > sv->most)
		sv->most = stall;
}

/* The stack's clock stands still meanwhile; captures keep the host's. */
static int save_stopped(struct sandbox *sb, struct save_report *out)
{
	struct saves *sv = sb->saves;
	nst_time before = sb->behind, cpu = thread_cpu_time();
	int err;

	sandbox_clock_stop(sb, sandbox_now(sb));
	err = saves_run(sb, &sv->image, out);
	save_image_reset(&sv->image);
	sv->last_bytes = out->image_bytes;
	sandbox_clock_start(sb);
	out->stall = sb->behind - before;
	out->cpu += thread_cpu_time() - cpu;
	if (sb->cap)
		capture_clock(sb->cap, sb->behind);
	return err;
}

int save_in_place(struct sandbox *sb, struct save_report *out)
{
	struct saves *sv = sb->saves;
	int err;

	*out = (struct save_report){0};
	if (!sv || !sb->stack)
		return -ESRCH;
	if (sv->busy || sb->settling) {
		sandbox_env_expected(); /* not now */
		return -EBUSY;
	}
	sv->busy = true;
	/* What was merged so far is delivered, not saved. */
	nst_gro_end(sb->stack, sandbox_now(sb));
	(void)sandbox_settle(sb);
	err = save_stopped(sb, out);
	sv->events = 0;
	sv->busy = false;
	if (err)
		sv->failed++;
	else
		note(sv, out->stall);
	return err;
}

void save_prepare(struct sandbox *sb)
{
	size_t need;

	if (sb->saves)
		retire_wait(&sb->saves->retired);
	sandbox_lock_turn(sb);
	need = sb->saves ? saves_need(sb) : 0;
	sandbox_unlock(sb);
	sandbox_env_expect(need, true);
}

static void on_event(struct sandbox *sb)
{
	struct saves *sv = sb->saves;
	struct save_report report;

	if (sv->busy || ++sv->events < sb->opt->autosave)
		return;
	/* Said by who failed; the next one is tried again. */
	(void)save_in_place(sb, &report);
}

static int on_demand(struct sandbox *sb)
{
	struct save_report report;

	return save_in_place(sb, &report);
}

int saves_start(struct sandbox *sb)
{
	struct saves *sv = calloc(1, sizeof *sv);

	if (!sv)
		return -ENOMEM;
	retire_init(&sv->retired);
	sandbox_lock(sb);
	sb->saves = sv;
	sb->poison = sb->opt->autosave || sb->opt->autosave_syscall;
	sb->autosave = sb->opt->autosave ? on_event : NULL;
	sb->save = on_demand;
	sandbox_unlock(sb);
	return 0;
}

static void say(const struct saves *sv)
{
	if (!sv->count && !sv->failed)
		return;
	log_trace("saved and restored %" PRIu64 " times, %" PRIu64
		  " failed; stood still for %" PRId64 " us, at most %" PRId64
		  " us",
		  sv->count, sv->failed,
		  sv->count ? sv->sum / (nst_time)sv->count / NST_US : 0,
		  sv->most / NST_US);
}

void saves_stop(struct sandbox *sb)
{
	sandbox_lock(sb);
	sb->autosave = NULL;
	sb->save = NULL;
	sandbox_unlock(sb);
	if (!sb->saves)
		return;
	retire_wait(&sb->saves->retired); /* it uses links' env */
	if (sb->opt->verbose)
		say(sb->saves);
}

void saves_free(struct sandbox *sb)
{
	if (!sb->saves)
		return;
	retire_fini(&sb->saves->retired);
	save_image_fini(&sb->saves->image);
	free(sb->saves);
	sb->saves = NULL;
}

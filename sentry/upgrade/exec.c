/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way from one program to the other, on the main thread: README.md has it
 * in steps. Until execveat() each step can be taken back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "sentry/core/log.h"
#include "sentry/link/link.h"
#include "sentry/loop/loop.h"
#include "sentry/trap/trap.h"
#include "sentry/upgrade/argv.h"

/* Looks at a sandbox that is just not settled. */
#define LOOKS 100

int64_t upgrade_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NST_SEC + ts.tv_nsec;
}

static int failed(struct upgrade_job *job, int err, const char *what)
{
	snprintf(job->why, UPGRADE_WHY, "%s: %s", what, strerror(-err));
	return err;
}

/* ---- the image ---- */

static int image_new(void)
{
	int fd =
	    memfd_create("cordon-upgrade", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	return fd < 0 ? -errno : fd;
}

static int image_seal(int fd)
{
	const int seals =
	    F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

	return fcntl(fd, F_ADD_SEALS, seals) ? -errno : 0;
}

/* Of the sandbox as it runs, for the new program to try. */
static int look(struct upgrade *up, int fd)
{
	const struct timespec moment = {.tv_nsec = 100000};
	struct sandbox *sb = up->sb;
	int err = -EBUSY;

	for (int i = 0; i < LOOKS && (err == -EBUSY || err == -EIO); i++) {
		if (i)
			nanosleep(&moment, NULL);
		sandbox_lock_turn(sb);
		(void)sandbox_settle(sb);
		err = upgrade_save(sb, fd, -1, upgrade_clock());
		sandbox_unlock(sb);
	}
	return err ? err : image_seal(fd);
}

static int probe(struct upgrade *up, struct upgrade_job *job)
{
	int fd = image_new(), err = fd < 0 ? fd : look(up, fd);

	if (err)
		(void)failed(job, err, "cannot save the sandbox");
	else
		err = upgrade_probe(up, job->binary_fd, fd, job->why);
	if (fd >= 0)
		close(fd);
	return err;
}

/* ---- quiet ---- */

/* Nothing moves and nobody looks: what is left is this thread. */
static int make_quiet(struct sandbox *sb)
{
	trapper_suspend(sb);
	sandbox_lock(sb);
	sb->holding = true;
	sandbox_unlock(sb);
	loop_suspend(sb->loop);
	return trapper_quiet(sb) ? 0 : -EBUSY;
}

static void go_on(struct sandbox *sb)
{
	int err;

	sandbox_lock(sb);
	sb->holding = false;
	sandbox_unlock(sb);
	loop_resume(sb->loop);
	err = trapper_resume(sb);
	if (err)
		log_error("cannot serve the guest any more: %s",
			  strerror(-err));
}

/* ---- descriptors ---- */

static void let_through(void *arg, int *fd)
{
	(void)arg;
	if (*fd >= 0)
		fcntl(*fd, F_SETFD, 0);
}

static void keep_back(void *arg, int *fd)
{
	(void)arg;
	if (*fd >= 0)
		fcntl(*fd, F_SETFD, FD_CLOEXEC);
}

/* ---- the step ---- */

static int become(struct upgrade *up, struct upgrade_job *job, int fd)
{
	char **argv = upgrade_argv(up, "upgrade-run", fd);
	int err;

	if (!argv)
		return -ENOMEM;
	upgrade_each_fd(up->sb, let_through, NULL);
	let_through(NULL, &fd);
	syscall(SYS_execveat, job->binary_fd, "", argv, environ, AT_EMPTY_PATH);
	err = -errno;
	upgrade_each_fd(up->sb, keep_back, NULL);
	keep_back(NULL, &fd);
	upgrade_argv_free(argv);
	return err;
}

/* Quiet: saved, and gone. Returns if not. */
static int save_and_become(struct upgrade *up, struct upgrade_job *job,
			   int64_t began)
{
	struct sandbox *sb = up->sb;
	int fd = image_new(), err = fd < 0 ? fd : 0;

	sandbox_clock_stop(sb, sandbox_now(sb));
	if (!err)
		err = upgrade_save(sb, fd, job->client, began);
	if (!err)
		err = image_seal(fd);
	if (err)
		(void)failed(job, err, "cannot save the sandbox");
	if (!err && sb->cap)
		capture_pause(sb->cap);
	if (!err) {
		err = become(up, job, fd);
		(void)failed(job, err, "cannot run the new program");
	}
	if (fd >= 0)
		close(fd);
	sandbox_clock_start(sb);
	if (sb->cap)
		capture_clock(sb->cap, sb->behind);
	return err;
}

void upgrade_exec(struct upgrade *up, struct upgrade_job *job)
{
	int64_t began;

	job->err = probe(up, job);
	if (job->err)
		return;
	began = upgrade_clock();
	job->err = make_quiet(up->sb);
	if (job->err)
		(void)failed(job, job->err, "the sandbox does not get quiet");
	else
		job->err = save_and_become(up, job, began);
	go_on(up->sb);
}

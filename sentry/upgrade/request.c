/* SPDX-License-Identifier: Apache-2.0 */
/* From the control thread, where a command arrives, to the main thread, which
 * alone may replace the program, and back with the reason if it did not. */
#include "sentry/upgrade/run_upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "sentry/control/control.h"
#include "sentry/core/log.h"
#include "sentry/launch/launch.h"
#include "sentry/upgrade/upgrade_priv.h"

/* ---- the main thread ---- */

static void serve(void *arg)
{
	struct upgrade *up = arg;
	struct upgrade_job *job;
	eventfd_t n;

	(void)eventfd_read(up->event_fd, &n);
	pthread_mutex_lock(&up->lock);
	job = up->job;
	pthread_mutex_unlock(&up->lock);
	if (!job)
		return;
	upgrade_exec(up, job);
	pthread_mutex_lock(&up->lock);
	up->job = NULL;
	pthread_cond_signal(&up->done);
	pthread_mutex_unlock(&up->lock);
}

int upgrade_open(struct sandbox *sb, int argc, char **argv, uint64_t count)
{
	struct upgrade *up = calloc(1, sizeof *up);

	if (!up)
		return -ENOMEM;
	up->sb = sb;
	up->argc = argc;
	up->argv = argv;
	up->count = count;
	pthread_mutex_init(&up->lock, NULL);
	pthread_cond_init(&up->done, NULL);
	up->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	sb->upgrade = up;
	if (up->event_fd < 0)
		return -errno;
	launch_listen(sb->guest, up->event_fd, serve, up);
	return 0;
}

static void refuse(struct upgrade_job *job)
{
	job->err = -ESRCH;
	snprintf(job->why, sizeof job->why, "the guest has ended");
}

void upgrade_close(struct sandbox *sb)
{
	struct upgrade *up = sb->upgrade;

	if (!up)
		return;
	pthread_mutex_lock(&up->lock);
	up->closed = true;
	if (up->job)
		refuse(up->job);
	up->job = NULL;
	pthread_cond_signal(&up->done);
	pthread_mutex_unlock(&up->lock);
}

void upgrade_free(struct sandbox *sb)
{
	struct upgrade *up = sb->upgrade;

	if (!up)
		return;
	if (up->event_fd >= 0)
		close(up->event_fd);
	pthread_mutex_destroy(&up->lock);
	pthread_cond_destroy(&up->done);
	free(up);
	sb->upgrade = NULL;
}

/* ---- the control thread ---- */

/* Does not come back if it succeeds: this thread is gone then. */
static void hand_over(struct upgrade *up, struct upgrade_job *job)
{
	pthread_mutex_lock(&up->lock);
	if (up->closed) {
		refuse(job);
		pthread_mutex_unlock(&up->lock);
		return;
	}
	up->job = job;
	eventfd_write(up->event_fd, 1);
	while (up->job == job)
		pthread_cond_wait(&up->done, &up->lock);
	pthread_mutex_unlock(&up->lock);
}

/* Where our own program is on disk now; another one may be there. */
static int own_program(void)
{
	static const char gone[] = " (deleted)";
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
	int fd;

	if (n < 0)
		return -errno;
	path[n] = '\0';
	if (n > (ssize_t)sizeof gone &&
	    !strcmp(path + n - (ssize_t)(sizeof gone - 1), gone))
		path[n - (ssize_t)(sizeof gone - 1)] = '\0';
	fd = open(path, O_PATH | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Takes the program that came with the request, or ours. */
static int program_of(struct control_reply *reply)
{
	int fd;

	if (!reply->got.n)
		return own_program();
	fd = reply->got.fd[0];
	reply->got.fd[0] = -1;
	return fd;
}

int upgrade_run(struct sandbox *sb, struct json_object *request,
		struct control_reply *reply)
{
	struct upgrade_job job = {.client = reply->client};

	(void)request;
	if (!sb->upgrade)
		return control_fail(reply, -EAGAIN, "it is just starting");
	job.binary_fd = program_of(reply);
	if (job.binary_fd < 0)
		return control_fail(reply, job.binary_fd,
				    "its program is not where it was: %s; "
				    "say which one with --binary",
				    strerror(-job.binary_fd));
	hand_over(sb->upgrade, &job);
	close(job.binary_fd);
	return control_fail(reply, job.err, "%s", job.why);
}

/* ---- the process that came ---- */

static void answer(int client, struct json_object *o, bool ok)
{
	json_object_object_add(o, "version",
			       json_object_new_int(CONTROL_VERSION));
	json_object_object_add(o, "ok", json_object_new_boolean(ok));
	(void)control_send(client, o, NULL, false);
	json_object_put(o);
}

void upgrade_done(struct sandbox *sb, const struct upgrade_hand *hand)
{
	struct json_object *o = json_object_new_object();
	int64_t stall = upgrade_clock() - hand->began;

	(void)sb;
	json_object_object_add(o, "stall_us",
			       json_object_new_int64(stall / NST_US));
	json_object_object_add(o, "upgrades",
			       json_object_new_int64((int64_t)hand->count));
	json_object_object_add(o, "cordon",
			       json_object_new_string(CORDON_VERSION));
	answer(hand->client, o, true);
}

void upgrade_lost(const struct upgrade_hand *hand, const char *why)
{
	struct json_object *o = json_object_new_object();
	char text[UPGRADE_WHY + 64];

	snprintf(text, sizeof text, "upgrading failed: %s; the sandbox is lost",
		 why);
	log_error("%s", text);
	json_object_object_add(o, "error", json_object_new_string(text));
	answer(hand->client, o, false);
}

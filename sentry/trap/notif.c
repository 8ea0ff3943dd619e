/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers to notifications. None of these is called under the stack lock:
 * ADDFD is a rendezvous with the guest's thread.
 */
#include "sentry/trap/trap_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The dup goes first: a guest that closes its descriptor right after the call
 * must find that it was the last one. */
static int notif_send(struct trap *t, int64_t value, int err, uint32_t flags)
{
	struct seccomp_notif_resp resp = {
	    .id = t->n.id, .val = value, .error = -err, .flags = flags};

	if (t->gfd >= 0 && !t->keep_gfd) {
		close(t->gfd);
		t->gfd = -1;
	}
	while (ioctl(t->sb->notify_fd, SECCOMP_IOCTL_NOTIF_SEND, &resp) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

int trap_reply(struct trap *t, int64_t value)
{
	char call[TRACE_BYTES];

	if (!t->sb->opt->verbose)
		return notif_send(t, value, 0, 0);
	trace_call(t, call);
	trace_value(t, call, value);
	return notif_send(t, value, 0, 0);
}

int trap_reply_err(struct trap *t, int err)
{
	char call[TRACE_BYTES];

	if (!t->sb->opt->verbose)
		return notif_send(t, 0, err, 0);
	trace_call(t, call);
	trace_error(t, call, err);
	return notif_send(t, 0, err, 0);
}

enum trap_verdict trap_answer(struct trap *t, int64_t rc)
{
	if (rc < 0)
		(void)trap_reply_err(t, (int)-rc);
	else
		(void)trap_reply(t, rc);
	return TRAP_DONE;
}

int trap_reply_continue(struct trap *t)
{
	uint32_t flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	char call[TRACE_BYTES];

	if (!t->sb->opt->verbose)
		return notif_send(t, 0, 0, flags);
	trace_call(t, call);
	trace_native(t, call);
	return notif_send(t, 0, 0, flags);
}

/*
 * LINUX: with SEND, a signal that comes before the guest's thread has taken the
 * descriptor takes it back, but not the answer: the call then returns 0. So
 * none may come, not even the one that ends this thread.
 */
static int notif_addfd(struct trap *t, struct seccomp_notif_addfd *a)
{
	sigset_t all, old;
	int fd;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	do {
		fd = ioctl(t->sb->notify_fd, SECCOMP_IOCTL_NOTIF_ADDFD, a);
	} while (fd < 0 && errno == EINTR);
	fd = fd < 0 ? -errno : fd;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return fd;
}

int trap_reply_fd(struct trap *t, int fd, bool cloexec)
{
	struct seccomp_notif_addfd a = {
	    .id = t->n.id,
	    .flags = SECCOMP_ADDFD_FLAG_SEND,
	    .srcfd = (uint32_t)fd,
	    .newfd_flags = cloexec ? O_CLOEXEC : 0,
	};
	char call[TRACE_BYTES];
	int number;

	if (!t->sb->opt->verbose)
		return notif_addfd(t, &a);
	trace_call(t, call);
	number = notif_addfd(t, &a);
	if (number >= 0)
		trace_value(t, call, number);
	return number;
}

int trap_replace_fd(struct trap *t, int fd, int number, bool cloexec)
{
	struct seccomp_notif_addfd a = {
	    .id = t->n.id,
	    .flags = SECCOMP_ADDFD_FLAG_SETFD,
	    .srcfd = (uint32_t)fd,
	    .newfd = (uint32_t)number,
	    .newfd_flags = cloexec ? O_CLOEXEC : 0,
	};

	return notif_addfd(t, &a);
}

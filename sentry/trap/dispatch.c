/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a notification to its handler: the table of calls, and how the socket
 * is found. A descriptor that is not ours is answered CONTINUE, which is safe
 * because no host network socket exists inside a guest (DESIGN 4).
 */
#include "sentry/trap/trap_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "sentry/core/fds.h"
#include "sentry/sock/sock.h"
#include "shim/abi.h"

struct call {
	const char *name;
	trap_handler handler;
};

#define CALL(nr, fn) [SYS_##nr] = {#nr, fn}

static const struct call calls[] = {
    CALL(socket, sys_socket),           CALL(bind, sys_bind),
    CALL(connect, sys_connect),         CALL(listen, sys_listen),
    CALL(accept, sys_accept),           CALL(accept4, sys_accept),
    CALL(shutdown, sys_shutdown),       CALL(getsockname, sys_getsockname),
    CALL(getpeername, sys_getpeername), CALL(getsockopt, sys_getsockopt),
    CALL(setsockopt, sys_setsockopt),   CALL(ioctl, sys_ioctl),
    CALL(sendto, sys_sendto),           CALL(recvfrom, sys_recvfrom),
    CALL(sendmsg, sys_sendmsg),         CALL(recvmsg, sys_recvmsg),
    CALL(sendmmsg, sys_sendmmsg),       CALL(recvmmsg, sys_recvmmsg),
};

#define NCALLS ((int)(sizeof calls / sizeof calls[0]))

static const struct call *call_of(int nr)
{
	if (nr < 0 || nr >= NCALLS || !calls[nr].handler)
		return NULL;
	return &calls[nr];
}

const char *dispatch_name(int nr)
{
	const struct call *c = call_of(nr);

	return c ? c->name : NULL;
}

/* ---- helpers that handlers share ---- */

bool trap_nonblock(const struct trap *t)
{
	int flags = fcntl(t->gfd, F_GETFL);

	return flags >= 0 && (flags & O_NONBLOCK);
}

void trap_set_deadline(struct trap *t, int timeo_opt)
{
	struct timeval tv = {0, 0};
	socklen_t len = sizeof tv;

	if (t->deadline)
		return;
	if (getsockopt(t->gfd, SOL_SOCKET, timeo_opt, &tv, &len) < 0)
		return;
	if (tv.tv_sec == 0 && tv.tv_usec == 0)
		return;
	t->since = sandbox_now(t->sb);
	t->timeout = tv.tv_sec * NST_SEC + tv.tv_usec * NST_US;
	trap_rearm(t);
}

void trap_rearm(struct trap *t)
{
	t->deadline = t->timeout ? t->since + t->timeout : 0;
}

int trap_intr_errno(const struct trap *t)
{
	return t->deadline ? EINTR : TRAP_ERESTARTSYS;
}

/* ---- identification ---- */

static bool wants_adoption(const struct trap *t)
{
	uint64_t tag = SHIM_ADOPT_TAG(t->sb->magic);

	return (trap_arg(t, 5) & ~(uint64_t)UINT32_MAX) == tag;
}

static bool is_adopt_call(const struct trap *t)
{
	return t->n.data.nr == SYS_getsockopt && trap_int(t, 1) == SHIM_SOL &&
	       trap_int(t, 2) == SHIM_OPT_ADOPT;
}

static int adopt(struct trap *t, struct sock **s)
{
	/* What connects at once never needs its name: see sys_connect. */
	bool named = t->n.data.nr != SYS_connect;
	uint64_t reg = trap_arg(t, 5);
	int err = backing_adopt(t->sb, t->gfd, reg, named, s);

	if (sock_make_room(t->sb, err))
		err = backing_adopt(t->sb, t->gfd, reg, named, s);
	if (err < 0)
		*s = NULL;
	return err;
}

/* Sets t->sock, with a reference, or leaves it NULL: 0, not one of ours, or
 * -errno, one of ours that cannot be served. */
static int identify(struct trap *t)
{
	struct sock *s;
	int err = 0;

	sandbox_lock(t->sb);
	if (!fds_may_last(t->sb, t->gfd))
		(void)sock_make_room(t->sb, -EMFILE);
	s = sock_of_guest_fd(t->sb, t->gfd);
	if (!s && wants_adoption(t))
		err = adopt(t, &s);
	if (s) {
		sock_get(s);
		t->sock = s;
		t->kicks = s->kicks;
		s->hint_tid = (pid_t)t->n.pid;
		s->hint_fd = trap_int(t, 0);
		s->unseen = 0;
	}
	sandbox_unlock(t->sb);
	return err == -EINVAL ? 0 : err;
}

/* ---- running ---- */

/* Drops what the trap holds. */
static void release(struct trap *t)
{
	if (t->gfd >= 0)
		close(t->gfd);
	t->gfd = -1;
	if (!t->sock)
		return;
	sandbox_lock(t->sb);
	sock_put(t->sock);
	sandbox_unlock(t->sb);
	t->sock = NULL;
}

/* Runs the handler once; true: answered. */
static bool run(struct trap *t)
{
	if (is_adopt_call(t)) {
		(void)trap_reply(t, 0);
		return true;
	}
	if (call_of(t->n.data.nr)->handler(t) == TRAP_DONE)
		return true;
	if (t->interrupted)
		(void)trap_reply_err(t, trap_intr_errno(t));
	else if (t->expired)
		(void)trap_reply_err(t, EAGAIN);
	return t->interrupted || t->expired;
}

static void park_or_fail(struct trap *t)
{
	bool parked;

	sandbox_lock(t->sb);
	parked = park_new(t);
	sandbox_unlock(t->sb);
	if (parked)
		return;
	(void)trap_reply_err(t, ENOMEM);
	release(t);
}

static int dup_of(const struct trap *t)
{
	pid_t tid = (pid_t)t->n.pid;
	int fd = trap_int(t, 0), dup = guest_fd_get(t->sb, tid, fd);

	if (dup != -EMFILE && dup != -ENFILE && dup != -ENOMEM)
		return dup;
	sock_sweep(t->sb, false);
	return guest_fd_get(t->sb, tid, fd);
}

/* A call whose socket could not be had. Only what is certainly none of ours
 * may go on in the kernel. */
static void refuse(struct trap *t, int err)
{
	switch (err) {
	case -ESRCH: /* nobody waits */
		return;
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
	case -ENOBUFS:
	case -EAGAIN:
		(void)trap_reply_err(t, ENOBUFS);
		return;
	default:
		(void)trap_reply_continue(t);
	}
}

/* init_module(0, 0, 0) under --autosave=syscall. Others are the kernel's. */
static void save_now(struct trap *t)
{
	int err;

	if (!t->sb->opt->autosave_syscall || trap_arg(t, 0) || trap_arg(t, 1) ||
	    trap_arg(t, 2)) {
		(void)trap_reply_continue(t);
		return;
	}
	sandbox_lock(t->sb);
	err = t->sb->save ? t->sb->save(t->sb) : -ESRCH;
	sandbox_unlock(t->sb);
	(void)trap_answer(t, err);
}

void dispatch_new(struct trap *t)
{
	const struct call *c = call_of(t->n.data.nr);

	if (t->n.data.nr == SYS_init_module) {
		save_now(t);
		return;
	}
	if (!c) {
		(void)trap_reply_err(t, ENOSYS);
		return;
	}
	if (c->handler == sys_socket) {
		(void)c->handler(t);
		return;
	}
	t->gfd = dup_of(t);
	if (t->gfd < 0) {
		refuse(t, t->gfd);
		return;
	}
	if (!trap_valid(t)) {
		release(t);
		return;
	}
	int err = identify(t);
	if (!t->sock)
		refuse(t, err);
	else if (!run(t)) {
		park_or_fail(t);
		return;
	}
	release(t);
}

void dispatch_again(struct trap *t)
{
	bool done = true;

	if (t->fail) {
		(void)trap_reply_err(t, t->fail);
	} else {
		/* A wake-up from now on counts. */
		t->kicks = __atomic_load_n(&t->sock->kicks, __ATOMIC_ACQUIRE);
		done = run(t);
	}
	if (done) {
		release(t);
		free(t);
		return;
	}
	sandbox_lock(t->sb);
	park_again(t);
	sandbox_unlock(t->sb);
}

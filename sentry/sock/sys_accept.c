/* SPDX-License-Identifier: Apache-2.0 */
/*
 * accept(2) with an address; without one it is native. The connection is taken
 * out of the guest's own queue through a dup, so that traps and native accepts
 * share one queue; if the answer is not delivered it goes back.
 */
#include "sentry/sock/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sentry/loop/loop.h"

static int flags_of(const struct trap *t)
{
	return t->n.data.nr == SYS_accept4 ? trap_int(t, 3) : 0;
}

/* What has arrived is put into the guest's queue; the socket's state. */
static int fill_queue(struct trap *t)
{
	struct sock *s = t->sock;
	int err = 0;

	sandbox_lock(t->sb);
	if (s->dead)
		err = EBADF;
	else if (s->type != SOCK_STREAM)
		err = EOPNOTSUPP;
	else if (s->state != SOCK_LISTENING)
		err = EINVAL;
	else
		listener_push(s);
	sandbox_unlock(t->sb);
	return err;
}

/* Who is at the other end of g; learns the child's cookie. */
static struct sock *child_of(struct trap *t, int g, struct nst_sockaddr *peer)
{
	struct sockaddr_un un;
	socklen_t len = sizeof un;
	struct sock *c;
	uint64_t id;

	if (getpeername(g, (struct sockaddr *)&un, &len) < 0 ||
	    !listener_parse_name(&un, len, &id, peer))
		return NULL;
	sandbox_lock(t->sb);
	c = sock_of_guest_fd(t->sb, g);
	if (c)
		sock_get(c);
	sandbox_unlock(t->sb);
	return c;
}

static void roll_back(struct trap *t, struct sock *c, int g)
{
	sandbox_lock(t->sb);
	if (c && !c->dead && !t->sock->dead && t->sock->state == SOCK_LISTENING)
		listener_requeue(t->sock, c, g);
	sandbox_unlock(t->sb);
}

static void installed(struct trap *t, struct sock *c, int number)
{
	if (!c)
		return;
	sandbox_lock(t->sb);
	c->hint_tid = (pid_t)t->n.pid;
	c->hint_fd = number;
	sandbox_unlock(t->sb);
}

static void prepare_end(struct trap *t, const struct sock *c, int g)
{
	backing_sndbuf(g, c ? c->guest_sndbuf : 0);
	if (flags_of(t) & SOCK_NONBLOCK)
		(void)fcntl(g, F_SETFL, fcntl(g, F_GETFL) | O_NONBLOCK);
}

static void deliver(struct trap *t, struct sock *c, int g)
{
	int number = trap_reply_fd(t, g, flags_of(t) & SOCK_CLOEXEC);

	if (number >= 0) {
		installed(t, c, number);
		return;
	}
	roll_back(t, c, g);
	if (number != -ENOENT)
		(void)trap_reply_err(t, -number);
}

/* g has been taken out of the queue. */
static void accepted(struct trap *t, int g)
{
	struct nst_sockaddr peer = {0};
	struct sock *c = child_of(t, g, &peer);
	int err;

	/* LINUX: with a bad address the connection is lost. */
	err = trap_write_sockaddr(t, trap_arg(t, 1), trap_arg(t, 2),
				  t->sock->domain, &peer, true);
	if (err < 0 && err != -ESRCH) {
		(void)trap_reply_err(t, -err);
	} else {
		prepare_end(t, c, g);
		deliver(t, c, g);
	}
	close(g);
	if (!c)
		return;
	sandbox_lock(t->sb);
	sock_put(c);
	sandbox_unlock(t->sb);
}

static enum trap_verdict wait_for_one(struct trap *t)
{
	if (t->interrupted)
		return trap_answer(t, -trap_intr_errno(t));
	if (t->expired || trap_nonblock(t))
		return trap_answer(t, -EAGAIN);
	trap_set_deadline(t, SO_RCVTIMEO);
	return TRAP_PARK;
}

enum trap_verdict sys_accept(struct trap *t)
{
	int err, g;

	if (flags_of(t) & ~(SOCK_CLOEXEC | SOCK_NONBLOCK))
		return trap_answer(t, -EINVAL);
	err = fill_queue(t);
	if (err)
		return trap_answer(t, -err);
	/* Not for a thread that is gone: nobody would take the connection. */
	if (!trap_valid(t))
		return TRAP_DONE;
	g = loop_accept_now(t->sb->loop, t->gfd);
	if (g == -EAGAIN)
		return wait_for_one(t);
	if (g < 0)
		return trap_answer(t, g);
	accepted(t, g);
	return TRAP_DONE;
}

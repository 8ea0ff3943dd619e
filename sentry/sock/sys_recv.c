/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recvfrom(2), recvmsg(2), recvmmsg(2), as far as they trap. What a waiting
 * call has received so far is kept in t->aux: bytes of a stream (MSG_WAITALL),
 * messages of recvmmsg.
 */
#include "sentry/sock/recv.h"

#include <errno.h>
#include <stddef.h>
#include <time.h>

static enum trap_verdict interrupted(struct trap *t)
{
	if (t->aux > 0)
		return trap_answer(t, (int64_t)t->aux);
	return trap_answer(t, -trap_intr_errno(t));
}

/* Replies with n, then consumes or rolls back. */
static enum trap_verdict finish(struct trap *t, int64_t n,
				struct recv_result *r)
{
	int rc;

	t->keep_gfd = r->err || r->taken;
	rc = n < 0 ? trap_reply_err(t, (int)-n) : trap_reply(t, n);
	if (rc < 0 && t->sock->type != SOCK_STREAM)
		recv_undo(t, r);
	else if (rc == 0 && t->sock->type != SOCK_STREAM)
		recv_commit(t, r);
	else if (rc == 0 && r->err) {
		sandbox_lock(t->sb);
		stream_error_clear(t->sock, t->gfd);
		sandbox_unlock(t->sb);
	}
	return TRAP_DONE;
}

/* ---- what is written besides the data ---- */

/* LINUX: a stream shows no address, i.e. one of length 0; so does whatever
 * has none. */
static int write_name(const struct trap *t, const struct msg *m, uint64_t lenp,
		      const struct recv_result *r)
{
	uint32_t zero = 0;
	int32_t have;
	int rc;

	if (m->name == 0)
		return 0;
	if (r->from.addr.family != 0)
		return trap_write_sockaddr(t, m->name, lenp, t->sock->domain,
					   &r->from, true);
	rc = trap_read(t, lenp, &have, sizeof(have));
	if (rc == 0 && have < 0)
		rc = -EINVAL;
	return rc < 0 ? rc : trap_write(t, lenp, &zero, sizeof(zero));
}

static int write_header(const struct trap *t, const struct msg *m,
			const struct recv_result *r)
{
	uint64_t used = r->ctl.used;
	uint32_t fl = r->msg_flags | r->ctl.flags;
	int rc = write_name(
	    t, m, m->addr + offsetof(struct guest_msghdr, namelen), r);

	if (rc == 0 && used > 0)
		rc = trap_write(t, m->control, r->ctl.buf, (size_t)used);
	if (rc == 0)
		rc = trap_write(
		    t, m->addr + offsetof(struct guest_msghdr, controllen),
		    &used, sizeof(used));
	if (rc == 0)
		rc = trap_write(t,
				m->addr + offsetof(struct guest_msghdr, flags),
				&fl, sizeof(fl));
	return rc;
}

/* ---- recvfrom, recvmsg ---- */

/* One message of either kind. On a stream, m is advanced past t->aux. */
static int64_t recv_some(struct trap *t, struct msg *m, unsigned flags,
			 struct scratch *sc, struct recv_result *r,
			 bool may_native)
{
	if (t->sock->type != SOCK_STREAM)
		return recv_datagram(t, m, flags, sc, r);
	return recv_stream(t, m, flags, sc, r, may_native);
}

/* Bytes of a stream until something ends the call. -EAGAIN: wait. */
static int64_t recv_bytes(struct trap *t, struct msg *m, unsigned flags,
			  struct scratch *sc, struct recv_result *r)
{
	bool all = (flags & MSG_WAITALL) && !(flags & (MSG_PEEK | MSG_OOB));
	int64_t n;

	msg_advance(m, (size_t)t->aux);
	do {
		n = recv_some(t, m, flags, sc, r, t->aux == 0);
		if (n <= 0 || n == RECV_NATIVE)
			break;
		t->aux += (uint64_t)n;
		msg_advance(m, (size_t)n);
	} while (m->total > 0 && (all || n == SCRATCH_MOVE));
	if (n == RECV_NATIVE)
		return n;
	if (t->aux == 0 || (n == -EAGAIN && all && m->total > 0))
		return n;
	r->err = 0; /* reported by the next call */
	return (int64_t)t->aux;
}

static int64_t recv_call(struct trap *t, struct msg *m, unsigned flags,
			 struct scratch *sc, struct recv_result *r)
{
	if (t->sock->type == SOCK_STREAM)
		return recv_bytes(t, m, flags, sc, r);
	return recv_some(t, m, flags, sc, r, false);
}

static enum trap_verdict recv_and_reply(struct trap *t, struct msg *m,
					uint64_t namelenp, unsigned flags,
					struct scratch *sc)
{
	struct recv_result r;
	int64_t n = recv_call(t, m, flags, sc, &r);
	int rc;

	if (n == RECV_NATIVE) {
		(void)trap_reply_continue(t);
		return TRAP_DONE;
	}
	if (n == -EAGAIN && !(flags & (MSG_ERRQUEUE | MSG_OOB)) &&
	    trap_may_wait(t, flags, SO_RCVTIMEO))
		return TRAP_PARK;
	if (n == -EAGAIN && t->aux > 0)
		n = (int64_t)t->aux;
	if (n >= 0) {
		rc = m->addr ? write_header(t, m, &r)
			     : write_name(t, m, namelenp, &r);
		if (rc < 0)
			n = rc;
	}
	return finish(t, n, &r);
}

enum trap_verdict sys_recvfrom(struct trap *t)
{
	struct scratch *sc = scratch_get();
	struct msg m;

	if (!sc)
		return trap_answer(t, -ENOMEM);
	if (t->interrupted)
		return interrupted(t);
	msg_of_buffer(trap_arg(t, 1), trap_arg(t, 2), trap_arg(t, 4), 0, sc,
		      &m);
	return recv_and_reply(t, &m, trap_arg(t, 5), (unsigned)trap_int(t, 3),
			      sc);
}

enum trap_verdict sys_recvmsg(struct trap *t)
{
	struct scratch *sc = scratch_get();
	struct msg m;
	int rc;

	if (!sc)
		return trap_answer(t, -ENOMEM);
	if (t->interrupted)
		return interrupted(t);
	rc = msg_read(t, trap_arg(t, 1), sc, &m);
	if (rc < 0)
		return trap_answer(t, rc);
	return recv_and_reply(t, &m, 0, (unsigned)trap_int(t, 2), sc);
}

/* ---- recvmmsg ---- */

static int64_t recv_nth(struct trap *t, uint64_t i, unsigned flags,
			struct scratch *sc, struct recv_result *r)
{
	uint64_t addr = trap_arg(t, 1) + i * sizeof(struct guest_mmsghdr);
	struct msg m;
	uint32_t len;
	int64_t n;
	int rc = msg_read(t, addr, sc, &m);

	r->taken = NULL;
	r->err = 0;
	if (rc < 0)
		return rc;
	n = recv_some(t, &m, flags, sc, r, false);
	if (n < 0)
		return n;
	len = (uint32_t)n;
	rc = write_header(t, &m, r);
	if (rc == 0)
		rc = trap_write(t, addr + offsetof(struct guest_mmsghdr, len),
				&len, sizeof(len));
	if (rc == 0)
		return n;
	/* LINUX: the datagram is lost. */
	if (t->sock->type != SOCK_STREAM)
		recv_commit(t, r);
	return rc;
}

/* Messages of a batch go out with one reply. Those before the last are
 * committed as the next is received: a batch is undone in its last message
 * only, which is what a killed thread leaves to another reader. */
static void keep_last(struct trap *t, struct recv_result *last,
		      struct recv_result *next)
{
	if (t->sock->type != SOCK_STREAM)
		recv_commit(t, last);
	*last = *next;
}

struct mmsg_timeout {
	bool set;
	nst_time left;
};

static int read_timeout(const struct trap *t, struct mmsg_timeout *to)
{
	struct timespec ts;
	int rc;

	to->left = 0;
	to->set = trap_arg(t, 4) != 0;
	if (!to->set)
		return 0;
	rc = trap_read(t, trap_arg(t, 4), &ts, sizeof(ts));
	if (rc < 0)
		return rc;
	if (ts.tv_sec < 0 || ts.tv_nsec < 0 || ts.tv_nsec >= NST_SEC)
		return -EINVAL;
	to->left = ts.tv_sec > NST_NEVER / NST_SEC - 1
		       ? NST_NEVER
		       : ts.tv_sec * NST_SEC + ts.tv_nsec;
	return 0;
}

/* LINUX: the time-out is looked at after each message only, and what is left
 * of it is written back. */
static int write_timeout(const struct trap *t, nst_time left)
{
	struct timespec ts = {.tv_sec = left / NST_SEC,
			      .tv_nsec = left % NST_SEC};

	return trap_write(t, trap_arg(t, 4), &ts, sizeof(ts));
}

static int64_t recv_batch(struct trap *t, uint64_t vlen, unsigned *flags,
			  struct scratch *sc, struct recv_result *last)
{
	struct mmsg_timeout to;
	struct recv_result r = {0};
	nst_time start = sandbox_now(t->sb), spent = 0;
	int64_t n = read_timeout(t, &to);

	if (n < 0)
		return n;
	while (t->aux < vlen) {
		n = recv_nth(t, t->aux, *flags & ~(unsigned)MSG_WAITFORONE, sc,
			     &r);
		if (n < 0)
			break;
		t->aux++;
		keep_last(t, last, &r);
		if (*flags & MSG_WAITFORONE)
			*flags |= MSG_DONTWAIT;
		spent = sandbox_now(t->sb) - start;
		if (to.set && spent >= to.left)
			break;
	}
	if (t->aux == 0)
		last->err = r.err;
	if (to.set && t->aux > 0 && n != -EAGAIN &&
	    write_timeout(t, spent < to.left ? to.left - spent : 0) < 0)
		return -EFAULT;
	return n;
}

enum trap_verdict sys_recvmmsg(struct trap *t)
{
	struct scratch *sc = scratch_get();
	struct recv_result last = {0};
	unsigned flags = (unsigned)trap_int(t, 3);
	uint64_t vlen = (uint32_t)trap_arg(t, 2);
	int64_t n;

	if (!sc)
		return trap_answer(t, -ENOMEM);
	if (t->interrupted)
		return interrupted(t);
	if (vlen > SCRATCH_IOV)
		vlen = SCRATCH_IOV;
	if ((flags & MSG_WAITFORONE) && t->aux > 0)
		flags |= MSG_DONTWAIT;
	n = recv_batch(t, vlen, &flags, sc, &last);
	if (n == -EAGAIN && !(flags & MSG_ERRQUEUE) &&
	    trap_may_wait(t, flags, SO_RCVTIMEO)) {
		/* What has arrived stays in the guest's vectors. */
		if (t->sock->type != SOCK_STREAM)
			recv_commit(t, &last);
		return TRAP_PARK;
	}
	return finish(t, t->aux > 0 ? (int64_t)t->aux : n, &last);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sendto(2), sendmsg(2), sendmmsg(2), as far as they trap. What has been sent
 * so far by a call that waits is kept in t->aux: bytes of a stream, messages
 * of sendmmsg.
 */
#include "sentry/sock/send.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>

static enum trap_verdict native(struct trap *t)
{
	(void)trap_reply_continue(t);
	return TRAP_DONE;
}

static enum trap_verdict interrupted(struct trap *t)
{
	if (t->aux > 0)
		return trap_answer(t, (int64_t)t->aux);
	return trap_answer(t, -trap_intr_errno(t));
}

/* LINUX: streams raise SIGPIPE, datagram sockets do not. */
static enum trap_verdict fail_send(struct trap *t, int64_t err, unsigned flags)
{
	if (err == -EPIPE && t->sock->type == SOCK_STREAM &&
	    !(flags & MSG_NOSIGNAL))
		guest_signal((pid_t)t->n.pid, SIGPIPE);
	return trap_answer(t, err);
}

static enum trap_verdict send_all(struct trap *t, struct msg *m, unsigned flags,
				  struct scratch *sc)
{
	int64_t n;

	if (m->total > t->aux)
		msg_advance(m, (size_t)t->aux);
	do {
		n = send_stream(t, m, flags, sc, !t->aux && !t->fast);
		if (n == SEND_NATIVE)
			return native(t);
		if (n <= 0)
			break;
		t->aux += (uint64_t)n;
		msg_advance(m, (size_t)n);
	} while (m->total > 0);
	if (m->total == 0 || (n < 0 && n != -EAGAIN && t->aux > 0))
		return trap_answer(t, (int64_t)t->aux);
	if (n == -EAGAIN && trap_may_wait(t, flags, SO_SNDTIMEO))
		return TRAP_PARK;
	return t->aux > 0 ? trap_answer(t, (int64_t)t->aux)
			  : fail_send(t, n, flags);
}

/* LINUX: move_addr_to_kernel comes before the protocol, which ignores it. */
static int check_name(const struct trap *t, const struct msg *m)
{
	struct sockaddr_storage ss;

	if (!m->name || !m->namelen || t->sock->type != SOCK_STREAM)
		return 0;
	return trap_read(t, m->name, &ss, m->namelen);
}

/* LINUX: tcp_sendmsg_fastopen: connects, then sends what the SYN left. */
static enum trap_verdict send_fast(struct trap *t, struct msg *m,
				   unsigned flags, struct scratch *sc)
{
	struct nst_sockaddr to = {0};
	enum trap_verdict v;
	ssize_t n = 0;
	int err;

	if (t->fast != TRAP_FAST_SEND) {
		err = !m->name ? -EINVAL
			       : trap_read_sockaddr(t, m->name, m->namelen,
						    t->sock->domain, &to);
		if (err == -ESRCH)
			return TRAP_DONE;
		if (err == 0 && to.addr.family == 0)
			err = -EOPNOTSUPP;
		t->fast_nowait = flags & MSG_DONTWAIT;
		if (err == 0 && !t->retry)
			n = trap_gather(t, m->iov, m->niov, sc->data,
					m->total < SCRATCH_MOVE ? m->total
								: SCRATCH_MOVE);
		if (err < 0 || n < 0)
			return trap_answer(t, err < 0 ? err : n);
		v = sys_connect_fast(t, &to, sc->data, (size_t)n);
		if (t->fast != TRAP_FAST_SEND)
			return v;
	}
	if (t->aux >= m->total) /* all of it was in the SYN */
		return trap_answer(t, (int64_t)t->aux);
	m->name = 0; /* the address has done its part */
	return send_all(t, m, flags & ~(unsigned)MSG_FASTOPEN, sc);
}

static enum trap_verdict send_one(struct trap *t, struct msg *m, unsigned flags,
				  struct scratch *sc)
{
	int64_t n = check_name(t, m);

	if (n < 0)
		return trap_answer(t, n);
	if (t->sock->type == SOCK_STREAM)
		return flags & MSG_FASTOPEN ? send_fast(t, m, flags, sc)
					    : send_all(t, m, flags, sc);
	n = send_datagram(t, m, flags, sc);
	if (n == -EAGAIN && trap_may_wait(t, flags, SO_SNDTIMEO))
		return TRAP_PARK;
	return n < 0 ? fail_send(t, n, flags) : trap_answer(t, n);
}

enum trap_verdict sys_sendto(struct trap *t)
{
	struct scratch *sc = scratch_get();
	struct msg m;

	if (!sc)
		return trap_answer(t, -ENOMEM);
	if (t->interrupted && t->fast != TRAP_FAST_CONNECT)
		return interrupted(t);
	msg_of_buffer(trap_arg(t, 1), trap_arg(t, 2), trap_arg(t, 4),
		      (uint32_t)trap_arg(t, 5), sc, &m);
	if (m.namelen > sizeof(struct sockaddr_storage))
		return trap_answer(t, -EINVAL);
	return send_one(t, &m, (unsigned)trap_int(t, 3), sc);
}

/* LINUX: an address of length 0 in a msghdr is no address. */
static int read_send_msg(const struct trap *t, uint64_t addr,
			 struct scratch *sc, struct msg *m)
{
	int rc = msg_read(t, addr, sc, m);

	if (rc == 0 && m->namelen == 0)
		m->name = 0;
	return rc;
}

enum trap_verdict sys_sendmsg(struct trap *t)
{
	struct scratch *sc = scratch_get();
	struct msg m;
	int rc;

	if (!sc)
		return trap_answer(t, -ENOMEM);
	if (t->interrupted && t->fast != TRAP_FAST_CONNECT)
		return interrupted(t);
	rc = read_send_msg(t, trap_arg(t, 1), sc, &m);
	if (rc < 0)
		return trap_answer(t, rc);
	return send_one(t, &m, (unsigned)trap_int(t, 2), sc);
}

/* Sends message i and notes its length. Plain stream messages are written by
 * us all the same: the others need not be plain. */
static int64_t send_nth(struct trap *t, uint64_t i, unsigned flags,
			struct scratch *sc)
{
	uint64_t addr = trap_arg(t, 1) + i * sizeof(struct guest_mmsghdr);
	struct msg m;
	uint32_t len;
	int64_t n;
	int rc = read_send_msg(t, addr, sc, &m);

	if (rc < 0)
		return rc;
	n = t->sock->type == SOCK_STREAM ? send_stream(t, &m, flags, sc, false)
					 : send_datagram(t, &m, flags, sc);
	if (n < 0)
		return n;
	len = (uint32_t)n;
	rc = trap_write(t, addr + offsetof(struct guest_mmsghdr, len), &len,
			sizeof(len));
	return rc < 0 ? rc : n;
}

enum trap_verdict sys_sendmmsg(struct trap *t)
{
	struct scratch *sc = scratch_get();
	unsigned flags = (unsigned)trap_int(t, 3);
	uint64_t vlen = (uint32_t)trap_arg(t, 2);
	int64_t n = 0;

	if (!sc)
		return trap_answer(t, -ENOMEM);
	if (t->interrupted)
		return interrupted(t);
	if (vlen > SCRATCH_IOV)
		vlen = SCRATCH_IOV;
	while (t->aux < vlen) {
		n = send_nth(t, t->aux, flags, sc);
		if (n < 0)
			break;
		t->aux++;
	}
	if (t->aux == vlen || n >= 0)
		return trap_answer(t, (int64_t)t->aux);
	if (n == -EAGAIN && trap_may_wait(t, flags, SO_SNDTIMEO))
		return TRAP_PARK;
	return t->aux > 0 ? trap_answer(t, (int64_t)t->aux)
			  : fail_send(t, n, flags);
}

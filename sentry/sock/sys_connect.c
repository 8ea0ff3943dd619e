/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connect(2) of streams. LINUX: __inet_stream_connect is the model, with
 * SS_UNCONNECTED = SOCK_FRESH (or a FAILED attempt that was told),
 * SS_CONNECTING = an attempt whose end no connect() has told yet, SS_CONNECTED
 * = connect_told.
 *
 * The SYN leaves in this call. On loopback the handshake is over when the lock
 * is released, so the result is known before the first answer.
 */
#include "sentry/sock/sock.h"

#include <errno.h>
#include <string.h>

#include "netstack/nst_stack.h"
#include "sentry/core/errmap.h"
#include "sentry/core/values.h"
#include "sentry/gateway/policy.h"

enum outcome { PENDING, UP, FAILED };

/* t->aux bits */
#define AUX_STARTED 1u /* this call started the attempt */
#define AUX_UP 2u      /* the guest end has a sentry end */

#define AUX_SENT 32 /* shift: bytes that a Fast Open's SYN carried */

/* Unlocks and answers. LINUX: an attempt that goes on has sent its bytes. */
static enum trap_verdict finish(struct trap *t, int err)
{
	sandbox_unlock(t->sb);
	if (t->fast && err == EINPROGRESS && t->aux >> AUX_SENT)
		return trap_answer(t, (int64_t)(t->aux >> AUX_SENT));
	return trap_answer(t, -err);
}

static bool never_waits(const struct trap *t)
{
	return trap_nonblock(t) || t->fast_nowait;
}

static enum outcome outcome_of(const struct sock *s)
{
	switch (nst_tcp_state(s->tcp)) {
	case NST_TCP_SYN_SENT:
		/* TCP_FASTOPEN_CONNECT: the first write sends the SYN. */
		return nst_tcp_deferred(s->tcp) ? UP : PENDING;
	case NST_TCP_SYN_RCVD:
		return PENDING;
	case NST_TCP_CLOSE:
		return FAILED;
	default:
		return UP;
	}
}

static int take_error(struct sock *s)
{
	int err = errno_of(nst_sock_error(nst_tcp_sock(s->tcp), true));

	return err ? err : ECONNABORTED;
}

/* ---- ends of an attempt; all are entered locked and unlock ---- */

/* A send that connected goes on to send. */
static enum trap_verdict send_now(struct trap *t)
{
	t->sock->connect_told = true;
	t->fast = TRAP_FAST_SEND;
	sandbox_unlock(t->sb);
	return TRAP_PARK;
}

/* Success is told; only a delivered answer consumes it. */
static enum trap_verdict tell_success(struct trap *t)
{
	struct sock *s = t->sock;

	if (t->fast)
		return send_now(t);
	sandbox_unlock(t->sb);
	if (trap_reply(t, 0) < 0)
		return TRAP_DONE;
	sandbox_lock(t->sb);
	if (s->state == SOCK_CONNECTED)
		s->connect_told = true;
	sandbox_unlock(t->sb);
	return TRAP_DONE;
}

/* An attempt that a non-blocking or interrupted call leaves behind. */
static enum trap_verdict go_on_without(struct trap *t, int err)
{
	struct sock *s = t->sock;
	int rc = 0;

	if (s->state == SOCK_PARKED_CONNECT) {
		rc = backing_attach_prefilled(s, t->gfd);
		s->state = SOCK_CONNECTING;
		if (rc == 0)
			rc = stream_start(s);
	}
	if (rc < 0)
		stream_connect_failed(s, -rc);
	return finish(t, err);
}

/* The guest end as after a failed non-blocking connect; the error waits. */
static enum trap_verdict fail_later(struct trap *t)
{
	struct sock *s = t->sock;

	(void)backing_attach_prefilled(s, t->gfd);
	stream_connect_failed(s, take_error(s));
	return finish(t, EINPROGRESS);
}

static enum trap_verdict up_now(struct trap *t, bool nonblock)
{
	struct sock *s = t->sock;
	bool held = nst_tcp_deferred(s->tcp);
	int rc = stream_established(s, t->gfd);

	if (rc < 0) {
		nst_tcp_disconnect(s->tcp, sandbox_now(t->sb));
		s->state = SOCK_FRESH;
		return finish(t, -rc);
	}
	t->aux |= AUX_UP;
	t->keep_gfd = false;
	/* LINUX: on loopback, too, the first answer is EINPROGRESS. */
	if (nonblock && !held)
		return finish(t, EINPROGRESS);
	return tell_success(t);
}

/* The socket is as new, but for a binding. */
static enum trap_verdict fail_now(struct trap *t)
{
	struct sock *s = t->sock;
	int err = take_error(s);

	nst_tcp_disconnect(s->tcp, sandbox_now(t->sb));
	s->state = SOCK_FRESH;
	return finish(t, err);
}

/* The first answer to an attempt that this call started or waits for, with the
 * guest end still unconnected. */
static enum trap_verdict conclude(struct trap *t)
{
	struct sock *s = t->sock;
	bool nonblock = never_waits(t);

	switch (outcome_of(s)) {
	case UP:
		return up_now(t, nonblock);
	case FAILED:
		if (nonblock)
			return fail_later(t);
		return fail_now(t);
	case PENDING:
		break;
	}
	if (nonblock || t->expired)
		return go_on_without(t, t->aux & AUX_STARTED ? EINPROGRESS
							     : EALREADY);
	if (t->interrupted)
		return go_on_without(t, trap_intr_errno(t));
	trap_set_deadline(t, SO_SNDTIMEO);
	sandbox_unlock(t->sb);
	return TRAP_PARK;
}

/* ---- starting ---- */

static bool policy_refuses(const struct sock *s, const struct nst_sockaddr *to)
{
	if (value_addr_is_any(&to->addr) ||
	    nst_addr_is_local(s->sb->stack, &to->addr))
		return false;
	return !policy_allows(s->sb->opt, IPPROTO_TCP, to);
}

/* RFC 7413: the SYN of a held attempt, with what it may carry. */
static void send_syn(struct trap *t)
{
	struct nst_tcp *tcp = t->sock->tcp;
	size_t left = nst_tcp_syn_room(tcp), n = 0, niov;
	const uint8_t *data = t->fast_data;
	struct nst_iov iov[2];

	if (left > t->fast_bytes)
		left = t->fast_bytes;
	(void)nst_tcp_snd_space(tcp, iov, &niov);
	for (size_t i = 0; i < niov && n < left; i++) {
		size_t part = left - n < iov[i].len ? left - n : iov[i].len;

		memcpy(iov[i].p, data + n, part);
		n += part;
	}
	nst_tcp_snd_commit(tcp, n, false, sandbox_now(t->sb));
	t->aux |= (uint64_t)n << AUX_SENT;
}

static enum nst_err open_to(struct trap *t, const struct nst_sockaddr *to)
{
	struct nst_tcp *tcp = t->sock->tcp;
	nst_time now = sandbox_now(t->sb);
	enum nst_err e;

	if (!t->fast)
		return nst_tcp_connect(tcp, to, now);
	e = nst_tcp_connect_fast(tcp, to, now);
	if (e == NST_OK)
		send_syn(t);
	return e;
}

/* Without descriptors nothing is sent: a connection that was up before it was
 * refused would take a place, and a descriptor, in its listener's queue. */
static int take_room(struct sock *s, const struct nst_sockaddr *to)
{
	bool two = nst_addr_is_local(s->sb->stack, &to->addr);
	int err = backing_reserve(s, two);

	if (sock_make_room(s->sb, err))
		err = backing_reserve(s, two);
	return err;
}

static enum trap_verdict start(struct trap *t, const struct nst_sockaddr *to)
{
	struct sock *s = t->sock;
	enum nst_err e;
	int err;

	if (policy_refuses(s, to))
		return finish(t, EACCES);
	listener_reap(t->sb, to->port);
	err = take_room(s, to);
	if (err < 0)
		return finish(t, -err);
	s->state = SOCK_PARKED_CONNECT;
	s->connect_told = false;
	s->so_error = 0;
	t->aux = AUX_STARTED;
	e = open_to(t, to);
	if (e != NST_E_INPROGRESS && e != NST_OK) {
		s->state = SOCK_FRESH;
		return finish(t, errno_of(e));
	}
	/* Loopback and the gateway's first answers happen here. */
	sandbox_settle(t->sb);
	return conclude(t);
}

/* ---- an attempt that is under way, or over ---- */

static enum trap_verdict connecting_again(struct trap *t)
{
	struct sock *s = t->sock;

	if (outcome_of(s) == UP) {
		int rc = stream_established(s, t->gfd);
		return rc < 0 ? finish(t, -rc) : tell_success(t);
	}
	if (never_waits(t) || t->expired)
		return finish(t, EALREADY);
	if (t->interrupted)
		return finish(t, trap_intr_errno(t));
	trap_set_deadline(t, SO_SNDTIMEO);
	sandbox_unlock(t->sb);
	return TRAP_PARK;
}

/* LINUX: the error is told once, and the socket is unconnected again. */
static enum trap_verdict tell_failure(struct trap *t)
{
	struct sock *s = t->sock;
	int err = stream_error(s, t->gfd);

	nst_tcp_disconnect(s->tcp, sandbox_now(t->sb));
	err = err ? err : ECONNABORTED;
	sandbox_unlock(t->sb);
	if (!trap_valid(t))
		return TRAP_DONE;
	if (backing_renew(t) < 0)
		return trap_answer(t, -ENOBUFS);
	return trap_answer(t, -err);
}

/* LINUX: tcp_disconnect: what it cuts short leaves ECONNRESET behind. */
static bool is_cut_short(const struct sock *s)
{
	switch (nst_tcp_state(s->tcp)) {
	case NST_TCP_SYN_SENT:
	case NST_TCP_SYN_RCVD:
	case NST_TCP_ESTABLISHED:
	case NST_TCP_FIN_WAIT1:
	case NST_TCP_FIN_WAIT2:
	case NST_TCP_CLOSE_WAIT:
		return true;
	default:
		return false;
	}
}

static enum trap_verdict disconnect(struct trap *t)
{
	struct sock *s = t->sock;
	int err;
	bool renew = s->used_up || (s->state != SOCK_FRESH &&
				    s->state != SOCK_PARKED_CONNECT);

	stream_drain_guest(s);
	if (s->dead)
		return finish(t, 0);
	listener_unlink(s);
	err = is_cut_short(s) ? ECONNRESET : stream_error(s, t->gfd);
	nst_tcp_disconnect(s->tcp, sandbox_now(t->sb));
	trap_kick(s);
	sandbox_unlock(t->sb);
	if (renew && (!trap_valid(t) || backing_renew(t) < 0))
		return trap_answer(t, -ENOBUFS);
	sandbox_lock(t->sb);
	s->so_error = err;
	return finish(t, 0);
}

/* A fresh guest end for a socket that starts over; then starts. Entered
 * locked. */
static enum trap_verdict start_over(struct trap *t,
				    const struct nst_sockaddr *to)
{
	sandbox_unlock(t->sb);
	if (!trap_valid(t))
		return TRAP_DONE;
	if (backing_renew(t) < 0)
		return trap_answer(t, -ENOBUFS);
	sandbox_lock(t->sb);
	if (t->sock->dead || t->sock->state != SOCK_FRESH)
		return finish(t, EALREADY);
	return start(t, to);
}

/* LINUX: a connection that is over before a call has told of it failed. */
static enum trap_verdict connected_already(struct trap *t)
{
	struct sock *s = t->sock;
	enum nst_tcp_state st = nst_tcp_state(s->tcp);

	if (s->connect_told)
		return finish(t, EISCONN);
	if (st == NST_TCP_CLOSE || st == NST_TCP_TIME_WAIT)
		return tell_failure(t);
	return tell_success(t);
}

/* ---- the call ---- */

static enum trap_verdict by_state(struct trap *t, const struct nst_sockaddr *to)
{
	struct sock *s = t->sock;

	switch (s->state) {
	case SOCK_FRESH:
		/* A parked call whose attempt ended: aborted from outside. */
		if (t->aux & AUX_STARTED)
			return finish(t, take_error(s));
		return s->used_up ? start_over(t, to) : start(t, to);
	case SOCK_PARKED_CONNECT:
		return conclude(t);
	case SOCK_CONNECTING:
		return connecting_again(t);
	case SOCK_CONNECTED:
		return connected_already(t);
	case SOCK_FAILED:
		return s->connect_told ? start_over(t, to) : tell_failure(t);
	case SOCK_LISTENING:
		break;
	}
	return finish(t, EISCONN);
}

enum trap_verdict sys_connect_stream(struct trap *t)
{
	struct nst_sockaddr to = {0};
	int err = 0;

	if (!t->retry) {
		err = trap_read_sockaddr(t, trap_arg(t, 1),
					 (uint32_t)trap_arg(t, 2),
					 t->sock->domain, &to);
		if (err == -ESRCH)
			return TRAP_DONE;
	}
	if (err < 0)
		return trap_answer(t, err);
	if (!t->retry && !trap_valid(t))
		return TRAP_DONE;
	sandbox_lock(t->sb);
	if (t->sock->dead)
		return finish(t, EBADF);
	if (!t->retry && to.addr.family == 0)
		return disconnect(t);
	return by_state(t, &to);
}

static void before(struct trap *t)
{
	sandbox_lock(t->sb);
	t->keep_gfd = t->sock->name_fd < 0; /* to be named after the reply */
	sandbox_unlock(t->sb);
}

/* Adopted by this call and not connected by it. */
static void after(struct trap *t)
{
	if (t->aux & AUX_UP)
		return;
	sandbox_lock(t->sb);
	if (t->sock->state != SOCK_PARKED_CONNECT)
		backing_unreserve(t->sock);
	backing_name_late(t->sock, t->gfd);
	sandbox_unlock(t->sb);
}

enum trap_verdict sys_connect(struct trap *t)
{
	enum trap_verdict v;

	if (t->sock->type != SOCK_STREAM)
		return sys_connect_datagram(t);
	before(t);
	v = sys_connect_stream(t);
	after(t);
	return v;
}

static enum trap_verdict connect_fast(struct trap *t,
				      const struct nst_sockaddr *to)
{
	if (!t->retry && !trap_valid(t))
		return TRAP_DONE;
	sandbox_lock(t->sb);
	if (t->sock->dead)
		return finish(t, EBADF);
	return by_state(t, to);
}

enum trap_verdict sys_connect_fast(struct trap *t,
				   const struct nst_sockaddr *to,
				   const void *data, size_t bytes)
{
	enum trap_verdict v;

	t->fast = TRAP_FAST_CONNECT;
	t->fast_data = data;
	t->fast_bytes = bytes;
	before(t);
	v = connect_fast(t, to);
	after(t);
	t->fast_data = NULL;
	if (t->fast == TRAP_FAST_SEND)
		t->aux >>= AUX_SENT;
	return v;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* One datagram out of the channel into a trapped call (recv.h). */
#include "sentry/sock/recv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/core/errmap.h"
#include "sentry/sock/dgram_priv.h"

static size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Under the lock. */
static int64_t take_locked(struct trap *t, const struct msg *m, unsigned flags,
			   struct scratch *sc, struct recv_result *r)
{
	struct sock *s = t->sock;
	bool peek = flags & MSG_PEEK;
	struct nst_dgram_in in;
	ssize_t n;

	if (s->dead)
		return -EBADF;
	/* What the guest sent natively may have its answer on loopback. */
	datagram_drain_guest(s);
	sandbox_settle(t->sb);
	r->err = datagram_error(s, t->gfd);
	if (r->err)
		return -r->err;
	n = datagram_take(s, t->gfd, peek, sc->data, SCRATCH_DATA, &in);
	/* LINUX: after SHUT_RD a wait ends at once, with nothing. */
	if (n == -EAGAIN && (s->shut & 1) &&
	    trap_may_wait(t, flags, SO_RCVTIMEO))
		return 0;
	if (n < 0)
		return n;
	if (!peek)
		r->taken = dgram_keep(&in, sc->data, (size_t)n);
	r->from = in.src;
	cmsg_of_datagram(s, &in, &r->ctl);
	if ((size_t)n > m->total)
		r->msg_flags |= MSG_TRUNC;
	return n;
}

/* LINUX: the error queue never waits, and its name is the destination of
 * the datagram that failed. */
static int64_t take_error(struct trap *t, const struct msg *m,
			  struct scratch *sc, struct recv_result *r)
{
	struct sock *s = t->sock;
	struct nst_dgram_err e;
	size_t n;

	if (s->dead)
		return -EBADF;
	datagram_drain_guest(s);
	sandbox_settle(t->sb);
	if (nst_dgram_err_peek(s->dgram, &e) != NST_OK)
		return -EAGAIN;
	n = min_size(e.bytes, SCRATCH_DATA);
	memcpy(sc->data, e.data, n);
	r->errqueue = true;
	r->from = e.dst;
	r->msg_flags |= MSG_ERRQUEUE;
	if (n > m->total)
		r->msg_flags |= MSG_TRUNC;
	cmsg_of_error(s, &e, &r->ctl);
	return (int64_t)n;
}

int64_t recv_datagram(struct trap *t, const struct msg *m, unsigned flags,
		      struct scratch *sc, struct recv_result *r)
{
	size_t copy;
	ssize_t rc;
	int64_t n;

	memset(r, 0, sizeof(*r));
	cmsg_out_init(&r->ctl, m);
	if ((flags & MSG_OOB) && !sock_has_ports(t->sock))
		return -EOPNOTSUPP;
	if (!trap_valid(t))
		return -EINTR;
	sandbox_lock(t->sb);
	n = flags & MSG_ERRQUEUE ? take_error(t, m, sc, r)
				 : take_locked(t, m, flags, sc, r);
	sandbox_unlock(t->sb);
	if (n < 0)
		return n;
	if (!sock_has_ports(t->sock))
		r->from.port = 0;
	copy = min_size((size_t)n, m->total);
	rc = copy > 0 ? trap_scatter(t, m->iov, m->niov, sc->data, copy) : 0;
	if (rc < 0) {
		/* LINUX: the datagram is lost; it was not ours to look at
		 * twice. */
		recv_commit(t, r);
		return rc;
	}
	return (flags & MSG_TRUNC) && !(flags & MSG_ERRQUEUE) ? n
							      : (int64_t)copy;
}

/* LINUX: sock_dequeue_err_skb() makes the next entry's error the pending one,
 * or clears it. */
static void pop_error(struct sock *s)
{
	struct nst_dgram_err e;

	nst_dgram_err_pop(s->dgram);
	datagram_error_clear(s);
	if (nst_dgram_err_peek(s->dgram, &e) == NST_OK)
		s->so_error = errno_of(e.err);
}

void recv_commit(struct trap *t, struct recv_result *r)
{
	struct sock *s = t->sock;

	free(r->taken);
	r->taken = NULL;
	if (!r->err && !r->errqueue)
		return;
	sandbox_lock(t->sb);
	if (!s->dead && r->err)
		datagram_error_clear(s);
	if (!s->dead && r->errqueue)
		pop_error(s);
	sandbox_unlock(t->sb);
	r->err = 0;
	r->errqueue = false;
}

void recv_undo(struct trap *t, struct recv_result *r)
{
	if (!r->taken)
		return;
	/* Holds back what became visible meanwhile, too. */
	sandbox_lock(t->sb);
	datagram_untake(t->sock, t->gfd, r->taken);
	sandbox_unlock(t->sb);
	r->taken = NULL;
}

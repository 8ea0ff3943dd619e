/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of TCP sockets in and out. LINUX: tcp_sendmsg_locked(),
 * tcp_recvmsg_locked() and tcp_recv_urg() are the models of what is looked at
 * in which order.
 */
#include "tools/packetdrill-adapter/ad_priv.h"

#include <errno.h>
#include <limits.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/core/errmap.h"

#define ZC_PIECES 17 /* LINUX: MAX_SKB_FRAGS */

/* ---- sending ---- */

/* LINUX: a child of Fast Open may send before its handshake is over. */
static bool may_queue(const struct file *f, enum nst_tcp_state st)
{
	return st == NST_TCP_ESTABLISHED || st == NST_TCP_CLOSE_WAIT ||
	       (st == NST_TCP_SYN_RCVD && f->conn == CONN_UP);
}

/* LINUX: sk_stream_wait_connect(). */
static int wait_connected(struct file *f, bool nonblock, nst_time deadline)
{
	for (;;) {
		enum nst_tcp_state st = nst_tcp_state(f->tcp);
		int err;

		if (may_queue(f, st))
			return 0;
		err = file_error(f);
		if (err)
			return -err;
		if (st != NST_TCP_SYN_SENT && st != NST_TCP_SYN_RCVD)
			return -EPIPE;
		if (nonblock)
			return -EAGAIN;
		nst_tcp_snd_wait(f->tcp);
		if (world_wait(f->w, deadline) < 0)
			return -EAGAIN;
		if (!f->tcp)
			return -EBADF;
	}
}

static bool is_zerocopy(const struct file *f, int flags)
{
	return (flags & MSG_ZEROCOPY) && f->zerocopy;
}

/* Queues what fits now of [at, total); returns bytes. */
static size_t queue(struct file *f, const struct msghdr *m, size_t at,
		    size_t total, uint32_t flags)
{
	struct nst_iov iov[2];
	size_t niov, n = 0;
	size_t room = nst_tcp_snd_space(f->tcp, iov, &niov);

	for (size_t i = 0; i < niov && at + n < total; i++)
		n += iov_copy_in(m, at + n, iov[i].p,
				 iov[i].len < total - at - n ? iov[i].len
							     : total - at - n);
	if (room == 0 || n == 0)
		return 0;
	f->written += n;
	if (at + n < total)
		flags = NST_SND_PARTIAL;
	nst_tcp_snd_commit(f->tcp, n, flags, f->w->now);
	return n;
}

static int send_error(struct file *f)
{
	int err = file_error(f);

	return err ? -err : -EPIPE;
}

static bool may_send(const struct file *f)
{
	return !f->shut_wr && !file_error_peek(f) &&
	       may_queue(f, nst_tcp_state(f->tcp));
}

static ssize_t send_urgent(struct file *f, const struct msghdr *m, size_t at)
{
	uint8_t c;
	enum nst_err e;

	(void)iov_copy_in(m, at, &c, 1);
	e = nst_tcp_snd_urgent(f->tcp, c, f->w->now);
	f->written += e == NST_OK;
	return e == NST_OK ? 1 : -errno_of(e);
}

/* What the MSG_ flags mean where the bytes end. */
static uint32_t end_flags(const struct file *f, int flags, bool urgent)
{
	uint32_t v = flags & MSG_MORE ? NST_SND_MORE : 0;

	if (urgent)
		return NST_SND_PARTIAL;
	if ((flags & MSG_EOR) || is_zerocopy(f, flags))
		v |= NST_SND_EOR;
	return v;
}

/* LINUX: a buffer takes MAX_SKB_FRAGS pieces of the caller's memory; a full
 * one is pushed on its own. Where the one ends that byte `at` is in. */
static size_t pieces_end(const struct msghdr *m, size_t at, size_t total)
{
	size_t end = 0;

	for (size_t i = 0; i < m->msg_iovlen; i++) {
		end += m->msg_iov[i].iov_len;
		if ((i + 1) % ZC_PIECES == 0 && end > at)
			return end < total ? end : total;
	}
	return total;
}

static ssize_t queue_plain(struct file *f, const struct msghdr *m, size_t at,
			   size_t total, int flags, bool urgent)
{
	size_t end = total;

	if (is_zerocopy(f, flags))
		end = pieces_end(m, at, total);
	return (ssize_t)queue(f, m, at, end,
			      end < total ? NST_SND_PARTIAL | NST_SND_CUT
					  : end_flags(f, flags, urgent));
}

/* All of it, waiting for room; the last byte apart when it is urgent. */
static ssize_t send_all(struct file *f, const struct msghdr *m, size_t done,
			size_t total, int flags)
{
	nst_time deadline = file_deadline(f, f->sndtimeo);
	bool urgent = (flags & MSG_OOB) && total > 0;
	size_t plain = total - urgent;

	while (done < total) {
		ssize_t n;

		if (!may_send(f))
			return done ? (ssize_t)done : send_error(f);
		if (done < plain)
			n = queue_plain(f, m, done, plain, flags, urgent);
		else
			n = send_urgent(f, m, done);
		if (n > 0) {
			done += (size_t)n;
			continue;
		}
		if (file_nonblock(f, flags) || world_wait(f->w, deadline) < 0)
			return done ? (ssize_t)done : -EAGAIN;
		if (!f->tcp)
			return done ? (ssize_t)done : -EBADF;
	}
	return (ssize_t)done;
}

static ssize_t sent(struct file *f, const struct msghdr *m, ssize_t n,
		    int flags)
{
	if (n > 0)
		timestamping_sent(f, m);
	if (n > 0 && is_zerocopy(f, flags))
		zerocopy_sent(f);
	return n;
}

ssize_t stream_send(struct file *f, const struct msghdr *m, int flags)
{
	ssize_t total = iov_bytes(m->msg_iov, m->msg_iovlen), n;
	size_t early = 0;
	int rc;

	if (total < 0)
		return total;
	if ((flags & MSG_FASTOPEN) || nst_tcp_deferred(f->tcp)) {
		n = fastopen_send(f, m, (size_t)total, flags);
		if (n < 0)
			return n;
		early = (size_t)n;
		if (n == total || file_nonblock(f, flags) || !f->tcp)
			return sent(f, m, n, flags);
	}
	/* LINUX: a pending error is told before the state is looked at. */
	rc = wait_connected(f, file_nonblock(f, flags),
			    file_deadline(f, f->sndtimeo));
	if (rc < 0)
		return early ? (ssize_t)early : rc;
	if (total == 0)
		return may_send(f) ? 0 : send_error(f);
	return sent(f, m, send_all(f, m, early, (size_t)total, flags), flags);
}

/* ---- receiving ---- */

static ssize_t recv_urgent(struct file *f, struct msghdr *m, int flags)
{
	uint8_t c;
	enum nst_err e;

	e = nst_tcp_rcv_urgent(f->tcp, flags & MSG_PEEK, &c);
	if (e != NST_OK) {
		/* LINUX: no byte is EAGAIN only while one may come. */
		if (e == NST_E_AGAIN && nst_tcp_rcv_eof(f->tcp))
			return 0;
		return -errno_of(e);
	}
	m->msg_flags |= MSG_OOB;
	if (iov_bytes(m->msg_iov, m->msg_iovlen) == 0) {
		m->msg_flags |= MSG_TRUNC;
		return 0;
	}
	if (!(flags & MSG_TRUNC))
		(void)iov_copy_out(m, 0, &c, 1);
	return 1;
}

/* Moves what is there now, at most `max`, behind `skip` bytes (peeking). */
static size_t take(struct file *f, struct msghdr *m, size_t at, size_t max,
		   size_t skip, int flags)
{
	struct nst_iov iov[2];
	size_t niov, n = 0;

	(void)nst_tcp_rcv_data(f->tcp, iov, &niov);
	for (size_t i = 0; i < niov && n < max; i++) {
		uint8_t *p = iov[i].p;
		size_t len = iov[i].len;
		size_t over = skip < len ? skip : len;

		skip -= over;
		len -= over;
		len = len < max - n ? len : max - n;
		if (!(flags & MSG_TRUNC))
			(void)iov_copy_out(m, at + n, p + over, len);
		n += len;
	}
	if (n > 0 && !(flags & MSG_PEEK))
		nst_tcp_rcv_consume(f->tcp, n, f->w->now);
	return n;
}

/* Nothing is there: 1 wait, 0 end of file, or -errno. */
static int nothing_there(struct file *f)
{
	enum nst_tcp_state st = nst_tcp_state(f->tcp);
	int err;

	if (nst_tcp_rcv_eof(f->tcp))
		return 0;
	err = file_error(f);
	if (err)
		return -err;
	if (f->shut_rd)
		return 0;
	if (st == NST_TCP_LISTEN)
		return -ENOTCONN;
	if (st == NST_TCP_CLOSE)
		return f->opened ? 0 : -ENOTCONN;
	return 1;
}

/* LINUX: sock_rcvlowat(). */
static size_t target_of(struct file *f, size_t total, int flags)
{
	int64_t low = 1;

	if (flags & MSG_WAITALL)
		return total;
	if (nst_sock_get(file_sock(f), NST_SO_RCVLOWAT, &low) != NST_OK ||
	    low < 1)
		low = 1;
	return (size_t)low < total ? (size_t)low : total;
}

static ssize_t recv_loop(struct file *f, struct msghdr *m, size_t total,
			 int flags)
{
	nst_time deadline = file_deadline(f, f->rcvtimeo);
	size_t target = target_of(f, total, flags), done = 0;
	bool peek = flags & MSG_PEEK;
	size_t skip = peek && f->peek_off > 0 ? (size_t)f->peek_off : 0;

	for (;;) {
		int more;

		done += take(f, m, done, total - done, peek ? skip + done : 0,
			     flags);
		if (done >= target && (done > 0 || total == 0))
			return (ssize_t)done;
		/* What was read stands; the reason is told next time. */
		if (done && (file_error_peek(f) || nst_tcp_at_mark(f->tcp) ||
			     nst_tcp_state(f->tcp) == NST_TCP_CLOSE))
			return (ssize_t)done;
		more = done && nst_tcp_rcv_eof(f->tcp) ? 0 : nothing_there(f);
		if (more <= 0)
			return done ? (ssize_t)done : more;
		if (file_nonblock(f, flags) || world_wait(f->w, deadline) < 0)
			return done ? (ssize_t)done : -EAGAIN;
		if (!f->tcp)
			return done ? (ssize_t)done : -EBADF;
	}
}

static bool wants_inq(const struct file *f)
{
	int64_t v = 0;

	return nst_sock_get(file_sock(f), NST_TCP_INQ, &v) == NST_OK && v;
}

static void add_inq(struct file *f, struct msghdr *m)
{
	struct nst_iov iov[2];
	size_t niov, used = 0;
	int inq = (int)nst_tcp_rcv_data(f->tcp, iov, &niov);

	/* LINUX: tcp_inq_hint(): an end of file counts as one. */
	if (inq == 0 && nst_tcp_rcv_eof(f->tcp))
		inq = 1;
	cmsg_add(m, &used, SOL_TCP, TCP_CM_INQ, &inq, sizeof(inq));
	m->msg_controllen = used;
}

ssize_t stream_errqueue(struct file *f, struct msghdr *m)
{
	struct {
		struct sock_extended_err ee;
		struct sockaddr_in6 offender;
	} d;
	bool v6 = f->domain == AF_INET6;
	struct err_entry *e = f->errq;
	size_t used = 0;

	if (!e)
		return -EAGAIN;
	f->errq = e->next;
	if (!f->errq)
		f->errq_tail = &f->errq;
	memset(&d, 0, sizeof(d));
	d.ee = (struct sock_extended_err){.ee_errno = e->errno_,
					  .ee_origin = e->origin,
					  .ee_type = e->type,
					  .ee_code = e->code,
					  .ee_info = e->info,
					  .ee_data = e->data};
	timestamping_cmsg(f, m, &used, e);
	free(e);
	cmsg_add(m, &used, v6 ? SOL_IPV6 : SOL_IP,
		 v6 ? IPV6_RECVERR : IP_RECVERR, &d,
		 sizeof(d.ee) + (v6 ? sizeof(struct sockaddr_in6)
				    : sizeof(struct sockaddr_in)));
	m->msg_controllen = used;
	m->msg_namelen = 0;
	m->msg_flags |= MSG_ERRQUEUE;
	return 0;
}

ssize_t stream_recv(struct file *f, struct msghdr *m, int flags)
{
	ssize_t total = iov_bytes(m->msg_iov, m->msg_iovlen), n;

	if (total < 0)
		return total;
	m->msg_flags = 0;
	if (flags & MSG_ERRQUEUE)
		return stream_errqueue(f, m);
	if (flags & MSG_OOB)
		n = recv_urgent(f, m, flags);
	else
		n = recv_loop(f, m, (size_t)total, flags);
	if (n < 0)
		return n;
	m->msg_namelen = 0; /* LINUX: TCP says nothing about the peer */
	if (f->peek_off >= 0)
		f->peek_off += flags & MSG_PEEK  ? (int)n
			       : f->peek_off > n ? -(int)n
						 : -f->peek_off;
	if (wants_inq(f) && !(flags & MSG_OOB))
		add_inq(f, m);
	else
		m->msg_controllen = 0;
	return n;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a descriptor is ready for, and poll(2). LINUX: tcp_poll(),
 * datagram_poll() and udp_poll() are the models of the masks. */
#include "tools/packetdrill-adapter/ad_priv.h"

#include <errno.h>
#include <poll.h>

#define IN (POLLIN | POLLRDNORM)
#define OUT (POLLOUT | POLLWRNORM)

/* The peer's FIN is in, or nothing will come any more. */
static bool rcv_shut(const struct file *f, enum nst_tcp_state st)
{
	switch (st) {
	case NST_TCP_CLOSE_WAIT:
	case NST_TCP_LAST_ACK:
	case NST_TCP_CLOSING:
	case NST_TCP_TIME_WAIT:
		return true;
	case NST_TCP_CLOSE:
		return f->opened || f->shut_rd;
	default:
		return f->shut_rd;
	}
}

static bool snd_shut(const struct file *f, enum nst_tcp_state st)
{
	return f->shut_wr || (st == NST_TCP_CLOSE && f->opened);
}

/* LINUX: __sk_stream_is_writeable(): a third of the buffer is free. */
static bool writable(const struct file *f, enum nst_tcp_state st)
{
	return st == NST_TCP_CLOSE || nst_tcp_writable(f->tcp);
}

static bool readable(const struct file *f)
{
	struct nst_iov iov[2];
	size_t niov, n = nst_tcp_rcv_data(f->tcp, iov, &niov);
	int64_t low = 1;

	if (nst_sock_get(file_sock(f), NST_SO_RCVLOWAT, &low) != NST_OK ||
	    low < 1)
		low = 1;
	return n > 0 && (n >= (size_t)low || nst_tcp_rcv_eof(f->tcp));
}

static bool urgent_there(const struct file *f)
{
	uint8_t c;

	return nst_tcp_rcv_urgent(f->tcp, true, &c) == NST_OK;
}

static uint32_t poll_stream(const struct file *f)
{
	enum nst_tcp_state st = nst_tcp_state(f->tcp);
	bool rd = rcv_shut(f, st), wr = snd_shut(f, st);
	uint32_t mask = 0;

	if (st == NST_TCP_LISTEN)
		return nst_tcp_accept_queued(f->tcp) ? IN : 0;
	if ((rd && wr) || st == NST_TCP_CLOSE)
		mask |= POLLHUP;
	if (rd)
		mask |= IN | POLLRDHUP;
	if (nst_tcp_deferred(f->tcp)) {
		mask |= OUT; /* RFC 7413: the SYN waits for data */
	} else if (st != NST_TCP_SYN_SENT &&
		   (st != NST_TCP_SYN_RCVD || f->conn == CONN_UP)) {
		if (readable(f))
			mask |= IN;
		if (wr || writable(f, st))
			mask |= OUT;
		if (urgent_there(f))
			mask |= POLLPRI;
	}
	if (file_error_peek(f) || f->errq)
		mask |= POLLERR;
	return mask;
}

static uint32_t poll_dgram(const struct file *f)
{
	struct nst_dgram_err e;
	uint32_t mask = OUT;

	if (nst_dgram_queued(f->dgram) > 0)
		mask |= IN;
	if (f->shut_rd)
		mask |= IN | POLLRDHUP;
	if (f->shut_rd && f->shut_wr)
		mask |= POLLHUP;
	if (file_error_peek(f) || nst_dgram_err_peek(f->dgram, &e) == NST_OK)
		mask |= POLLERR;
	return mask;
}

uint32_t file_poll(struct file *f)
{
	switch (f->kind) {
	case FILE_TCP:
		return f->tcp ? poll_stream(f) : POLLNVAL;
	case FILE_DGRAM:
		return f->dgram ? poll_dgram(f) : POLLNVAL;
	case FILE_PIPE:
		return f->pipe ? pipe_poll(f) : POLLNVAL;
	case FILE_EPOLL:
		return epoll_poll(f);
	}
	return POLLNVAL;
}

/* ---- poll(2) ---- */

static short revents_of(struct world *w, const struct pollfd *p)
{
	struct file *f;
	uint32_t mask;

	if (p->fd < 0)
		return 0;
	f = file_get(w, p->fd);
	if (!f)
		return POLLNVAL;
	mask = file_poll(f);
	file_put(f);
	return (short)(mask & ((uint32_t)(uint16_t)p->events | POLLERR |
			       POLLHUP | POLLNVAL));
}

static int poll_once(struct world *w, struct pollfd *fds, size_t n)
{
	int ready = 0;

	for (size_t i = 0; i < n; i++) {
		fds[i].revents = revents_of(w, &fds[i]);
		ready += fds[i].revents != 0;
	}
	return ready;
}

int poll_files(struct world *w, struct pollfd *fds, size_t n, int timeout_ms)
{
	nst_time deadline =
	    timeout_ms < 0 ? NST_NEVER : w->now + timeout_ms * NST_MS;

	if (n > LIMIT_FDS)
		return -EINVAL;
	if (n > 0 && !fds)
		return -EFAULT;
	for (;;) {
		int ready = poll_once(w, fds, n);

		if (ready || timeout_ms == 0)
			return ready;
		if (world_wait(w, deadline) < 0)
			return 0;
	}
}

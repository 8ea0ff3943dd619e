/* SPDX-License-Identifier: Apache-2.0 */
/* Pipes of LIMIT_PIPE_BYTES, and splice(2) between them and sockets. */
#include "tools/packetdrill-adapter/ad_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

static struct file *new_end(struct world *w, struct pipe_buf *p, bool writes)
{
	struct file *f = file_new(w, FILE_PIPE);

	if (!f)
		return NULL;
	f->pipe = p;
	f->pipe_writes = writes;
	f->status = writes ? O_WRONLY : O_RDONLY;
	if (writes)
		p->writers++;
	else
		p->readers++;
	return f;
}

void pipe_close(struct file *f)
{
	struct pipe_buf *p = f->pipe;

	f->pipe = NULL;
	if (f->pipe_writes)
		p->writers--;
	else
		p->readers--;
	if (p->readers + p->writers == 0)
		free(p);
	f->w->events = true;
}

static void undo_end(struct file *f)
{
	if (!f)
		return;
	pipe_close(f);
	file_put(f);
}

int pipe_open(struct world *w, int fd[2])
{
	struct pipe_buf *p = calloc(1, sizeof(*p));
	struct file *r, *wr;
	int a, b;

	if (!p)
		return -ENOMEM;
	r = new_end(w, p, false);
	wr = r ? new_end(w, p, true) : NULL;
	a = wr ? file_install(r, 0) : -ENOMEM;
	b = a >= 0 ? file_install(wr, 0) : a;
	if (b < 0) {
		if (a >= 0)
			(void)file_close(w, a);
		else
			undo_end(r);
		undo_end(wr);
		if (!r)
			free(p);
		return b;
	}
	file_put(r);
	file_put(wr);
	fd[0] = a;
	fd[1] = b;
	return 0;
}

/* ---- bytes ---- */

static size_t put(struct pipe_buf *p, const uint8_t *from, size_t n)
{
	size_t done = 0;

	while (done < n && p->used < LIMIT_PIPE_BYTES) {
		p->v[(p->head + p->used) % LIMIT_PIPE_BYTES] = from[done++];
		p->used++;
	}
	return done;
}

/* Looks at up to n bytes without taking them. */
static size_t look(const struct pipe_buf *p, uint8_t *to, size_t n)
{
	if (n > p->used)
		n = p->used;
	for (size_t i = 0; i < n; i++)
		to[i] = p->v[(p->head + i) % LIMIT_PIPE_BYTES];
	return n;
}

static void drop(struct pipe_buf *p, size_t n)
{
	p->head = (p->head + n) % LIMIT_PIPE_BYTES;
	p->used -= n;
}

/* Waits until the read end has bytes: 1, end of file 0, or -errno. */
static int await_bytes(struct file *f, bool nonblock)
{
	while (f->pipe && f->pipe->used == 0) {
		if (f->pipe->writers == 0)
			return 0;
		if (nonblock || world_wait(f->w, NST_NEVER) < 0)
			return -EAGAIN;
	}
	return f->pipe ? 1 : -EBADF;
}

/* Waits until the write end has room: 1, or -errno. */
static int await_room(struct file *f, bool nonblock)
{
	for (;;) {
		if (!f->pipe)
			return -EBADF;
		if (f->pipe->readers == 0)
			return -EPIPE;
		if (f->pipe->used < LIMIT_PIPE_BYTES)
			return 1;
		if (nonblock || world_wait(f->w, NST_NEVER) < 0)
			return -EAGAIN;
	}
}

ssize_t pipe_read(struct file *f, const struct msghdr *m)
{
	ssize_t total = iov_bytes(m->msg_iov, m->msg_iovlen);
	uint8_t *buf;
	size_t n;
	int rc;

	if (f->pipe_writes)
		return -EBADF;
	if (total <= 0)
		return total;
	rc = await_bytes(f, f->status & O_NONBLOCK);
	if (rc <= 0)
		return rc;
	buf = malloc(LIMIT_PIPE_BYTES);
	if (!buf)
		return -ENOMEM;
	n = look(f->pipe, buf, (size_t)total);
	(void)iov_copy_out(m, 0, buf, n);
	drop(f->pipe, n);
	free(buf);
	f->w->events = true;
	return (ssize_t)n;
}

ssize_t pipe_write(struct file *f, const struct msghdr *m)
{
	ssize_t total = iov_bytes(m->msg_iov, m->msg_iovlen);
	size_t done = 0;
	uint8_t chunk[4096];

	if (!f->pipe_writes)
		return -EBADF;
	if (total <= 0)
		return total;
	while (done < (size_t)total) {
		int rc = await_room(f, f->status & O_NONBLOCK);
		size_t n;

		if (rc < 0)
			return done ? (ssize_t)done : rc;
		n = iov_copy_in(m, done, chunk, sizeof(chunk));
		done += put(f->pipe, chunk, n);
		f->w->events = true;
	}
	return (ssize_t)done;
}

uint32_t pipe_poll(const struct file *f)
{
	const struct pipe_buf *p = f->pipe;
	uint32_t mask = 0;

	if (!f->pipe_writes) {
		if (p->used > 0)
			mask |= POLLIN | POLLRDNORM;
		return p->writers == 0 ? mask | POLLHUP : mask;
	}
	if (p->used < LIMIT_PIPE_BYTES)
		mask |= POLLOUT | POLLWRNORM;
	return p->readers == 0 ? mask | POLLERR : mask;
}

/* ---- splice ---- */

static struct msghdr msg_of(struct iovec *v, void *buf, size_t n)
{
	*v = (struct iovec){.iov_base = buf, .iov_len = n};
	return (struct msghdr){.msg_iov = v, .msg_iovlen = 1};
}

/* Only what the socket took leaves the pipe. */
static ssize_t to_sock(struct file *in, struct file *out, size_t len,
		       unsigned flags, uint8_t *buf)
{
	struct iovec v;
	struct msghdr m;
	ssize_t n = await_bytes(in, (in->status & O_NONBLOCK) ||
					(flags & SPLICE_F_NONBLOCK));
	int fl = (flags & SPLICE_F_NONBLOCK ? MSG_DONTWAIT : 0) |
		 (flags & SPLICE_F_MORE ? MSG_MORE : 0);

	if (n <= 0)
		return n;
	m = msg_of(&v, buf, look(in->pipe, buf, len));
	n = io_send(out, &m, fl);
	if (n > 0 && in->pipe) {
		drop(in->pipe, (size_t)n);
		in->w->events = true;
	}
	return n;
}

static ssize_t from_sock(struct file *in, struct file *out, size_t len,
			 unsigned flags, uint8_t *buf)
{
	bool nonblock = flags & SPLICE_F_NONBLOCK;
	struct iovec v;
	struct msghdr m;
	ssize_t n = await_room(out, nonblock || (out->status & O_NONBLOCK));
	size_t room;

	if (n < 0)
		return n;
	/* LINUX: it stops at the urgent byte, and does not wait behind it. */
	if (in->tcp && nst_tcp_at_mark(in->tcp))
		return 0;
	room = LIMIT_PIPE_BYTES - out->pipe->used;
	m = msg_of(&v, buf, len < room ? len : room);
	n = io_recv(in, &m, nonblock ? MSG_DONTWAIT : 0);
	if (n > 0 && out->pipe) {
		n = (ssize_t)put(out->pipe, buf, (size_t)n);
		out->w->events = true;
	}
	return n;
}

ssize_t pipe_splice(struct file *in, struct file *out, size_t len,
		    unsigned flags)
{
	bool from_pipe = in->kind == FILE_PIPE && !in->pipe_writes;
	bool to_pipe = out->kind == FILE_PIPE && out->pipe_writes;
	uint8_t *buf;
	ssize_t n;

	/* LINUX: one side must be a pipe; two pipes are not offered here. */
	if (from_pipe == to_pipe || !file_is_sock(from_pipe ? out : in))
		return -EINVAL;
	if (len == 0)
		return 0;
	buf = malloc(LIMIT_PIPE_BYTES);
	if (!buf)
		return -ENOMEM;
	if (len > LIMIT_PIPE_BYTES)
		len = LIMIT_PIPE_BYTES;
	n = from_pipe ? to_sock(in, out, len, flags, buf)
		      : from_sock(in, out, len, flags, buf);
	free(buf);
	return n;
}

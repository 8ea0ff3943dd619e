/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing.  What is written is zeroes; what is read is not
 * looked at, only how much it was. */
#include "tests/pkt/call_priv.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/sendfile.h>
#include <unistd.h>

enum { ICMP4_ECHO = 8, ICMP6_ECHO = 128 };

/* fd, buf, count [, flags [, address, length]]: the common arguments. */
struct io {
	struct sock *s;
	void *buf;
	size_t count;
	int flags;
};

static struct io io_args(struct call *c, size_t n)
{
	struct io io = {.s = call_fd(c, 0)};

	call_args(c, n, n);
	io.count = (size_t)call_int(c, 2);
	if (n > 3)
		io.flags = call_int(c, 3);
	io.buf = call_buffer(c, 1, io.count);
	return io;
}

void call_read(struct call *c)
{
	struct io io = io_args(c, 3);
	ssize_t n;

	if (c->err != NULL)
		return;
	call_begin(c);
	n = io.s->is_host
		? read(io.s->live_fd, io.buf, io.count)
		: c->r->ifc.read(c->ud, io.s->live_fd, io.buf, io.count);
	call_end(c, n, false);
}

void call_write(struct call *c)
{
	struct io io = io_args(c, 3);
	ssize_t n;

	if (c->err != NULL)
		return;
	call_begin(c);
	n = io.s->is_host
		? write(io.s->live_fd, io.buf, io.count)
		: c->r->ifc.write(c->ud, io.s->live_fd, io.buf, io.count);
	call_end(c, n, false);
}

static struct iovec *iov_args(struct call *c, struct sock **s, size_t *n)
{
	struct expr *e = call_arg(c, 1, EXPR_LIST);
	int count = call_int(c, 2);
	struct iovec *v = call_iovec(c, e, n);

	call_args(c, 3, 3);
	*s = call_fd(c, 0);
	if ((size_t)count != *n)
		call_fail(c,
			  "iov_count %d does not match %zu-element iovec "
			  "array",
			  count, *n);
	return v;
}

void call_readv(struct call *c)
{
	struct sock *s;
	size_t n;
	struct iovec *v = iov_args(c, &s, &n);

	if (c->err != NULL)
		return;
	call_begin(c);
	call_end(c, c->r->ifc.readv(c->ud, s->live_fd, v, (int)n), false);
}

void call_writev(struct call *c)
{
	struct sock *s;
	size_t n;
	struct iovec *v = iov_args(c, &s, &n);

	if (c->err != NULL)
		return;
	call_begin(c);
	call_end(c, c->r->ifc.writev(c->ud, s->live_fd, v, (int)n), false);
}

void call_recv(struct call *c)
{
	struct io io = io_args(c, 4);

	if (c->err != NULL)
		return;
	call_begin(c);
	call_end(
	    c, c->r->ifc.recv(c->ud, io.s->live_fd, io.buf, io.count, io.flags),
	    false);
}

void call_recvfrom(struct call *c)
{
	struct io io = io_args(c, 6);
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	call_ellipsis(c, 4);
	call_ellipsis(c, 5);
	if (c->err != NULL)
		return;
	call_begin(c);
	call_end(c,
		 c->r->ifc.recvfrom(c->ud, io.s->live_fd, io.buf, io.count,
				    io.flags, (struct sockaddr *)&sa, &len),
		 false);
}

void call_send(struct call *c)
{
	struct io io = io_args(c, 4);

	if (c->err != NULL)
		return;
	call_begin(c);
	call_end(
	    c, c->r->ifc.send(c->ud, io.s->live_fd, io.buf, io.count, io.flags),
	    false);
}

void call_sendto(struct call *c)
{
	struct io io = io_args(c, 6);
	int family = call_is(c, 4, EXPR_ELLIPSIS) ? -1 : call_int(c, 4);
	struct sockaddr_storage sa;
	socklen_t len;

	call_ellipsis(c, 5);
	if (c->err != NULL)
		return;
	len = call_connect_address(c, io.s, &sa, family);
	/* An ICMP socket takes echo requests only. */
	if (io.count >= 8 && io.buf != NULL && io.s->proto == IPPROTO_ICMP)
		*(unsigned char *)io.buf = ICMP4_ECHO;
	if (io.count >= 8 && io.buf != NULL && io.s->proto == IPPROTO_ICMPV6)
		*(unsigned char *)io.buf = ICMP6_ECHO;
	call_begin(c);
	call_end(c,
		 c->r->ifc.sendto(c->ud, io.s->live_fd, io.buf, io.count,
				  io.flags, (struct sockaddr *)&sa, len),
		 false);
}

void call_splice(struct call *c)
{
	struct sock *in = call_fd(c, 0), *out = call_fd(c, 2);
	loff_t off_in = call_long(c, 1), off_out = call_long(c, 3);
	int len = call_int(c, 4), flags = call_int(c, 5);

	if (!call_args(c, 6, 6) || c->err != NULL)
		return;
	call_begin(c);
	call_end(c,
		 c->r->ifc.splice(c->ud, in->live_fd, off_in ? &off_in : NULL,
				  out->live_fd, off_out ? &off_out : NULL,
				  (size_t)len, (unsigned)flags),
		 false);
}

/* A stack behind the interface cannot see the host's files. */
static ssize_t copy_file(struct call *c, int out, int in, off_t off,
			 size_t count)
{
	unsigned char buf[65536];
	size_t done = 0;

	while (done < count) {
		size_t want = count - done;
		ssize_t n =
		    pread(in, buf, want < sizeof(buf) ? want : sizeof(buf),
			  off + (off_t)done);
		/* LINUX: so it is when the file ends early. */
		int more = n > 0 && (size_t)n < want ? MSG_MORE : 0;

		if (n > 0)
			n = c->r->ifc.send(c->ud, out, buf, (size_t)n, more);
		if (n <= 0)
			return done > 0 ? (ssize_t)done : n;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

void call_sendfile(struct call *c)
{
	struct sock *out = call_fd(c, 0), *in = call_fd(c, 1);
	off_t off = call_bracketed(c, 2);
	int count = call_int(c, 3);

	if (!call_args(c, 4, 4) || c->err != NULL)
		return;
	call_begin(c);
	call_end(
	    c,
	    c->r->conf->backend == BACKEND_KERNEL
		? sendfile(out->live_fd, in->live_fd, &off, (size_t)count)
		: copy_file(c, out->live_fd, in->live_fd, off, (size_t)count),
	    false);
}
